"""The generator's health in the log of a run, with faults that a test plants."""

import asyncio
import gc
import time
from pathlib import Path

import pytest

from asyncload import LoadTest, User, task
from asyncload.config.load import config_from
from asyncload.engine import health
from asyncload.monitor.cores import Cores
from asyncload.records.log import LogReader
from asyncload.records.record import Note, System

pytestmark = pytest.mark.slow


class Fine(User):
    @task
    async def go(self):
        with self.measure("call"):
            await asyncio.sleep(0.001)


class Sleepy(User):
    @task
    async def go(self):
        time.sleep(0.3)


class Messy(User):
    """Has much to collect. A run leaves out of collections what was there before."""

    async def on_start(self):
        self.rings = [[number] for number in range(600_000)]

    @task
    async def go(self):
        gc.collect()


@pytest.fixture
def samples(tmp_path):
    """Runs a load of ``kind``; gives the samples of the generator and the result."""

    def carry_out(kind, rate=2, duration=2.5):
        config = config_from(
            {
                "scenarios": [
                    {
                        "name": "one",
                        "load": {
                            "shape": {"kind": "constant", "level": rate},
                            "duration": duration,
                        },
                        "user": {"kind": f"{__name__}:{kind.__name__}"},
                    }
                ],
                "log": str(tmp_path / "run.jsonl"),
            }
        )
        result = asyncio.run(LoadTest(config).run())
        records = list(LogReader(tmp_path / "run.jsonl"))
        notes = [record.text for record in records if isinstance(record, Note)]
        return [record for record in records if isinstance(record, System)], notes, result

    return carry_out


def test_a_user_that_blocks_the_loop_is_named_in_the_log_with_class_line_and_length(samples):
    found, notes, result = samples(Sleepy)
    lines = Path(__file__).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.strip() == "time.sleep(0.3)")
    blocks = [sample for sample in found if sample.blocked_by is not None]
    assert len(blocks) >= 2
    for sample in blocks:
        assert sample.blocked_by.startswith("Sleepy.go at ")
        assert sample.blocked_by.endswith(f"test_health.py:{line}")
        assert 0.2 < sample.blocked <= sample.loop_lag
    assert notes == []
    told = result.summary.hosts[0].health
    assert told.blocks == len(blocks)
    assert told.longest_block.by == blocks[0].blocked_by


def test_a_run_in_which_nobody_blocks_names_nobody_and_has_every_figure(samples):
    found, notes, _ = samples(Fine, rate=50)
    assert [sample.blocked_by for sample in found] == [None] * len(found)
    assert [sample.clock_jump for sample in found] == [None] * len(found)
    assert notes == []
    whole = found[1]
    for name in ("cpu", "memory", "host_cpu", "core_cpu", "loop_lag", "gc_pause", "gc_time"):
        assert getattr(whole, name) is not None, name
    assert (whole.consumer_lag, whole.full_polls) == (None, None), "there are no jobs"


def test_what_happened_since_the_last_whole_second_is_sampled_at_the_end(samples):
    found, _, _ = samples(Sleepy, rate=2, duration=1.3)  # blocks begin at 0.25, 0.75 and 1.25 s
    assert found[-1].t >= 1.55
    assert found[-1].blocked_by is not None


def test_pauses_for_garbage_collection_are_in_the_log_and_nobody_is_named(samples):
    before = len(gc.callbacks)
    found, _, _ = samples(Messy)
    assert max(sample.gc_pause for sample in found) > 0.02
    assert all(sample.gc_time >= sample.gc_pause for sample in found)
    assert not any("Messy.go" in (sample.blocked_by or "") for sample in found)
    assert len(gc.callbacks) == before


def test_figures_that_cannot_be_sampled_are_gaps_and_the_run_goes_on(samples, monkeypatch):
    def broken(*_):
        raise RuntimeError("not today")

    monkeypatch.setattr(Cores, "look", broken)
    monkeypatch.setattr(health.ClockJumps, "look", broken)
    found, notes, result = samples(Fine)
    assert len(found) >= 3
    assert [sample.core_cpu for sample in found] == [None] * len(found)
    assert found[1].cpu is not None
    assert result.summary.requests.count == 5
    assert sorted(text.partition(" failed")[0] for text in notes) == [
        "sampling the cores", "sampling the wall clock",
    ]  # fmt: skip
