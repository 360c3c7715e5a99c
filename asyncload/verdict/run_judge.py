"""The thresholds of a run under way: how they stand, which one ends the load, the verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from asyncload.config.model import ThresholdOptions
from asyncload.config.validity import Validity
from asyncload.progress import ThresholdNow
from asyncload.records.record import Sink
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.evaluate import Windows, evaluate, evaluate_one
from asyncload.verdict.judge import verdict_of
from asyncload.verdict.thresholds import Threshold, ThresholdResult, check_consistent
from asyncload.verdict.verdict import Reason, Verdict


class RunJudge:
    """Holds thresholds against what ``fold``, a sink, has recorded.

    ``load`` is how long the load is, and ``warmup`` what of it is left out, seconds.

    Raises:
        ConfigError: a threshold cannot be read, or could never hold.

    """

    def __init__(
        self,
        thresholds: Iterable[str | ThresholdOptions],
        fold: SummaryFold,
        *,
        load: float,
        warmup: float = 0.0,
        limits: Validity | None = None,
    ) -> None:
        self._thresholds = [Threshold.parse(one) for one in thresholds]
        check_consistent(self._thresholds)
        for threshold in self._thresholds:
            threshold.check_length(load - warmup)
        self._fold = fold
        self._limits = limits
        self._windows = Windows(self._thresholds, warmup=warmup)
        self._ended: dict[str, ThresholdResult] = {}
        """Thresholds that ended the load, by their text: what came afterwards counts no more."""
        self._shown: tuple[ThresholdNow, ...] = ()
        self._shown_at = -1

    @property
    def may_abort(self) -> bool:
        """Whether a threshold may end the load."""
        return any(threshold.abort for threshold in self._thresholds)

    def check_names(self, names: Collection[str]) -> None:
        """Refuse thresholds on names that are none of ``names``. Raises ConfigError."""
        for threshold in self._thresholds:
            threshold.check_name(names)

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """What must see every record: nothing, unless a threshold has ``over``."""
        return (self._windows,) if any(one.over is not None for one in self._thresholds) else ()

    def results(self) -> list[ThresholdResult]:
        """Hold the thresholds against what has been recorded until now."""
        results = evaluate(self._thresholds, self._fold, self._windows)
        return [self._ended.get(result.text, result) for result in results]

    def now(self, t: float) -> tuple[ThresholdNow, ...]:
        """Say how they stand at ``t`` (s); anew once a second, as views ask more often."""
        if self._thresholds and int(t) != self._shown_at:
            self._shown_at = int(t)
            self._shown = tuple(
                ThresholdNow(one.text, one.result, one.measured) for one in self.results()
            )
        return self._shown

    def ends_load(self, t: float) -> ThresholdResult | None:
        """Find a threshold that ends the load at ``t`` (s), because it has failed."""
        for threshold in self._thresholds:
            if threshold.abort and t >= threshold.delay:
                result = evaluate_one(threshold, self._fold, self._windows)
                if result.result == "fail":
                    self._ended[result.text] = result
                    return result
        return None

    def verdict(self, results: Sequence[ThresholdResult], problems: Sequence[Reason]) -> Verdict:
        """Judge the run, which is over; ``problems`` are known to be wrong with it."""
        return verdict_of(
            self._fold, self._thresholds, results, problems=problems, limits=self._limits
        )
