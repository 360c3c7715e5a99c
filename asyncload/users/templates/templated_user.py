"""What kinds of users have in common whose requests are templates: rows, waits and limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from asyncload.plan.duration import Duration
from asyncload.plan.plan import Scenario
from asyncload.transport.error_text import describe
from asyncload.transport.http.pool import Timeouts
from asyncload.users.templates.rows import (
    DataOptions,
    RowOrder,
    RowPartition,
    RowSelector,
    check_data,
    data_options,
    own_rows,
    read_data,
    rows_in_order,
)
from asyncload.users.templates.tables import Table
from asyncload.users.user import Context, Setup, User
from asyncload.users.wait import NO_WAIT, check_wait, parse_wait

MOST_SHOWN: Final = 12
"""Requests that are described one by one."""
_ROW_ORDERS: Final[dict[RowOrder, str]] = {
    "random": "picked at random",
    "sequential": "one after the other",
    "split": "a share for each user",
}
PEAK_RESOLUTION: Final = 0.1
"""Seconds between two looks at the level for the largest number of users."""


class TemplateOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys of the ``user`` section that these kinds share."""

    data: str | DataOptions | None = None
    """Rows that fill the places of templates."""
    wait: Any = None
    timeout: Duration = Duration(60)
    """For the whole of a request."""
    connect_timeout: Duration = Duration(10)
    first_byte_timeout: Duration | None = None
    """Until an answer begins; ``timeout`` if left out."""
    idle_timeout: Duration | None = None
    """Between two pieces of a streamed answer; ``timeout`` if left out."""

    def __post_init__(self) -> None:
        limits = (self.timeout, self.connect_timeout, self.first_byte_timeout, self.idle_timeout)
        if any(limit is not None and not limit > 0 for limit in limits):
            raise ValueError(
                "timeout, connect_timeout, first_byte_timeout and idle_timeout must be over 0"
            )
        check_wait(self.wait)
        check_data(self.data)

    @property
    def rows(self) -> DataOptions | None:
        """What is said about data rows, if anything."""
        return data_options(self.data)

    @property
    def limits(self) -> Timeouts:
        """The limits of a request."""
        total = self.timeout
        return Timeouts(
            connect=self.connect_timeout,
            first_byte=self.first_byte_timeout or total,
            total=total,
            idle=self.idle_timeout or total,
        )


class Rows(msgspec.Struct, frozen=True):
    """The data rows of a scenario, and who gets which; nothing where there is no data."""

    table: Table | None = None
    select: RowSelector | None = None
    """Picks a row."""
    partition: RowPartition | None = None
    """For the order ``split``."""

    @classmethod
    def read(cls, setup: Setup, options: TemplateOptions) -> Rows:
        """Read them; blocks. Raises :class:`ConfigError`."""
        rows = options.rows
        if rows is None:
            return cls()
        setup.progress(f"reading the rows of {rows.file}")
        table = read_data(rows, key=setup.key("data"), find=setup.find)
        load, count = setup.load, table.count
        if rows.order == "split":
            if load.model == "open":
                setup.note(
                    "warning",
                    f"{setup.key('data')}: order: split in the open model has a share for each of "
                    f"max_in_flight ({load.max_in_flight:,}) requests under way, so with few of "
                    "them most rows are never sent; use sequential or random, or the closed model",
                )
            partition = RowPartition(count, _most_users(load), part=load.part, parts=load.parts)
            return cls(table, own_rows, partition)
        return cls(table, rows_in_order(rows.order, count, load))


class TemplateUser(User):
    """The scope that templates are filled from. ``shared`` of a subclass has ``rows``."""

    row = 0
    captured: dict[str, Any]
    own_rows: Iterator[int]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options: TemplateOptions = context.options
        self.wait = NO_WAIT if options.wait is None else parse_wait(options.wait)
        self._rows: Rows = context.shared.rows

    async def on_start(self) -> None:
        """Take a share of the rows, where they are split."""
        partition = self._rows.partition
        if partition is not None:
            self._share, self.own_rows = partition.take()

    async def on_stop(self) -> None:
        """Give the share back."""
        partition = self._rows.partition
        if partition is not None:
            partition.give_back(self._share)

    def take_row(self) -> None:
        """Take the row of an iteration."""
        select = self._rows.select
        assert select is not None  # without data there are no rows to use
        self.row = select(self)

    def cannot_make(self, name: str, problem: Exception) -> None:
        """Record that a request called ``name`` failed before it was sent."""
        with self.recorder.measure(name) as measurement:
            measurement.not_sent(f"the request cannot be made: {describe(problem)}")


def work_of(
    options: TemplateOptions, requests: Sequence[tuple[float, str]]
) -> list[tuple[str, str]]:
    """Say which of ``requests``, given as (weight, text), is sent how often, and which rows fill it."""
    total = sum(weight for weight, _ in requests)
    texts = [text for _, text in requests]
    if len(requests) > 1:
        texts = [f"{100 * weight / total:.3g} %  {text}" for weight, text in requests[:MOST_SHOWN]]
    if len(requests) > MOST_SHOWN:
        texts.append(f"and {len(requests) - MOST_SHOWN:,} more")
    found = [("" if index else "requests", text) for index, text in enumerate(texts)]
    if (rows := options.rows) is not None:
        where = f", of them those with {', '.join(rows.where)} as given" if rows.where else ""
        found.append(("data", f"rows of {rows.file}, {_ROW_ORDERS[rows.order]}{where}"))
    return found


def _most_users(load: Scenario) -> int:
    """The most users that the whole of a load, not only this part, has at work at once."""
    whole = dataclasses.replace(load, part=0, parts=1)
    return whole.max_in_flight if load.model == "open" else int(whole.peak(PEAK_RESOLUTION))
