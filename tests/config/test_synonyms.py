"""Other words for keys: rate, users, think_time."""

import pytest

from asyncload.config.load import load_config
from asyncload.errors import ConfigError
from asyncload.plan.shapes import Constant


def config(load=None, **user):
    return {"scenarios": [{
        "load": {"shape": {"kind": "constant", "level": 5}, "duration": "1s"} | (load or {}),
        "user": {"kind": "http", "base_url": "http://here", "requests": [{"path": "/"}]} | user,
    }]}  # fmt: skip


@pytest.mark.parametrize(
    "load",
    [
        {"shape": {"kind": "constant", "rate": 5}},
        {"model": "closed", "shape": {"kind": "constant", "users": 5}},
    ],
)
def test_a_level_has_the_word_of_its_model(load):
    loaded = load_config(config(load))
    assert loaded.plan.scenarios[0].shape == Constant(level=5)
    # What reads the log knows the one key only.
    assert loaded.resolved["scenarios"][0]["load"]["shape"] == {"kind": "constant", "level": 5}


def test_think_time_is_wait():
    load = {"model": "closed"}
    user = load_config(config(load, think_time="2s")).plan.scenarios[0].user
    assert user.options["wait"] == "2s"
    assert "think_time" not in user.options


@pytest.mark.parametrize(
    ("load", "user", "sentence"),
    [
        ({"shape": {"kind": "constant", "users": 5}}, {},
         ("scenarios.0.load.shape.users: in the open model a level is arrivals per second; write rate, "
         "or set model: closed")),
        ({"model": "closed", "shape": {"kind": "constant", "rate": 5}}, {},
         ("scenarios.0.load.shape.rate: in the closed model a level is users; write users, or set "
         "model: open")),
        ({"shape": {"kind": "constant", "rate": 5, "level": 5}}, {},
         "scenarios.0.load.shape.rate: is the same as level, which is given, too; keep one"),
        ({"model": "closed"}, {"wait": 1, "think_time": 1},
         "scenarios.0.user.think_time: is the same as wait, which is given, too; keep one"),
    ],
)  # fmt: skip
def test_two_words_for_one_thing_or_the_wrong_one_are_refused(load, user, sentence):
    with pytest.raises(ConfigError) as refused:
        load_config(config(load, **user))
    assert str(refused.value) == sentence
