"""Simulated worlds keep every promise; and where the code is broken on purpose, some do not."""

from __future__ import annotations

import msgspec
import pytest

from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.ledger import JobLedger
from asyncload.transport.aws.sqs_batcher import Batches
from asyncload.transport.http.connection import Connection
from tests.simulation.account import violations
from tests.simulation.shrink import changes, shrink
from tests.simulation.trial import try_world
from tests.simulation.world import KINDS, Trouble, World, world_of

pytestmark = pytest.mark.slow

SEEDS = 60
"""Here; `.ci/run` tries as many as a minute takes."""


def broken(world):
    return list(violations(try_world(world)))


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_no_seed_breaks_a_promise(first):
    found = {
        seed: problems for seed in range(first, first + 10) if (problems := broken(world_of(seed)))
    }
    assert found == {}, "python -m tests.simulation --seed N tells all that happened"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_trouble_alone_breaks_no_promise(kind):
    for share in (1.0, 0.3):
        trouble = Trouble(kind, 2.0, 8.0, share)
        world = World(seed=1, linger=0.05, keys_live=6.0, repeated=0.3, troubles=(trouble,))
        assert broken(world) == []


def test_worlds_differ_and_each_kind_of_trouble_is_met():
    worlds = [world_of(seed) for seed in range(200)]
    met = {trouble.kind for world in worlds for trouble in world.troubles}
    assert met == set(KINDS)
    assert {world.ending and world.ending[0] for world in worlds} == {
        None, "stop", "give_up", "abort",
    }  # fmt: skip


def test_a_seed_gives_the_same_records_again():
    for seed in (3, 11):
        first, second = try_world(world_of(seed)), try_world(world_of(seed))
        assert first.records
        assert first.digest == second.digest


def test_a_plain_world_ends_every_job_well():
    trial = try_world(World(seed=1))
    ledger = trial.records[-1]
    assert ledger.submitted == ledger.succeeded == len(trial.opened) > 40
    assert trial.sqs.queues["ImageStatusQueue"].messages == {}


# Each fault, planted, is found by one of a few seeds.


def late_counts_as_duplicate(monkeypatch):
    real = JobLedger._after_the_end

    def after_the_end(self, number, bit):
        before = self.late
        real(self, number, bit)
        self.duplicates += self.late - before
        self.late = before

    monkeypatch.setattr(JobLedger, "_after_the_end", after_the_end)


def unconfirmed_is_refused(monkeypatch):
    monkeypatch.setattr(JobLedger, "mark_unconfirmed", JobLedger.reject)


def foreign_is_deleted(monkeypatch):
    def take(self, message, received, *, readable):
        self._ledger.count_foreign(readable=readable)
        self._deletions.append((message["ReceiptHandle"], 1))

    monkeypatch.setattr(StatusConsumer, "_take_foreign", take)


def repeated_foreign_counts_twice(monkeypatch):
    real = StatusConsumer._take_foreign

    def take(self, message, received, *, readable):
        self._foreign_seen.clear()
        real(self, message, received, readable=readable)

    monkeypatch.setattr(StatusConsumer, "_take_foreign", take)


def an_answer_that_broke_off_is_whole(monkeypatch):
    real = Connection.connection_lost

    def connection_lost(self, exc):
        if self._waiter is not None:
            self._status, self._now = 200, self._clock()
            self._finish(reusable=False)
        real(self, exc)

    monkeypatch.setattr(Connection, "connection_lost", connection_lost)


def a_batch_is_sent_twice(monkeypatch):
    real = Batches._fly

    async def fly(self, entries):
        await self._operation.call(self._encoder.send_batch([one.body for one in entries]), None)
        await real(self, entries)

    monkeypatch.setattr(Batches, "_fly", fly)


def timeouts_come_early(monkeypatch):
    real = JobLedger.open

    def open_(self, about, *, due, start):
        return real(
            self, msgspec.structs.replace(about, timeout=about.timeout * 0.9), due=due, start=start
        )

    monkeypatch.setattr(JobLedger, "open", open_)


@pytest.mark.parametrize(
    "fault",
    [
        late_counts_as_duplicate,
        unconfirmed_is_refused,
        foreign_is_deleted,
        repeated_foreign_counts_twice,
        an_answer_that_broke_off_is_whole,
        a_batch_is_sent_twice,
        timeouts_come_early,
    ],
)
def test_a_planted_fault_is_found(monkeypatch, fault):
    fault(monkeypatch)
    assert any(broken(world_of(seed)) for seed in range(SEEDS))


def test_a_world_that_fails_is_made_smaller(monkeypatch):
    unconfirmed_is_refused(monkeypatch)
    seed = next(seed for seed in range(SEEDS) if broken(world_of(seed)))
    small = shrink(world_of(seed), lambda world: bool(broken(world)), most=60)
    assert broken(small)
    assert len(changes(small)) < len(changes(world_of(seed)))
