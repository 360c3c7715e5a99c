"""What happens to a job is drawn from the seed, each choice by itself."""

import math
import random
import statistics

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.jobs.status import parse_status
from asyncload.local.model_runner.behaviour import (
    REJECTED,
    STUCK,
    Emit,
    Extra,
    Work,
    draw_service_time,
    write_script,
)
from asyncload.local.model_runner.messages import (
    ImageRequest,
    InvalidRequestError,
    foreign_status,
    job_status,
    parse_request,
    region_status,
    unreadable_body,
)
from asyncload.local.settings import LocalSettings, ServiceTime
from asyncload.plan.duration import Duration

REQUEST = ImageRequest("0" * 32, "s3://images/a.tif", "images", "a.tif")
TROUBLED = LocalSettings(
    failure_rate=0.2,
    partial_rate=0.1,
    duplicate_rate=0.3,
    reorder_rate=0.3,
    unreadable_rate=0.3,
    foreign_rate=0.3,
    region_rate=0.3,
    seed=11,
)
MISBEHAVIOURS = ("double_failed_rate", "replay_rate", "stuck_rate", "reject_rate")
rates = st.floats(0, 0.5)


def scripts(local, count=400):
    return [write_script(local, number, REQUEST) for number in range(count)]


def envelope(message):
    """The SQS message that SNS makes of a status."""
    attributes = {n: {"Type": "String", "Value": v} for n, v in message.attributes.items()}
    body = {"Type": "Notification", "Message": message.text, "MessageAttributes": attributes}
    return {"Body": msgspec.json.encode(body).decode()}


def test_without_rates_a_job_starts_is_in_progress_works_and_succeeds():
    for script in scripts(LocalSettings()):
        started, in_progress, work, terminal = script.actions
        assert [started, in_progress, terminal] == [
            Emit("STARTED"),
            Emit("IN_PROGRESS"),
            Emit("SUCCESS"),
        ]
        assert work == Work(script.service_time)


def test_a_seeded_run_repeats_and_another_seed_differs():
    assert scripts(TROUBLED) == scripts(TROUBLED)
    assert scripts(TROUBLED) != scripts(msgspec.structs.replace(TROUBLED, seed=12))


def test_no_two_jobs_take_the_same_time():
    times = [script.service_time for script in scripts(TROUBLED)]
    assert len(set(times)) == len(times)


@settings(deadline=None, max_examples=20)
@given(failure=rates, partial=rates, duplicate=rates, region=rates)
def test_one_rate_does_not_change_what_another_one_draws(failure, partial, duplicate, region):
    other = msgspec.structs.replace(
        TROUBLED,
        failure_rate=failure,
        partial_rate=partial,
        duplicate_rate=duplicate,
        region_rate=region,
    )

    def unconcerned(script):
        extras = [
            step for step in script.actions if isinstance(step, Extra) and step.kind != "region"
        ]
        held = [step.held for step in script.actions if isinstance(step, Emit)]
        return script.service_time, extras, held

    assert [unconcerned(s) for s in scripts(TROUBLED, 50)] == [
        unconcerned(s) for s in scripts(other, 50)
    ]


@settings(deadline=None, max_examples=20)
@given(changed=st.dictionaries(st.sampled_from(MISBEHAVIOURS), rates))
def test_a_job_that_no_misbehaviour_has_picked_is_the_same_as_without_any(changed):
    plain, misbehaving = (
        scripts(TROUBLED, 50),
        scripts(msgspec.structs.replace(TROUBLED, **changed), 50),
    )
    for one, other in zip(plain, misbehaving, strict=True):
        ends = other.outcome in {"SUCCESS", "PARTIAL", "FAILED"}
        if ends and not other.replayed and other.sequence != ("STARTED", "FAILED"):
            assert other == one


@pytest.mark.parametrize("rate", MISBEHAVIOURS)
def test_each_misbehaviour_picks_its_jobs_whatever_the_others_pick(rate):
    def picked(local):
        return {
            number
            for number, script in enumerate(scripts(local, 200))
            if {
                "double_failed_rate": script.sequence == ("STARTED", "FAILED"),
                "replay_rate": script.replayed,
                "stuck_rate": script.outcome == STUCK,
                "reject_rate": script.outcome == REJECTED,
            }[rate]
        }

    alone = picked(LocalSettings(seed=11, **{rate: 0.3}))
    together = picked(msgspec.structs.replace(TROUBLED, **dict.fromkeys(MISBEHAVIOURS, 0.3)))
    assert len(alone) == pytest.approx(60, abs=4 * math.sqrt(200 * 0.3 * 0.7))
    # A job can be only one of: rejected, failed twice, stuck, or ended and replayed.
    assert together <= alone
    if rate == "reject_rate":
        assert together == alone


def test_a_double_failure_comes_right_after_started_and_says_so_twice():
    for script in scripts(LocalSettings(double_failed_rate=1)):
        assert script.actions == (Emit("STARTED"), Emit("FAILED", copies=2))
        assert (script.outcome, script.service_time) == ("FAILED", 0)


def test_a_stuck_job_is_worked_on_and_never_ends():
    for script in scripts(LocalSettings(stuck_rate=1)):
        assert script.actions == (Emit("STARTED"), Emit("IN_PROGRESS"), Work(script.service_time))
        assert script.outcome == STUCK


def test_a_rejected_request_has_no_steps():
    assert {script.actions for script in scripts(LocalSettings(reject_rate=1))} == {()}


def test_each_rate_comes_true():
    drawn = scripts(TROUBLED, 4000)

    def share(matches, of):
        return sum(map(matches, of)) / len(of)

    def near(expected, of):  # within four standard deviations
        return pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / len(of)))

    emits = [step for script in drawn for step in script.actions if isinstance(step, Emit)]
    early = [step for step in emits if step.status in {"STARTED", "IN_PROGRESS"}]
    assert share(lambda s: s.outcome == "FAILED", drawn) == near(0.2, drawn)
    assert share(lambda s: s.outcome == "PARTIAL", drawn) == near(0.1, drawn)
    assert share(lambda e: e.copies == 2, emits) == near(0.3, emits)
    assert share(lambda e: e.held, early) == near(0.3, early)
    for kind in ("unreadable", "foreign", "region"):
        with_extra = [
            any(isinstance(s, Extra) and s.kind == kind for s in d.actions) for d in drawn
        ]
        assert share(bool, with_extra) == near(0.3, with_extra)


def test_a_terminal_status_is_never_held_back():
    everything = msgspec.structs.replace(TROUBLED, reorder_rate=1.0)
    for script in scripts(everything):
        held = [step.held for step in script.actions if isinstance(step, Emit)]
        assert held == [True, True, False]


@pytest.mark.parametrize("distribution", ["exponential", "lognormal"])
def test_the_mean_service_time_is_the_one_asked_for(distribution):
    asked = ServiceTime(mean=Duration(2.0), distribution=distribution)
    rng = random.Random(4)
    times = [draw_service_time(asked, rng) for _ in range(20_000)]
    assert statistics.fmean(times) == pytest.approx(2.0, rel=0.05)
    assert min(times) > 0


def test_lognormal_times_spread_as_sigma_says():
    rng = random.Random(5)
    asked = ServiceTime(mean=Duration(2.0), sigma=0.8)
    logs = [math.log(draw_service_time(asked, rng)) for _ in range(20_000)]
    assert statistics.stdev(logs) == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("distribution", ["constant", "exponential", "lognormal"])
def test_a_mean_of_zero_finishes_at_once(distribution):
    asked = ServiceTime(mean=Duration(0), distribution=distribution)
    assert draw_service_time(asked, random.Random(0)) == 0


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 10**9))
def test_an_unreadable_body_is_no_status_and_sqs_would_take_it(seed):
    body = unreadable_body(random.Random(seed))
    assert body
    assert parse_status({"Body": body}) is None
    allowed = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE)}
    assert {ord(character) for character in body} <= allowed


def test_unreadable_bodies_are_of_many_kinds():
    bodies = {unreadable_body(random.Random(seed)) for seed in range(300)}
    assert {"this is not JSON", "[1, 2, 3]", "null", "{}"} <= bodies
    assert any(body.startswith('{"Type"') and not body.endswith("}") for body in bodies)
    assert any(not body.isascii() for body in bodies)


def test_a_region_message_is_no_status_of_the_job_itself():
    message = region_status("j" * 32, "s3://images/a.tif", random.Random(0))
    assert "image_status" not in message.attributes
    status = parse_status(envelope(message))
    assert status is not None
    assert status.region


def test_a_foreign_status_is_well_formed_and_of_another_job():
    statuses = [parse_status(envelope(foreign_status(random.Random(seed)))) for seed in range(50)]
    assert len({status.job_id for status in statuses}) == 50
    assert len({status.status for status in statuses}) == 5


@pytest.mark.parametrize(
    ("status", "seconds", "duration"),
    [
        ("STARTED", 5.0, None),
        ("SUCCESS", 0.99, None),
        ("SUCCESS", 1.0, "1"),
        ("FAILED", 12.9, "12"),
        ("IN_PROGRESS", 3.2, "3"),
    ],
)
def test_processing_duration_counts_whole_seconds_and_is_left_out_below_one(
    status, seconds, duration
):
    message = job_status("j1", "s3://images/a.tif", status, seconds)
    assert message.attributes.get("processing_duration") == duration


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        "{}",
        '{"jobId": "j"}',
        '{"jobId": "j", "imageUrls": []}',
        '{"jobId": "j", "imageUrls": null}',
        '{"jobId": "j", "imageUrls": ["http://example.com/a.tif"]}',
        '{"jobId": "j", "imageUrls": ["s3://bucket-only"]}',
        '{"jobId": "j", "imageUrls": ["s3://[bad/a.tif"]}',
        '{"jobId": "", "imageUrls": ["s3://images/a.tif"]}',
        '{"jobId": 7, "imageUrls": ["s3://images/a.tif"]}',
        '{"imageUrls": ["s3://images/a.tif"]}',
    ],
)
def test_a_request_without_job_id_or_image_is_invalid(body):
    with pytest.raises(InvalidRequestError):
        parse_request(body)


def test_a_request_is_read_whatever_else_it_holds():
    request = parse_request(
        '{"jobName": "n", "jobId": "j1", "imageUrls": ["s3://images/deep/a b?#.tif"], '
        '"outputs": [], "regionOfInterest": null, "unknown": 1}'
    )
    assert request == ImageRequest("j1", "s3://images/deep/a b?#.tif", "images", "deep/a b?#.tif")
