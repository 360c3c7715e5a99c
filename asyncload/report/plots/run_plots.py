"""Graphs of a run, drawn from its log.

To add a graph: write a function from :class:`Run` to a figure (or ``None``
when the log has nothing for it) and name it in :data:`PLOTS`. Numbers come
from :mod:`asyncload.report.plots.series` and
:mod:`asyncload.report.plots.percentiles`, looks from
:mod:`asyncload.report.plots.style`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asyncload.errors import ConfigError
from asyncload.records.columns import read_columns
from asyncload.report.plots import series, style
from asyncload.report.plots.bins import Array, Bins
from asyncload.report.plots.data import Part, Run, run_of
from asyncload.report.plots.generator import generator
from asyncload.report.plots.hosts import MONITORING, monitoring, system
from asyncload.report.plots.latency import crosses, dots, never_band, request_latency
from asyncload.report.plots.load_stages import step_latency, step_throughput
from asyncload.report.plots.marks import marks
from asyncload.report.plots.percentiles import latency_distribution
from asyncload.report.plots.request_stages import stages
from asyncload.report.plots.series import UNSPLIT, JobLatency, Percentiles, Points
from asyncload.report.plots.streams import streams
from asyncload.report.plots.style import Stroke

FORMATS: Final = ("png", "svg")

_TARGET: Final = Stroke(style.GREY, (0, (1, 1.2)), width=2.0, above=True)
_SEGMENTS: Final = {
    "lateness": (style.RED, "xxxx"),
    "submit": (style.YELLOW, ""),
    "queue wait": (style.SKY, "////"),
    "processing": (style.BLUE, ""),
    "notification": (style.ORANGE, "...."),
    UNSPLIT: ("#BDBDBD", ""),
}


def plot_log(
    path: Path,
    out_dir: Path,
    *,
    format: str = "png",  # noqa: A002 -- what matplotlib and the command line call it
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw every graph the log at ``path`` has data for; return the files written.

    Where ``out_dir`` has a graph of ours, by its name in :data:`PLOTS` and in
    either format, that this log has no data for, it is of another run and is
    deleted. The log of ``asyncload monitor`` has graphs of its own, and leaves
    those of a run alone. ``progress`` is called with bytes read and bytes in all.

    Raises :class:`LogError` when the log cannot be read or holds no request,
    no job and no sample of a host, and :class:`ConfigError` for an unknown format or a folder
    that cannot be written.
    """
    check_format(format)
    run = run_of(read_columns(path, progress=progress))
    return write_graphs(run, draw(run), Path(out_dir), format)


def check_format(form: str) -> None:
    """Refuse a format that graphs cannot be paths in. Raises :class:`ConfigError`."""
    if form not in FORMATS:
        raise ConfigError(f"the format {form!r} is unknown; choose {' or '.join(FORMATS)}")


def write_graphs(
    run: Run,
    graphs: Iterable[tuple[str, Figure]],
    out_dir: Path,
    format: str,  # noqa: A002 -- as above
) -> list[Path]:
    """Write the graphs of ``run``, and delete those of another run, as :func:`plot_log` does."""
    paths = []
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for name, fig in graphs:
            paths.append(out_dir / f"{name}.{format}")
            fig.savefig(paths[-1], format=format, dpi=style.DPI)
        drawn = {path.stem for path in paths}
        for older in _ours(out_dir, run):
            if older.stem not in drawn:
                older.unlink(missing_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"cannot write graphs to {out_dir}: {problem.strerror}; choose another folder"
        ) from None
    return paths


def draw(run: Run) -> Iterator[tuple[str, Figure]]:
    """Draw one graph after the other, so that only one is held at a time."""
    if not run.sent:
        yield from monitoring(run)
        return
    for name, plot in PLOTS:
        fig = plot(run)
        if fig is not None:
            yield name, fig


def _ours(out_dir: Path, run: Run) -> list[Path]:
    """Find the graphs in ``out_dir`` that a log like that of ``run`` may have."""
    if run.sent:
        return [out_dir / f"{name}.{form}" for name, _ in PLOTS for form in FORMATS]
    found = [path for form in FORMATS for path in out_dir.glob(f"*.{form}")]
    return [path for path in found if MONITORING.fullmatch(path.stem)]


def throughput(run: Run) -> Figure:
    """Target, arrivals, completions, failures and drops per second."""
    fig, axes = style.figure(run, "throughput", len(run.parts))
    unit = style.time_axis(axes, run, [run.bins.width])
    for ax, part in zip(axes, run.parts, strict=True):
        counts = series.throughput(part, run)
        one, many = ("job ", "jobs ") if part.has_jobs else ("request ", "requests ")
        if part.scenario is None:
            one = many = ""
        handles = _target(ax, part, run.bins, unit, rate=True)
        coming, going = counts.coming, counts.going
        failed = Stroke(style.RED, (0, (3, 1, 1, 1)), "x", 1.1)
        for label, pieces, values, stroke in (
            (f"{one}arrivals", coming, counts.arrivals, Stroke(style.BLUE)),
            (f"{many}completed", going, counts.completed, Stroke(style.GREEN, (0, (5, 1.5)))),
            (f"{many}failed", going, counts.failed, failed),
            (f"{many}dropped", coming, counts.dropped, Stroke(style.PURPLE, (0, (1, 1)), "v", 1.1)),
        ):
            if values.any() or values is counts.arrivals:
                rate = values / pieces.widths
                handles.append(style.draw(ax, pieces.centres / unit, rate, stroke, label))
        style.count_axis(ax, "per second")
        style.legend(ax, style.panel_name(part, run), handles + marks(ax, run, unit, part))
    return fig


def _target(ax: Axes, part: Part, bins: Bins, unit: float, *, rate: bool) -> list[Artist]:
    """Draw the target level; on an axis of its own unless ``ax`` has its unit.

    ``rate``: whether ``ax`` is of events per second, or else of a number.
    """
    own = part.model != ("open" if rate else "closed")
    line = series.target(part, bins, beside_counts=rate and not own)
    if line is None or (part.scenario is None and part.model is None):
        return []
    times, levels = line
    unit_name = {"open": "arrivals per second", "closed": "users"}.get(part.model or "", "level")
    axes = style.second_axis(ax) if own else ax
    label = f"target {unit_name}" if own or not rate else "target"
    handle = style.draw(axes, times / unit, levels, _TARGET, label)
    if own:
        style.count_axis(axes, label)
    return [handle]


def job_latency(run: Run) -> Figure | None:
    """Mean job latency over time, split into its parts, with the p95 of the whole."""
    found = [(part, series.job_latency(part, run.span)) for part in run.parts]
    drawn = [(part, latency) for part, latency in found if latency is not None]
    if not drawn:
        return None
    fig, axes = style.figure(run, "mean job latency, by part", len(drawn))
    unit = style.time_axis(axes, run, [latency.bins.width for _, latency in drawn])
    for ax, (part, latency) in zip(axes, drawn, strict=True):
        handles, top = _segments(ax, latency, unit)
        whole = latency.whole
        height = whole.p95 if isinstance(whole, Percentiles) else whole.latency
        style.latency_axis(ax, [top, height], "latency, due to observed", log=False)
        if isinstance(whole, Percentiles):
            (p95,), never = never_band(ax, [whole.p95], "never: given up")
            handles += [_p95(ax, whole.times / unit, p95), *never]
        else:
            handles.append(dots(ax, whole, unit, "each job"))
        if latency.unfinished.size:
            label = f"not completed ({latency.unfinished.size:,})"
            at = run.bins.means(latency.unfinished, latency.unfinished)
            edge = np.where(np.isnan(at), np.nan, ax.get_ylim()[1])
            handles.append(crosses(ax, Points(at, edge), unit, label))
        style.legend(ax, style.panel_name(part, run), handles + marks(ax, run, unit, part))
    return fig


def _segments(ax: Axes, latency: JobLatency, unit: float) -> tuple[list[Artist], Array]:
    """Stack the parts; return the legend's entries and the height of the whole."""
    handles: list[Artist] = []
    base = np.zeros(latency.bins.count)
    for name, values in latency.segments.items():
        colour, hatch = _SEGMENTS[name]
        top = base + np.nan_to_num(values)
        area = ax.stairs(
            top,
            latency.bins.edges / unit,
            baseline=base,
            fill=True,
            facecolor=colour,
            edgecolor="white",
            hatch=hatch,
            linewidth=0,
            label=name,
        )
        handles.append(area)
        base = top
    return handles, base


def _p95(ax: Axes, x: Array, p95: Array) -> Line2D:
    """Draw the line, thinly dotted across bins in which no job was due."""
    known = np.isfinite(p95)
    if not known.all():
        bridge = Stroke(style.BLACK, (0, (1, 2)), width=0.9)
        style.draw(ax, x[known], p95[known], bridge, "")
    return style.draw(ax, x, p95, Stroke(style.BLACK, "-", "o", width=1.2), "p95 of the whole")


def backlog(run: Run) -> Figure | None:
    """Jobs waiting and iterations in flight, with the target level."""
    bins = Bins.over(run.span)
    found = [(part, series.levels(part, bins)) for part in run.parts]
    drawn = [(part, levels) for part, levels in found if levels is not None]
    if not drawn:
        return None
    jobs = any(part.has_jobs for part, _ in drawn)
    fig, axes = style.figure(run, "backlog and in flight" if jobs else "in flight", len(drawn))
    unit = style.time_axis(axes, run, [bins.width])
    for ax, (part, levels) in zip(axes, drawn, strict=True):
        x = levels.times / unit
        handles: list[Artist] = []
        what = "jobs, iterations" if part.has_jobs else "iterations"
        if part.has_jobs:
            ax.fill_between(x, 0, levels.backlog, color=style.SKY, alpha=0.3, linewidth=0)
            handles.append(style.draw(ax, x, levels.backlog, Stroke(style.BLUE), "job backlog"))
        few = part.has_jobs and levels.in_flight.max() <= levels.backlog.max() / 10
        if not few:
            flying = Stroke(style.RED, (0, (5, 1.5)), "d")
            handles.append(style.draw(ax, x, levels.in_flight, flying, "iterations in flight"))
        handles += _target(ax, part, bins, unit, rate=False)
        if few:  # the line would lie on the axis
            what = "jobs"
            label = f"iterations in flight when sampled: at most {levels.in_flight.max():,.0f}"
            handles.append(Line2D([], [], linestyle="", label=label))
        style.count_axis(ax, what if bins.width == 1 else f"{what} (highest)")
        style.legend(ax, style.panel_name(part, run), handles + marks(ax, run, unit, part))
    return fig


PLOTS: Final[tuple[tuple[str, Callable[[Run], Figure | None]], ...]] = (
    ("throughput", throughput),
    ("request_latency", request_latency),
    ("stages", stages),
    ("job_latency", job_latency),
    ("backlog", backlog),
    ("latency_distribution", latency_distribution),
    ("streams", streams),
    ("step_throughput", step_throughput),
    ("step_latency", step_latency),
    ("system", system),
    ("generator", generator),
)
