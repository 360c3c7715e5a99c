"""The log on disk: nothing lost, nothing overwritten, nothing torn that cannot be read."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError, LogError
from asyncload.records import lines
from asyncload.records.columns import read_columns
from asyncload.records.log import (
    FLUSH_INTERVAL,
    LogReader,
    LogWriter,
    archive,
    check_log,
    log_stamp,
)
from asyncload.records.record import (
    SCHEMA,
    Job,
    Ledger,
    Level,
    Note,
    Request,
    RunHeader,
    SummaryRecord,
    System,
)

pytestmark = pytest.mark.every_python

ROOT = Path(__file__).parent.parent.parent
STARTED = "2026-03-01T12:30:45.123+00:00"


def header(started_at=STARTED):
    return RunHeader(
        schema=1, run_id="r", name="n", started_at=started_at, seed=7,
        config={"name": "n"}, host={"name": "h"}, versions={},
    )  # fmt: skip


def note(number):
    return Note(t=float(number), level="info", text=f"note {number}")


def write(path, records):
    log = LogWriter(path)
    for record in records:
        log.write(record)
    log.close()
    return log


# -- writing ------------------------------------------------------------------------

ONE_OF_EACH = [
    header(),
    Request(t=1.5, scenario="s", user=3, name="n", due=1.0, end=1.5, outcome="ok", start=1.1),
    Request(t=1.5, scenario="s", user=-1, name="n", due=1.0, end=1.5, outcome="dropped"),
    Job(t=2.0, scenario="s", job_id="j", name="n", due=0.0, start=0.1, status="SUCCESS"),
    Level(t=1.0, scenario="s", target=2.5, users=1, in_flight=2, backlog=3),
    Ledger(
        t=1.0, submitted=1, succeeded=1, partial=0, failed=0, timed_out=0, lost=0, backlog=0,
        duplicates=0, late=0, orphans=0, unreadable=0,
    ),
    System(t=1.0, host="h", cpu=12.5, memory=1 << 30),
    Note(t=1.0, level="warning", text="größer ✓ \n\t\"'\\ \x00"),
    SummaryRecord(t=3.0, summary={"a": [1, 2.5, None]}),
]  # fmt: skip


def test_a_log_that_is_removed_while_it_is_written_is_a_problem(tmp_path):
    told = []
    log = LogWriter(tmp_path / "run.jsonl", on_error=told.append)
    log.write(header())
    log.path.unlink()
    log.close()
    assert told == [f"the log {log.path} was removed while it was written; run again"]
    assert log.error == told[0]


def test_every_record_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, ONE_OF_EACH)
    reader = LogReader(path)
    assert list(reader) == ONE_OF_EACH
    assert reader.skipped == 0


def test_a_line_is_json_that_begins_with_its_type_and_leaves_out_what_is_not_known(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, ONE_OF_EACH)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ONE_OF_EACH)
    types = [next(iter(json.loads(line).items())) for line in lines]
    assert types == [("type", type(one).__struct_config__.tag) for one in ONE_OF_EACH]
    dropped = json.loads(lines[2])
    assert "start" not in dropped
    assert "status" not in dropped


def test_records_keep_their_order_over_many_batches(tmp_path):
    path = tmp_path / "run.jsonl"
    log = LogWriter(path)
    for first in range(0, 30_000, 5_000):
        for number in range(first, first + 5_000):
            log.write(note(number))
        time.sleep(FLUSH_INTERVAL / 10)  # so that some batches are written meanwhile
    log.close()
    assert log.unwritten == 0
    assert [record.t for record in LogReader(path)] == list(range(30_000))


def test_records_of_several_threads_all_arrive_whole(tmp_path):
    path = tmp_path / "run.jsonl"
    log = LogWriter(path)

    def work(worker):
        for number in range(2_000):
            log.write(Note(t=float(number), level=str(worker), text="x" * (number % 50)))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    by_worker = {}
    for record in LogReader(path):
        by_worker.setdefault(record.level, []).append(record.t)
    assert by_worker == {str(worker): list(range(2_000)) for worker in range(4)}


def test_writing_never_touches_the_disk_in_the_callers_thread(tmp_path):
    """The path is a pipe that nobody empties: the writer thread hangs, the caller does not."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = LogWriter(path)
    for number in range(5_000):
        log.write(Note(t=float(number), level="info", text="x" * 100))
    deadline = time.monotonic() + 20
    while log.backlog == 5_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    log.write(note(5_000))  # while the thread hangs in its first batch
    assert log.backlog > 1
    drain = threading.Thread(target=_drain, args=(reading,))
    os.set_blocking(reading, True)
    drain.start()
    log.close()
    drain.join()
    assert log.backlog == 0
    assert log.unwritten == 0


def _drain(fd):
    while os.read(fd, 1 << 16):
        pass
    os.close(fd)


def test_the_backlog_is_what_is_not_written_yet(tmp_path):
    log = LogWriter(tmp_path / "run.jsonl")
    assert log.backlog == 0
    for number in range(10):
        log.write(note(number))
    assert log.backlog <= 10
    log.close()
    assert log.backlog == 0


def test_closing_twice_is_closing_once(tmp_path):
    log = write(tmp_path / "run.jsonl", [note(1)])
    log.close()
    assert len(list(LogReader(tmp_path / "run.jsonl"))) == 1


def test_a_killed_run_loses_less_than_a_second():
    assert FLUSH_INTERVAL < 1


def test_what_was_written_before_a_kill_is_on_disk(tmp_path):
    """Records that are older than the interval survive SIGKILL, and the lock does not."""
    path = tmp_path / "run.jsonl"
    child = start_child(
        f"""
        log = LogWriter(Path({str(path)!r}))
        for number in range(1000):
            log.write(Note(t=float(number), level="info", text="x"))
        while log.backlog:
            time.sleep(0.01)
        time.sleep(2 * FLUSH_INTERVAL)  # the last batch is taken off the queue, then written
        print("aged", flush=True)
        signal.pause()
        """
    )
    try:
        assert child.stdout.readline() == "aged\n"
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert [record.t for record in LogReader(path)] == list(range(1000))
    check_log(path)


def start_child(code):
    prelude = """
        import os, resource, signal, sys, time
        from pathlib import Path
        from asyncload.records.log import FLUSH_INTERVAL, LogWriter, check_log
        from asyncload.records.record import Note
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


# -- older logs ---------------------------------------------------------------------


def test_an_older_log_is_moved_aside_under_its_start_time(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [header(), note(1)])
    older = path.read_bytes()
    write(path, [note(2)])
    assert (tmp_path / "run-2026-03-01T12-30-45Z.jsonl").read_bytes() == older
    assert [record.t for record in LogReader(path)] == [2.0]
    assert len(list(tmp_path.iterdir())) == 2


def test_start_times_are_in_utc_whatever_the_header_says(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [header("2026-03-01T12:30:45+02:00")])
    assert log_stamp(path) == "2026-03-01T10-30-45Z"


def test_two_logs_that_started_in_one_second_both_stay(tmp_path):
    path = tmp_path / "run.jsonl"
    for number in range(4):
        write(path, [header(), note(number)])
    kept = {file.name: list(LogReader(file))[-1].t for file in tmp_path.iterdir()}
    assert kept == {
        "run-2026-03-01T12-30-45Z.jsonl": 0.0,
        "run-2026-03-01T12-30-45Z-2.jsonl": 1.0,
        "run-2026-03-01T12-30-45Z-3.jsonl": 2.0,
        "run.jsonl": 3.0,
    }


def one_of(path):
    return next(iter(LogReader(path)))


@pytest.mark.parametrize(
    "content",
    [b"", b"not json\n", b"{}\n", b'{"type":"note","t":1,"level":"a","text":"b"}\n', b"\xff\xfe",
     b"[" * 10_000, b"x" * 100_000,
     msgspec.json.encode(header("yesterday")), msgspec.json.encode(header("0001-01-01T00:00:00")),
     msgspec.json.encode(header("9999-12-31T23:59:59-12:00"))],
    ids=["empty", "text", "object", "note", "binary", "deep", "long", "no time", "year 1", "9999"],
)  # fmt: skip
def test_a_file_without_a_start_time_is_moved_aside_under_the_time_of_its_last_change(
    tmp_path, content
):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    write(path, [note(1)])
    stamp = datetime.fromtimestamp(1_700_000_000, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    assert (tmp_path / f"run-{stamp}.jsonl").read_bytes() == content


def test_moving_aside_what_is_not_there_does_nothing(tmp_path):
    assert archive(tmp_path / "run.jsonl") is None
    assert list(tmp_path.iterdir()) == []


def test_other_files_go_aside_under_a_stamp_of_choice(tmp_path):
    path = tmp_path / "job_status.json"
    path.write_text("{}")
    assert archive(path, "2026") == tmp_path / "job_status-2026.json"


def test_a_link_to_a_log_is_moved_aside_and_what_it_led_to_stays(tmp_path):
    (tmp_path / "elsewhere.jsonl").write_bytes(msgspec.json.encode(header()) + b"\n")
    path = tmp_path / "run.jsonl"
    path.symlink_to("elsewhere.jsonl")
    write(path, [note(1)])
    assert not path.is_symlink()
    assert isinstance(one_of(tmp_path / "elsewhere.jsonl"), RunHeader)


def test_a_link_to_nothing_is_no_way_to_make_a_file_elsewhere(tmp_path):
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "run.jsonl", [note(1)])
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "run.jsonl").is_file()


@pytest.mark.parametrize(("mode", "umask"), [(0o600, 0o000), (0o640, 0o077)])
def test_a_log_is_readable_for_whom_its_mode_says_whatever_the_umask(tmp_path, mode, umask):
    before = os.umask(umask)
    try:
        LogWriter(tmp_path / "run.jsonl", mode=mode).close()
    finally:
        os.umask(before)
    assert (tmp_path / "run.jsonl").stat().st_mode & 0o777 == mode


# -- places that cannot be written --------------------------------------------------


def test_two_runs_on_one_log_are_refused(tmp_path):
    path = tmp_path / "run.jsonl"
    first = LogWriter(path)
    try:
        for attempt in (check_log, LogWriter):
            with pytest.raises(ConfigError) as caught:
                attempt(path)
            assert str(caught.value) == (
                f"log: {path} is being written by another run; choose another place with --log"
            )
        first.write(note(1))
    finally:
        first.close()
    assert [record.t for record in LogReader(path)] == [1.0]
    write(path, [note(2)])


def test_a_run_in_another_process_keeps_its_log(tmp_path):
    path = tmp_path / "run.jsonl"
    child = start_child(
        f"log = LogWriter(Path({str(path)!r})); print('up', flush=True); signal.pause()"
    )
    try:
        assert child.stdout.readline() == "up\n"
        with pytest.raises(ConfigError, match="is being written by another run"):
            LogWriter(path)
        assert list(tmp_path.iterdir()) == [path], "the log of the other run was not moved"
    finally:
        child.kill()
        child.communicate()


def test_of_many_runs_that_start_at_once_on_one_log_at_most_one_gets_it(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [header()])
    barrier = threading.Barrier(8)
    winners, losers = [], []

    def start():
        barrier.wait()
        try:
            winners.append(LogWriter(path))
        except ConfigError as problem:
            losers.append(str(problem))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) <= 1
    assert len(winners) + len(losers) == 8
    for winner in winners:
        winner.write(note(7))
        winner.close()
        assert [record.t for record in LogReader(path)] == [7.0]
    logs = [one for file in tmp_path.iterdir() for one in LogReader(file)]
    assert sum(isinstance(one, RunHeader) for one in logs) == 1, "the older log is still there"


def test_checking_at_once_from_two_sides_is_no_conflict(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [note(1)])
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # what another check holds for a moment
        check_log(path)


def test_checking_leaves_what_is_there(tmp_path):
    path = tmp_path / "run.jsonl"
    write(path, [note(1)])
    before = path.read_bytes()
    check_log(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_of_a_log_is_made(tmp_path):
    path = tmp_path / "a" / "b" / "run.jsonl"
    write(path, [note(1)])
    assert len(list(LogReader(path))) == 1


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("folder", "is a folder; give the name of a file"),
        ("file/run.jsonl", "is not a folder; choose another place with --log"),
        ("file/deeper/run.jsonl", "is not a folder; choose another place with --log"),
        ("/proc/nowhere/run.jsonl", "No such file or directory; choose another place with --log"),
        ("/proc/version", "choose another place with --log"),
        ("x" * 300, "File name too long; choose another place with --log"),
        ("a\0b", "; choose another place with --log"),
    ],
)
@pytest.mark.parametrize("attempt", [check_log, LogWriter])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place, says, attempt):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / place
    if place.startswith("/proc") and attempt is check_log and os.geteuid() == 0:
        pytest.skip("root may write everything, as far as a check can tell")
    with pytest.raises(ConfigError) as caught:
        attempt(path)
    assert str(caught.value).startswith("log: ")
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(says)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="Permission denied; choose another place"):
        check_log(tmp_path / "closed" / "run.jsonl")


# -- a disk that fills up -----------------------------------------------------------


def test_a_full_disk_is_told_once_and_what_is_lost_is_counted():
    told = []
    log = LogWriter(Path("/dev/full"), on_error=told.append)
    log.write(note(1))
    deadline = time.monotonic() + 20
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    for number in range(5_000):
        log.write(note(number))
    log.close()
    assert len(told) == 1
    assert (
        log.error
        == told[0]
        == (
            "cannot write the log /dev/full: No space left on device; "
            "free some space or choose another place with --log"
        )
    )
    assert log.unwritten == 5_001


def test_what_fits_onto_a_disk_that_fills_up_can_be_read(tmp_path):
    """A limit on the size of files stands for the disk: the write that crosses it is cut short."""
    path = tmp_path / "run.jsonl"
    child = start_child(
        f"""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        told = []
        log = LogWriter(Path({str(path)!r}), on_error=told.append)
        for number in range(3_000):
            log.write(Note(t=float(number), level="info", text="x"))
        log.close()
        print(log.unwritten, len(told), *told, sep="\\n")
        """
    )
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    unwritten, times, sentence = out.splitlines()
    assert times == "1"
    assert sentence.startswith(f"cannot write the log {path}: {os.strerror(errno.EFBIG)}; ")
    assert path.stat().st_size == 10_000
    reader = LogReader(path)
    read = [record.t for record in reader]
    assert read == list(range(len(read)))
    assert len(read) + int(unwritten) == 3_000
    assert reader.skipped <= 1  # the line that the limit cut


def test_a_record_that_is_no_json_is_told_and_left_out_and_the_rest_is_written(tmp_path):
    told = []
    log = LogWriter(tmp_path / "run.jsonl", on_error=told.append)
    for number in range(10):
        log.write(note(number))
        log.write(Note(t=object(), level="info", text="x"))
    log.close()
    assert [record.t for record in LogReader(log.path)] == list(range(10))
    assert log.unwritten == 10
    assert len(told) == 1
    assert told[0].startswith(f"cannot write a note record to the log {log.path}: ")


def test_half_a_character_in_a_text_costs_no_record(tmp_path):
    path = tmp_path / "run.jsonl"
    log = write(path, [note(1), Note(t=2.0, level="error", text="file \udcff.tif"), note(3)])
    assert log.unwritten == 0
    assert [record.text for record in LogReader(path)] == ["note 1", "file \\udcff.tif", "note 3"]


# -- reading ------------------------------------------------------------------------

LINES = [msgspec.json.encode(record) + b"\n" for record in ONE_OF_EACH]
WHOLE = b"".join(LINES)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(WHOLE)))
def test_a_log_torn_at_any_byte_gives_every_whole_line(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.write_bytes(WHOLE[:cut])
    reader = LogReader(path)
    found = list(reader)
    ends = [sum(map(len, LINES[: number + 1])) for number in range(len(LINES))]
    # A line that lacks nothing but its newline is whole.
    whole = sum(end - 1 <= cut for end in ends)
    assert found == ONE_OF_EACH[:whole]
    torn = cut > 0 and cut not in ends and cut + 1 not in ends
    assert reader.skipped == torn


def test_a_log_torn_at_every_byte_of_its_last_line_gives_the_lines_before(tmp_path):
    path = tmp_path / "torn.jsonl"
    before = WHOLE[: -len(LINES[-1])]
    for length in range(1, len(LINES[-1]) - 1):
        path.write_bytes(before + LINES[-1][:length])
        reader = LogReader(path)
        assert list(reader) == ONE_OF_EACH[:-1]
        assert reader.skipped == 1


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=30).map(lambda raw: raw + b"\n")))
def test_any_bytes_between_records_are_skipped_and_counted(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "mixed.jsonl"
    path.write_bytes(b"".join(parts))
    reader = LogReader(path)
    found = list(reader)
    assert [msgspec.json.encode(one) + b"\n" for one in found] == [
        part for part in parts if part in LINES
    ]
    assert reader.skipped == b"".join(parts).count(b"\n") - len(found)


@pytest.mark.parametrize(
    "line",
    [b'{"type":"later","t":1}', b"{}", b"[]", b"5", b"", b'{"type":"note"}', b"\xff", b"[" * 9_999,
     b'{"type":"note","t":"x","level":"a","text":"b"}'],
)  # fmt: skip
def test_unknown_types_and_unreadable_lines_are_skipped_and_counted(tmp_path, line):
    path = tmp_path / "run.jsonl"
    path.write_bytes(LINES[0] + line + b"\n" + LINES[-1])
    reader = LogReader(path)
    assert list(reader) == [ONE_OF_EACH[0], ONE_OF_EACH[-1]]
    assert reader.skipped == 1


def test_unknown_fields_are_passed_over(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"type":"note","t":1,"level":"info","text":"x","later":{"a":[1]}}\n')
    assert list(LogReader(path)) == [Note(t=1.0, level="info", text="x")]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.jsonl", "there is no log {path}; check the path, or make one with a run"),
        ("", "{path} is a directory, not a log; name the .jsonl file in it"),
        (
            "file/x",
            "cannot read the log {path}: Not a directory; check the file and its permissions",
        ),
    ],
)
def test_a_log_that_cannot_be_read_is_named(tmp_path, name, says):
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(LogError) as caught:
        list(LogReader(path))
    assert str(caught.value) == says.format(path=path)


def test_a_check_makes_no_folder(tmp_path):
    check_log(tmp_path / "a" / "b" / "run.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_slow_is_waited_for_and_then_given_up(tmp_path, monkeypatch):
    """A pipe that nobody reads stands for the disk."""
    monkeypatch.setattr("asyncload.records.log._LAST_WRITE", 0.1)
    path = tmp_path / "run.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    problems = []
    log = LogWriter(path, on_error=problems.append)
    log.patience = 0.3
    for number in range(5_000):
        log.write(Note(t=float(number), level="info", text="x"))
    log.close()
    log.close()
    assert 0 < log.unwritten < 5_000
    (problem,) = problems
    assert problem.startswith(f"the disk of the log {path} is too slow: 0.3 s after the run")
    os.close(reader)  # the thread's write ends with an error


def test_the_logs_thread_outlives_whatever_fails_in_it(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    log = LogWriter(path)
    wait, failures = log._closing.wait, iter(range(2))

    def failing(timeout):
        if next(failures, None) is not None:
            raise OSError(errno.EINVAL, "the clock was set")
        return wait(timeout)

    monkeypatch.setattr(log._closing, "wait", failing)
    for number in range(26):
        log.write(note(number))
    log.close()
    assert (log.unwritten, log.error) == (0, None)
    assert len(list(LogReader(path))) == 26


def test_what_a_thread_that_has_ended_left_is_written_at_the_end(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    monkeypatch.setattr(LogWriter, "_run", lambda _: None)
    log = LogWriter(path)
    for number in range(26):
        log.write(note(number))
    log.close()
    assert log.unwritten == 0
    assert len(list(LogReader(path))) == 26


def test_records_that_fail_to_be_written_are_counted_and_told(tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    told = []
    log = LogWriter(path, on_error=told.append)

    def no_memory(batch):
        raise MemoryError

    monkeypatch.setattr(log, "_encode", no_memory)
    for number in range(26):
        log.write(note(number))
    log.close()
    assert log.unwritten == 26
    assert told == [log.error]
    assert "MemoryError" in log.error


def test_a_log_is_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "run.jsonl"
    LogWriter(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_without_end_is_read_in_pieces_and_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST", 100_000)
    path = tmp_path / "run.jsonl"
    path.write_bytes(LINES[0] + b"\0" * 450_000 + b"\n" + LINES[-1])
    reader = LogReader(path)
    assert list(reader) == [ONE_OF_EACH[0], ONE_OF_EACH[-1]]
    assert reader.skipped == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": SCHEMA + 1}, "was written by a newer asyncload"),
        ({"started_at": "yesterday"}, "its started_at, 'yesterday', is no time"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "is no time"),
    ],
)
@pytest.mark.parametrize("read", [lambda path: list(LogReader(path)), read_columns])
def test_a_header_that_would_be_misread_is_refused(tmp_path, change, reason, read):
    path = tmp_path / "run.jsonl"
    header = {**msgspec.json.decode(LINES[0]), **change}
    path.write_bytes(msgspec.json.encode(header) + b"\n" + LINES[-1])
    with pytest.raises(LogError, match=reason):
        read(path)


def test_records_of_other_versions_are_told_apart_from_unreadable_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(LINES[0] + b'{"type":"later","t":1}\n{"type":"no\n\0\0\n' + LINES[-1])
    for reader in (LogReader(path), read_columns(path)):
        if isinstance(reader, LogReader):
            list(reader)
        assert (reader.skipped, reader.unknown) == (3, 1)
    assert lines.lines_left_out(3, 1) == (
        "left out 2 lines that could not be read and 1 record of a form that this version does not "
        "know"
    )
