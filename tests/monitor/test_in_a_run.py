"""Sources that are sampled during a run."""

import asyncio
import itertools
import sys

import pytest

from asyncload import LoadTest
from asyncload.config.load import config_from
from asyncload.records.log import LogReader
from asyncload.records.record import Note, Request, RunHeader, System
from asyncload.stats.hosts import MeanMax
from tests.monitor.served import GIB, edge
from tests.monitor.test_gpu import FakeNvml

pytestmark = pytest.mark.slow

TOKENS = "tokens_total {}\nnode_memory_MemTotal_bytes 5000\nnode_memory_MemAvailable_bytes 2000\n"


@pytest.fixture
def run(tmp_path, serve):
    """Runs a load of two seconds with sources beside it; gives the result and the log."""
    service = serve("hello")

    def carry_out(*monitor, duration=2.5):
        config = config_from(
            {
                "scenarios": [
                    {
                        "name": "web",
                        "load": {"shape": {"kind": "constant", "level": 10}, "duration": duration},
                        "user": {"kind": "http", "base_url": service.url, "requests": [{}]},
                    }
                ],
                "monitor": list(monitor),
                "log": str(tmp_path / "run.jsonl"),
            }
        )
        result = asyncio.run(LoadTest(config).run())
        return result, list(LogReader(tmp_path / "run.jsonl"))

    return carry_out


def of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_the_samples_of_every_source_are_in_the_log_and_in_the_summary(run, serve):
    one = serve(lambda asked: edge(cpu=10.0 * asked))
    other = serve(lambda asked: TOKENS.format(100 * asked))
    result, records = run(
        {"url": one.url, "name": "edge"},
        {
            "prometheus": other.url, "name": "node",
            "metrics": {"tokens": {"series": "tokens_total", "rate": True}},
        },
    )  # fmt: skip
    samples = of(records, System)
    edges = [sample for sample in samples if sample.host == "edge"]
    served = [10.0 * number for number in range(1, one.asked + 1)]
    assert len(served) >= 2
    assert [sample.host_cpu for sample in edges] == served
    assert [sample.t for sample in edges] == sorted(sample.t for sample in edges)
    assert {sample.host_memory for sample in edges} == {9 * GIB}
    nodes = [sample for sample in samples if sample.host == "node"]
    assert nodes[0].metrics is None, "there is nothing to compare the first answer with"
    for before, sample in itertools.pairwise(nodes):
        rate = 100 / (sample.t - before.t)
        assert sample.metrics["tokens"] == pytest.approx(rate, rel=0.01)
    assert {sample.host_memory for sample in nodes} == {3000}

    own, first, second = result.summary.hosts
    assert (own.generator, first.generator, second.generator) == (True, False, False)
    assert (first.host, first.cpu) == ("edge", MeanMax(sum(served) / len(served), served[-1]))
    assert (second.host, second.memory) == ("node", MeanMax(3000.0, 3000.0))


def test_a_question_to_a_source_is_no_request_of_the_run(run, serve):
    server = serve(edge())
    result, records = run({"url": server.url})
    assert server.asked >= 2
    assert result.summary.requests.count == 25
    assert {request.name for request in of(records, Request)} == {"GET /"}


def test_the_generator_tells_of_itself_in_records_of_its_own(run, serve):
    _, records = run({"url": serve(edge()).url, "name": "edge"})
    for sample in of(records, System):
        own = sample.host != "edge"
        assert (sample.loop_lag is not None) == own
        assert (sample.memory is not None) == own
    own = [sample for sample in of(records, System) if sample.host != "edge"]
    assert own[0].host_cpu is None, "no time has passed since the start"
    assert all(sample.host_cpu is not None for sample in own[1:])
    assert all(0 < sample.host_memory < sample.memory_total for sample in own)


def test_sources_that_are_gone_slow_or_broken_end_nothing(run, serve):
    gone, slow, broken = serve(), serve(edge()), serve("<html>")
    gone.end()
    slow.delay = 5
    result, records = run(
        {"url": gone.url, "name": "gone"},
        {"url": slow.url, "name": "slow"},
        {"prometheus": broken.url, "name": "broken"},
    )
    assert result.exit_code == 0
    assert result.summary.requests.ok == 25
    texts = sorted(note.text.partition(";")[0] for note in of(records, Note))
    assert texts == [
        "monitor broken: its answer is not Prometheus text: it holds no series with a value",
        "monitor gone: it cannot be reached: connection refused",
    ]


def test_a_token_is_sent_and_is_in_no_line_of_the_log(run, serve, tmp_path):
    server = serve(edge())
    run({"url": server.url, "headers": {"X-Plain": "swordfish"}})
    assert {headers["x-plain"] for headers in server.headers} == {"swordfish"}
    assert "swordfish" not in (tmp_path / "run.jsonl").read_text()


def test_gpus_of_the_generators_host_are_in_its_records(run, monkeypatch):
    library = FakeNvml([(87, 20, 24)])
    monkeypatch.setitem(sys.modules, "pynvml", library)
    result, records = run()
    told = [sample.gpu for sample in of(records, System) if sample.gpu]
    assert told
    assert all(
        gpu == [{"id": 0, "utilisation": 87, "memory": 20, "memory_total": 24}] for gpu in told
    )
    assert result.summary.hosts[0].gpus[0].utilisation == MeanMax(87.0, 87.0)
    assert library.open == 0, "NVML is left in order"


def test_a_header_tells_what_was_monitored(run, serve):
    url = serve(edge()).url
    _, records = run({"url": url, "interval": "2s"}, duration=0.1)
    (header,) = of(records, RunHeader)
    (source,) = header.config["monitor"]
    assert (source["url"], source["interval"]) == (url, 2.0)
