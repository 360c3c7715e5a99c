"""Every connection of these tests keeps to the table of its states."""

from __future__ import annotations

import pytest

from asyncload.transport.http import pool
from asyncload.transport.http.connection import Connection
from asyncload.transport.http.connection_state import TRANSITIONS


class Checked(Connection):
    """A connection whose changes of state are looked up; a wrong one is an error in the test."""

    wrong: list[tuple[str, str]] = []  # noqa: RUF012 - of all connections
    _now_in = None

    @property
    def state(self):
        return self._now_in

    @state.setter
    def state(self, new):
        old = self._now_in
        if old is not None and new not in TRANSITIONS[old]:
            self.wrong.append((old.name, new.name))
        self._now_in = new


@pytest.fixture(autouse=True)
def _states(monkeypatch):
    monkeypatch.setattr(pool, "Connection", Checked)
    Checked.wrong.clear()
    yield
    assert Checked.wrong == []
