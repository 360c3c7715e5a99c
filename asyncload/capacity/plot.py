"""The graph of a search for a service's capacity: latency, and what ended, over the rate."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from asyncload.capacity.result import Capacity, Ending, TrialResult, curve, kept_as
from asyncload.errors import ConfigError
from asyncload.report.plots import style
from asyncload.report.plots.bins import Array
from asyncload.report.plots.style import Stroke
from asyncload.stats import units
from asyncload.verdict.thresholds import Threshold

_ANSWERS: Final[dict[Ending, str]] = {
    "found": "sustains {0:.4g}/s, and not {1:.4g}/s",
    "at least": "sustains at least {0:.4g}/s",
    "none": "fails at {1:.4g}/s",
    "generator": "the generator was the limit above {0:.4g}/s",
    "broken": "a trial broke off above {0:.4g}/s",
    "not drained": "jobs stayed open above {0:.4g}/s",
    "interrupted": "interrupted; {0:.4g}/s passed",
}
_PERCENTILES: Final = (
    ("p99", Stroke(style.ORANGE, (0, (1, 1)), width=1.2)),
    ("p95", Stroke(style.BLUE, width=1.9)),
    ("p50", Stroke(style.GREEN, (0, (5, 1.5)), width=1.4)),
)


def plot_capacity(capacity: Capacity, folder: Path) -> Path | None:
    """Draw ``NAME.capacity.png`` into ``folder``; ``None`` when no trial tells anything.

    Raises :class:`ConfigError` when it cannot be written.
    """
    trials = curve(capacity.steps)
    if not trials:
        return None
    path = folder / f"{kept_as(capacity.name)}.png"
    fig = draw(capacity, trials)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, format="png", dpi=style.DPI)
    except OSError as problem:
        raise ConfigError(
            f"cannot write graphs to {folder}: {problem.strerror}; choose another folder"
        ) from None
    return path


def draw(capacity: Capacity, trials: list[TrialResult]) -> Figure:
    """Draw ``trials``, which are of different and rising rates."""
    fig, (top, bottom) = style.headed(
        f"{style.printable(capacity.name, 60)}: capacity", _subtitle(capacity, trials), 2, each=2.9
    )
    rates = np.array([trial.rate for trial in trials])
    marks = _marks(capacity, [top, bottom])
    _latency(top, rates, trials)
    _ended(bottom, rates, trials, marks)
    # Rates rise by factors, so half of the axis or more is where it is decided: no logarithm.
    for ax in (top, bottom):
        ax.set_xlim(0, rates[-1] * 1.04)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 2.5, 5, 10]))
    bottom.set_ylim(0, None)
    bottom.xaxis.set_major_formatter(style.PLAIN_NUMBER)
    bottom.yaxis.set_major_formatter(style.PLAIN_NUMBER)
    bottom.set_xlabel("arrivals per second", fontsize=10)
    return fig


def _subtitle(capacity: Capacity, trials: list[TrialResult]) -> str:
    start = min(trial.started_at for trial in trials)
    answer = _ANSWERS[capacity.ending].format(capacity.capacity or 0.0, capacity.failed_at or 0.0)
    parts = [f"{start[:16].replace('T', ' ')} UTC", answer]
    parts += [held.text for held in trials[0].thresholds]
    text = "  ·  ".join(parts)
    return style.printable(text if len(text) <= 118 else f"{text[:117]}…", 118)


def _latency(ax: Axes, rates: Array, trials: list[TrialResult]) -> None:
    handles: list[Artist] = []
    marks: list[Artist] = []
    drawn = []
    for name, stroke in _PERCENTILES:
        values = np.array([getattr(trial.latency, name) or np.nan for trial in trials], np.float64)
        handles.append(_line(ax, rates, values, trials, stroke=stroke, name=name))
        drawn.append(values)
    limits = _limits(trials)
    drawn.append(np.array([limit for _, limit in limits], np.float64))
    for name, limit in limits:
        label = f"limit of {name} {units.seconds(limit)}"
        line: tuple[float, tuple[float, ...]] = (0, (6, 2, 1, 2))
        marks.append(ax.axhline(limit, color=style.BLACK, linestyle=line, lw=1.0, label=label))
    style.latency_axis(ax, drawn, "job latency" if trials[0].jobs else "latency")
    style.legend(ax, None, [*reversed(handles), *_marker_keys(trials), *marks])


def _limits(trials: list[TrialResult]) -> list[tuple[str, float]]:
    """Find the limits of latency, by the name of the statistic, seconds."""
    family = "job" if trials[0].jobs else "request"
    found = []
    for held in trials[0].thresholds:
        threshold = Threshold.parse(held.text)
        metric = threshold.metric
        plain = metric.family == family and metric.name is None and metric.field == "latency"
        if plain and threshold.operator in {"<", "<="}:
            found.append((metric.path.partition("latency.")[2], threshold.limit))
    return found


def _ended(ax: Axes, rates: Array, trials: list[TrialResult], marks: list[Artist]) -> None:
    expected = ax.plot(
        [0, rates[-1]],
        [0, rates[-1]],
        color=style.GREY,
        linestyle=(0, (1, 1.2)),
        linewidth=2.0,
        label="as many as arrive",
        zorder=1.8,
    )
    values = np.array([trial.ended for trial in trials])
    ended = _line(ax, rates, values, trials, stroke=Stroke(style.BLUE, width=1.9), name="ended")
    ax.set_ylabel("jobs ended per second" if trials[0].jobs else "answers per second", fontsize=10)
    style.legend(ax, None, [ended, *expected, *marks])


def _line(
    ax: Axes, rates: Array, values: Array, trials: list[TrialResult], *, stroke: Stroke, name: str
) -> Line2D:
    """Draw a curve whose points tell by their marker whether the trial passed."""
    (line,) = ax.plot(
        rates,
        values,
        color=stroke.colour,
        linestyle=stroke.line,
        linewidth=stroke.width,
        label=name,
    )
    passed = np.array([trial.outcome == "passed" for trial in trials])
    ax.plot(rates[passed], values[passed], "o", color=stroke.colour, markersize=5)
    ax.plot(
        rates[~passed],
        values[~passed],
        "X",
        color=stroke.colour,
        markersize=7,
        markeredgecolor="white",
    )
    return line


def _marker_keys(trials: list[TrialResult]) -> list[Artist]:
    keys: list[Artist] = []
    for marker, passed, name in (("o", True, "passed"), ("X", False, "failed")):
        if any((trial.outcome == "passed") == passed for trial in trials):
            keys.append(Line2D([], [], color=style.BLACK, linestyle="", marker=marker, label=name))
    return keys


def _marks(capacity: Capacity, axes: list[Axes]) -> list[Artist]:
    """Mark where the service's limit lies, and the knee."""
    keys: list[Artist] = []
    low, high, knee = capacity.capacity, capacity.failed_at, capacity.knee
    for ax in axes:
        if low is not None and high is not None:
            ax.axvspan(low, high, color=style.RED, alpha=0.18, linewidth=0, zorder=1.2)
        if low is not None:
            ax.axvline(low, color=style.RED, linewidth=1.2, zorder=1.4)
        if knee is not None:
            ax.axvline(knee, color=style.PURPLE, linestyle=(0, (4, 2)), linewidth=1.3, zorder=1.5)
    if low is not None:
        word = "capacity" if capacity.ending == "found" else "passed"
        label = f"{word} {low:.4g}/s"
        keys.append(Line2D([], [], color=style.RED, linewidth=1.2, label=label))
        if high is not None:
            keys.append(Patch(color=style.RED, alpha=0.18, linewidth=0, label="may pass or fail"))
    if knee is not None:
        label = f"knee {knee:.4g}/s"
        keys.append(
            Line2D([], [], color=style.PURPLE, linestyle=(0, (4, 2)), linewidth=1.3, label=label)
        )
    return keys
