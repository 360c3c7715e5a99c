"""The stack starts and ends with its parent, whatever happens to that one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import psutil
import pytest

from asyncload.errors import ConfigError, TargetError
from asyncload.local.settings import LocalSettings
from asyncload.local.stack import stack as stack_module
from asyncload.local.stack.stack import LocalStack, serve

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PARENT = """
import anyio, os, sys, time
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.stack import LocalStack

async def main():
    async with LocalStack(LocalSettings(images=0), region="us-west-2") as stack:
        # A forked process has copies of everything that is open here.
        if sys.argv[1] == "fork" and (fork := os.fork()) == 0:
            time.sleep(60)
        print(*stack.pids, fork if sys.argv[1] == "fork" else 0, stack.truth_log, flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("fork", ["alone", "fork"])
async def test_the_parents_sigkill_ends_the_children_and_removes_what_was_temporary(fork):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, fork], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        emulator, model_runner, forked, truth_log = parent.stdout.readline().split()
        children = [int(emulator), int(model_runner)]
        directory = Path(truth_log).parent
        assert all(map(alive, children))
        assert directory.is_dir()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    try:
        deadline = time.monotonic() + 10
        while any(map(alive, children)) or directory.exists():
            assert time.monotonic() < deadline, "the children outlived their parent"
            await anyio.sleep(0.02)
    finally:
        if forked != "0":
            os.kill(int(forked), signal.SIGKILL)


async def test_the_stack_uses_one_loopback_port_and_ignores_ctrl_c(bench):
    for pid in bench.stack.pids:
        os.kill(pid, signal.SIGINT)
        assert os.getpgid(pid) != os.getpgid(0)
    [job_id] = await bench.submit(1)
    await bench.statuses([job_id])
    listening = [
        (connection.laddr.ip, connection.laddr.port)
        for pid in bench.stack.pids
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [f"http://{ip}:{port}" for ip, port in listening] == [bench.stack.endpoint_url]
    assert bench.stack.endpoint_url.startswith("http://127.0.0.1:")


async def test_the_environment_points_aws_clients_at_the_stack(bench):
    assert bench.stack.environment() == {
        "AWS_ENDPOINT_URL": bench.stack.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    assert bench.resources.status_topic_arn == (
        f"arn:aws:sns:eu-central-1:{bench.stack.account_id}:ImageStatusTopic"
    )


async def test_serving_says_when_a_part_of_the_stack_dies():
    pids = []

    def kill_the_model_runner(stack):
        pids.extend(stack.pids)
        os.kill(stack.pids[1], signal.SIGKILL)

    with pytest.raises(TargetError, match=r"simulated ModelRunner .* ended unexpectedly"):
        await serve(LocalSettings(images=0), "us-west-2", None, kill_the_model_runner)
    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))


async def test_serving_ends_in_order_when_it_is_cancelled_and_leaves_the_truth_log(tmp_path):
    truth_log = tmp_path / "new" / "truth.jsonl"
    truth_log.parent.mkdir()
    truth_log.write_text('{"of": "an older run"}\n')
    pids = []
    with anyio.CancelScope() as scope:

        def cancel(stack):
            pids.extend(stack.pids)
            scope.cancel()

        settings = LocalSettings(images=0, truth_log=str(truth_log))
        await serve(settings, "us-west-2", None, cancel)
    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))
    assert truth_log.read_text() == ""
    [aside] = truth_log.parent.glob("truth-*.jsonl")
    assert aside.read_text() == '{"of": "an older run"}\n'


async def test_a_port_in_use_is_refused_by_its_number():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(TargetError, match=rf"port {port} of 127.0.0.1: .*choose another port"):
            async with LocalStack(LocalSettings(), region="us-west-2", port=port):
                pass


async def test_a_port_that_does_not_exist_is_refused_by_its_number():
    with pytest.raises(ConfigError, match="port 70000 does not exist"):
        async with LocalStack(LocalSettings(), region="us-west-2", port=70_000):
            pass


async def test_without_ministack_the_way_to_install_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ministack", None)
    with pytest.raises(TargetError, match=r"pip install 'asyncload\[local\]'"):
        async with LocalStack(LocalSettings(), region="us-west-2"):
            pass


async def test_a_child_that_dies_early_leaves_its_last_words(monkeypatch, tmp_path):
    broken = tmp_path / "config"
    broken.write_text("this is no config file\n")
    monkeypatch.setattr(
        stack_module, "_model_runner_environment", lambda _: {"AWS_CONFIG_FILE": str(broken)}
    )
    stack = LocalStack(LocalSettings(images=0), region="us-west-2", directory=tmp_path)
    with pytest.raises(TargetError, match=r"ModelRunner of .* ended unexpectedly: .*config"):
        async with stack:
            pass
    assert stack.pids == []


async def test_a_directory_that_cannot_be_is_refused_by_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write to .*file/logs"):
        async with LocalStack(
            LocalSettings(), region="us-west-2", directory=tmp_path / "file" / "logs"
        ):
            pass
