"""Short ways to write a record, a log and what is drawn from it."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from asyncload.records.columns import read_columns
from asyncload.records.record import Job, Record, Request
from asyncload.report.plots import data as plot_run
from asyncload.report.plots.data import Run
from tests.report import believable_log as believable


def request(due: float, end: float, outcome: str = "ok", **more) -> Request:
    fields = {"scenario": "web", "user": 1, "name": "GET /"} | more
    return Request(t=end, due=due, end=end, outcome=outcome, **fields)


def job(due: float, observed: float | None, status: str = "SUCCESS", **more) -> Job:
    fields = {"scenario": "jobs", "job_id": "j", "name": "n", "start": due} | more
    t = fields.pop("t", observed)
    return Job(t=t, due=due, observed=observed, status=status, **fields)


def run_of(
    path: Path,
    records: list[Record],
    *,
    models: dict[str, str] | None = None,
    loads: dict[str, dict] | None = None,
) -> Run:
    header = believable.header(scenarios=models, loads=loads)
    return plot_run.run_of(read_columns(believable.write(path / "run.jsonl", [header, *records])))


def words(figure: Figure) -> str:
    """Return every text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))
