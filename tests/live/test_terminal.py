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
from asyncload.live.progress import Progress
from asyncload.live.sparkline import sparkline, squeeze
from asyncload.live.terminal import Picture, plain_lines, run_plain, run_terminal
from asyncload.records.record import Level, Note, System
from asyncload.stats.live import LiveStats
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
    wanted = ["target", "rate", "users", "in flight", "backlog", "submit p50", "job p50", "p95"]
    wanted += ["12.4/s", "10.0/s", "12.0 ms", "400 ms", "requests/s", "jobs/s", "job p95"]
    wanted += ["32 submitted", "14 succeeded", "1 failed", "17 open", "2 duplicates"]
    wanted += ["no answer in 5 s", "0:12 The queue answered", "cpu 42 %", "dropped"]
    for word in wanted:
        assert word in text, word
    for name in scenarios:
        rows = sum(line.startswith(name[:5]) for line in lines)
        assert rows == (1 if width >= 120 else 2)


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


def test_the_drain_shows_how_many_jobs_are_over_and_the_time_at_most_left():
    draining = replace(LOADING, phase="drain", t=63.0, drain_end=90.0)
    head = shown(busy("jobs").snapshot(63.0), draining, 80)[0]
    assert "drain" in head
    assert "at most 0:27 left" in head
    bar = [char for char in head if char in "━─"]
    assert bar.count("━") / len(bar) == pytest.approx(15 / 32, abs=0.05)


def test_the_setup_says_what_it_is_doing():
    setup = Progress("burst", "setup", 0.0, 60.0, None, has_jobs=False, doing="finding the queues")
    assert shown(LiveStats().snapshot(0.0), setup, 80)[0] == "burst  setup  finding the queues"
    assert list(plain_lines(LiveStats().snapshot(0.0), setup)) == [
        "  0:00 setup  finding the queues"
    ]


@pytest.mark.parametrize("phase", ["load", "drain"])
@pytest.mark.parametrize(("has_jobs", "what"), [(True, "jobs"), (False, "requests")])
def test_a_run_that_was_asked_to_stop_says_what_it_waits_for(phase, has_jobs, what):
    progress = replace(LOADING, phase=phase, has_jobs=has_jobs, stopping=True)
    snapshot = busy("tiles").snapshot(15.0)
    lines = shown(snapshot, progress, 80)
    assert lines[1] == f"stopping: waiting for open {what}; Ctrl-C again stops now"
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
    one, *others = plain_lines(busy("jobs").snapshot(15.0), LOADING)
    assert not others
    assert one == (
        "  0:15 load   target 12.4/s  rate 10.0/s  in flight 3  backlog 17  submit p95 12.0 ms"
        "  job p50 400 ms p95 400 ms  failed 1  dropped 1"
    )
    both = plain_lines(busy("x", "y").snapshot(15.0), LOADING)
    assert [line[:22] for line in both] == ["  0:15 load   x  targe", "  0:15 load   y  targe"]


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

seen = [echoes()]

async def go():
    with anyio.CancelScope() as scope:
        def progress():
            seen.append(echoes())
            scope.cancel()
            return LOADING
        await run_terminal(busy("jobs"), progress, console=Console(force_terminal=True))

anyio.run(go)
print(*seen, echoes(), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("where", "echo"), [("in front", "True False True"), ("elsewhere", "True True True")]
)
def test_keys_are_not_echoed_into_the_view_of_the_terminal_in_front(where, echo):
    import pty

    controller, terminal = pty.openpty()
    try:
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


def test_the_plain_view_prints_a_line_for_each_interval_without_escape_codes():
    out = io.StringIO()
    run_view(run_plain, Console(file=out, width=60), 3, 0.01)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("  0:15 load   target 12.4/s") for line in lines)
    assert "\x1b" not in out.getvalue()


def test_the_plain_view_says_once_that_the_run_is_stopping():
    out = io.StringIO()
    left = 4

    async def go():
        with anyio.CancelScope() as scope:

            def progress():
                nonlocal left
                left -= 1
                if not left:
                    scope.cancel()
                return replace(LOADING, stopping=left < 3)

            await run_plain(
                busy("jobs"), progress, console=Console(file=out, width=60), interval=0.01
            )

    anyio.run(go)
    told = [line for line in out.getvalue().splitlines() if "Ctrl-C" in line]
    assert told == ["  0:15 stopping: waiting for open jobs; Ctrl-C again stops now"]


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
