"""A folder of configs: ``asyncload run FOLDER`` and ``asyncload check FOLDER``."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.text import Text

from asyncload.api import make_config
from asyncload.commands.loop import Output
from asyncload.commands.runs.baseline import (
    check_comparable,
    compare_result,
    exit_code,
    read_baseline,
)
from asyncload.commands.runs.check import check_command, check_test
from asyncload.commands.runs.exports import Exports, worse
from asyncload.commands.runs.run import run_command, run_test
from asyncload.commands.runs.source import config_files, config_source
from asyncload.compare.folders import file_of
from asyncload.compare.limits import Limits
from asyncload.compare.measured import Side
from asyncload.compare.pairing import NO_LIMITS, joined
from asyncload.compare.suite_table import SuiteRow, print_suite
from asyncload.compare.table import print_comparison
from asyncload.config.model import Config
from asyncload.errors import AsyncloadError, ConfigError
from asyncload.load_test import LoadTest
from asyncload.stats import units

_WORST_FIRST: Final = (130, 4, 2, 3, 1)
"""Exit codes; what stands further ahead is what a suite ends with."""


@dataclass(frozen=True, slots=True)
class _Test:
    """One config of a suite."""

    name: str
    """Its path within the folder, ``sub/model.yaml`` as ``sub-model``: one for each test."""
    path: Path
    config: Config
    """With the log that it has in the suite."""
    csv: str | None


def run_path(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    log: Path | None = None,
    csv: str | None = None,
    baselines: Sequence[Path] = (),
    limits: Limits = NO_LIMITS,
    exports: Exports,
    quiet: bool = False,
) -> int:
    """Run the config at ``path``, or all of the folder ``path``, and return the exit code.

    ``-`` is a config on standard input.
    """
    source = config_source(path)
    if not path.is_dir():
        return run_command(
            source,
            overrides=overrides,
            log=log,
            csv=csv,
            baselines=baselines,
            limits=limits,
            exports=exports,
            quiet=quiet,
        )
    exports.check_folder(path)
    console = Output()
    tests = _tests(path, overrides, log, csv)
    sides = _baselines(baselines, path, tests) if baselines else {}
    rows: list[SuiteRow] = []
    try:
        for test in tests:
            _print_heading(test, len(rows) + 1, len(tests), console)
            rows.append(_carry_out(test, sides, limits, exports, console, quiet=quiet))
            console.print()
            if rows[-1].interrupted:
                break
    except KeyboardInterrupt:  # between two runs, or while one was set up or reported
        pass
    skipped = [SuiteRow(name=test.name) for test in tests[len(rows) :]]
    if baselines:
        without = [test.name for test in tests if test.name not in sides]
        _print_comparisons(rows, (baselines, [path]), limits, without, console)
    print_suite([*rows, *skipped], console, compared=bool(baselines))
    exported = exports.write()
    if skipped:
        return 130
    codes = {row.exit_code for row in rows}
    return worse(next((code for code in _WORST_FIRST if code in codes), 0), exported)


def check_path(path: Path, *, overrides: tuple[str, ...], discover: bool) -> int:
    """Check what is at ``path`` as it would be run; 0 when all settings can be told."""
    source = config_source(path)
    if not path.is_dir():
        check_command(source, overrides=overrides, discover=discover)
        return 0
    console = Output()
    codes = set()
    tests = _tests(path, overrides, None, None)
    for number, test in enumerate(tests, 1):
        _print_heading(test, number, len(tests), console)
        try:
            check_test(LoadTest(test.config), console, discover=discover)
        except AsyncloadError as problem:
            click.echo(f"asyncload: {problem}", err=True)
            codes.add(problem.exit_code)
        console.print()
    if not codes:
        console.print(Text(f"{units.counted(len(tests), 'config')} checked", "bold green"))
    return next((code for code in _WORST_FIRST if code in codes), 0)


# -- before anything is run -----------------------------------------------------------


def _tests(
    folder: Path, overrides: Sequence[str], log: Path | None, csv: str | None
) -> list[_Test]:
    """Check all configs of a folder. Raises :class:`ConfigError` after telling what is wrong."""
    paths = config_files(folder)
    if log is not None and log.exists() and not log.is_dir():
        raise ConfigError(
            f"--log {log} is a file, but {folder} is a folder of tests; "
            "name a folder for their logs"
        )
    names = {path: "-".join(path.relative_to(folder).with_suffix("").parts) for path in paths}
    _refuse_same(names, "are both called {}", "rename one of them")
    configs: dict[Path, Config] = {}
    wrong: dict[Path, str] = {}
    for path in paths:
        try:
            configs[path] = make_config(path, overrides=overrides)
        except ConfigError as problem:
            wrong[path] = str(problem)
    logs = _logs({path: config.log for path, config in configs.items()}, names, log)
    tests = []
    for path, config in configs.items():
        prefix = None if csv is None else f"{csv}{names[path]}"
        moved = make_config(config, log=logs[path]) if logs[path] != config.log else config
        tests.append(_Test(names[path], path, moved, prefix))
        try:
            LoadTest(moved, csv=prefix)
        except ConfigError as problem:
            text = str(problem)
            wrong[path] = text if text.startswith(str(path)) else f"{path}: {text}"
    problems = [wrong[path] for path in paths if path in wrong]
    problems += _confused_modules({path.parent.resolve() for path in paths})
    if problems:
        for text in problems:
            click.echo(f"asyncload: {text}", err=True)
        raise ConfigError(
            f"{folder}: {units.counted(len(problems), 'mistake')} in its "
            f"{units.counted(len(paths), 'config')}, and nothing was sent; mend what is named above"
        )
    return tests


def _logs(own: dict[Path, str], names: dict[Path, str], folder: Path | None) -> dict[Path, str]:
    """Choose where each test's log goes.

    Its own place, unless several tests share that: then each has a file of
    its own name beside it. With a ``folder`` all are in that.
    """
    if folder is not None:
        return {path: str(folder / f"{names[path]}.jsonl") for path in own}
    shared = Counter(_place(log) for log in own.values())
    logs = {
        path: str(Path(log).with_name(f"{names[path]}.jsonl"))
        if log and shared[_place(log)] > 1 and _is_regular(log)
        else log
        for path, log in own.items()
    }
    _refuse_same(
        {path: _place(log) for path, log in logs.items() if log and _is_regular(log)},
        "would both write the log {}",
        "give one of them another log, or all of them a folder with --log",
    )
    return logs


def _is_regular(log: str) -> bool:
    """Whether it is a file, or will be: not something like /dev/null."""
    return Path(log).is_file() or not Path(log).exists()


def _place(log: str) -> str:
    return str(Path(log).absolute()) if log else ""


def _refuse_same(of: dict[Path, str], what: str, remedy: str) -> None:
    """Raise :class:`ConfigError` when two configs have the same of something."""
    first: dict[str, Path] = {}
    for path, value in of.items():
        if value in first:
            raise ConfigError(f"{first[value]} and {path} {what.format(value)}; {remedy}")
        first[value] = path


def _confused_modules(folders: set[Path]) -> Iterator[str]:
    """Find modules beside configs that were taken for those of another folder.

    Python knows one module of a name: a user class of the second folder
    would silently be that of the first.
    """
    for folder in sorted(folders):
        for path in sorted((*folder.glob("*.py"), *folder.glob("*/__init__.py"))):
            name = path.parent.name if path.name == "__init__.py" else path.stem
            loaded = getattr(sys.modules.get(name), "__file__", None)
            if loaded is None or Path(loaded).resolve() == path.resolve():
                continue
            other = Path(loaded).resolve()
            if {other.parent, other.parent.parent} & (folders - {folder}):
                yield (
                    f"{path} and {other} are both the Python module {name!r}, and one run can "
                    "have only one of a name; rename one, or run the folders one by one"
                )


def _baselines(baselines: Sequence[Path], folder: Path, tests: Sequence[_Test]) -> dict[str, Side]:
    """Read the baseline of each test that has one, by the names of the tests.

    Raises :class:`ConfigError` when none has, or one cannot be read.
    """
    for baseline in (path for path in baselines if not path.is_dir()):
        what = "is a file" if baseline.exists() else "is not there"
        raise ConfigError(
            f"--baseline {baseline} {what}, but {folder} is a folder of tests; "
            "give a folder with a log or a _stats.csv for each of them"
        )
    stems = Counter(test.path.stem for test in tests)
    found: dict[str, Side] = {}
    problem: ConfigError | None = None
    for test in tests:
        check_comparable(test.config)
        names = [test.name, *([test.path.stem] if stems[test.path.stem] == 1 else [])]
        files = []
        for baseline in baselines:
            try:
                files.append(file_of(baseline, *names))
            except ConfigError as missing:
                problem = problem or missing
        if files:
            found[test.name] = read_baseline(files, names)
    if not found and problem is not None:
        raise problem
    return found


# -- one after the other ---------------------------------------------------------------


def _print_heading(test: _Test, number: int, of: int, console: Console) -> None:
    line = Text(units.one_line(test.name), "bold").append(f"  {number} of {of}  ", "not bold dim")
    console.print(line.append(units.one_line(str(test.path)), "not bold dim"), soft_wrap=True)


def _carry_out(
    test: _Test,
    sides: Mapping[str, Side],
    limits: Limits,
    exports: Exports,
    console: Console,
    *,
    quiet: bool,
) -> SuiteRow:
    """Run one test of a suite to its end, whatever becomes of it; ``sides`` are the baselines."""
    began = time.monotonic()
    exports.begin(test.name)
    try:
        result = run_test(LoadTest(test.config, csv=test.csv), console, quiet=quiet)
    except AsyncloadError as problem:
        click.echo(f"asyncload: {problem}", err=True)
        took = time.monotonic() - began
        exports.failed(test.name, problem, took)
        return SuiteRow(name=test.name, exit_code=problem.exit_code, seconds=took)
    took = time.monotonic() - began
    if result is None:
        return SuiteRow(name=test.name, exit_code=130, seconds=took, interrupted=True)
    baseline, comparison = sides.get(test.name), None
    code, compared = result.exit_code, None
    if baseline is not None:
        comparison = compare_result(baseline, result, limits, file=test.name)
        code = exit_code(code, comparison)
        compared = comparison, code
    exports.add(test.name, result, took, seed=test.config.plan.seed, compared=compared)
    return SuiteRow(
        name=test.name,
        exit_code=code,
        seconds=took,
        interrupted=result.interrupted,
        summary=result.summary,
        thresholds=tuple(result.thresholds),
        judged=result.verdict,
        comparison=comparison,
        has_baseline=baseline is not None,
    )


def _print_comparisons(
    rows: Sequence[SuiteRow],
    sides: tuple[Sequence[Path], Sequence[Path]],
    limits: Limits,
    without: Sequence[str],
    console: Console,
) -> None:
    """Print what has changed in all tests as one comparison."""
    compared = {row.name: row.comparison for row in rows if row.comparison is not None}
    if compared:
        whole = msgspec.structs.replace(
            joined(compared, *sides, limits), only_in_candidate=tuple(without)
        )
        print_comparison(whole, console)
        console.print()
