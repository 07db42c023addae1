"""Runs jobs on the nodes of a Ray cluster, each as on one machine, and again where a node is lost.

A job is a Ray task that asks for what a trial needs; what it reports comes back as the task's
stream. Ray itself repeats nothing: which attempt may write is for `register` to say.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf_lite.executors.job import Job, OnEvent, Outcome, nothing
from algoperf_lite.executors.ray import cluster, node
from algoperf_lite.executors.ray.leases import Lease, Register
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
      sources: files that jobs need on every node, with the hash of each.
      num_workers: jobs side by side; None for as many as fit.
    """

    request: cluster.Request
    directory: Path
    sources: Mapping[Path, str] = dataclasses.field(default_factory=dict)
    num_workers: int | None = None

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
        register, running = Register(self.directory), []
        waiting = enumerate(jobs)
        capacity = _Capacity(lambda: self.num_slots)
        try:
            while True:
                while len(running) < capacity() and (following := next(waiting, None)) is not None:
                    running.append(self._hand_out(register, *following))
                if not running:
                    return
                for task in _ready(running):
                    end = task.hear(on_event)
                    if end is None:
                        continue
                    running.remove(task)
                    if not isinstance(end, _Loss):
                        yield task.job, end
                        continue
                    if task.attempt is not None:
                        register.give_up(task.attempt)
                    if task.number + 1 == MAX_ATTEMPTS:
                        yield task.job, end.for_good()
                    else:
                        on_event(task.job, {"event": "lost", "error": end.sentence})
                        again = self._hand_out(register, task.index, task.job, task.number + 1)
                        running.append(again)
        finally:
            _cancel(running)
            register.close()

    def _hand_out(self, register: Register, index: int, job: Job, number: int = 0) -> "_Task":
        """Gives Ray an attempt at a job; it starts as soon as a node has room."""
        import ray

        attempt = None
        if job.log is not None:
            attempt = register.attempt(index, number)
            # Who has looked for a folder in vain may for a while not see that others make it.
            job.log.parent.mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        asked = self.request
        order = node.NodeTask(job, attempt, asked.cores, asked.accelerator, self.sources, inherited)
        options = {"name": job.name, "scheduling_strategy": "SPREAD", **asked.options()}
        task = ray.remote(max_retries=0, num_returns="streaming")(node.run_on_node)
        return _Task(index, job, attempt, number, task.options(**options).remote(order))


@dataclasses.dataclass(frozen=True)
class _Loss:
    """An attempt that ended without the job's doing."""

    sentence: str

    def for_good(self) -> Outcome:
        """The outcome of a job that was lost too often for chance."""
        what = f"{self.sentence}; that was attempt {MAX_ATTEMPTS}, and the last"
        return Outcome(None, 0.0, "crashed", what)


@dataclasses.dataclass(frozen=True, eq=False)
class _Task:
    """An attempt at a job that Ray has been given."""

    index: int
    job: Job
    attempt: Lease | None
    number: int
    stream: "ray.ObjectRefGenerator"

    def hear(self, on_event: OnEvent) -> Outcome | _Loss | None:
        """Takes in what the task says next, which is there; None where it was no end.

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
    """How many jobs may run, asked again every few seconds: nodes come and go."""

    def __init__(self, ask: Callable[[], int]):
        self._ask, self._known, self._asked = ask, ask(), time.monotonic()

    def __call__(self) -> int:
        if time.monotonic() - self._asked > _LOOK_SECONDS:
            self._known, self._asked = self._ask(), time.monotonic()
        return self._known


def _ready(running: Sequence[_Task]) -> list[_Task]:
    """The tasks that have said something or ended; waits for one, but looks up now and then."""
    import ray

    streams = [task.stream for task in running]
    if not ray.wait(streams, num_returns=1, timeout=_LOOK_SECONDS)[0]:
        return []
    ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0)
    return [task for task in running if any(stream is task.stream for stream in ready)]


def _cancel(running: Sequence[_Task]) -> None:
    """Ends tasks: by an exception in them, which ends all that a job has started, or by force."""
    if not running:
        return
    import ray

    for task in running:
        ray.cancel(task.stream, force=False)
    ends = [task.stream.completed() for task in running]
    ray.wait(ends, num_returns=len(ends), timeout=_EXIT_SECONDS)
    for task, end in zip(running, ends, strict=True):
        if not ray.wait([end], timeout=0)[0]:
            ray.cancel(task.stream, force=True)
