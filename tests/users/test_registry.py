"""Finding user classes: kinds, classes of one's own, and what is said when there is none."""

import asyncio
import functools
import sys

import pytest

from asyncload.errors import ConfigError
from asyncload.users.model_runner.submit import ModelRunnerUser
from asyncload.users.registry import KINDS, user_class
from asyncload.users.user import User, task

MODULE = """
from asyncload import User, task

class Good(User):
    @task()
    async def act(self): ...

class Idle(User):
    pass

class Other:
    pass

number = 5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of the user's own that can be imported by the name given back."""
    name = f"users_of_{tmp_path.name.replace('-', '_')}"

    def write(text=MODULE):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    sys.modules.pop(name, None)


def refusal(kind):
    with pytest.raises(ConfigError) as caught:
        user_class(kind, where="scenarios.0.user.kind")
    where, _, sentence = str(caught.value).partition(": ")
    assert where == "scenarios.0.user.kind"
    return sentence


def test_every_registered_kind_is_there():
    for kind in KINDS:
        assert issubclass(user_class(kind, where="x"), User)
    assert user_class("model_runner", where="x") is ModelRunnerUser


def test_a_class_of_ones_own_is_found_by_module_and_name(module):
    assert user_class(f"{module()}:Good", where="x").__name__ == "Good"


def test_a_class_may_be_given_as_it_is():
    class Mine(User):
        @task()
        async def act(self): ...

    assert user_class(Mine, where="x") is Mine


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("model_runer", ("'model_runer' is not a kind of user; did you mean 'model_runner'? "
                        "A class of your own is written package.module:Class")),
        ("zzz", (f"'zzz' is not a kind of user; the kinds are: {', '.join(KINDS)}. "
                "A class of your own is written package.module:Class")),
        ("", "'' is not a kind of user; "),
        (":Good", "':Good' names no class; write package.module:Class"),
        ("module:", "'module:' names no class; write package.module:Class"),
        (".module:Good", "'.module:Good' names no class; write package.module:Class"),
        ("no_such_module:Good", ("cannot import 'no_such_module'; put the module beside the config "
                                "file or on PYTHONPATH")),
        ("json.nope:Good", "cannot import 'json.nope'; put the module beside the config"),
        ("{}:Nope", "'{}' has no class 'Nope'; check its name"),
        ("{}:Goood", "'{}' has no class 'Goood'; did you mean 'Good'?"),
        ("{}:Other", "'{}:Other' is not a subclass of asyncload.User; derive it from that"),
        ("{}:number", "'{}:number' is not a subclass of asyncload.User; derive it from that"),
        ("{}:Idle", "'{}:Idle' has no tasks; mark a coroutine method with @task()"),
        ("{}:User", "'{}:User' has no tasks; mark a coroutine method with @task()"),
    ],
)  # fmt: skip
def test_what_is_no_user_class_is_refused_with_a_remedy(module, kind, says):
    name = module()
    assert refusal(kind.format(name)).startswith(says.format(name))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "importing '{}' fails with SyntaxError: invalid syntax ({}.py, line 1); mend"),
        ("\nboom()", ("importing '{}' fails with NameError: name 'boom' is not defined at {}.py:2; "
                     "mend the module")),
        ("raise RuntimeError('token=abc')", "importing '{}' fails with RuntimeError: token=*** at "),
        ("import no_such_package", ("cannot import '{}': it needs 'no_such_package', which is not "
                                   "there; put the module beside the config file or on")),
        ("from asyncload import task\nclass A:\n @task()\n def f(self): ...",
         "importing '{}' fails with TypeError: "),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_is_told_with_its_line(module, text, says):
    name = module(text)
    assert refusal(f"{name}:Good").startswith(says.format(name, name))


# -- tasks --------------------------------------------------------------------------


def test_tasks_are_the_marked_methods_with_their_weights_also_inherited_ones():
    class Base(User):
        @task(weight=3)
        async def often(self): ...

        async def no_task(self): ...

    class Derived(Base):
        @task()
        async def seldom(self): ...

    assert dict(Base.tasks) == {"often": 3}
    assert dict(Derived.tasks) == {"often": 3, "seldom": 1}
    assert User.tasks == ()


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match=r"write|@task\(\) or @task\(weight=3\)"):
        task(weight)


def test_task_without_parentheses_marks_a_task_of_weight_1():
    class Bare(User):
        @task
        async def act(self): ...

        @task(2)
        async def often(self): ...

    assert dict(Bare.tasks) == {"act": 1, "often": 2}
    with pytest.raises(TypeError, match="write async def after @task"):

        @task
        def plain(self): ...


def test_a_task_that_is_no_coroutine_is_refused():
    with pytest.raises(TypeError, match="write async def after @task"):

        @task()
        def act(self): ...


def test_a_decorated_coroutine_is_a_task():
    def retried(function):
        @functools.wraps(function)
        def again(self):
            return function(self)

        return again

    class Mine(User):
        @task()
        @retried
        async def act(self):
            return 5

    assert asyncio.run(Mine.act(None)) == 5
    assert [name for name, _ in Mine.tasks] == ["act"]
