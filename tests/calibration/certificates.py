"""Certificates made by hand."""

from __future__ import annotations

import msgspec

from asyncload.calibration.certificate import (
    Certificate,
    ConsumerLag,
    Lateness,
    PercentileError,
    QueueError,
    TopRate,
)
from asyncload.calibration.machine import this_machine


def certificate(rate: float = 20_000.0, **changes: object) -> Certificate:
    """Make a certificate of this machine; ``changes`` are of the machine."""
    percentiles = (
        PercentileError(
            percent=50, measured=0.0075, logged=0.007, formula=0.00693, low=0.0066, high=0.0083,
            agrees=True,
        ),
        PercentileError(
            percent=99, measured=0.0411, logged=0.0406, formula=0.0461, low=None, high=None,
            agrees=None,
        ),
    )  # fmt: skip
    return Certificate(
        machine=msgspec.structs.replace(this_machine(), **changes),
        made_at="2026-11-28T08:44:00+00:00",
        quick=False,
        top_rate=TopRate(
            rate=rate,
            failed_at=1.1 * rate,
            limit="scenario 'plain' went out late by our own doing: lateness p99 27.4 ms, over "
            "the limit of 10.0 ms",
            by_service=False,
            duration=6.0,
        ),
        lateness=tuple(
            Lateness(
                share=share,
                rate=share * rate,
                count=1000,
                p50=4e-5,
                p99=8e-4,
                max=0.004,
                valid=share < 0.9,
            )
            for share in (0.1, 0.5, 0.9)
        ),
        queues=(
            QueueError(
                name="M/M/4",
                workers=4,
                service_time=0.005,
                utilisation=0.8,
                count=12_800,
                percentiles=percentiles,
            ),
        ),
        consumer=ConsumerLag(
            rate=100.0,
            jobs=600,
            notification_p50=0.048,
            notification_p99=0.094,
            lag_median=None,
            lag_max=None,
            statuses_per_second=73_632.0,
        ),
    )
