"""A pytest plugin: load tests beside the other tests of a project.

    @pytest.mark.load(rate=50, duration="10s", expect=["request.latency.p95 < 200ms"])
    async def test_predict(load_user):
        await load_user.http.post("http://127.0.0.1:8080/predict", json={"x": 1})

The function is one iteration of a user; the verdict of the run is the outcome of the test. The
fixture ``asyncload`` runs a config: ``result = asyncload("load/predict.yaml")``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from asyncload.config.model import Config
    from asyncload.plan.plan import Plan
    from asyncload.result import Result

INCONCLUSIVE: Final = "asyncload_inconclusive"
_KEYS: Final = frozenset(
    {
        "rate",
        "users",
        "duration",
        "arrivals",
        "wait",
        "expect",
        "validity",
        "seed",
        "drain",
        "inconclusive",
        "log",
    }
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of what an inconclusive run makes of a test."""
    parser.addini(
        INCONCLUSIVE,
        "what a load test is that proves too little: skip (default) or fail",
        default="skip",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark."""
    config.addinivalue_line(
        "markers",
        "load(rate or users, duration, expect): run the function as the iteration of a load test",
    )


@pytest.fixture
def load_user() -> Any:
    """The user whose iteration the test is; only in tests marked ``load``."""
    return None


@pytest.fixture
def asyncload(request: pytest.FixtureRequest) -> Callable[..., Result]:
    """Run a config (a path, a dict, a ``Config`` or a ``Plan``), and take its verdict as the outcome.

    ``asyncload(config, **arguments of asyncload.run)`` gives the result. With ``check=False``
    the test goes on whatever the verdict is.
    """

    def run(
        target: Plan | Config | Mapping[str, Any] | str | Path,
        *,
        check: bool = True,
        **arguments: Any,
    ) -> Result:
        result = _run(target, **arguments)
        if check:
            judge(result, inconclusive=str(request.config.getini(INCONCLUSIVE)))
        return result

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Carry out a test that is marked ``load``."""
    mark = pyfuncitem.get_closest_marker("load")
    if mark is None:
        return None
    options = _options(mark)
    function = pyfuncitem.obj
    # Fixtures that are used without being asked for (autouse) are among the others.
    names = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    default = str(pyfuncitem.config.getini(INCONCLUSIVE))
    inconclusive = options.pop("inconclusive", default)
    result = _run_function(pyfuncitem.name, function, arguments, options)
    judge(result, inconclusive=inconclusive)
    return True


def judge(result: Result, *, inconclusive: str = "skip") -> None:
    """Fail or skip the test that is running, by the verdict of a run.

    Raises pytest's own outcomes: ``Failed`` for a run in which the service failed or that is
    invalid, and for an inconclusive one ``Skipped``, or ``Failed`` where ``inconclusive`` is ``fail``.
    """
    __tracebackhide__ = True
    reasons = "; ".join(f"{reason.code}: {reason.text}" for reason in result.verdict.reasons)
    if result.verdict.state == "inconclusive" and result.verdict.passed and inconclusive != "fail":
        pytest.skip(f"inconclusive: {reasons}")
    if result.exit_code or result.verdict.state != "valid":
        state = result.verdict.state if result.verdict.state != "valid" else "failed"
        pytest.fail(f"{state}: {reasons}\n\n{result}", pytrace=False)


def _options(mark: pytest.Mark) -> dict[str, Any]:
    unknown = set(mark.kwargs) - _KEYS
    if mark.args or unknown:
        what = ", ".join(map(repr, [*mark.args, *sorted(unknown)]))
        pytest.fail(
            f"pytest.mark.load takes {', '.join(sorted(_KEYS))}, and not {what}", pytrace=False
        )
    options = dict(mark.kwargs)
    if ("rate" in options) == ("users" in options):
        pytest.fail("pytest.mark.load takes either rate or users", pytrace=False)
    return options


def _run_function(
    name: str, function: Callable[..., Any], arguments: dict[str, Any], options: dict[str, Any]
) -> Result:
    from asyncload.config.convert import convert
    from asyncload.config.model import Config
    from asyncload.config.validity import Validity
    from asyncload.engine.header import resolved_plan
    from asyncload.plan import shapes
    from asyncload.plan.plan import Plan, Scenario
    from asyncload.users.user import User, task

    class Iteration(User):
        """Calls the test in each iteration."""

        wait = options.get("wait", 0)

        @task
        async def call(self) -> None:
            given = {**arguments, "load_user": self} if "load_user" in arguments else arguments
            await function(**given)

    def config() -> Config:
        level: Any = options.get("rate", options.get("users"))
        scenario = Scenario(
            name=name,
            user=Iteration,
            shape=shapes.Constant(level=level),
            duration=options.get("duration", "10s"),
            model="open" if "rate" in options else "closed",
            arrivals=options.get("arrivals", "even"),
        )
        plan = Plan(
            scenarios=(scenario,),
            seed=options.get("seed", 0),
            drain=options.get("drain", 30.0),
            name=name,
        )
        return Config(
            plan=plan,
            thresholds=tuple(options.get("expect", ())),
            validity=convert(options.get("validity", {}), Validity, where="validity"),
            log=options.get("log", ""),
            resolved=resolved_plan(plan),
        )

    return _run(config)


def _run(target: Any, **arguments: Any) -> Result:
    """Run a load test on an event loop of its own; what keeps it from starting fails the test."""
    from asyncload.api import run
    from asyncload.commands.loop import run_loop
    from asyncload.errors import AsyncloadError

    async def main() -> Result:
        return await run(target() if callable(target) else target, **arguments)

    try:
        return run_loop(main)
    except AsyncloadError as problem:
        pytest.fail(str(problem), pytrace=False)
