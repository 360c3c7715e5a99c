"""Figures of hosts in words, and in the live view."""

import pytest
from rich.cells import cell_len

from asyncload.live.sources import figures
from asyncload.records.record import System
from asyncload.stats.live import LiveStats
from tests.live.test_terminal import LOADING, shown
from tests.stats.feeds import header

FULL = System(
    14.0, "edge", host_cpu=41.4, host_memory=7_350_000_000, memory_total=16_000_000_000,
    network_in=1.2e6, network_out=340.0, metrics={"queue": 3.0},
    gpu=[{"id": 0, "utilisation": 87.0, "memory": 20e9, "memory_total": 24e9}],
)  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (
            FULL,
            (
                "cpu 41 %, memory 7.35 of 16.0 GB, gpu 87 % with 20.0 of 24.0 GB, in 1.20 MB/s, "
                "out 340 B/s, queue 3.00"
            ),
        ),
        (System(1.0, "a"), ""),
        (System(1.0, "a", host_memory=512), "memory 512 B"),
        (
            System(1.0, "a", host_memory=9 * 10**8, memory_total=2 * 10**9),
            "memory 900 MB of 2.00 GB",
        ),
        (
            System(1.0, "a", gpu=[{"id": 0, "utilisation": 5.0}, {"id": 1, "memory": 2e9}]),
            "gpu 0 5 %, gpu 1 2.00 GB",
        ),
        (System(1.0, "a", metrics={"a\n\x1b": 1.0}), "a ? 1.00"),
    ],
)
def test_what_is_known_is_told_and_nothing_else(sample, words):
    assert ", ".join(figures(sample)) == words


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_view_has_a_line_for_each_source(width):
    stats = LiveStats()
    stats.write(header(web={"model": "open", "duration": 60}))
    for sample in (FULL, System(0.0, "a-node-with-a-long-name:9100", host_cpu=5.0)):
        stats.write(sample)
    lines = shown(stats.snapshot(16.0), LOADING, width)
    assert any(line.startswith("edge        cpu 41 %, memory 7.35 of 16.0 GB") for line in lines)
    assert any(line.startswith("a-node-wit… no figures since 0:00") for line in lines)
    assert max(cell_len(line.rstrip()) for line in lines) <= width
