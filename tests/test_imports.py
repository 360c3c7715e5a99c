"""Imports go down only, and nothing heavy is imported before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import asyncload

ROOT = Path(asyncload.__file__).parent
# The floors of the house, from the ground up (docs/architecture.md). A package
# may import what lies below it, and what is on its own floor as long as no two
# packages import each other in the end.
FLOORS = [
    {"errors", "progress"},
    {"plan", "records"},
    {"config", "transport", "jobs", "stats", "monitor"},
    {"verdict"},
    {"users", "report", "export", "live", "cost"},
    {"compare"},
    {"engine", "target"},
    {"load_test", "result"},
    {"api"},
    {"capacity", "calibration", "drafts"},
    {"process", "commands", "cli"},
    {"testing", "pytest_plugin", "__init__", "__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# The embedded stack stands beside the house: it knows what a log is, and the
# config file holds its settings.
LOCAL_MAY_USE = {"errors", "plan", "records"}
CONFIG_MAY_USE_OF_LOCAL = "asyncload.local.settings"
MAY_START_LOCAL = {"load_test", "target", "calibration", "commands"}
# Modules that say which version this is: `__init__` imports nothing before it is asked to.
SAY_THE_VERSION = {"asyncload.cli", "asyncload.calibration.machine"}
# Users of kind: edge may have an endpoint of their own on this host, and images made for it.
USERS_USE_LOCAL = "asyncload.users.local_server"
# Third-party packages that take long to import, or are not always installed.
HEAVY = {
    "aiobotocore", "aiohttp", "boto3", "botocore", "dask", "distributed", "jinja2", "matplotlib",
    "ministack", "plotly", "polars", "pynvml", "rasterio", "rich", "uvloop",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    """All modules of asyncload with their files."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(module: str, path: Path) -> Iterator[tuple[str, int]]:
    """What a module imports, also late and for type checking only, with the line."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from asyncload.plan import shapes` imports a module, `… import Plan` a name.
                inner = ROOT.parent.joinpath(*source.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield (f"{source}.{alias.name}" if is_module else source), node.lineno


def package_of(module: str) -> str:
    """The package or module right below asyncload."""
    return module.split(".")[1] if "." in module else "__init__"


INSIDE = [
    (module, target, f"{path.relative_to(ROOT.parent)}:{line} imports {target}")
    for module, path in modules()
    for target, line in imports(module, path)
    if target.split(".")[0] == "asyncload"
]


def test_there_is_a_floor_for_every_package():
    packages = {package_of(module) for module, _ in modules()} - {"local"}
    assert packages <= set(FLOOR), "name the new package in FLOORS"
    assert len(INSIDE) > 200, "the walk has found next to nothing"


def test_imports_go_down_only():
    wrong = []
    for module, target, where in INSIDE:
        source, used = package_of(module), package_of(target)
        if source == used or "local" in {source, used}:
            continue
        if target == "asyncload" and module in SAY_THE_VERSION:
            continue
        if FLOOR[used] > FLOOR[source]:
            wrong.append(where)
    assert wrong == []


def test_packages_of_one_floor_do_not_import_each_other_in_a_circle():
    uses: dict[str, set[str]] = {}
    for module, target, _ in INSIDE:
        source, used = package_of(module), package_of(target)
        if source != used and target != "asyncload":
            uses.setdefault(source, set()).add(used)
    # `local` is used from above and by `config` for its settings alone, which use `plan` only.
    uses["config"].discard("local")
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as circle:
        pytest.fail(f"packages import each other: {' -> '.join(circle.args[1])}")


def test_modules_do_not_import_each_other_in_a_circle():
    uses: dict[str, set[str]] = {}
    for module, target, _ in INSIDE:
        # A package's `__init__` gathers names from its modules, which need not know of it.
        if target != module and not module.startswith(f"{target}."):
            uses.setdefault(module, set()).add(target)
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as circle:
        pytest.fail(f"modules import each other: {' -> '.join(circle.args[1])}")


def test_the_embedded_stack_uses_nothing_above_records():
    wrong = [
        where
        for module, target, where in INSIDE
        if package_of(module) == "local" and package_of(target) not in LOCAL_MAY_USE | {"local"}
    ]
    assert wrong == []


def test_the_embedded_stack_is_started_by_the_run_api_and_its_own_command_alone():
    wrong = [
        where
        for module, target, where in INSIDE
        if package_of(target) == "local"
        and package_of(module) not in MAY_START_LOCAL | {"local"}
        and target != CONFIG_MAY_USE_OF_LOCAL
        and module != USERS_USE_LOCAL
    ]
    assert wrong == []


def test_nothing_but_the_top_uses_the_public_names_of_the_package():
    """Inside, names come from the module they live in."""
    wrong = [
        where
        for module, target, where in INSIDE
        if target == "asyncload" and module not in SAY_THE_VERSION
    ]
    assert wrong == []


# -- what is imported when ----------------------------------------------------------


def imported(code: str) -> set[str]:
    """Names of the top-level packages that a fresh interpreter has imported after ``code``."""
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT.parent), "PATH": ""},
    )
    return set(done.stdout.splitlines()[-1].split())


HELP = """
import contextlib, io
from asyncload.cli import main
for arguments in (["--help"], ["run", "--help"], ["--version"]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(arguments, prog_name="asyncload")
    assert out.getvalue()
"""


@pytest.mark.parametrize("code", ["import asyncload", HELP], ids=["import", "help"])
def test_the_package_and_its_help_load_nothing_that_is_heavy(code):
    found = imported(code)
    assert found & HEAVY == set()
    assert found & {"numpy", "msgspec", "yaml", "anyio", "psutil"} == set()


def test_writing_a_test_in_python_loads_nothing_that_only_a_run_needs():
    """Plans, user classes and the run function: heavy things come with the run itself."""
    names = ", ".join(name for name in asyncload.__all__ if name != "__version__")
    assert imported(f"from asyncload import {names}") & HEAVY == set()


def test_checking_a_config_touches_no_aws_library():
    config = ROOT.parent / "configs" / "burst.yaml"
    code = f"from asyncload import load_config, LoadTest; LoadTest(load_config({str(config)!r}))"
    found = imported(f"import os, tempfile; os.chdir(tempfile.mkdtemp())\n{code}")
    assert found & (HEAVY - {"rich"}) == set()


def test_a_run_without_a_baseline_or_a_graph_loads_nothing_that_reads_logs_or_draws():
    found = imported("import asyncload.commands.runs.run, asyncload.commands.runs.suite")
    assert found & {"matplotlib", "polars", "rasterio"} == set()


def test_every_public_name_is_there_and_is_listed():
    for name in asyncload.__all__:
        assert getattr(asyncload, name) is not None
    assert set(asyncload.__all__) <= set(dir(asyncload))
    assert sorted(asyncload.__all__) == asyncload.__all__
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = asyncload.nope


def test_public_names_are_the_things_themselves():
    from asyncload.api import run
    from asyncload.plan import shapes
    from asyncload.users.user import User

    assert asyncload.run is run
    assert asyncload.shapes is shapes
    assert asyncload.User is User
