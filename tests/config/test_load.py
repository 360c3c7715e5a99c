"""Config files: what they may hold, and what is said of what they may not."""

import copy
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.config.load import config_from, load_config
from asyncload.errors import ConfigError
from asyncload.plan.plan import UserSpec

pytestmark = pytest.mark.slow

BASE = """
scenarios:
  - name: jobs
    load: {shape: {kind: constant, level: 2}, duration: 5s}
    user: {kind: model_runner}
"""
PLAIN = {
    "scenarios": [
        {
            "name": "jobs",
            "load": {"shape": {"kind": "constant", "level": 2}, "duration": "5s"},
            "user": {"kind": "model_runner"},
        }
    ]
}


@pytest.fixture
def load(tmp_path):
    """Load a config given as text; ``--set`` texts and environment variables beside it."""

    def from_text(text=BASE, *overrides, **environment):
        path = tmp_path / "test.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, overrides=overrides, environment=environment)

    return from_text


def refusal(load, *overrides, **environment):
    """The sentence with which a config is refused, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load(BASE, *overrides, **environment)
    file, _, sentence = str(caught.value).partition(": ")
    assert file.endswith("test.yaml")
    return sentence


# -- what a config gives ------------------------------------------------------------

SHAPES = {
    "constant": ("{kind: constant, level: 3}", 4.0, 3.0, None),
    "ramp": ("{kind: ramp, max: 12, step: 5, every: 10s}", 15.0, 10.0, 30.0),
    "levels": ("{kind: custom_ramp, levels: [1, 2, 5], every: 10}", 25.0, 5.0, 30.0),
    "stages": ("{kind: custom_ramp, stages: [[1, 10s], [4, 1m]]}", 12.0, 4.0, 70.0),
    "linear": ("{kind: linear, start: 0, end: 10, over: 20s}", 5.0, 2.5, 20.0),
    "spawn": ("{kind: spawn, users: 10, spawn_rate: 2}", 3.0, 6.0, None),
    "burst": ("{kind: periodic_burst, period: 20s, min: 2, peak: 20}", 10.0, 20.0, None),
    "burst placed": (
        "{kind: periodic_burst, period: 20s, min: 2, peak: 20, mean: 5s, std: 1s}",
        25.0, 20.0, None,
    ),
    "function": ("test_shapes_of_mine:double", 3.0, 6.0, None),
    "factory": ("{kind: 'test_shapes_of_mine:times', factor: 3}", 3.0, 9.0, None),
}  # fmt: skip


@pytest.mark.parametrize(("shape", "t", "level", "end"), SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_can_be_configured(load, tmp_path, shape, t, level, end):
    (tmp_path / "test_shapes_of_mine.py").write_text(
        "def double(t): return 2 * t\ndef times(factor): return lambda t: factor * t\n"
    )
    config = load(
        BASE, f"scenarios.0.load.shape={shape}", f"scenarios.0.load.duration={end or '30s'}"
    )
    scenario = config.plan.scenarios[0]
    assert scenario.shape.level(np.array([t]))[0] == pytest.approx(level)
    assert scenario.end == (end or 30.0)


@pytest.mark.parametrize(
    ("shape", "end"),
    [
        ("{kind: ramp, max: 12, step: 5, every: 10s}", 30.0),
        ("{kind: custom_ramp, stages: [[1, 10s], [4, 1m]]}", 70.0),
        ("{kind: linear, start: 0, end: 10, over: 20s}", 20.0),
    ],
)
def test_without_a_duration_the_load_ends_where_its_shape_does(load, shape, end):
    config = load(BASE, f"scenarios.0.load={{shape: {shape}}}")
    assert config.plan.scenarios[0].end == end
    assert config.resolved["scenarios"][0]["load"]["duration"] == end


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("20", 20), ("2.5", 2.5), ("250ms", 0.25), ("20s", 20), ("10m", 600), ("2h", 7200),
     ("1m30s", 90), ("'45'", 45), ("1e2", 100)],
)  # fmt: skip
def test_durations_are_read_in_every_form(load, written, seconds):
    config = load(BASE, f"scenarios.0.load.duration={written}", f"drain={written}")
    assert config.plan.scenarios[0].end == seconds
    assert config.plan.drain == seconds


def test_defaults_are_those_of_the_docs(load):
    config = load()
    scenario = config.plan.scenarios[0]
    assert (config.plan.name, config.plan.seed, config.plan.drain) == ("run", 0, 30.0)
    assert config.stats_interval == 30.0
    assert (scenario.model, scenario.arrivals, scenario.max_in_flight) == ("open", "even", 10_000)
    assert scenario.user == UserSpec("model_runner", {})
    assert config.aws.endpoint_url is None
    assert config.thresholds == ()
    assert config.log == "logs/run.jsonl"


def test_a_user_may_be_given_by_its_kind_alone(load):
    config = load(BASE, "scenarios.0.user=model_runner")
    assert config.plan.scenarios[0].user == UserSpec("model_runner", {})


def test_a_scenario_without_a_name_is_called_by_its_number(load):
    config = load(BASE, "scenarios=[{load: {shape: {kind: constant, level: 1}, duration: 1}, "
                        "user: a:B}, {load: {shape: {kind: constant, level: 1}, duration: 1}, "
                        "user: a:B}]")  # fmt: skip
    assert [scenario.name for scenario in config.plan.scenarios] == ["scenario-0", "scenario-1"]


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 + 1])
def test_any_seed_of_0_or_more_gives_due_times(load, seed):
    config = load(BASE, f"seed={seed}", "scenarios.0.load.arrivals=poisson")
    assert config.plan.seed == seed
    assert len(config.plan.scenarios[0].due_times(config.plan.seed)) > 0


def test_two_scenarios_that_share_a_load_by_an_anchor_are_changed_one_by_one(load):
    text = """
scenarios:
  - {name: a, user: x:A, load: &load {shape: {kind: constant, level: 1}, duration: 5s}}
  - {name: b, user: x:B, load: *load}
  - {name: c, user: x:C, load: {<<: *load, duration: 7s}}
"""
    config = load(text, "scenarios.a.load.duration=9s", "scenarios.0.load.shape.level=4")
    assert [scenario.end for scenario in config.plan.scenarios] == [9.0, 5.0, 7.0]
    assert [scenario.level_at(1.0) for scenario in config.plan.scenarios] == [4.0, 1.0, 1.0]


# -- what a config refuses ----------------------------------------------------------

REFUSALS = {
    # unknown keys, at every level
    "thresholdz=[]": "thresholdz: there is no such key; did you mean 'thresholds'?",
    "zzz=1": "zzz: there is no such key; allowed here: scenarios, name, seed, aws, local, drain, "
             "stats_interval, thresholds, warmup, connections, probe, validity, inconclusive, log, log_mode, prices, max_requests, max_cost, monitor",
    "aws.reigon=x": "aws.reigon: there is no such key; did you mean 'region'?",
    "scenarios.0.nme=x": "scenarios.0.nme: there is no such key; did you mean 'name'?",
    "scenarios.0.load.duratoin=3":
        "scenarios.0.load.duratoin: there is no such key; did you mean 'duration'?",
    "scenarios.jobs.load.shape.lvel=3":
        "scenarios.0.load.shape.lvel: there is no such key; did you mean 'level'?",
    "local.wrkers=3": "local.wrkers: there is no such key; did you mean 'workers'?",
    "local.service_time.men=3":
        "local.service_time.men: there is no such key; did you mean 'mean'?",
    # the interval of reports
    "stats_interval=0": "stats_interval: is 0; give a time over 0, such as 30s",
    # missing keys
    "scenarios.0={}": "scenarios.0.load: is missing; add it",
    "scenarios.0.load={}": "scenarios.0.load.shape: is missing; add it",
    "scenarios.0.load.shape={kind: constant}": "scenarios.0.load.shape.level: is missing; add it",
    "scenarios.0.user={}": "scenarios.0.user.kind: is missing; name a kind such as model_runner, "
                           "or package.module:Class",
    "scenarios.0.load.duration=null":
        "scenarios.0.load.duration: is missing; this shape has no end of its own, so say how "
        "long, such as 60s",
    # empty keys
    "aws=": "aws: is empty; give keys and values, or leave the key out",
    "name=": "name: is empty; give a text, or leave the key out",
    "scenarios.0.load=": "scenarios.0.load: is empty; give keys and values",
    "scenarios.0.user=": "scenarios.0.user: is empty; give a text or keys and values",
    "scenarios=[]": "scenarios: is empty; give at least one scenario",
    # wrong types
    "seed=abc": "seed: expected a whole number, got 'abc'",
    "seed=1.5": "seed: expected a whole number, got 1.5",
    "seed=true": "seed: expected a whole number, got true",
    "seed='x'": "seed: expected a whole number, got 'x'",
    "name=1.5": "name: expected a text, got 1.5; put it in quotes",
    "name=false": "name: expected a text, got false; put it in quotes",
    "aws=5": "aws: expected keys and values, got 5",
    "thresholds=a < 1": "thresholds: expected a list, got 'a < 1'; write [a < 1]",
    "scenarios='a\n\nb'": "scenarios: expected a list, got 'a\\nb'",
    "scenarios=5": "scenarios: expected a list, got 5",
    "scenarios=[5]": "scenarios.0: expected keys and values, got 5",
    "scenarios.0.load.shape=5":
        "scenarios.0.load.shape: expected a text or keys and values, got 5",
    "scenarios.0.load.shape.level=x": "scenarios.0.load.shape.level: expected a number, got 'x'",
    "scenarios.0.load.shape={kind: custom_ramp, stages: [[1]]}":
        "scenarios.0.load.shape.stages.0: expected a list of length 2, got [1]",
    # wrong values
    "seed=-1": "seed: is -1; give a whole number of 0 or more",
    "scenarios.0.load.duration=0":
        "scenarios.0.load.duration: is 0; give a time over 0, such as 60s",
    "scenarios.0.load.max_in_flight=0":
        "scenarios.0.load.max_in_flight: is 0; give a whole number of 1 or more",
    "scenarios.0.load={model: closed, shape: {kind: constant, level: 1}, max_in_flight: 9}":
        "scenarios.0.load.max_in_flight: is 9, and nothing is due beforehand in the closed model; "
        "leave max_in_flight out, or set model: open",
    "scenarios.0.load={model: closed, shape: {kind: constant, level: 1}, arrivals: even}":
        "scenarios.0.load.arrivals: is 'even', and nothing is due beforehand in the closed model; "
        "leave arrivals out, or set model: open",
    "scenarios.0.load.model=opn":
        "scenarios.0.load.model: 'opn' is not one of closed, open; did you mean 'open'?",
    "scenarios.0.load.arrivals=often":
        "scenarios.0.load.arrivals: 'often' is not one of even, poisson",
    "scenarios.0.load.shape.level=-1":
        "scenarios.0.load.shape.level: must be a finite number of 0 or more, not -1",
    "scenarios.0.load.shape.level=.inf":
        "scenarios.0.load.shape.level: must be a finite number of 0 or more, not inf",
    "scenarios.0.load.shape={kind: periodic_burst, period: 0, min: 1, peak: 2}":
        "scenarios.0.load.shape.period: must be a finite number over 0, not 0",
    "scenarios.0.load.shape={kind: periodic_burst, period: 9, min: 1, peak: 2, std: 0}":
        "scenarios.0.load.shape.std: must be a finite number over 0, not 0",
    "scenarios.0.load.shape={kind: custom_ramp, levels: [], every: 1}":
        "scenarios.0.load.shape.levels: must not be empty; give at least one",
    "local.workers=0": "local.workers: is 0; give a whole number from 1 to 10000",
    "local.failure_rate=2": "local.failure_rate: is 2; give a share from 0 to 1",
    "aws.endpoint_url=localhost:9324":
        "aws.endpoint_url: is 'localhost:9324'; give 'local' or a URL such as "
        "http://localhost:9324",
    "aws.endpoint_url=http://localhost:99999":
        "aws.endpoint_url: is 'http://localhost:99999'; give 'local' or a URL such as "
        "http://localhost:9324",
}  # fmt: skip


@pytest.mark.parametrize("override", REFUSALS)
def test_what_is_wrong_is_named_with_its_key_value_and_remedy(load, override):
    assert refusal(load, override) == REFUSALS[override]


@pytest.mark.parametrize("written", ["-5s", "abc", "1x", "", "[5]", "true", ".nan", "-1"])
@pytest.mark.parametrize("key", ["scenarios.0.load.duration", "drain"])
def test_what_is_no_duration_is_refused_with_an_example(load, key, written):
    if key != "drain" and not written:
        pytest.skip("an empty duration is left to the shape")
    sentence = refusal(load, f"{key}={written}")
    assert sentence.startswith(f"{key}: ")
    assert "is not a duration; give seconds as a number of 0 or more, or a text such as" in sentence


def test_an_unknown_kind_of_shape_is_met_with_the_nearest_and_with_all(load):
    sentence = refusal(load, "scenarios.0.load.shape={kind: constnt}")
    assert sentence.startswith("scenarios.0.load.shape: there is no shape of kind 'constnt'; "
                               "did you mean 'constant'?")  # fmt: skip
    assert "periodic_burst" in sentence


def test_a_shape_function_that_is_not_there_is_named(load):
    sentence = refusal(load, "scenarios.0.load.shape=no_such_module:f")
    assert sentence.startswith("scenarios.0.load.shape: shape no_such_module:f: ")


def test_a_load_with_more_arrivals_than_memory_is_refused(load):
    sentence = refusal(load, "scenarios.0.load.shape.level=1e12")
    assert sentence.startswith("scenarios.0.load: its shape makes 5e+12 arrivals in 5 s")
    assert "lower" in sentence


def test_numbers_that_overflow_are_refused(load):
    shape = "{kind: ramp, max: 1e308, step: 1e-308, every: 1}"
    assert "too large or too small" in refusal(load, f"scenarios.0.load.shape={shape}")


def test_two_scenarios_of_one_name_are_refused(load):
    text = BASE + BASE.partition("scenarios:\n")[2]
    with pytest.raises(ConfigError, match="2 scenarios have the name 'jobs'; names must differ"):
        load(text)


def test_an_empty_name_is_refused(load):
    assert "empty name" in refusal(load, "scenarios.0.name=''")
    assert "name of the plan is empty" in refusal(load, "name=''")


def test_a_whole_number_may_be_a_name(load):
    """AWS profiles are often called by the number of their account."""
    config = load(BASE, "aws.profile=123456789012", "name=7", "scenarios.0.name=42")
    assert (config.aws.profile, config.plan.name) == ("123456789012", "7")
    assert config.plan.scenarios[0].name == "42"


# -- the environment ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "environment", "value"),
    [
        ("${NAME}", {"NAME": "x"}, "x"),
        ("a-${NAME}-b", {"NAME": "x"}, "a-x-b"),
        ("${A}${B}", {"A": "x", "B": "y"}, "xy"),
        ("${NAME:-d}", {}, "d"),
        ("${NAME:-d}", {"NAME": ""}, "d"),
        ("${NAME:-d}", {"NAME": "x"}, "x"),
        ("a${NAME:-}", {}, "a"),
        ("a${NAME}", {"NAME": ""}, "a"),
        ("${NAME:-a b:c}", {}, "a b:c"),
        ("$${NAME}", {"NAME": "x"}, "${NAME}"),
        ("$$${NAME}", {"NAME": "x"}, "$${NAME}"),
        ("$NAME {x} $", {}, "$NAME {x} $"),
        ("${NAME}", {"NAME": "$${X} ${Y}"}, "$${X} ${Y}"),
        ("${NAME}", {"NAME": "a # b"}, "a # b"),
        ("${NAME}", {"NAME": "&a b"}, "&a b"),
        ("${NAME}", {"NAME": "{a: 1}"}, "{a: 1}"),
        ("${NAME}", {"NAME": "no"}, "no"),
        ("${NAME}", {"NAME": "'1.10'"}, "'1.10'"),
        ("${NAME}", {"NAME": "0123"}, "0123"),
    ],
)
def test_variables_are_put_in(load, written, environment, value):
    config = load(BASE, f"scenarios.0.user.option='{written}'", **environment)
    assert config.plan.scenarios[0].user.options["option"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("1.5", 1.5), ("1e3", 1000.0), ("true", True), ("false", False),
     ("null", None), ("", None), ("x5", "x5"), ("5 ", "5 "), ("1_000", "1_000"), ("on", "on"),
     ("2024-01-01", "2024-01-01"), ("1:30", "1:30"), ("<<", "<<"), ("=", "=")],
)  # fmt: skip
def test_a_variable_that_is_the_whole_value_has_the_type_it_reads_as(load, text, value):
    config = load(BASE, "scenarios.0.user.option=${NAME}", NAME=text)
    found = config.plan.scenarios[0].user.options["option"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["12", "1e5", "1.10", "true", "null", "-0", ".5", "0012", "[1]"])
def test_a_variable_in_quotes_is_a_text_whatever_it_looks_like(load, text):
    config = load(BASE, "scenarios.0.user.option={a: ['${NAME}', \"${NAME}\"]}", NAME=text)
    assert config.plan.scenarios[0].user.options["option"] == {"a": [text, text]}


def test_numbers_from_variables_in_quotes_fit_their_keys(load):
    config = load(
        BASE,
        "seed='${SEED}'", "scenarios.0.load.shape.level='${LEVEL}'",
        "scenarios.0.load.duration='${DURATION}'", "scenarios.0.load.precise='${PRECISE}'",
        SEED="7", LEVEL="1e1", DURATION="90", PRECISE="true",
    )  # fmt: skip
    (scenario,) = config.plan.scenarios
    assert (config.plan.seed, scenario.level_at(0), scenario.end) == (7, 10, 90)
    assert scenario.precise is True


def test_numbers_and_texts_from_the_environment_fit_their_keys(load):
    config = load(
        BASE,
        "seed=${SEED}", "name=${NAME}", "scenarios.0.load.shape.level=${LEVEL}",
        "scenarios.0.load.duration=${DURATION}", "aws.profile=${PROFILE}",
        SEED="7", NAME="12", LEVEL="2.5", DURATION="90", PROFILE="123456789012",
    )  # fmt: skip
    assert (config.plan.seed, config.plan.name) == (7, "12")
    assert config.plan.scenarios[0].level_at(0) == 2.5
    assert config.plan.scenarios[0].end == 90
    assert config.aws.profile == "123456789012"


def test_a_variable_that_is_not_set_is_named_with_its_key(load):
    assert refusal(load, "scenarios.0.user.images=s3://${BUCKET}/x") == (
        "scenarios.0.user.images: the environment variable BUCKET is not set; "
        "set it, or write ${BUCKET:-default}"
    )


@pytest.mark.parametrize("written", ["${NAME-x}", "${NAME", "${1X}", "${}", "${A:-${B}}", "a ${ b"])
def test_a_variable_that_is_not_written_right_is_not_passed_on_as_text(load, written):
    sentence = refusal(load, f"name='{written}'", NAME="x", B="y")
    assert sentence.startswith(f"name: {written!r} has a ${{ that begins no variable; ")
    assert "${NAME:-default}" in sentence


def test_a_key_that_is_overridden_needs_no_variable(load):
    text = BASE + "name: ${NOT_SET}\n"
    assert load(text, "name=x").plan.name == "x"


def test_the_environment_is_that_of_the_process_by_default(tmp_path, monkeypatch):
    path = tmp_path / "test.yaml"
    path.write_text(BASE + "name: ${ASYNCLOAD_TEST_NAME}\n")
    monkeypatch.setenv("ASYNCLOAD_TEST_NAME", "outside")
    assert load_config(path).plan.name == "outside"


# -- --set --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", "seed", 7),
        (" seed =7", "seed", 7),
        ("name=a=b", "name", "a=b"),
        ("name=a # b", "name", "a # b"),
        ("name=#1", "name", "#1"),
        ("name=@x", "name", "@x"),
        ("name=a: b: c", "name", "a: b: c"),
        ("name=no", "name", "no"),
        ("name='5'", "name", "5"),
        ("drain=1m", "drain", 60.0),
        ("drain=unlimited", "drain", "unlimited"),
        ("stats_interval=5s", "stats_interval", 5.0),
        ("aws.region=eu-west-1", "aws.region", "eu-west-1"),
        ("aws={region: x}", "aws.region", "x"),
        ("aws.endpoint_url=", "aws.endpoint_url", None),
        ("thresholds=[request.error_rate < 1%]", "thresholds", ["request.error_rate < 1%"]),
        ("local.service_time.mean=1s", "local.service_time.mean", 1.0),
        ("scenarios.0.load.duration=10s", "scenarios.0.load.duration", 10.0),
        ("scenarios.jobs.load.duration=10s", "scenarios.0.load.duration", 10.0),
        ("scenarios.0.name=x", "scenarios.0.name", "x"),
        ("scenarios.0.user.model_parameters.a.b=3", "scenarios.0.user.model_parameters.a.b", 3),
        ("scenarios.0.user.list=[1, two]", "scenarios.0.user.list", [1, "two"]),
    ],
)
def test_set_puts_a_value_at_any_key(load, override, path, value):
    found = load(BASE, override).resolved
    for key in path.split("."):
        found = found[int(key)] if key.isdigit() else found[key]
    assert found == value


def test_set_fills_a_key_that_the_file_left_empty(load):
    config = load(BASE + "aws:\n", "aws.region=eu-west-1")
    assert config.aws.region == "eu-west-1"


def test_the_last_of_two_sets_wins(load):
    assert load(BASE, "seed=1", "seed=2").plan.seed == 2


SET_REFUSALS = {
    "seed": "--set 'seed': write KEY=VALUE, such as scenarios.0.load.duration=10s",
    "=5": "--set '=5': write KEY=VALUE, such as scenarios.0.load.duration=10s",
    "a..b=1": "--set 'a..b=1': write KEY=VALUE, such as scenarios.0.load.duration=10s",
    "scenarios.9.name=x": "--set scenarios.9.name: scenarios has no '9'; use 0, or a name: jobs",
    "scenarios.job.name=x":
        "--set scenarios.job.name: scenarios has no 'job'; use 0, or a name: jobs",
    "scenarios.-1.name=x": "--set scenarios.-1.name: scenarios has no '-1'; use 0, or a name: jobs",
    "scenarios.².name=x": "--set scenarios.².name: scenarios has no '²'; use 0, or a name: jobs",
    "scenarios.0.name.x=1":
        "--set scenarios.0.name.x: scenarios.0.name is a single value and has no key 'x'; "
        "set scenarios.0.name as a whole, or write it as keys and values in the file",
}  # fmt: skip


@pytest.mark.parametrize("override", SET_REFUSALS)
def test_a_set_that_leads_nowhere_says_what_there_is(load, override):
    assert refusal(load, override) == SET_REFUSALS[override]


# -- properties ---------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.dates() | st.binary(max_size=4)
    | st.sampled_from(["${X}", "${", "1e999", "5s", "-1", "local", "open", "a:b", "\ud800"])
)  # fmt: skip
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=6,
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 1e300, 1e-300, "5s", "1ms", None])
fields = st.sampled_from([
    "level", "max", "step", "every", "levels", "stages", "start", "end", "over", "users",
    "spawn_rate", "period", "min", "peak", "mean", "std",
])  # fmt: skip
kinds = st.sampled_from(
    ["constant", "ramp", "custom_ramp", "linear", "spawn", "periodic_burst", "no", "math:sin"]
)
shapes = st.builds(
    lambda kind, given: {"kind": kind, **given},
    kinds,
    st.dictionaries(fields, numbers | st.lists(numbers, max_size=3) | junk, max_size=5),
)
loads = st.fixed_dictionaries(
    {"shape": shapes | junk},
    optional={
        "duration": numbers | junk,
        "model": st.sampled_from(["open", "closed"]) | junk,
        "arrivals": st.sampled_from(["even", "poisson"]) | junk,
        "max_in_flight": numbers | junk,
        "extra": junk,
    },
)
scenarios = st.fixed_dictionaries(
    {"load": loads | junk, "user": st.just({"kind": "model_runner"}) | junk},
    optional={"name": st.text() | junk},
)
configs = st.fixed_dictionaries(
    {"scenarios": st.lists(scenarios, max_size=3) | junk},
    optional={
        "name": st.text() | junk, "seed": numbers | junk, "aws": junk, "local": junk,
        "drain": numbers | junk, "stats_interval": numbers | junk,
        "thresholds": st.lists(st.text()) | junk, "log": junk,
    },
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(configs | st.dictionaries(scalars, junk, max_size=4))
def test_any_data_is_a_config_or_refused_in_one_sentence(raw):
    before = copy.deepcopy(raw)
    try:
        config = config_from(raw)
    except ConfigError as problem:
        sentence = str(problem)
        assert len(sentence) > 10
        assert "\n" not in sentence
        assert "Traceback" not in sentence
    else:
        json.loads(msgspec.json.encode(config.resolved))
    assert repr(raw) == repr(before), "the data given is left as it is"


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60) | st.text(alphabet="abk: -[]{}\n'\"&*!|>%@`#?,<$0.1e~\t", max_size=40))
def test_any_text_is_a_config_or_refused_in_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(ConfigError) as caught:  # no such text is a whole config
        load_config(path, environment={})
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value).removeprefix(str(path))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.text(alphabet="abcdefnolsu.0=-1²{}[]: ", max_size=25), max_size=3))
def test_any_set_is_taken_or_refused_in_one_sentence(tmp_path_factory, overrides):
    path = tmp_path_factory.getbasetemp() / "base.yaml"
    path.write_text(BASE)
    sentence = ""
    try:
        load_config(path, overrides=overrides, environment={})
    except ConfigError as problem:
        sentence = str(problem)
    assert "\n" not in sentence


names = st.text(min_size=1, max_size=12).filter(lambda text: "${" not in text and text.strip())
good_shapes = st.one_of(
    st.fixed_dictionaries({"kind": st.just("constant"), "level": st.floats(0, 1e3)}),
    st.fixed_dictionaries(
        {"kind": st.just("ramp"), "max": st.floats(1, 1e3), "step": st.floats(1, 1e3),
         "every": st.floats(0.1, 100)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("periodic_burst"), "period": st.floats(1, 100),
         "min": st.floats(0, 10), "peak": st.floats(10, 100)}
    ),
)  # fmt: skip
durations = st.floats(0.1, 1e4)
closed_loads = st.fixed_dictionaries(
    {"shape": good_shapes, "duration": durations, "model": st.just("closed")}
)
open_loads = st.fixed_dictionaries(
    {"shape": good_shapes, "duration": durations},
    optional={
        "model": st.just("open"),
        "arrivals": st.sampled_from(["even", "poisson"]),
        "max_in_flight": st.integers(1, 10**6),
        "precise": st.booleans(),
    },
)
good_scenarios = st.fixed_dictionaries(
    {
        "name": names,
        "load": open_loads | closed_loads,
        "user": st.fixed_dictionaries(
            {"kind": st.just("a:B")},
            optional={"option": st.integers() | names | st.lists(st.booleans())},
        ),
    }
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(good_scenarios, min_size=1, max_size=3, unique_by=lambda one: one["name"]),
    st.integers(0, 2**64),
    st.floats(0, 1e6) | st.just("unlimited"),
)
def test_what_is_resolved_is_the_same_config_again(parts, seed, drain):
    config = config_from({"scenarios": parts, "seed": seed, "drain": drain})
    again = config_from(json.loads(msgspec.json.encode(config.resolved)))
    assert again.resolved == config.resolved
    assert again.plan == config.plan


def test_a_config_that_holds_itself_is_refused():
    raw = copy.deepcopy(PLAIN)
    raw["scenarios"][0]["user"]["me"] = raw
    with pytest.raises(ConfigError, match="holds itself"):
        config_from(raw)


@pytest.mark.parametrize("mode", ["0600", 640, "0o600", "rw", "0440", "07777"])
def test_the_mode_of_the_log_is_what_chmod_takes_and_its_owner_can_use(mode):
    given = {**PLAIN, "log_mode": mode}
    if mode in {"0600", 640}:
        assert config_from(given).log_mode == str(mode)
        return
    with pytest.raises(ConfigError, match=r"^log_mode: is .* give what chmod takes"):
        config_from(given)
