"""Inputs that are right, from which the others are made."""

from __future__ import annotations

import json

import msgspec

from tests.calibration.certificates import certificate
from tests.cli.command_line import ROOT
from tests.compare.two_runs import HEADER, csv_row
from tests.records.test_log import ONE_OF_EACH
from tests.transport.aws.test_event_stream import encode, sized

_CONFIG = b"""
name: web
warmup: 2s
scenarios:
  - name: web
    load: {model: closed, shape: {kind: custom_ramp, stages: [[1, 5s], [10, 1m]]}, duration: 1m}
    user:
      kind: http
      base_url: https://x.example/v1
      headers: {Authorization: 'Bearer ${X}', Accept: '*/*'}
      wait: {between: [1s, 5s]}
      requests:
        - {name: a, method: POST, path: '/p/{{ uuid() }}', json: {n: 1, t: '{{ now() }}'}, weight: 2}
        - {name: b, path: '/q?x=1', expect: [200, 204], capture: {id: '$.a[0].id'}}
thresholds: [request.latency.p95 < 200ms, 'request.error_rate < 1% for a', request.rate > 5]
monitor: [{name: gpus, prometheus: 'http://127.0.0.1:9/metrics', metrics: {q: {series: requests_total}}}]
"""
CONFIGS = (
    _CONFIG,
    *(
        (ROOT / "configs" / name).read_bytes()
        for name in (
            "burst.yaml", "edge/ramp.yaml", "modelrunner/time_window.yaml",
            "sagemaker/realtime.yaml", "liftwing/revertrisk.yaml",
        )
    ),
)  # fmt: skip
CONFIG_WORDS = (
    b"  ", b"- ", b": ", b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ", b"1e21", b".inf", b"-0", b"10m",
    b"constant", b"periodic_burst", b"open", b"closed", b"{}", b"[]", b"2024-01-01", b"0x10", b"1_000", b"yes",
)  # fmt: skip

TEMPLATES = (
    b"{{ rev_id + 1 }} {{ lang ~ '-' ~ rev_id }} {{ tags | join('+') }}",
    b"{{ row['lang'] | upper }}{{ row.rev_id // 10 }}{{ lang[:2] }}{{ -rev_id ** 2 }}",
    b"{{ 'a' if rev_id > 2 and lang in ['x', 'd'] else n | default('y') }}",
    b"{{ {'a': [rev_id, none], 'b': true} | tojson }} {{ image | base64 }} {{ nothing }}",
    b"{{ random_int(1, 9) }} {{ uuid() }} {{ now() }} {{ repeat('ab', 3, ',') }}",
    b"{{ env.HOME | default('') | length }} {{ '%05.1f' % 2.5 }} {{ 2.567 | round(1) }} {{ lang | replace('d', 'e') }}",
)
TEMPLATE_WORDS = (
    b"{{", b"}}", b"{%", b"{#", b"|", b"(", b")", b" * ", b" ** ", b" % ", b"rev_id", b"tags", b"image", b"none",
    b" | length", b" | int", b" | tojson", b"99999999999", b"'x'", b"[1, 2]", b" not ", b" in ", b".__class__",
)  # fmt: skip

ROWS = (
    b'rev_id,lang,note\n1,en,"a, ""b"""\n22,de,\n',
    b"a\tb\n1.10\tx\n2e3\t\n",
    b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n",
)
JSON_ROWS = (b'{"a": 1, "b": ["x", null]}\n{"a": 2.5, "c": {"d": "\\u00fc"}}\n',)

_STATUS = {
    "job_id": "0" * 32, "image_id": "0" * 32 + ":s3://b/x.tif", "status": "SUCCESS",
    "processing_duration": 12.5, "image_status": "SUCCESS", "message": "done",
}  # fmt: skip
_INFERENCE = {
    "invocationStatus": "Failed", "inferenceId": "a1", "eventTime": "2022-01-25T22:46:00.608Z",
    "receivedTime": "2022-01-25T22:46:00.455Z", "failureReason": "no memory", "requestParameters": {},
}  # fmt: skip


def _enveloped(body: object) -> dict[str, object]:
    return {
        "Type": "Notification", "Message": json.dumps(body), "Timestamp": "2024-01-15T10:30:00.500Z",
        "MessageAttributes": {
            "job_id": {"Type": "String", "Value": "0" * 32},
            "image_status": {"Type": "String", "Value": "FAILED"},
            "processing_duration": {"Type": "String", "Value": "3"},
        },
    }  # fmt: skip


STATUSES = tuple(
    json.dumps(body).encode()
    for body in (_STATUS, _enveloped(_STATUS), _INFERENCE, _enveloped(_INFERENCE))
)
SQS_ANSWERS = tuple(
    json.dumps(answer).encode()
    for answer in (
        {
            "Messages": [
                {
                    "MessageId": "m", "ReceiptHandle": "r", "Body": json.dumps(_enveloped(_STATUS)),
                    "Attributes": {"SentTimestamp": "1705314600250", "ApproximateReceiveCount": "1"},
                    "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "eHk="}},
                }
            ]
        },
        {
            "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}, {"Id": "2", "MessageId": "n"}],
            "Failed": [{"Id": "1", "Code": "Throttled", "Message": "slow", "SenderFault": False}],
        },
    )
)  # fmt: skip

HTTP_ANSWERS = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":"b"}',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n \r\n0\r\nX-T: t\r\n\r\n",
    (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 30\r\nRetry-After: 1\r\n\r\n"
    b'{"error":{"message":"no room"}}'),
    b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html><title>404 Not Found</title></html>",
    b"HTTP/1.1 302 Found\r\nLocation: https://x/y?key=secret\r\nContent-Length: 0\r\n\r\n",
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n'),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b'HTTP/1.1 400 Bad\r\nContent-Length: 50\r\n\r\n{"detail":[{"loc":["body",0],"msg":"field needed"}]}',
)  # fmt: skip
HTTP_WORDS = (
    b"HTTP/1.1 ", b"HTTP/2 ", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"\r\n\r\n", b" 100 ", b" 101 ", b" 999 ",
    b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip

STREAMS = (
    (
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
        b'data: {"choices":[{"delta":{"reasoning":"b","tool_calls":[{"index":0}]}}]}\n\n'
        b'data: {"choices":[],"usage":{"completion_tokens":17}}\n\ndata: [DONE]\n\n'
    ),
    b'event: error\ndata: {"error": {"message": "out of memory"}}\n\n: comment\nid: 1\nretry: 10\n\n',
    b'event: message_start\r\ndata: {"type":"message_start"}\r\n\r\ndata: a\r\ndata: b\r\n\r\n',
    b'{"a":1}\n{"b":2}\n\n{"c":3}',
)
STREAM_WORDS = (
    b"data: ", b"data:", b"event: error\n", b"\n\n", b"\r\n\r\n", b"\r", b"data: [DONE]\n\n", b"[DONE]",
    b'"error":', b'{"choices":null}', b'"finish_reason":"length"',
)  # fmt: skip

EXPOSITIONS = (
    (
        b'# HELP up x\n# TYPE up gauge\nup 1\nrequests_total{code="200",path="a\\"b\\n"} 12 1700000000000\n'
        b'latency_bucket{le="+Inf"} 5 # {trace_id="x"} 0.5\nup{} NaN\nprocess_cpu_seconds_total 1.5e3\n# EOF\n'
    ),
)
EXPOSITION_WORDS = (
    b"up",
    b"{",
    b"}",
    b'le="',
    b",",
    b" +Inf",
    b" NaN",
    b"\\",
    b"# ",
    b"requests_total",
)

LOCUST = (
    f"{HEADER}\n{csv_row()}\n{csv_row('/y', rate=1)}\n{csv_row('Aggregated', '')}\n".encode(),
    f"{HEADER}\n{csv_row('x.tif:m', 'JOB', median='N/A', p95='N/A')}\n".encode(),
)

LOG_WORDS = (
    b'"t":1e308', b'"t":-1', b'"due":1e308', b'"end":-1e308', b'"status":99999999999999999999', b'"type":"later"',
    b'"name":""', b'"schema":2', b'"outcome":"other"', b'"submitted":-1', b'"started_at":"0001-01-01"', b'"cpu":1e300',
)  # fmt: skip


def logs() -> tuple[bytes, ...]:
    """A log with one of each record, and one of a real header with many requests."""
    from asyncload.records.record import Request

    requests = [
        Request(
            t=t,
            scenario="s",
            user=1,
            name="n",
            due=t - 0.2,
            end=t,
            outcome="ok",
            start=t - 0.1,
            status=200,
        )
        for t in range(1, 9)
    ]
    encode_lines = msgspec.json.Encoder().encode_lines
    return encode_lines(ONE_OF_EACH), encode_lines([ONE_OF_EACH[0], *requests, ONE_OF_EACH[-1]])


def event_streams() -> tuple[bytes, ...]:
    """Streams whose checksums are right, also where their headers are not."""
    part = encode(
        [(":event-type", 7, sized(b"PayloadPart")), (":message-type", 7, sized(b"event"))],
        STREAMS[0],
    )
    odd = [
        encode(
            [(":message-type", 7, sized(b"exception")), ("x", 2, b"\1"), ("y", 8, b"\0" * 8)],
            b'{"Message":5}',
        ),
        encode([(":message-type", 7, sized(b"error")), (":error-code", 6, sized(b"\xff\n"))], b""),
        encode([(":message-type", 0, b""), (":event-type", 3, b"\0\1")], b"x"),
        encode([("a", 42, b"")], b""),
        encode([("a", 7, b"\xff\xffabc")], b""),
    ]
    return part, part + part, *(part + one + part for one in odd)


def own_files() -> tuple[bytes, ...]:
    """A certificate, the totals of a run, and the state of a search."""
    totals = {
        "start_time": "2026-11-20T09:30:00Z", "stop_time": "2026-11-20T10:30:00", "total_image_sent": 5,
        "total_gb_processed": 0.5, "total_pixels_processed": 10**9,
    }  # fmt: skip
    search = {"schema": 1, "fingerprint": "f", "started_at": "2026-11-20T09:30:00Z", "steps": []}
    return (
        msgspec.json.encode(certificate()),
        json.dumps(totals).encode(),
        json.dumps(search).encode(),
        b'{"schema": 1, "fingerprint": "\xff", "started_at": "", "steps": []}',
    )
