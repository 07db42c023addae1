"""A job on a node of a Ray cluster: the node is checked, then the job runs as on one machine."""

import contextlib
import dataclasses
import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job, Outcome
from algoperf_lite.executors.ray import core_locks, leases
from algoperf_lite.machine import environment as machine_environment
from algoperf_lite.storage import cache
from algoperf_lite.submission import find


@dataclasses.dataclass(frozen=True)
class NodeTask:
    """What a node is to do.

    Attributes:
      job: as `local.Local` takes it; its paths must be those of the node.
      attempt: in the register beside the job's results; None for a job that writes none.
      cores: of a trial where no accelerator works.
      accelerator: Ray's name of what was set aside for it, "GPU" or "TPU"; None for none.
      sources: files that it needs, with the hash of each.
      environment: variables that it inherits from the command.
    """

    job: Job
    attempt: leases.Lease | None
    cores: int
    accelerator: str | None
    sources: Mapping[Path, str]
    environment: Mapping[str, str]


def run_on_node(order: NodeTask) -> Iterator[dict[str, Any]]:
    """Events as they come, then {"outcome": fields of `job.Outcome`}; or {"problem": one
    sentence} where no job can run on this node.

    Runs in the main thread of a process of Ray: when that thread ends, however it ends, the
    kernel kills the job's process.
    """
    os.environ.update(order.environment)
    problem = _problem(order)
    if problem is not None:
        yield {"problem": f"node {platform.node()}: {problem}"}
        return
    with contextlib.ExitStack() as until_the_end:
        if order.attempt is not None:
            until_the_end.enter_context(order.attempt.watched())
            if order.attempt.number:  # the one before may still be writing
                time.sleep(leases.GRACE_SECONDS)
        cores: tuple[int, ...] = ()  # with an accelerator, all: Ray says which device is its own
        if order.accelerator is None:
            claimed = core_locks.claimed(
                order.cores, machine_environment.available_cores(), core_locks.folder()
            )
            cores = until_the_end.enter_context(claimed)
        stream = local.Local([cores]).stream([_here(order.job)])
        for _, said in until_the_end.enter_context(contextlib.closing(stream)):
            is_outcome = isinstance(said, Outcome)
            yield {"outcome": dataclasses.asdict(said)} if is_outcome else dict(said)


def _here(job: Job) -> Job:
    """The job with this node's folder for compiled programs."""
    return job if job.cache is None else dataclasses.replace(job, cache=cache.subfolder("compiled"))


def _problem(order: NodeTask) -> str | None:
    """Why no job can run here, and what to do; None where all is well."""
    if order.attempt is not None and not order.attempt.is_registered():
        return (
            f"does not see {str(order.attempt.register)!r}, which this command has just written; "
            "give an --output_dir on storage that all nodes share, under one path"
        )
    for path, sha256 in order.sources.items():
        where = f"submission {str(path)!r}"
        if not path.is_file():
            return (
                f"{where} does not exist there; put it on storage that all nodes share, or at the "
                "same path on each"
            )
        if find.source_sha256(path) != sha256:
            return f"{where} holds another text there than here; copy it to all nodes"
    return _problem_with_accelerator(order.accelerator)


def _problem_with_accelerator(wanted: str | None) -> str | None:
    found = machine_environment.has_accelerator()
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
