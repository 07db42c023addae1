"""A host's member of a job that several hosts do together: it joins the others, is told the job,
and does it."""

import importlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from algoperf_lite.executors.multihost.rendezvous import JOIN_SECONDS, MEETING
from algoperf_lite.machine import fingerprint
from algoperf_lite.training import collectives

_HEARTBEAT_SECONDS = 30  # of silence after which a process counts as dead, and its job ends


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A member as a job of `executors`; see `rendezvous.Group.job_for_member`.

    The first process returns the job's own result. The others do the same work in a temporary
    folder, since only one may write logs, and return {"is_over", "problem", ...}.
    """
    report(event="beat")
    found = {"is_over": False, "problem": _join(payload["join"])}
    if found["problem"] is not None:
        return found
    content = collectives.broadcast_from_first(payload["content"])
    report(event="joined", name="nothing more" if content is None else content["name"])
    # Versions are compared before any trial: unlike ones may compute, and time, unlike things.
    if content == MEETING:
        collectives.check_same({"versions of packages": fingerprint.versions()})
    elif content is not None:
        do = importlib.import_module(content["module"]).work
        own = {**content["payload"], "started": payload["started"]}
        if collectives.is_first():
            return do(own, report)
        with tempfile.TemporaryDirectory() as folder:
            found["problem"] = do(_written_to(Path(folder), own), report).get("error")
    return {**found, "is_over": content is None, **collectives.place()}


def _join(arguments: Mapping[str, Any]) -> str | None:
    """Waits for all processes; returns a sentence where JAX cannot find them out."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if arguments:  # given by flags, so that JAX is not to guess from Slurm's variables
        arguments = {**arguments, "cluster_detection_method": "deactivate"}
    try:
        jax.distributed.initialize(
            **arguments,
            initialization_timeout=JOIN_SECONDS,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        )
    except ValueError as error:
        return (
            f"JAX finds no cluster that it knows ({error}); give --coordinator_address, "
            "--num_processes and --process_id instead of --distributed"
        )
    return None


def _written_to(folder: Path, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a job, with `folder` in place of its trial's directory, if it has one."""
    if "spec" not in payload:
        return dict(payload)
    return {**payload, "spec": {**payload["spec"], "directory": str(folder)}}
