"""Every command, config and code block of README and docs does what it says."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from asyncload.config.load import config_from
from asyncload.engine.setup import resolve_user
from tests.cli.command_line import UNHURRIED
from tests.forkserver import ForkServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)")

# Runs in the docs are a minute long; here a few seconds show the same.
SHORT = ["--set=scenarios.0.load.duration=3s", "--set=inconclusive=pass"]


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


class Reader:
    """Types commands into a shell, in a folder with the configs."""

    def __init__(self, folder: Path, server: ForkServer) -> None:
        shutil.copytree(ROOT / "configs", folder / "configs")
        self.folder = folder
        self._server = server

    def types(self, words: list[str]) -> None:
        """Run `asyncload` with these words; a run is a short one."""
        short = [*SHORT, *UNHURRIED] if words[0] == "run" else []
        if words[0] == "http":
            short = ["--set=scenarios.http.load.duration=2s", *UNHURRIED]
        code, out, err = self._server.run([*words, *short], self.folder, environment(), limit=100)
        assert code == 0, f"asyncload {shlex.join(words)}\n{out}{err}"


@pytest.fixture
def reader(tmp_path: Path, fork_server: ForkServer) -> Reader:
    return Reader(tmp_path, fork_server)


@pytest.fixture(scope="module")
def logs_of(
    tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer
) -> Callable[[str], Path]:
    """Give the folder of logs that a run of a config as it is leaves behind; each is run once."""

    @functools.cache
    def logs(config: str) -> Path:
        reader = Reader(tmp_path_factory.mktemp("run"), fork_server)
        reader.types(["run", config])
        return reader.folder / "logs"

    return logs


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "COLUMNS": "120",
    }


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_blocks_run(block, reader):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=reader.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def shell_pages() -> list[list[Block]]:
    pages: dict[str, list[Block]] = {}
    for block in blocks("bash"):
        if not block.info:
            pages.setdefault(block.page, []).append(block)
    return list(pages.values())


@pytest.mark.parametrize("page", shell_pages(), ids=lambda page: page[0].page)
def test_shell_blocks_of_a_page_run_one_after_the_other(page, reader, logs_of):
    logs = reader.folder / "logs"
    shutil.copytree(logs_of("configs/burst.yaml"), logs)  # a reader has run the demo by then
    for block in page:
        for line in block.text.splitlines():
            program, *words = shlex.split(line, comments=True)
            if program == "python":
                subprocess.run([sys.executable, *words], cwd=ROOT, check=True, timeout=100)
                continue
            assert program == "asyncload"
            if words[0] == "run" and len(words) == 2 and (ROOT / words[1]).exists():
                shutil.rmtree(logs)
                shutil.copytree(logs_of(words[1]), logs)
            else:
                reader.types(words)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_configs_in_the_docs_are_valid(block):
    raw = yaml.safe_load(block.text)
    if block.text.startswith("# part of a config"):
        whole = yaml.safe_load((ROOT / "configs" / "burst.yaml").read_text())
        raw = {**whole, **raw}
    config = config_from(raw)
    for index, scenario in enumerate(config.plan.scenarios):
        resolve_user(scenario, index)


def configs() -> list[Any]:
    """All configs; what no page runs need not run in the process of the pages."""
    on_pages = {
        shlex.split(line, comments=True)[-1]
        for page in shell_pages()
        for block in page
        for line in block.text.splitlines()
    }
    found = []
    for path in sorted((ROOT / "configs").glob("**/*.yaml")):
        name = str(path.relative_to(ROOT))
        alone = () if name in on_pages else pytest.mark.xdist_group(name)
        found.append(pytest.param(name, marks=alone, id=name))
    return found


@pytest.mark.parametrize("config", configs())
def test_every_config_runs_as_it_is(config, logs_of):
    logs_of(config)  # which wants it to end well


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


def test_asyncload_local_prints_how_to_reach_it_and_ends_on_ctrl_c(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncload", "local"],
        cwd=tmp_path,
        env=environment(),
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
