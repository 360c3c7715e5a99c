"""Messages leave in order, in few calls, and come through a service that fails."""

import anyio
import pytest

from asyncload.local.model_runner import publisher as batches
from asyncload.local.model_runner.publisher import Batches

pytestmark = pytest.mark.anyio


class Service:
    """Takes batches; ``troubles`` are what it does to the first calls."""

    def __init__(self, *troubles):
        self.calls = []
        self.taken = []
        self.troubles = list(troubles)

    async def __call__(self, entries):
        self.calls.append([entry["n"] for entry in entries])
        assert len({entry["Id"] for entry in entries}) == len(entries)
        await anyio.lowlevel.checkpoint()
        trouble = self.troubles.pop(0) if self.troubles else []
        if isinstance(trouble, Exception):
            raise trouble
        refused = [entry["Id"] for entry in entries if entry["n"] in trouble]
        self.taken += [entry["n"] for entry in entries if entry["Id"] not in refused]
        return refused


async def deliver(service, count):
    outbox = Batches("test", service)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outbox.run)
        outgoing = [outbox.put({"n": n}) for n in range(count)]
        with anyio.fail_after(10):
            for one in outgoing:
                await one.done.wait()
        tasks.cancel_scope.cancel()
    return outgoing


async def test_messages_leave_in_order_ten_to_a_call():
    service = Service()
    outgoing = await deliver(service, 25)
    assert service.taken == list(range(25))
    assert [len(call) for call in service.calls] == [10, 10, 5]
    assert all(0 < one.sent <= one.published for one in outgoing)


async def test_a_single_message_does_not_wait_for_company():
    service = Service()
    await deliver(service, 1)
    assert service.calls == [[0]]


async def test_a_call_that_fails_is_made_again_before_anything_else_goes():
    service = Service(ConnectionError("gone"), TimeoutError("slow"))
    await deliver(service, 12)
    assert service.calls == [list(range(10))] * 3 + [[10, 11]]
    assert service.taken == list(range(12))


async def test_only_refused_entries_are_sent_again():
    service = Service([3, 4])
    outgoing = await deliver(service, 6)
    assert service.calls == [[0, 1, 2, 3, 4, 5], [3, 4]]
    assert outgoing[3].sent > outgoing[0].sent


async def test_a_message_that_is_never_taken_is_given_up_and_the_next_ones_go(monkeypatch):
    monkeypatch.setattr(batches, "GIVE_UP", 0.0)
    service = Service(*[[0]] * 5)
    outgoing = await deliver(service, 11)
    assert outgoing[0].published == 0
    assert service.taken == list(range(1, 11))
