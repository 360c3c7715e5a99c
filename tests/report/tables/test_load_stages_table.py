"""Load stages of a run whose clients become more: the numbers, and the table they stand in."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from asyncload.records.record import Request
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.load_stages import LoadStages, largest_steady, settling, stairs_of
from asyncload.stats.summary import SummaryFold
from tests.report.load_stages import Step, answers, header, staged_records

THREE = [Step(1, 10), Step(5, 50), Step(10, 60, latency=0.16)]


def summary_of(records):
    fold = SummaryFold()
    for record in records:
        fold.write(record)
    return fold.summary()


def shown(summary, width=120):
    out = io.StringIO()
    print_summary(summary, None, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def test_each_step_has_what_was_asked_for_and_what_came_of_it():
    steps = summary_of(staged_records(THREE)).steps
    assert [step.clients for step in steps] == [1, 5, 10]
    assert [step.expected for step in steps] == [10, 50, 100]
    assert [(step.start, step.end) for step in steps] == [(0, 10), (10, 20), (20, 30)]
    assert [step.achieved for step in steps] == pytest.approx([10, 50, 60], rel=0.02)
    assert [step.success for step in steps] == [1, 1, 1]
    assert [step.p50 for step in steps] == pytest.approx([0.05, 0.05, 0.16], rel=0.01)
    assert [step.p95 for step in steps] == pytest.approx([0.05, 0.05, 0.16], rel=0.01)
    assert [step.steady for step in steps] == [True, True, False]
    best = largest_steady(steps)
    assert best is not None
    assert (best.clients, best.expected) == (5, 50)


@pytest.mark.parametrize(
    ("step", "steady"),
    [
        (Step(10, 96), True),
        (Step(10, 94), False),
        (Step(10, 100, bad=1 / 200), True),
        (Step(10, 100, bad=1 / 50), False),
    ],
)
def test_steady_is_95_percent_of_the_rate_and_99_percent_of_success(step, steady):
    (found,) = summary_of(staged_records([step], every=30)).steps
    assert found.steady is steady
    assert (largest_steady([found]) is not None) is steady


def test_a_client_slower_than_the_step_is_judged_by_whole_requests():
    # One request in 4 s: in the 9 s that count there are two, where 2.25 are expected.
    shape = {"kind": "ramp", "max": 1, "step": 1, "every": 10}
    user = {"kind": "edge", "rate": 0.25}
    records = [header(shape, duration=10, user=user), *answers([Step(1, 0.25)], 10)]
    (step,) = summary_of(records).steps
    assert step.steady is True


@pytest.mark.parametrize(("length", "left_out"), [(30, 1), (4, 1), (2, 0.5)])
def test_the_first_second_of_a_step_is_left_out_or_the_first_quarter(length, left_out):
    assert settling(length) == left_out
    shape = {"kind": "ramp", "max": 1, "step": 1, "every": length}
    run = summary_of([
        header(shape, duration=length),
        *(
            Request(
                t=end, scenario="edge", user=0, name="d", due=end - slow, end=end, outcome=outcome
            )
            for end, slow, outcome in [
                (left_out - 0.01, 0.5, "failed"),
                (left_out + 0.01, 0.1, "ok"),
                (length - 0.01, 0.1, "ok"),
                (length + 0.01, 0.5, "failed"),
            ]
        ),
    ])  # fmt: skip
    (step,) = run.steps
    assert step.success == 1
    assert step.p95 == pytest.approx(0.1, rel=0.01)
    assert step.achieved == pytest.approx(2 / (length - left_out))


def test_a_step_in_which_the_run_was_stopped_is_not_judged():
    shape = {"kind": "ramp", "max": 10, "step": 5, "every": "10s"}
    body = answers([Step(5, 50), Step(10, 100)], 10, until=15)
    first, second = summary_of([header(shape, duration="20s"), *body]).steps
    assert first.steady is True
    assert second.steady is None
    assert second.achieved == pytest.approx(100, rel=0.03)
    assert largest_steady([first, second]) == first
    early = answers([Step(5, 50), Step(10, 100)], 10, until=9.6)
    assert len(summary_of([header(shape, duration="20s"), *early]).steps) == 1


def test_a_duration_may_end_the_load_within_a_step():
    shape = {"kind": "ramp", "max": 10, "step": 5, "every": 10}
    body = answers([Step(5, 50), Step(10, 100)], 10, until=14)
    first, second = summary_of([header(shape, duration=14), *body]).steps
    assert (first.end, second.end) == (10, 14)
    assert second.steady is True
    assert second.achieved == pytest.approx(100, rel=0.03)


def test_a_step_without_an_answer_is_not_steady():
    steps = summary_of(staged_records([Step(5, 50), Step(10, 0.0001)])).steps
    assert (steps[1].success, steps[1].p50, steps[1].steady) == (None, None, False)
    assert "–" in shown(summary_of(staged_records([Step(5, 50), Step(10, 0.0001)])))


@pytest.mark.parametrize(
    "change",
    [
        {"load": {"model": "open"}},
        {"load": {"shape": {"kind": "constant", "level": 5}}},
        {"load": {"shape": {"kind": "ramp", "max": -5}}},
        {"load": {"shape": "mine:shape"}},
        {"load": {"shape": {"kind": ["ramp"]}}},
        {"load": {"duration": "soon"}},
        {"load": {"shape": {"kind": "ramp", "max": 1e9, "step": 1, "every": 1}, "duration": 1e9}},
        {"user": {"kind": "http"}},
        {"user": {"rate": "often"}},
        {"user": "mine:User"},
    ],
)
def test_other_loads_have_no_steps(change):
    made = header({"kind": "ramp", "max": 5, "step": 1, "every": 10}, duration=50)
    (scenario,) = made.config["scenarios"]
    for key, value in change.items():
        scenario[key] = {**scenario[key], **value} if isinstance(value, dict) else value
    assert stairs_of(made) == {}
    summary = summary_of([made, *answers([Step(1, 10)], 10)])
    assert summary.steps == []
    assert "Load stages" not in shown(summary)


def test_the_rate_is_found_in_a_plan_made_in_python_and_by_its_default():
    shape = {"kind": "ramp", "max": 4, "step": 2, "every": 10}
    for user, rate in [
        ({"kind": "edge", "options": {"rate": 3}, "folder": ""}, 3),
        ({"kind": "edge", "options": {}, "folder": ""}, 10),
        ({"kind": "edge"}, 10),
    ]:
        stairs = stairs_of(header(shape, duration=20, user=user))["edge"]
        assert (stairs.starts, stairs.clients, stairs.rate) == ([0, 10], [2, 4], rate)


def test_stages_may_be_of_any_length_and_pauses_are_no_steps():
    shape = {"kind": "custom_ramp", "stages": [[2, "5s"], [0, "2s"], [4, 10]]}
    stairs = stairs_of(header(shape, duration=17))["edge"]
    assert stairs.starts == [0, 5, 7]
    steps = LoadStages()
    steps.header(header(shape, duration=17))
    steps.columns(
        "edge", due=np.array([1.0, 16.5]), end=np.array([1.1, 16.6]), good=np.array([True, True]),
        load=np.array([16.0]),
    )  # fmt: skip
    assert [(step.start, step.clients) for step in steps.read()] == [(0, 2), (7, 4)]


def test_columns_give_what_records_give():
    records = staged_records([Step(1, 10), Step(5, 50, bad=1 / 10), Step(10, 60, latency=0.3)])
    sent = [one for one in records if isinstance(one, Request)]
    steps = LoadStages()
    steps.header(records[0])
    steps.columns(
        "edge",
        due=np.array([one.due for one in sent]),
        end=np.array([one.end for one in sent]),
        good=np.array([one.outcome == "ok" for one in sent]),
        load=np.array([29.0]),
    )
    assert steps.read() == summary_of(records).steps


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_has_a_row_for_each_step_and_the_largest_steady_rate(width):
    text = shown(summary_of(staged_records(THREE)), width)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert any(line.startswith("from 0:10 5 50.0/s 50.0/s 100 %") for line in lines)
    assert "largest steady rate 50.0/s with 5 clients, 50.0/s expected" in lines
    answers_of = {line.split()[1]: line.split()[-1] for line in lines if line.startswith("from")}
    assert answers_of == {"0:00": "yes", "0:10": "yes", "0:20": "no"}


def test_the_table_says_when_no_stage_was_steady():
    text = shown(summary_of(staged_records([Step(10, 50)])))
    assert "no stage was steady" in text


def test_the_summary_as_json_has_the_steps():
    content = msgspec.json.decode(msgspec.json.encode(summary_of(staged_records(THREE)).to_dict()))
    assert content["steps"][1] | {"achieved": 0, "p50": 0, "p95": 0} == {
        "scenario": "edge", "start": 10.0, "end": 20.0, "clients": 5, "expected": 50.0,
        "achieved": 0, "success": 1.0, "p50": 0, "p95": 0, "steady": True,
    }  # fmt: skip
