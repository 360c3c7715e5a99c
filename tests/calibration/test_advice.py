"""What a certificate says about a plan."""

from __future__ import annotations

import time

import pytest

from asyncload.calibration.advice import advice_for, judge_peak, peak_rate
from asyncload.calibration.certificate import certificate_path, write_certificate
from asyncload.plan import shapes
from asyncload.plan.plan import Plan, Scenario, UserSpec
from tests.calibration.certificates import certificate


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    """A folder for the certificate that is nobody else's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def plan(*scenarios):
    return Plan(name="plan", scenarios=scenarios)


def scenario(name, shape, *, kind="http", duration=10, **options):
    return Scenario(name=name, user=UserSpec(kind), shape=shape, duration=duration, **options)


def test_the_peak_is_the_highest_sum_of_all_open_scenarios():
    rising = shapes.Linear(start=0, end=100, over="10s")
    falling = shapes.Linear(start=100, end=0, over="10s")
    flat = shapes.Constant(level=10)
    # At no moment is it the 210 that the peaks of all of them add up to.
    both = plan(scenario("a", rising), scenario("b", falling), scenario("c", flat))
    assert peak_rate(both) == pytest.approx(110)


def test_a_scenario_that_is_over_adds_nothing():
    first = scenario("a", shapes.Constant(level=50), duration=2)
    rising = scenario("b", shapes.Linear(start=0, end=100, over="10s"))
    assert peak_rate(plan(first, rising)) == pytest.approx(100, rel=1e-3)


def test_a_short_burst_of_a_long_plan_is_seen():
    burst = shapes.PeriodicBurst(period="1h", min=1, peak=900, std="1s")
    assert peak_rate(plan(scenario("a", burst, duration=3600 * 24))) > 800


def test_a_part_of_a_plan_counts_its_share():
    whole = plan(scenario("a", shapes.Constant(level=90)))
    assert peak_rate(whole.split(0, 3)) == pytest.approx(30)


@pytest.mark.parametrize(
    "other",
    [
        scenario("closed", shapes.Constant(level=90), model="closed"),
        scenario("jobs", shapes.Constant(level=90), kind="model_runner"),
        scenario("own", shapes.Constant(level=90), kind="package.module:Own"),
        Scenario(name="class", user=object, shape=shapes.Constant(level=90), duration=1),
    ],
    ids=lambda one: one.name,
)
def test_what_is_no_rate_of_http_requests_is_left_out(other):
    assert peak_rate(plan(other)) == 0
    assert peak_rate(plan(other, scenario("a", shapes.Constant(level=5), kind="edge"))) == 5


def test_a_plan_beyond_the_certified_rate_is_warned_of_in_one_sentence():
    advice = judge_peak(40_000, certificate(21_000))
    text = (
        "the plan peaks at 40,000/s; this machine was certified for 21,000/s on 2026-11-28; "
        "use more processes or a lower rate"
    )
    assert advice == ("warning", text)


def test_beyond_half_of_it_there_is_a_milder_note():
    advice = judge_peak(15_000, certificate(20_000))
    assert advice is not None
    assert advice.level == "info"
    assert "75.0 % of what is possible here" in advice.text


@pytest.mark.parametrize("peak", [0, 9_999, 10_000])
def test_below_there_is_nothing_to_say(peak):
    assert judge_peak(peak, certificate(20_000)) is None


def test_without_a_certificate_nothing_is_said():
    assert advice_for(plan(scenario("a", shapes.Constant(level=100_000), duration=1))) == []


def test_a_certificate_of_another_machine_is_a_note_and_no_warning():
    write_certificate(certificate(1, host="elsewhere"), certificate_path())
    (advice,) = advice_for(plan(scenario("a", shapes.Constant(level=100))))
    assert advice.level == "info"
    assert "of another machine (elsewhere" in advice.text
    assert advice.text.endswith("make a new one with: asyncload calibrate")


def test_so_is_a_damaged_one():
    certificate_path().parent.mkdir()
    certificate_path().write_text("{")
    (advice,) = advice_for(plan(scenario("a", shapes.Constant(level=100))))
    assert advice.level == "info"
    assert "damaged" in advice.text


def test_a_shape_that_raises_is_no_business_of_the_certificate():
    class Wrong:
        def level(self, t):
            raise RuntimeError("no level today")

        def area(self, t):
            return 5.0 * t

    write_certificate(certificate(), certificate_path())
    assert advice_for(plan(scenario("a", Wrong()))) == []


def test_reading_it_costs_less_than_a_millisecond():
    write_certificate(certificate(), certificate_path())
    nothing = plan(scenario("a", shapes.Constant(level=5), model="closed"))
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        advice_for(nothing)
        times.append(time.perf_counter() - begun)
    assert min(times) < 1e-3
