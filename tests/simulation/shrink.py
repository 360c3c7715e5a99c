"""Makes a world that breaks a promise smaller, as long as it still does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from tests.simulation.world import World

PLAIN: Final = World(seed=0)


def shrink(world: World, fails: Callable[[World], bool], *, most: int = 300) -> World:
    """Give the smallest world found that ``fails``; at most ``most`` worlds are tried."""
    tried = 0
    again = True
    while again:
        again = False
        for smaller in _smaller(world):
            tried += 1
            if tried > most:
                return world
            if fails(smaller):
                world, again = smaller, True
                break
    return world


def changes(world: World) -> dict[str, Any]:
    """Give what a world has that the plainest one has not."""
    return {
        field: getattr(world, field)
        for field in World.__struct_fields__
        if getattr(world, field) != getattr(PLAIN, field)
    }


def _smaller(world: World) -> Iterator[World]:
    """Give worlds with one thing less each, those that say most first."""

    def with_(**fields: Any) -> World:
        return msgspec.structs.replace(world, **fields)

    for index in range(len(world.troubles)):
        yield with_(troubles=world.troubles[:index] + world.troubles[index + 1 :])
    for field in changes(world):
        if field not in {"seed", "troubles", "duration", "level"}:
            yield with_(**{field: getattr(PLAIN, field)})
    if world.duration > 1:
        yield with_(duration=round(world.duration / 2, 1))
    if world.level > 1:
        yield with_(level=max(1, int(world.level) // 2))
    for index, trouble in enumerate(world.troubles):
        length = trouble.end - trouble.start
        if length > 0.1:
            shorter = msgspec.structs.replace(trouble, end=round(trouble.start + length / 2, 2))
            troubles = (*world.troubles[:index], shorter, *world.troubles[index + 1 :])
            yield with_(troubles=troubles)
