"""Compares two runs, or several runs a side pooled: files, or the files of folders.

A file that ends in ``.csv`` is a ``_stats.csv`` of Locust or of ours; any other
is a log. Where both sides have a log of a name they are compared with an
interval (:mod:`asyncload.compare.bootstrap`), else number against number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from asyncload.compare.comparison import Comparison, Row
from asyncload.compare.folders import find_files
from asyncload.compare.limits import Limits
from asyncload.compare.measured import JOB, Measured, Side
from asyncload.compare.pooling import pool
from asyncload.compare.verdicts import changes
from asyncload.stats import units

Progress = Callable[[int, int], None]
Watch = Callable[[Path], contextlib.AbstractContextManager[Progress]]
"""Gives, for a file that is about to be read, a callback of bytes read and bytes in all."""

NO_LIMITS: Final = Limits()
"""The thresholds and the floor that hold where none are given."""
_NOT_SURE: Final = (
    "a CSV has no single requests: its intervals take them as independent of each other"
)
_OTHER_TIMES: Final = (
    "a CSV counts the time in which a request failed among its times, as Locust does; a log "
    "counts what failed or was dropped as longer than any: where requests failed, as of {}, "
    "average and percentiles of the two are of different requests"
)


def compare_paths(
    baseline: Path | Sequence[Path],
    candidate: Path | Sequence[Path],
    limits: Limits = NO_LIMITS,
    *,
    watch: Watch | None = None,
) -> Comparison:
    """Compare ``candidate`` with ``baseline``: files or folders, several of a side pooled.

    Of folders the files are compared that are called the same:
    ``NAME_stats.csv`` or ``NAME.jsonl``. Against a file, a folder gives the
    one that is called the same, or as that file's run is.

    Raises :class:`ConfigError` (:class:`LogError` for a log) when a file
    cannot be read or holds nothing to compare, or no files belong together.
    """
    before, after = (
        [given] if isinstance(given, Path) else list(given) for given in (baseline, candidate)
    )
    found = find_files(before, after)
    compared: dict[str, Comparison] = {}
    for name, (one, other) in found.pairs.items():
        sides = read_side(one, watch=watch), read_side(other, watch=watch)
        compared[name] = compare_sides(*sides, limits, file=name)
    whole = joined(compared, before, after, limits)
    return msgspec.structs.replace(
        whole,
        only_in_baseline=tuple(found.only_in_baseline),
        only_in_candidate=tuple(found.only_in_candidate),
        remarks=(*found.remarks, *whole.remarks),
    )


def joined(
    compared: Mapping[str, Comparison],
    baseline: Sequence[Path],
    candidate: Sequence[Path],
    limits: Limits = NO_LIMITS,
) -> Comparison:
    """Make one comparison of those of several files, by what the files are called."""
    several = compared.values()
    rows = tuple(row for comparison in several for row in comparison.rows)
    ignored = dict.fromkeys(name for comparison in several for name in comparison.ignored)
    remarks = (
        f"{name}: {remark}" if name and remark != _NOT_SURE else remark
        for name, comparison in compared.items()
        for remark in comparison.remarks
    )
    unused = next((one.unused for one in several), ())
    return Comparison(
        baseline=", ".join(map(str, baseline)),
        candidate=", ".join(map(str, candidate)),
        thresholds=limits.for_all,
        by_name=limits.by_name,
        floor=limits.floor,
        rows=rows,
        ignored=tuple(ignored),
        invalid=tuple(
            f"{name}: {side}" if name else side
            for name, comparison in compared.items()
            for side in comparison.invalid
        ),
        unused=tuple(text for text in unused if all(text in one.unused for one in several)),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def read_side(path: Path | Sequence[Path], *, watch: Watch | None = None) -> Side:
    """Read one file, or several as one. Raises as :func:`compare_paths`."""
    paths = [path] if isinstance(path, Path) else list(path)
    return pool([_read(one, keep_times=len(paths) > 1, watch=watch) for one in paths])


def _read(path: Path, *, keep_times: bool, watch: Watch | None) -> Side:
    # Here and not above: polars takes a third of a second, of each `asyncload run`.
    from asyncload.compare.csv_side import read_csv_side
    from asyncload.compare.log_side import read_log_side

    if path.suffix.lower() == ".csv":
        return read_csv_side(path)
    with watch(path) if watch else contextlib.nullcontext() as progress:
        return read_log_side(path, keep_times=keep_times, progress=progress)


def compare_sides(
    baseline: Side, candidate: Side, limits: Limits = NO_LIMITS, *, file: str = ""
) -> Comparison:
    """Compare two sides that have been read; ``file`` is what the files are called."""
    invalid = [
        (which, ", ".join(side.invalid))
        for side, which in ((baseline, "baseline"), (candidate, "candidate"))
        if side.invalid
    ]
    rows: list[Row] = []
    ignored: list[Row] = []
    for label, before, after in _matched(
        _named_as_in(candidate, baseline), _named_as_in(baseline, candidate)
    ):
        # Where names were left out, one that a side lacks may be one of them.
        if not (before and after) and (baseline.left_out or candidate.left_out):
            continue
        row = _row(label, before, after, limits, file)
        if limits.ignores(_called(row)):
            ignored.append(row)
            continue
        rows.append(_unknown(row, *invalid[0]) if invalid and before and after else row)
    return Comparison(
        baseline=baseline.title,
        candidate=candidate.title,
        thresholds=limits.for_all,
        by_name=limits.by_name,
        floor=limits.floor,
        rows=tuple(rows),
        ignored=tuple(row.label for row in ignored),
        unused=tuple(limits.unused(map(_called, rows), map(_called, ignored))),
        invalid=tuple(f"{which}: {codes}" for which, codes in invalid),
        remarks=tuple(_remarks(baseline, candidate, rows)),
    )


def _named_as_in(other: Side, side: Side) -> list[tuple[str, Measured]]:
    """Give the rows of ``side`` with the names they have in ``other``.

    What a log calls ``POST /predict`` has the Type ``POST`` and the Name
    ``/predict`` in a CSV.
    """
    logged = {row.name for row in other.rows} if other.is_log and not side.is_log else set()
    names = ((f"{row.type} {row.name}", row) for row in side.rows)
    return [(name if name in logged else row.name, row) for name, row in names]


def _matched(
    baseline: Iterable[tuple[str, Measured]], candidate: Iterable[tuple[str, Measured]]
) -> Iterator[tuple[str, Measured | None, Measured | None]]:
    """Put together what has the same name, and the same type and scenario if that is needed."""
    before, after = _by_name(baseline), _by_name(candidate)
    for name in sorted(before.keys() | after.keys()):
        mine, other = before.get(name, []), after.get(name, [])
        if len(mine) <= 1 and len(other) <= 1:
            yield name, next(iter(mine), None), next(iter(other), None)
            continue
        left = {(row.type, row.scenario): row for row in mine}
        right = {(row.type, row.scenario): row for row in other}
        for kind in sorted(left.keys() | right.keys()):
            label = " / ".join(part for part in (*kind, name) if part)
            yield label, left.get(kind), right.get(kind)


def _by_name(rows: Iterable[tuple[str, Measured]]) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {}
    for name, row in rows:
        found.setdefault(name, []).append(row)
    return found


def _row(
    label: str, before: Measured | None, after: Measured | None, limits: Limits, file: str
) -> Row:
    known = after or before
    assert known is not None
    kind = known.type or (before.type if before else "")
    row = Row(
        file=file,
        type=kind,
        scenario=known.scenario,
        name=known.name,
        label=label,
        baseline_count=before.count if before else None,
        candidate_count=after.count if after else None,
        changes=(),
    )
    thresholds = limits.of(_called(row))
    return msgspec.structs.replace(row, changes=changes(before, after, thresholds, limits.floor))


def _called(row: Row) -> tuple[str, ...]:
    """Give all that ``for NAME`` and ``--ignore NAME`` may call a row: its name, its scenario."""
    names = (row.label, row.name, f"{row.type} {row.name}".strip(), row.scenario)
    return tuple(dict.fromkeys(name for name in names if name))


def _unknown(row: Row, which: str, codes: str) -> Row:
    """Tell nothing of a row, for one side is a run that is invalid."""
    reason = f"the {which} is invalid: {codes}"
    return msgspec.structs.replace(
        row,
        changes=tuple(
            msgspec.structs.replace(change, verdict="cannot tell", reason=reason)
            for change in row.changes
        ),
    )


def _remarks(baseline: Side, candidate: Side, rows: Sequence[Row]) -> Iterator[str]:
    for side, which in ((baseline, "baseline"), (candidate, "candidate")):
        for remark in side.remarks:
            yield f"{which}: {remark}"
    if not (baseline.is_log and candidate.is_log):
        yield _NOT_SURE
    if baseline.is_log != candidate.is_log:
        failing = [row.label for row in rows if row.type != JOB and _has_failures(row)]
        if failing:
            yield _OTHER_TIMES.format(units.one_line(", ".join(failing)))
    other = [
        scenario
        for scenario in baseline.loads
        if scenario in candidate.loads and baseline.loads[scenario] != candidate.loads[scenario]
    ]
    if other:
        yield (
            f"the load of {units.one_line(', '.join(other))} was not the same in both runs; "
            "what changed may come from that"
        )


def _has_failures(row: Row) -> bool:
    shares = next(change for change in row.changes if change.metric == "failures")
    return bool(shares.baseline or shares.candidate)
