"""The Markdown table of all results: medians, spread, ratios, targets."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import ratio, values

ORDER: Final = (
    "sqs_send", "sqs_batch", "statuses", "http_yaml", "http_class", "lateness_10",
    "lateness_100", "lateness_1000", "lateness_5000", "lateness_17500", "lateness_20000", "stall",
    "memory_user", "memory_job", "plot", "startup", "misbehave",
)  # fmt: skip
SHOWN: Final = {
    "p50_ms": "p50 {} ms",
    "p99_ms": "p99 {} ms",
    "max_ms": "max {} ms",
    "true_p99_ms": "true p99 {} ms",
    "true_max_ms": "true max {} ms",
    "gap_p50_ms": "gap p50 {} ms",
    "gap_p99_ms": "gap p99 {} ms",
    "rate": "rate {}/s",
    "cpu_us_each": "CPU {} µs each",
    "matched_per_s": "matched {}/s",
    "peak_rss_mb": "peak RSS {} MB",
    "requests": "{} requests",
}
"""Details of a contender that stand in the table where it has them, as medians."""


def write_table(folder: Path) -> None:
    """Write ``README.md`` from the results in ``folder``."""
    found = {}
    for path in folder.glob("*.json"):
        result = json.loads(path.read_text())
        if "rounds" in result:
            found[result["figure"]] = result
    lines = [
        "# Results",
        "",
        "Written by `python -m benchmarks.run`; how it is done: [../README.md](../README.md).",
        "Medians over the rounds, least and most in brackets; a ratio is the median of the ratios",
        "within each round. Machines differ: quote ratios.",
        "",
        "## Targets",
        "",
        "| what | target | measured | met |",
        "|---|---|---|---|",
    ]
    results = [found[name] for name in ORDER if name in found]
    for result in results:
        lines += [_target_row(result, target) for target in result["targets"]]
    for result in results:
        lines += _section(result)
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _target_row(result: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    contender, peer = target["contender"], target["peer"]
    least, most = target["at_least"], target["at_most"]
    unit = result["unit"]
    if peer is None:
        value: float | None = statistics.median(values(result, contender))
        suffix = f" {unit}"
    else:
        value = ratio(result, contender, peer)
        suffix = f" × {peer}"
    bound = f"≥ {_number(least)}" if least is not None else f"≤ {_number(most)}"
    met = value is not None and (value >= least if least is not None else value <= most)
    measured = "–" if value is None else _number(value)
    return (
        f"| {result['title']} ({contender}) | {bound}{suffix} | {measured} | "
        f"{'yes' if met else '**no**'} |"
    )


def _section(result: Mapping[str, Any]) -> Iterator[str]:
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    contenders = list(dict.fromkeys(one["contender"] for one in result["rounds"]))
    first = contenders[0]
    rounds = max(one["round"] for one in result["rounds"])
    yield from ("", f"## {result['figure']}: {result['title']}", "")
    yield f"| | {result['unit']} | least – most | {first} is | details |"
    yield "|---|---|---|---|---|"
    for contender in contenders:
        measured = values(result, contender)
        times = None if contender == first else ratio(result, first, contender)
        yield (
            f"| {contender} | {_number(statistics.median(measured))} | "
            f"{_number(min(measured))} – {_number(max(measured))} | "
            f"{'' if times is None else f'{_number(times)} ×'} | {_details(result, contender)} |"
        )
    yield from ("", result["note"], "") if result["note"] else ("",)
    yield (
        f"{rounds} {'round' if rounds == 1 else 'rounds'}, {result['measured_at']}, "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}; {versions}."
    )


def _details(result: Mapping[str, Any], contender: str) -> str:
    rows = [one["details"] for one in result["rounds"] if one["contender"] == contender]
    shown = []
    for name, text in SHOWN.items():
        numbers = [row[name] for row in rows if isinstance(row.get(name), int | float)]
        if numbers:
            shown.append(text.format(_number(statistics.median(numbers))))
    return ", ".join(shown)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
