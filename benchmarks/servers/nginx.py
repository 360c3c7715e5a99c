"""nginx as the fastest stub there is: fixed answers, one process, no log."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Folder, free_port, server

# Answers by operation; the queue's address is the server's own. One process, so that a
# signal to it stops all of it; keep-alive without end, so that nobody pays for reconnects.
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_body_buffer_size 64k; default_type application/x-amz-json-1.0;
  map $http_x_amz_target $answer {{
    default '{sent}';
    AmazonSQS.SendMessageBatch '{sent_batch}';
    AmazonSQS.GetQueueUrl '{{"QueueUrl":"http://127.0.0.1:{port}/123456789012/jobs"}}';
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 $answer; }}
    location = /status {{ stub_status; }}
  }}
}}
"""
MESSAGE = {
    "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
    "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274",
}


class Nginx:
    """A running nginx; ``url`` has no slash at its end."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self._own = 0

    def served(self) -> int:
        """Requests answered so far, those of this method not counted."""
        with urllib.request.urlopen(f"{self.url}/status", timeout=5) as answer:
            text = answer.read().decode()
        self._own += 1
        numbers = re.search(r"\n\s*\d+\s+\d+\s+(\d+)", text)
        assert numbers is not None
        return int(numbers[1]) - self._own


@contextmanager
def nginx() -> Iterator[Nginx]:
    """Run nginx on a free port until the block ends."""
    batch = {"Successful": [{"Id": str(number), **MESSAGE} for number in range(10)]}
    with Folder() as folder:
        port = free_port()
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                port=port,
                sent=json.dumps(MESSAGE, separators=(",", ":")),
                sent_batch=json.dumps(batch, separators=(",", ":")),
            )
        )
        with server(["nginx", "-p", folder, "-c", config], port) as process:
            yield Nginx(port, process)
