"""GPUs of this host, with a library of the same shape as nvidia-ml-py 13 in its place."""

import sys
import threading
import types

import pytest

from asyncload.monitor.gpu import GpuMonitor


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class FakeNvml(types.ModuleType):
    """GPUs as (utilisation, used, total); what is an NVMLError is raised."""

    NVMLError = NVMLError

    def __init__(self, gpus):
        super().__init__("pynvml")
        self.gpus = gpus
        self.open = 0

    def _told(self, handle, *which):
        assert self.open == 1, "NVML is used before its start or after its end"
        values = [self.gpus[handle][i] for i in which]
        for value in values:
            if isinstance(value, Exception):
                raise value
        return values

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        if self.gpus[index] is None:
            raise NVMLError(15)  # NVML_ERROR_GPU_IS_LOST
        return index

    def nvmlDeviceGetUtilizationRates(self, handle):
        (gpu,) = self._told(handle, 0)
        return types.SimpleNamespace(gpu=gpu, memory=3)

    def nvmlDeviceGetMemoryInfo(self, handle, version=None):
        used, total = self._told(handle, 1, 2)
        return types.SimpleNamespace(used=used, total=total, free=total - used)


@pytest.fixture
def nvml(monkeypatch):
    def put(*gpus):
        fake = FakeNvml(list(gpus))
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        return fake

    return put


def test_each_gpu_is_told_of_with_its_number(nvml):
    library = nvml((87, 20, 24), (0, 1, 24))
    monitor = GpuMonitor.open()
    assert monitor.sample() == [
        {"id": 0, "utilisation": 87, "memory": 20, "memory_total": 24},
        {"id": 1, "utilisation": 0, "memory": 1, "memory_total": 24},
    ]
    monitor.close()
    assert library.open == 0


def test_a_figure_that_a_gpu_does_not_support_is_left_out(nvml):
    nvml((NVMLError(3), 20, 24), (50, NVMLError(3), 24))
    assert GpuMonitor.open().sample() == [
        {"id": 0, "memory": 20, "memory_total": 24},
        {"id": 1, "utilisation": 50},
    ]


def test_a_gpu_that_is_lost_is_left_out_and_the_others_stand(nvml):
    library = nvml((1, 2, 3), None, (4, 5, 6))
    monitor = GpuMonitor.open()
    assert [gpu["id"] for gpu in monitor.sample()] == [0, 2]
    library.gpus[0] = (NVMLError(15), NVMLError(15), 3)
    assert [gpu["id"] for gpu in monitor.sample()] == [2]


def test_a_host_without_a_gpu_has_no_monitor_and_leaves_nothing_open(nvml):
    library = nvml()
    assert GpuMonitor.open() is None
    assert library.open == 0


@pytest.mark.parametrize("problem", [NVMLError(9), OSError("libnvidia-ml.so.1"), AttributeError()])
def test_a_driver_that_does_not_start_is_no_gpu_and_no_error(nvml, problem, capfd):
    library = nvml((1, 2, 3))

    def refused():
        raise problem

    library.nvmlInit = refused
    assert GpuMonitor.open() is None
    assert capfd.readouterr() == ("", "")


def test_a_missing_library_is_no_gpu_and_no_error(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuMonitor.open() is None
    assert capfd.readouterr() == ("", "")


def test_nvml_is_not_shut_down_under_a_sample_that_is_stuck_in_it(nvml):
    library = nvml((1, 2, 3))
    monitor = GpuMonitor.open()
    inside, go = threading.Event(), threading.Event()
    ask = library.nvmlDeviceGetUtilizationRates

    def slow(handle):
        inside.set()
        go.wait(10)
        return ask(handle)

    library.nvmlDeviceGetUtilizationRates = slow
    thread = threading.Thread(target=monitor.sample)
    thread.start()
    inside.wait(10)
    monitor.close()
    assert library.open == 1
    go.set()
    thread.join()
    monitor.close()
    assert library.open == 0
