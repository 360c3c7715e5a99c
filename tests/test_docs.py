"""Every command, config and code block of README and docs does what it says."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from asyncload.config.load import config_from
from asyncload.engine.setup import resolve_user
from tests.forkserver import ForkServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)")

# Runs in the docs are a minute long; here a few seconds show the same.
SHORT = "--set scenarios.0.load.duration=3s"
SHIM = f"""#!{sys.executable}
import sys
from asyncload.cli import main
arguments = sys.argv[1:]
if arguments[:1] == ["run"]:
    arguments += {SHORT.split()!r}
sys.argv = ["asyncload", *arguments]
main()
"""


class Block(NamedTuple):
    page: str
    number: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text())):
            words = match["info"].split()
            if words[:1] == [language]:
                found.append(Block(page.name, number, " ".join(words[1:]), match["text"]))
    return found


def furnished(folder: Path) -> Path:
    """Put the configs into ``folder``, and an `asyncload` that makes runs short."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    shim = folder / "bin" / "asyncload"
    shim.parent.mkdir()
    shim.write_text(SHIM)
    shim.chmod(shim.stat().st_mode | stat.S_IEXEC)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the configs, and an `asyncload` on the path that makes runs short."""
    return furnished(tmp_path)


@pytest.fixture(scope="session")
def demo_logs(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """What a run of the demo leaves behind."""
    folder = furnished(tmp_path_factory.mktemp("demo"))
    command = ["run", "configs/burst.yaml", *SHORT.split()]
    code, _, err = fork_server.run(command, folder, environment(folder), limit=100)
    assert code == 0, err
    return folder / "logs"


def environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "COLUMNS": "120",
    }


def run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=place, env=environment(place), capture_output=True, text=True, timeout=100
    )


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_blocks_run(block, place):
    done = run([sys.executable, "-W", "error", "-c", block.text], place)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def shell_pages() -> list[list[Block]]:
    pages: dict[str, list[Block]] = {}
    for block in blocks("bash"):
        if not block.info:
            pages.setdefault(block.page, []).append(block)
    return list(pages.values())


@pytest.mark.parametrize("page", shell_pages(), ids=lambda page: page[0].page)
def test_shell_blocks_of_a_page_run_one_after_the_other(page, place, demo_logs):
    shutil.copytree(demo_logs, place / "logs")  # a reader has run the demo by then
    for block in page:
        done = run(["bash", "-euc", block.text], place)
        assert done.returncode == 0, f"{block.text}\n{done.stderr}"


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_configs_in_the_docs_are_valid(block):
    raw = yaml.safe_load(block.text)
    if block.text.startswith("# part of a config"):
        whole = yaml.safe_load((ROOT / "configs" / "burst.yaml").read_text())
        raw = {**whole, **raw}
    config = config_from(raw)
    for index, scenario in enumerate(config.plan.scenarios):
        resolve_user(scenario, index)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("**/*.yaml")), ids=lambda p: p.name)
def test_every_config_runs_as_it_is(path, place, fork_server):
    command = ["run", str(path.relative_to(ROOT)), *SHORT.split()]
    code, out, err = fork_server.run(command, place, environment(place), limit=100)
    assert code == 0, out + err


def test_the_readme_shows_the_config_that_the_demo_runs():
    shown = next(block for block in blocks("yaml") if block.page == "README.md")
    raw = yaml.safe_load(shown.text)
    real = yaml.safe_load((ROOT / "configs" / "burst.yaml").read_text())
    for key in raw:
        if key not in {"scenarios", "thresholds"}:
            assert raw[key] == real[key]
    assert set(raw["thresholds"]) <= set(real["thresholds"])
    assert raw["scenarios"][0]["load"] == real["scenarios"][0]["load"]


def test_the_set_up_commands_of_the_readme_are_those_that_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text()
    commands = [block.text for block in blocks("bash") if block.info == "setup"]
    assert len(commands) == 2
    for command in commands:
        assert "pip install -q -c constraints.txt -e '.[" in command
    assert "-c \"$3\" -e '.[dev]'" in ci
    assert 'install python3 "$venv" constraints.txt\n' in ci
    assert "\npytest -n 4\n" in ci
    assert "pytest -n 4" in commands[1]


def test_asyncload_local_prints_how_to_reach_it_and_ends_on_ctrl_c(place):
    process = subprocess.Popen(
        [str(place / "bin" / "asyncload"), "local"],
        cwd=place,
        env=environment(place),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if "Ctrl-C" in line:
                break
        assert "AWS_ENDPOINT_URL=http://127.0.0.1:" in text
        process.send_signal(2)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for match in LINK.finditer(page.read_text()):
        target = match["target"]
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_blocks_are_found():
    assert len(blocks("python")) >= 4
    assert len(blocks("yaml")) >= 3
    assert textwrap.dedent(blocks("bash")[0].text).startswith("python3 -m venv")
