"""A Ray cluster: the resources of its nodes, the request of a trial, and the connection to it."""

import contextlib
import dataclasses
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from algoperf_lite.machine import environment, memory

_CONNECT_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Request:
    """The resources that Ray sets aside for a trial.

    Attributes:
      cores: CPUs.
      accelerator: "GPU" or "TPU", as Ray calls them; None for none.
      num_accelerators: GPUs, or chips of a TPU.
    """

    cores: int
    accelerator: str | None = None
    num_accelerators: int = 1

    def resources(self) -> dict[str, float]:
        """Amounts by Ray's names; memory in bytes."""
        asked = {"CPU": float(self.cores), "memory": float(memory.TRIAL_MEMORY)}
        if self.accelerator is not None:
            asked[self.accelerator] = float(self.num_accelerators)
        return asked

    def options(self) -> dict[str, Any]:
        """The same as arguments of `ray.remote`, which has its own words for some of them."""
        own = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
        asked = self.resources()
        named = {own[name]: amount for name, amount in asked.items() if name in own}
        rest = {name: amount for name, amount in asked.items() if name not in own}
        return {**named, "resources": rest} if rest else named

    def words(self) -> str:
        """For people."""
        words = [f"{self.cores} CPU", f"{memory.TRIAL_MEMORY / 2**30:.0f} GiB of memory"]
        if self.accelerator is not None:
            words.insert(1, f"{self.num_accelerators} {self.accelerator}")
        return ", ".join(words)

    def slots(self, nodes: Iterable[Mapping[str, float]]) -> int:
        """How many trials fit on nodes with such resources at once."""
        asked = self.resources()
        return sum(
            min(int(node.get(name, 0.0) // amount) for name, amount in asked.items())
            for node in nodes
        )


def request(cores: int, num_accelerators: int, nodes: Iterable[Mapping[str, float]]) -> Request:
    """A trial's request on nodes with such resources: an accelerator, if any node has one."""
    # Trials inherit the variable, and would leave an accelerator unused.
    if not os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        for kind in ("GPU", "TPU"):
            if any(node.get(kind) for node in nodes):
                return Request(cores, kind, num_accelerators)
    return Request(cores)


def node_resources() -> list[Mapping[str, float]]:
    """Resources of each node of the cluster that is alive, by Ray's names."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def connect(address: str | None) -> None:
    """Connects this process to a Ray cluster; without an address, to a new one on this machine.

    Ray ends a cluster of its own with this process. Raises ValueError where no cluster answers.
    """
    import ray

    # A client's driver runs on the cluster, where this machine's files are not.
    if address is not None and address.startswith("ray://"):
        raise ValueError(
            f"--ray_address={address} is of a Ray client; run the command on a machine of the "
            "cluster and give the address of its head, as in 10.0.0.1:6379"
        )
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        os.environ.setdefault("RAY_worker_niceness", "0")  # trials run as they do without Ray
        cores = len(environment.available_cores())
        with _own_sigterm():
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        return
    try:
        if address not in ("auto", "local"):
            _check_answers(address)  # Ray itself waits for minutes, without a word
        with _own_sigterm():
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"no Ray cluster answers at {address!r} ({first_sentence(str(error))}); start one "
            "with 'ray start --head', or leave --ray_address out to use this machine alone"
        ) from None


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keeps this process's handler of SIGTERM, which Ray replaces as it connects."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _check_answers(address: str) -> None:
    """Raises OSError or ValueError where nobody listens at 'host:port'."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("expected host:port, as in 10.0.0.1:6379")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()


def first_sentence(text: str) -> str:
    """The first sentence of an error of Ray's, without its dot."""
    return " ".join(text.split()).partition(". ")[0].rstrip(".")
