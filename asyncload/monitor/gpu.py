"""Utilisation and memory of this host's NVIDIA GPUs, by NVML."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Self


class GpuMonitor:
    """Samples the GPUs. Every method may block: NVML asks the driver.

    nvidia-ml-py is an optional dependency (the extra ``gpu``): :meth:`open`
    gives ``None`` where it, the driver or a GPU is missing.
    """

    def __init__(self, nvml: Any, handles: dict[int, Any]) -> None:
        self._nvml = nvml
        self._handles = handles
        self._busy = threading.Lock()

    @classmethod
    def open(cls) -> Self | None:
        """Begin, if there is something to sample."""
        try:
            import pynvml

            pynvml.nvmlInit()
        except Exception:  # no library, no driver, versions that do not match: no GPU for us
            return None
        handles = {}
        with contextlib.suppress(Exception):
            for number in range(pynvml.nvmlDeviceGetCount()):
                with contextlib.suppress(Exception):  # broken, or given to a virtual machine
                    handles[number] = pynvml.nvmlDeviceGetHandleByIndex(number)
        monitor = cls(pynvml, handles)
        if not handles:
            monitor.close()
            return None
        return monitor

    def sample(self) -> list[dict[str, float]]:
        """Give what ``System.gpu`` holds; what a GPU does not tell is left out."""
        nvml = self._nvml
        found = []
        with self._busy:
            for number, handle in self._handles.items():
                gpu: dict[str, float] = {}
                # A figure may be unknown to this GPU or driver, or the GPU be lost.
                with contextlib.suppress(Exception):
                    gpu["utilisation"] = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
                with contextlib.suppress(Exception):
                    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                    gpu["memory"], gpu["memory_total"] = memory.used, memory.total
                if gpu:
                    found.append({"id": number, **gpu})
        return found

    def close(self) -> None:
        """Let go of NVML, unless a sample is stuck in it."""
        if not self._busy.acquire(blocking=False):
            return
        with contextlib.suppress(Exception):
            self._nvml.nvmlShutdown()
        self._busy.release()
