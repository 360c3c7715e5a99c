"""`asyncload monitor`, as a user meets it."""

from __future__ import annotations

import re
import signal

import pytest
from click.testing import CliRunner

from asyncload.cli import main
from asyncload.records.log import LogReader
from asyncload.records.record import Note, RunHeader, SummaryRecord, System
from tests.monitor.served import Served, edge

pytestmark = pytest.mark.slow

NODE = (
    "node_memory_MemTotal_bytes 4e9\nnode_memory_MemAvailable_bytes 1e9\n"
    'node_network_receive_bytes_total{{device="eth0"}} {0}\n'
)


@pytest.fixture
def serve():
    """Starts services that tell their own figures."""
    servers = []

    def start(*arguments):
        servers.append(Served(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Runs a command in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "test.yaml").write_text("")
    return lambda *arguments: CliRunner().invoke(main, arguments)


def graphs(folder):
    return sorted(path.name for path in folder.iterdir())


def test_this_host_is_watched_printed_and_drawn(asyncload):
    ended = asyncload("monitor", "--duration", "1s")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert re.fullmatch(r"monitoring \S+ for 1 s, every 1 s; Ctrl-C ends it sooner", lines[0])
    assert re.match(r" +0:01  cpu \d+ %, memory .* of .*B", lines[1])
    assert "System  mean and max of CPU and memory" in ended.stdout
    assert "plots/cpu_monitoring.png" in lines
    assert {"cpu_monitoring.png"} <= set(graphs(asyncload.folder / "plots"))
    assert not (asyncload.folder / "logs").exists(), "no log was asked for"


def test_a_service_is_watched_by_the_figures_it_serves(asyncload, serve):
    server = serve(lambda asked: edge(cpu=10 * asked))
    ended = asyncload(
        "monitor", "--duration", "1s", "--url", server.url, "-o", "out", "--log", "logs/edge.jsonl"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.findall(r"cpu (\d+) %", ended.stdout)[:2] == ["10", "20"]
    assert "gpu 87 % with 21.5 of 25.8 GB" in ended.stdout
    assert graphs(asyncload.folder / "out") == ["cpu_monitoring.png", "gpu_0_monitoring.png"]

    header, *samples, end = LogReader(asyncload.folder / "logs" / "edge.jsonl")
    assert isinstance(header, RunHeader)
    assert header.config["monitor"] == [{"interval": 1.0, "url": server.url}]
    assert [sample.host_cpu for sample in samples] == [10.0, 20.0]
    assert all(isinstance(sample, System) for sample in samples)
    assert isinstance(end, SummaryRecord)
    assert end.summary["hosts"][0]["cpu"] == {"mean": 15.0, "max": 20.0}


def test_its_log_is_drawn_and_summed_up_again(here, serve, tmp_path):
    server = serve(lambda asked: NODE.format(1000 * asked))
    url = server.url
    here("monitor", "--duration", "1s", "--interval", "500ms", "--url", url, "--log", "node.jsonl")
    drawn = here("plot", "node.jsonl", "-o", "again")
    assert drawn.stdout.splitlines() == [
        "again/cpu_monitoring.png",
        "again/network_monitoring.png",
    ]
    assert graphs(tmp_path / "again") == ["cpu_monitoring.png", "network_monitoring.png"]
    told = here("summary", "node.jsonl")
    assert told.exit_code == 0
    assert "3.00 GB" in told.stdout
    assert "No request" not in told.stdout


def test_a_service_that_goes_away_is_told_once_and_the_watch_goes_on(here, serve, tmp_path):
    server = serve()

    def body(asked):
        server.status = 503 if asked in {2, 3} else 200
        return edge(cpu=asked)

    server.body = body
    ended = here(
        "monitor", "--duration", "2s", "--interval", "400ms", "--url", server.url,
        "--log", "edge.jsonl",
    )  # fmt: skip
    assert ended.exit_code == 0
    assert ended.stdout.count("it answers HTTP 503; its figures are missing") == 1
    assert ended.stdout.count("it is back after") == 1
    records = list(LogReader(tmp_path / "edge.jsonl"))
    assert len([record for record in records if isinstance(record, Note)]) == 2


def test_samples_between_seconds_are_told_with_their_tenth_and_graphs_of_a_run_stay(
    here, serve, tmp_path
):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "throughput.png").write_text("of the run before")
    url = serve(edge()).url
    ended = here("monitor", "--duration", "1s", "--interval", "500ms", "--url", url)
    assert re.findall(r"^ +(\d\.\d s)  cpu", ended.stdout, re.MULTILINE)[:2] == ["0.0 s", "0.5 s"]
    assert "throughput.png" in graphs(tmp_path / "plots")


def test_ctrl_c_ends_it_with_graphs(asyncload, serve):
    process = asyncload.start("monitor", "--duration", "1h", "--url", serve(edge()).url)
    for line in process.stdout:
        if "0:01" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    assert "System  mean and max" in out
    assert graphs(asyncload.folder / "plots") == ["cpu_monitoring.png", "gpu_0_monitoring.png"]


def test_a_reader_who_goes_away_does_not_end_it_in_disorder(asyncload, serve):
    process = asyncload.start("monitor", "--duration", "1s", "--url", serve(edge()).url)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
    assert graphs(asyncload.folder / "plots") == ["cpu_monitoring.png", "gpu_0_monitoring.png"]


# -- mistakes ----------------------------------------------------------------------------------

MISTAKES = {
    "duration 0": (["--duration", "0"], "--duration is 0; give a time over 0, such as 60s"),
    "no duration": (
        ["--duration", "long"],
        (
            "--duration: 'long' is not a duration; give seconds as a number of 0 or more, or a text "
            "such as 250ms, 20s, 10m, 2h or 1m30s"
        ),
    ),
    "interval too short": (
        ["--duration", "5s", "--interval", "1ms"],
        "--interval is 1ms; give a time of 100ms or more",
    ),
    "interval too long": (
        ["--duration", "5s", "--interval", "10s"],
        "--interval is 10s, longer than the --duration of 5s; give a shorter one",
    ),
    "no URL": (
        ["--duration", "5s", "--url", "edge:30101"],
        "--url is 'edge:30101'; give a URL such as http://localhost:9100/metrics",
    ),
    "credentials in the URL": (
        ["--duration", "5s", "--url", "http://me:hidden@edge/"],
        (
            "--url is 'http://edge/'; leave the user name and password out; a config can send a "
            "header with them"
        ),
    ),
    "folder for graphs": (
        ["--duration", "5s", "-o", "test.yaml/plots"],
        "cannot write graphs to test.yaml/plots: Not a directory; choose another folder",
    ),
    "log": (["--duration", "5s", "--log", "."], "log: . is a folder; give the name of a file"),
}


@pytest.fixture
def refused(here):
    """Runs the command; gives its one sentence on stderr and its exit code."""

    def run(*arguments):
        ended = here("monitor", *arguments)
        assert ended.stdout == ""
        assert ended.stderr.startswith("asyncload: ")
        assert ended.stderr.count("\n") == 1
        return ended.stderr.removeprefix("asyncload: ").rstrip(), ended.exit_code

    return run


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence_before_anything_is_sampled(refused, mistake):
    arguments, says = MISTAKES[mistake]
    assert refused(*arguments) == (says, 2)


def test_a_url_that_does_not_answer_is_told_at_once(refused, serve):
    server = serve()
    server.end()
    assert refused("--duration", "1h", "--url", server.url) == (
        f"cannot monitor {server.url}: it cannot be reached: connection refused; check the URL",
        4,
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<html>hello</html>", "it holds no series with a value"),
        ('{"a": 1}', "it is JSON, but has no 'system' with figures"),
        ('{"system": {}}', "it has none of the figures of a Groundlight edge endpoint"),
    ],
)
def test_a_format_that_is_unknown_is_told_at_once(refused, serve, body, why):
    server = serve(body)
    assert refused("--duration", "1h", "--url", f"{server.url}?token=hidden") == (
        (
            f"cannot monitor {server.url}?token=***: its answer is not Groundlight's JSON or "
            f"Prometheus text: {why}; check the URL"
        ),
        4,
    )
