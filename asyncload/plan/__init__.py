"""Shapes of load, the due times they give, and the plan of a run."""

from asyncload.plan.arrivals import Arrivals, due_times, expected_arrivals, rng_for
from asyncload.plan.duration import Duration, dec_hook, parse_duration
from asyncload.plan.plan import Model, Plan, Scenario, UserSpec
from asyncload.plan.shapes import (
    SHAPES,
    Array,
    BuiltIn,
    Constant,
    CustomRamp,
    FunctionShape,
    Linear,
    PeriodicBurst,
    Ramp,
    Shape,
    Spawn,
    Stages,
    end_of,
    shape_from,
)

__all__ = [
    "SHAPES",
    "Array",
    "Arrivals",
    "BuiltIn",
    "Constant",
    "CustomRamp",
    "Duration",
    "FunctionShape",
    "Linear",
    "Model",
    "PeriodicBurst",
    "Plan",
    "Ramp",
    "Scenario",
    "Shape",
    "Spawn",
    "Stages",
    "UserSpec",
    "dec_hook",
    "due_times",
    "end_of",
    "expected_arrivals",
    "parse_duration",
    "rng_for",
    "shape_from",
]
