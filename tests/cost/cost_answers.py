"""What Cost Explorer answers, in its own form, and telling moto to answer so."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any


def result(start: str, *, estimated: bool = False, unit: str = "USD", metric: str = "UnblendedCost",
           **costs: str) -> dict[str, Any]:  # fmt: skip
    """One hour or day: ``SageMaker="1.5"`` is a group of that service."""
    return {
        "TimePeriod": {"Start": start, "End": start},
        "Total": {},
        "Groups": [
            {
                "Keys": [service.replace("_", " ")],
                "Metrics": {metric: {"Amount": amount, "Unit": unit}},
            }
            for service, amount in costs.items()
        ],
        "Estimated": estimated,
    }


def page(*results: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    """One page of results, with the token of the next."""
    answer: dict[str, Any] = {"ResultsByTime": list(results), "DimensionValueAttributes": []}
    return answer if token is None else {**answer, "NextPageToken": token}


def error(code: str, message: str = "") -> dict[str, str]:
    """An error of the JSON protocol."""
    return {"__type": f"com.amazonaws.ce#{code}", "Message": message}


def prime(moto_url: str, *answers: Mapping[str, Any]) -> None:
    """Give moto the answers to the next questions; it keeps one for each question."""
    for path, body in (
        ("/moto-api/reset", None),
        ("/moto-api/static/ce/cost-and-usage-results", {"results": answers}),
    ):
        request = urllib.request.Request(
            moto_url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status < 300
