"""Settings of the embedded stack are checked, and say what is wrong."""

import msgspec
import pytest

from asyncload.local.settings import RATES, LocalSettings, ServiceTime
from asyncload.local.stack.protocol import ModelRunnerOrder, decode, encode
from asyncload.plan.duration import Duration, dec_hook


def convert(values):
    return msgspec.convert(values, LocalSettings, dec_hook=dec_hook)


def test_the_defaults_are_a_service_without_surprises():
    settings = convert({})
    assert settings.service_time.distribution == "lognormal"
    assert settings.service_time.mean == 0.25
    assert all(getattr(settings, name) == 0 for name in RATES)


def test_durations_are_read_as_people_write_them():
    settings = convert({"service_time": {"mean": "150ms", "distribution": "constant"}})
    assert settings.service_time == ServiceTime(mean=Duration(0.15), distribution="constant")


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused_by_name(name, value):
    with pytest.raises(msgspec.ValidationError, match=f"{name} is .*share from 0 to 1"):
        convert({name: value})


@pytest.mark.parametrize("name", ["failure", "duplicate", "lost", "unreadable", "foreign"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_so_is_one_of_asynchronous_inference(name, value):
    with pytest.raises(msgspec.ValidationError, match=f"{name}_rate is .*share from 0 to 1"):
        convert({"async_inference": {f"{name}_rate": value}})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"workers": 0}, "workers is 0; give a whole number from 1 to 10000"),
        ({"async_inference": {"workers": 0}}, "workers is 0; give a whole number from 1 to 10000"),
        ({"images": -1}, "images is -1; give a whole number from 0 to 1000"),
        ({"seed": -1}, "seed is -1; give a whole number of 0 or more"),
        ({"failure_rate": 0.7, "partial_rate": 0.4}, "add up to more than 1"),
        ({"service_time": {"sigma": 9}}, "sigma is 9; give a number from 0 to 5"),
        ({"service_time": {"mean": "soon"}}, "'soon' is not a duration"),
        ({"worker": 3}, "unknown field `worker`"),
        ({"sagemaker": {"workers": 0}}, "workers is 0; give a whole number from 1 to 10000"),
        ({"sagemaker": {"failure_rate": 2}}, "failure_rate is 2; give a share from 0 to 1"),
        ({"sagemaker": {"stream_parts": 0}}, "stream_parts is 0; give a whole number from 1"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(values, sentence):
    with pytest.raises(msgspec.ValidationError, match=sentence):
        convert(values)


def test_settings_reach_the_child_process_unchanged():
    order = ModelRunnerOrder(
        endpoint_url="http://127.0.0.1:1",
        region="us-west-2",
        settings=LocalSettings(workers=7, service_time=ServiceTime(mean=Duration("90s"))),
        truth_log="truth.jsonl",
    )
    line = encode(order)
    assert line.count(b"\n") == 1
    assert decode(line, ModelRunnerOrder) == order
