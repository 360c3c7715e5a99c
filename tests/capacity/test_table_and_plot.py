"""What a search for a service's capacity shows."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from rich.console import Console

from asyncload.capacity.plot import draw, plot_capacity
from asyncload.capacity.result import EXIT_CODES, Capacity, Ending, Times, TrialResult, curve
from asyncload.capacity.table import print_capacity, trial_line, write_json
from asyncload.errors import ConfigError
from asyncload.verdict.thresholds import ThresholdResult

pytestmark = pytest.mark.slow

LIMIT = "request.latency.p95 < 250ms"


def trial(rate, outcome, p95, **more):
    return TrialResult(
        rate=rate, duration=30.0, outcome=outcome, count=round(rate * 30), ended=min(rate, 80.0),
        started_at="2026-11-21T11:00:00+00:00", latency=Times(0.05, p95, p95, p95),
        thresholds=[ThresholdResult(LIMIT, p95, "", outcome == "passed", "")], **more,
    )  # fmt: skip


TRIALS = [
    trial(20.0, "passed", 0.06),
    trial(40.0, "passed", 0.06),
    trial(80.0, "generator", 0.5, reasons=["the generator was late"]),
    trial(80.0, "passed", 0.07, attempt=2),
    trial(160.0, "failed", 9.0, reasons=[f"{LIMIT}: it is 9.00 s"], failed=48),
    trial(113.1, "failed", 0.002, stopped_early=True),
    trial(90.0, "failed", None),
    trial(83.0, "failed", 1.2),
]


def capacity(ending="found", trials=None, **more):
    trials = TRIALS if trials is None else trials
    return Capacity(
        name="predict", ending=ending, sentence="The service sustains 80/s; at 83/s it does not.",
        capacity=80.0, failed_at=83.0, precision=0.05, rules=[LIMIT], steps=trials, **more,
    )  # fmt: skip


def printed(result, width=100):
    out = io.StringIO()
    print_capacity(result, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_the_curve_has_one_step_for_each_rate_and_none_that_says_nothing():
    chosen = curve(TRIALS)
    assert [trial.rate for trial in chosen] == [20, 40, 80, 83, 90, 160]
    assert chosen[2].attempt == 2


def test_the_table_shows_every_step_by_rate():
    text = printed(capacity())
    rows = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and "/s" in line]
    assert rows == ["20/s", "40/s", "80/s", "80/s", "83/s", "90/s", "113.1/s", "160/s"]
    assert "never" in text
    assert "1.00 %" in text
    assert "The knee of p95 latency is at 80/s (Kneedle)" in text
    assert "The service sustains 80/s; at 83/s it does not." in text


@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_row_is_wider_than_the_terminal(width):
    table = printed(capacity(), width).split("The knee")[0]
    assert max(len(line) for line in table.splitlines()) <= width


def test_a_line_says_why_a_step_did_not_pass():
    line = trial_line(TRIALS[4]).plain
    assert "160/s  failed     4,800 requests in 30 s, p95 9.00 s" in line
    assert line.endswith(f"{LIMIT}: it is 9.00 s")
    assert trial_line(trial(80.0, "close", 0.26)).plain.endswith("once more")


def test_the_graph_marks_limit_capacity_and_knee(tmp_path):
    result = capacity()
    top, bottom = draw(result, curve(result.steps)).axes
    words = [text.get_text() for ax in (top, bottom) for text in ax.get_legend().get_texts()]
    assert "limit of p95 250 ms" in words
    assert "capacity 80/s" in words
    assert "knee 80/s" in words
    (p95,) = (line for line in top.get_lines() if line.get_label() == "p95")
    assert list(p95.get_xdata()) == [20, 40, 80, 83, 90, 160]
    path = plot_capacity(result, tmp_path / "deep" / "plots")
    assert path == tmp_path / "deep" / "plots" / "predict.capacity.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_graphs_of_two_searches_stay_beside_each_other(tmp_path):
    for name in ("a/b c", "other"):
        assert plot_capacity(msgspec.structs.replace(capacity(), name=name), tmp_path) is not None
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a-b-c.capacity.png", "other.capacity.png"}


@pytest.mark.parametrize("ending", EXIT_CODES)
def test_every_ending_can_be_drawn_and_told(ending: Ending, tmp_path):
    result = capacity(ending, trials=TRIALS[:1])
    assert plot_capacity(result, tmp_path) is not None
    assert result.sentence in printed(result)
    assert result.to_dict()["exit_code"] == EXIT_CODES[ending]


def test_without_a_step_there_is_no_graph_and_no_table(tmp_path):
    result = capacity("interrupted", trials=[])
    assert plot_capacity(result, tmp_path) is None
    assert printed(result) == f"{result.sentence}\n"


def test_the_json_holds_the_result(tmp_path):
    write_json(capacity(), tmp_path / "new" / "found.json")
    read = json.loads((tmp_path / "new" / "found.json").read_text())
    assert (read["schema"], read["knee"], read["exit_code"]) == (1, 80.0, 0)
    assert msgspec.convert(read["steps"], list[TrialResult]) == TRIALS


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write graphs to"):
        plot_capacity(capacity(), tmp_path / "file")
    with pytest.raises(ConfigError, match="cannot write"):
        write_json(capacity(), tmp_path / "file" / "found.json")
