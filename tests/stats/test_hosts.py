"""What was seen of hosts, as means and maxima."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from asyncload.records.record import System
from asyncload.stats.hosts import BlockMetrics, HealthMetrics, MeanMax
from asyncload.stats.live import LiveStats
from asyncload.stats.summary import SummaryFold

whole = st.integers(0, 1000)
figure = st.none() | whole
gpus = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 2)}, optional={"utilisation": whole, "memory": whole}),
    max_size=3, unique_by=lambda gpu: gpu["id"],
)  # fmt: skip
samples = st.builds(
    System, t=st.floats(0, 100), host=st.sampled_from(["a", "b"]), cpu=figure, host_cpu=figure,
    loop_lag=st.none() | whole, gc_time=figure, cpu_wait=figure, gpu=st.none() | gpus, host_memory=figure,
    memory_total=figure, network_in=figure,
    metrics=st.none() | st.dictionaries(st.sampled_from("xy"), whole, max_size=2),
)  # fmt: skip


def fold(rows):
    result = SummaryFold()
    for row in rows:
        result.write(row)
    return result.summary().hosts


def expected(values):
    known = [value for value in values if value is not None]
    return MeanMax(sum(known) / len(known), max(known)) if known else None


@given(rows=st.lists(samples, max_size=20), seed=st.integers())
def test_mean_and_highest_are_of_the_samples_that_told_the_figure_in_any_order(rows, seed):
    shuffled = random.Random(seed).sample(rows, len(rows))
    hosts = fold(rows)
    assert fold(shuffled) == hosts
    assert sum(host.samples for host in hosts) == len(rows)
    for host in hosts:
        mine = [
            row for row in rows
            if (row.host, row.loop_lag is not None) == (host.host, host.generator)
        ]  # fmt: skip
        assert host.cpu == expected([row.host_cpu for row in mine])
        assert host.memory == expected([row.host_memory for row in mine])
        assert host.memory_total == max(
            (row.memory_total for row in mine if row.memory_total is not None), default=None
        )
        assert host.network_in == expected([row.network_in for row in mine])
        assert host.network_out is None
        told = [gpu for row in mine for gpu in row.gpu or []]
        assert [gpu.id for gpu in host.gpus] == sorted({gpu["id"] for gpu in told})
        for gpu in host.gpus:
            busy = [one.get("utilisation") for one in told if one["id"] == gpu.id]
            assert gpu.utilisation == expected(busy)
        for name in "xy":
            values = [(row.metrics or {}).get(name) for row in mine]
            assert host.metrics.get(name) == expected(values)


def test_the_generators_host_comes_first_and_is_told_from_a_source_of_the_same_name():
    rows = [System(1.0, "b"), System(1.0, "vm"), System(1.0, "vm", 5.0, 1, loop_lag=0.0)]
    told = [(host.host, host.generator) for host in fold(rows)]
    assert told == [("vm", True), ("b", False), ("vm", False)]


def test_the_generators_health_is_folded_and_no_other_host_has_any():
    rows = [
        System(1.0, "vm", 40.0, loop_lag=0.25, gc_pause=0.125, gc_time=0.25, steal=0.0, blocked=0.25,
               blocked_by="Slow.go at a.py:6", clock_jump=0.5, consumer_lag=0.5),
        System(2.0, "vm", 60.0, loop_lag=0.75, gc_pause=0.0, gc_time=0.0, steal=4.0, blocked=0.5,
               blocked_by="Slow.go at a.py:7", clock_jump=-2.0, suspended=3.0),
        System(3.0, "vm", loop_lag=0.5, full_polls=50.0),
        System(3.0, "edge", host_cpu=5.0),
    ]  # fmt: skip
    own, other = fold(rows)
    assert other.health is None
    assert own.health == HealthMetrics(
        loop_lag=MeanMax(0.5, 0.75), cpu=MeanMax(50.0, 60.0), core_cpu=None, cpu_wait=None,
        steal=MeanMax(2.0, 4.0), gc_pause=MeanMax(0.0625, 0.125), gc_time=0.25,
        consumer_lag=MeanMax(0.5, 0.5), full_polls=MeanMax(50.0, 50.0), clock_jumps=2,
        largest_clock_jump=-2.0, suspended=3.0, blocks=2,
        longest_block=BlockMetrics(t=2.0, seconds=0.5, by="Slow.go at a.py:7"),
    )  # fmt: skip


def test_a_summary_with_hosts_is_plain_json():
    stats = LiveStats()
    stats.write(System(1.0, "edge", host_cpu=5.0, gpu=[{"id": 0, "utilisation": 1.0}]))
    (host,) = msgspec.json.decode(msgspec.json.encode(stats.fold.summary().to_dict()))["hosts"]
    assert host["cpu"] == {"mean": 5.0, "max": 5.0}
    assert host["gpus"][0]["utilisation"] == {"mean": 1.0, "max": 1.0}


def test_a_snapshot_has_the_latest_sample_of_each_source():
    stats = LiveStats()
    rows = [
        System(1.0, "edge", host_cpu=1.0), System(1.0, "node", host_cpu=2.0),
        System(1.5, "vm", 5.0, 1, loop_lag=0.0), System(2.0, "edge", host_cpu=3.0),
    ]  # fmt: skip
    for row in rows:
        stats.write(row)
    snapshot = stats.snapshot(2.0)
    assert snapshot.sources == [rows[3], rows[1]]
    assert snapshot.system == rows[2]
