import io
import os
import re
import subprocess
import sys
from dataclasses import replace

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from asyncload.live.frame import frame
from asyncload.live.sparkline import sparkline, squeeze
from asyncload.live.terminal import Picture, job_totals, plain_lines, run_plain, run_terminal
from asyncload.live.waiting import estimate
from asyncload.progress import Progress
from asyncload.records.record import Level, Note, System
from asyncload.stats.live import LiveStats
from asyncload.testing import VirtualTimeLoop
from tests.stats.feeds import header, job, ledger, records, request

LOADING = Progress("burst", "load", 15.0, 60.0, None, has_jobs=True)


def busy(*scenarios):
    """Make statistics of 15 s: 10 requests a second and a job a second in each scenario."""
    stats = LiveStats()
    stats.write(header(**{name: {"model": "open", "duration": 60} for name in scenarios}))
    for name in scenarios:
        for i in range(150):
            stats.write(request(t=0.1 * i, latency=0.012, scenario=name))
        for i in range(1, 16):
            stats.write(job(t=float(i), latency=0.4, scenario=name))
        late = {"latency": 5.0, "outcome": "timeout", "error": "no answer in 5 s"}
        stats.write(request(t=6.0, scenario=name, **late))
        stats.write(request(t=14.0, latency=0.0, outcome="dropped", scenario=name))
        stats.write(Level(15.0, name, 12.4, 30, 3, 17))
    stats.write(ledger(t=15.0, succeeded=14, failed=1, backlog=17, duplicates=2))
    stats.write(System(15.0, "h", 42.0, 10**7, loop_lag=0.0004))
    stats.write(Note(12.0, "warning", "The queue answered ThrottlingException.\nWaiting."))
    return stats


def shown(snapshot, progress, width, height=60):
    lines = frame(snapshot, progress, width, height)
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize(
    "scenarios", [["tiles"], ["tiles", "liftwing-revertrisk-multilingual", "crops"]]
)
def test_everything_that_matters_is_shown_at_every_width(width, scenarios):
    lines = shown(busy(*scenarios).snapshot(15.0), LOADING, width)
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    text = "\n".join(lines)
    assert lines[0].startswith("burst  load  ━")
    assert lines[0].rstrip().endswith("0:15 / 1:00  0:45 left")
    wanted = [
        "target 5s",
        "rate 5s",
        "users",
        "in flight",
        "backlog",
        "submit p50",
        "job p50",
        "p95",
    ]
    wanted += ["12.4/s", "10.0/s", "12.0 ms", "400 ms", "requests/s", "jobs/s", "job p95"]
    wanted += ["32 submitted", "14 succeeded", "1 failed", "17 open", "2 duplicates"]
    wanted += ["no answer in 5 s", "0:12 The queue answered", "cpu 42 %", "dropped"]
    for word in wanted:
        assert word in text, word
    for name in scenarios:
        rows = sum(line.startswith(name[:5]) for line in lines)
        assert rows == (1 if width >= 120 else 2)


def test_jobs_given_up_are_told_apart():
    stats = busy("jobs")
    stats.write(ledger(t=16.0, succeeded=9, timed_out=3, lost=2, rejected=2, stuck=3, backlog=4))
    words = " ".join("\n".join(shown(stats.snapshot(16.0), LOADING, 100)).split())
    assert "3 timed out, 2 lost, of them 2 rejected + 3 stuck, 4 open" in words


def test_a_run_without_jobs_shows_no_job_figures():
    progress = replace(LOADING, has_jobs=False)
    text = "\n".join(shown(busy("http").snapshot(15.0), progress, 100))
    assert "job" not in text
    assert "backlog" not in text
    assert "p95" in text


def test_the_target_of_a_closed_load_is_a_number_of_users():
    stats = LiveStats()
    stats.write(header(s={"model": "closed"}))
    stats.write(Level(1.0, "s", 30.0, 30, 3, 0))
    row = next(line for line in shown(stats.snapshot(1.0), LOADING, 120) if line.startswith("s "))
    assert row.split()[:2] == ["s", "30"]


def test_on_a_ramp_target_and_rate_are_of_the_same_seconds():
    """10 more a second each second: what is wanted now is far beyond the mean of five seconds."""
    stats = LiveStats()
    stats.write(header(s={"model": "open", "duration": 60}))
    for t in range(16):
        stats.write(Level(t + 0.001, "s", 10.0 * t, 1, 1, 0))
    for number in range(1, 1125):
        stats.write(request(t=(number / 5) ** 0.5, scenario="s"))
    row = next(line for line in shown(stats.snapshot(15.3), LOADING, 120) if line.startswith("s "))
    assert row.split()[:3] == ["s", "125/s", "125/s"]
    (line,) = plain_lines(stats.snapshot(15.3), replace(LOADING, has_jobs=False))
    assert line.startswith("  0:15 load   target 125/s  rate 125/s over 5 s  in flight")


DRAINING = replace(LOADING, phase="drain", t=63.0, load_end=60.0, drain_end=90.0)


def test_the_drain_shows_how_many_jobs_are_over_and_the_time_at_most_left():
    head, waiting, *_ = shown(busy("jobs").snapshot(63.0), DRAINING, 80)
    assert "drain" in head
    assert "at most 0:27 left" in head
    bar = [char for char in head if char in "━─"]
    assert bar.count("━") / len(bar) == pytest.approx(15 / 32, abs=0.05)
    # 15 jobs in the 63 s there have been: 17 take 71 s at that rate.
    assert waiting == "waiting since 1:00 for 17 jobs, about 1:10 left; Ctrl-C ends the wait"


def test_a_drain_without_limit_says_so_and_shows_the_same():
    unlimited = replace(DRAINING, drain_end=None)
    snapshot = busy("jobs").snapshot(63.0)
    head, waiting, *_ = shown(snapshot, unlimited, 80)
    assert head.rstrip().endswith("1:03  no limit")
    assert waiting.startswith("waiting since 1:00 for 17 jobs, about 1:10 left")
    assert list(plain_lines(snapshot, unlimited)) == [
        "  1:03 drain  waiting since 1:00 for 17 jobs, about 1:10 left, no limit",
        job_totals(snapshot),
    ]


def test_the_drain_of_a_run_without_jobs_waits_for_requests():
    draining = replace(DRAINING, has_jobs=False)
    lines = list(plain_lines(busy("http").snapshot(63.0), draining))
    assert lines == [
        "  1:03 drain  waiting since 1:00 for 3 requests, about 1:10 left, at most 0:27 left"
    ]


def test_a_send_without_an_answer_is_waited_for_too():
    stats = LiveStats()
    stats.write(ledger(t=60.0, succeeded=3))
    unconfirmed = replace(DRAINING, unconfirmed=1)
    line = next(iter(plain_lines(stats.snapshot(63.0), unconfirmed)))
    assert "waiting since 1:00 for 1 send without an answer, at most" in line
    stats.write(ledger(t=61.0, succeeded=3, backlog=2))
    line = next(iter(plain_lines(stats.snapshot(63.0), replace(unconfirmed, unconfirmed=2))))
    assert "for 2 jobs and 2 sends without an answer, at most" in line
    stats.write(ledger(t=62.0, succeeded=5))
    line = next(iter(plain_lines(stats.snapshot(63.0), DRAINING)))
    assert "for the last answers, at most" in line


@pytest.mark.parametrize(
    ("ended", "backlog", "seconds"),
    [
        # Jobs that ended in each second before now; the shortest span with 20 of them counts.
        ([2] * 60, 30, 15.0),
        ([0] * 50 + [2] * 10, 30, 15.0),
        ([9] * 30 + [1] * 30, 30, 30.0),
        ([50, 50], 30, 0.6),
        # Ten seconds at least, so that a good second does not promise too much.
        ([0] * 20 + [40], 30, 7.5),
        # The longer nothing ends, the longer it may take.
        ([2] * 10 + [0] * 90, 30, 150.0),
        # Too few to tell, and nothing to tell.
        ([0] * 96 + [1] * 4, 30, None),
        ([0] * 95 + [1] * 5, 30, 600.0),
        ([], 30, None),
        ([2] * 60, 0, None),
    ],
)
def test_the_rest_of_the_drain_is_estimated_from_what_ended_lately(ended, backlog, seconds):
    stats = LiveStats()
    for second, number in enumerate(ended):
        for _ in range(number):
            stats.write(job(t=second + 0.5))
    stats.write(ledger(t=float(len(ended)), succeeded=sum(ended), backlog=backlog))
    found = estimate(stats.snapshot(float(len(ended))))
    assert found is None if seconds is None else found == pytest.approx(seconds)


def test_the_setup_says_what_it_is_doing():
    setup = Progress("burst", "setup", 0.0, 60.0, None, has_jobs=False, doing="finding the queues")
    assert shown(LiveStats().snapshot(0.0), setup, 80)[0] == "burst  setup  finding the queues"
    assert list(plain_lines(LiveStats().snapshot(0.0), setup)) == [
        "  0:00 setup  finding the queues"
    ]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "waiting for open jobs"),
        ({"has_jobs": False}, "waiting for open requests"),
        ({"phase": "drain", "load_end": 14.0}, "waiting since 0:14 for 17 jobs, about 0:18 left"),
        ({"phase": "drain", "given_up": True}, "no longer waiting for 17 jobs"),
        ({"phase": "done"}, "writing the report"),
    ],
)
def test_a_run_that_was_asked_to_stop_says_what_it_waits_for(changes, what):
    progress = replace(LOADING, stopping=True, **changes)
    snapshot = busy("tiles").snapshot(15.0)
    lines = shown(snapshot, progress, 90)
    head, _, told = lines[1].partition(": ")
    assert told == what
    assert head == ("stopping" if progress.phase == "done" else "stopping (Ctrl-C again stops now)")
    assert not any("stopping" in line for line in shown(snapshot, LOADING, 80))
    assert max(cell_len(line) for line in shown(snapshot, progress, 40)[:2]) <= 40


def test_a_setup_that_was_asked_to_stop_says_so():
    progress = Progress("burst", "setup", 0.0, 60.0, None, has_jobs=False, stopping=True)
    assert shown(LiveStats().snapshot(0.0), progress, 80)[1] == "stopping"


@pytest.mark.parametrize("now", [1, 6, 8, 9, 12, 300])
@pytest.mark.parametrize("width", [60, 80])
def test_the_ends_of_the_time_axis_never_run_together(now, width):
    stats = LiveStats()
    for i in range(now):
        stats.write(request(t=i + 0.5))
    lines = shown(stats.snapshot(float(now)), replace(LOADING, has_jobs=False), width)
    start, end = "0:01" if now == 300 else "0:00", f"{now // 60}:{now % 60:02}"
    axis = next(line for line in lines if line.strip().startswith(start))
    assert [start, end] == [word for word in axis.split() if word != "–"]


def test_a_low_terminal_loses_the_graphs_first():
    snapshot = busy("jobs").snapshot(15.0)
    lines = shown(snapshot, LOADING, 80, height=12)
    assert len(lines) <= 12
    assert not any("▁" in line or "█" in line for line in lines)
    assert any("submitted" in line for line in lines)


def test_characters_that_steer_a_terminal_are_not_passed_on():
    stats = busy("a\x1b[2Jb")
    stats.write(request(outcome="failed", error="\x1b]0;owned\x07"))
    for text in [
        *shown(stats.snapshot(15.0), LOADING, 100),
        *plain_lines(stats.snapshot(15), LOADING),
    ]:
        assert text.isprintable()


@settings(deadline=None, max_examples=40)
@given(st.lists(records, max_size=40), st.integers(40, 220), st.floats(0, 200), st.booleans())
def test_no_line_is_wider_than_the_terminal_whatever_came(feed, width, now, has_jobs):
    stats = LiveStats()
    for record in feed:
        stats.write(record)
    progress = Progress("a name of some length", "load", now, 60.0, None, has_jobs)
    out = io.StringIO()
    console = Console(file=out, width=width, height=50, color_system=None)
    console.print(Picture(stats.snapshot(now), progress))
    assert all(cell_len(line) <= width for line in out.getvalue().splitlines())


def test_plain_lines_tell_each_scenario_in_one_line():
    one, jobs = plain_lines(busy("jobs").snapshot(15.0), LOADING)
    assert one == (
        "  0:15 load   target 12.4/s  rate 10.0/s over 5 s  in flight 3  backlog 17  submit p95 12.0 ms"
        "  job p50 400 ms p95 400 ms  failed 1  dropped 1"
    )
    assert jobs.startswith("  0:15 jobs   32 sent  17 in progress  15 processed")
    *both, _ = plain_lines(busy("x", "y").snapshot(15.0), LOADING)
    assert [line[:22] for line in both] == ["  0:15 load   x  targe", "  0:15 load   y  targe"]


def test_the_totals_of_the_jobs_are_the_seven_and_what_makes_them_balance():
    stats = LiveStats()
    for number in range(3):
        stats.write(job(t=float(number), size=2_000_000_000, pixels=500_000_000))
    stats.write(ledger(t=5.0, succeeded=1200, failed=2, backlog=17))
    assert job_totals(stats.snapshot(90.0)) == (
        "  1:30 jobs   1,219 sent  17 in progress  1,202 processed  1,200 succeeded  2 failed"
        "  6.00 GB  1.50 Gpx"
    )
    stats.write(ledger(t=6.0, succeeded=3, partial=4, timed_out=5, lost=6))
    assert job_totals(stats.snapshot(90.0)) == (
        "  1:30 jobs   18 sent  0 in progress  7 processed  3 succeeded  0 failed"
        "  4 partial  5 timed out  6 lost  6.00 GB  1.50 Gpx"
    )


def stopping_after(calls, scope):
    """Make a progress that cancels the view when it has been asked so many times."""
    left = calls

    def progress():
        nonlocal left
        left -= 1
        if not left:
            scope.cancel()
        return LOADING

    return progress


def run_view(view, console, calls, interval):
    async def go():
        with anyio.CancelScope() as scope:
            progress = stopping_after(calls, scope)
            await view(busy("jobs"), progress, console=console, interval=interval)

    anyio.run(go)


def test_the_terminal_view_draws_clears_itself_and_gives_the_cursor_back():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40, color_system="truecolor")
    run_view(run_terminal, console, 2, 0.25)
    text = out.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "submitted" in text
    # What comes last is "up one line, erase it" for every line of the frame.
    lines = len(frame(busy("jobs").snapshot(15.0), LOADING, 100, 39))
    assert text.rpartition("submitted")[2].count("\x1b[1A\x1b[2K") == lines


WATCHED = """
import fcntl, sys, termios
import anyio
from rich.console import Console
from asyncload.live.terminal import run_terminal
from tests.live.test_terminal import LOADING, busy

if sys.argv[1] == "in front":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

def echoes():
    return bool(termios.tcgetattr(0)[3] & termios.ECHO)

def waiting():
    return int.from_bytes(fcntl.ioctl(0, termios.FIONREAD, bytes(4)), sys.byteorder)

seen = [echoes()]

async def go():
    with anyio.CancelScope() as scope:
        def progress():
            seen.append(echoes())
            scope.cancel()
            return LOADING
        await run_terminal(busy("jobs"), progress, console=Console(force_terminal=True))

anyio.run(go)
print(*seen, echoes(), waiting(), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("where", "echo"), [("in front", "True False True 0"), ("elsewhere", "True True True 5")]
)
def test_keys_go_neither_into_the_view_of_the_terminal_in_front_nor_to_the_shell(where, echo):
    import pty

    controller, terminal = pty.openpty()
    try:
        os.write(controller, b"date\n")  # typed while the run is on
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, where],
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.stderr.split("\n")[0] == echo


def test_without_colour_the_view_has_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40, color_system="standard")
    run_view(run_terminal, console, 2, 0.25)
    assert "submitted" in out.getvalue()
    assert not re.search(r"\x1b\[[\d;]*3\dm", out.getvalue())  # foreground colours are 30 to 37


def plain_view(phases, *, interval, seconds=400.0):
    """What the plain view prints in some seconds; ``phases`` gives the progress at a time."""
    out = io.StringIO()

    async def go():
        def progress():
            return replace(phases(anyio.current_time()), t=anyio.current_time())

        with anyio.move_on_after(seconds):
            await run_plain(busy("jobs"), progress, console=Console(file=out), interval=interval)

    anyio.run(go, backend_options={"loop_factory": VirtualTimeLoop})
    assert "\x1b" not in out.getvalue()
    return [line for line in out.getvalue().splitlines() if " jobs " not in line]


def test_the_plain_view_prints_at_each_interval():
    lines = plain_view(lambda t: LOADING, interval=30.0, seconds=100.0)
    assert [line[:13] for line in lines] == [
        "  0:00 load  ", "  0:30 load  ", "  1:00 load  ", "  1:30 load  ",
    ]  # fmt: skip


def test_the_plain_view_prints_when_a_phase_begins_without_waiting_for_the_interval():
    setup = replace(LOADING, phase="setup", doing="finding the queues")

    def phases(t):
        if t < 10:
            return setup
        if t >= 120:
            return replace(DRAINING, phase="done")
        return LOADING if t < 60 else replace(DRAINING, load_end=60.0, stopping=t >= 75)

    lines = plain_view(phases, interval=40.0, seconds=130.0)
    assert [line[:24] for line in lines] == [
        "  0:00 setup  finding th",
        "  0:10 load   target 12.",
        "  0:50 load   target 12.",
        "  1:00 drain  waiting si",
        "  1:15 drain  stopping (",
        "  1:55 drain  stopping (",
    ]


def test_an_interval_shorter_than_a_look_holds_too():
    lines = plain_view(lambda t: LOADING, interval=0.1, seconds=1.05)
    assert len(lines) == 11


def test_a_sparkline_scales_from_nothing_to_the_top_and_leaves_gaps():
    assert sparkline([0, 1, None, 4, 8], 8) == "▁▂ ▅█"
    assert sparkline([0, 0], 0) == "▁▁"


@pytest.mark.parametrize(
    ("values", "width", "how", "expected"),
    [
        ([1, 2, 3], 5, "mean", [1, 2, 3]),
        ([1, 2, 3, 4, 5], 3, "mean", [1, 2.5, 4.5]),
        ([1, None, 3, None, None], 3, "max", [1, 3, None]),
        ([], 3, "max", []),
        ([1, 2], 0, "mean", []),
    ],
)
def test_squeezing_joins_neighbours_counted_from_the_newest(values, width, how, expected):
    assert squeeze(values, width, how) == expected
