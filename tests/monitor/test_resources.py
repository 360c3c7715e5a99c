"""What a Groundlight edge endpoint says of itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.monitor.resources import NotResourcesError, read_resources
from asyncload.records.record import System
from tests.monitor.served import GIB, edge

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["total", "used", "gpu", "index", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def read(body: str | bytes) -> System:
    return read_resources(body.encode() if isinstance(body, str) else body, 3.5, "edge")


def test_every_figure_is_what_was_served():
    assert read(edge()) == System(
        3.5, "edge", host_cpu=41.5, host_memory=9 * GIB, memory_total=16 * GIB,
        gpu=[{"id": 0, "utilisation": 87.0, "memory": 20 * GIB, "memory_total": 24 * GIB}],
    )  # fmt: skip


def test_gpus_that_are_listed_one_by_one_are_told_one_by_one():
    devices = [
        {"index": 1, "name": "L4", "compute_utilization_pct": 12.5,
         "vram_bytes": {"total": 24 * GIB, "used": GIB, "free": 23 * GIB}},
        {"index": 0, "compute_utilization_pct": 99.0, "vram_bytes": None},
        {"index": 2},
        "nonsense",
    ]  # fmt: skip
    assert read(edge(devices=devices)).gpu == [
        {"id": 1, "utilisation": 12.5, "memory": GIB, "memory_total": 24 * GIB},
        {"id": 0, "utilisation": 99.0},
    ]


def test_a_host_without_a_gpu_has_none():
    assert read(edge(gpu=0.0, vram=(0, 0), devices=[])).gpu is None
    assert read('{"system": {"cpu_utilization_pct": {"total": 3}, "gpu": null}}').gpu is None


@pytest.mark.parametrize("bad", [None, "41", True, -1, [41], {}, 1e19, 10**400])
def test_a_figure_that_is_no_number_of_0_or_more_is_left_out_and_the_others_stand(bad):
    record = read(edge(cpu=bad, ram=(bad, 16 * GIB)))
    assert record.host_cpu is None
    assert record.host_memory is None
    assert record.memory_total == 16 * GIB
    assert record.gpu is not None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "is not JSON"),
        ('{"system": NaN}', "is not JSON"),
        ("<html>", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        ('{"system": {"a": ' + "[" * 100_000, "is not JSON"),
        ("[]", "is JSON, but has no 'system' with figures"),
        ('{"error": "no metrics yet"}', "is JSON, but has no 'system' with figures"),
        ('{"system": 5}', "is JSON, but has no 'system' with figures"),
        ('{"system": {"a": 1}}', "has none of the figures of a Groundlight edge endpoint"),
    ],
)
def test_a_body_that_is_something_else_is_refused_with_the_reason(body, why):
    with pytest.raises(NotResourcesError, match=f"^{why}$"):
        read(body)


@given(
    system=st.dictionaries(
        st.sampled_from(["cpu_utilization_pct", "ram_bytes", "gpu"]), anything, max_size=3
    ),
    gpu=anything,
)
def test_whatever_stands_there_is_read_or_refused(system, gpu):
    body = json.dumps({"system": system | {"gpu": {"devices": [gpu], "vram_bytes": gpu}}})
    try:
        record = read(body)
    except NotResourcesError:
        return
    assert record.t == 3.5
    assert all(gpu["id"] >= 0 for gpu in record.gpu or [])
