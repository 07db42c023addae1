"""Runs jobs on the nodes of a Ray cluster, each as on one machine, and again where a node is lost.

Each attempt at a job is a Ray task that asks for the resources of a trial; the job's events come
back as the task's stream. Ray itself repeats nothing: `leases` decide which attempt may write.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf_lite.executors.job import Job, OnEvent, Outcome, nothing
from algoperf_lite.executors.ray import cluster, node
from algoperf_lite.executors.ray.leases import Lease, Leases
from algoperf_lite.storage import cache

if TYPE_CHECKING:  # which starts in a second and need not be installed
    import ray

MAX_ATTEMPTS = 10
_INHERITED = ("JAX_PLATFORMS", cache.NO_CACHE)  # variables that nodes take from the command
_LOOK_SECONDS = 5.0  # between two looks at how large the cluster is
_EXIT_SECONDS = 10.0  # for what is cancelled to clear up


@dataclasses.dataclass(frozen=True)
class Cluster:
    """An `job.Executor` on the Ray cluster that this process is connected to.

    Attributes:
      request: what each job gets.
      directory: of the experiment, on storage that all nodes share.
      sources: files of submissions that jobs need on every node, with the hash of each.
      num_workers: jobs side by side; None for as many as fit.
      folders: of workloads from elsewhere, likewise.
    """

    request: cluster.Request
    directory: Path
    sources: Mapping[Path, str] = dataclasses.field(default_factory=dict)
    num_workers: int | None = None
    folders: Mapping[Path, str] = dataclasses.field(default_factory=dict)

    @property
    def num_slots(self) -> int:
        """How many jobs may run at once on the nodes that are there now."""
        fit = max(1, self.request.slots(cluster.node_resources()))
        return min(self.num_workers or fit, fit)

    def run(
        self, jobs: Iterable[Job], on_event: OnEvent = nothing
    ) -> Iterator[tuple[Job, Outcome]]:
        """Runs jobs in order and yields each as it ends.

        A job whose node is lost runs again, at most `MAX_ATTEMPTS` times in all; each time,
        `on_event` is told {"event": "lost", "error": one sentence}. Closing the iterator, or an
        exception such as KeyboardInterrupt, ends what is running.
        Raises ValueError, one sentence, where a node cannot run jobs.
        """
        leases, running = Leases(self.directory), []
        waiting = enumerate(jobs)
        capacity = _Capacity(lambda: self.num_slots)
        try:
            while True:
                while len(running) < capacity() and (following := next(waiting, None)) is not None:
                    running.append(self._hand_out(leases, *following))
                if not running:
                    return
                for task, end in _ends(running, on_event):
                    running.remove(task)
                    if isinstance(end, _Loss):
                        end = self._after(end, task, leases, on_event)
                    if isinstance(end, _Task):
                        running.append(end)
                    else:
                        yield task.job, end
        finally:
            _cancel(running)
            leases.close()

    def _after(
        self, loss: "_Loss", task: "_Task", leases: Leases, on_event: OnEvent
    ) -> "_Task | Outcome":
        """The next attempt at a job, or its outcome where it was lost too often for chance."""
        if task.lease is not None:
            leases.revoke(task.lease)
        if task.number + 1 == MAX_ATTEMPTS:
            what = f"{loss.sentence}; that was attempt {MAX_ATTEMPTS}, and the last"
            return Outcome(None, 0.0, "crashed", what)
        on_event(task.job, {"event": "lost", "error": loss.sentence})
        return self._hand_out(leases, task.index, task.job, task.number + 1)

    def _hand_out(self, leases: Leases, index: int, job: Job, number: int = 0) -> "_Task":
        """Gives Ray an attempt at a job; it starts as soon as a node has room."""
        import ray

        lease = None
        if job.log is not None:
            lease = leases.grant(index, number)
            # NFS clients remember failed lookups, so the folder is there before a node looks.
            job.log.parent.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        asked = self.request
        needed = self.sources, inherited, self.folders
        task = node.NodeTask(job, lease, asked.cores, asked.accelerator, *needed)
        options = {"name": job.name, "scheduling_strategy": "SPREAD", **asked.options()}
        # Ray would repeat a task while its lost node may still write; leases come first.
        remote = ray.remote(max_retries=0, num_returns="streaming")(node.run_on_node)
        return _Task(index, job, lease, number, remote.options(**options).remote(task))


@dataclasses.dataclass(frozen=True)
class _Loss:
    """An attempt that ended without the job's doing."""

    sentence: str


@dataclasses.dataclass(frozen=True, eq=False)
class _Task:
    """An attempt at a job that Ray has been given."""

    index: int
    job: Job
    lease: Lease | None
    number: int
    stream: "ray.ObjectRefGenerator"

    def hear(self, on_event: OnEvent) -> Outcome | _Loss | None:
        """The end that the task's next message, which is there, tells of; None for an event.

        Raises ValueError where its node cannot run jobs, RuntimeError where its code fails.
        """
        import ray

        try:
            message = ray.get(next(self.stream))
        except StopIteration:
            return _Loss("the process that ran it ended before the job did")
        except ray.exceptions.RayTaskError as error:
            raise RuntimeError(
                f"a node of the Ray cluster failed to start {self.job.name!r} "
                f"({str(error).strip().splitlines()[-1]}); is the same algoperf-lite installed on "
                "all nodes?"
            ) from None
        except ray.exceptions.LocalRayletDiedError:
            raise RuntimeError(
                "Ray is gone from this machine; start it and give the same command again"
            ) from None
        except ray.exceptions.RayError as error:  # of its node, its process, or its messages
            return _Loss(f"{type(error).__name__}: {cluster.first_sentence(str(error))}")
        if "problem" in message:
            raise ValueError(message["problem"])
        if "outcome" in message:
            return Outcome(**message["outcome"])
        if message["event"] != "start" or self.number == 0:
            on_event(self.job, message)
        return None


class _Capacity:
    """The number of jobs that may run, asked for every few seconds: nodes come and go."""

    def __init__(self, ask: Callable[[], int]):
        self._ask, self._known, self._asked = ask, ask(), time.monotonic()

    def __call__(self) -> int:
        if time.monotonic() - self._asked > _LOOK_SECONDS:
            self._known, self._asked = self._ask(), time.monotonic()
        return self._known


def _ends(running: Sequence[_Task], on_event: OnEvent) -> Iterator[tuple[_Task, Outcome | _Loss]]:
    """Hands on one message of each task that has any, and yields the tasks that have ended."""
    for task in _ready(running):
        end = task.hear(on_event)
        if end is not None:
            yield task, end


def _ready(running: Sequence[_Task]) -> list[_Task]:
    """The tasks with a message; waits for one, but not for long."""
    import ray

    streams = [task.stream for task in running]
    if not ray.wait(streams, num_returns=1, timeout=_LOOK_SECONDS)[0]:
        return []
    # Of several that have one by now, none is to wait for another round.
    ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
    return [task for task in running if any(stream is task.stream for stream in ready)]


def _cancel(running: Sequence[_Task]) -> None:
    """Ends tasks: by an exception in them, which ends all that a job has started, or by force."""
    if not running:
        return
    import ray

    for task in running:
        # An exception in the task, which closes its `Local` and so kills the job.
        ray.cancel(task.stream, force=False)
    ends = [task.stream.completed() for task in running]
    ray.wait(ends, num_returns=len(ends), timeout=_EXIT_SECONDS)
    for task, end in zip(running, ends, strict=True):
        if not ray.wait([end], timeout=0)[0]:
            ray.cancel(task.stream, force=True)
