"""`asyncload calibrate`, and what `run`, `check` and `capacity` make of its certificate."""

from __future__ import annotations

import json
import signal
import time

import pytest

from asyncload.calibration.certificate import read_certificate, write_certificate
from tests.calibration.certificates import certificate

pytestmark = pytest.mark.slow

HTTP = """
scenarios:
  - name: predict
    load: {shape: {kind: constant, level: 40}, duration: 1s}
    user:
      kind: http
      base_url: local
      requests: [{method: POST, path: "/v1/models/m:predict", json: {}}]
      local: {service_time: 1ms}
log: run.jsonl
"""
WARNING = (
    "the plan peaks at 40.0/s; this machine was certified for 21.0/s on 2026-11-28; "
    "use more processes or a lower rate"
)


@pytest.fixture
def place(asyncload, tmp_path):
    """Where the certificate is for this shell."""
    asyncload.config.write_text(HTTP)
    asyncload.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    return tmp_path / "state" / "asyncload" / "certificate.json"


def notes(folder):
    records = map(json.loads, (folder / "run.jsonl").read_text().splitlines())
    return [(one["level"], one["text"]) for one in records if one["type"] == "note"]


def test_a_run_beyond_the_certified_rate_is_warned_before_and_in_log_and_report(asyncload, place):
    write_certificate(certificate(21), place)
    done = asyncload.run()
    assert done.returncode in (0, 3), done.stderr
    assert WARNING in done.stderr
    assert ("warning", WARNING) in notes(asyncload.folder)
    assert WARNING in " ".join(done.stdout.split())


def test_near_it_there_is_a_note_and_below_nothing(asyncload, place):
    write_certificate(certificate(60), place)
    done = asyncload.run()
    assert done.stderr == ""
    assert [level for level, text in notes(asyncload.folder) if "certified" in text] == ["info"]
    write_certificate(certificate(6000), place)
    asyncload.run()
    assert [text for _, text in notes(asyncload.folder) if "certified" in text] == []


def test_a_check_says_it_too(asyncload, place):
    write_certificate(certificate(21), place)
    done = asyncload("check", "test.yaml")
    assert done.returncode == 0
    assert WARNING in done.stdout


def test_a_search_for_a_capacity_says_it_once(asyncload, place):
    write_certificate(certificate(21), place)
    options = ["--start", 10, "--max", 40, "--step-duration", "1s"]
    done = asyncload("capacity", "test.yaml", *options)
    assert done.stderr.count("this machine was certified for 21.0/s") == 1


@pytest.mark.parametrize("kind", ["damaged", "another machine's"])
def test_a_certificate_that_does_not_count_stops_no_run(asyncload, place, kind):
    write_certificate(certificate(21, host="elsewhere"), place)
    if kind == "damaged":
        place.write_text('{"schema": 1')
    done = asyncload.run()
    assert done.returncode in (0, 3), done.stderr
    assert done.stderr == ""
    (note,) = [one for one in notes(asyncload.folder) if "asyncload calibrate" in one[1]]
    assert note[0] == "info"
    assert ("damaged" if kind == "damaged" else "of another machine (elsewhere") in note[1]


def test_the_saved_certificate_is_shown(asyncload, place):
    write_certificate(certificate(), place)
    done = asyncload("calibrate", "--show", "--output", "copy.json", COLUMNS="80")
    assert done.returncode == 0
    assert "Top rate  20,000/s" in done.stdout
    assert str(place) in done.stdout.replace("\n", "")
    assert read_certificate(asyncload.folder / "copy.json") == certificate()


def test_without_one_showing_it_says_how_to_make_one(asyncload, place):
    done = asyncload("calibrate", "--show")
    assert done.returncode == 2
    assert done.sentence.startswith("there is no certificate ")
    assert done.sentence.endswith("make one with: asyncload calibrate")


def test_a_place_that_cannot_be_written_is_found_before_anything_is_measured(asyncload, place):
    done = asyncload("calibrate", "--output", "test.yaml/certificate.json")
    assert done.returncode == 2
    assert done.sentence.startswith("cannot write test.yaml/certificate.json")


@pytest.mark.parametrize("after", ["trying", "trying 4"])
def test_ctrl_c_ends_it_cleanly_and_saves_nothing(asyncload, place, after):
    process = asyncload.start("calibrate")
    assert process.stderr is not None
    while after not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.endswith("asyncload: interrupted; nothing was saved\n")
    assert not place.exists()


def test_a_quick_calibration_leaves_a_certificate_or_says_that_the_machine_is_busy(
    asyncload, place
):
    done = asyncload("calibrate", "--quick", "--output", "copy.json", COLUMNS="80")
    assert "Traceback" not in done.stderr
    if done.returncode == 3:  # other tests may leave it no time
        assert "this machine is too busy to be calibrated" in done.stderr
        assert not place.exists()
        return
    assert done.returncode == 0, done.stderr
    made = read_certificate(place)
    assert made == read_certificate(asyncload.folder / "copy.json")
    assert made.quick
    assert made.top_rate.rate >= 250
    assert [one.share for one in made.lateness] == [0.1, 0.5, 0.9]
    assert all(one.p50 <= one.p99 <= one.max for one in made.lateness)
    assert [(queue.name, queue.utilisation) for queue in made.queues] == [
        ("M/M/1", 0.5),
        ("M/M/1", 0.8),
        ("M/M/4", 0.8),
    ]
    for queue in made.queues:
        for one in queue.percentiles:
            # Nothing is measured shorter than it was, but for the width of a histogram's bucket.
            assert one.measured >= 0.998 * one.logged
    assert made.consumer.jobs > 50
    assert made.consumer.statuses_per_second > 1000
    assert max(map(len, done.stdout.splitlines()[:-2])) <= 80
