"""The ledger's rules, one by one. `test_ledger_model.py` holds any mixture of them to a model."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs import ledger as ledger_module
from asyncload.jobs.job import Submission
from asyncload.jobs.status import Status
from tests.jobs.job_bench import ABOUT, RUN, About, make_ledger

pytestmark = pytest.mark.every_python


class Clock:
    t = 0.0

    def __call__(self):
        return self.t


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def bench(clock):
    return make_ledger(clock)


def opened(ledger, clock, about=ABOUT):
    return ledger.open(about, due=clock(), start=clock())


def accepted(ledger, clock, about=ABOUT):
    job = opened(ledger, clock, about)
    ledger.accept(job, "m")
    return job


def test_a_job_is_submitted_only_when_the_queue_has_accepted_it(bench, clock):
    ledger, records = bench
    job = opened(ledger, clock)
    assert (ledger.submitted, ledger.backlog) == (0, 0)
    ledger.accept(job, "m")
    assert (ledger.submitted, ledger.backlog) == (1, 1)
    assert ledger.backlog_by_scenario == {"jobs": 1}
    assert not records


def test_a_rejected_job_leaves_no_trace(bench, clock):
    ledger, records = bench
    ledger.reject(opened(ledger, clock))
    ledger.close()
    totals = ledger.totals()
    assert (totals.submitted, totals.unconfirmed, totals.lost) == (0, 0, 0)
    assert not records


def test_the_record_holds_the_whole_story_of_a_job(bench, clock):
    ledger, records = bench
    about = About("s", "n", "s3://i/x.tif", 7, 8, 60.0)
    job = ledger.open(about, due=1.0, start=1.5)
    clock.t = 2.0
    ledger.accept(job, "5b1b7b2e-0f7e-4b0e-9a53-0a4b0b8c0d11")
    ledger.apply(Status(job.id, "STARTED", sent_at=3.0), 3.1)
    ledger.apply(Status(job.id, "STARTED", sent_at=3.0), 3.2)
    ledger.apply(Status(job.id, "IN_PROGRESS", sent_at=3.5), 3.6)
    clock.t = 9.25
    ledger.apply(Status(job.id, "FAILED", sent_at=9.0, processing_s=6.0, text="why"), 9.2)
    [record] = records
    assert record == type(record)(
        t=9.25,
        scenario="s",
        job_id=job.id,
        name="n",
        due=1.0,
        start=1.5,
        accepted=2.0,
        started=3.0,
        finished=9.0,
        observed=9.2,
        status="FAILED",
        processing_s=6.0,
        size=7,
        pixels=8,
        duplicates=1,
        image="s3://i/x.tif",
        message_id="5b1b7b2e-0f7e-4b0e-9a53-0a4b0b8c0d11",
        error="why",
    )


@pytest.mark.parametrize("late", ["STARTED", "IN_PROGRESS"])
@pytest.mark.parametrize("terminal", ["SUCCESS", "PARTIAL", "FAILED"])
def test_a_late_started_never_overwrites_a_terminal_status(bench, clock, late, terminal):
    ledger, records = bench
    job = accepted(ledger, clock)
    ledger.apply(Status(job.id, terminal), 1.0)
    assert ledger.apply(Status(job.id, late), 2.0)
    assert [record.status for record in records] == [terminal]
    assert (ledger.duplicates, ledger.late, ledger.backlog) == (0, 0, 0)


def test_the_first_terminal_status_is_final_and_the_others_are_duplicates(bench, clock):
    ledger, records = bench
    job = accepted(ledger, clock)
    for status in ("PARTIAL", "SUCCESS", "FAILED", "PARTIAL"):
        ledger.apply(Status(job.id, status), 1.0)
    assert [record.status for record in records] == ["PARTIAL"]
    assert (ledger.partial, ledger.succeeded, ledger.failed) == (1, 0, 0)
    assert (ledger.duplicates, ledger.late) == (3, 0)


def test_a_terminal_status_after_giving_up_is_late_once_and_then_a_duplicate(bench, clock):
    ledger, _ = bench
    job = accepted(ledger, clock, About(timeout=5.0))
    clock.t = 5.0
    ledger.expire()
    assert (ledger.timed_out, ledger.backlog) == (1, 0)
    for status in ("STARTED", "SUCCESS", "SUCCESS", "FAILED"):
        assert ledger.apply(Status(job.id, status), 6.0)
    assert (ledger.late, ledger.duplicates, ledger.succeeded) == (1, 2, 0)


@pytest.mark.parametrize(
    "job_id",
    [
        "",
        "x",
        "f" * 32,
        RUN,
        f"{RUN}0001{0:016x}",  # another part
        f"{RUN}0000{1:016x}",  # a number not given out yet
        f"{RUN}0000{0:015x}",
        f"{RUN}0000{0:017x}",
        f"{RUN}0000-{0:015x}",
        f"{RUN}0000+{0:015x}",
        f"{RUN}0000 {0:015x}",
        f"{RUN}0000{0:07x}_{0:08x}",
        f"{RUN}0000{'٠' * 16}",
    ],
)
@pytest.mark.parametrize("region", [False, True])
def test_a_status_of_a_job_this_run_never_sent_is_refused(bench, clock, job_id, region):
    ledger, records = bench
    ledger.reject(opened(ledger, clock))  # number 0 is taken
    before = ledger.totals()
    assert not ledger.apply(Status(job_id, "SUCCESS", region=region), 1.0)
    assert ledger.totals() == before
    assert not records


def test_regions_are_counted_and_end_nothing(bench, clock):
    ledger, records = bench
    job = accepted(ledger, clock)
    assert ledger.apply(Status(job.id, "SUCCESS", region=True), 1.0)
    assert ledger.apply(Status(job.id, "SUCCESS", region=True), 1.0)
    assert (ledger.regions, ledger.duplicates, ledger.backlog) == (2, 0, 1)
    ledger.apply(Status(job.id, "SUCCESS"), 2.0)
    assert ledger.apply(Status(job.id, "SUCCESS", region=True), 3.0)
    assert (ledger.regions, ledger.duplicates, len(records)) == (3, 0, 1)


@pytest.mark.parametrize("answer", ["accept", "reject", "mark_unconfirmed"])
def test_a_status_that_overtakes_the_answer_to_the_send_ends_the_job_at_the_answer(
    bench, clock, answer
):
    ledger, records = bench
    job = opened(ledger, clock)
    ledger.apply(Status(job.id, "SUCCESS", sent_at=0.5), 1.0)
    assert (ledger.submitted, ledger.backlog, len(records)) == (1, 1, 0)
    ledger.apply(Status(job.id, "STARTED", sent_at=0.25), 1.5)
    ledger.apply(Status(job.id, "FAILED"), 1.5)
    clock.t = 2.0
    ledger.accept(job, "m") if answer == "accept" else getattr(ledger, answer)(job)
    [record] = records
    assert (record.status, record.observed, record.finished) == ("SUCCESS", 1.0, 0.5)
    assert record.accepted == (2.0 if answer == "accept" else None)
    # The STARTED is late, not a repetition: it still tells when the job began.
    assert (record.started, record.duplicates) == (0.25, 1)
    assert (ledger.submitted, ledger.succeeded, ledger.backlog) == (1, 1, 0)


@pytest.mark.parametrize("answer", ["accept", "reject", "mark_unconfirmed"])
def test_an_answer_that_comes_after_the_ledger_was_closed_changes_nothing(bench, clock, answer):
    ledger, records = bench
    jobs = [opened(ledger, clock) for _ in range(3)]
    ledger.apply(Status(jobs[1].id, "STARTED"), 1.0)
    ledger.apply(Status(jobs[2].id, "SUCCESS"), 1.0)
    ledger.close()
    before = ledger.totals()
    assert (before.unconfirmed, before.lost, before.succeeded, before.backlog) == (1, 1, 1, 0)
    for job in jobs:
        ledger.accept(job, "m") if answer == "accept" else getattr(ledger, answer)(job)
    assert ledger.totals() == before
    assert [record.status for record in records] == ["LOST", "SUCCESS"]


def test_an_unconfirmed_send_is_proven_by_a_status(bench, clock):
    ledger, records = bench
    job = opened(ledger, clock)
    ledger.mark_unconfirmed(job)
    assert (ledger.submitted, ledger.backlog) == (0, 0)
    ledger.apply(Status(job.id, "STARTED", sent_at=1.0), 1.0)
    assert (ledger.submitted, ledger.backlog) == (1, 1)
    ledger.apply(Status(job.id, "SUCCESS"), 2.0)
    assert [record.status for record in records] == ["SUCCESS"]
    assert ledger.unconfirmed == 0


def test_an_unconfirmed_send_is_proven_by_a_message_about_a_region_too(bench, clock):
    ledger, records = bench
    job = opened(ledger, clock)
    ledger.mark_unconfirmed(job)
    ledger.apply(Status(job.id, "SUCCESS", region=True), 1.0)
    ledger.close()
    assert (ledger.submitted, ledger.lost, ledger.unconfirmed) == (1, 1, 0)
    assert [record.status for record in records] == ["LOST"]


@pytest.mark.parametrize("end", ["expire", "close"])
def test_an_unanswered_send_of_which_nothing_is_heard_stays_unconfirmed(bench, clock, end):
    ledger, records = bench
    job = opened(ledger, clock)
    ledger.mark_unconfirmed(job)
    clock.t = ABOUT.timeout
    getattr(ledger, end)()
    totals = ledger.totals()
    assert (totals.unconfirmed, totals.submitted, totals.timed_out, totals.lost) == (1, 0, 0, 0)
    assert not records
    assert not ledger.live


def test_a_send_under_way_does_not_expire(bench, clock):
    ledger, _ = bench
    job = opened(ledger, clock, About(timeout=5.0))
    clock.t = 100.0
    ledger.expire()
    assert job.id in ledger.live
    ledger.accept(job, "m")
    ledger.expire()
    assert ledger.timed_out == 1


def test_each_job_expires_by_its_own_timeout(bench, clock):
    ledger, records = bench
    for timeout in (30.0, 10.0, 20.0, 10.0):
        accepted(ledger, clock, About(timeout=timeout))
        clock.t += 1
    for t in (9.9, 11.0, 14.0, 22.0, 30.0):
        clock.t = t
        ledger.expire()
    assert [record.t for record in records] == [11.0, 14.0, 22.0, 30.0]
    assert {record.error for record in records} == {
        f"no status at all within {timeout} s" for timeout in (10, 20, 30)
    }


@pytest.mark.parametrize(
    ("statuses", "progress", "error"),
    [
        ([], "SUBMITTED", "no status at all before the drain ended"),
        (
            ["STARTED"],
            "STARTED",
            "no terminal status before the drain ended; the last one was STARTED",
        ),
        (
            ["IN_PROGRESS", "STARTED"],
            "IN_PROGRESS",
            "no terminal status before the drain ended; the last one was IN_PROGRESS",
        ),
    ],
)
def test_the_record_of_a_job_given_up_says_how_far_it_got(bench, clock, statuses, progress, error):
    ledger, records = bench
    job = accepted(ledger, clock)
    for status in statuses:
        ledger.apply(Status(job.id, status), 1.0)
    ledger.close()
    [record] = records
    assert (record.status, record.progress, record.error) == ("LOST", progress, error)
    assert (ledger.stuck, ledger.never_started) == ((1, 0) if statuses else (0, 1))


def test_a_job_whose_request_is_a_dead_letter_is_given_up_as_rejected(bench, clock):
    ledger, records = bench
    job = accepted(ledger, clock, About(timeout=60.0))
    clock.t = 30.0
    letter = ledger.mark_dead_lettered(job.id, "requests-dlq", 12.0)
    assert (letter.age, letter.too_late) == (18.0, False)
    assert (ledger.rejected, ledger.backlog, ledger.missing) == (0, 1, 0)  # not given up yet
    clock.t = 60.0
    ledger.expire()
    [record] = records
    assert (record.status, record.progress) == ("TIMED_OUT", "SUBMITTED")
    assert record.error == "rejected by the service: the request is in requests-dlq"
    assert record.dead_letter_age == 18.0
    assert (ledger.rejected, ledger.never_started) == (1, 0)


def test_a_dead_letter_found_after_the_job_timed_out_corrects_the_counters(bench, clock):
    ledger, records = bench
    jobs = [accepted(ledger, clock, About(timeout=5.0)) for _ in range(2)]
    ledger.apply(Status(jobs[1].id, "STARTED"), 1.0)
    clock.t = 5.0
    ledger.expire()
    assert (ledger.rejected, ledger.stuck, ledger.never_started) == (0, 1, 1)
    # A late STARTED does not change what the job was given up as.
    ledger.apply(Status(jobs[0].id, "STARTED"), 6.0)
    for job in jobs:
        assert ledger.mark_dead_lettered(job.id, "requests-dlq", None).too_late
    assert (ledger.rejected, ledger.stuck, ledger.never_started) == (2, 0, 0)
    assert ledger.timed_out == 2
    assert {record.dead_letter_age for record in records} == {None}  # records are final


def test_a_dead_letter_proves_that_an_unconfirmed_send_was_accepted(bench, clock):
    ledger, records = bench
    job = opened(ledger, clock)
    ledger.mark_unconfirmed(job)
    ledger.mark_dead_lettered(job.id, "requests-dlq", None)
    ledger.close()
    assert (ledger.submitted, ledger.lost, ledger.rejected) == (1, 1, 1)
    assert [record.status for record in records] == ["LOST"]


def test_a_dead_letter_of_a_job_that_ended_says_nothing(bench, clock):
    ledger, _ = bench
    job = accepted(ledger, clock)
    ledger.apply(Status(job.id, "SUCCESS"), 1.0)
    assert ledger.mark_dead_lettered(job.id, "requests-dlq", 0.0) is None
    assert ledger.rejected == 0


def test_a_dead_letter_of_a_job_too_long_ago_says_nothing(clock, monkeypatch):
    monkeypatch.setattr(ledger_module, "REMEMBERED", 8)
    ledger, _ = make_ledger(clock)
    old = accepted(ledger, clock, About(timeout=1.0))
    clock.t = 1.0
    ledger.expire()
    for _ in range(8):
        ledger.apply(Status(accepted(ledger, clock).id, "SUCCESS"), 2.0)
    assert ledger.mark_dead_lettered(old.id, "requests-dlq", 0.0) is None
    assert (ledger.rejected, ledger.never_started) == (0, 1)


def test_a_job_that_stays_open_while_a_million_others_pass_ends_by_its_status(clock, monkeypatch):
    monkeypatch.setattr(ledger_module, "REMEMBERED", 8)
    ledger, records = make_ledger(clock)
    patient = accepted(ledger, clock)
    ledger.apply(Status(patient.id, "STARTED", sent_at=1.0), 1.0)
    for _ in range(20):
        job = accepted(ledger, clock)
        ledger.apply(Status(job.id, "SUCCESS"), 2.0)
    ledger.apply(Status(patient.id, "STARTED"), 3.0)
    ledger.apply(Status(patient.id, "FAILED"), 4.0)
    assert (records[-1].job_id, records[-1].status) == (patient.id, "FAILED")
    assert (records[-1].started, records[-1].duplicates) == (1.0, 1)
    # Of jobs this old it is no longer known what was seen.
    ledger.apply(Status(patient.id, "STARTED"), 5.0)
    assert (ledger.duplicates, ledger.late) == (2, 0)
    # The old job's end has not touched what is known of the young ones.
    ledger.apply(Status(job.id, "STARTED"), 5.0)
    assert ledger.duplicates == 2
    ledger.apply(Status(job.id, "SUCCESS"), 5.0)
    assert ledger.duplicates == 3


def test_the_run_id_must_have_twelve_digits(clock):
    with pytest.raises(ValueError, match="12 hex digits"):
        make_ledger(clock, "abc")


def test_the_parts_of_a_run_do_not_take_each_others_statuses(clock):
    first, _ = make_ledger(clock, part=0)
    second, _ = make_ledger(clock, part=1)
    job = accepted(first, clock)
    accepted(second, clock)
    assert not second.apply(Status(job.id, "SUCCESS"), 1.0)
    assert first.apply(Status(job.id, "SUCCESS"), 1.0)


def test_progress_is_what_a_job_has_reached_whatever_the_order(bench, clock):
    ledger, _ = bench
    job = accepted(ledger, clock)
    assert job.progress == "SUBMITTED"
    ledger.apply(Status(job.id, "STARTED"), 1.0)
    assert job.progress == "STARTED"
    ledger.apply(Status(job.id, "IN_PROGRESS"), 1.0)
    assert job.progress == "IN_PROGRESS"
    overtaken = accepted(ledger, clock)
    ledger.apply(Status(overtaken.id, "IN_PROGRESS"), 1.0)
    ledger.apply(Status(overtaken.id, "STARTED"), 1.0)
    assert overtaken.progress == "IN_PROGRESS"


@settings(deadline=None, max_examples=100)
@given(
    st.none()
    | st.text()
    | st.uuids().map(str)
    | st.text("0123456789abcdefABCDEF-", min_size=36, max_size=36)
)
def test_a_message_id_comes_back_as_it_was_given(message_id):
    clock = Clock()
    ledger, records = make_ledger(clock)
    job = opened(ledger, clock)
    ledger.accept(job, message_id)
    assert job.message_id == message_id
    ledger.close()
    assert records[0].message_id == message_id


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", 5), ("image", Path("a.tif")), ("size", "12"), ("pixels", 1.5), ("timeout", "1h")],
)
def test_what_no_log_could_hold_of_a_job_is_refused_where_it_is_given(field, value):
    about = {"scenario": "s", "name": "n", "image": None, "size": 1, "pixels": 1, "timeout": 9.0}
    Submission(**about)
    with pytest.raises(TypeError, match=f"{field} of a job is .*, not "):
        Submission(**{**about, field: value})
