"""Groups by scenario and name, and how many of them there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from asyncload.stats.groups import JobGroup, RequestGroup

MAX_NAMES: Final = 500
"""Different names kept apart in a run; requests and jobs of others are counted together."""
OTHER_NAMES: Final = "(other names)"

Group = TypeVar("Group", RequestGroup, JobGroup)


def matching(keys: Iterable[tuple[str, str]], name: str | None) -> list[tuple[str, str]]:
    """Find the scenarios and names that ``name`` means: all, or those it is one of."""
    return [key for key in keys if name is None or name in key]


def new_group(
    groups: dict[tuple[str, str], Group], scenario: str, name: str, make: Callable[[], Group]
) -> Group:
    """Begin the group of a name, or give that of the other names when there are too many."""
    key = (scenario, name) if len(groups) < MAX_NAMES else (scenario, OTHER_NAMES)
    group = groups.get(key)
    if group is None:
        group = groups[key] = make()
    return group
