"""Several hosts for one trial: the same command runs on each, and all take part in every job.

Process 0 of the command leads: it plans, writes and scores. The others follow. For each job the
leader and every follower start a process of their own (`member`); these join each other through
`jax.distributed`, the first one broadcasts the job, and all do it. Between jobs nothing connects
the hosts, so a leader that is started again finds its followers waiting.
"""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.executors import local
from algoperf_lite.executors.job import Event, Executor, Job, OnEvent, Outcome, nothing
from algoperf_lite.machine.devices import Slot
from algoperf_lite.machine.numerics import USUAL, Numerics
from algoperf_lite.storage import cache

JOIN_SECONDS = 300  # for all processes of a job to come together
MEETING = {"name": "meeting", "module": None}  # a job that only shows who is there
_RETRY_SECONDS = 1.0  # until the leader may have started a lost job again
_SHOWN_LINES = 15  # of the output of a process that died


class RendezvousError(RuntimeError):
    """Not all processes came together for a job."""


@dataclasses.dataclass(frozen=True)
class Group:
    """The processes of the command, one on each host.

    Attributes:
      join: arguments of `jax.distributed.initialize`; none where JAX finds them out.
      slot: of this host, for its member of a job.
      memory_limit: bytes of address space that the member may have; None for no limit.
      numerics: of all members.
      process_id, num_processes: number of this process, of how many; known once they have met.
    """

    join: Mapping[str, Any]
    slot: Slot
    memory_limit: int | None = None
    numerics: Numerics = USUAL
    process_id: int = 0
    num_processes: int = 0

    @property
    def name(self) -> str:
        """The name of this host's process, for people."""
        return f"process {self.process_id} of {self.num_processes}"

    @property
    def place(self) -> str:
        """The place where its processes meet, for people."""
        return f"at {self.join['coordinator_address']}" if self.join else "where JAX told them to"

    def job_for_member(self, job: Job, content: Mapping[str, Any] | None) -> Job:
        """`job`, run by a member of the group.

        Process 0 passes the `content` that all members are to run, or None where there are no more
        jobs; the others pass None and are told.
        """
        return dataclasses.replace(
            job,
            module="algoperf_lite.executors.multihost.member",
            payload={"join": dict(self.join), "content": content},
            # JAX lets process 0 alone write what it compiled. In a folder that is not everybody's
            # the others would not find it, and XLA's GPU compiler would wait for their part.
            cache=None if self.slot.has_accelerator else job.cache,
        )


def rendezvous(
    join: Mapping[str, Any],
    worker_slots: Sequence[Slot],
    memory_limit: int | None = None,
    numerics: Numerics = USUAL,
) -> Group:
    """The group, once every host has started the command.

    Raises ValueError where JAX cannot find out the processes, RendezvousError where these do not
    come together in time.
    """
    group = Group(join, worker_slots[0], memory_limit, numerics)
    result, error = _take_part(group, MEETING)
    if result is None:
        raise RendezvousError(
            f"the processes did not meet {group.place} within {JOIN_SECONDS} s ({error}); "
            "start the same command on every host, each with a --process_id of its own"
        )
    if "process_id" not in result:
        raise ValueError(result["problem"])
    number = result["process_id"]
    return dataclasses.replace(
        group,
        # Hosts that are one machine, as in a test, get different cores of it.
        slot=worker_slots[number % len(worker_slots)],
        process_id=number,
        num_processes=result["num_processes"],
    )


@contextlib.contextmanager
def lead(group: Group | None, single: Executor) -> Iterator[Executor]:
    """The executor of process 0, which runs jobs on all hosts; followers are sent home at the end.

    Without a group that is `single`, the executor of this host.
    """
    if group is None:
        yield single
        return
    try:
        yield Leader(group)
    except RendezvousError:
        raise  # followers that are not there cannot be sent home
    except Exception:
        # Followers wait for the next job, and would do so for minutes without a word.
        _take_part(group, None)
        raise
    _take_part(group, None)


@dataclasses.dataclass(frozen=True)
class Leader:
    """An `Executor` of process 0: one job at a time, each on all hosts."""

    group: Group
    num_slots: int = 1

    def run(
        self, jobs: Iterable[Job], on_event: OnEvent = nothing
    ) -> Iterator[tuple[Job, Outcome]]:
        """Yields each job as it ends, as it was given, and not as the members run it.

        Raises RendezvousError where a follower does not come.
        """
        for job in jobs:
            yield job, self._run(job, on_event)

    def _run(self, job: Job, on_event: OnEvent) -> Outcome:
        # A job that dies before all have joined says nothing about the trial: it has not begun.
        have_joined = False

        def note(_: Job, event: Event) -> None:
            nonlocal have_joined
            have_joined = have_joined or event["event"] == "joined"
            on_event(job, event)

        ((_, outcome),) = local.Local([self.group.slot]).run([self._share(job)], note)
        if outcome.result is None and not have_joined:
            raise RendezvousError(
                f"not all of the {self.group.num_processes} processes came together for "
                f"{job.name} ({outcome.error}); start the same command again on every host "
                "where it has ended"
            )
        return outcome

    def _share(self, job: Job) -> Job:
        content = {"name": job.name, "module": job.module, "payload": dict(job.payload)}
        return self.group.job_for_member(job, content)


def follow(group: Group, silence_limit: float, say: Callable[[str], None]) -> None:
    """Takes part in the jobs of process 0 until that has no more; `say` takes lines for people.

    Raises RendezvousError where process 0 is not met for `JOIN_SECONDS`.
    """
    heard = time.monotonic()

    def on_event(job: Job, event: Event) -> None:
        nonlocal heard
        if event["event"] == "joined":
            say(f"takes part in {event['name']}")
            heard = time.monotonic()

    while True:
        result, error = _take_part(group, None, JOIN_SECONDS + silence_limit, on_event)
        if result is not None and result["is_over"]:
            return
        if result is not None:
            heard = time.monotonic()
            if result["problem"] is not None:
                say(f"had a problem: {result['problem']}")
        elif time.monotonic() - heard > JOIN_SECONDS:
            raise RendezvousError(
                f"process 0 was not met {group.place} for {JOIN_SECONDS} s ({error}); "
                "start the same command again on every host where it has ended"
            )
        else:
            say(f"has lost a job: {error}")
            time.sleep(_RETRY_SECONDS)


def _take_part(
    group: Group,
    content: Mapping[str, Any] | None,
    silence_limit: float = 2.0 * JOIN_SECONDS,
    on_event: OnEvent = nothing,
) -> tuple[dict[str, Any] | None, str]:
    """(result, error) of this host's member of one job; prints its last lines if it dies."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output.txt"
        job = Job(
            name="member of a job",
            module="",
            payload={},
            log=log,
            silence_limit=silence_limit,
            cache=cache.subfolder("compiled"),
            memory_limit=group.memory_limit,
            numerics=group.numerics,
        )
        member = group.job_for_member(job, content)
        ((_, outcome),) = local.Local([group.slot]).run([member], on_event)
        if outcome.result is None:
            lines = log.read_text(errors="replace").splitlines()
            print(*lines[-_SHOWN_LINES:], sep="\n", flush=True)
    return outcome.result, outcome.error
