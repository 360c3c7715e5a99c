"""Counters that are read again and again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.monitor.counters import Counters, is_wire


@given(
    before=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6)),
    grown=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**6)),
    seconds=st.integers(1, 1000),
)
def test_the_rate_is_the_growth_of_what_was_seen_both_times_by_the_time(before, grown, seconds):
    counters = Counters()
    assert counters.look(5.0, before).rate(before) is None
    after = {key: before.get(key, 0) + more for key, more in grown.items()}
    rate = counters.look(5.0 + seconds, after).rate("abcd")
    both = before.keys() & grown.keys()
    assert rate == (sum(grown[key] for key in both) / seconds if both else None)


def test_a_counter_that_was_reset_leaves_out_one_interval_and_no_more():
    counters = Counters()
    counters.look(0.0, {"a": 100.0, "b": 50.0})
    assert counters.look(1.0, {"a": 3.0, "b": 60.0}).rate("ab") is None
    assert counters.look(2.0, {"a": 13.0, "b": 60.0}).rate("ab") == 10.0


def test_a_counter_that_comes_later_counts_from_its_second_look():
    counters = Counters()
    counters.look(0.0, {"a": 1.0})
    assert counters.look(1.0, {"a": 2.0, "b": 900.0}).rate("ab") == 1.0
    assert counters.look(2.0, {"a": 2.0, "b": 905.0}).rate("ab") == 5.0


def test_two_looks_at_one_moment_tell_of_no_rate():
    counters = Counters()
    counters.look(1.0, {"a": 1.0})
    assert counters.look(1.0, {"a": 2.0}).rate("a") is None


@pytest.mark.parametrize(
    "name", ["eth0", "ens5", "enp3s0", "wlan0", "en0", "ib0", "Ethernet", "lan1"]
)
def test_traffic_of_a_real_interface_is_counted(name):
    assert is_wire(name)


@pytest.mark.parametrize(
    "name",
    ["lo", "lo0", "docker0", "br-1f2e", "veth9a@if3", "cni0", "flannel.1", "cali12", "bond0",
     "eth0.100", "virbr0", "utun3"],
)  # fmt: skip
def test_traffic_that_passes_a_real_interface_too_or_stays_on_the_host_is_not(name):
    assert not is_wire(name)
