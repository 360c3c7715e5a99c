"""Reading a ``_stats.csv``, whatever is in it."""

import csv
import io
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.compare.comparison import METRICS
from asyncload.compare.csv_side import read_csv_side
from asyncload.compare.pairing import compare_paths
from asyncload.compare.percentiles import Spread
from asyncload.errors import ConfigError
from tests.compare.two_runs import HEADER, by_metric, csv_file, csv_row

# A file that Locust has written, cut to two of its rows.
LOCUST = """\
POST,/v1/models/enwiki-articletopic:predict,178,2,150.0,189.21067957044318,114.94,696.32,3561.25,1.498851561421523,0.01,150,170,180,210,300,380,680,690,700,700,700
,Aggregated,178,2,150.0,189.21067957044318,114.94,696.32,3561.25,1.498851561421523,0.01,150,170,180,210,300,380,680,690,700,700,700
"""


def test_a_row_is_read_in_seconds_and_the_aggregated_one_is_left_out(tmp_path):
    (row,) = read_csv_side(csv_file(tmp_path / "x_stats.csv", LOCUST)).rows
    assert (row.type, row.name) == ("POST", "/v1/models/enwiki-articletopic:predict")
    assert (row.count, row.failed, row.parts) == (178, 2, None)
    assert row.values == {
        "average": pytest.approx(0.18921067957),
        "median": pytest.approx(0.15),
        "p95": pytest.approx(0.38),
        "p99": pytest.approx(0.69),
        "rate": pytest.approx(1.498851561),
        "failures": pytest.approx(2 / 178),
    }


@pytest.mark.parametrize(
    ("median", "may_be_off_by"),
    [(7, 0.5), (99, 0.5), (210, 5), (1200, 50), (13000, 500), (210.4, 0), (1234, 0), (7.25, 0)],
)
def test_a_percentile_on_locusts_grid_was_rounded_to_it(tmp_path, median, may_be_off_by):
    (row,) = read_csv_side(csv_file(tmp_path / "x.csv", csv_row(median=median))).rows
    assert row.rounding["median"] == pytest.approx(may_be_off_by / 1000)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (210, 230, "cannot tell"),  # 215 → 225 is 5 %, 205 → 235 is 15 %
        (210, 210, "same"),
        (100, 110, "cannot tell"),
        (210, 320, "worse"),
        (4, 5, "cannot tell"),
        (0, 0, "same"),
        (0, 3, "worse"),
        (210.4, 230.9, "same"),
        (210.4, 232.9, "worse"),
    ],
)
def test_what_rounding_leaves_open_is_no_verdict(tmp_path, before, after, verdict):
    files = [
        csv_file(tmp_path / f"{number}.csv", csv_row(count=10**9, median=value))
        for number, value in enumerate((before, after))
    ]
    assert by_metric(compare_paths(*files).rows[0])["median"].verdict == verdict


def test_a_csv_without_a_percentile_tells_nothing_of_it(tmp_path):
    cells = list(csv.reader([HEADER, csv_row()]))
    without = cells[0].index("99%")
    lines = [",".join(cell for i, cell in enumerate(row) if i != without) for row in cells]
    old = csv_file(tmp_path / "old.csv", *lines[1:], header=lines[0])
    new = csv_file(tmp_path / "new.csv", csv_row())
    change = by_metric(compare_paths(old, new).rows[0])["p99"]
    assert (change.verdict, change.reason) == ("cannot tell", "the baseline has no 99%")


def test_of_a_csv_that_tells_no_maximum_only_the_rounding_is_known(tmp_path):
    cells = list(csv.reader([HEADER, csv_row(count=100), csv_row(count=100, median=260)]))
    last = cells[0].index("100%")
    header, *lines = [",".join(cell for i, cell in enumerate(row) if i != last) for row in cells]
    old = csv_file(tmp_path / "old.csv", lines[0], header=header)
    new = csv_file(tmp_path / "new.csv", lines[1], header=header)
    change = by_metric(compare_paths(old, new).rows[0])["median"]
    assert (change.verdict, change.low, change.high) == (
        "worse",
        pytest.approx(255 / 205 - 1, abs=0.03),
        pytest.approx(265 / 195 - 1, abs=0.03),
    )


def test_a_percentile_lies_between_those_of_the_ranks_around_it():
    """Of 1,000 values the median is, at 95 %, from the 46.9th to the 53.1st percentile."""
    evenly = Spread.of(1000, [(0.0, 0.0), (50.0, 5.0), (100.0, 10.0)])
    assert evenly.percentile(50, 5.0) == pytest.approx((4.69, 5.31), abs=0.001)
    assert evenly.mean(5.0) == pytest.approx((4.821, 5.179), abs=0.001)  # 10/√12/√1000
    assert Spread.of(1000, [(0.0, 0.0), (99.0, 5.0)]) is None
    few = Spread.of(7, [(50.0, 5.0), (100.0, 10.0)])
    assert few.percentile(50, 5.0) == pytest.approx((1.296, 8.704), abs=0.001)
    lost = Spread.of(100, [(0.0, 1.0), (50.0, 2.0), (95.0, math.inf), (100.0, math.inf)])
    assert lost.percentile(50, 2.0)[1] == math.inf


def test_what_is_not_applicable_is_no_number_and_no_mistake(tmp_path):
    never = csv_file(
        tmp_path / "a.csv", csv_row(count=0, median="N/A", average=0, p95="N/A", p99="N/A")
    )
    found = by_metric(compare_paths(never, csv_file(tmp_path / "b.csv", csv_row())).rows[0])
    assert {change.verdict for change in found.values()} == {"cannot tell"}
    assert found["average"].reason == "the baseline has 0 as its Average Response Time"
    assert found["failures"].reason == "the baseline has no request"


def test_a_percentile_of_jobs_that_is_not_applicable_lies_among_those_that_never_ended(tmp_path):
    fine = csv_file(tmp_path / "a.csv", csv_row("x.tif:m", "JOB"))
    lossy = csv_file(tmp_path / "b.csv", csv_row("x.tif:m", "JOB", p95="N/A", p99="N/A"))
    change = by_metric(compare_paths(fine, lossy).rows[0])
    assert change["p95"].verdict == change["p99"].verdict == "worse"
    dead = csv_file(
        tmp_path / "c.csv", csv_row("x.tif:m", "JOB", median="N/A", p95="N/A", p99="N/A")
    )
    change = by_metric(compare_paths(fine, dead).rows[0])
    assert change["median"].verdict == "worse"
    assert change["average"].reason == "the candidate has jobs of which half or more never ended"


MISTAKES = {
    "missing": (None, "there is no file {path}; check the path"),
    "empty": (b"", "{path} is empty; give a _stats.csv that a run has written"),
    "an image": (
        b"\x89PNG\r\n\x1a\n\x00\x00",
        "{path} has no column 'Name'; give a Locust _stats.csv, or a log that ends in .jsonl",
    ),
    "a log": (
        b'{"type":"run"}\n',
        "{path} has no column 'Name'; give a Locust _stats.csv, or a log that ends in .jsonl",
    ),
    "another CSV": (
        b"Name,Request Count\n/x,1\n",
        (
            "{path} has no column 'Failure Count'; give a Locust _stats.csv, or a log that ends "
            "in .jsonl"
        ),
    ),
    "no row": (
        f"{HEADER}\n".encode(),
        "{path} has no row of a request; give a _stats.csv that a run with requests has written",
    ),
    "only the aggregated row": (
        f"{HEADER}\n{csv_row('Aggregated', '')}\n".encode(),
        "{path} has no row of a request; give a _stats.csv that a run with requests has written",
    ),
    "no number": (
        f"{HEADER}\n{csv_row(average='fast')}\n".encode(),
        "{path}, line 2: Average Response Time is 'fast'; it must be a number of 0 or more",
    ),
    "a negative number": (
        f"{HEADER}\n{csv_row()}\n{csv_row('/y', rate=-1)}\n".encode(),
        "{path}, line 3: Requests/s is '-1'; it must be a number of 0 or more",
    ),
    "not a number": (
        f"{HEADER}\n{csv_row(p95='nan')}\n".encode(),
        "{path}, line 2: 95% is 'nan'; it must be a number of 0 or more",
    ),
    "half a request": (
        f"{HEADER}\n{csv_row(count=1.5)}\n".encode(),
        "{path}, line 2: Request Count is '1.5'; it must be a whole number of 0 or more",
    ),
    "no count": (
        f"{HEADER}\n{csv_row(count='')}\n".encode(),
        "{path}, line 2: Request Count is ''; it must be a whole number of 0 or more",
    ),
    "more failures than requests": (
        f"{HEADER}\n{csv_row(count=5, failed=6)}\n".encode(),
        (
            "{path}, line 2: the Failure Count 6 is more than the Request Count 5; "
            "mend the row, or leave it out"
        ),
    ),
    "a row twice": (
        f"{HEADER}\n{csv_row()}\n{csv_row()}\n".encode(),
        "{path} has two rows of the Name '/predict' and the Type 'POST'; leave one of them",
    ),
    "a cell without an end": (
        f'{HEADER}\nPOST,"{"x" * 200_000}'.encode(),
        "{path}, line 2: field larger than field limit (131072); give a Locust _stats.csv",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_that_is_no_such_csv_is_met_with_one_sentence(tmp_path, mistake):
    content, says = MISTAKES[mistake]
    path = tmp_path / "x_stats.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as problem:
        read_csv_side(path)
    assert str(problem.value) == says.format(path=path)


survives = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
cells = st.one_of(
    st.text(max_size=8),
    st.integers(-5, 10**18).map(str),
    st.floats().map(str),
    st.sampled_from(["N/A", "", "1e308", "1e-308", "0", "-0", "1_000", "½", '"', "\0"]),
)


@survives
@given(content=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert_read_or_refused(path)


@survives
@given(rows=st.lists(st.lists(cells, min_size=1, max_size=24), max_size=4))
def test_any_cells_are_read_or_refused_with_a_sentence(tmp_path, rows):
    path = tmp_path / "x.csv"
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    path.write_text(f"{HEADER}\n{text.getvalue()}", encoding="utf-8", errors="replace")
    assert_read_or_refused(path)


numbers = st.integers(0, 10**6) | st.floats(0, 1e300) | st.sampled_from(["N/A", "", 0])
counts = st.integers(0, 2**53)


@survives
@given(data=st.data())
def test_any_two_rows_of_numbers_can_be_compared(tmp_path, data):
    files = []
    for side in ("a", "b"):
        count = data.draw(counts)
        row = csv_row(
            kind=data.draw(st.sampled_from(["POST", "JOB"])), count=count,
            failed=data.draw(st.integers(0, count)), median=data.draw(numbers),
            average=data.draw(numbers), p95=data.draw(numbers), p99=data.draw(numbers),
            rate=data.draw(numbers),
        )  # fmt: skip
        files.append(csv_file(tmp_path / f"{side}.csv", row))
    (row,) = compare_paths(*files).rows
    assert [change.metric for change in row.changes] == list(METRICS)


def assert_read_or_refused(path):
    try:
        side = read_csv_side(path)
    except ConfigError as problem:
        sentence = str(problem)
    else:
        assert side.rows
        assert all(row.failed <= row.count for row in side.rows)
        return
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
