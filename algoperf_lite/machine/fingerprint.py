"""The fingerprint: all that could change a time on this machine."""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.machine import isolation, numerics
from algoperf_lite.machine.devices import has_accelerator, own
from algoperf_lite.machine.environment import available_cores

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "algoperf-lite")
_RECORDED = ("GLIBC_TUNABLES", "XLA_FLAGS", "JAX_PLATFORMS", "OMP_NUM_THREADS")
# Recorded where they are set, which keeps the keys of machines where they never were. The user's
# shell passes them on, and each changes numbers or times on an accelerator.
_RECORDED_IF_SET = (
    *("NVIDIA_TF32_OVERRIDE", "JAX_DEFAULT_MATMUL_PRECISION", "LIBTPU_INIT_ARGS"),
    *("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"),
    *("XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_ALLOCATOR"),
)
# Distributions that hold the drivers of accelerators, by how their names begin.
_OF_ACCELERATORS = ("jax-cuda", "jax-rocm", "nvidia-cudnn-", "nvidia-cublas", "libtpu")
_BESIDE = ("own_packages", "key", "git_commit")  # in a fingerprint, and no part of its key
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@functools.cache
def fingerprint() -> dict[str, Any]:
    """The facts that could change a time: devices, processor, versions, precision, environment.

    "key" is a hash of all that; results with different keys are not comparable in seconds.
    "git_commit" is recorded beside it and not part of the key; so is "own_packages", of a process
    in the environment of a submission.
    """
    import jax  # the fingerprint is of the process that trains

    devices = jax.devices()  # of all processes
    # Only recorded with several devices, so that keys of machines with one stay valid.
    several = {"num_processes": jax.process_count()} if len(devices) > 1 else {}
    facts = {
        "platform": devices[0].platform,
        "device_kind": devices[0].device_kind,
        "num_devices": len(devices),
        **several,
        "driver": " ".join(devices[0].client.platform_version.splitlines()),
        **(_gpus() if devices[0].platform == "gpu" else {}),
        "cpu": _cpu_model(),
        "num_cores": len(available_cores()),
        # In GiB: the kernel's own share of it changes from boot to boot.
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
        "matmul_precision": str(jax.config.jax_default_matmul_precision),
        **numerics.recorded(),
        "enable_x64": bool(jax.config.jax_enable_x64),
        "environment": _environment(),
    }
    # A submission with an environment of its own is timed against the others on the same JAX, so
    # an optax that it brings along is part of it, and not of the machine.
    key = key_of({**facts, "versions": isolation.comparable(facts["versions"])})
    own = isolation.own_packages()
    # The commit is no part of the key: a change of a document would make results incomparable.
    return {
        **facts,
        **({"own_packages": own} if own else {}),
        "key": key,
        "git_commit": _git_commit(),
    }


def key_of(facts: Mapping[str, Any]) -> str:
    """The key of a machine with these facts; what a fingerprint has beside them does not count."""
    of_machine = {name: fact for name, fact in facts.items() if name not in _BESIDE}
    return hashlib.sha256(json.dumps(of_machine, sort_keys=True).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of the packages that training goes through, down to an accelerator's libraries."""
    found = _of_accelerators() if has_accelerator() else {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _of_accelerators() -> dict[str, str]:
    """Versions of the installed distributions that belong to accelerators."""
    installed = (
        # A folder that a broken installation has left behind has no name.
        ((each.metadata["Name"] or "").replace("_", "-"), each.version)
        for each in importlib.metadata.distributions()
    )
    return dict(sorted(pair for pair in installed if pair[0].startswith(_OF_ACCELERATORS)))


def _environment() -> dict[str, str]:
    given = {name: os.environ[name] for name in _RECORDED_IF_SET if os.environ.get(name)}
    return {name: os.environ.get(name, "") for name in _RECORDED} | given


def _gpus() -> dict[str, Any]:
    """What NVIDIA's driver says: its version, and limits of power and memory of the GPUs.

    A card whose power is limited computes more slowly under the same name. A fact is left out
    where the driver's tools are not installed.
    """
    found: dict[str, Any] = {}
    with contextlib.suppress(OSError, IndexError):
        found["kernel_module"] = _NVIDIA_DRIVER.read_text().splitlines()[0].strip()
    command = ["nvidia-smi", "--query-gpu=power.limit,memory.total", "--format=csv,noheader"]
    visible = own().get("CUDA_VISIBLE_DEVICES")
    if visible:
        command.append(f"--id={visible}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return found
    # Each kind once, so that slots of one machine have one key.
    limits = sorted(set(filter(None, map(str.strip, done.stdout.splitlines()))))
    return {**found, "power_and_memory": limits}


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
    root = Path(__file__).parents[2]
    # An installed package may lie inside a repository of the user's, whose commit is not ours.
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
