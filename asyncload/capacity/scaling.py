"""The target of SageMaker's auto scaling that follows from a capacity.

SageMakerVariantInvocationsPerInstance = MAX_RPS × SAFETY_FACTOR × 60, where MAX_RPS
is what one instance sustains (Amazon SageMaker AI Developer Guide, "Load testing
your auto scaling configuration"). The metric is per minute.
"""

from __future__ import annotations

from typing import Final

from asyncload.capacity.result import Scaling
from asyncload.plan.plan import Plan, UserSpec

KIND: Final = "sagemaker"
METRIC: Final = "SageMakerVariantInvocationsPerInstance"


def sagemaker_scenarios(plan: Plan) -> list[str]:
    """Name the scenarios whose users invoke SageMaker endpoints."""
    return [
        scenario.name
        for scenario in plan.scenarios
        if isinstance(scenario.user, UserSpec) and scenario.user.kind == KIND
    ]


def scaling(rate: float, *, instances: int, safety_factor: float) -> Scaling:
    """Work out the target for a variant that took ``rate`` per second with ``instances``."""
    max_rps = rate / instances
    target = round(max_rps * safety_factor * 60, 2)
    return Scaling(
        max_rps=max_rps,
        instances=instances,
        safety_factor=safety_factor,
        invocations_per_instance=target,
        policy={
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": METRIC},
        },
    )
