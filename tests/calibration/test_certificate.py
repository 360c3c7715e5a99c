"""Certificates: written, read, shown; another machine's, and damaged ones."""

from __future__ import annotations

import io
import os
import re
import time

import msgspec
import pytest
from rich.console import Console

from asyncload.calibration.certificate import (
    certificate_path,
    read_certificate,
    write_certificate,
)
from asyncload.calibration.certificate_table import print_certificate
from asyncload.calibration.machine import state_folder, this_machine
from asyncload.errors import ConfigError
from tests.calibration.certificates import certificate


def test_a_certificate_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "folder" / "certificate.json"
    write_certificate(certificate(), path)
    assert read_certificate(path) == certificate()
    assert [one.name for one in path.parent.iterdir()] == ["certificate.json"]


def test_a_missing_one_is_said_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no certificate .*asyncload calibrate"):
        read_certificate(tmp_path / "certificate.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"null", b'{"schema": 1}'],
)
def test_a_damaged_one_is_one_sentence(tmp_path, content):
    path = tmp_path / "certificate.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged, or of another version") as raised:
        read_certificate(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [lambda c: {"schema": 2}, lambda c: {"top_rate": msgspec.structs.replace(c.top_rate, rate=0)}],
)
def test_so_is_one_of_another_schema_or_without_a_rate(tmp_path, change):
    path = tmp_path / "certificate.json"
    write_certificate(msgspec.structs.replace(certificate(), **change(certificate())), path)
    with pytest.raises(ConfigError, match="damaged, or of another version"):
        read_certificate(path)


def test_one_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        write_certificate(certificate(), tmp_path / "file" / "certificate.json")


def test_it_stands_where_the_user_keeps_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert certificate_path() == tmp_path / "asyncload" / "certificate.json"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/not/allowed")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert state_folder() == tmp_path / ".local" / "state" / "asyncload"
    monkeypatch.setattr("sys.platform", "darwin")
    assert state_folder() == tmp_path / "Library" / "Application Support" / "asyncload"


def test_this_machine_is_known_in_under_a_millisecond():
    machine = this_machine()
    assert machine == this_machine()
    assert machine.host
    assert machine.cpu
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    best = min(_timed(this_machine) for _ in range(20))
    assert best < 1e-3


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({}, None),
        ({"python": "3.99.0"}, None),
        ({"asyncload": this_machine().asyncload + ".post1"}, None),
        ({"host": "elsewhere"}, r"of another machine \(elsewhere, .*\)"),
        ({"cpu": "Abacus"}, r"of another machine \(.*, Abacus\)"),
        ({"cores": 4096}, r"for 4096 cores, and this process may use \d+"),
        ({"asyncload": "0.0.9"}, r"of asyncload 0\.0\.9, and this is .*"),
        ({"loop": "another"}, "made with another, and this runs on .*"),
    ],
)
def test_what_makes_another_machine_of_it(changes, difference):
    found = certificate(**changes).machine.difference(this_machine())
    if difference is None:
        assert found is None
    else:
        assert re.fullmatch(difference, found or "")


@pytest.mark.parametrize("by_service", [False, True])
def test_it_is_shown_in_eighty_columns(by_service):
    shown = certificate(host="a-host" * 9, cpu="A processor of a long name " * 3)
    rate = msgspec.structs.replace(shown.top_rate, by_service=by_service)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    with console.capture() as captured:
        print_certificate(msgspec.structs.replace(shown, top_rate=rate), console)
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    assert "Top rate 20,000/s" in flat
    assert "noted from 10,000/s on" in flat
    assert ("built-in service was at its limit" in flat) is by_service
    assert "p50 7.50 ms 500 µs 7.14 % 6.93 ms 6.60–8.30 ms agrees" in flat
    assert "p99 41.1 ms 500 µs 1.23 % 46.1 ms open" in flat
    assert "90 % 18,000/s 1,000 40.0 µs 800 µs 4.00 ms not valid" in flat
    assert "calibrate again when it is quiet" in flat
    assert "unknown: this version does not measure it" in flat


def _timed(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
