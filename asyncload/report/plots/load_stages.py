"""Graphs of clients that become more, stage by stage: what they got, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asyncload.records.record import OK, SENT, RunHeader
from asyncload.report.plots import series, style
from asyncload.report.plots.bins import Array
from asyncload.report.plots.data import Part, Run
from asyncload.report.plots.latency import never_band
from asyncload.report.plots.marks import marks
from asyncload.report.plots.series import Percentiles
from asyncload.report.plots.style import Stroke
from asyncload.stats.load_stages import LoadStages, StageMetrics, Stairs, stairs_of

_CLIENTS: Final = Stroke(style.PURPLE, (0, (1, 1.2)), width=1.4)
_EXPECTED: Final = Stroke(style.GREY, (0, (6, 2)), width=1.6, above=True)
_HEADROOM: Final = 1.6
"""Times the most clients that their axis goes up to: their line stays clear of the others."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests per second, by when they ended."""

    times: Array
    """The middle of what each is of, seconds."""
    answered: Array
    good: Array
    errors: Array


@dataclass(frozen=True, slots=True)
class StagedLoad:
    """One scenario: its clients over time, as corners of a line, and how its stages came out."""

    times: Array
    """Seconds."""
    clients: Array
    expected: Array
    """Requests per second."""
    stages: tuple[StageMetrics, ...]

    def rates(self, part: Part, run: Run) -> Rates:
        """Count the answers of the scenario, per second."""
        _, pieces = series.pieces(run, part.load_end)
        sent = part.requests.filter(pl.col("outcome").is_in(SENT))
        good = sent.filter(pl.col("outcome") == OK)
        answered = pieces.counts(sent["end"].to_numpy()) / pieces.widths
        well = pieces.counts(good["end"].to_numpy()) / pieces.widths
        return Rates(pieces.centres, answered, well, answered - well)


def staged_loads(run: Run) -> list[tuple[Part, StagedLoad]]:
    """Find the scenarios of a run whose loads are stairs of clients at a fixed rate."""
    if run.header is None:
        return []
    known = stairs_of(run.header)
    return [
        (part, _staged_load(run.header, part, known[part.scenario]))
        for part in run.parts
        if part.scenario in known
    ]


def _staged_load(header: RunHeader, part: Part, stairs: Stairs) -> StagedLoad:
    sent = part.requests.filter(pl.col("outcome").is_in(SENT))
    stages = LoadStages()
    stages.header(header)
    assert part.scenario is not None  # it is one of those of the header
    stages.columns(
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
    return StagedLoad(times, clients, clients * stairs.rate, tuple(stages.read()))


def step_throughput(run: Run) -> Figure | None:
    """Answers, good ones, errors and the expected rate per second, with the clients."""
    drawn = staged_loads(run)
    if not drawn:
        return None
    fig, axes = style.figure(run, "clients and throughput", len(drawn))
    unit = style.time_axis(axes, run, [run.bins.width])
    for ax, (part, load) in zip(axes, drawn, strict=True):
        rates = load.rates(part, run)
        handles: list[Artist] = [
            _stairs(ax, load.times / unit, load.expected, _EXPECTED, "expected"),
            *(
                style.draw(ax, rates.times / unit, values, stroke, label)
                for label, values, stroke in (
                    ("answered", rates.answered, Stroke(style.BLUE)),
                    ("successes", rates.good, Stroke(style.GREEN, (0, (5, 1.5)))),
                    ("errors", rates.errors, Stroke(style.RED, (0, (3, 1, 1, 1)), "x", 1.1)),
                )
            ),
        ]
        style.count_axis(ax, "requests per second")
        _finish(ax, run, part, load, handles, unit=unit)
    return fig


def step_latency(run: Run) -> Figure | None:
    """Percentiles of latency over time, with the clients."""
    drawn = [
        (part, load, found.every)
        for part, load in staged_loads(run)
        if (found := series.request_latency(part, run.span)) is not None
        and isinstance(found.every, Percentiles)
    ]
    if not drawn:
        return None
    fig, axes = style.figure(run, "clients and latency", len(drawn))
    unit = style.time_axis(axes, run, [latency.bins.width for _, _, latency in drawn])
    for ax, (part, load, latency) in zip(axes, drawn, strict=True):
        lines: Sequence[tuple[str, Array, Stroke]] = (
            ("p99", latency.p99, Stroke(style.SKY, (0, (1, 1)), "^", 1.1)),
            ("p95", latency.p95, Stroke(style.ORANGE, (0, (5, 1.5)), "s")),
            ("p50 (median)", latency.p50, Stroke(style.BLUE)),
        )
        every = [values for _, values, _ in lines]
        style.latency_axis(ax, every, "latency, due to end")
        placed, never = never_band(ax, every)
        handles: list[Artist] = [
            style.draw(ax, latency.times / unit, values, stroke, label)
            for (label, _, stroke), values in zip(lines, placed, strict=True)
        ]
        handles += never
        _finish(ax, run, part, load, handles, unit=unit)
    return fig


def _finish(
    ax: Axes, run: Run, part: Part, load: StagedLoad, handles: Sequence[Artist], *, unit: float
) -> None:
    """Draw what both graphs have: the clients, the stages that were not steady, the legend."""
    right = style.second_axis(ax)
    clients = _stairs(right, load.times / unit, load.clients, _CLIENTS, "clients (right)")
    style.count_axis(right, "clients")
    right.set_ylim(0, float(np.max(load.clients)) * _HEADROOM)
    more: list[Artist] = [clients]
    for stage in load.stages:
        if stage.steady is False:
            right.axvspan(
                stage.start / unit, stage.end / unit, color=style.YELLOW, alpha=0.18, lw=0
            )
    if any(stage.steady is False for stage in load.stages):
        more.append(Patch(color=style.YELLOW, alpha=0.35, label="not steady"))
    title = part.scenario if len(run.parts) > 1 else None
    style.legend(ax, title, [*handles, *more, *marks(ax, run, unit, part)])


def _stairs(ax: Axes, x: Array, y: Array, stroke: Stroke, label: str) -> Line2D:
    """Draw a line by its corners: they are no values that were measured, and have no markers."""
    (line,) = ax.plot(
        x,
        y,
        color=stroke.colour,
        linestyle=stroke.line,
        linewidth=stroke.width,
        label=label,
        zorder=2.5 if stroke.above else 2.0,
    )
    return line
