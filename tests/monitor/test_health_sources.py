"""What is sampled of the generator itself, with clocks and counters that a test sets."""

import gc
import sys
import time

import pytest

from asyncload.monitor import cores as cores_module
from asyncload.monitor import host as host_module
from asyncload.monitor.clock_jumps import ClockJumps
from asyncload.monitor.cores import Cores, CpuTimes, RunQueue, cpu_times
from asyncload.monitor.gaps import Gaps
from asyncload.monitor.gc_pauses import GcPauses
from asyncload.monitor.host import HostMonitor


class Clock:
    """A clock that stands where it was put."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


# -- garbage collection --------------------------------------------------------------------------


def test_the_longest_pause_and_the_sum_are_those_since_the_last_look():
    clock = Clock(0.0)
    pauses = GcPauses(clock)
    for pause in (0.25, 0.5):
        pauses._collecting("start", {})
        clock.now += pause
        pauses._collecting("stop", {})
    assert pauses.take() == (0.5, 0.75)
    assert pauses.take() == (0.0, 0.0)
    assert pauses.total == 0.75


def test_a_collection_that_began_before_counts_nothing():
    pauses = GcPauses(Clock(5.0))
    pauses._collecting("stop", {})
    assert pauses.take() == (0.0, 0.0)


def test_a_real_collection_is_measured_until_it_is_stopped():
    pauses = GcPauses()
    pauses.start()
    try:
        before = time.perf_counter()
        gc.collect()
        took = time.perf_counter() - before
    finally:
        pauses.stop()
    longest, total = pauses.take()
    assert took * 0.5 < longest <= total <= took
    gc.collect()
    assert pauses.take() == (0.0, 0.0)


# -- clocks --------------------------------------------------------------------------------------


@pytest.fixture
def clocks():
    return {"wall": Clock(1e9), "monotonic": Clock(50.0), "boottime": Clock(70.0)}


def test_clocks_that_go_on_together_have_not_jumped(clocks):
    jumps = ClockJumps(**clocks)
    for _ in range(3):
        for clock in clocks.values():
            clock.now += 1.0
        clocks["wall"].now += 0.04  # slewed, and less than what is told
        assert jumps.look() == (None, None)


@pytest.mark.parametrize("jump", [3600.0, -2.0, 0.06])
def test_a_clock_that_is_set_has_jumped_once(clocks, jump):
    jumps = ClockJumps(**clocks)
    clocks["wall"].now += jump
    assert jumps.look() == (pytest.approx(jump, abs=1e-5), None)
    assert jumps.look() == (None, None)


def test_a_host_that_was_suspended_says_for_how_long(clocks):
    jumps = ClockJumps(**clocks)
    clocks["wall"].now += 30.0
    clocks["boottime"].now += 30.0
    assert jumps.look() == (30.0, 30.0)


def test_losing_the_core_between_two_readings_is_no_jump():
    now = [0.0]
    pauses = iter([0.0, 0.0, 0.5, 0.3])  # in the second look, twice

    def monotonic():
        return now[0]

    def wall():
        now[0] += next(pauses, 0.0)
        return 1e9 + now[0]

    jumps = ClockJumps(wall=wall, monotonic=monotonic, boottime=monotonic)
    for _ in range(3):
        now[0] += 1.0
        assert jumps.look() == (None, None)


def test_the_clocks_of_this_host_can_be_read():
    assert ClockJumps().look() == (None, None)


# -- cores ---------------------------------------------------------------------------------------


@pytest.fixture
def core_times(monkeypatch):
    """What the host counts, one after the other; two cores, of which ours is the second."""
    counts = []
    monkeypatch.setattr(cores_module, "cpu_times", lambda: counts.pop(0))
    monkeypatch.setattr(cores_module, "our_cores", lambda: {1})
    return counts


def test_only_the_cores_that_we_may_run_on_count_and_all_of_what_was_stolen(core_times):
    core_times += [
        CpuTimes([(5.0, 10.0), (7.0, 10.0)], 1.0),
        CpuTimes([(5.0, 11.0), (7.9, 11.0)], 1.1),
    ]
    assert Cores().look() == (90.0, 5.0)


def test_steal_that_is_not_counted_is_not_known(core_times):
    core_times += [CpuTimes([(0.0, 1.0)] * 2, None), CpuTimes([(0.5, 2.0)] * 2, None)]
    assert Cores().look() == (50.0, None)


def test_cores_that_a_container_does_not_show_are_not_known(core_times):
    core_times += [CpuTimes([(0.0, 1.0)], 0.0), CpuTimes([(0.5, 2.0)], 0.0)]
    assert Cores().look() == (None, 0.0)


def test_the_cores_of_this_host_are_counted():
    times = cpu_times()
    assert times.cores
    assert all(0 <= busy <= whole for busy, whole in times.cores)
    cores = Cores()
    time.sleep(0.2)
    busy, stolen = cores.look()
    assert 0 <= busy <= 100
    assert stolen is None or 0 <= stolen <= 100
    assert (stolen is not None) == (sys.platform == "linux")


def test_waiting_for_a_core_is_counted_where_the_system_does_so():
    queue = RunQueue()
    before = queue.waited()
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    after = queue.waited()
    queue.close()
    if sys.platform != "linux":
        assert before is after is None
    elif before is not None:  # some kernels are built without it
        assert 0 <= before <= after < 3600


# -- gaps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("_process_cpu", {"cpu"}),
        ("_process_memory", {"memory"}),
        ("_network", {"network_in", "network_out"}),
        ("_our_cores", {"core_cpu", "steal"}),
        ("_cpu_wait", {"cpu_wait"}),
    ],
)
def test_a_figure_that_cannot_be_read_is_a_gap_and_noted_once(monkeypatch, method, fields):
    def broken(_self):
        raise PermissionError(13, "not for you")

    monkeypatch.setattr(HostMonitor, method, broken)
    notes = []
    monitor = HostMonitor(Gaps(lambda level, text: notes.append((level, text))))
    for _ in range(2):
        time.sleep(0.06)
        sample = monitor.sample()
    monitor.close()
    missing = {name for name, value in sample._asdict().items() if value is None}
    unknown = set() if sys.platform == "linux" else {"steal", "cpu_wait"}
    # Some hosts hide their network, others do not count the wait for a core.
    assert fields <= missing <= fields | unknown | {"network_in", "network_out", "cpu_wait"}
    ((level, text),) = notes
    assert level == "warning"
    assert "leaves a gap" in text
    assert "not for you" in text


def test_a_host_whose_memory_cannot_be_read_has_its_other_figures(monkeypatch):
    def broken():
        raise OSError(5, "no")

    monkeypatch.setattr(host_module.psutil, "virtual_memory", broken)
    sample = HostMonitor().sample()
    assert (sample.host_memory, sample.memory_total) == (None, None)
    assert sample.memory > 0


def test_the_wait_for_a_core_is_a_share_of_the_time_since_it_was_last_known(monkeypatch):
    waits = iter([1.0, OSError(5, "no"), 1.5])
    now = [0.0]

    class Queue:
        def waited(self):
            wait = next(waits)
            if isinstance(wait, Exception):
                raise wait
            return wait

        def close(self):
            pass

    monkeypatch.setattr(host_module, "RunQueue", Queue)
    monkeypatch.setattr(host_module.time, "monotonic", lambda: now[0])
    monitor = HostMonitor()
    now[0] = 1.0
    assert monitor.sample().cpu_wait is None
    now[0] = 2.0
    assert monitor.sample().cpu_wait == 25.0
    monitor.close()
