"""Tables of hosts."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from asyncload.records.record import System
from asyncload.report.tables.hosts_table import print_hosts
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import request

GENERATOR = [
    System(t, "load-1", 20.0, 10**8, host_cpu=cpu, loop_lag=0.001, host_memory=2 * 10**9,
           memory_total=8 * 10**9, network_in=1000.0, network_out=5000.0)
    for t, cpu in ((1.0, 10.0), (2.0, 14.0))
]  # fmt: skip
EDGE = [
    System(t, "edge", host_cpu=cpu, host_memory=9 * 10**9, memory_total=16 * 10**9,
           gpu=[{"id": 0, "utilisation": 80.0, "memory": 20e9, "memory_total": 24e9},
                {"id": 1, "utilisation": 90.0, "memory": 22e9, "memory_total": 24e9}],
           metrics={"waiting": cpu / 10})
    for t, cpu in ((1.0, 91.0), (2.0, 99.0))
]  # fmt: skip


def folded(rows):
    fold = SummaryFold()
    for row in rows:
        fold.write(row)
    return fold.summary()


def printed(rows, width=120):
    out = io.StringIO()
    print_hosts(folded(rows).hosts, Console(file=out, width=width, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize("width", [30, 40, 60])
def test_where_it_is_narrow_no_number_is_cut_and_each_maximum_stands_with_its_mean(width):
    text = printed(GENERATOR + EDGE, width)
    for cell in ("12 %", "2.00 GB", "8.00 GB", "5.00 kB/s", "21.0 GB", "22.0 GB"):
        assert re.search(rf"(^| ){cell}( |$)", text, re.MULTILINE), cell
    headers = [line.split() for line in text.splitlines() if re.match(r" {6,}[a-z]", line)]
    assert len(headers) > 1
    assert width < 36 or all(line[0] != "max" for line in headers)  # else both do not fit


def test_there_is_a_line_for_each_host_with_means_and_maxima():
    rows = [" ".join(line.split()) for line in printed(GENERATOR + EDGE, 160).splitlines()]
    assert rows[1] == "cpu max memory max of gpu max gpu memory max in out"
    assert rows[2] == (
        "generator (load-1) 12 % 14 % 2.00 GB 2.00 GB 8.00 GB – – – – 1.00 kB/s 5.00 kB/s"
    )
    assert rows[3] == (
        "edge, 2 GPUs 95 % 99 % 9.00 GB 9.00 GB 16.0 GB 85 % 90 % 21.0 GB 22.0 GB – –"
    )
    assert rows[-1] == "edge / waiting 9.50 9.90"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_every_width(width):
    lines = printed(GENERATOR + EDGE, width).splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines)


def test_without_a_gpu_there_are_no_columns_of_gpus():
    assert "gpu" not in printed(GENERATOR).lower()


def summary_of(rows):
    out = io.StringIO()
    console = Console(file=out, width=120, color_system=None)
    print_summary(folded(rows), [], console)
    return out.getvalue()


def test_a_run_without_sources_and_gpus_has_no_table_of_hosts():
    assert "System" not in summary_of([request(), *GENERATOR])


@pytest.mark.parametrize("more", [EDGE, [System(3.0, "load-1", loop_lag=0.0, gpu=EDGE[0].gpu)]])
def test_a_run_with_a_source_or_a_gpu_has_one(more):
    text = summary_of([request(), *GENERATOR, *more])
    assert text.index("Requests") < text.index("System") < text.index("no thresholds were set")


def test_a_name_with_characters_that_steer_a_terminal_stays_on_its_line():
    text = printed([System(1.0, "a\x1b[2J\nb", host_cpu=1.0, metrics={"x\ny\x07": 1.0})])
    assert "\x1b" not in text
    assert "a?[2J b" in text
    assert "x y? " in text
