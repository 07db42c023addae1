"""Where the trials of an experiment run: this machine, the nodes of a cluster, or several hosts."""

import dataclasses
import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite import did_you_mean
from algoperf_lite.data import folders
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Executor
from algoperf_lite.experiment.config import at_least
from algoperf_lite.experiment.jobs import Limits
from algoperf_lite.experiment.shard import WHOLE, Shard
from algoperf_lite.submission import find
from algoperf_lite.trial.config import ExperimentConfig

EXECUTORS = ("local", "ray")
_NO_MEMORY_LIMIT = (
    "--memory_limit_gib limits addresses, of which the driver of an accelerator reserves more than "
    "there is memory; leave it out"
)
_HOSTS = ("coordinator_address", "num_processes", "process_id")


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where trials run, and how many side by side.

    Attributes:
      executor: "local" for this machine, "ray" for the nodes of a Ray cluster.
      num_workers: trials side by side; None for as many as fit.
      ray_address: of the cluster's head; None for $RAY_ADDRESS, or else Ray on this machine alone.
      coordinator_address: HOST:PORT at which several hosts that train each trial together meet.
      num_processes, process_id: how many hosts there are, and which this is, from 0.
      distributed: whether JAX finds out the three: under Slurm or Open MPI, or on a TPU slice.
      shard: the part of the trials that this command runs, as in "2/8"; None for all of them.
      data_dir: of AlgoPerf's data sets, as trials find it; None for `folders.VARIABLE`.
    """

    executor: str = "local"
    num_workers: int | None = None
    ray_address: str | None = None
    coordinator_address: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    distributed: bool = False
    shard: str | None = None
    data_dir: str | Path | None = None

    def __post_init__(self) -> None:
        did_you_mean.require(self.executor, EXECUTORS, "executor")
        at_least("num_workers", self.num_workers, 1)
        if self.shard is not None:
            Shard.parse(self.shard)
        # A command that was meant for several hosts must not start as one alone.
        given = [name for name in _HOSTS if getattr(self, name) is not None]
        missing = [name for name in _HOSTS if name not in given]
        if given and missing:
            raise ValueError(
                f"--{missing[0]} is missing: several hosts need --coordinator_address, "
                "--num_processes and --process_id, or --distributed alone"
            )
        if given:
            self._check_hosts()
        if self.join is not None and (self.num_workers or 1) > 1:
            raise ValueError(
                f"--num_workers={self.num_workers}, but several hosts train one trial at a time; "
                "leave it or the flags for several hosts out"
            )

    def _check_hosts(self) -> None:
        host, _, port = self.coordinator_address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(
                f"--coordinator_address={self.coordinator_address} is no address with a port; "
                "expected HOST:PORT, as in node001:7000"
            )
        if self.num_processes < 1:
            raise ValueError(f"--num_processes={self.num_processes}; expected a whole number >= 1")
        if not 0 <= self.process_id < self.num_processes:
            raise ValueError(
                f"--process_id={self.process_id} does not count from 0 to --num_processes - 1, "
                f"which is {self.num_processes - 1}"
            )

    @property
    def join(self) -> dict[str, Any] | None:
        """Arguments of `jax.distributed.initialize`; None for one host alone."""
        if self.distributed:
            return {}  # it asks the cluster
        if (self.num_processes or 1) == 1:
            return None
        return {name: getattr(self, name) for name in _HOSTS}

    @property
    def data_folder(self) -> str | None:
        """The absolute folder of AlgoPerf's data sets; None where nobody has named one."""
        return folders.given(self.data_dir)

    @property
    def part(self) -> Shard:
        """The part of the trials that is run here."""
        return WHOLE if self.shard is None else Shard.parse(self.shard)

    def make_executor(
        self,
        config: ExperimentConfig,
        limits: Limits,
        output_dir: Path,
        submissions: Iterable[str],
        workload_names: Iterable[str] = (),
    ) -> Executor:
        """The executor for trials of submissions, given by their files, on workloads.

        Raises ValueError where the machines have not what is asked for.
        """
        cores, devices = config.cores_per_trial, config.devices_per_trial
        if self.executor == "local":
            # JAX itself shares out the devices among the processes of a trial on several hosts.
            several = None if self.join is not None else devices
            here = local.local(cores, self.num_workers, several)
            if limits.memory_limit is not None and here.worker_slots[0].has_accelerator:
                raise ValueError(_NO_MEMORY_LIMIT)
            return here
        if importlib.util.find_spec("ray") is None:
            raise ValueError(
                "--executor=ray needs Ray, which is not installed; pip install 'algoperf-lite[ray]'"
            )
        # Ray takes seconds to import, which runs on this machine need not wait for.
        from algoperf_lite.executors.ray import cluster
        from algoperf_lite.executors.ray.executor import Cluster

        sources = {Path(path): find.source_sha256(Path(path)) for path in submissions}
        outside = filter(workloads.is_outside, workload_names)
        folders = {Path(workloads.base_of(one)): workloads.source_sha256(one) for one in outside}
        cluster.connect(self.ray_address or os.environ.get("RAY_ADDRESS"))
        nodes = cluster.node_resources()
        request = cluster.request(cores, devices, nodes)
        if not request.slots(nodes):
            raise ValueError(
                "no node of the Ray cluster has what a trial asks for "
                f"({request.words()}); ask for less, or start Ray on other machines"
            )
        if limits.memory_limit is not None and request.accelerator is not None:
            raise ValueError(_NO_MEMORY_LIMIT)
        # A node has a working directory of its own.
        return Cluster(request, output_dir.absolute(), sources, self.num_workers, folders)


HERE = Placement()
