"""What user code may import, and that a type checker knows what each of it is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import asyncload
from asyncload import errors, shapes
from asyncload.plan.builtin import BuiltIn

ROOT = Path(asyncload.__file__).parent.parent
TYPES_MATCH = "Success: no issues found in 2 source files"


def test_the_public_names_are_these():
    """A name that goes breaks user code: say so in CHANGELOG.md."""
    assert asyncload.__all__ == [
        "AsyncloadError",
        "AwsConfig",
        "Config",
        "ConfigError",
        "ConnectFailed",
        "ConnectionClosed",
        "LoadTest",
        "LocalSettings",
        "LogError",
        "MachineBusyError",
        "Measurement",
        "Plan",
        "ProtocolError",
        "RequestTimeout",
        "Response",
        "Result",
        "Scenario",
        "Setup",
        "StoppedError",
        "Summary",
        "TargetError",
        "TransportError",
        "User",
        "UserSpec",
        "__version__",
        "between",
        "constant",
        "load_config",
        "pacing",
        "rate",
        "run",
        "shapes",
        "task",
    ]


def test_every_shape_of_a_config_is_a_name_of_shapes():
    assert {shape.__name__ for shape in BuiltIn.__subclasses__()} <= set(shapes.__all__)


def test_every_error_that_user_code_may_meet_is_public():
    def below(error):
        return {error, *(one for child in error.__subclasses__() for one in below(child))}

    assert [getattr(asyncload, name) for name in asyncload.__all__]  # imports what has errors
    found = {one for one in below(errors.AsyncloadError) if one.__module__.startswith("asyncload.")}
    assert {one.__name__ for one in found} <= set(asyncload.__all__)
    assert len(found) >= 9


USERS = """
    from typing import Any, assert_type

    import msgspec

    import asyncload
    from asyncload import Measurement, Response, Setup, User, between, constant, pacing, rate, task


    class CallerOptions(msgspec.Struct):
        base_url: str
        texts: list[str] = []


    class Caller(User):
        Options = CallerOptions
        services = ("sqs",)
        base_url = "http://127.0.0.1:8080"
        wait = between("1s", 5)

        @classmethod
        async def prepare(cls, setup: Setup, options: CallerOptions) -> list[str]:
            setup.note("info", f"{len(options.texts)} texts for {setup.scenario}")
            return options.texts

        @task(weight=3)
        async def classify(self) -> None:
            text = self.rng.choice(self.shared)
            answer = await self.http.post("/classify", json={"text": text}, params={"top": [1, 2]})
            assert_type(answer, Response)
            assert_type(answer.status, int)
            assert_type(answer.headers, dict[str, str])
            assert_type(self.http.base_url, str)

        @task
        async def by_hand(self) -> None:
            with self.measure("by hand") as call:
                assert_type(call, Measurement)
                call.bytes_out = 42
            try:
                await self.http.get("/users/42", name="user", headers={"X-A": "b"})
            except asyncload.RequestTimeout as problem:
                print(problem.phase)
            except asyncload.TransportError:
                pass


    class Paced(Caller):
        wait = pacing("1s")


    class Waiting(Caller):
        wait = constant(1)


    class Often(Caller):
        wait = rate(10)
"""

PROGRAM = """
    import asyncio
    from typing import assert_type

    import asyncload
    from asyncload import (
        AsyncloadError, AwsConfig, Config, LoadTest, LocalSettings, Plan, Result, Scenario, Summary,
        UserSpec, shapes,
    )
    from matplotlib.figure import Figure
    import polars as pl

    from users import Caller

    plan = Plan(
        scenarios=[
            Scenario(name="a", user=Caller, shape=shapes.Constant(level=5), duration="10s"),
            Scenario(name="b", user=Caller, shape=shapes.Ramp(max=10, step=2, every="10s")),
            Scenario(name="c", user=Caller, shape=shapes.CustomRamp(levels=[1, 2.5], every=10)),
            Scenario(name="d", user=Caller, shape=shapes.CustomRamp(stages=[(1, "10s"), (2, 5)])),
            Scenario(
                name="e", user=UserSpec("http", {"base_url": "http://127.0.0.1:80"}),
                shape=shapes.Linear(start=0, end=10, over="1m"), arrivals="poisson",
            ),
            Scenario(
                name="f", user=Caller, model="closed", duration=60,
                shape=shapes.Spawn(users=5, spawn_rate=1),
            ),
            Scenario(
                name="g", user=Caller, duration="1m",
                shape=shapes.PeriodicBurst(period="20s", min=1, peak=9, std="2s"),
            ),
        ],
        drain="unlimited",
        seed=7,
    )
    assert_type(plan.drain, float)
    assert_type(plan.scenarios[0].end, float)


    async def main() -> int:
        try:
            result = await asyncload.run(plan, aws=AwsConfig(region="us-west-2"), log="run.jsonl")
        except AsyncloadError as problem:
            return problem.exit_code
        assert_type(result, Result)
        assert_type(result.summary, Summary)
        assert_type(result.summary.requests.latency.p95, float | None)
        assert_type(str(result), str)
        assert_type(result.to_polars(), pl.DataFrame)
        assert_type(result.to_polars("jobs"), pl.DataFrame)
        assert_type(result.plot()["throughput"], Figure)
        print([path.name for path in result.plot().save("plots")])
        await asyncload.run({"scenarios": []}, local=LocalSettings(workers=2))
        config = asyncload.load_config("test.yaml", overrides=["seed=1"])
        assert_type(config, Config)
        test = LoadTest(config)
        assert_type(await test.run(), Result)
        return result.exit_code


    asyncio.run(main())
"""

MISTAKES = """
    import asyncload
    from asyncload import Scenario, User, shapes, task

    shapes.Constant(rate=5)
    shapes.Ramp(max="10", step=1, every="1s")
    Scenario(name="a", user=User, shape=shapes.Constant(level=1), model="opne")
    asyncload.nope


    class Caller(User):
        @task
        def not_async(self) -> None: ...

        @task
        async def wrong(self) -> None:
            await self.http.get("/", param={})
            await self.http.post(5)
"""


def mypy(folder: Path, **files: str) -> list[str]:
    """Check a project that has asyncload installed; give the lines of mypy's answer."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    names = [f"{name}.py" for name in files]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".cache", *names],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for both checks: the second takes what the first has learnt about asyncload."""
    return tmp_path_factory.mktemp("project")


@pytest.mark.slow
def test_a_strict_type_checker_finds_the_types_of_a_user_project(folder):
    assert mypy(folder, users=USERS, program=PROGRAM) == [TYPES_MATCH]


@pytest.mark.slow
def test_a_strict_type_checker_finds_the_mistakes_of_a_user_project(folder):
    *lines, last = mypy(folder, mistakes=MISTAKES)
    text = textwrap.dedent(MISTAKES).splitlines()
    found = {text[int(line.split(":")[1]) - 1].strip() for line in lines if ": error: " in line}
    assert found == {
        "shapes.Constant(rate=5)",
        'shapes.Ramp(max="10", step=1, every="1s")',
        'Scenario(name="a", user=User, shape=shapes.Constant(level=1), model="opne")',
        "asyncload.nope",
        "@task",
        'await self.http.get("/", param={})',
        "await self.http.post(5)",
    }, "\n".join([*lines, last])


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "asyncload" / "py.typed").read_bytes() == b""
