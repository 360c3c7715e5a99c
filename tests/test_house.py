"""The house is small enough to find one's way in, and its plan says what is there."""

from __future__ import annotations

import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest

import asyncload

PACKAGE = Path(asyncload.__file__).parent
ROOT = PACKAGE.parent
PLAN = ROOT / "docs" / "architecture.md"
TEXTS = [
    ROOT / "README.md",
    *(ROOT / "docs").glob("*.md"),
    *PACKAGE.rglob("*.py"),
    *(path for path in ROOT.glob("benchmarks/**/*.py") if ".peers" not in path.parts),
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *ROOT.glob("benchmarks/*.md")]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

MOST_MODULES = 16
MOST_LINES = 350
REASON = re.compile(r"# Over 350 lines: \S")
ROOM = re.compile(r"^\| `(?P<room>asyncload/[\w/]*(?:\.py)?)` \| (?P<what>.*) \|$", re.MULTILINE)

# What things were called, by what they are called now. In code these are whole
# names, with or without underscores around them.
OLD_NAMES = {
    "SettingsSource, AwsSource, OfflineSource, LocalSource": (
        "Surroundings surroundings Asking NotAsking Embedded setting_lookup"
    ),
    "foreign": "stranger strangers STRANGERS orphan count_stranger take_stranger note_strangers",
    "JobCounters": "Account",
    "GiveUpReason, mark_dead_lettered, mark_unconfirmed": (
        "Fate fate fates count_fate bury doubt in_doubt"
    ),
    "strategy, SearchRange, Trial": "Climb climb climbs Range Try",
    "message, format_…, snapshot": "words in_words comparison_words told said written",
    "Receiver, ground_truth, JobRun": (
        "Intake intake Course course truth read_truth TruthLog TruthRecord keep_truth"
    ),
    "backend": "lane Lane lanes LANES fast_lane",
    "slot, next_due, exit_error, stderr_tail, parent_pipe": (
        "Seat seat seats Summons summons obituary last_words lifeline"
    ),
    "RowSelector, RowPartition": "Picker Take Shares",
    "SharedState, JobSpec": "Supply Rotation rotation Order InferenceOrder order_for",
    "CompiledRequest, LoadStages, StageMetrics, Trial, TrialResult": (
        "Step Steps StepMetrics StepOptions next_step most_steps print_steps step_line"
    ),
    "chunk_gap": "token_gap",
}
# Names that others gave, or that a file of ours keeps.
KEPT_NAMES = {
    ("asyncload/users/model_runner/images.py", "Range"): "HTTP's header",
    ("asyncload/stats/metrics.py", "token_gap"): "the field in JSON, which thresholds name",
    ("asyncload/report/tables/streams_table.py", "token_gap"): "that field",
    ("asyncload/report/html/report_tables.py", "token_gap"): "that field",
}
# The same in docs, comments and messages, as regular expressions.
OLD_PROSE = {
    "foreign": r"strangers?|[Oo]rphans? (?:status|message|job)|an orphan",
    "job counters": r"the account (?:balances|does not balance|of the jobs)",
    "give-up reason, dead-lettered, unconfirmed": r"in doubt|is a doubt|bur(?:y|ied) a job",
    "ground truth": r"the truth log|[Ii]ntake",
    "backend": r"[Ll]anes?",
    "slot, exit error, stderr tail, parent pipe": r"seats?|summons|obituary|last words|lifeline",
    "chunk gap": r"gaps? between tokens|gap of tokens",
}
KEPT_PROSE = r"gaps between tokens: a chunk may hold"  # the glossary, of what the metric is not


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


def test_no_name_comes_back_that_was_given_up_for_the_fields_word():
    new = {old: now for now, names in OLD_NAMES.items() for old in names.split()}
    found, kept = [], set()
    for path in (path for path in TEXTS if path.suffix == ".py"):
        place = str(path.relative_to(ROOT))
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                name = token.string.strip("_")
                if token.type != tokenize.NAME or name not in new:
                    continue
                if (place, name) in KEPT_NAMES:
                    kept.add((place, name))
                else:
                    found.append(f"{place}:{token.start[0]}: {name} is {new[name]}")
    assert found == []
    assert kept == set(KEPT_NAMES), "an exception that nothing needs any more"


def test_no_module_has_a_name_that_was_given_up():
    old = {name for names in OLD_NAMES.values() for name in names.split()} | {"steps", "orders"}
    modules = [path for root in (PACKAGE, ROOT / "benchmarks") for path in root.rglob("*.py")]
    modules = [path for path in modules if ".peers" not in path.parts]
    assert [path for path in modules if path.stem in old] == []


def test_docs_and_messages_have_one_word_for_one_thing():
    found = []
    for path in TEXTS:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = re.sub(KEPT_PROSE, "", line)
            found += [
                f"{path.relative_to(ROOT)}:{number}: {old[0]!r} is {now}"
                for now, words in OLD_PROSE.items()
                if (old := re.search(rf"\b(?:{words})\b", text))
            ]
    assert found == []
