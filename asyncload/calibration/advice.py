"""What a certificate says about a plan, before it is run."""

from __future__ import annotations

import contextlib
import os
from typing import Final, NamedTuple

import numpy as np

from asyncload.calibration.certificate import Certificate, certificate_path, read_certificate
from asyncload.calibration.machine import this_machine
from asyncload.errors import ConfigError
from asyncload.plan.plan import Plan, UserSpec
from asyncload.stats import units

_OF_REQUESTS: Final = frozenset({"http", "edge", "sagemaker"})
"""Kinds whose iterations are HTTP requests, one each at least."""
_LOOKS: Final = 100_000
"""Times at which the levels are looked at: a burst of a second within a day is seen."""
NEAR: Final = 0.5
"""Share of the top rate beyond which a milder note is due."""


class Advice(NamedTuple):
    """A note for a run: ``warning`` or ``info``, and one sentence."""

    level: str
    text: str


def advice_for(plan: Plan) -> list[Advice]:
    """Say what this machine's certificate has to say about ``plan``; nothing without one.

    It never raises: a certificate that is damaged, or another machine's, is a note.
    """
    path = certificate_path()
    if not os.path.exists(path):  # noqa: PTH110 - never raises, unlike Path's
        return []
    try:
        certificate = read_certificate(path)
    except ConfigError as problem:
        return [Advice("info", str(problem))]
    difference = certificate.machine.difference(this_machine())
    if difference is not None:
        text = (
            f"the certificate of {certificate.date} is {difference}, so it is not known what "
            "this machine can drive; make a new one with: asyncload calibrate"
        )
        return [Advice("info", text)]
    with contextlib.suppress(Exception):  # a shape of the user's own may raise anything
        found = judge_peak(peak_rate(plan), certificate)
        return [] if found is None else [found]
    return []


def judge_peak(peak: float, certificate: Certificate) -> Advice | None:
    """Hold a plan's peak, requests per second, against what a machine was certified for."""
    top = certificate.top_rate.rate
    certified = f"this machine was certified for {units.rate(top)} on {certificate.date}"
    plan = f"the plan peaks at {units.rate(peak)}"
    if peak > top:
        remedy = "use more processes or a lower rate"
        return Advice("warning", f"{plan}; {certified}; {remedy}")
    if peak > NEAR * top:
        text = f"{plan}, {units.percent(peak / top)} of what is possible here ({certified})"
        return Advice("info", f"{text}; lighter users and a free core keep it on time")
    return None


def peak_rate(plan: Plan) -> float:
    """Give the highest sum of the rates of ``plan``'s open scenarios of HTTP requests, per second.

    Closed scenarios are left out: their rate is the service's, and a generator that is late
    there slows the load instead of delaying it. So are jobs, many of which may go in one
    request, and user classes, of which nobody knows what they send.
    """
    scenarios = [
        scenario
        for scenario in plan.scenarios
        if scenario.model == "open"
        and isinstance(scenario.user, UserSpec)
        and scenario.user.kind in _OF_REQUESTS
    ]
    if not scenarios:
        return 0.0
    times = np.linspace(0.0, max(scenario.end for scenario in scenarios), _LOOKS)
    total = np.zeros(_LOOKS)
    for scenario in scenarios:
        due = times < scenario.end
        levels = np.asarray(scenario.shape.level(times), np.float64)
        total += np.where(due, levels / scenario.parts, 0.0)
    return float(total.max())
