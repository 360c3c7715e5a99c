"""What goes wrong with a user's file is told in one sentence, whoever reads it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from asyncload.errors import ConfigError, LogError
from asyncload.records import files
from asyncload.records.files import read_errors


def sentence(path, read=Path.read_text, error=ConfigError, **more):
    with (
        pytest.raises(error) as caught,
        read_errors(path, error, f"cannot read {path}", remedy="check it", **more),
    ):
        read(path)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_what_can_be_read_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    with read_errors(path, ConfigError, "cannot read it", remedy="check it"):
        assert path.read_text() == "text"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "No such file or directory"),
        (".", "Is a directory"),
        ("/dev/null/x", "Not a directory"),
        ("a\0b", "its name has a null character"),
    ],
)
def test_the_reason_and_the_remedy_are_named(name, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    assert sentence(path) == f"cannot read {path}: {reason}; check it"


def test_a_missing_file_and_a_folder_may_have_sentences_of_their_own(tmp_path):
    more = {"missing": "there is none", "folder": "name a file in it"}
    assert sentence(tmp_path / "none", **more) == "there is none"
    assert sentence(tmp_path, **more) == "name a file in it"


def test_what_is_not_utf_8_is_named_with_the_first_byte_that_is_not(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a\xe9b\xff")
    assert sentence(path, lambda one: one.read_text(encoding="utf-8")) == (
        f"cannot read {path}: it is not text in UTF-8 (byte 0xe9); save it as that"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = tmp_path / "file"
    path.touch(0o000)
    assert sentence(path) == f"cannot read {path}: Permission denied; check it"


def test_an_error_is_of_the_class_asked_for(tmp_path):
    assert sentence(tmp_path / "none", error=LogError).startswith("cannot read ")


def test_mistakes_of_the_program_are_not_taken_for_the_users(tmp_path):
    def broken(_):
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        sentence(tmp_path, broken)


def test_a_disk_that_never_answers_is_left_behind_after_a_limit(monkeypatch):
    monkeypatch.setattr(files, "DISK_LIMIT", 0.05)
    hung = threading.Event()
    with pytest.raises(OSError, match=r"the disk took over 0\.05 s"):
        files.in_time(hung.wait)
    hung.set()


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".out.json.tmp").symlink_to(tmp_path / "victim")
    (tmp_path / "spool").symlink_to(tmp_path / "victim")
    with files.replacing(tmp_path / "out.json") as file:
        file.write(b"{}")
    files.Appended(tmp_path / "spool").add([b"entry"])
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "out.json").read_text() == "{}"
    assert (tmp_path / "spool").read_text() == "entry"


def test_what_is_done_in_time_gives_its_result_or_raises_as_ever():
    def fails():
        raise TimeoutError("its own")

    assert files.in_time(max, 3, 4) == 4
    with pytest.raises(TimeoutError, match="its own"):
        files.in_time(fails)


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / ".out.json.tmp").symlink_to(other)
    with files.replacing(tmp_path / "out.json") as file:
        file.write(b"new")
    assert other.read_text() == "precious"
    assert (tmp_path / "out.json").read_bytes() == b"new"
    assert not (tmp_path / "out.json").is_symlink()
