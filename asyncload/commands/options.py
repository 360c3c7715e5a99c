"""Options that several commands have. Everything heavy is imported where it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

_Command = Callable[..., None]


def _with(options: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    """Add options to a command, so that its help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def limit_options(command: _Command) -> _Command:
    """Add the options that say what a comparison takes for a change."""
    options = (
        click.option("--threshold", "thresholds", metavar="METRIC=PERCENT [for NAME]",
                     multiple=True,
                     help="How much worse a metric may get: average, median, p95, p99, rate (10% "
                          "each) or failures (1% of the requests); of all names, or of NAME, which "
                          "may hold * and ?; repeatable."),
        click.option("--floor", metavar="TIME",
                     help="A time that changes by no more is the same; 1ms if left out."),
        click.option("--ignore", metavar="NAME", multiple=True,
                     help="Leave out this name, which may hold * and ?; repeatable."),
    )  # fmt: skip
    return _with(options, command)


def output_options(command: _Command) -> _Command:
    """Add the options that say what a run leaves behind, and what it is compared with."""
    options = (
        click.option("--csv", metavar="PREFIX", help="Write CSV files as Locust does, too."),
        click.option("--baseline", "baselines", type=click.Path(path_type=Path),
                     metavar="FILE|FOLDER", multiple=True,
                     help="Compare with an earlier log or _stats.csv: the file, or a folder that "
                          "has it; several are pooled."),
        limit_options,
        click.option("--junit", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write JUnit XML, too: a test case for each threshold, and the verdict."),
        click.option("--hlog", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write an HdrHistogram log, too: the latencies of each second and name."),
        click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write the result as Markdown, too."),
        click.option("--html", type=click.Path(path_type=Path), metavar="FILE",
                     help="Write the report as one HTML file, too."),
        click.option("--quiet", is_flag=True, help="No live view; only the final table."),
    )  # fmt: skip
    return _with(options, command)


def comparison_limits(
    baselines: tuple[Path, ...], thresholds: tuple[str, ...], floor: str | None, ignore: Any
) -> Any:
    """Give the limits of the comparison with a baseline."""
    from asyncload.compare.limits import Limits

    if not baselines and (thresholds or floor is not None or ignore):
        raise click.UsageError(
            "--threshold, --floor and --ignore are of the comparison with a --baseline; a "
            "threshold of the run itself stands under thresholds in the config"
        )
    return Limits.parse(thresholds, floor=floor, ignore=ignore)


def request_options(command: _Command) -> _Command:
    """Add the options that say what is sent to a URL, how often, and what must hold."""
    options = (
        click.option("-r", "--rate", type=float, metavar="RATE",
                     help="Arrivals per second, whatever the service does; 10 if nothing is said."),
        click.option("-c", "--users", type=int, metavar="USERS",
                     help="In place of a rate: users who each wait for the answer."),
        click.option("--stages", metavar="RATE:TIME,…",
                     help="In place of a rate: rates to reach one after the other, as in 10:30s,50:1m."),
        click.option("-d", "--duration", metavar="TIME", help="How long, such as 30s; 10s if left out."),
        click.option("-n", "--requests", type=click.IntRange(min=1), metavar="REQUESTS",
                     help="How many, in place of a duration."),
        click.option("--poisson", is_flag=True, help="Arrivals at random, not evenly spaced."),
        click.option("--think-time", metavar="TIME", help="Pause of a user between two requests."),
        click.option("-X", "--method", metavar="METHOD", help="GET, or POST with a body, if left out."),
        click.option("-H", "--header", "headers", metavar="HEADER", multiple=True,
                     help="A header, as in 'Authorization: Bearer ${TOKEN}'; repeatable."),
        click.option("--json", metavar="JSON|@FILE", help="Send this JSON."),
        click.option("--body", metavar="TEXT|@FILE", help="Send this text."),
        click.option("--file", metavar="FILE", help="Send this file."),
        click.option("--timeout", metavar="TIME", help="Of a request, from when it is sent."),
        click.option("--expect", metavar="THRESHOLD", multiple=True,
                     help="What must hold, such as 'p95 < 200ms' or 'error_rate < 1%'; repeatable."),
    )  # fmt: skip
    return _with(options, command)
