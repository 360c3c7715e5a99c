"""A queue of status messages: as many as asked for, as fast as anybody receives them.

    python -m benchmarks.servers.statuses PORT JOB_ID_PREFIX JOBS

Answers SQS's ReceiveMessage with ten messages (SNS's envelope around
ModelRunner's status) and DeleteMessageBatch with success. Each job has two
statuses: a thousand jobs are STARTED, then the same thousand are SUCCESS, and
so on. A receive beyond the last message waits for ever, like a long poll.
With 0 jobs the messages never end. ``GET /counts`` gives sent and deleted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import cast

import uvloop

BLOCK = 1000
BATCH = 10
DELETED = json.dumps({"Successful": [{"Id": str(number)} for number in range(BATCH)]}).encode()


def template(status: str) -> str:
    """Write one message of a receive's answer; ``@ID@``, ``@N@`` and ``@MS@`` are put in later."""
    values = {
        "status": status,
        "job_id": "@ID@",
        "image_status": status,
        "image_id": "@ID@:s3://osml-test-images-123456789012/scene.ntf",
    }
    if status != "STARTED":
        values["processing_duration"] = "1"
    envelope = {
        "Type": "Notification",
        "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:ImageStatusTopic",
        "Message": f"StatusMonitor update: RequestStatus.{status} @ID@: image request",
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": "1",
        "Signature": "none",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/certificate.pem",
        "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
        "MessageAttributes": {
            name: {"Type": "String", "Value": value} for name, value in values.items()
        },
    }
    message = {
        "MessageId": "00000000-0000-4000-8000-@N@",
        "ReceiptHandle": "handle-@N@",
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "Body": json.dumps(envelope),
        "Attributes": {"SentTimestamp": "@MS@", "ApproximateReceiveCount": "1"},
    }
    return json.dumps(message).replace("%", "%%")


class Queue:
    """What all connections share."""

    def __init__(self, prefix: str, jobs: int) -> None:
        self.prefix = prefix
        self.last = 2 * jobs if jobs else sys.maxsize
        self.sent = self.deleted = 0
        self._templates = [template(status) for status in ("STARTED", "SUCCESS")]

    def receive(self) -> bytes | None:
        """Give the next ten messages."""
        first = self.sent
        if first >= self.last:
            return None
        self.sent = last = min(first + BATCH, self.last)
        now = str(int(time.time() * 1000))
        return (
            b'{"Messages":[%b]}'
            % ",".join(self._message(number, now) for number in range(first, last)).encode()
        )

    def _message(self, number: int, now: str) -> str:
        # Whole blocks of STARTED and SUCCESS in turn; the last one may be shorter.
        jobs = self.last // 2
        block, place = divmod(number, 2 * BLOCK)
        size = min(BLOCK, jobs - block * BLOCK)
        status, place = divmod(place, size)
        job_id = f"{self.prefix}{block * BLOCK + place:016x}"
        text = self._templates[status].replace("@ID@", job_id)
        return text.replace("@N@", f"{number:012d}").replace("@MS@", now)


class Connection(asyncio.Protocol):
    """Whole requests come in one or a few pieces; what is in them matters little."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        at = data.lower().find(b"content-length: ", 0, end)
        length = int(data[at + 16 : data.index(b"\r\n", at)]) if at > 0 else 0
        if end < 0 or len(data) < end + 4 + length:
            self._buffer = data
            return
        self._buffer = b""
        queue = self._queue
        if b"ReceiveMessage" in data[:end]:
            body = queue.receive()
        elif b"DeleteMessageBatch" in data[:end]:
            queue.deleted += data.count(b"handle-", end)
            body = DELETED
        else:
            body = json.dumps({"sent": queue.sent, "deleted": queue.deleted}).encode()
        if body is not None:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
            self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))


async def main() -> None:
    queue = Queue(sys.argv[2], int(sys.argv[3]))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(queue), "127.0.0.1", int(sys.argv[1]), backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
