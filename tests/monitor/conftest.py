"""Fixtures of monitoring: services that tell their own figures."""

from __future__ import annotations

import os

import pytest

from tests.monitor.served import Served


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def serve():
    """Starts services; at the end they are gone."""
    servers = []

    def start(*arguments, **options):
        servers.append(Served(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.end()
