"""The house is small enough to find one's way in, and its plan says what is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import asyncload

PACKAGE = Path(asyncload.__file__).parent
ROOT = PACKAGE.parent
PLAN = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *ROOT.glob("benchmarks/*.md")]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

MOST_MODULES = 16
MOST_LINES = 350
REASON = re.compile(r"# Over 350 lines: \S")
ROOM = re.compile(r"^\| `(?P<room>asyncload/[\w/]*(?:\.py)?)` \| (?P<what>.*) \|$", re.MULTILINE)


def test_no_folder_holds_more_modules_than_one_can_look_over():
    folders = Counter(path.parent.relative_to(ROOT) for path in MODULES)
    assert len(folders) > 20, "the walk has found next to nothing"
    assert {str(folder): n for folder, n in folders.items() if n > MOST_MODULES} == {}


def test_no_file_is_long_without_a_reason_in_its_first_line():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES and not REASON.match(lines[0]):
            wrong.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
    assert wrong == []


def test_no_name_of_a_module_is_used_more_than_twice():
    names = Counter(path.name for path in MODULES)
    assert {name: n for name, n in names.items() if n > 2} == {}


def test_every_folder_says_what_is_in_it():
    folders = {path.parent for path in MODULES}
    parents = {
        parent for folder in folders for parent in folder.parents if PACKAGE in parent.parents
    }
    for folder in folders | parents:
        assert (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""'), folder


def test_the_plan_of_the_house_has_every_room_and_module():
    rooms = {m["room"]: m["what"] for m in ROOM.finditer(PLAN.read_text(encoding="utf-8"))}
    named = set()
    for room, what in rooms.items():
        if room.endswith(".py"):
            named.add(room)
        else:
            assert room.endswith("/")
            named |= {room + name for name in re.findall(r"`(\w+\.py)`", what)}
    there = {str(path.relative_to(ROOT)) for path in MODULES}
    assert sorted(named - there) == []
    # Of the command line it names what is no command.
    unnamed = there - named - {"asyncload/__main__.py"}
    assert [path for path in sorted(unnamed) if not path.startswith("asyncload/commands/")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"(?<![\w/.])((?:asyncload|tests|benchmarks|configs)/[\w/]+\.(?:py|ya?ml))", text
    )
    assert [path for path in named if not (ROOT / path).is_file()] == []
