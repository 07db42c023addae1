"""The environment of a trial's process: variables and cores. Loads no JAX."""

import os
from pathlib import Path

# One environment for every trial, whoever starts it. Huge pages in glibc's malloc are worth up to
# 2x on steps with large temporaries, so they must not depend on the user's shell.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "JAX_ENABLE_X64": "0",
}

# Of the shell: XLA's flags for all trials. Its XLA_FLAGS may be meant for other work.
XLA_FLAGS = "ALGOPERF_LITE_XLA_FLAGS"


def environment(num_cores: int, compiled: Path | None) -> dict[str, str]:
    """The environment variables of a trial's process.

    Args:
      num_cores: threads that numerical libraries may start.
      compiled: folder in which JAX keeps compiled programs; None for none.
    """
    # As many threads as cores: more would contend, and times would depend on the machine's other
    # cores.
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
    ours = {**ENVIRONMENT, "XLA_FLAGS": os.environ.get(XLA_FLAGS, "")}
    return {**os.environ, **ours, **threads, **compilation}


def pin(cores: tuple[int, ...]) -> None:
    """Restricts this process to `cores` where the system can; none means no restriction."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def available_cores() -> tuple[int, ...]:
    """The cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
