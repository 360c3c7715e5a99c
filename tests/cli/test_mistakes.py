"""Every mistake is met with one clear sentence, the right exit code and no traceback."""

from __future__ import annotations

import socket

import pytest

from tests.cli.command_line import CONFIG, ROOT

pytestmark = pytest.mark.slow

# -- mistakes in a config: what `check` says of an override -------------------------

IN_CONFIG = {
    "unknown key": (
        "thresholdz=[]",
        "test.yaml: thresholdz: there is no such key; did you mean 'thresholds'?",
    ),
    "unknown key of aws": (
        "aws.reigon=x",
        "test.yaml: aws.reigon: there is no such key; did you mean 'region'?",
    ),
    "unknown key of a scenario": (
        "scenarios.0.nmae=x",
        "test.yaml: scenarios.0.nmae: there is no such key; did you mean 'name'?",
    ),
    "unknown key of a load": (
        "scenarios.0.load.duratoin=1",
        "test.yaml: scenarios.0.load.duratoin: there is no such key; did you mean 'duration'?",
    ),
    "unknown key of a shape": (
        "scenarios.0.load.shape.levle=1",
        "test.yaml: scenarios.0.load.shape.levle: there is no such key; did you mean 'level'?",
    ),
    "unknown key of a user": (
        "scenarios.0.user.imges=x",
        "test.yaml: scenarios.0.user.imges: there is no such key; did you mean 'images'?",
    ),
    "unknown key of local": (
        "local.wokers=1",
        "test.yaml: local.wokers: there is no such key; did you mean 'workers'?",
    ),
    "wrong type": ("seed=many", "test.yaml: seed: expected a whole number, got 'many'"),
    "wrong type of an option": (
        "scenarios.0.user.tile_size=big",
        "test.yaml: scenarios.0.user.tile_size: expected a whole number, got 'big'",
    ),
    "wrong choice": (
        "scenarios.0.user.tile_format=TIF",
        (
            "test.yaml: scenarios.0.user.tile_format: 'TIF' is not one of GTIFF, JPEG, NITF, PNG; "
            "did you mean 'GTIFF'?"
        ),
    ),
    "negative duration": (
        "scenarios.0.load.duration=-5s",
        (
            "test.yaml: scenarios.0.load.duration: '-5s' is not a duration; give seconds as a number "
            "of 0 or more, or a text such as 250ms, 20s, 10m, 2h or 1m30s"
        ),
    ),
    "no duration": (
        "scenarios.0.load.duration=",
        (
            "test.yaml: scenarios.0.load.duration: is missing; this shape has no end of its own, so "
            "say how long, such as 60s"
        ),
    ),
    "std 0": (
        "scenarios.0.load.shape={kind: periodic_burst, period: 9, min: 1, peak: 2, std: 0}",
        "test.yaml: scenarios.0.load.shape.std: must be a finite number over 0, not 0",
    ),
    "period 0": (
        "scenarios.0.load.shape={kind: periodic_burst, period: 0, min: 1, peak: 2}",
        "test.yaml: scenarios.0.load.shape.period: must be a finite number over 0, not 0",
    ),
    "empty levels": (
        "scenarios.0.load.shape={kind: custom_ramp, levels: [], every: 1}",
        "test.yaml: scenarios.0.load.shape.levels: must not be empty; give at least one",
    ),
    "no scenario": ("scenarios=[]", "test.yaml: scenarios: is empty; give at least one scenario"),
    "variable that is not set": (
        "scenarios.0.user.model=${MODEL_NAME}",
        (
            "test.yaml: scenarios.0.user.model: the environment variable MODEL_NAME is not set; "
            "set it, or write ${MODEL_NAME:-default}"
        ),
    ),
    "endpoint that is no URL": (
        "aws.endpoint_url=localhost:9324",
        (
            "test.yaml: aws.endpoint_url: is 'localhost:9324'; give 'local' or a URL such as "
            "http://localhost:9324"
        ),
    ),
    "wait that is none": (
        "scenarios.0.user.wait=[1, 5]",
        (
            "test.yaml: scenarios.0.user.wait: [1, 5] is no wait; give a duration, "
            "{between: [1s, 5s]}, {pacing: 1s} or {rate: 10}"
        ),
    ),
    "place that is not in S3": (
        "scenarios.0.user.images=/data/images",
        (
            "test.yaml: scenarios.0.user.images: '/data/images' is not a place in S3; "
            "write s3://bucket or s3://bucket/folder"
        ),
    ),
    "unknown kind of user": (
        "scenarios.0.user.kind=modelrunner",
        (
            "test.yaml: scenarios.0.user.kind: 'modelrunner' is not a kind of user; did you mean "
            "'model_runner'? A class of your own is written package.module:Class"
        ),
    ),
    "missing module": (
        "scenarios.0.user.kind=no_such_users:Caller",
        (
            "test.yaml: scenarios.0.user.kind: cannot import 'no_such_users'; put the module beside "
            "the config file or on PYTHONPATH"
        ),
    ),
    "missing class": (
        "scenarios.0.user.kind=my_users:Callr",
        "test.yaml: scenarios.0.user.kind: 'my_users' has no class 'Callr'; did you mean 'Caller'?",
    ),
    "class that is no user": (
        "scenarios.0.user.kind=my_users:Other",
        (
            "test.yaml: scenarios.0.user.kind: 'my_users:Other' is not a subclass of asyncload.User; "
            "derive it from that"
        ),
    ),
    "class without tasks": (
        "scenarios.0.user.kind=my_users:Idle",
        (
            "test.yaml: scenarios.0.user.kind: 'my_users:Idle' has no tasks; mark a coroutine method "
            "with @task()"
        ),
    ),
    "module that fails": (
        "scenarios.0.user.kind=bad_users:Caller",
        (
            "test.yaml: scenarios.0.user.kind: importing 'bad_users' fails with NameError: name 'oops' "
            "is not defined at bad_users.py:1; mend the module"
        ),
    ),
    "options of a class that has none": (
        "scenarios.0.user={kind: 'my_users:Caller', speed: 5}",
        "test.yaml: scenarios.0.user.speed: there is no such key, and no other here; leave it out",
    ),
    "unknown metric": (
        "thresholds=[job.latncy.p95 < 1s]",
        (
            "test.yaml: threshold 'job.latncy.p95 < 1s': job.latncy.p95: there is no such metric; "
            "the nearest are job.latency.p95 and "
        ),
    ),
    "threshold without a limit": (
        "thresholds=[job.latency.p95]",
        "test.yaml: threshold 'job.latency.p95': it must be a metric, a comparison and a limit",
    ),
    "threshold with a wrong limit": (
        "thresholds=[request.error_rate < 5s]",
        "test.yaml: threshold 'request.error_rate < 5s': '5s' is no limit for request.error_rate",
    ),
    "set without a value": (
        "seed",
        "test.yaml: --set 'seed': write KEY=VALUE, such as scenarios.0.load.duration=10s",
    ),
    "set of a scenario that is not there": (
        "scenarios.work.load.duration=1",
        (
            "test.yaml: --set scenarios.work.load.duration: scenarios has no 'work'; "
            "use 0, or a name: jobs"
        ),
    ),
}
USERS = """
from asyncload import User, task

class Caller(User):
    @task()
    async def call(self): ...

class Idle(User): ...

class Other: ...
"""


@pytest.mark.parametrize("mistake", IN_CONFIG)
def test_a_mistake_in_a_config_is_told_before_anything_is_sent(asyncload, mistake):
    override, says = IN_CONFIG[mistake]
    (asyncload.folder / "my_users.py").write_text(USERS)
    (asyncload.folder / "bad_users.py").write_text("oops")
    ended = asyncload.check(CONFIG, override)
    assert ended.sentence.startswith(says)
    assert ended.returncode == 2
    assert ended.stdout == ""


def test_run_says_the_same_as_check(asyncload):
    override, says = IN_CONFIG["unknown key of a user"]
    ended = asyncload.run(override)
    assert (ended.sentence, ended.returncode, ended.stdout) == (says, 2, "")
    assert not (asyncload.folder / "logs" / "run.jsonl").exists()


# -- mistakes in files --------------------------------------------------------------

FILES = {
    "syntax": (
        "scenarios:\n  - name: a\n   load: b\n",
        (
            "test.yaml, line 3, column 4: expected <block end>, but found '<block mapping start>' "
            "(while parsing a block collection that begins in line 2); mend the YAML there"
        ),
    ),
    "key given twice": (
        "seed: 1\nscenarios: []\nseed: 2\n",
        "test.yaml, line 3, column 1: the key 'seed' is given twice; remove one of them",
    ),
    "empty": ("", "test.yaml: is empty; a config is keys and values, such as 'scenarios:'"),
    "a list": ("- a", "test.yaml: holds a list; a config is keys and values, such as 'scenarios:'"),
}


@pytest.mark.parametrize("mistake", FILES)
def test_a_mistake_in_yaml_is_told_with_its_line(asyncload, mistake):
    text, says = FILES[mistake]
    ended = asyncload.check(text)
    assert (ended.sentence, ended.returncode, ended.stdout) == (says, 2, "")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_config_that_is_no_file_is_named(asyncload, command):
    ended = asyncload(command, "nowhere.yaml")
    assert ended.sentence == "nowhere.yaml: there is no such file; check the path"
    assert ended.returncode == 2
    (asyncload.folder / "nothing").mkdir()
    ended = asyncload(command, "nothing")
    assert ended.sentence == (
        "the folder nothing has no configs; put files that end in .yaml or .yml into it"
    )
    assert ended.returncode == 2


LOGS = {
    "missing": (None, "there is no log {path}; check the path, or make one with a run"),
    "folder": ("folder", "{path} is a directory, not a log; name the .jsonl file in it"),
    "empty": (b"", "the log {path} is empty; it has a first line once a run has started"),
    "text": (
        b"hello\nworld\n",
        (
            "{path} is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        ),
    ),
    "JSON of something else": (
        b'{"a": 1}\n',
        (
            "{path} is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        ),
    ),
    "image": (
        b"\x89PNG\r\n\x1a\n\x00\x00\xff" * 50,
        (
            "{path} is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        ),
    ),
}


@pytest.mark.parametrize(
    ("command", "mistake"),
    [*(("summary", mistake) for mistake in LOGS),
     ("plot", "missing"), ("plot", "folder"), ("plot", "empty"), ("plot", "text")],
)  # fmt: skip
def test_what_is_no_log_is_named(asyncload, command, mistake):
    content, says = LOGS[mistake]
    path = asyncload.folder / "some.jsonl"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    ended = asyncload(command, path)
    assert ended.sentence == says.format(path=path)
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_config_for_the_embedded_stack_that_is_wrong_is_named(asyncload):
    ended = asyncload("local", "--config", "nowhere.yaml")
    assert ended.sentence == "nowhere.yaml: there is no such file; check the path"
    assert ended.returncode == 2


# -- mistakes in places to write to -------------------------------------------------

PLACES = {
    "a folder": (".", "log: . is a folder; give the name of a file"),
    "below a file": ("test.yaml/run.jsonl", "is not a folder; choose another place with --log"),
}


@pytest.mark.parametrize("mistake", PLACES)
def test_a_log_that_cannot_be_written_is_named_before_anything_is_sent(asyncload, mistake):
    place, says = PLACES[mistake]
    ended = asyncload("run", "test.yaml", "--log", place)
    assert ended.sentence.startswith("log: ")
    assert place in ended.sentence
    assert ended.sentence.endswith(says)
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_folder_for_graphs_that_cannot_be_written_is_named(asyncload):
    (asyncload.folder / "run.jsonl").write_text(
        '{"type":"request","t":1,"scenario":"s","user":0,"name":"n","due":0,"start":0,"end":1,'
        '"outcome":"ok"}\n'
    )
    ended = asyncload("plot", "run.jsonl", "-o", "test.yaml")
    assert ended.sentence.startswith("cannot write graphs to test.yaml: ")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_port_in_use_is_named(asyncload):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = asyncload("local", "--port", port)
    assert ended.sentence == (
        f"the embedded stack cannot use port {port} of 127.0.0.1: Address already in use; "
        "choose another port, or none to get a free one"
    )
    assert (ended.returncode, ended.stdout) == (4, "")


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["rnu"], ["run", "a", "b"], ["plot", "x", "--format", "gif"],
     ["local", "--port", "0"], ["local", "--port", "x"], ["run", "test.yaml", "--nope"]],
)  # fmt: skip
def test_arguments_that_are_wrong_exit_with_2_and_show_the_usage(asyncload, arguments):
    ended = asyncload(*arguments)
    assert ended.returncode == 2
    assert "Usage: asyncload" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_shipped_config_has_no_mistake(asyncload):
    ended = asyncload("check", ROOT / "configs" / "burst.yaml")
    assert (ended.returncode, ended.stderr) == (0, "")
