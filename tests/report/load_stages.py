"""Logs of clients that become more: every step is answered evenly, at the rate that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from asyncload.records.record import Level, Record, Request, RunHeader
from tests.report import believable_log as believable


@dataclass
class Step:
    """What came of one step."""

    clients: int
    achieved: float
    bad: float = 0.0
    """Share of the answers that are failures."""
    latency: float = 0.05


def header(shape: dict, *, duration: object, user: dict | None = None) -> RunHeader:
    """Of one scenario, ``edge``, with 10 requests a second of each client."""
    made = believable.header("load stages", loads={"edge": {}})
    made.config["scenarios"][0] = {
        "name": "edge",
        "load": {"model": "closed", "shape": shape, "duration": duration},
        "user": user or {"kind": "edge", "rate": 10},
    }
    return made


def answers(steps: list[Step], every: float, *, until: float = float("inf")) -> list[Record]:
    """Requests and levels, to ``until`` seconds."""
    records: list[Record] = []
    for number, step in enumerate(steps):
        start = number * every
        for index in range(round(step.achieved * every)):
            end = start + (index + 0.5) / step.achieved
            failed = step.bad > 0 and index % round(1 / step.bad) == 0
            records.append(
                Request(
                    t=end,
                    scenario="edge",
                    user=index % step.clients,
                    name="det_a",
                    due=end - step.latency,
                    start=end - step.latency,
                    end=end,
                    outcome="failed" if failed else "ok",
                    error="HTTP 500" if failed else None,
                )
            )
        records += [
            Level(start + second, "edge", float(step.clients), step.clients, 1, 0)
            for second in range(int(every))
        ]
    return sorted((one for one in records if one.t <= until), key=lambda record: record.t)


def staged_records(steps: list[Step], every: float = 10.0) -> list[Record]:
    """A whole log of stairs."""
    shape = {"kind": "custom_ramp", "levels": [step.clients for step in steps], "every": every}
    body = believable.finish(answers(steps, every))
    return [header(shape, duration=every * len(steps)), *body]
