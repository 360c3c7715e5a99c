"""Putting the service's clock on ours.

Job statuses carry wall-clock times of another machine. For every job we know
that its messages were published after we started to send it and before we
received them. A publish time p is cut to the resolution r of its stamp, so the
truth lies in [p, p + r), and the service's clock minus ours, θ, is bounded
(F. Cristian: Probabilistic clock synchronization. Distributed Computing 3, 1989)::

    p - received  <=  θ  <=  p + r - sent

θ is what the most messages agree on (:mod:`asyncload.jobs.agreement`): the
intersection of the bounds of all messages but those that contradict the
others. It tightens with every message, and widens with time by ``DRIFT``, so
that a clock that runs fast or slow is followed. While 0 lies between the
bounds the clocks are taken to agree (both sides usually keep NTP time);
otherwise the nearest bound is the correction.

A message that contradicts the others is rejected: nobody can tell when it was
published. Many of them that agree with each other mean that the service's
clock was set. They are counted as in Page's test (E. S. Page: Continuous
inspection schemes. Biometrika 41, 1954): each message for the new value counts
1, each against it -1, down to 0. With two of five messages wrong by the same
amount, the count gets to ``CONVINCING`` by chance once in 1.5^40 = 11 million.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from asyncload.jobs.agreement import EVERYTHING, Interval, most_agreed
from asyncload.records.record import Clock

RESOLUTION: Final = 0.001
"""Seconds; SNS and SQS cut their timestamps to it."""
COARSE: Final = 1.0
"""Seconds; some emulators and services cut theirs to it. A stamp of whole seconds is taken to be
cut like that: of those in milliseconds one in 1,000 is, and then only says less than it might."""
FEW: Final = 8
"""Stamps from which their resolution can be told: by chance as many are never whole seconds."""
DRIFT: Final = 100e-6
"""Seconds per second by which the two clocks may run apart: a crystal that nobody disciplines."""
WINDOW: Final = 64
"""The latest messages, which are voted on again when one contradicts them."""
CONVINCING: Final = 40
"""Messages for another skew, less those against it, that prove that the clock was set."""
_ROUNDING: Final = 1e-6
"""Epoch seconds are doubles with steps of a quarter of a microsecond."""


class ServiceClock:
    """Estimates the service's clock skew and converts its epoch times to run time.

    ``epoch`` is our wall clock, in epoch seconds, at the run's t = 0. An
    interval of skews that is kept is written as of t = 0: seen at t, it is wider
    by DRIFT · t at both ends.
    """

    __slots__ = (
        "_coarse",
        "_highest",
        "_lowest",
        "_now",
        "_rival",
        "_settled",
        "_support",
        "_window",
        "changed_at",
        "changes",
        "epoch",
        "first_rejected",
        "observed",
        "rejected",
    )

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch
        self.observed = 0
        """Times of the service that were looked at."""
        self.rejected = 0
        """Those of them that no skew explains together with the others."""
        self.first_rejected: tuple[str, float] | None = None
        """The job of the first of them, and how many seconds it was ahead."""
        self.changes = 0
        """How often the service's clock was set."""
        self.changed_at = -math.inf
        """When that was noticed last, run time."""
        self._now = 0.0
        self._coarse = 0
        self._lowest, self._highest = EVERYTHING
        self._window: deque[Interval] = deque()
        self._settled = EVERYTHING
        """What the messages have agreed on that are no longer in the window."""
        self._rival = EVERYTHING
        """Another skew, of messages that were rejected."""
        self._support = 0
        """Messages for it less those against it."""

    @property
    def lowest(self) -> float:
        """The lowest θ that the messages allow, as of the latest of them."""
        return self._lowest - DRIFT * self._now

    @property
    def highest(self) -> float:
        """The highest θ that they allow."""
        return self._highest + DRIFT * self._now

    @property
    def skew(self) -> float:
        """Best estimate of θ: seconds the service's clock is ahead of ours."""
        lowest = self._lowest - DRIFT * self._now
        if lowest > 0:
            return lowest
        return min(self._highest + DRIFT * self._now, 0.0)

    @property
    def uncertainty(self) -> float:
        """Seconds that θ may be from :attr:`skew` at most; infinite before the first message."""
        skew = self.skew
        return max(self.highest - skew, skew - self.lowest, 0.0)

    @property
    def resolution(self) -> float:
        """Seconds to which the most stamps are cut."""
        coarse = self.observed >= FEW and 2 * self._coarse > self.observed
        return COARSE if coarse else RESOLUTION

    def on_ours(self, published: float) -> float:
        """Seconds of run time at ``published``, epoch seconds on the service's clock."""
        return published - self.epoch - self.skew

    def place(self, published: float, *, sent: float, received: float) -> float:
        """Put a publish time on our clock, in seconds of run time.

        A message is not published before ``sent`` or after ``received``, whatever was cut off.
        """
        moment = published - self.epoch - self.skew
        if self.resolution == COARSE:
            moment += COARSE / 2  # the middle of what was cut off
        return round(sent if moment < sent else min(moment, received), 6)

    def place_later(self, published: float, sent: float, job_id: str) -> float | None:
        """Put a publish time on our clock that was observed a while ago.

        So the same skew can put two times of a job on our clock, which leaves the
        time between them as it was. ``None`` when the service's clock has been
        set since the job was sent, or when the first messages agreed on the time
        and those that came after them do not.
        """
        if self.changed_at >= sent:
            return None
        moment, latest = self.on_ours(published), self._now
        allowed = self.uncertainty + self.resolution + _ROUNDING
        if sent - allowed <= moment <= latest + allowed:
            return self.place(published, sent=sent, received=latest)
        self._reject(job_id, moment - (latest if moment > latest else sent))
        return None

    def observe(
        self, published: float, sent: float, received: float, job_id: str = ""
    ) -> float | None:
        """Learn from one message and return its publish time in seconds of run time.

        ``published`` is epoch seconds on the service's clock; ``sent`` and
        ``received`` are run time. ``None`` when the message is rejected.
        """
        seconds = published - self.epoch
        resolution = RESOLUTION
        if published % 1 == 0:
            resolution = COARSE
            self._coarse += 1
        self.observed += 1
        # max() and min() would be a third of what this costs.
        if received > self._now:  # noqa: PLR1730
            self._now = received
        lowest = seconds - received + DRIFT * received
        highest = seconds + resolution - sent - DRIFT * sent
        slack = 2 * DRIFT * self._now + _ROUNDING
        window = self._window
        window.append((lowest, highest))
        if lowest <= self._highest + slack and highest + slack >= self._lowest:
            if lowest > self._lowest:  # noqa: PLR1730
                self._lowest = lowest
            if highest < self._highest:  # noqa: PLR1730
                self._highest = highest
            if self._support:
                self._count_against_rival(lowest, highest, slack)
        elif not self._weigh(lowest, highest, slack):
            skew = self.skew
            ahead = seconds - received if lowest > self._highest else seconds + resolution - sent
            self._reject(job_id, ahead - skew)
            self._forget(slack)
            return None
        if len(window) > WINDOW:
            self._forget(slack)
        return self.place(published, sent=sent, received=received)

    def state(self, t: float) -> Clock:
        """Give what is known of the clock, to be logged at ``t``."""
        known = self._highest - self._lowest < math.inf
        return Clock(
            t=t,
            skew=round(self.skew, 6),
            uncertainty=round(self.uncertainty, 6) if known else None,
            resolution=self.resolution,
            observed=self.observed,
            rejected=self.rejected,
            changes=self.changes,
        )

    # -- inside ---------------------------------------------------------------

    def _reject(self, job_id: str, ahead: float) -> None:
        self.rejected += 1
        if self.first_rejected is None:
            self.first_rejected = job_id, ahead

    def _forget(self, slack: float) -> None:
        """Let the oldest message go. What it agreed to stays."""
        if len(self._window) <= WINDOW:
            return
        lowest, highest = self._window.popleft()
        if lowest <= self._highest + slack and highest + slack >= self._lowest:
            settled = self._settled
            self._settled = max(settled[0], lowest), min(settled[1], highest)

    def _weigh(self, lowest: float, highest: float, slack: float) -> bool:
        """Find out whether a message that contradicts the others is right and they are wrong."""
        least, most = self._settled
        # What is settled is not put to the vote: a wrong message may be sharper than any
        # in the window. So one that contradicts it cannot change the vote.
        if lowest <= most + slack and highest + slack >= least:
            self._vote()
            if lowest <= self._highest + slack and highest + slack >= self._lowest:
                self._support = 0
                return True
        rival = self._rival
        if self._support and lowest <= rival[1] + slack and highest + slack >= rival[0]:
            self._rival = max(rival[0], lowest), min(rival[1], highest)
            self._support += 1
        elif self._support > 1:
            self._support -= 1
        else:
            self._rival = lowest, highest
            self._support = 1
        if self._support < CONVINCING:
            return False
        self._change(slack)
        return True

    def _vote(self) -> None:
        spread = DRIFT * self._now
        least, most = self._settled
        allowed = (
            (max(lowest, least) - spread, min(highest, most) + spread)
            for lowest, highest in self._window
        )
        lowest, highest = most_agreed(one for one in allowed if one[0] <= one[1])
        self._lowest, self._highest = lowest + spread, highest - spread

    def _count_against_rival(self, lowest: float, highest: float, slack: float) -> None:
        """Count a message that agrees with the others, unless it agrees with the rival too."""
        rival = self._rival
        if lowest > rival[1] + slack or highest + slack < rival[0]:
            self._support -= 1

    def _change(self, slack: float) -> None:
        """Take the rival's skew: the service's clock was set."""
        self._lowest, self._highest = lowest, highest = self._rival
        self._settled = EVERYTHING
        kept = [
            one for one in self._window if one[0] <= highest + slack and one[1] + slack >= lowest
        ]
        self._window = deque(kept)
        self._support = 0
        self.changes += 1
        self.changed_at = self._now
