"""Asking a service for its own figures, over real connections."""

import anyio
import pytest

from asyncload.errors import TargetError
from asyncload.monitor import remote
from asyncload.monitor.remote import RemoteMonitor
from asyncload.monitor.settings import MonitorSource, SeriesOptions
from asyncload.records.record import System
from tests.monitor.served import GIB, edge

pytestmark = pytest.mark.anyio
NODE = "node_memory_MemTotal_bytes 5\nx_total {}\n"


class Steps:
    """A clock that is at a moment as soon as it is waited for."""

    def __init__(self):
        self.t = 0.0

    def __call__(self):
        return self.t

    async def sleep_until(self, t):
        self.t = max(self.t, t)
        await anyio.sleep(0)


class Collected:
    def __init__(self):
        self.samples = []
        self.notes = []

    def write(self, record):
        self.samples.append(record)

    def note(self, level, text):
        self.notes.append((level, text))


async def sample(source, **options):
    async with RemoteMonitor(source, Steps(), **options) as monitor:
        return await monitor.sample()


async def watched(source, seconds):
    """What a watch of so many seconds of a clock that does not wait has collected."""
    got = Collected()
    async with RemoteMonitor(source, Steps()) as monitor:
        await monitor.watch(got, got.note, until=seconds)
    return got


async def refusal(source, **options):
    with pytest.raises(TargetError) as caught:
        await sample(source, **options)
    return str(caught.value)


# -- answers -----------------------------------------------------------------------------------


async def test_what_was_served_is_what_is_sampled(serve):
    server = serve(edge())
    found = await sample(MonitorSource(url=server.url, name="edge"))
    assert found == System(
        0.0, "edge", host_cpu=41.5, host_memory=9 * GIB, memory_total=16 * GIB,
        gpu=[{"id": 0, "utilisation": 87.0, "memory": 20 * GIB, "memory_total": 24 * GIB}],
    )  # fmt: skip


async def test_a_source_is_asked_at_every_interval_over_one_connection(serve):
    server = serve(lambda asked: NODE.format(asked * 100))
    source = MonitorSource(
        prometheus=server.url, interval=2, metrics={"x": SeriesOptions(series="x_total", rate=True)}
    )
    got = await watched(source, 8)
    assert [one.t for one in got.samples] == [2.0, 4.0, 6.0, 8.0]
    assert [one.metrics for one in got.samples] == [None, {"x": 50.0}, {"x": 50.0}, {"x": 50.0}]
    assert [one.host for one in got.samples] == [f"127.0.0.1:{server.server_port}"] * 4
    assert got.notes == []


async def test_headers_are_sent(serve):
    server = serve(edge())
    await sample(MonitorSource(url=server.url, headers={"Authorization": "Bearer abc", "X-Y": "1"}))
    assert server.headers[0]["authorization"] == "Bearer abc"
    assert server.headers[0]["x-y"] == "1"


async def test_an_answer_that_is_compressed_is_unpacked(serve):
    server = serve(edge())
    server.gzip = True
    assert (await sample(MonitorSource(url=server.url))).host_cpu == 41.5


async def test_the_format_is_guessed_where_it_is_not_known(serve):
    json, text = serve(f"  {edge()}"), serve(NODE.format(1))
    assert (await sample(MonitorSource(url=json.url), guess=True)).host_cpu == 41.5
    assert (await sample(MonitorSource(url=text.url), guess=True)).memory_total == 5


# -- answers that are none ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<html>", "its answer is not Groundlight's JSON: it is not JSON"),
        (NODE.format(1), "its answer is not Groundlight's JSON: it is not JSON"),
        (
            "{}",
            "its answer is not Groundlight's JSON: it is JSON, but has no 'system' with figures",
        ),
        (b"\x00\xff" * 500, "its answer is not Groundlight's JSON: it is not JSON"),
    ],
)
async def test_an_answer_in_another_format_is_refused_with_the_reason(serve, body, why):
    assert await refusal(MonitorSource(url=serve(body).url)) == why


async def test_each_kind_of_source_says_which_format_was_wanted(serve):
    url = serve("<html>").url
    end = "it holds no series with a value"
    wanted = "its answer is not Prometheus text"
    assert await refusal(MonitorSource(prometheus=url)) == f"{wanted}: {end}"
    wanted = "its answer is not Groundlight's JSON or Prometheus text"
    assert await refusal(MonitorSource(url=url), guess=True) == f"{wanted}: {end}"


@pytest.mark.parametrize("status", [201, 302, 401, 404, 500, 503])
async def test_a_status_other_than_200_is_no_answer(serve, status):
    server = serve(edge())
    server.status = status
    assert await refusal(MonitorSource(url=server.url)) == f"it answers HTTP {status}"


async def test_a_redirect_does_not_take_the_headers_along(serve):
    other, server = serve(edge()), serve("")
    server.status, server.location = 302, other.url
    source = MonitorSource(url=server.url, headers={"x-api-token": "secret"})
    assert await refusal(source) == "it answers HTTP 302"
    assert other.asked == 0


async def test_a_service_that_is_not_there_is_told_as_that(serve):
    server = serve()
    server.end()
    refused = await refusal(MonitorSource(url=server.url))
    assert refused == "it cannot be reached: connection refused"
    unknown = await refusal(MonitorSource(url="http://nowhere.invalid/"))
    assert unknown == "it cannot be reached: its name cannot be resolved"


async def test_a_slow_answer_is_given_up(serve, monkeypatch):
    monkeypatch.setattr(remote, "LIMIT", 0.2)
    server = serve(edge())
    server.delay = 0.6
    assert await refusal(MonitorSource(url=server.url)) == "it does not answer within 0.2 s"


async def test_an_answer_that_breaks_off_is_told_as_that(serve):
    server = serve(edge())
    server.missing = 10
    why = "it breaks off in the middle of its answer"
    assert await refusal(MonitorSource(url=server.url)) == why
    server.status = 0
    why = "it closes the connection without an answer"
    assert await refusal(MonitorSource(url=server.url)) == why


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_huge_answer_is_not_read_to_its_end(serve, compressed):
    server = serve(b" " * (remote.LARGEST * 2))
    server.gzip = compressed
    assert await refusal(MonitorSource(url=server.url)) == "its answer is larger than 8 MiB"


async def test_a_service_that_does_not_speak_tls_is_told_as_that(serve):
    url = serve(edge()).url.replace("http:", "https:")
    why = await refusal(MonitorSource(url=url))
    assert why == "the TLS handshake failed (is it http instead of https?)"


# -- notes -------------------------------------------------------------------------------------


async def test_a_source_that_goes_away_is_noted_once_and_once_when_it_is_back(serve):
    server = serve(edge())

    def body(asked):
        server.status = 503 if 2 < asked <= 6 else 200
        return edge(cpu=asked)

    server.body = body
    got = await watched(MonitorSource(url=server.url, name="edge"), 10)
    assert [one.host_cpu for one in got.samples] == [1, 2, 7, 8, 9, 10]
    assert got.notes == [
        (
            "warning",
            "monitor edge: it answers HTTP 503; its figures are missing until it is back",
        ),
        ("info", "monitor edge: it is back after 4 s"),
    ]


async def test_a_source_that_never_answers_is_noted_once(serve):
    got = await watched(MonitorSource(url=serve("no").url, name="edge"), 5)
    assert got.samples == []
    assert len(got.notes) == 1


async def test_a_bug_in_reading_an_answer_is_noted_and_ends_nothing(serve, monkeypatch):
    def broken(*_):
        raise KeyError("oops")

    monkeypatch.setattr(remote, "read_resources", broken)
    got = await watched(MonitorSource(url=serve(edge()).url, name="edge"), 3)
    assert [level for level, _ in got.notes] == ["warning"]
    assert "KeyError: 'oops'" in got.notes[0][1]


async def test_a_series_that_never_came_is_noted_at_the_end(serve):
    server = serve(NODE.format(1))
    source = MonitorSource(
        prometheus=server.url, name="node",
        metrics={"x": SeriesOptions(series="x_total"), "y": SeriesOptions(series="y_totl")},
    )  # fmt: skip
    got = await watched(source, 2)
    assert got.notes == [
        (
            "warning",
            "monitor node: no series 'y_totl' has come for metrics.y; check its name and labels",
        )
    ]
