"""Compares two runs: two files, or the files of two folders that are called the same.

A file that ends in ``.csv`` is a ``_stats.csv`` of Locust or of ours; any other
is a log. Where both sides have a log of a name they are compared with an
interval (:mod:`asyncload.compare.bootstrap`), else number against number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from asyncload.compare.comparison import Comparison, Metric, Row, complete
from asyncload.compare.measured import Measured, Side
from asyncload.compare.verdicts import changes
from asyncload.errors import ConfigError
from asyncload.records.files import read_errors
from asyncload.records.record import RunHeader
from asyncload.stats import units

Progress = Callable[[int, int], None]
Watch = Callable[[Path], contextlib.AbstractContextManager[Progress]]
"""Gives, for a file that is about to be read, a callback of bytes read and bytes in all."""

_CSV: Final = "_stats.csv"
_LOG: Final = ".jsonl"
_LONGEST_HEADER: Final = 1 << 22  # bytes
_NOT_SURE: Final = (
    "a CSV has no single requests: its intervals take them as independent of each other"
)
Family = dict[str, Path]  # the files of one name, by their ending


def compare_paths(
    baseline: Path,
    candidate: Path,
    thresholds: Mapping[Metric, float] | None = None,
    *,
    watch: Watch | None = None,
) -> Comparison:
    """Compare ``candidate`` with ``baseline``: two files, two folders, or one of each.

    Of two folders the files are compared that are called the same:
    ``NAME_stats.csv`` or ``NAME.jsonl``. Against one file, a folder gives the
    one that is called the same, or as that file's run is.

    Raises :class:`ConfigError` (:class:`LogError` for a log) when a file
    cannot be read or holds nothing to compare, or no files belong together.
    """
    pairs, before, after = _pairs(baseline, candidate)
    limits = complete(thresholds)
    compared: dict[str, Comparison] = {}
    for name, (one, other) in pairs.items():
        sides = read_side(one, watch=watch), read_side(other, watch=watch)
        compared[name] = compare_sides(*sides, limits, file=name)
    whole = joined(compared, baseline, candidate, limits)
    return msgspec.structs.replace(
        whole, only_in_baseline=tuple(before), only_in_candidate=tuple(after)
    )


def joined(
    compared: Mapping[str, Comparison],
    baseline: Path,
    candidate: Path,
    thresholds: Mapping[Metric, float] | None = None,
) -> Comparison:
    """Make one comparison of those of several files, by what the files are called."""
    remarks = (
        f"{name}: {remark}" if name and remark != _NOT_SURE else remark
        for name, comparison in compared.items()
        for remark in comparison.remarks
    )
    return Comparison(
        baseline=str(baseline),
        candidate=str(candidate),
        thresholds=complete(thresholds),
        rows=tuple(row for comparison in compared.values() for row in comparison.rows),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def read_side(path: Path, *, watch: Watch | None = None) -> Side:
    """Read one file. Raises as :func:`compare_paths`."""
    # Here and not above: polars takes a third of a second, of each `asyncload run`.
    from asyncload.compare.csv_side import read_csv_side
    from asyncload.compare.log_side import read_log_side

    if path.suffix.lower() == ".csv":
        return read_csv_side(path)
    with watch(path) if watch else contextlib.nullcontext() as progress:
        return read_log_side(path, progress=progress)


def compare_sides(
    baseline: Side,
    candidate: Side,
    thresholds: Mapping[Metric, float] | None = None,
    *,
    file: str = "",
) -> Comparison:
    """Compare two files that have been read."""
    limits = complete(thresholds)
    rows = tuple(
        _row(label, before, after, limits, file)
        for label, before, after in _matched(
            _named_as_in(candidate, baseline), _named_as_in(baseline, candidate)
        )
        # Where names were left out, one that a side lacks may be one of them.
        if (before and after) or not (baseline.left_out or candidate.left_out)
    )
    return Comparison(
        baseline=str(baseline.path),
        candidate=str(candidate.path),
        thresholds=limits,
        rows=rows,
        remarks=tuple(_remarks(baseline, candidate)),
    )


def file_of(folder: Path, *names: str) -> Path:
    """Find the file of a folder that has one of ``names``, the first that there is.

    Raises :class:`ConfigError` when there is none.
    """
    families = _families(folder)
    for name in names:
        if name in families:
            return next(iter(families[name].values()))
    wanted = " or ".join(f"{name}{_LOG} or {name}{_CSV}" for name in dict.fromkeys(names))
    raise ConfigError(f"the folder {folder} has no file {wanted}; name the file to compare with")


def _pairs(
    baseline: Path, candidate: Path
) -> tuple[dict[str, tuple[Path, Path]], list[str], list[str]]:
    """Find the files that belong together, and those of either side that have no other."""
    _check(baseline)
    _check(candidate)
    if not baseline.is_dir() and not candidate.is_dir():
        return {"": (baseline, candidate)}, [], []
    if not candidate.is_dir():
        return {"": (file_of(baseline, *_names(candidate)), candidate)}, [], []
    if not baseline.is_dir():
        return {"": (baseline, file_of(candidate, *_names(baseline)))}, [], []
    before, after = _families(baseline), _families(candidate)
    both = {name: _alike(before[name], after[name]) for name in before if name in after}
    if not both:
        raise ConfigError(
            f"the folders {baseline} and {candidate} have no file of the same name; "
            "give two files, or call those that belong together the same"
        )
    return both, _without_other(before, after), _without_other(after, before)


def _check(path: Path) -> None:
    missing = f"there is no file or folder {path}; check the path"
    with read_errors(
        path,
        ConfigError,
        f"cannot read {path}",
        remedy="check the path and its permissions",
        missing=missing,
    ):
        try:
            path.stat()
        except NotADirectoryError:
            raise ConfigError(missing) from None


def _families(folder: Path) -> dict[str, Family]:
    """Find the logs and CSVs of a folder by their names without the endings, logs first."""
    found: dict[str, Family] = {}
    with read_errors(
        folder, ConfigError, f"cannot read the folder {folder}", remedy="check its permissions"
    ):
        paths = sorted(folder.iterdir())
    for ending in (_LOG, _CSV):
        for path in paths:
            is_ours = path.name.endswith(ending) and path.is_file()
            if is_ours and (ending == _CSV or _header(path) is not None):
                found.setdefault(path.name.removesuffix(ending), {})[ending] = path
    if not found:
        raise ConfigError(
            f"the folder {folder} has nothing to compare; put NAME{_CSV} files or logs "
            f"(NAME{_LOG}) into it"
        )
    return dict(sorted(found.items()))


def _alike(before: Family, after: Family) -> tuple[Path, Path]:
    """Choose files of the same ending where there are such, logs if possible."""
    ending = next((ending for ending in before if ending in after), None)
    if ending is not None:
        return before[ending], after[ending]
    return next(iter(before.values())), next(iter(after.values()))


def _without_other(some: Mapping[str, Family], others: Mapping[str, Family]) -> list[str]:
    return [
        path.name for name in some if name not in others for path in list(some[name].values())[:1]
    ]


def _names(path: Path) -> list[str]:
    """Give the names that a file may have in a folder: its own, and its run's."""
    ending = _CSV if path.name.endswith(_CSV) else path.suffix
    names = [path.name.removesuffix(ending)]
    header = None if path.suffix.lower() == ".csv" else _header(path)
    return names if header is None else [*names, header.name]


def _header(path: Path) -> RunHeader | None:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline(_LONGEST_HEADER), type=RunHeader)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


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
    label: str,
    before: Measured | None,
    after: Measured | None,
    thresholds: Mapping[Metric, float],
    file: str,
) -> Row:
    known = after or before
    assert known is not None
    return Row(
        file=file,
        type=known.type or (before.type if before else ""),
        scenario=known.scenario,
        name=known.name,
        label=label,
        baseline_count=before.count if before else None,
        candidate_count=after.count if after else None,
        changes=changes(before, after, thresholds),
    )


def _remarks(baseline: Side, candidate: Side) -> Iterator[str]:
    for side, which in ((baseline, "baseline"), (candidate, "candidate")):
        for remark in side.remarks:
            yield f"{which}: {remark}"
    if not (baseline.is_log and candidate.is_log):
        yield _NOT_SURE
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
