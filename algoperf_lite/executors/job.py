"""Jobs, how they end, and what runs them. Loads no JAX."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from algoperf_lite.machine.numerics import USUAL, Numerics

# A JSON object: events cross a pipe, and under Ray a network.
Event = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Job:
    """One process's work.

    Attributes:
      name: for people.
      module: has `work(payload, report) -> dict`; `report(**event)` says that it is alive. The
        events "closing" and "closed" come before and after it stops a clock of its own. It may have
        `preload(*names)`, which loads what its jobs need, finds no devices and starts no thread:
        see `template`.
      payload: JSON-able argument.
      log: file that takes over its stdout and stderr; None discards them.
      silence_limit: seconds without a report after which it is killed.
      time_limit: seconds from its start, or from its last event "progress", after which it is
        killed even if it reports; None for no limit.
      cache: directory for compiled programs; None compiles afresh.
      memory_limit: bytes of address space it may have; None for no limit. Not for a slot with an
        accelerator, whose driver reserves more addresses than there is memory.
      python: interpreter that runs it; None for the one of the command.
      variables: of its environment, beside those of every job.
      numerics: precision and determinism of its process.
      preload: arguments of the module's `preload`, which are names of workloads.
    """

    name: str
    module: str
    payload: Mapping[str, Any]
    log: Path | None = None
    silence_limit: float = 300.0
    time_limit: float | None = None
    cache: Path | None = None
    memory_limit: int | None = None
    python: Path | None = None
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    numerics: Numerics = USUAL
    preload: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended: with a result, or with a status of `logs.STATUSES` and a sentence.

    Times are in seconds since the process that watched the job started it, on the clock of their
    machine; the job's own process read them.

    Attributes:
      result: of `work`; None where it had none.
      wall: until the event "closed", or until the end where the job has no clock of its own.
      status, error: of a job without a result.
      closing: until the event "closing"; None without it. A clock of the job's own stopped between
        this and `wall`, however long its process was kept from a core in between.
      finding: why these times are not to be trusted; empty where they are.
    """

    result: dict[str, Any] | None
    wall: float
    status: str = ""
    error: str = ""
    closing: float | None = None
    finding: str = ""


OnEvent = Callable[[Job, Event], None]


def nothing(job: Job, event: Event) -> None:
    """An `OnEvent` that lets events pass."""


class Executor(Protocol):
    """Runs jobs side by side, `num_slots` of them at a time."""

    @property
    def num_slots(self) -> int: ...

    def run(
        self, jobs: Iterable[Job], on_event: OnEvent = nothing
    ) -> Iterator[tuple[Job, Outcome]]:
        """Starts jobs in order and yields each as it ends; closed early, it ends what runs."""
        ...
