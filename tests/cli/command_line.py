"""The command line as a user meets it, and services that answer it badly, for tests."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.forkserver import ForkServer

ROOT = Path(__file__).parent.parent.parent
CONFIG = """
scenarios:
  - name: jobs
    load: {shape: {kind: constant, level: 4}, duration: 1s}
    user: {kind: model_runner}
"""


UNHURRIED = [
    f"--set=validity.{limit}"
    for limit in (
        "lateness=60s", "loop_lag=60s", "loop_lag_often=60s", "busy_share=1", "steal=1",
        "queued=60s",
    )
]  # fmt: skip
"""Limits of the verdict for machines on which several tests run at once: what a run is judged by
there is not the generator's health, but in the tests that are about it."""


class Ended(subprocess.CompletedProcess[str]):
    """A command that has ended."""

    @property
    def sentence(self) -> str:
        """The one sentence on stderr, without the name of the program."""
        assert "Traceback" not in self.stderr, self.stderr
        assert self.stderr.startswith("asyncload: "), self.stderr or self.stdout
        assert self.stderr.count("\n") == 1, self.stderr
        assert self.stderr.endswith("\n")
        return self.stderr.removeprefix("asyncload: ").rstrip("\n")


class Shell:
    """Runs asyncload in a folder of its own, where ``test.yaml`` is a config that works."""

    def __init__(self, folder: Path, server: ForkServer, **environment: str) -> None:
        self.folder = folder
        self.unhurried = True
        """Whether runs are judged by limits that a busy machine keeps."""
        self._server = server
        self.config = folder / "test.yaml"
        self.config.write_text(CONFIG)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "AWS_EC2_METADATA_DISABLED": "true",
            **environment,
        }

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it. An empty variable is one that is not set."""
        variables = {**self.environment, **environment}
        return subprocess.Popen(
            [sys.executable, "-m", "asyncload", *self._words(arguments)],
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: object, **environment: str) -> Ended:
        """Run a command to its end."""
        words = self._words(arguments)
        variables = {**self.environment, **environment}
        code, out, err = self._server.run(
            words,
            self.folder,
            {name: value for name, value in variables.items() if value},
            limit=60,
        )
        return Ended(words, code, out, err)

    def _words(self, arguments: tuple[object, ...]) -> list[str]:
        words = [str(argument) for argument in arguments]
        judged = (
            self.unhurried
            and words[:1] in (["run"], ["http"], ["capacity"])
            and "--help" not in words
        )
        return [*words, *UNHURRIED] if judged else words

    def check(self, text: str = CONFIG, *overrides: str, **environment: str) -> Ended:
        """Check a config, given as text."""
        self.config.write_text(text)
        sets = [f"--set={override}" for override in overrides]
        return self("check", "test.yaml", *sets, **environment)

    def run(self, *overrides: str, **environment: str) -> Ended:
        """Run the config."""
        sets = [f"--set={override}" for override in overrides]
        return self("run", "test.yaml", "--quiet", *sets, **environment)


class _Answer(http.server.BaseHTTPRequestHandler):
    """Answers every request as the server was told to."""

    protocol_version = "HTTP/1.1"
    server: FakeAws

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(dict(self.headers))
        while self.server.status < 0:  # it never answers
            time.sleep(0.05)
        if self.server.status == 0:  # no answer at all
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


for _method in ("GET", "HEAD", "POST", "PUT"):
    setattr(_Answer, f"do_{_method}", _Answer.answer)


class FakeAws(http.server.ThreadingHTTPServer):
    """A service that has only one answer."""

    daemon_threads = True

    def __init__(self, status: int, body: str, kind: str = "application/x-amz-json-1.0") -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status = status
        self.body = body.encode()
        self.kind = kind
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[dict[str, str]] = []
