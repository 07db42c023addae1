"""Memory of this machine and of this process."""

import sys
from pathlib import Path

TRIAL_MEMORY = 2 * 2**30  # no trial at lite scale takes more; what it took is in its trial.json


def limit_memory(limit: int | None) -> None:
    """Limits the address space of this process to so many bytes; allocations beyond them fail.

    None is no limit. Does nothing where the system knows none (macOS).
    """
    if limit is not None and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def available_memory() -> int:
    """Bytes of memory that new processes can have, in a container too (cgroup v2)."""
    import psutil

    available = psutil.virtual_memory().available
    try:
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text().strip()
            for name in ("memory.max", "memory.current")
        )
        # A container sees all of the machine's memory as available, whatever it may use of it.
        return min(available, int(limit) - int(used))
    except (OSError, ValueError):  # no such file, or the limit is the word "max"
        return available


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    import resource

    # The field is in bytes on macOS and in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_device_memory() -> int | None:
    """Most bytes of an accelerator that this process has had in use so far, on the fullest of its
    devices; None where JAX does not say, as on a CPU."""
    if "jax" not in sys.modules:  # a process that failed before it could have used any
        return None
    try:
        stats = [device.memory_stats() or {} for device in sys.modules["jax"].local_devices()]
    except RuntimeError:  # the device itself is what failed
        return None
    peaks = [one["peak_bytes_in_use"] for one in stats if "peak_bytes_in_use" in one]
    return max(peaks, default=None)


def free_device_memory() -> int | None:
    """Bytes that are free on the fullest of this process's accelerators; None where JAX does not
    say, as on a CPU."""
    import jax

    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    free = [one["bytes_limit"] - one["bytes_in_use"] for one in stats if "bytes_limit" in one]
    return min(free, default=None)


def workers_that_fit(wanted: int | None, most: int) -> int:
    """The number of trials side by side: `wanted`, or as many up to `most` as memory allows.

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
