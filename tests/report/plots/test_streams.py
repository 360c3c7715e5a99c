"""The graph of streamed answers, and the numbers it is drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from asyncload.records.record import Stream
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots.series import Percentiles, Points
from asyncload.report.plots.streams import streams, streams_of
from tests.report import believable_log as believable
from tests.report.plots.test_run_plots import assert_is_a_picture
from tests.report.records import request, run_of, words


def answer(due, *, first=0.2, gaps=(0.1,) * 10, tokens=11, outcome="ok", **more):
    """A request whose answer begins ``first`` after it was due and goes on with these gaps."""
    begun = None if first is None else due + first
    stream = Stream(
        chunks=0 if first is None else len(gaps) + 1,
        first_token=begun,
        tokens=tokens,
        gaps=list(gaps) or None,
    )
    end = more.pop("end", due + (first or 0) + sum(gaps))
    return request(due, end, outcome, stream=stream, **more)


def test_each_second_has_the_percentiles_of_its_answers(tmp_path):
    rng = np.random.default_rng(3)
    due = np.sort(rng.uniform(0, 30, 2000))
    first, gap = rng.lognormal(-2, 0.5, 2000), rng.lognormal(-3, 0.5, 2000)
    rows = [
        answer(d, first=f, gaps=[g / 2, 1.5 * g], tokens=3)
        for d, f, g in zip(due.tolist(), first.tolist(), gap.tolist(), strict=True)
    ]
    ((_, found),) = streams_of(run_of(tmp_path, rows))
    for second in range(30):
        mine = (due >= second) & (due < second + 1)
        for values, got in ((first, found.first), (gap, found.gap)):
            wanted = np.percentile(values[mine], [50, 95, 99], method="inverted_cdf")
            np.testing.assert_allclose(
                [got.p50[second], got.p95[second], got.p99[second]], wanted, rtol=1e-9
            )
        assert found.first.highest[second] == pytest.approx(first[mine].max())
        assert found.gap.highest[second] == pytest.approx(1.5 * gap[mine].max())


def test_a_single_stall_in_one_of_many_answers_is_drawn(tmp_path):
    rows = [answer(i / 100) for i in range(1000)]
    rows[500] = answer(5.0, gaps=[0.1] * 5 + [4.0] + [0.1] * 4)
    ((_, found),) = streams_of(run := run_of(tmp_path, rows))
    assert found.gap.highest[5] == pytest.approx(4.0)
    assert found.gap.p50[5] == pytest.approx(0.1)
    assert "longest single gap" in words(streams(run))


def test_tokens_are_counted_while_they_come_and_none_is_lost(tmp_path):
    rows = [answer(0.0, first=1.0, gaps=[0.5] * 8, tokens=90), answer(2.5, gaps=[], tokens=7)]
    rows.append(request(4.99, 5.0))
    run = run_of(tmp_path, rows)
    ((_, found),) = streams_of(run)
    # 90 tokens evenly from 1 s to 5 s, and 7 at 2.7 s.
    assert found.rate == pytest.approx([0, 22.5, 22.5 + 7, 22.5, 22.5])
    assert found.times == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5])
    assert found.counts_tokens


def test_where_no_answer_counts_tokens_chunks_are_shown(tmp_path):
    run = run_of(tmp_path, [answer(0.0, tokens=None), answer(1.0, tokens=None)])
    ((_, found),) = streams_of(run)
    assert not found.counts_tokens
    assert found.rate.sum() == pytest.approx(22, rel=0.2)
    assert "chunks per second" in words(streams(run))
    assert "tokens per second" not in words(streams(run))


def test_an_answer_that_timed_out_before_its_first_token_counts_with_what_it_waited(tmp_path):
    rows = [answer(0.0), answer(1.0, first=None, gaps=(), tokens=None, outcome="timeout", end=9.0)]
    rows += [answer(2.0, first=None, gaps=(), tokens=None, outcome="failed", end=2.1)]
    ((_, found),) = streams_of(run_of(tmp_path, rows))
    assert isinstance(found.first, Points)
    assert sorted(found.first.latency) == pytest.approx([0.2, 8.0])
    assert found.gap.latency == pytest.approx([0.1])


def test_two_scenarios_have_panels_of_their_own_and_more_share_theirs(tmp_path):
    rows = [answer(i / 10, scenario=name) for name in ("a", "b") for i in range(100)]
    run = run_of(tmp_path, rows)
    assert [part.scenario for part, _ in streams_of(run)] == ["a", "b"]
    assert len(streams(run).axes) == 6
    more = [answer(i / 10, scenario="c") for i in range(100)]
    run = run_of(tmp_path, [*rows, *more, request(0, 1, scenario="no stream")])
    ((part, found),) = streams_of(run)
    assert part.scenario is None
    assert isinstance(found.first, Percentiles)
    assert "all scenarios together" in words(streams(run))


def test_it_is_drawn_of_a_run_with_streams_alone(tmp_path):
    log = believable.write(
        tmp_path / "run.jsonl", [believable.header(), *(answer(i / 20) for i in range(400))]
    )
    written = {path.stem: path for path in plots.plot_log(log, tmp_path / "plots")}
    assert_is_a_picture(written["streams"], panels=3)
    assert streams(run_of(tmp_path, [request(0, 1)])) is None


@pytest.mark.parametrize(
    "only",
    [
        answer(0.0, first=None, gaps=(), tokens=None, end=0.5, outcome="failed"),
        answer(0.0, first=0.0, gaps=(), tokens=0),
        answer(0.0, gaps=(), tokens=1),
    ],
    ids=["nothing came", "at once and empty", "one token"],
)
def test_a_single_answer_of_almost_nothing_is_drawn(tmp_path, only):
    assert streams(run_of(tmp_path, [only])) is not None
