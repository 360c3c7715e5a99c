"""A service that tells its own figures, as a test says it should."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from typing import Any

GIB = 1 << 30


def edge(
    cpu: Any = 41.5,
    ram: tuple[Any, Any] = (9 * GIB, 16 * GIB),
    gpu: Any = 87.0,
    vram: tuple[Any, Any] = (20 * GIB, 24 * GIB),
    **more: Any,
) -> str:
    """What a Groundlight edge endpoint serves at /status/resources.json."""
    return json.dumps(
        {
            "system": {
                "cpu_utilization_pct": {"total": cpu, "detectors": 12.0},
                "ram_bytes": {"used": ram[0], "total": ram[1], "eviction_threshold_pct": 75},
                "gpu": {
                    "compute_utilization_pct": {"total": gpu},
                    "vram_bytes": {"used": vram[0], "total": vram[1]},
                    **more,
                },
            },
            "detectors": [{"detector_id": "det_1", "cpu_utilization_pct": {"total": 5.0}}],
        }
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def do_GET(self) -> None:
        served = self.server
        served.asked += 1
        served.headers.append({name.lower(): value for name, value in self.headers.items()})
        if served.delay:
            time.sleep(served.delay)
        if served.status == 0:  # no answer at all
            self.close_connection = True
            return
        body = served.body(served.asked) if callable(served.body) else served.body
        content = body.encode() if isinstance(body, str) else body
        self.send_response(served.status)
        if served.gzip:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        if served.location:
            self.send_header("Location", served.location)
        self.send_header("Content-Length", str(len(content) + served.missing))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = bool(served.missing)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class Served(http.server.ThreadingHTTPServer):
    """A real HTTP server on 127.0.0.1; its fields may be changed at any time."""

    daemon_threads = True

    def __init__(self, body: Any = "", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.body = body
        """A text or bytes, or a function of how many times it has been asked."""
        self.status = 200
        self.delay = 0.0
        self.gzip = False
        self.location = ""
        self.missing = 0
        """Bytes that are promised and do not come."""
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/figures"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no error of the test."""

    def end(self) -> None:
        self.shutdown()
        self.server_close()
