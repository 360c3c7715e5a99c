"""A loop on virtual time whose connections end in memory, with a network that may fail them."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from collections.abc import Callable
from typing import Any, Final

from asyncload.testing import VirtualTimeLoop
from tests.simulation.world import World

MOST_TURNS: Final = 400_000
"""Turns of the loop in one trial: one that takes more goes round and round."""


class StuckError(Exception):
    """The loop has nothing left to do, or never ends."""


class SimulatedLoop(VirtualTimeLoop):
    """Connects to :attr:`network` alone, and raises StuckError where nothing goes on."""

    network: Network

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise StuckError(f"the loop has turned {MOST_TURNS:,} times by t = {self.time():.3f}")
        if not self._ready and not self._scheduled:  # type: ignore[attr-defined]
            raise StuckError(f"at t = {self.time():.3f} nothing is left to wait for")
        super()._run_once()  # type: ignore[misc]

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:  # type: ignore[override]
        """Give any name the same address."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Connect to the service of the network."""
        return await self.network.connect(protocol_factory)


class Network:
    """Carries bytes between connections and a service, as the world lets it.

    ``serve`` makes the service's protocol of a new connection, given its :class:`Side`.
    """

    def __init__(self, world: World, serve: Callable[[Side], Any]) -> None:
        self.world = world
        self.open: set[Side] = set()
        """The client's sides of connections."""
        self.random = random.Random(f"{world.seed} network")
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._quiet = os.pipe()  # what a client asks about a connection: nothing to read
        os.set_blocking(self._quiet[0], False)
        for trouble in world.troubles:
            if trouble.kind == "restart":
                self._loop.call_at(trouble.start, self._reset_all)

    def close(self) -> None:
        """Give back what the system lent."""
        for descriptor in self._quiet:
            os.close(descriptor)

    def fileno(self) -> int:
        """A descriptor on which nothing ever comes."""
        return self._quiet[0]

    async def connect(self, factory: Callable[[], Any]) -> tuple[Side, Any]:
        """Open a connection, after a round trip."""
        await asyncio.sleep(self.arrival() + self.latency() - self._loop.time())
        if self.world.trouble("restart", self._loop.time()) is not None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        client, server = Side(self, factory()), Side(self, None)
        client.peer, server.peer = server, client
        server.protocol = self._serve(server)
        self.open.add(client)
        client.protocol.connection_made(client)
        return client, client.protocol

    def latency(self) -> float:
        """Seconds from one end to the other."""
        return self.random.uniform(0.0005, 0.01)

    def arrival(self) -> float:
        """When what is sent now arrives."""
        now = self._loop.time()
        trouble = self.world.trouble("partition", now)
        return (now if trouble is None else trouble.end) + self.latency()

    def _reset_all(self) -> None:
        for side in list(self.open):
            side.reset()


class Side(asyncio.Transport):
    """One end of a connection."""

    peer: Side

    def __init__(self, network: Network, protocol: Any) -> None:
        super().__init__()
        self.protocol = protocol
        self.closed = False
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._last = 0.0  # bytes arrive in the order in which they were sent

    def write(self, data: Any, delivered: Callable[[], None] | None = None) -> None:
        """Send ``data``, in pieces; ``delivered`` is called when all of it was taken in."""
        if self.closed:
            return
        data, rng = bytes(data), self._network.random
        cut = rng.randrange(len(data)) if rng.random() < 0.2 else 0
        if cut:
            self._later(self._carry, data[:cut], None)
        self._later(self._carry, data[cut:], delivered)

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.closed

    def close(self) -> None:
        """Close in order."""
        self._end(None, None)

    def abort(self) -> None:
        """Close, and reset the other end."""
        self._end(None, ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def reset(self) -> None:
        """Reset both ends: the network has lost the connection."""
        for side in (self, self.peer):
            side._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give what has a descriptor, for a socket."""
        return self._network if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        """Nothing is held back."""
        return 0

    def pause_reading(self) -> None:
        """Nothing to do: pieces are small."""

    def resume_reading(self) -> None:
        """Nothing to do."""

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        self._last = max(self._last + 1e-6, self._network.arrival())
        self._loop.call_at(self._last, call, *args)

    def _carry(self, piece: bytes, delivered: Callable[[], None] | None) -> None:
        peer = self.peer
        if not peer.closed:
            peer.protocol.data_received(piece)
            # Who cannot make sense of it closes; then it was not taken in.
            if delivered is not None and not peer.closed:
                delivered()

    def _end(self, own: Exception | None, other: Exception | None) -> None:
        if not self.closed:
            self._later(self.peer._lose, other)
            self._lose(own)

    def _lose(self, problem: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            self._network.open.discard(self)
            self._loop.call_soon(self._lost, problem)

    def _lost(self, problem: Exception | None) -> None:
        if problem is None:
            self.protocol.eof_received()
        self.protocol.connection_lost(problem)
