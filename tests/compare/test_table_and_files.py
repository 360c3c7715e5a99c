"""A comparison in the terminal, as Markdown and as JSON."""

import io
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from asyncload.compare.comparison import (
    METRICS,
    THRESHOLDS,
    Change,
    Comparison,
    NamedThreshold,
    Row,
)
from asyncload.compare.files import markdown, to_dict
from asyncload.compare.pairing import compare_paths
from asyncload.compare.table import (
    change_text,
    conclusion_text,
    limits_text,
    print_comparison,
    value_text,
)
from tests.compare.two_runs import csv_file, csv_row, jobs, requests, steady, write_log

pytestmark = pytest.mark.slow

LONG = "POST /v1/models/revertrisk-language-agnostic:predict"


def printed(comparison, width=120):
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def words(text):
    return " ".join(text.split())


def rows_of(*names, verdict="worse", file="", **more):
    """A comparison of these names, in which all has one verdict."""
    found = [
        Row(
            file=file, type="", scenario="", name=name, label=name, baseline_count=10,
            candidate_count=10,
            changes=tuple(
                Change(metric=metric, baseline=1.0, candidate=2.0, change=1.0, low=0.9, high=1.1,
                       threshold=0.1, verdict=verdict)
                for metric in METRICS
            ),
        )
        for name in names
    ]  # fmt: skip
    return Comparison(baseline="a", candidate="b", thresholds=THRESHOLDS, rows=tuple(found), **more)


@pytest.fixture
def runs(tmp_path):
    """Two logs: a request that got slower, one that did not, and jobs of which some got lost."""
    rng = np.random.default_rng(4)
    due = np.linspace(0.0, 59.0, 500).tolist()
    paths = []
    for number, slower in enumerate((1.0, 1.3)):
        records = [
            *requests(steady(60.0)(rng, slower), name=LONG),
            *requests(steady(60.0)(rng), name="list"),
            *requests(steady(1.0)(rng), name=f"only in {number}"),
            *jobs(
                [(at, None if number and index % 10 == 0 else 2.0) for index, at in enumerate(due)]
            ),
        ]
        paths.append(write_log(tmp_path / f"{number}.jsonl", records))
    return compare_paths(*paths)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_and_says_what_got_worse_by_how_much_and_how_sure_that_is(runs, width):
    text = printed(runs, width)
    lines = text.splitlines()
    assert all(
        cell_len(line) <= width or line.startswith(("Baseline", "Candidate")) for line in lines
    )
    sure = r"\+2\d\.\d % +\+2\d\.\d % to \+3\d\.\d"
    assert re.search(rf"✗ average +\d+ ms +→ \d+ ms +{sure}", text)
    assert re.search(r"✗ p95 +2\.00 s +→ never +never *$", text, re.MULTILINE)
    assert "Only in the baseline only in 0 Only in the candidate only in 1" in words(text)
    assert re.search(
        r"\d+ of 30 metrics are worse, \d+ the same, \d+ cannot be told$", text.strip()
    )


def test_why_nothing_can_be_told_is_said_once_for_all_it_is_true_of(tmp_path):
    before = csv_file(tmp_path / "a.csv", *(csv_row(f"/{i}", count=50) for i in range(5)))
    after = csv_file(
        tmp_path / "b.csv", *(csv_row(f"/{i}", count=50 + 500 * (i < 4)) for i in range(5))
    )
    text = printed(compare_paths(before, after), 100)
    assert "p99 of all names: fewer than 459 requests" in text
    other = csv_file(
        tmp_path / "c.csv", *(csv_row(f"/{i}", count=1000 if i else 50) for i in range(5))
    )
    text = printed(compare_paths(other, other), 100)
    assert "p99 of /0: fewer than 459 requests" in text
    assert "p95 of /0: fewer than 90 requests" in text


def test_the_worst_are_shown_where_there_are_too_many():
    fine = rows_of(*(f"fine {i}" for i in range(100)), verdict="same")
    bad = rows_of("bad")
    both = Comparison(baseline="a", candidate="b", thresholds=THRESHOLDS, rows=fine.rows + bad.rows)
    for text in (printed(both), markdown(both)):
        assert "bad" in text
        assert "fine 99" not in text
        assert re.search(r"and \d+ more", text)
    assert len(markdown(rows_of(*("x" * 500 + str(i) for i in range(1000))))) < 65_536


def test_names_of_files_head_their_rows():
    text = printed(rows_of("predict", file="revertrisk"))
    assert re.search(r"^  revertrisk +\n    predict +✗ +\+100 %", text, re.MULTILINE)
    assert "revertrisk: predict" in text


NASTY = "\x1b[31mred\x1b[0m [bold]x[/bold] | `a` <script> \r\n\u202e @someone #1 :warning:"


def test_a_name_cannot_steer_the_terminal_or_break_a_line():
    text = printed(rows_of(NASTY, remarks=(NASTY,), only_in_baseline=(NASTY,)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/bold]" in text
    assert ":warning:" in text


GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def table_cells(text):
    """Texts of the cells of the first table, as HTML shows them."""
    found = []
    inside = False
    for token in GFM.parse(text):
        inside = (inside or token.type == "table_open") and token.type != "table_close"
        if inside and token.type == "inline":
            found.append(shown(token.children))
        if token.type == "table_close":
            break
    return found


def shown(tokens):
    tags = [token.content for token in tokens if token.type == "html_inline"]
    assert set(tags) <= {"<code>", "</code>"}
    others = {token.type for token in tokens}
    assert others <= {"text", "code_inline", "html_inline", "text_special", "strong_open", "strong_close"}  # fmt: skip
    return "".join(token.content for token in tokens if token.type != "html_inline")


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40) | st.text(st.sampled_from("|\\`*_<>&;#[]()!~ @a1-"), max_size=12))
def test_any_name_is_one_cell_of_the_markdown_and_is_shown_as_it_is(name):
    comparison = rows_of(name)
    cells = table_cells(markdown(comparison))
    assert len(cells) == 2 * (1 + len(METRICS))
    expected = "".join(c if c.isprintable() else "?" for c in " ".join(name.split()))
    assert cells[7] == (expected or "(no name)")
    assert cells[8] == "✗ +100 %"


def test_the_markdown_is_a_heading_a_table_and_all_numbers_folded_away(runs):
    text = markdown(runs)
    assert text.startswith(f"### ✗ Load test: {conclusion_text(runs)}\n")
    html = GFM.render(text)
    assert html.count("<table>") == 2
    assert "<details><summary>All numbers</summary>" in html
    assert f"<code>{LONG}</code>" in html
    assert "only in the baseline: <code>only in 0</code>" in html
    assert (
        "Thresholds: average, median, p95, p99, rate 10 %; failures 1 pp; times by more than 1.00 ms."
        in html
    )


def test_the_json_has_what_the_docs_say(runs):
    content = json.loads(json.dumps(to_dict(runs), allow_nan=False))
    assert list(content) == [
        "schema", "baseline", "candidate", "exit_code", "confidence", "thresholds",
        "thresholds_by_name", "floor", "verdicts", "rows", "only_in_baseline",
        "only_in_candidate", "ignored", "invalid", "remarks",
    ]  # fmt: skip
    assert (content["schema"], content["exit_code"], content["confidence"]) == (1, 1, 0.95)
    row = next(row for row in content["rows"] if row["name"] == LONG)
    assert list(row) == [
        "file", "type", "scenario", "name", "baseline_count", "candidate_count", "changes",
    ]  # fmt: skip
    assert [change["metric"] for change in row["changes"]] == list(METRICS)
    average = row["changes"][0]
    assert average["verdict"] == "worse"
    assert average["low"] < 0.3 < average["high"]
    assert average["candidate"] / average["baseline"] - 1 == pytest.approx(average["change"])
    job = next(row for row in content["rows"] if row["type"] == "JOB")
    assert job["changes"][2]["candidate"] == job["changes"][2]["high"] == "never"
    assert sum(content["verdicts"].values()) == 6 * len(content["rows"])


@pytest.mark.parametrize(
    ("metric", "share", "short", "text"),
    [
        ("p95", 0.123, False, "+12.3 %"),
        ("p95", 0.123, True, "+12 %"),
        ("p95", -0.0123, False, "−1.23 %"),
        ("p95", 0.0, False, "0 %"),
        ("p95", -1e-9, False, "0 %"),
        ("p95", 0.0996, True, "+10.0 %"),
        ("p95", 4.2, False, "+420 %"),
        ("p95", 11.3, False, "×12.3"),
        ("p95", math.inf, False, "never"),
        ("p95", None, False, ""),
        ("failures", 0.005, False, "+0.50 pp"),
        ("failures", -0.5, True, "−50 pp"),
    ],
)
def test_changes_in_words(metric, share, short, text):
    assert change_text(metric, share, short=short) == text


def test_values_in_words():
    assert value_text("p95", 0.1234) == "123 ms"
    assert value_text("p95", math.inf) == "never"
    assert value_text("p95", None) == "–"
    assert value_text("rate", 12.3) == "12.3/s"
    assert value_text("failures", 0.0123) == "1.23 %"


def test_thresholds_and_the_conclusion_in_words():
    usual = "average, median, p95, p99, rate 10 %; failures 1 pp"
    assert limits_text(rows_of("a")) == f"{usual}; times by more than 1.00 ms"
    slow = NamedThreshold(name="GET /slow", metric="p95", threshold=0.5)
    own = rows_of("a", by_name=(slow,), floor=0.0)
    assert limits_text(own) == f"{usual}; p95 for GET /slow 50 %"
    assert conclusion_text(rows_of("a")) == "6 of 6 metrics are worse"
    assert conclusion_text(rows_of("a", verdict="same")) == "nothing is worse, 6 the same"
    assert conclusion_text(rows_of("a", verdict="cannot tell")) == "nothing could be told"
