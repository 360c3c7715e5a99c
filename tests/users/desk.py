"""A set-up of one scenario, as ``User.prepare`` is given it, that keeps what it was told."""

from __future__ import annotations

import contextlib

from asyncload import Scenario, shapes
from asyncload.engine.setup import ScenarioSetup


class Desk(ScenarioSetup):
    """``notes`` and ``told`` are the notes and the progress."""

    def __init__(self, aws, http=None):
        self.notes = []
        self.told = []
        super().__init__(
            aws,
            Scenario(name="jobs", user="model_runner", shape=shapes.Constant(1), duration=1),
            "scenarios.0.user",
            http=http,
            resources=contextlib.AsyncExitStack(),
            note=lambda level, text: self.notes.append((level, text)),
            progress=self.told.append,
        )
