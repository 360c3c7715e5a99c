"""What the series of a Prometheus endpoint say."""

import pytest

from asyncload.monitor.prometheus import PrometheusReader, UnknownSeriesError
from asyncload.monitor.settings import SeriesOptions

MIB = 1 << 20


def cpu(*cores: dict[str, float]) -> str:
    return "".join(
        f'node_cpu_seconds_total{{cpu="{core}",mode="{mode}"}} {seconds}\n'
        for core, modes in enumerate(cores)
        for mode, seconds in modes.items()
    )


def traffic(**interfaces: tuple[float, float]) -> str:
    return "".join(
        f'node_network_receive_bytes_total{{device="{name}"}} {received}\n'
        f'node_network_transmit_bytes_total{{device="{name}"}} {sent}\n'
        for name, (received, sent) in interfaces.items()
    )


def gpu(name: str, value: object, number: object = 0, **labels: object) -> str:
    more = "".join(f',{label}="{text}"' for label, text in labels.items())
    return f'DCGM_FI_DEV_{name}{{gpu="{number}",UUID="GPU-{number}"{more}}} {value}\n'


def reader(**metrics: SeriesOptions) -> PrometheusReader:
    return PrometheusReader(metrics)


def read(body: str, t: float = 0.0, by: PrometheusReader | None = None):
    return (by or reader()).read(body.encode(), t, "node")


# -- CPU -------------------------------------------------------------------------------------


def test_cpu_is_the_share_of_time_that_no_core_was_idle_since_the_answer_before():
    by = reader()
    before = cpu({"idle": 100, "iowait": 10, "user": 50}, {"idle": 200, "iowait": 0, "user": 0})
    # Of 2 × 10 s the cores were idle for 6 + 1 + 8.
    after = cpu({"idle": 106, "iowait": 11, "user": 53}, {"idle": 208, "iowait": 0, "user": 2})
    assert read(before, 0, by).host_cpu is None
    assert read(after, 10, by).host_cpu == pytest.approx(25.0)


def test_a_host_that_was_started_anew_has_no_cpu_for_one_answer():
    by = reader()
    read(cpu({"idle": 900, "user": 100}), 0, by)
    assert read(cpu({"idle": 5, "user": 1}), 1, by).host_cpu is None
    assert read(cpu({"idle": 5.5, "user": 1.5}), 2, by).host_cpu == pytest.approx(50.0)


def test_a_tick_of_idle_time_that_is_taken_back_does_not_make_the_host_look_idle_or_busy():
    by = reader()
    read(cpu({"idle": 100.00, "iowait": 50.00, "user": 10}), 0, by)
    after = read(cpu({"idle": 100.80, "iowait": 49.99, "user": 10.2}), 1, by)
    assert after.host_cpu == pytest.approx(20, abs=1.5)


def test_a_core_that_comes_later_counts_from_its_second_answer():
    by = reader()
    read(cpu({"idle": 0, "user": 0}), 0, by)
    both = read(cpu({"idle": 1, "user": 1}, {"idle": 500, "user": 0}), 2, by)
    assert both.host_cpu == pytest.approx(50.0)


# -- memory and network ------------------------------------------------------------------------


def test_memory_in_use_is_all_but_what_programs_could_still_get():
    found = read("node_memory_MemTotal_bytes 6.4e+10\nnode_memory_MemAvailable_bytes 4e+10\n")
    assert (found.host_memory, found.memory_total) == (24_000_000_000, 64_000_000_000)


@pytest.mark.parametrize(
    ("body", "used", "total"),
    [
        ("node_memory_MemTotal_bytes 64\n", None, 64),
        ("node_memory_MemTotal_bytes NaN\nnode_memory_MemAvailable_bytes 4\n", None, None),
        ("node_memory_MemTotal_bytes -1\nnode_memory_MemAvailable_bytes 4\n", None, None),
        ("node_memory_MemTotal_bytes 1e30\nnode_memory_MemAvailable_bytes 4\n", None, None),
        ("node_memory_MemTotal_bytes 4\nnode_memory_MemAvailable_bytes 5\n", 0, 4),
    ],
)
def test_memory_that_is_not_told_in_full_is_left_out(body, used, total):
    found = read(body + 'node_cpu_seconds_total{mode="idle"} 1\n')
    assert (found.host_memory, found.memory_total) == (used, total)


def test_network_is_what_crosses_the_real_interfaces_per_second():
    by = reader()
    read(traffic(eth0=(1000, 100), eth1=(0, 0), lo=(9e9, 9e9), veth1=(5e9, 5e9)), 0, by)
    after = read(traffic(eth0=(3000, 150), eth1=(500, 0), lo=(9.9e9, 0), veth1=(9e9, 9e9)), 2, by)
    assert (after.network_in, after.network_out) == (1250.0, 25.0)


def test_an_interface_that_was_reset_leaves_out_one_answer():
    by = reader()
    read(traffic(eth0=(1000, 100)), 0, by)
    reset = read(traffic(eth0=(10, 150)), 1, by)
    assert (reset.network_in, reset.network_out) == (None, 50.0)
    assert read(traffic(eth0=(20, 150)), 2, by).network_in == 10.0


# -- GPUs ----------------------------------------------------------------------------------------


def test_a_gpu_has_its_utilisation_and_memory():
    body = (
        gpu("GPU_UTIL", 87, 1) + gpu("FB_USED", 1000, 1) + gpu("FB_FREE", 3000, 1)
        + gpu("FB_RESERVED", 96, 1) + gpu("GPU_UTIL", 5, 0)
    )  # fmt: skip
    assert read(body).gpu == [
        {"id": 0, "utilisation": 5.0},
        {"id": 1, "utilisation": 87.0, "memory": 1000 * MIB, "memory_total": 4096 * MIB},
    ]


@pytest.mark.parametrize("blank", [2147483632, 140737488355328, 9223372036854775794, -1, "NaN"])
def test_what_dcgm_does_not_know_is_left_out(blank):
    body = gpu("GPU_UTIL", blank) + gpu("FB_USED", 10) + gpu("FB_FREE", blank)
    assert read(body).gpu == [{"id": 0, "memory": 10 * MIB}]


def test_a_divided_gpu_has_the_memory_of_its_instances_and_pods_that_share_one_count_once():
    body = (
        gpu("FB_USED", 100, 0, GPU_I_ID=1) + gpu("FB_USED", 200, 0, GPU_I_ID=2)
        + gpu("FB_FREE", 900, 0, GPU_I_ID=1) + gpu("FB_FREE", 800, 0, GPU_I_ID=2)
        + gpu("GPU_UTIL", 40, 1, pod="a") + gpu("GPU_UTIL", 40, 1, pod="b")
    )  # fmt: skip
    assert read(body).gpu == [
        {"id": 0, "memory": 300 * MIB, "memory_total": 2000 * MIB},
        {"id": 1, "utilisation": 40.0},
    ]


def test_gpus_of_several_hosts_are_numbered_through():
    body = gpu("GPU_UTIL", 1, 0, Hostname="b") + gpu("GPU_UTIL", 2, 0, Hostname="a")
    assert read(body).gpu == [{"id": 0, "utilisation": 2.0}, {"id": 1, "utilisation": 1.0}]


def test_ten_gpus_stand_in_the_order_of_their_numbers():
    body = "".join(gpu("GPU_UTIL", number, number) for number in (10, 2, 0, 9, 1))
    assert [one["id"] for one in read(body).gpu] == [0, 1, 2, 9, 10]


# -- series of the user's choice -------------------------------------------------------------------

WAITING = SeriesOptions(series="vllm:waiting", labels={"model": "a"})
TOKENS = SeriesOptions(series="vllm:tokens_total", rate=True)


def test_series_are_added_up_where_their_labels_match():
    by = reader(waiting=WAITING)
    body = (
        'vllm:waiting{model="a",engine="0"} 3\nvllm:waiting{model="a",engine="1"} 4.5\n'
        'vllm:waiting{model="b"} 100\nvllm:waiting 7\n'
    )
    assert read(body, 0, by).metrics == {"waiting": 7.5}


def test_a_rate_is_the_growth_per_second_and_left_out_after_a_reset():
    by = reader(tokens=TOKENS, total=SeriesOptions(series="vllm:tokens_total"))
    bodies = ["100", "350", "20", "30"]
    found = [
        read(f"vllm:tokens_total {body}\n", 2.0 * i, by).metrics for i, body in enumerate(bodies)
    ]
    assert found == [
        {"total": 100.0},
        {"tokens": 125.0, "total": 350.0},
        {"total": 20.0},
        {"tokens": 5.0, "total": 30.0},
    ]


def test_it_is_known_which_series_have_never_come():
    by = reader(tokens=TOKENS, waiting=WAITING)
    assert by.missing == {"tokens", "waiting"}
    read('vllm:waiting{model="b"} 1\n', 0, by)
    assert by.missing == {"tokens", "waiting"}
    read("vllm:tokens_total 1\n", 1, by)
    assert by.missing == {"waiting"}


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_series_without_a_finite_value_is_left_out(value):
    by = reader(waiting=WAITING)
    body = f'vllm:waiting{{model="a"}} {value}\nnode_memory_MemTotal_bytes 5\n'
    assert read(body, 0, by).metrics is None


def test_an_endpoint_without_any_of_the_series_is_told_what_it_has():
    with pytest.raises(UnknownSeriesError) as caught:
        read("".join(f'model:s{n}_total{{a="b"}} 1\n' * 2 for n in range(7)))
    assert str(caught.value) == (
        "has no series of node_exporter, DCGM or its own process; name some of its series under "
        "metrics: it has model:s0_total, model:s1_total, model:s2_total, model:s3_total, "
        "model:s4_total, …"
    )
    with pytest.raises(UnknownSeriesError, match="process, and none of those in metrics; name"):
        read("up 1\n", 0, reader(waiting=WAITING))


SERVER = """# HELP model:requests_total Requests.
process_cpu_seconds_total {cpu}
process_resident_memory_bytes 5e+08
"""


def test_a_model_server_tells_of_its_own_process():
    by = reader(waiting=WAITING)
    assert read(SERVER.format(cpu=10), 0, by).metrics == {"process_memory": 5e8}
    found = read(SERVER.format(cpu=13), 2, by)
    assert found.metrics == {"process_memory": 5e8, "process_cpu": 1.5}
    assert (found.host_cpu, found.host_memory, by.missing) == (None, None, {"waiting"})


def test_the_process_of_an_exporter_is_not_what_is_under_test():
    body = SERVER.format(cpu=10) + "node_memory_MemTotal_bytes 5\n"
    assert read(body).metrics is None
