"""Tables of what was seen of hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import Row, fitted, indented, plain_table, print_rows
from asyncload.stats import units
from asyncload.stats.hosts import HostMetrics, MeanMax

_BUSY: Final = 90.0  # percent from which a figure may be what limited the service


def print_hosts(hosts: Sequence[HostMetrics], console: Console) -> None:
    """Print a line for each host, and one for each series of the user's choice."""
    has_gpu = any(host.gpus for host in hosts)
    rows = [_row(host, has_gpu=has_gpu) for host in hosts]
    left = ["cpu", "max", "memory", "max", "of"]
    right = ["in", "out"]
    if has_gpu:
        right = ["gpu", "max", "gpu memory", "max", *right]
    aside = "mean and max of CPU and memory"
    aside += ", GPU and its memory; mean of the network" if has_gpu else "; mean of the network"
    console.print(Text("System", "bold").append(f"  {aside}", "not bold dim"))
    print_rows(fitted(left, right, rows, console.width), rows, console)
    if any(host.metrics for host in hosts):
        _print_metrics(hosts, console)


def host_label(host: HostMetrics) -> str:
    """Write what a host is called, on one line."""
    name = units.one_line(host.host)
    label = f"generator ({name})" if host.generator else name
    return f"{label}, {len(host.gpus)} GPUs" if len(host.gpus) > 1 else label


def _row(host: HostMetrics, *, has_gpu: bool) -> Row:
    left = [*_shares(host.cpu), *_amounts(host.memory)]
    left.append(Text(units.NO_VALUE if host.memory_total is None else _bytes(host.memory_total)))
    right = [_rate(host.network_in), _rate(host.network_out)]
    if has_gpu:
        busy = [gpu.utilisation for gpu in host.gpus if gpu.utilisation is not None]
        used = [gpu.memory for gpu in host.gpus if gpu.memory is not None]
        right = [*_shares(_all(busy)), *_amounts(_all(used)), *right]
    return Row(Text(host_label(host), "cyan"), left, right)


def _all(figures: Sequence[MeanMax]) -> MeanMax | None:
    """Put the figures of several GPUs together: their mean, and the highest of any."""
    if not figures:
        return None
    mean = sum(figure.mean for figure in figures) / len(figures)
    return MeanMax(mean, max(figure.max for figure in figures))


def _shares(figure: MeanMax | None) -> list[Text]:
    if figure is None:
        return [Text(units.NO_VALUE)] * 2
    style = "bold yellow" if figure.mean >= _BUSY else ""
    return [Text(f"{figure.mean:.0f} %", style), Text(f"{figure.max:.0f} %")]


def _amounts(figure: MeanMax | None) -> list[Text]:
    if figure is None:
        return [Text(units.NO_VALUE)] * 2
    return [Text(_bytes(figure.mean)), Text(_bytes(figure.max))]


def _rate(figure: MeanMax | None) -> Text:
    return Text(units.NO_VALUE if figure is None else f"{_bytes(figure.mean)}/s")


def _bytes(value: float) -> str:
    return units.amount(value, "B")


def _print_metrics(hosts: Sequence[HostMetrics], console: Console) -> None:
    table = plain_table([("", "left"), ("mean", "right"), ("max", "right")], header=True)
    for host in hosts:
        for name, figure in host.metrics.items():
            label = units.one_line(f"{host.host} / {name}")
            table.add_row(Text(label, "cyan"), units.digits(figure.mean), units.digits(figure.max))
    console.print()
    indented(table, console)
