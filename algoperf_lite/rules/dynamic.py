"""The check that runs a submission, in a process of its own; see `algoperf_lite.rules.dry_run`."""

import dataclasses
from pathlib import Path

from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.rules.findings import Finding, finding, in_order

# The findings that reading a file never gives.
RULES = ("does-not-run", "changed-structure", "modified-input", "name-dependent")
MEMORY_LIMIT = 64 * 2**30  # bytes of address space, of which an idle JAX maps a few per core
TIME_LIMIT = 180.0  # seconds; a few steps take ten, most of them compilation


def check(path: Path) -> list[Finding]:
    """Findings of a few steps on tiny workloads; a process that dies or hangs is one too."""
    # A submission that prints nothing for the whole time may still be compiling, so silence has no
    # limit of its own.
    job = Job(
        f"check of {path.name}",
        "algoperf_lite.rules.dry_run",
        {"path": str(path)},
        silence_limit=TIME_LIMIT,
        time_limit=TIME_LIMIT,
        memory_limit=MEMORY_LIMIT,
    )
    # Never on an accelerator, whose driver would not start within a limit of addresses.
    slots = [
        dataclasses.replace(slot, variables={"JAX_PLATFORMS": "cpu"})
        for slot in local.slots_of_cores(1, 1)
    ]
    # One job, so one outcome; the loop ends the executor's processes properly.
    for _, outcome in local.Local(slots).run([job]):
        if outcome.result is None:
            return [finding("does-not-run", path.name, outcome.error)]
        return in_order(Finding(**found) for found in outcome.result["findings"])
    raise AssertionError("a job has an outcome")
