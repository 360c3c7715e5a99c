import math
import pickle
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.plan import (
    SHAPES,
    Constant,
    CustomRamp,
    Linear,
    PeriodicBurst,
    Ramp,
    Shape,
    Spawn,
    Stages,
    dec_hook,
    end_of,
    shape_from,
)

pytestmark = pytest.mark.every_python


def shape(kind, **fields):
    return shape_from({"kind": kind, **fields}, horizon=None)


TABLES = [
    # shape, [(t, level, area)]
    (shape("constant", level=4), [(0, 4, 0), (2.5, 4, 10)]),
    (
        shape("ramp", max=5, step=2, every="10s"),
        [(0, 2, 0), (9.5, 2, 19), (10, 4, 20), (20, 5, 60), (29, 5, 105), (40, 5, 160)],
    ),
    (shape("ramp", max=1, step=2, every=10), [(0, 1, 0), (30, 1, 30)]),
    (
        shape("custom_ramp", levels=[1, 0, 3], every="2s"),
        [(0, 1, 0), (1, 1, 1), (2, 0, 2), (3, 0, 2), (4, 3, 2), (5, 3, 5), (10, 3, 20)],
    ),
    (
        shape("custom_ramp", stages=[[5, "1s"], [10, 2]]),
        [(0, 5, 0), (1, 10, 5), (3, 10, 25), (4, 10, 35)],
    ),
    (
        shape("linear", start=0, end=10, over="5s"),
        [(0, 0, 0), (2.5, 5, 6.25), (5, 10, 25), (7, 10, 45)],
    ),
    (shape("linear", start=8, end=0, over=4), [(0, 8, 0), (1, 6, 7), (4, 0, 16), (9, 0, 16)]),
    (shape("spawn", users=10, spawn_rate=2), [(0, 0, 0), (2, 4, 4), (5, 10, 25), (6, 10, 35)]),
    (shape("spawn", users=0, spawn_rate=2), [(0, 0, 0), (5, 0, 0)]),
]


@pytest.mark.parametrize(("given_shape", "rows"), TABLES)
def test_each_shape_has_the_levels_and_areas_of_its_table(given_shape, rows):
    t, level, area = np.array(rows, dtype=np.float64).T
    np.testing.assert_allclose(given_shape.level(t), level, rtol=1e-14)
    np.testing.assert_allclose(given_shape.area(t), area, rtol=1e-14)


@pytest.mark.parametrize(
    ("fields", "mean", "std"),
    [
        ({"period": "20s", "min": 2, "peak": 20}, 10.0, 2.0),
        ({"period": 600, "min": 5, "peak": 40}, 300.0, 60.0),
        ({"period": 60, "min": 0, "peak": 7.5, "mean": "15s", "std": 9}, 15.0, 9.0),
        ({"period": 30, "min": 1, "peak": 9, "mean": 0, "std": "500ms"}, 0.0, 0.5),
    ],
)
def test_a_periodic_burst_is_the_reference_formula_at_every_second(fields, mean, std):
    burst = shape("periodic_burst", **fields)
    period = {"20s": 20}.get(fields["period"], fields["period"])
    seconds = np.arange(2 * period + 1, dtype=np.float64)
    expected = [
        fields["min"]
        + (fields["peak"] - fields["min"])
        * math.exp(-math.pi * ((second % period - mean) / std) ** 2)
        for second in range(2 * period + 1)
    ]
    np.testing.assert_allclose(burst.level(seconds), expected, rtol=1e-13)
    assert burst.level(mean) == fields["peak"]


def gauss_area(given_shape, t, panel):
    """Integral of the level from 0 to t, by Gauss-Legendre on fine panels."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(0, t, math.ceil(t / panel) + 1)
    half = np.diff(edges) / 2
    points = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    return math.fsum((given_shape.level(points) @ weights) * half)


@pytest.mark.parametrize(
    "burst",
    [
        PeriodicBurst(20, 2, 20),
        PeriodicBurst(20, 0, 20),
        PeriodicBurst(20, 0, 20, mean=3.0, std=4.0),
        PeriodicBurst(20, 0, 20, mean=20.0, std=1.0),
        PeriodicBurst(20, 0, 20, mean=0.0, std=100.0),
        PeriodicBurst(20, 0, 20, mean=12.0, std=5000.0),
    ],
)
@pytest.mark.parametrize("t", [1e-3, 0.7, 4.0, 10.0, 11.3, 20.0, 33.3, 100.0])
def test_the_area_of_a_burst_is_its_level_integrated(burst, t):
    # Panels meet the ends of the periods, where the level may jump.
    whole, rest = divmod(t, 20)
    expected = whole * gauss_area(burst, np.nextafter(20.0, 0), 0.05) + (
        gauss_area(burst, rest, 0.05) if rest else 0
    )
    assert float(burst.area(t)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("period", [0.125, 0.1, 1 / 3])
def test_the_area_of_a_burst_stays_exact_after_days_of_short_periods(period):
    burst = PeriodicBurst(period, 1, 9)
    one = gauss_area(burst, np.nextafter(period, 0), 0.001)
    for t in (86400.0, 30 * 86400 + 0.0625):
        whole, rest = divmod(Fraction(t), Fraction(period))
        expected = whole * one + (gauss_area(burst, float(rest), 0.001) if rest else 0)
        assert float(burst.area(t)) == pytest.approx(float(expected), rel=1e-12)


levels = st.just(0.0) | st.floats(min_value=1e-6, max_value=1e4)
positive = st.floats(min_value=1e-2, max_value=1e3)


@st.composite
def bursts(draw):
    period = draw(positive)
    low, high = sorted(draw(st.tuples(levels, levels)))
    mean = period * draw(st.floats(min_value=0, max_value=1))
    return PeriodicBurst(period, low, high, mean=mean, std=draw(positive))


any_shape = st.one_of(
    st.builds(Constant, levels),
    st.builds(Ramp, positive, positive, positive),
    st.builds(
        CustomRamp,
        stages=st.lists(st.tuples(levels, positive), min_size=1, max_size=6).map(tuple),
    ),
    st.builds(
        Stages,
        st.lists(st.tuples(levels, positive), min_size=1, max_size=6).map(tuple),
        st.sampled_from(["linear", "hold"]),
    ),
    st.builds(Linear, levels, levels, positive),
    st.builds(Spawn, levels, positive),
    bursts(),
)


@settings(deadline=None, max_examples=150)
@given(any_shape, st.floats(min_value=1e-3, max_value=1e5))
def test_area_starts_at_zero_never_falls_and_grows_with_the_level(given_shape, until):
    t = np.linspace(0, until, 2001)
    area, level = given_shape.area(t), given_shape.level(t)
    assert area[0] == 0
    assert np.all(level >= 0)
    highest = max(float(level.max()), highest_possible(given_shape))
    # Rounding: of the area so far, and of the area of a burst up to its peak.
    slack = 1e-12 * area[-1] + 1e-15 * highest * getattr(given_shape, "period", 0.0)
    assert np.all(np.diff(area) >= -slack)
    assert np.all(np.diff(area) <= highest * np.diff(t) * (1 + 1e-9) + slack)


def highest_possible(given_shape):
    if isinstance(given_shape, Stages):  # a corner may lie between two samples
        return max(level for level, _ in given_shape.stages)
    if isinstance(given_shape, CustomRamp):
        return max(level for level, _ in given_shape.stages)
    return given_shape.peak if isinstance(given_shape, PeriodicBurst) else 0.0


@settings(deadline=None, max_examples=100)
@given(any_shape, st.floats(min_value=1e-2, max_value=1e4))
def test_the_level_is_the_slope_of_the_area_wherever_both_are_smooth(given_shape, t):
    step = 1e-4 * max(t, 1e-2)
    grid = np.linspace(t - step, t + step, 33)
    level = given_shape.level(grid)
    if np.ptp(level) > 0.05 * level.max():
        return  # a step or a steep flank
    rise = np.diff(given_shape.area(grid[[0, -1]]))[0]
    noise = 1e-11 * float(given_shape.area(t)) + 1e-12
    assert level.min() * 2 * step * 0.99 - noise <= rise <= level.max() * 2 * step * 1.01 + noise


@settings(deadline=None, max_examples=60)
@given(any_shape, st.floats(min_value=0, max_value=1e4))
def test_numbers_arrays_and_tables_of_times_give_the_same_values(given_shape, t):
    for method in (given_shape.level, given_shape.area):
        one = method(t)
        assert np.shape(one) == ()
        assert method(np.array(t)) == one
        assert method([t, 0.0]).tolist() == [one, method(0.0)]
        assert method(np.full((2, 3), t)).shape == (2, 3)
        assert method(np.array([])).shape == (0,)
        assert np.asarray(one).dtype == np.float64


def test_shapes_with_a_last_change_have_an_end():
    assert end_of(shape("ramp", max=5, step=2, every="10s")) == 30
    assert end_of(shape("ramp", max=1.1, step=0.1, every=1)) == 11
    assert end_of(shape("custom_ramp", levels=[1, 2, 3], every="30s")) == 90
    assert end_of(shape("custom_ramp", stages=[[1, "1m"], [2, "30s"]])) == 90
    assert end_of(shape("linear", start=1, end=2, over="1m")) == 60
    assert end_of(shape("constant", level=1)) is None
    assert end_of(shape("spawn", users=5, spawn_rate=1)) is None
    assert end_of(shape("periodic_burst", period=1, min=1, peak=2)) is None


WRONG = [
    ({"kind": "constant", "level": -1}, "level must be .* 0 or more, not -1"),
    ({"kind": "constant", "level": math.nan}, "level .* not nan"),
    ({"kind": "constant", "level": math.inf}, "level .* not inf"),
    ({"kind": "constant", "level": True}, "Expected `float`, got `bool` - at `\\$.level`"),
    ({"kind": "constant"}, "missing required field `level`"),
    ({"kind": "constant", "level": 1, "rate": 2}, "unknown field `rate`"),
    ({"kind": "ramp", "max": 0, "step": 1, "every": 1}, "max must be .* over 0, not 0"),
    ({"kind": "ramp", "max": 5, "step": 0, "every": 1}, "step must be .* over 0, not 0"),
    ({"kind": "ramp", "max": 5, "step": 1, "every": 0}, "every must be .* over 0, not 0"),
    ({"kind": "ramp", "max": 5, "step": 1, "every": "soon"}, "'soon' is not a dur.*\\$.every"),
    ({"kind": "custom_ramp"}, "either levels and every, or stages"),
    ({"kind": "custom_ramp", "levels": [1]}, "either levels and every, or stages"),
    ({"kind": "custom_ramp", "levels": [1], "every": 1, "stages": [[1, 1]]}, "either levels"),
    ({"kind": "custom_ramp", "stages": [[1, 1]], "every": 1}, "either levels"),
    ({"kind": "custom_ramp", "levels": [], "every": 1}, "levels must not be empty"),
    ({"kind": "custom_ramp", "stages": []}, "stages must not be empty"),
    ({"kind": "custom_ramp", "levels": [1, -2], "every": 1}, r"level in levels\[1\] .* not -2"),
    ({"kind": "custom_ramp", "levels": [1], "every": 0}, "every must be .* over 0"),
    ({"kind": "stages", "stages": []}, "stages must not be empty"),
    ({"kind": "stages", "stages": [[-1, 1]]}, r"level in stages\[0\] .* not -1"),
    ({"kind": "stages", "stages": [[1, 0]]}, r"duration in stages\[0\] .* over 0"),
    ({"kind": "custom_ramp", "stages": [[1, 0]]}, r"duration in stages\[0\] .* over 0"),
    ({"kind": "linear", "start": -1, "end": 5, "over": 1}, "start must be"),
    ({"kind": "linear", "start": 1, "end": -5, "over": 1}, "end must be"),
    ({"kind": "linear", "start": 1, "end": 5, "over": 0}, "over must be"),
    ({"kind": "spawn", "users": -1, "spawn_rate": 1}, "users must be"),
    ({"kind": "spawn", "users": 1, "spawn_rate": 0}, "spawn_rate must be"),
    ({"kind": "periodic_burst", "period": 0, "min": 1, "peak": 2}, "period must be"),
    ({"kind": "periodic_burst", "period": 9, "min": -1, "peak": 2}, "min must be"),
    ({"kind": "periodic_burst", "period": 9, "min": 3, "peak": 2}, "peak .* 2 < 3"),
    ({"kind": "periodic_burst", "period": 9, "min": 1, "peak": 2, "std": 0}, "std must be"),
    ({"kind": "periodic_burst", "period": 9, "min": 1, "peak": 2, "mean": 10}, "mean .* 0 to 9 s"),
]


@pytest.mark.parametrize(("spec", "sentence"), WRONG)
def test_a_wrong_field_is_refused_with_its_name_and_its_value(spec, sentence):
    with pytest.raises(msgspec.ValidationError, match=sentence):
        shape_from(spec, horizon=10)


IN_PYTHON = [
    # called in Python, and the same in a config
    (Constant(level=4), shape("constant", level=4)),
    (Ramp(max=5, step=2, every="10s"), shape("ramp", max=5, step=2, every=10)),
    (CustomRamp(levels=[1, 2], every="1m"), shape("custom_ramp", levels=[1, 2], every=60)),
    (CustomRamp(levels=np.arange(3), every=2), shape("custom_ramp", levels=[0, 1, 2], every=2)),
    (Stages([(1, "1s"), (2, 3)]), shape("stages", stages=[[1, 1], [2, "3s"]])),
    (CustomRamp(stages=[(1, "1s"), (2, 3)]), shape("custom_ramp", stages=[[1, 1], [2, "3s"]])),
    (Linear(start=0, end=np.float32(8), over="4s"), shape("linear", start=0, end=8, over="4s")),
    (Spawn(users=np.int64(9), spawn_rate=3), shape("spawn", users=9, spawn_rate=3)),
    (
        PeriodicBurst(period="20s", min=2, peak=20, mean="5s"),
        shape("periodic_burst", period="20s", min=2, peak=20, mean=5),
    ),
]


@pytest.mark.parametrize(("made", "of_config"), IN_PYTHON, ids=repr)
def test_in_python_a_shape_takes_the_names_and_texts_of_a_config(made, of_config):
    assert made == of_config
    assert eval(repr(made)) == made


def test_every_shape_is_tried_in_python():
    assert {type(made) for made, _ in IN_PYTHON} == set(SHAPES.values())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Constant(level="x"), "Constant: level must be a number, not 'x'"),
        (lambda: Constant(True), "Constant: level must be a number, not True"),
        (lambda: Constant(-1), "Constant: level must be a finite number of 0 or more, not -1"),
        (Constant, "Constant: level is missing; add it"),
        (lambda: Constant(height=1), "Constant has no field 'height'; its fields are level"),
        (lambda: Spawn(1, spawnrate=2), "Spawn has no field 'spawnrate'; did you mean 'spawn_rate'?"),
        (lambda: Constant(1, 2), "Constant has 2 values and takes 1: level"),
        (lambda: Constant(1, level=2), "Constant: level is given twice; leave one of them out"),
        (lambda: Ramp(5, 1, "soon"), ("Ramp: every: 'soon' is not a duration; give seconds as a "
         "number of 0 or more, or a text such as 250ms, 20s, 10m, 2h or 1m30s")),
        (lambda: CustomRamp(stages=[(1, "1s"), (2,)]),
         "CustomRamp: stages[1] must be a list of length 2, not [2]"),
        (lambda: CustomRamp(levels=[1, None], every=1),
         "CustomRamp: levels[1] must be a number, not None"),
        (lambda: PeriodicBurst(9, 3, 2),
         "PeriodicBurst: peak must not be less than min, and 2 < 3"),
    ],
)  # fmt: skip
def test_in_python_a_wrong_field_is_refused_in_one_sentence(make, sentence):
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value) == sentence


def test_every_kind_of_the_design_is_there_and_the_table_cannot_be_changed():
    assert set(SHAPES) == {
        "constant",
        "ramp",
        "custom_ramp",
        "stages",
        "linear",
        "spawn",
        "periodic_burst",
    }
    with pytest.raises(TypeError):
        SHAPES["mine"] = Constant


def test_built_in_shapes_convert_as_a_tagged_union_too():
    union = Constant | Ramp | CustomRamp | Linear | Spawn | PeriodicBurst
    made = msgspec.convert(
        {"kind": "linear", "start": 1, "end": 2, "over": "1m"}, union, dec_hook=dec_hook
    )
    assert made == Linear(1, 2, 60)


@pytest.mark.parametrize("given_shape", [row[0] for row in TABLES])
def test_shapes_can_be_hashed_and_sent_to_another_process(given_shape):
    assert pickle.loads(pickle.dumps(given_shape)) == given_shape
    assert hash(given_shape) == hash(pickle.loads(pickle.dumps(given_shape)))
    assert isinstance(given_shape, Shape)


@pytest.mark.parametrize(
    ("kind", "nearest"), [("costant", "constant"), ("burst", "periodic_burst"), ("step", "step")]
)
def test_an_unknown_kind_is_refused_with_the_nearest_and_all_valid_ones(kind, nearest):
    with pytest.raises(ConfigError) as refused:
        shape_from({"kind": kind, "level": 1}, horizon=None)
    assert repr(kind) in str(refused.value)
    assert nearest in str(refused.value)
    assert "linear, spawn, periodic_burst, custom_ramp, stages" in str(refused.value)


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_built_in_kind_without_its_fields_is_refused_with_their_names(kind):
    with pytest.raises(ConfigError, match=rf"write {{kind: {kind}, …}} with its fields: \w+"):
        shape_from(kind, horizon=None)


@pytest.mark.parametrize("spec", [{}, {"level": 4}, {"kind": 3}])
def test_a_shape_without_a_kind_is_refused(spec):
    with pytest.raises(ConfigError, match="has no kind; give one of constant, ramp"):
        shape_from(spec, horizon=None)
