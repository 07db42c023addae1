"""A job on a node of a Ray cluster: the node is checked, then the job runs as on one machine."""

import contextlib
import dataclasses
import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job, Outcome
from algoperf_lite.executors.ray import core_locks, leases
from algoperf_lite.machine import devices
from algoperf_lite.machine import environment as machine_environment
from algoperf_lite.machine.devices import Slot
from algoperf_lite.storage import cache
from algoperf_lite.submission import find


@dataclasses.dataclass(frozen=True)
class NodeTask:
    """An attempt at a job, as a node is handed it.

    Attributes:
      job: for `local.Local`, with paths of the node.
      lease: on the experiment's directory; None for a job that writes nothing there.
      cores: how many the job is pinned to where it has no accelerator.
      accelerator: Ray's name of the kind that is set aside for it, "GPU" or "TPU"; or None.
      sources: files of submissions that it needs, with the hash of each.
      folders: of workloads from elsewhere, likewise.
      environment: variables that it inherits from the command.
    """

    job: Job
    lease: leases.Lease | None
    cores: int
    accelerator: str | None
    sources: Mapping[Path, str]
    environment: Mapping[str, str]
    folders: Mapping[Path, str] = dataclasses.field(default_factory=dict)


def run_on_node(task: NodeTask) -> Iterator[dict[str, Any]]:
    """Yields events as they come, then {"outcome": fields of `job.Outcome`}; or {"problem": why}
    where no job can run on this node.

    Runs in the main thread of a process of Ray: when that thread ends, however it ends, the
    kernel kills the job's process.
    """
    # A process of Ray has the node's variables, not those of the command.
    os.environ.update(task.environment)
    problem = _problem(task)
    if problem is not None:
        yield {"problem": f"node {platform.node()}: {problem}"}
        return
    # Ray cancels a task by an exception in it, which leaves all that is entered here.
    with contextlib.ExitStack() as until_the_end:
        if task.lease is not None:
            until_the_end.enter_context(task.lease.watched())
            if task.lease.number:  # the attempt before this one may still be writing
                time.sleep(leases.GRACE_SECONDS)
        if task.accelerator is None:
            claimed = core_locks.claimed(
                task.cores, machine_environment.available_cores(), core_locks.folder()
            )
            slot = Slot(until_the_end.enter_context(claimed), backend="cpu")
        else:  # Ray has put into the variables what of the node's devices is this task's
            [slot] = devices.accelerators().slots(None)
        stream = local.Local([slot]).stream([_here(task.job)])
        for _, said in until_the_end.enter_context(contextlib.closing(stream)):
            is_outcome = isinstance(said, Outcome)
            yield {"outcome": dataclasses.asdict(said)} if is_outcome else dict(said)


def _here(job: Job) -> Job:
    """The job with this node's folder for compiled programs."""
    return job if job.cache is None else dataclasses.replace(job, cache=cache.subfolder("compiled"))


def _problem(task: NodeTask) -> str | None:
    """The reason why no job can run here, with a remedy; None where there is none."""
    if task.lease is not None and not task.lease.is_visible():
        return (
            f"does not see {str(task.lease.file)!r}, which this command has just written; "
            "give an --output_dir on storage that all nodes share, under one path"
        )
    kinds = (
        ("submission", task.sources, find.source_sha256),
        ("workload", task.folders, workloads.outside.sha256),
    )
    for kind, wanted, hashed in kinds:
        for path, sha256 in wanted.items():
            where = f"{kind} {str(path)!r}"
            if not path.exists():
                return (
                    f"{where} does not exist there; put it on storage that all nodes share, or at "
                    "the same path on each"
                )
            if hashed(path) != sha256:
                return f"{where} holds another text there than here; copy it to all nodes"
    return _problem_with_accelerator(task.accelerator)


def _problem_with_accelerator(wanted: str | None) -> str | None:
    found = devices.has_accelerator()
    if wanted is not None and not found:
        return (
            f"has a {wanted} that JAX would not use; install algoperf-lite[{wanted.lower()}] "
            "there, or set JAX_PLATFORMS=cpu here"
        )
    if wanted is None and found:
        return (
            "has an accelerator of which Ray knows nothing; start Ray there with --num-gpus or "
            "--resources='{\"TPU\": 4}', or set JAX_PLATFORMS=cpu here"
        )
    return None
