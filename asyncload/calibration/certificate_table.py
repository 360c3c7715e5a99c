"""A certificate in the terminal: its numbers, and what they mean."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asyncload.calibration.advice import NEAR
from asyncload.calibration.certificate import Certificate, PercentileError, QueueError
from asyncload.report.tables.layout import indented, plain_table
from asyncload.stats import units

_WIDTH = 80
"""Columns that everything fits into."""


_DISTURBED = (
    " What is not valid was disturbed twice by something else on this machine: calibrate again "
    "when it is quiet."
)


def print_certificate(certificate: Certificate, console: Console) -> None:
    """Print a certificate, no wider than 80 columns."""
    machine = certificate.machine
    console.print(Text(units.one_line(machine.host), "bold").append(f"  {_when(certificate)}"))
    cores = units.counted(machine.cores, "core")
    about = f"{units.one_line(machine.cpu)}, {cores}; {machine.system}, Python {machine.python}, "
    _sentence(f"{about}asyncload {machine.asyncload}, {machine.loop}", console)
    _print_top_rate(certificate, console)
    _print_lateness(certificate, console)
    _print_queues(certificate, console)
    _print_consumer(certificate, console)


def _when(certificate: Certificate) -> str:
    made = certificate.made_at[:16].replace("T", " ")
    return f"{made} UTC{', quick' if certificate.quick else ''}"


def _print_top_rate(certificate: Certificate, console: Console) -> None:
    found = certificate.top_rate
    _heading(f"Top rate  {units.rate(found.rate)}", console)
    text = (
        f"One process sends {units.rate(found.rate)} of plain HTTP requests, and its numbers can "
        f"be relied on. Runs that peak beyond it are warned of, and noted from "
        f"{units.rate(NEAR * found.rate)} on."
    )
    if found.failed_at is not None:
        text += f" At {units.rate(found.failed_at)} it did not hold: {found.limit}."
    if found.by_service:
        text += (
            " There the built-in service was at its limit, so this machine may drive more with a "
            "service that is faster, or elsewhere."
        )
    _sentence(text, console)


def _print_lateness(certificate: Certificate, console: Console) -> None:
    _heading("Lateness of requests", console)
    table = _table(["of the top rate", "rate", "requests", "p50", "p99", "max", ""])
    for one in certificate.lateness:
        table.add_row(
            f"{100 * one.share:.0f} %",
            units.rate(one.rate),
            units.count(one.count),
            *map(units.seconds, (one.p50, one.p99, one.max)),
            "" if one.valid else "not valid",
        )
    indented(table, console)
    _sentence(
        "Lateness is how long after its due time a request went out. It is part of the latency "
        "that runs report."
        + ("" if all(one.valid for one in certificate.lateness) else _DISTURBED),
        console,
    )


def _print_queues(certificate: Certificate, console: Console) -> None:
    _heading("Error of percentiles", console)
    table = _table(["", "measured", "error", "of it", "by theory", "95 % interval", ""])
    for queue in certificate.queues:
        at = f"{queue.name} at {100 * queue.utilisation:.0f} %"
        table.add_row(Text(at, "bold"), "", "", "", "", "", "")
        for one in queue.percentiles:
            table.add_row(*_percentile_row(one))
    indented(table, console)
    worst = max(
        (one for queue in certificate.queues for one in queue.percentiles),
        key=lambda one: abs(one.error),
    )
    longest = units.seconds(abs(worst.error))
    _sentence(
        "The error is measured against the service's own log of the same requests "
        f"({_counts(certificate.queues)}): at most {longest} here, and on loopback, so what is "
        "shorter than that by much cannot be measured from this machine. Theory is of an endless "
        "run; where the interval is open there were too few requests to hold it against.",
        console,
    )


def _percentile_row(one: PercentileError) -> list[str]:
    agrees = {True: "agrees", False: "differs", None: ""}[one.agrees]
    share = units.percent(one.error / one.logged) if one.logged else units.NO_VALUE
    if one.low is None or one.high is None:
        interval = "open"
    else:
        interval = f"{units.digits(1000 * one.low)}–{units.digits(1000 * one.high)} ms"
    return [
        f"p{one.percent:g}",
        units.seconds(one.measured),
        units.seconds(one.error),
        share,
        units.seconds(one.formula),
        interval,
        agrees,
    ]


def _counts(queues: tuple[QueueError, ...]) -> str:
    return ", ".join(units.count(queue.count) for queue in queues) + " requests"


def _print_consumer(certificate: Certificate, console: Console) -> None:
    found = certificate.consumer
    _heading(f"Statuses of jobs, at {units.rate(found.rate)}", console)
    table = _table(["", "p50", "p99"])
    table.add_row(
        "notification",
        units.seconds(found.notification_p50),
        units.seconds(found.notification_p99),
    )
    indented(table, console)
    if found.lag_max is None:
        waited = (
            "How long statuses wait in this process is unknown: this version does not measure it."
        )
    else:
        waited = (
            f"Statuses waited in this process for {units.seconds(found.lag_max)} at the most "
            f"({units.seconds(found.lag_median)} in half of the seconds)."
        )
    _sentence(
        f"{waited} The rest of the notification time is the embedded queue's, which looks for "
        f"messages every 100 ms. From memory, this process handles "
        f"{units.rate(found.statuses_per_second)} of statuses.",
        console,
    )


def _heading(text: str, console: Console) -> None:
    console.print()
    console.print(Text(text, "bold"))


def _sentence(text: str, console: Console) -> None:
    console.print(Text(text), width=min(console.width, _WIDTH))


def _table(headers: list[str]) -> Table:
    columns = [(header, "right" if header else "left") for header in headers]
    return plain_table(columns, header=True)
