"""Commands start in odd surroundings and end in the face of user code that does not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from asyncload import Plan, Scenario, User, shapes
from asyncload.engine import descriptors
from asyncload.engine.descriptors import RESERVE, shortage
from asyncload.errors import ConfigError
from asyncload.process import check_folder, stop_signals

ROOT = Path(__file__).parent.parent


def python(code: str, *, redirect: str = "", limit: float = 20) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a Python of its own, started by a shell."""
    return subprocess.run(
        ["bash", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=limit,
    )


def test_a_closed_stream_is_nowhere_and_its_number_is_not_taken(tmp_path):
    seen = tmp_path / "seen"
    ended = python(
        f"""
        import os, sys
        from asyncload.process import open_streams
        open_streams()
        fd = os.open({str(seen)!r}, os.O_WRONLY | os.O_CREAT)
        print("to nowhere"); print("to nowhere", file=sys.stderr); sys.stdin.read()
        sys.stdout.flush(); sys.stderr.flush()
        os.write(fd, str([fd > 2, *map(os.get_inheritable, (0, 1, 2))]).encode())
        """,
        redirect="<&- >&- 2>&-",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert seen.read_text() == "[True, True, True, True]"


def test_a_removed_working_directory_is_named(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    check_folder()
    gone.rmdir()
    try:
        with pytest.raises(ConfigError, match=r"working directory cannot be used .*was removed"):
            check_folder()
    finally:
        os.chdir(ROOT)  # pytest would go back to it, and coverage asks


def test_the_end_of_the_terminal_ends_a_run_unless_nohup_has_it_ignored(monkeypatch):
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert stop_signals() == (signal.SIGINT, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


WAY_OUT = """
    import asyncio, os, signal, threading, time
    from asyncload import process
    process.GRACE = 0.1

    class Run:
        def rescue_log(self):
            print("log rescued", flush=True)

    def press():
        for _ in range({presses}):
            time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGINT)

    async def main():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        with process.WayOut(Run()):
            threading.Thread(target=press).start()
            end = time.monotonic() + {seconds}
            while time.monotonic() < end:
                {waits}
        print("ended by itself")

    asyncio.run(main(){loop})
"""


@pytest.mark.parametrize("waits", ["time.sleep(0.01)", "await asyncio.sleep(0.01)"])
def test_the_fourth_ctrl_c_ends_a_run_whatever_it_waits_for(waits):
    ended = python(WAY_OUT.format(presses=4, seconds=60, waits=waits, loop=""))
    assert ended.returncode == 130, ended.stderr
    assert ended.stdout == "log rescued\n"
    assert ended.stderr.startswith("asyncload: ended by force: the run did not end by itself")


def test_three_do_not_and_neither_do_four_while_the_run_is_about_to_end():
    for presses, seconds in ((3, 0.5), (4, 0.12)):
        ended = python(
            WAY_OUT.format(presses=presses, seconds=seconds, waits="time.sleep(0.01)", loop="")
        )
        assert (ended.returncode, ended.stdout) == (0, "ended by itself\n"), ended.stderr


def test_tasks_and_threads_that_never_end_are_left_behind_and_named():
    ended = python(
        """
        import asyncio, time
        from asyncload import process
        from asyncload.commands import loop
        process.LEFT_ALONE = loop.LEFT_ALONE = 0.1

        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        async def main():
            asyncio.create_task(stubborn())
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
            await asyncio.sleep(0.01)
            return 7

        process.leave(loop.run_loop(main))
        """
    )
    assert ended.returncode == 7
    first, second = ended.stderr.splitlines()
    assert first.endswith("left behind tasks that did not end when they were cancelled: stubborn")
    assert second == "asyncload: left behind threads that did not end: asyncload-default_0"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_no_signal_changes_the_exit_code_of_a_command_that_is_over(name):
    ended = python(
        f"""
        import atexit, os, signal
        from asyncload import process
        atexit.register(os.kill, os.getpid(), signal.{name})
        process.leave(3)
        """
    )
    assert (ended.returncode, ended.stderr) == (3, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_signal_between_a_run_and_its_report_ends_the_command_as_ctrl_c_does(name, interrupted):
    ended = python(
        f"""
        import os, signal
        from asyncload.cli import main
        from asyncload.commands.runs import run
        from asyncload.commands.loop import Output, run_loop

        class Test:
            interrupted = {interrupted}
            async def run(self):
                return "result"
            def rescue_log(self):
                pass

        @main.command()
        def tried():
            assert run_loop(lambda: run._run_watched(Test(), Output(), quiet=True)) == "result"
            os.kill(os.getpid(), signal.{name})
            print("reported")

        main(["tried"])
        """
    )
    goes_on = interrupted and name != "SIGTERM"
    assert (ended.returncode, ended.stderr) == (0 if goes_on else 130, "")
    assert ended.stdout == ("reported\n" if goes_on else "")


def test_the_limit_of_open_files_is_raised_to_the_hard_one():
    ended = python(
        """
        import resource
        from asyncload.engine.descriptors import raise_limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
        print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
        """
    )
    assert ended.stdout == "300 (300, 300)\n"


@pytest.mark.parametrize(
    ("model", "options", "needed"),
    [
        ("open", {}, 100),  # as many as arrive
        ("open", {"max_in_flight": 40}, 40),
        ("closed", {}, 10),  # as many as users
    ],
)
def test_a_load_that_may_need_more_files_than_the_limit_is_told(
    model, options, needed, monkeypatch
):
    scenario = Scenario(
        name="s", user=User, shape=shapes.Constant(10), duration=10, model=model, **options
    )
    plan = Plan((scenario,))
    for limit, short in ((needed + RESERVE, False), (needed + RESERVE - 1, True), (None, False)):
        monkeypatch.setattr(descriptors, "raise_limit", lambda limit=limit: limit)
        text = shortage(plan, 4096)
        assert (text is not None) == short
        if text is not None:
            assert f"may need {needed + RESERVE} at a time" in text
            assert "ulimit -n" in text
        assert shortage(plan, 5) is None or limit < 5 + RESERVE


def test_the_limit_of_this_process_is_known():
    assert descriptors.raise_limit() in {None, resource.getrlimit(resource.RLIMIT_NOFILE)[1]}
