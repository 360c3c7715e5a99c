"""Graphs of hosts: CPU, memory, GPUs, network and series of the user's choice, over time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asyncload.report.plots import series, style
from asyncload.report.plots.data import Run
from asyncload.report.plots.host_series import HostLine, Panel, highest_lines, panels
from asyncload.report.plots.marks import marks
from asyncload.report.plots.style import Stroke
from asyncload.stats import units

MONITORING: Final = re.compile(r"(cpu|gpu_\d+|network)_monitoring")
"""The names of the graphs of ``asyncload monitor``."""

_HEIGHT: Final = 1.9  # inches of a panel
_MOST: Final = 8  # lines in a panel
_NAMES: Final = {
    "cpu": "CPU (%)",
    "memory": "memory (%)",
    "gpu": "GPU (%)",
    "gpu memory": "GPU memory (%)",
    "network": "network",
    "metric": "",
}
_COLOURS: Final = (style.BLUE, style.RED, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
_LINES: Final = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (3, 1, 1, 1)))
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")

Host = tuple[str, bool]
"""Its name, and whether it is the generator's."""


def system(run: Run) -> Figure | None:
    """Draw the throughput, and below it on the same axis of time what the hosts were doing."""
    found = panels(run.systems)
    if not found:
        return None
    fig, (top, *axes) = style.figure(run, "throughput and hosts", 1 + len(found), each=_HEIGHT)
    unit = style.time_axis([top, *axes], run, [run.bins.width])
    _throughput(top, run, unit)
    hosts = _hosts(found)
    for ax, panel in zip(axes, found, strict=True):
        _draw(ax, panel, hosts, run, unit, below=True)
    return fig


def monitoring(run: Run) -> Iterator[tuple[str, Figure]]:
    """Give the graphs of a log of ``asyncload monitor``, one at a time, with their names.

    The names are those of Groundlight's load test: ``cpu_monitoring`` (with
    the memory) and ``gpu_<id>_monitoring``; and ``network_monitoring``.
    """
    found = panels(run.systems)
    numbers = dict.fromkeys(line.what for panel in found for line in panel.lines)
    graphs: list[tuple[str, str, list[Panel]]] = [
        ("cpu", "CPU and memory", _of(found, "cpu", "memory"))
    ]
    for what in numbers:
        if what.startswith("GPU "):
            gpu = [
                Panel(panel.figure, None, tuple(one for one in panel.lines if one.what == what))
                for panel in _of(found, "gpu", "gpu memory")
            ]
            graphs.append((f"gpu_{what[4:]}", what, [panel for panel in gpu if panel.lines]))
    graphs.append(("network", "network", _of(found, "network")))
    for name, title, chosen in graphs:
        if chosen:
            fig, axes = style.figure(run, title, len(chosen))
            unit = style.time_axis(axes, run, [])
            for ax, panel in zip(axes, chosen, strict=True):
                _draw(ax, panel, _hosts(found), run, unit, below=ax is not axes[0])
            yield f"{name}_monitoring", fig


def _of(found: Sequence[Panel], *figures: str) -> list[Panel]:
    return [panel for panel in found if panel.figure in figures]


def _host(line: HostLine) -> Host:
    return line.host, line.generator


def _hosts(found: Sequence[Panel]) -> list[Host]:
    """Give the hosts of all panels, the generator's first, so that each keeps its colour."""
    hosts = dict.fromkeys(_host(line) for panel in found for line in panel.lines)
    return sorted(hosts, key=lambda host: not host[1])


def _throughput(ax: Axes, run: Run, unit: float) -> None:
    """Draw what all scenarios did together."""
    load_end = run.load_end
    coming, going = series.pieces(run, load_end)
    counts = [series.throughput(part, run, load_end=load_end) for part in run.parts]
    failed = Stroke(style.RED, (0, (3, 1, 1, 1)), "x", 1.1)
    handles: list[Artist] = []
    for label, pieces, each, stroke in (
        ("arrivals", coming, [one.arrivals for one in counts], Stroke(style.BLUE)),
        ("completed", going, [one.completed for one in counts], Stroke(style.GREEN, (0, (5, 1.5)))),
        ("failed", going, [one.failed for one in counts], failed),
    ):
        rate = np.sum(each, axis=0) / pieces.widths
        if rate.any() or label == "arrivals":
            handles.append(style.draw(ax, pieces.centres / unit, rate, stroke, label))
    style.count_axis(ax, "per second")
    style.legend(ax, None, handles + marks(ax, run, unit))


def _draw(
    ax: Axes, panel: Panel, hosts: Sequence[Host], run: Run, unit: float, *, below: bool
) -> None:
    """Draw one panel: a line for each host, GPU or direction.

    ``below``: another panel is above it, whose legend says what the lines of notes are.
    """
    scale, name = 1.0, _NAMES[panel.figure]
    if panel.figure == "network":
        scale, name = _rate_unit(panel.lines)
    elif panel.metric is not None:
        name = style.printable(panel.metric, 24)
    chosen = highest_lines(panel.lines, _MOST)
    handles: list[Artist] = []
    for line in chosen:
        stroke = _stroke(line, panel.lines, hosts)
        x, y = line.times / unit, line.values / scale
        if line.highest is not None:
            top = line.highest / scale
            ax.fill_between(x, y, top, color=stroke.colour, alpha=0.18, linewidth=0)
        handles.append(style.draw(ax, x, y, stroke, _label(line, panel, alone=len(hosts) == 1)))
    if more := len(panel.lines) - len(chosen):
        handles.append(Line2D([], [], linestyle="", label=f"and {more} lower"))
    if any(line.highest is not None for line in chosen):
        handles.append(
            Patch(color=style.GREY, alpha=0.18, linewidth=0, label="up to the highest sample")
        )
    _value_axis(ax, chosen, name, scale, percent="%" in _NAMES[panel.figure])
    noted = marks(ax, run, unit)
    style.legend(ax, None, handles if below else handles + noted)


def _stroke(line: HostLine, lines: Sequence[HostLine], hosts: Sequence[Host]) -> Stroke:
    """Choose colour, marker and line: a colour for each host, unless one has many lines."""
    mine = [one for one in lines if _host(one) == _host(line)]
    if len(mine) > 2:  # GPUs
        look = lines.index(line)
        dashes = _LINES[look // len(_COLOURS) % len(_LINES)]
    else:
        look = hosts.index(_host(line)) - sum(generator for _, generator in hosts)
        dashes = _LINES[mine.index(line)]
    if look < 0:  # the generator
        return Stroke(style.GREY if len(hosts) > 1 else _COLOURS[0], dashes)
    marker = _MARKERS[look % len(_MARKERS)] if max(len(hosts), len(mine) - 1) > 1 else ""
    return Stroke(_COLOURS[look % len(_COLOURS)], dashes, marker, shift=3 * look % 7)


def _label(line: HostLine, panel: Panel, *, alone: bool) -> str:
    """Say what a line is. Where there is one host (``alone``) its name stands over the graph."""
    host = style.printable(line.host, 28)
    if line.generator:
        host = f"generator ({style.printable(line.host, 20)})"
    if line.what == "process":
        return "generator's process, of one core"
    if alone and not line.generator:
        label = line.what or {"cpu": "all cores"}.get(panel.figure, "in use")
    else:
        label = f"{host} {line.what}".rstrip()
    if line.of is not None:
        label += f", of {units.amount(line.of, 'B')}"
    return label


def _rate_unit(lines: Sequence[HostLine]) -> tuple[float, str]:
    """Choose the unit of a network's axis: how many bytes per second, and its name."""
    highest = max(float(np.nanmax(line.values)) for line in lines)
    for size, name in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if highest >= size:
            return size, f"network ({name})"
    return 1.0, "network (bytes/s)"


def _value_axis(
    ax: Axes, lines: Sequence[HostLine], name: str, scale: float, *, percent: bool
) -> None:
    """Scale the y axis: shares from 0 to 100 % or more, all else to what is drawn."""
    style.count_axis(ax, name)
    ax.yaxis.label.set_parse_math(False)
    tops = [line.values if line.highest is None else line.highest for line in lines]
    highest = max(float(np.nanmax(top)) for top in tops) / scale
    lowest = min(float(np.nanmin(line.values)) for line in lines) / scale
    if percent:
        ax.set_ylim(0, max(100.0, highest) * 1.04)
    else:
        ax.set_ylim(min(0.0, lowest * 1.08), highest * 1.08 if highest > 0 else 1.0)
