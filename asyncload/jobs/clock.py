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
that a clock that runs fast or slow is followed. A wrong time that contradicts
no other message may be among them. So the correction and its uncertainty are
taken from the second lowest and the second highest bound. While 0 lies between
these the clocks are taken to agree (both sides usually keep NTP time);
otherwise the nearest of them is the correction.

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
        "_agreed",
        "_coarse",
        "_highest",
        "_lowest",
        "_now",
        "_rival",
        "_second_highest",
        "_second_lowest",
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
        self._agreed = 0
        """Messages that agreed with those before them, since the clock was set."""
        self._lowest, self._highest = EVERYTHING
        """What all of them agree on."""
        self._second_lowest, self._second_highest = EVERYTHING
        """The same without the message that is sharpest at this end."""
        self._window: deque[Interval] = deque()
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
        lowest, highest = self._confirmed()
        return lowest if lowest > 0 else min(highest, 0.0)

    @property
    def uncertainty(self) -> float:
        """Seconds that θ may be from :attr:`skew` at most; infinite before the first message."""
        lowest, highest = self._confirmed()
        skew = lowest if lowest > 0 else min(highest, 0.0)
        return max(highest - skew, skew - lowest, 0.0)  # below 0 by rounding

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
        if len(window) > WINDOW:
            window.popleft()
        if lowest <= self._highest + slack and highest + slack >= self._lowest:
            self._agreed += 1
            if lowest > self._second_lowest:
                if lowest > self._lowest:
                    lowest, self._lowest = self._lowest, lowest
                self._second_lowest = lowest
            if highest < self._second_highest:
                if highest < self._highest:
                    highest, self._highest = self._highest, highest
                self._second_highest = highest
            if self._support:
                self._count_against_rival(*window[-1], slack)
        elif not self._weigh(lowest, highest, slack):
            ahead = seconds - received if lowest > self._highest else seconds + resolution - sent
            self._reject(job_id, ahead - self.skew)
            return None
        return self.place(published, sent=sent, received=received)

    def state(self, t: float) -> Clock:
        """Give what is known of the clock, to be logged at ``t``."""
        known = self.uncertainty < math.inf
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

    def _confirmed(self) -> Interval:
        """Give the bounds that two messages confirm, or those of the only one."""
        spread = DRIFT * self._now
        lowest, highest = self._second_lowest, self._second_highest
        return (
            (self._lowest if lowest == -math.inf else lowest) - spread,
            (self._highest if highest == math.inf else highest) + spread,
        )

    def _weigh(self, lowest: float, highest: float, slack: float) -> bool:
        """Find out whether a message that contradicts the others is right and they are wrong."""
        # What many have agreed on is not put to the vote of those in the window. A message
        # that contradicts it cannot change the vote.
        if self._agreed < WINDOW or (
            lowest <= self._second_highest + slack and highest + slack >= self._second_lowest
        ):
            self._vote(slack)
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

    def _vote(self, slack: float) -> None:
        least, most = EVERYTHING
        if self._agreed >= WINDOW:
            least, most = self._second_lowest, self._second_highest
        spread = DRIFT * self._now
        allowed = (
            (max(lowest, least) - spread, min(highest, most) + spread)
            for lowest, highest in self._window
        )
        lowest, highest = most_agreed(one for one in allowed if one[0] <= one[1])
        agreed, before = self._agreed, (self._lowest, self._highest)
        self._take((lowest + spread, highest - spread), (least, most), slack)
        if before[0] <= self._highest + slack and before[1] + slack >= self._lowest:
            self._agreed = max(self._agreed, agreed)  # the majority is the same as before

    def _take(self, agreed: Interval, settled: Interval, slack: float) -> list[Interval]:
        """Take what has been agreed on; return the messages in the window that agree with it."""
        witnesses = [
            (lowest, highest)
            for lowest, highest in self._window
            if lowest <= agreed[1] + slack and highest + slack >= agreed[0]
        ]
        lows = sorted(lowest for lowest, _ in witnesses)
        highs = sorted(highest for _, highest in witnesses)
        # A bound that was settled may be that of a message in the window: it counts once.
        if settled[0] not in lows:
            lows = sorted((settled[0], *lows))
        if settled[1] not in highs:
            highs = sorted((settled[1], *highs))
        self._lowest, self._highest = lows[-1], highs[0]
        self._second_lowest, self._second_highest = lows[-2:][0], highs[:2][-1]
        self._agreed = len(witnesses)
        return witnesses

    def _count_against_rival(self, lowest: float, highest: float, slack: float) -> None:
        """Count a message that agrees with the others, unless it agrees with the rival too."""
        rival = self._rival
        if lowest > rival[1] + slack or highest + slack < rival[0]:
            self._support -= 1

    def _change(self, slack: float) -> None:
        """Take the rival's skew: the service's clock was set."""
        self._window = deque(self._take(self._rival, EVERYTHING, slack))
        self._support = 0
        self.changes += 1
        self.changed_at = self._now
