"""What this machine is (fingerprint) and how fast it is (calibration of the reference)."""

import dataclasses
import functools
import glob
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite import cache

REFERENCE = "nadamw"
# Steps whose batches are selected together. In "loop" they are one dispatch: long enough to hide
# its cost, short enough to interrupt. Elsewhere only the selection is to be spread.
CHUNK_SECONDS = {"loop": 0.03, "single": 0.3, "unrolled": 0.3}
DISPATCH_SECONDS = 1e-4  # about what a dispatch costs, so the most that unrolling can save a step
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "algoperf-lite")
_MEASURED_SECONDS = 0.4  # per sample
_SAMPLES = 5
TRIAL_MEMORY = 2 * 2**30  # no trial at lite scale takes more; what it took is in its trial.json
_FIRST_LOOK = 4  # steps
_HOPELESS = 3.0
_WORTHWHILE = 0.03  # share of a step that is worth compiling another program for

# One environment for every trial, whoever starts it. Huge pages in glibc's malloc are worth up to
# 2x on steps with large temporaries, so they must not depend on the user's shell.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "XLA_FLAGS": "",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "JAX_ENABLE_X64": "0",
}
_RECORDED = ("GLIBC_TUNABLES", "XLA_FLAGS", "JAX_PLATFORMS", "OMP_NUM_THREADS")


def environment(num_cores: int, compiled: Path | None) -> dict[str, str]:
    """The environment of a trial's process; `compiled` is a directory for programs."""
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(num_cores)
    )
    compilation = {}
    if compiled is not None:
        compilation = {
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            # JAX's defaults keep only programs that took over a second: none at lite scale.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return {**os.environ, **ENVIRONMENT, **threads, **compilation}


def pin(cores: tuple[int, ...]) -> None:
    """Restricts this process to `cores` where the system can; none means no restriction."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def limit_memory(limit: int | None) -> None:
    """Lets this process have so many bytes of address space; what exceeds them fails to allocate.

    Does nothing where the system knows no such limit (macOS)."""
    if limit is not None and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def available_cores() -> tuple[int, ...]:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def available_memory() -> int:
    """Bytes of memory that new processes can have, in a container too (cgroup v2)."""
    import psutil

    available = psutil.virtual_memory().available
    try:
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text().strip()
            for name in ("memory.max", "memory.current")
        )
        return min(available, int(limit) - int(used))
    except (OSError, ValueError):  # no such file, or the limit is the word "max"
        return available


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def workers_that_fit(wanted: int | None, most: int) -> int:
    """How many trials may run side by side: `wanted`, or as many up to `most` as memory allows.

    Raises ValueError where memory does not suffice for them, or not even for one.
    """
    available = available_memory()
    fits = int(available // TRIAL_MEMORY)
    count = wanted or max(1, min(most, fits))
    if count <= fits:
        return count
    trials = "1 trial needs" if count == 1 else f"{count} trials side by side need"
    raise ValueError(
        f"{trials} about {count * TRIAL_MEMORY / 2**30:.1f} GiB of memory and "
        f"{available / 2**30:.1f} GiB are available; free some, or run fewer with --num_workers"
    )


def has_accelerator() -> bool:
    """Whether JAX would find a GPU or TPU here, told without starting JAX (which would take it)."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return False
    gpu = glob.glob("/dev/nvidia[0-9]*") or glob.glob("/dev/kfd")
    plugins = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin", "jax_rocm7_plugin")
    if gpu and any(importlib.util.find_spec(plugin) for plugin in plugins):
        return True
    tpu = glob.glob("/dev/accel[0-9]*") or glob.glob("/dev/vfio/[0-9]*")
    return bool(tpu) and importlib.util.find_spec("libtpu") is not None


@functools.cache
def fingerprint() -> dict[str, Any]:
    """What could change a time: devices, processor, versions, precision, environment.

    "key" is a hash of all that; results with different keys are not comparable in seconds.
    "git_commit" is recorded beside it and not part of the key.
    """
    import jax  # the fingerprint is of the process that trains

    devices = jax.devices()  # of all processes
    # Said only where it says something: it changes the key, and a machine with one device has
    # calibrations and results under the key without it.
    several = {"num_processes": jax.process_count()} if len(devices) > 1 else {}
    facts = {
        "platform": devices[0].platform,
        "device_kind": devices[0].device_kind,
        "num_devices": len(devices),
        **several,
        "driver": devices[0].client.platform_version.splitlines()[0],
        "cpu": _cpu_model(),
        "num_cores": len(available_cores()),
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
        "matmul_precision": str(jax.config.jax_default_matmul_precision),
        "enable_x64": bool(jax.config.jax_enable_x64),
        "environment": {name: os.environ.get(name, "") for name in _RECORDED},
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return {**facts, "key": key, "git_commit": _git_commit()}


def versions() -> dict[str, str]:
    """Versions of the packages that training goes through."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How the reference submission steps on this machine.

    Attributes:
      seconds_per_step: median, in the faster mode.
      mode: the faster of `programs.MODES`.
      steps_per_dispatch: so many that a dispatch in "loop" takes tens of milliseconds.
      seconds_by_mode: what decided.
      step_hint: of the workload; with seconds_per_step, the reference's time.
      key: of the fingerprint it holds for.
    """

    seconds_per_step: float
    step_hint: int
    mode: str
    steps_per_dispatch: int
    seconds_by_mode: Mapping[str, float]
    key: str


def calibrate(workload_name: str, scale: str, fresh: bool = False) -> Calibration:
    """Measures the reference on a workload here, or recalls it; `fresh` measures anew."""
    import workloads
    from algoperf_lite import unison

    workload = workloads.load(workload_name, scale)
    # The sizes are part of the name: a workload that changed is measured again.
    sizes = hashlib.sha256(repr(workload).encode()).hexdigest()[:8]
    folder = cache.folder() / "calibration" / fingerprint()["key"]
    path = folder / f"{workload_name}_{scale}_{sizes}.json"
    known = unison.agreed(None if fresh else _recalled(path))
    if known is not None:
        return Calibration(**known)
    calibration = _measure(workload)
    if not unison.is_first():
        return calibration
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(dataclasses.asdict(calibration), indent=1))
    partial.replace(path)
    return calibration


def _recalled(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
        Calibration(**found)
    except (OSError, ValueError, TypeError):
        return None  # none, or of another version: measure and replace it
    return found


def _measure(workload: Any) -> Calibration:
    import jax

    from algoperf_lite import programs, stepping, submission, unison
    from algoperf_lite.batch_layout import BatchLayout

    reference = submission.load(REFERENCE)
    traced, static = stepping.split_point(reference.self_tuning_point)
    training = stepping.Training(workload, reference, static)
    batches = stepping.Batches(workload.num_train_examples, reference.batch_size(workload), seed=0)
    layout = BatchLayout.over(jax.devices(), batches.batch_size)
    data = layout.shared(workload.dataset("train"))
    params, model_state = layout.shared(stepping.init_model(workload, seed=0))
    state = jax.jit(layout.spread(training.init, 3))(traced, params, model_state)

    def timed(mode: str) -> Callable[[int], float]:
        """Seconds per step over a number of steps, by a program compiled here and now."""
        chunk = 2 * programs.UNROLLED_STEPS
        stepper = stepping.NativeStepper(training, traced, data, batches, mode, chunk, layout)
        stepper.compile(state)

        def seconds_per_step(num_steps: int) -> float:
            copy = jax.block_until_ready(jax.tree.map(lambda x: x.copy(), state))
            began = time.perf_counter()
            jax.block_until_ready(stepper.advance(copy, 0, num_steps))
            # Process 0's, so that all processes draw the same conclusions from it.
            return unison.agreed((time.perf_counter() - began) / num_steps)

        return seconds_per_step

    seconds = fastest({"single": timed("single"), "loop": timed("loop")})
    best = min(seconds.values())
    if min(seconds, key=seconds.get) == "single" and best < DISPATCH_SECONDS / _WORTHWHILE:
        seconds |= fastest({mode: timed(mode) for mode in ("single", "unrolled")})
    mode = min(seconds, key=seconds.__getitem__)
    chunk = max(1, round(CHUNK_SECONDS[mode] / seconds[mode]))
    return Calibration(
        seconds[mode], workload.step_hint, mode, chunk, seconds, fingerprint()["key"]
    )


def fastest(ways: Mapping[str, Callable[[int], float]]) -> dict[str, float]:
    """Median seconds per step of each way, taken in turns.

    A way that a first look finds `_HOPELESS` times slower than the best is looked at no further:
    convolutions in a loop would take minutes.
    """
    first = {way: run(_FIRST_LOOK) for way, run in ways.items()}
    in_race = [way for way in ways if first[way] < _HOPELESS * min(first.values())]
    counts = {way: max(_FIRST_LOOK, round(_MEASURED_SECONDS / first[way])) for way in in_race}
    samples: dict[str, list[float]] = {way: [] for way in in_race}
    for _ in range(_SAMPLES):
        for way in in_race:
            samples[way].append(ways[way](counts[way]))
    return first | {way: statistics.median(times) for way, times in samples.items()}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _memory_bytes() -> int:
    import psutil

    return psutil.virtual_memory().total


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A calibration as a job of `executors`: {"workload", "scale", "fresh"} -> its fields."""
    report(event="beat")
    return dataclasses.asdict(calibrate(payload["workload"], payload["scale"], payload["fresh"]))
