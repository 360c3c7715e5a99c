"""How late the loop is, and which user code blocks it: on real loops, with real blocks."""

import asyncio
import contextlib
import gc
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from asyncload import User
from asyncload.engine import loop_watch
from asyncload.engine.loop_watch import Block, Look, LoopWatch, longest_block
from asyncload.monitor.gaps import Gaps
from asyncload.monitor.gc_pauses import GcPauses

pytestmark = [pytest.mark.slow, pytest.mark.every_python]

ROOT = Path(__file__).parents[2]
HERE = str(Path(__file__).relative_to(Path.cwd())) if Path(__file__).is_relative_to(
    Path.cwd()
) else Path(__file__).name  # fmt: skip


def crunch(until):
    """A function that a user calls; it takes a core."""
    while time.thread_time() < until:
        sum(number for number in range(100))


class Late(User):
    """User classes' ways to hold up everybody."""

    def __init__(self):
        pass

    async def sleeps(self):
        time.sleep(0.3)

    async def calculates(self):
        end = time.thread_time() + 0.4
        while time.thread_time() < end:
            pass

    async def calls(self):
        crunch(time.thread_time() + 0.4)

    async def keeps_the_gil(self):
        re.match(r"(a+)+b", "a" * 24)

    async def collects(self):
        gc.collect()

    async def behaves(self):
        for _ in range(30):
            await asyncio.sleep(0.01)


class Later(Late):
    """Inherits what it does."""


def line_of(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


def watched(work, runner=asyncio.run):
    """Carries out ``work`` on a loop that is watched; gives what was found, and notes."""
    notes = []

    async def main():
        pauses = GcPauses()
        pauses.start()
        watch = LoopWatch(lambda: pauses.total, Gaps(lambda level, text: notes.append(text)))
        task = asyncio.create_task(watch.run())
        try:
            await asyncio.sleep(0.2)
            watch.take()
            await work()
            return watch.take()
        finally:
            pauses.stop()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    lag, block = runner(main())
    assert notes == []
    return lag, block


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_user_that_sleeps_is_named_with_its_line_and_for_how_long(runner):
    lag, block = watched(Late().sleeps, runner)
    assert block.code == f"Late.sleeps at {HERE}:{line_of('time.sleep(0.3)')}"
    assert 0.2 < block.seconds <= lag
    assert lag >= 0.3 - loop_watch.STEP - 0.005


def test_a_user_that_calculates_is_named():
    _, block = watched(Late().calculates)
    assert re.fullmatch(rf"Late\.calculates at {re.escape(HERE)}:\d+", block.code)
    assert block.seconds > 0.2


def test_the_class_is_the_one_of_the_config_not_the_one_that_it_inherits_from():
    _, block = watched(Later().sleeps)
    assert block.code.startswith("Later.sleeps at ")


def test_a_function_that_a_user_calls_is_named_with_the_user():
    _, block = watched(Late().calls)
    line = line_of("sum(number for number in range(100))")
    where = rf"{re.escape(HERE)}:({line}|{line - 1})"
    assert re.fullmatch(rf"crunch at {where}, called by Late\.calls", block.code)


def test_a_call_that_keeps_the_gil_is_seen_when_it_is_over():
    for _ in range(5):  # on a host without a free core the thread misses it now and then
        _, block = watched(Late().keeps_the_gil)
        if block is not None:
            break
    else:
        pytest.skip("the host has no core left")
    assert block.code.startswith(f"Late.keeps_the_gil at {HERE}:")


def test_a_user_that_behaves_is_not_named():
    assert watched(Late().behaves)[1] is None


def test_garbage_collection_is_nobodys_fault():
    rings = [[number] for number in range(600_000)]
    for ring in rings:
        ring.append(ring)
    lag, block = watched(Late().collects)
    assert lag > 0.05, "the test has made too little garbage"
    assert block is None


STOPPED = """
import asyncio, os, subprocess
from tests.engine.test_loop_watch import watched

async def stopped():
    script = f"kill -STOP {os.getpid()}; sleep 0.4; kill -CONT {os.getpid()}"
    other = subprocess.Popen(["sh", "-c", script])
    while other.poll() is None:
        await asyncio.sleep(0.005)

print(*watched(stopped))
"""


def test_a_process_that_was_stopped_is_nobodys_fault():
    """As in a virtual machine that was paused. A process of its own: a shell would notice."""
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, check=True,
        start_new_session=True, cwd=ROOT,
    )  # fmt: skip
    lag, block = done.stdout.split()
    assert float(lag) > 0.3
    assert block == "None"


def test_a_loop_that_is_late_because_of_many_users_blames_none_of_them():
    async def one():
        for _ in range(20):
            sum(range(300))
            await asyncio.sleep(0)

    async def many():
        await asyncio.gather(*(one() for _ in range(8000)))

    lag, block = watched(many)
    assert lag > 0.05
    assert block is None or block.seconds < lag / 2  # the host may have paused us in one of them


def test_whoever_started_the_loop_is_not_to_blame():
    async def library():
        # Held up by code of which no frame is a user's: this test's own frames lie outside.
        asyncio.get_running_loop().call_soon(time.sleep, 0.2)
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)

    lag, block = watched(library)
    assert lag > 0.15
    assert block is None


# -- what follows from looks ---------------------------------------------------------------------


class Code:
    """Stands for a frame."""


SLOW, OTHER = Code(), Code()


def test_one_user_all_the_time_is_the_block_from_due_to_the_end():
    looks = [Look(10.02, SLOW, "a"), Look(10.04, SLOW, "b"), Look(10.06, SLOW, "b")]
    assert longest_block(looks, 10.0, 10.07) == Block(pytest.approx(0.07), "b")


def test_of_several_users_the_one_that_was_seen_for_longest_is_the_block():
    looks = [
        Look(10.02, OTHER, "other"), Look(10.04, SLOW, "slow"), Look(10.20, SLOW, "slow"),
        Look(10.22, None, ""), Look(10.24, OTHER, "other"),
    ]  # fmt: skip
    assert longest_block(looks, 10.0, 10.26) == Block(pytest.approx(0.16), "slow")


def test_library_code_is_no_block():
    assert longest_block([Look(10.02, None, ""), Look(10.5, None, "")], 10.0, 10.6) is None


def test_a_stack_that_cannot_be_read_is_noted_once_and_ends_nothing(monkeypatch):
    def broken(_frame, _outer):
        raise RuntimeError("no stack")

    monkeypatch.setattr(loop_watch, "user_frames", broken)
    notes = []

    async def main():
        watch = LoopWatch(gaps=Gaps(lambda level, text: notes.append((level, text))))
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        time.sleep(0.3)
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return watch.take()

    lag, block = asyncio.run(main())
    assert lag > 0.2
    assert block is None
    assert len(notes) == 1
    assert "the stack" in notes[0][1]
