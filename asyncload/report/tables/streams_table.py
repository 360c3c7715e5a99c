"""The part of the final table about answers that came in as streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.text import Text

from asyncload.report.tables.layout import Row, fitted, indented, print_rows
from asyncload.stats import units
from asyncload.stats.metrics import Distribution, StreamMetrics, Summary

_FIRST: Final = ["first p50", "first p95", "first p99"]
_GAP: Final = ["gap p50", "gap p95", "gap p99"]
_PERCENTILES: Final = ("p50", "p95", "p99")


def print_streams(
    summary: Summary, console: Console, *, label: Callable[[str, str], Text], most: int
) -> None:
    """Print a row for each name with streamed answers, the ``most`` with the most chunks.

    ``label`` writes a scenario (or nothing) and a name. Prints nothing where there are no
    streams.
    """
    total = summary.requests.stream
    if total is None:
        return
    streams = [(row, row.stream) for row in summary.requests_by_name if row.stream is not None]
    shown = sorted(streams, key=lambda pair: -pair[1].chunks)[:most]
    several = len({row.scenario for row, _ in shown}) > 1
    counts_tokens = any(stream.tokens for _, stream in shown)
    rows = [
        _row(label(row.scenario if several else "", row.name), stream, counts_tokens=counts_tokens)
        for row, stream in sorted(shown, key=lambda pair: (pair[0].scenario, pair[0].name))
    ]
    if len(streams) > 1:
        rows.append(_row(Text("all", "bold"), total, counts_tokens=counts_tokens))
    what = "token" if counts_tokens else "chunk"
    aside = f"first {what} from when each was due; gap from one chunk to the next"
    console.print()
    console.print(Text("Streams", "bold").append(f"  {aside}", "not bold dim"))
    left = ["chunks", *(["tokens", "rate"] if counts_tokens else []), *_FIRST]
    print_rows(fitted(left, _GAP, rows, console.width), rows, console)
    hidden = len(streams) - len(shown)
    if hidden:
        indented(Text(f"and {units.count(hidden)} more", "dim"), console)


def _row(label: Text, stream: StreamMetrics, *, counts_tokens: bool) -> Row:
    left = [Text(units.count(stream.chunks))]
    if counts_tokens:
        none = Text(units.NO_VALUE)
        left.append(Text(units.count(stream.tokens)) if stream.tokens else none)
        left.append(Text(units.rate(stream.token_rate)) if stream.tokens else none)
    return Row(label, [*left, *_times(stream.first_token)], _times(stream.token_gap))


def _times(times: Distribution) -> list[Text]:
    return [Text(units.seconds(getattr(times, name))) for name in _PERCENTILES]
