import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.plan import CustomRamp, FunctionShape, PeriodicBurst, Ramp, Shape, shape_from

MODULE = """
import numpy as np

def wave(t):
    return 5 + 3 * np.sin(t)

def scaled(height, offset=0.0):
    return lambda t: height * t + offset

class Flat:
    def __init__(self, height=2.0):
        self.height = height
    def level(self, t):
        return np.full_like(t, self.height)
    def area(self, t):
        return self.height * t
    def end(self):
        return 12.0

ready = Flat(7.0)
number = 42

def needs_text(text):
    return text.upper()
"""


@pytest.fixture
def my_shapes(tmp_path, monkeypatch):
    (tmp_path / "my_shapes_for_test.py").write_text(MODULE)
    (tmp_path / "my_broken_shapes_for_test.py").write_text("import no_such_library_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "my_shapes_for_test"


def test_a_smooth_function_is_integrated_to_its_closed_form():
    wave = FunctionShape(lambda t: 5 + 3 * np.sin(t), "wave", 1000.0)
    t = np.linspace(0, 1000, 20_001)[1:]
    np.testing.assert_allclose(wave.area(t), 5 * t + 3 * (1 - np.cos(t)), rtol=1e-9)
    assert float(wave.area(0.0)) == 0


@pytest.mark.parametrize(
    "closed",
    [
        PeriodicBurst(20, 0, 20),
        PeriodicBurst(7.3, 1, 50, mean=0.0, std=2.0),
        Ramp(40, 1, 7.77),
        CustomRamp(levels=(3, 0, 0, 11, 0.5), every=math.pi),
        CustomRamp(stages=((0, 100.003), (5, 0.3), (0, 20), (1, 7))),
    ],
    ids=["burst", "sawtooth", "stairs", "gaps", "pulse"],
)
def test_bursts_steps_and_gaps_are_integrated_to_their_closed_form(closed):
    shape = FunctionShape(closed.level, "closed", 300.0)
    t = np.linspace(0, 300, 10_001)[100:]
    np.testing.assert_allclose(shape.area(t), closed.area(t), rtol=1e-9, atol=1e-9)


def test_kinks_at_level_zero_are_integrated():
    shape = FunctionShape(lambda t: np.maximum(0.0, np.sin(t)), "half waves", 630.0)
    periods = np.arange(1, 101)
    np.testing.assert_allclose(shape.area(2 * np.pi * periods), 2.0 * periods, rtol=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(min_value=0.01, max_value=99.9), min_size=1, max_size=8))
def test_a_step_is_found_wherever_it_stands(places):
    steps = np.sort(places)
    shape = FunctionShape(lambda t: 1.0 + np.searchsorted(steps, t, side="right"), "steps", 100.0)
    t = np.linspace(1, 100, 500)
    expected = t + np.sum(np.maximum(0, t[:, None] - steps), axis=1)
    np.testing.assert_allclose(shape.area(t), expected, rtol=1e-9)


def test_area_never_falls():
    shape = FunctionShape(lambda t: np.floor(t / 3) % 3, "stairs", 100.0)
    assert np.all(np.diff(shape.area(np.linspace(0, 100, 100_001))) >= 0)


def test_beyond_the_horizon_the_area_goes_on():
    shape = FunctionShape(lambda t: 2 * t, "slope", 10.0)
    np.testing.assert_allclose(shape.area([5.0, 10.0, 20.0]), [25, 100, 400], rtol=1e-9)
    assert shape.area(np.array([])).shape == (0,)
    assert shape.area(np.ones((2, 3))).shape == (2, 3)


def test_within_the_horizon_the_function_is_not_called_again():
    calls = []

    def counted(t):
        calls.append(t.size)
        return np.ones_like(t)

    shape = FunctionShape(counted, "counted", 10.0)
    before = len(calls)
    assert float(shape.area(10.0)) == pytest.approx(10)
    assert len(calls) == before


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda t: t - 5, r"mine returned -5 at t = 0 s; a level is"),
        (lambda t: np.where(t > 3, np.nan, 1), r"mine returned nan at t = 3"),
        (lambda t: np.where(t > 3, np.inf, 1), r"mine returned inf at t = 3"),
        (lambda t: 5.0, r"mine returned levels of shape \(\)"),
        (lambda t: np.ones(len(t) + 1), r"mine returned levels of shape \(2,\) .* same length"),
        (lambda t: None, "mine (failed|returned)"),
        (lambda t: 1 / 0, "mine failed at t = 0 to 0 s .ZeroDivisionError"),
        (lambda t: 1 if t < 5 else 2, "mine"),
        (lambda t: np.random.default_rng(t.size).random(t.size), "too irregular .* noise"),
    ],
)
def test_a_function_that_gives_no_levels_is_refused_by_name_and_time(function, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FunctionShape(function, "mine", 10.0)


def test_a_plain_name_makes_a_shape_of_a_function(my_shapes):
    for spec in (f"{my_shapes}:wave", {"kind": f"{my_shapes}:wave"}):
        shape = shape_from(spec, horizon=10.0)
        assert isinstance(shape, FunctionShape)
        assert float(shape.level(0.0)) == 5
        assert float(shape.area(2 * math.pi)) == pytest.approx(10 * math.pi)


def test_a_function_can_go_to_another_process(my_shapes):
    shape = shape_from(f"{my_shapes}:wave", horizon=10.0)
    copy = pickle.loads(pickle.dumps(shape))
    assert copy.area([1.0, 9.0]).tolist() == shape.area([1.0, 9.0]).tolist()


def test_with_options_the_named_object_is_called(my_shapes):
    shape = shape_from({"kind": f"{my_shapes}:scaled", "height": 3, "offset": 1}, horizon=5.0)
    np.testing.assert_allclose(shape.area([2.0]), [8.0], rtol=1e-9)
    flat = shape_from({"kind": f"{my_shapes}:Flat", "height": 4}, horizon=5.0)
    assert flat.area(np.array([2.0])).tolist() == [8.0]


def test_an_object_that_is_a_shape_is_used_as_it_is(my_shapes):
    ready = shape_from(f"{my_shapes}:ready", horizon=None)
    assert isinstance(ready, Shape)
    assert not isinstance(ready, FunctionShape)
    assert ready.level(np.array([1.0])).tolist() == [7.0]
    assert shape_from(f"{my_shapes}:Flat", horizon=None).height == 2.0


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("MODULE:wav", "no 'wav' in .* did you mean 'wave'"),
        ("MODULE:Flat.nothing", "no 'nothing' in 'Flat'"),
        ("MODULE:", "no '' in"),
        ("no_such_module_anywhere:f", "module 'no_such_module_anywhere' cannot be imported"),
        ("my_broken_shapes_for_test:f", "cannot be imported .*no_such_library_anywhere"),
        (":f", "module '' cannot be imported"),
        ("MODULE:number", "gave 42; it must be a function"),
        ({"kind": "MODULE:number", "x": 1}, "cannot be called, so it takes no options; .* x"),
        ({"kind": "MODULE:scaled", "hight": 1}, "could not be made with the options .*hight"),
        ({"kind": "MODULE:needs_text", "text": "a"}, "gave 'A'; it must be a function"),
    ],
)
def test_a_name_that_leads_to_no_shape_is_refused(my_shapes, spec, sentence):
    if isinstance(spec, str):
        spec = spec.replace("MODULE", my_shapes)
    else:
        spec = spec | {"kind": spec["kind"].replace("MODULE", my_shapes)}
    with pytest.raises(ConfigError, match=sentence):
        shape_from(spec, horizon=5.0)
