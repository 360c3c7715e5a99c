"""Figures of this host."""

import time

import psutil
import pytest

from asyncload.monitor import host as host_module
from asyncload.monitor.host import HostMonitor


def test_figures_are_those_of_the_host():
    monitor = HostMonitor()
    time.sleep(0.1)
    sample = monitor.sample()
    assert sample.memory_total == psutil.virtual_memory().total
    assert 0 < sample.host_memory < sample.memory_total
    assert 0 < sample.memory < sample.memory_total
    assert 0 <= sample.host_cpu <= 100
    assert sample.cpu >= 0


def test_a_look_right_after_another_tells_of_no_time_between_them():
    monitor = HostMonitor()
    time.sleep(0.1)
    assert monitor.sample().host_cpu is not None
    again = monitor.sample()
    assert (again.cpu, again.host_cpu, again.network_in) == (None, None, None)
    assert again.memory_total > 0


@pytest.fixture
def interfaces(monkeypatch):
    """The host's interfaces, as a test says."""
    found = {}

    def counters(*, pernic):
        assert pernic
        return {
            name: type("io", (), {"bytes_recv": received, "bytes_sent": sent})
            for name, (received, sent) in found.items()
        }

    monkeypatch.setattr(host_module.psutil, "net_io_counters", counters)
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(host_module.time, "monotonic", lambda: next(clock))
    return found


def test_network_is_what_crossed_the_real_interfaces_per_second(interfaces):
    interfaces |= {"eth0": (1000, 10), "lo": (0, 0), "docker0": (0, 0)}
    monitor = HostMonitor()
    interfaces |= {"eth0": (5000, 10), "lo": (10**9, 10**9), "docker0": (7000, 7000)}
    sample = monitor.sample()
    assert (sample.network_in, sample.network_out) == (2000.0, 0.0)


def test_a_host_that_hides_its_interfaces_has_no_network(monkeypatch):
    def hidden(*, pernic):
        raise PermissionError(13, "not for you")

    monkeypatch.setattr(host_module.psutil, "net_io_counters", hidden)
    monitor = HostMonitor()
    time.sleep(0.06)
    assert monitor.sample().network_in is None
