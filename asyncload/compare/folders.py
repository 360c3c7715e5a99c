"""Which files of two sides belong together: logs and CSVs, in folders or by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from asyncload.errors import ConfigError
from asyncload.records.files import read_errors
from asyncload.records.record import RunHeader

_CSV: Final = "_stats.csv"
_LOG: Final = ".jsonl"
_LONGEST_HEADER: Final = 1 << 22  # bytes

Family = dict[str, Path]  # the files of one name, by their ending


@dataclass(frozen=True, slots=True)
class Found:
    """The files of two sides."""

    pairs: dict[str, tuple[list[Path], list[Path]]]
    """Runs of the baseline and of the candidate, by what the files are called."""
    only_in_baseline: list[str] = field(default_factory=list)
    only_in_candidate: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def find_files(baseline: Sequence[Path], candidate: Sequence[Path]) -> Found:
    """Find the files that belong together, and those of either side that have no other.

    Of folders alone, files belong together that are called the same. Where a path is a file, a
    folder gives the one that is called as a file is, or as that file's run.

    Raises :class:`ConfigError` when a path is not there, or no files belong together.
    """
    every = [*baseline, *candidate]
    for path in every:
        _check(path)
    files = [path for path in every if not path.is_dir()]
    if files:
        names = list(dict.fromkeys(name for path in files for name in _names(path)))
        one, other = (
            [file_of(path, *names) if path.is_dir() else path for path in side]
            for side in (baseline, candidate)
        )
        return Found({"": (one, other)})
    before, after = _by_name(baseline), _by_name(candidate)
    both = {name: _alike(name, before[name], after[name]) for name in before if name in after}
    if not both:
        raise ConfigError(
            f"the folders {_listed(baseline)} and {_listed(candidate)} have no file of the same "
            "name; give two files, or call those that belong together the same"
        )
    remarks = [
        f"{side}: {name} is in {len(families[name])} of its {len(folders)} folders only"
        for side, families, folders in (
            ("baseline", before, baseline),
            ("candidate", after, candidate),
        )
        for name in both
        if len(families[name]) < len(folders)
    ]
    return Found(both, _without_other(before, after), _without_other(after, before), remarks)


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


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _by_name(folders: Sequence[Path]) -> dict[str, list[Family]]:
    """Find what the folders of one side have of each name."""
    found: dict[str, list[Family]] = {}
    for folder in folders:
        for name, family in _families(folder).items():
            found.setdefault(name, []).append(family)
    return dict(sorted(found.items()))


def _check(path: Path) -> None:
    """Make sure that there is a file or a folder at ``path``."""
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


def _alike(
    name: str, before: Sequence[Family], after: Sequence[Family]
) -> tuple[list[Path], list[Path]]:
    """Choose files of the same ending where all have such, logs if possible."""
    ending = _common([*before, *after])
    if ending is None:
        one, other = _common(before), _common(after)
        if one is None or other is None:
            raise ConfigError(
                f"the runs of {name} on one side are logs and CSVs; give files of one kind"
            )
        return [family[one] for family in before], [family[other] for family in after]
    return [family[ending] for family in before], [family[ending] for family in after]


def _common(families: Sequence[Family]) -> str | None:
    return next((e for e in (_LOG, _CSV) if all(e in family for family in families)), None)


def _without_other(
    some: Mapping[str, Sequence[Family]], others: Mapping[str, Sequence[Family]]
) -> list[str]:
    return [next(iter(some[name][0].values())).name for name in some if name not in others]


def _names(path: Path) -> list[str]:
    """Give the names that a file may have in a folder: its own, and its run's."""
    ending = _CSV if path.name.endswith(_CSV) else path.suffix
    names = [path.name.removesuffix(ending)]
    header = None if path.suffix.lower() == ".csv" else _header(path)
    return names if header is None else [*names, header.name]


def _header(path: Path) -> RunHeader | None:
    """Read the first line of a log; ``None`` when it is none."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline(_LONGEST_HEADER), type=RunHeader)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
