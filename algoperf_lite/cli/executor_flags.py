"""Flags of `run` that say where trials run."""

import argparse
import importlib.util
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line must start quickly
    from algoperf_lite.executors.job import Executor


def add(
    parser: argparse.ArgumentParser,
    one_of: Callable[..., Callable[[str], str]],
    at_least: Callable[[int], Callable[[str], int]],
) -> None:
    """Adds the flags; `one_of` and `at_least` make a flag's type of what it may be."""
    add = parser.add_argument
    add(
        "--executor",
        type=one_of("executor", "local", "ray"),
        default="local",
        help="'local' (default): this machine; 'ray': the nodes of a Ray cluster",
    )
    add(
        "--ray_address",
        help="of the cluster's head; default: $RAY_ADDRESS, or else Ray on this machine alone",
    )
    add(
        "--accelerators_per_trial",
        type=at_least(1),
        help="GPUs, or chips of a TPU, that Ray sets aside for a trial; default: 1",
    )


def executor(arguments: argparse.Namespace, submissions: Iterable[str]) -> "Executor":
    """Where the flags say that trials of submissions, given by their files, run.

    Raises ValueError, one sentence, for flags that do not fit each other or the machines.
    """
    if arguments.executor == "local":
        for name in ("ray_address", "accelerators_per_trial"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name} is for Ray; add --executor=ray or leave it out")
        from algoperf_lite.executors import local

        return local.local(arguments.cores_per_trial, arguments.num_workers)
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "--executor=ray needs Ray, which is not installed; pip install 'algoperf-lite[ray]'"
        )
    from algoperf_lite.executors.ray import cluster
    from algoperf_lite.executors.ray.executor import Cluster
    from algoperf_lite.submission import find

    sources = {Path(path): find.source_sha256(Path(path)) for path in submissions}
    cluster.connect(arguments.ray_address or os.environ.get("RAY_ADDRESS"))
    nodes = cluster.node_resources()
    request = cluster.request(
        arguments.cores_per_trial, arguments.accelerators_per_trial or 1, nodes
    )
    if not request.slots(nodes):
        raise ValueError(
            f"no node of the Ray cluster has what a trial asks for ({request.words()}); ask for "
            "less, or start Ray on other machines"
        )
    # A node has a working directory of its own.
    return Cluster(request, arguments.output_dir.absolute(), sources, arguments.num_workers)
