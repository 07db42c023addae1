"""Several hosts for one trial: the same command on each, whose processes do every job together.

Process 0 of the command leads: it plans, writes and scores. The others follow: each starts a
process that joins, by `jax.distributed`, the one that the leader has started for a job, learns from
it what to do, and does the same, until the word that there are no more jobs. Between jobs nothing
connects the hosts, so a leader that is started again finds its followers waiting.
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
from algoperf_lite.storage import cache

JOIN_SECONDS = 300  # for all processes of a job to come together
MEETING = {"name": "meeting", "module": None}  # a job that only shows who is there
_RETRY_SECONDS = 1.0
_SHOWN_LINES = 15  # of the output of a process that died


class RendezvousError(RuntimeError):
    """Not all processes came together for a job; a sentence."""


@dataclasses.dataclass(frozen=True)
class Group:
    """The processes of the command, one on each host.

    Attributes:
      join: arguments of `jax.distributed.initialize`; none where it finds out for itself.
      cores: those of this host that its process of a job is pinned to; none for no restriction.
      memory_limit: bytes of address space that process may have; None for no limit.
      process_id, num_processes: which this is, of how many; known once they have met.
    """

    join: Mapping[str, Any]
    cores: tuple[int, ...]
    memory_limit: int | None = None
    process_id: int = 0
    num_processes: int = 0

    @property
    def name(self) -> str:
        """What people call this host's process."""
        return f"process {self.process_id} of {self.num_processes}"

    @property
    def place(self) -> str:
        """Where its processes meet, for people."""
        return f"at {self.join['coordinator_address']}" if self.join else "where JAX told them to"

    def job_for_member(self, job: Job, content: Mapping[str, Any] | None) -> Job:
        """`job` as this host's share of what `content` of process 0 says; the others pass None,
        and so does process 0 to say that there are no more jobs."""
        payload = {"join": dict(self.join), "content": content}
        return dataclasses.replace(
            job, module="algoperf_lite.executors.multihost.member", payload=payload
        )


def rendezvous(
    join: Mapping[str, Any],
    worker_slots: Sequence[tuple[int, ...]],
    memory_limit: int | None = None,
) -> Group:
    """The group, once every host has started the command.

    Raises ValueError where JAX does not find out who they are, RendezvousError where they do not
    come together in time; one sentence.
    """
    group = Group(join, worker_slots[0], memory_limit)
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
        cores=worker_slots[number % len(worker_slots)],
        process_id=number,
        num_processes=result["num_processes"],
    )


@contextlib.contextmanager
def lead(group: Group | None, alone: Executor) -> Iterator[Executor]:
    """What process 0 runs jobs with, on all hosts; at the end it sends the followers home.

    Without a group that is `alone`.
    """
    if group is None:
        yield alone
        return
    try:
        yield Leader(group)
    except RendezvousError:
        raise  # they cannot be told
    except Exception:
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
        """Yields each job as it ends; raises RendezvousError where a follower does not come."""
        have_joined = False

        def note(job: Job, event: Event) -> None:
            nonlocal have_joined
            have_joined = event["event"] == "joined" or (have_joined and event["event"] != "start")
            on_event(job, event)

        for job, outcome in local.Local([self.group.cores]).run(map(self._share, jobs), note):
            if outcome.result is None and not have_joined:
                raise RendezvousError(
                    f"not all of the {self.group.num_processes} processes came together for "
                    f"{job.name} ({outcome.error}); start the same command again on every host "
                    "where it has ended"
                )
            yield job, outcome

    def _share(self, job: Job) -> Job:
        content = {"name": job.name, "module": job.module, "payload": dict(job.payload)}
        return self.group.job_for_member(job, content)


def follow(group: Group, silence_limit: float, say: Callable[[str], None]) -> None:
    """Takes part in the jobs of process 0 until it says that there are no more.

    Raises RendezvousError, one sentence, where nothing is heard of it for `JOIN_SECONDS`.
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
    """(result, error) of this host's share of one job; shows the end of its output if it dies."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output.txt"
        job = Job(
            name="share of a job",
            module="",
            payload={},
            log=log,
            silence_limit=silence_limit,
            cache=cache.subfolder("compiled"),
            memory_limit=group.memory_limit,
        )
        share = group.job_for_member(job, content)
        ((_, outcome),) = local.Local([group.cores]).run([share], on_event)
        if outcome.result is None:
            lines = log.read_text(errors="replace").splitlines()
            print(*lines[-_SHOWN_LINES:], sep="\n", flush=True)
    return outcome.result, outcome.error
