"""The fingerprint: all that could change a time on this machine."""

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from algoperf_lite.machine import isolation
from algoperf_lite.machine.environment import available_cores

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "algoperf-lite")
_RECORDED = ("GLIBC_TUNABLES", "XLA_FLAGS", "JAX_PLATFORMS", "OMP_NUM_THREADS")


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
        "driver": devices[0].client.platform_version.splitlines()[0],
        "cpu": _cpu_model(),
        "num_cores": len(available_cores()),
        # In GiB: the kernel's own share of it changes from boot to boot.
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions(),
        "matmul_precision": str(jax.config.jax_default_matmul_precision),
        "enable_x64": bool(jax.config.jax_enable_x64),
        "environment": {name: os.environ.get(name, "") for name in _RECORDED},
    }
    # A submission with an environment of its own is timed against the others on the same JAX, so
    # an optax that it brings along is part of it, and not of the machine.
    of_machine = {**facts, "versions": isolation.comparable(facts["versions"])}
    key = hashlib.sha256(json.dumps(of_machine, sort_keys=True).encode()).hexdigest()[:16]
    own = isolation.own_packages()
    # The commit is no part of the key: a change of a document would make results incomparable.
    return {
        **facts,
        **({"own_packages": own} if own else {}),
        "key": key,
        "git_commit": _git_commit(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that training goes through."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


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
