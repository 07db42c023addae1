"""The use of this machine now: processors, memory, disk, and NVIDIA's GPUs where there are any."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_GIB = 2**30
_FIRST_SECONDS = 0.1
_GPU_SECONDS = 15.0  # between two looks: each starts a process, which costs tens of milliseconds
_GPU_QUERY = "utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class Gpu:
    """One GPU: per cent of the time in which a kernel ran, and per cent of its memory."""

    use: float
    memory: float


@dataclass(frozen=True)
class Sample:
    """The use of the machine since the sample before.

    Attributes:
      time: in seconds since 1970.
      cpu: per cent of all cores.
      memory, memory_gib: per cent, and all that there is.
      load: processes that ran or waited, over the last minute.
      disk_free_gib: where the logs are.
    """

    time: float
    cpu: float
    memory: float
    memory_gib: float
    load: float
    num_cores: int
    disk_free_gib: float | None
    gpus: tuple[Gpu, ...]

    def to_json(self) -> dict:
        """Plain values for the page."""
        return asdict(self)


class Machine:
    """Takes samples of this machine."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._gpus: tuple[Gpu, ...] = ()
        self._gpus_at = -_GPU_SECONDS
        self._nvidia_smi = shutil.which("nvidia-smi")
        self._is_first = True

    def sample(self) -> Sample:
        """The use of it since the last call."""
        memory = psutil.virtual_memory()
        # Each thread's first call has nothing to compare with, so it waits for a moment.
        cpu = psutil.cpu_percent(_FIRST_SECONDS if self._is_first else None)
        self._is_first = False
        return Sample(
            time=round(time.time(), 1),
            cpu=cpu,
            memory=memory.percent,
            memory_gib=round(memory.total / _GIB, 1),
            load=round(os.getloadavg()[0], 2),
            num_cores=psutil.cpu_count() or 1,
            disk_free_gib=self._disk_free(),
            gpus=self._look_at_gpus(),
        )

    def _disk_free(self) -> float | None:
        try:
            return round(shutil.disk_usage(self._directory).free / _GIB, 1)
        except OSError:  # the directory is not there yet
            return None

    def _look_at_gpus(self) -> tuple[Gpu, ...]:
        """As of the last look, which is a moment ago at most."""
        if self._nvidia_smi is None or time.monotonic() - self._gpus_at < _GPU_SECONDS:
            return self._gpus
        self._gpus_at = time.monotonic()
        command = [self._nvidia_smi, f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
            self._gpus = tuple(_gpu(line) for line in done.stdout.splitlines() if line.strip())
        except (OSError, subprocess.TimeoutExpired, ValueError):
            self._nvidia_smi = None  # a driver that does not answer is not asked again
        return self._gpus


def _gpu(line: str) -> Gpu:
    """Raises ValueError for a line that is none of three numbers."""
    use, used, total = map(float, line.split(","))
    return Gpu(use, round(100 * used / total, 1) if total else 0.0)
