"""What the graphs of clients that become more show: numbers, without matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from asyncload.records.record import DROPPED, OK, RunHeader
from asyncload.report import plot_series as series
from asyncload.report.bins import Array
from asyncload.report.plot_run import Part, Run
from asyncload.stats.steps import Stairs, StepMetrics, Steps, stairs_of


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests per second, by when they ended."""

    times: Array
    """The middle of what each is of, seconds."""
    answered: Array
    good: Array
    errors: Array


@dataclass(frozen=True, slots=True)
class Climb:
    """One scenario: its clients over time, as corners of a line, and how its steps came out."""

    times: Array
    """Seconds."""
    clients: Array
    expected: Array
    """Requests per second."""
    steps: tuple[StepMetrics, ...]

    def rates(self, part: Part, run: Run) -> Rates:
        """Count the answers of the scenario, per second."""
        _, pieces = series.pieces(run, part.load_end)
        sent = part.requests.filter(pl.col("outcome") != DROPPED)
        good = sent.filter(pl.col("outcome") == OK)
        answered = pieces.counts(sent["end"].to_numpy()) / pieces.widths
        well = pieces.counts(good["end"].to_numpy()) / pieces.widths
        return Rates(pieces.centres, answered, well, answered - well)


def climbs(run: Run) -> list[tuple[Part, Climb]]:
    """Find the scenarios of a run whose loads are stairs of clients at a fixed rate."""
    if run.header is None:
        return []
    known = stairs_of(run.header)
    return [
        (part, _climb(run.header, part, known[part.scenario]))
        for part in run.parts
        if part.scenario in known
    ]


def _climb(header: RunHeader, part: Part, stairs: Stairs) -> Climb:
    sent = part.requests.filter(pl.col("outcome") != DROPPED)
    steps = Steps()
    steps.header(header)
    assert part.scenario is not None  # it is one of those of the header
    steps.columns(
        part.scenario,
        due=sent["due"].to_numpy(),
        end=sent["end"].to_numpy(),
        good=(sent["outcome"] == OK).to_numpy(),
        load=part.levels.filter(pl.col("target") > 0)["t"].to_numpy(),
    )
    edges = np.array([*stairs.starts, stairs.end])
    # Two corners at each edge: the line goes up at it, and not towards it.
    times = np.repeat(edges, 2)
    clients = np.concatenate([[0.0], np.repeat(np.array(stairs.clients, np.float64), 2), [0.0]])
    return Climb(times, clients, clients * stairs.rate, tuple(steps.read()))
