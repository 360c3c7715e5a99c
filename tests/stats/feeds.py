"""Records that the tests of statistics and views feed on."""

from hypothesis import strategies as st

from asyncload.records.record import Job, Ledger, Level, Note, Request, RunHeader, System

moments = st.floats(0, 100, allow_nan=False)
spans = st.floats(0, 20, allow_nan=False)


@st.composite
def requests(draw):
    due, lateness, service = draw(moments), draw(spans), draw(spans)
    outcome = draw(st.sampled_from(["ok", "ok", "failed", "timeout", "dropped", "interrupted"]))
    start = None if outcome == "dropped" else due + lateness
    end = due if start is None else start + service
    stages = {}
    if start is not None and draw(st.booleans()):
        shares = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
        stages["begun"], stages["ready"] = (due + share * lateness for share in shares)
        first, last = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
        stages["sent"], stages["first_byte"] = start + first * service, start + last * service
    return Request(
        t=end,
        scenario=draw(st.sampled_from(["a", "b"])),
        user=0,
        name=draw(st.sampled_from(["get", "put", "a"])),
        due=due,
        end=end,
        outcome=outcome,
        start=start,
        status=draw(st.sampled_from([None, 200, 503])),
        bytes_out=draw(st.none() | st.integers(0, 10**6)),
        bytes_in=draw(st.none() | st.integers(0, 10**6)),
        error=draw(st.sampled_from([None, "boom", "refused"])),
        **stages,
    )


@st.composite
def jobs(draw):
    due = draw(moments)
    start = due + draw(spans)
    accepted = draw(st.none() | spans.map(lambda span: start + span))
    status = draw(st.sampled_from(["SUCCESS", "PARTIAL", "FAILED", "TIMED_OUT", "LOST"]))
    over = status in {"SUCCESS", "PARTIAL", "FAILED"}
    started = draw(st.none() | spans.map(lambda span: start + span))
    finished = draw(st.none() | spans.map(lambda span: start + span)) if over else None
    observed = start + draw(spans) if over else None
    return Job(
        t=observed or start,
        scenario=draw(st.sampled_from(["a", "b"])),
        job_id="0" * 32,
        name=draw(st.sampled_from(["x.tif:m", "y.ntf:m"])),
        due=due,
        start=start,
        accepted=accepted,
        started=started,
        finished=finished,
        observed=observed,
        status=status,
        size=draw(st.none() | st.integers(0, 10**9)),
        pixels=draw(st.none() | st.integers(0, 10**9)),
        duplicates=draw(st.integers(0, 2)),
        error=draw(st.sampled_from([None, "no such object"])),
    )


levels = st.builds(
    Level, moments, st.sampled_from(["a", "b"]), moments, st.just(1), st.just(2), st.just(3)
)
notes = st.builds(Note, moments, st.sampled_from(["info", "warning"]), st.sampled_from(["x", "y"]))
systems = st.builds(
    System, moments, st.just("host"), st.just(5.0), st.just(10**7), loop_lag=st.none() | spans
)
records = requests() | jobs() | levels | notes | systems


def header(**scenarios):
    """Make a run header of scenarios given as name=load."""
    return RunHeader(
        schema=1,
        run_id="0" * 12,
        name="burst",
        started_at="2026-01-01T00:00:00Z",
        seed=1,
        config={"scenarios": [{"name": name, "load": load} for name, load in scenarios.items()]},
        host={},
        versions={},
    )


def request(t=1.0, latency=0.1, lateness=0.0, outcome="ok", **fields):
    """Make a request that ended at ``t``."""
    values = {"scenario": "s", "user": 0, "name": "get", "due": t - latency, "end": t}
    if outcome != "dropped":
        values["start"] = t - latency + lateness
    return Request(t=t, outcome=outcome, **(values | fields))


def job(t=10.0, latency=4.0, status="SUCCESS", **fields):
    """Make a job observed at ``t``; its stages take 10, 10, 20, 50 and 10 % of its latency."""
    due = t - latency
    times = {
        "start": due + 0.1 * latency,
        "accepted": due + 0.2 * latency,
        "started": due + 0.4 * latency,
        "finished": due + 0.9 * latency,
        "observed": t,
    }
    if status in {"TIMED_OUT", "LOST"}:
        times |= {"started": None, "finished": None, "observed": None}
    values = {"scenario": "s", "job_id": "0" * 32, "name": "x.tif:m", "due": due} | times
    return Job(t=t, status=status, **(values | fields))


def ledger(t=60.0, **totals):
    """Make a ledger whose counters add up."""
    values = dict.fromkeys(Ledger.__struct_fields__, 0) | totals
    parts = ("succeeded", "partial", "failed", "timed_out", "lost", "backlog")
    values |= {"t": t, "submitted": sum(values[part] for part in parts)}
    return Ledger(**values)
