"""Rules about the generator's own health: whether it had the time and the clock it needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asyncload.config.validity import Validity
from asyncload.stats import units
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.verdict import Reason

_FEW = 5
"""Samples, one a second, below which a share of them says nothing."""


def generator_reasons(fold: SummaryFold, limits: Validity) -> Iterator[Reason]:
    """Judge the samples of the generator's own host that were taken during the load."""
    end = fold.warmup + fold.span() or fold.t
    yield from _busy(fold, limits, end)
    yield from _blocked(fold, limits, end)
    asleep = fold.timeline.generator.figure("suspended", -1.0, fold.t)
    if asleep.sum() > float(limits.clock_jump):
        yield Reason(
            "clock_jumped",
            f"the generator's host was suspended for {units.seconds(float(asleep.sum()))}",
            "run again, and keep the machine awake meanwhile",
            {"suspended": float(asleep.sum())},
        )
    jumps = fold.timeline.generator.figure("clock_jump", -1.0, fold.t)
    jumps = jumps[np.abs(jumps) > float(limits.clock_jump)]
    if len(jumps):
        worst = float(jumps[np.argmax(np.abs(jumps))])
        yield Reason(
            "clock_jumped",
            f"the wall clock of the generator jumped by {units.seconds(worst)}"
            + (f", and {len(jumps) - 1} more times" if len(jumps) > 1 else ""),
            "run again, and let the clock be slewed, not set, meanwhile",
            {"jump": worst, "times": len(jumps)},
        )


def _busy(fold: SummaryFold, limits: Validity, end: float) -> Iterator[Reason]:
    samples = fold.timeline.generator
    # Used and waited for together: what is left of a second is all the slack there was.
    used = samples.figure("cpu", 0.0, end)
    waited = samples.figure("cpu_wait", 0.0, end)
    needed = used + waited if len(waited) == len(used) else used
    busy = _share(needed, 100 * limits.cpu)
    if len(needed) >= _FEW and busy > limits.busy_share:
        waits = f", and waited for one for {waited.mean():.0f} %" if len(waited) else ""
        yield Reason(
            "generator_busy",
            f"the generator had no time left in {units.percent(busy)} of the seconds of the load: "
            f"on average its process used {used.mean():.0f} % of a core{waits}",
            "ask for a lower rate, or give the generator a core of its own, or more of them",
            {
                "share": busy,
                "cpu": float(used.mean()) / 100,
                "cpu_wait": float(waited.mean()) / 100 if len(waited) else None,
            },
        )
        return
    stolen = samples.figure("steal", 0.0, end)
    if len(stolen) >= _FEW and stolen.mean() > 100 * limits.steal:
        yield Reason(
            "generator_busy",
            f"the host was without its cores for {float(stolen.mean()):.1f} % of the time: its "
            "hypervisor gave them to others (steal)",
            "use a machine that is not shared, or not overcommitted",
            {"figure": "steal", "mean": float(stolen.mean()) / 100},
        )


def _share(values: NDArray[np.float64], limit: float) -> float:
    return float(np.mean(values >= limit)) if len(values) else 0.0


def _blocked(fold: SummaryFold, limits: Validity, end: float) -> Iterator[Reason]:
    """Blocks of the event loop by user code; one alone if it is long, or many shorter ones."""
    blocks = [block for block in fold.timeline.generator.blocks if block[0] <= end + 1]
    if not blocks:
        return
    longest = max(blocks, key=lambda block: block[1])
    seconds = max(len(fold.timeline.generator.figure("loop_lag", 0.0, end)), 1)
    often = sum(length >= float(limits.loop_lag_often) for _, length, _ in blocks)
    if longest[1] < float(limits.loop_lag) and often <= seconds / 2:
        return
    yield Reason(
        "loop_blocked",
        f"{longest[2]} blocked the event loop, for {units.seconds(longest[1])} at the longest, "
        f"in {often or 1} of {seconds} seconds: nothing was sent or received meanwhile",
        "await instead of blocking: an asynchronous library, asyncio.sleep, or "
        "anyio.to_thread.run_sync for what takes long",
        {"by": longest[2], "longest": longest[1], "seconds": often, "of": seconds},
    )
