"""Jobs on this machine: one fresh process each, pinned, watched, and never outlived."""

import contextlib
import dataclasses
import itertools
import selectors
from collections.abc import Iterable, Iterator, Sequence

from algoperf_lite.executors.job import Event, Job, OnEvent, Outcome, nothing
from algoperf_lite.executors.process import Process
from algoperf_lite.executors.template import Templates
from algoperf_lite.machine import devices, environment, memory
from algoperf_lite.machine.devices import Slot

# Deaths and broken limits are looked for so often; events are heard of at once.
_POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Local:
    """Runs jobs on this machine, one per slot; see `slots`.

    Jobs are forked from `templates` where there are any and they can be.
    """

    worker_slots: Sequence[Slot]
    templates: Templates | None = None

    @property
    def num_slots(self) -> int:
        return len(self.worker_slots)

    def run(
        self, jobs: Iterable[Job], on_event: OnEvent = nothing
    ) -> Iterator[tuple[Job, Outcome]]:
        """Runs jobs in order, one per slot at a time, and yields each as it ends.

        Closing the iterator, or an exception such as KeyboardInterrupt, kills what is running.
        """
        with contextlib.closing(self.stream(jobs)) as stream:
            for job, said in stream:
                if isinstance(said, Outcome):
                    yield job, said
                else:
                    on_event(job, said)

    def stream(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Event | Outcome]]:
        """`run`, with what jobs report as items between the outcomes."""
        waiting, free = iter(jobs), list(self.worker_slots)
        with _Running(self.templates) as running:
            while True:
                # Not one more than there is room for: a job is made when it is to run.
                for job in itertools.islice(waiting, len(free)):
                    running.start(job, free.pop(0))
                    yield job, {"event": "start"}
                if not running.processes:
                    return
                # Events come first: a process that has ended may have reported last things.
                for process, event in running.events():
                    yield process.job, event
                for process in running.ended():
                    free.append(process.slot)
                    yield process.job, process.outcome()


class _Running:
    """The processes that run; none is left when the context is."""

    def __init__(self, templates: Templates | None) -> None:
        self.processes: list[Process] = []
        self._templates = templates
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "_Running":
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            process.kill()  # all of them first: each may take a moment to be gone
        for process in self.processes:
            process.close()
        self._selector.close()

    def start(self, job: Job, slot: Slot) -> None:
        process = Process(job, slot, self._templates)
        self.processes.append(process)
        self._selector.register(process.events, selectors.EVENT_READ, process)

    def events(self) -> Iterator[tuple[Process, Event]]:
        """What they report; waits for it, but not for long."""
        for key, _ in self._selector.select(_POLL_SECONDS):
            for event in key.data.read():
                yield key.data, event

    def ended(self) -> Iterator[Process]:
        """Those that have an outcome, which are then gone."""
        # A list of its own, as the one that is gone through changes.
        for process in [p for p in self.processes if p.outcome() is not None]:
            self._selector.unregister(process.events)
            self.processes.remove(process)
            process.close()
            yield process


def local(cores_per_job: int, num_workers: int | None, devices_per_job: int | None = 1) -> Local:
    """An executor of this machine; the arguments are those of `slots`."""
    return Local(slots(cores_per_job, num_workers, devices_per_job), Templates())


def slots(
    cores_per_job: int, num_workers: int | None, devices_per_job: int | None = 1
) -> list[Slot]:
    """The slot of each worker: accelerators where JAX would use any here, or else cores.

    Args:
      cores_per_job: of each worker where there is no accelerator.
      num_workers: jobs side by side; None for as many as devices, or cores, and memory allow.
      devices_per_job: accelerators of each worker; None for one worker with all of them.
    Raises ValueError where the machine has less than what is asked for.
    """
    found = devices.accelerators()
    if found is None:
        if (devices_per_job or 1) > 1:
            raise ValueError(
                f"--devices_per_trial={devices_per_job}, but JAX would use no accelerator here; "
                "leave it out"
            )
        return slots_of_cores(cores_per_job, num_workers)
    there = found.slots(devices_per_job)
    # Two trials on one accelerator would time each other, and the second find no memory there.
    if num_workers and num_workers > len(there):
        raise ValueError(
            f"--num_workers={num_workers} with {devices_per_job or len(found.names)} accelerators "
            f"each, but there are {len(found.names)} here; choose at most {len(there)} workers"
        )
    return there[: memory.workers_that_fit(num_workers, len(there))]


def slots_of_cores(cores_per_job: int, num_workers: int | None) -> list[Slot]:
    """Slots of so many cores each, whatever accelerators there are.

    Raises ValueError where the machine has fewer cores, or less memory, than asked for.
    """
    cores = environment.available_cores()
    if not 1 <= cores_per_job <= len(cores):
        raise ValueError(
            f"--cores_per_trial={cores_per_job} does not fit the {len(cores)} cores available; "
            f"choose 1 to {len(cores)}"
        )
    most = len(cores) // cores_per_job
    if num_workers and num_workers > most:
        raise ValueError(
            f"--num_workers={num_workers} with {cores_per_job} cores each needs "
            f"{num_workers * cores_per_job} cores, {len(cores)} are available; "
            f"choose at most {most} workers"
        )
    starts = range(0, memory.workers_that_fit(num_workers, most) * cores_per_job, cores_per_job)
    return [Slot(cores[start : start + cores_per_job], backend="cpu") for start in starts]
