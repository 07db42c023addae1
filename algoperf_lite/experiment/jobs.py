"""Trials as jobs of `executors`: the payload of each process, and the verdict on its result."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.executors.job import Event, Executor, Job, Outcome
from algoperf_lite.experiment.branching import Round
from algoperf_lite.experiment.race_order import Queue
from algoperf_lite.storage import atomic, cache
from algoperf_lite.submission import environments, find
from algoperf_lite.training import clock
from algoperf_lite.trial import attempts, checkpoints, logs
from algoperf_lite.trial.record import TrialRecord
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import OUTRUN

# From one evaluation to the next a trial's process may take this multiple of its budget ...
_PARTS_OF_SECONDS = 3.0
_SPARE_SECONDS = 900.0  # ... and this much more for data and compilation
# JAX then keeps no program, and XLA which of its kernels was the fastest on a GPU: measured anew,
# each trial would draw another lot.
_TUNED_ONLY = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1e9"}
_FREE_SOME = "free some, and the same command continues"


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on trials in trouble, and on those that decide nothing; none of them changes the
    numbers of a trial that ends by itself.

    Attributes:
      heartbeat_timeout: seconds without a sign of life after which a trial's process is killed.
      memory_limit_gib: GiB of address space it may have; None for no limit.
      max_retries: times that a trial that crashed is tried again.
      repeat_suspicious: whether trials that were much slower than their twins are run again, once.
      checkpoint_share: see `resume.Attempt`.
      race: whether a trial is stopped once another of its study has outrun it, see `trial.racing`.
      branch: whether budgets share the steps that they have in common, see `branching.Round`.
    """

    heartbeat_timeout: float = 300.0
    memory_limit_gib: float | None = None
    max_retries: int = 1
    repeat_suspicious: bool = False
    checkpoint_share: float = 0.02
    race: bool = False
    branch: bool = True

    @property
    def memory_limit(self) -> int | None:
        """In bytes, as the system wants it."""
        return None if self.memory_limit_gib is None else int(self.memory_limit_gib * 2**30)


DEFAULT_LIMITS = Limits()


class DiskFull(RuntimeError):
    """A disk without room for a trial's logs."""


def run(
    trials: list[TrialSpec],
    executor: Executor,
    on_event: Callable[[TrialSpec, Event], None] = lambda trial, event: None,
    vectorize: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    among: Sequence[TrialSpec] = (),
) -> Iterator[tuple[TrialSpec, dict[str, Any]]]:
    """Runs each trial in a process of its own, or `populations` of them in one process each, and
    yields every trial's record, which is then on disk.

    Where trials race, results so far decide which is next; `among` all trials of the experiment.
    Trials that crash are tried again when all others have ended, and go on from their checkpoints;
    not those that would crash again, see `TrialRecord.would_crash_again`.
    An event of a population comes with its first trial, and the number of its "members".
    Raises DiskFull where a trial cannot write its logs; it has no record then.
    """
    while trials:
        # Branches begin with what their trunk leaves them, so they wait for it to end.
        part = Round.of(trials) if limits.branch else Round(trials)
        again = list(part.later)
        queue = Queue.of(part.now, among) if limits.race else None
        for trial, record in _run_once(part, executor, on_event, vectorize, limits, queue):
            if queue is not None:
                queue.tell(trial, record)
            if is_to_be_retried(Path(trial.directory), record, limits.max_retries):
                again.append(trial)
                on_event(trial, {"event": "retry", "error": record["error"]})
            else:
                yield trial, record
        trials = again


def is_to_be_retried(directory: Path, record: Mapping[str, Any], max_retries: int) -> bool:
    """Whether a trial crashed, and not too often yet."""
    if record["status"] != "crashed":
        return False
    return attempts.num_crashes(directory) <= max_retries


def _run_once(
    part: Round,
    executor: Executor,
    on_event: Callable[[TrialSpec, Event], None],
    vectorize: bool,
    limits: Limits,
    queue: Queue | None,
) -> Iterator[tuple[TrialSpec, dict[str, Any]]]:
    num_slots, trials = executor.num_slots, part.now
    groups = populations(trials, num_slots) if vectorize else [[trial] for trial in trials]
    # Names are for people, and several trials may share one; a directory is one trial's alone.
    by_log = {_log(group): group for group in groups}
    in_order = groups if queue is None else ([trial] for trial in queue)
    how = num_slots, vectorize, limits
    jobs = (_job(one, *how, part.branches.get(one[0].directory, ())) for one in in_order)

    def on_job_event(job: Job, event: Event) -> None:
        group = by_log[job.log]
        on_event(group[0], {"members": len(group), **event})

    for job, outcome in executor.run(jobs, on_job_event):
        group = by_log[job.log]
        for i, trial in enumerate(group):
            result = outcome.result
            if result is not None and "records" in result:
                result = result["records"][i]
            ended = dataclasses.replace(outcome, result=result)
            yield trial, finalize(trial, ended, limits.max_retries)


def populations(trials: list[TrialSpec], num_slots: int) -> list[list[TrialSpec]]:
    """The trials in groups that one process can train together: of one entry on one workload.

    Groups are split only where there would otherwise be fewer than workers to run them.
    """
    # Trials that differ in nothing else share a program, and so may share a process.
    cells: dict[TrialSpec, list[TrialSpec]] = {}
    for trial in trials:
        cell = dataclasses.replace(trial, study=0, trial=0, directory="", hyperparameters=None)
        cells.setdefault(cell, []).append(trial)
    groups = list(cells.values())
    last = len(groups) % num_slots  # these would leave workers idle
    found = groups[: len(groups) - last]
    for group in groups[len(groups) - last :]:
        size = -(-len(group) // -(-num_slots // last))
        found += [group[start : start + size] for start in range(0, len(group), size)]
    return found


def _log(group: list[TrialSpec]) -> Path:
    return Path(group[0].directory) / "output.txt"


def _job(
    group: list[TrialSpec],
    num_slots: int,
    vectorize: bool,
    limits: Limits,
    branches: Sequence[TrialSpec] = (),
) -> Job:
    """One process's work: a trial and its `branches`, or all trials of a group."""
    # Trials end themselves at their budget; this limit is for those that do not.
    first, time_limit = group[0], None
    counts = first.config.count_compile
    is_isolated = first.config.requirements == "isolated"
    if first.max_seconds is not None:
        time_limit = _PARTS_OF_SECONDS * first.max_seconds * len(group) + _SPARE_SECONDS
    return Job(
        name=first.name,
        module=_module(vectorize),
        payload={
            "spec": dataclasses.asdict(first),
            "checkpoint_share": limits.checkpoint_share,
            "num_processes": num_slots,
            "race": limits.race,
            "branches": [dataclasses.asdict(one) for one in branches],
            **({"specs": [dataclasses.asdict(trial) for trial in group]} if vectorize else {}),
        },
        log=_log(group),
        silence_limit=limits.heartbeat_timeout,
        time_limit=time_limit,
        # Where compilation counts, a program kept from an earlier trial would be a gift.
        cache=cache.subfolder("tuned" if counts else "compiled"),
        variables=_TUNED_ONLY if counts else {},
        memory_limit=limits.memory_limit,
        python=environments.python(find.locate(first.submission)) if is_isolated else None,
        numerics=first.config.numerics,
        preload=(first.workload,),
    )


def _module(vectorize: bool) -> str:
    """The module whose `work` runs a trial, or many."""
    return f"algoperf_lite.trial.{'vectorized' if vectorize else 'run'}"


def finalize(trial: TrialSpec, outcome: Outcome, max_retries: int = 0) -> dict[str, Any]:
    """The record of a trial's attempt, written here with what its process could not know.

    A crash that would only be repeated stands for all `max_retries`, so that it is tried again once
    more are allowed. Raises DiskFull where the process had no room to write.
    """
    directory = Path(trial.directory)
    if "disk_full" in (outcome.result or {}):
        why = outcome.result["disk_full"]
        raise DiskFull(f"{trial.name} has no room for its logs ({why}); {_FREE_SOME}")
    record = _record(trial, outcome)
    try:
        spent = max_retries + 1 - attempts.num_crashes(directory) if record.would_crash_again else 1
        attempts.end(directory, record.status, record.error, outcome.wall, max(1, spent))
        found = dataclasses.replace(record, attempts=attempts.ended(directory)).to_json()
        atomic.write_json(directory / "trial.json", found)
    except OSError:
        # What its process wrote is not checked: the trial has not ended until this is written.
        (directory / "trial.json").unlink(missing_ok=True)
        raise
    if record.status != "crashed":  # it will not be tried again
        checkpoints.remove(directory)
    return found


def _record(trial: TrialSpec, outcome: Outcome) -> TrialRecord:
    """The record that the process made, if it is to be trusted, or else one that says why not."""
    if outcome.result is None:
        end = {"status": outcome.status, "error": outcome.error}
        return TrialRecord.of(trial, **end, ledger={"wall": outcome.wall})
    try:
        record = TrialRecord.from_json(outcome.result)
    except TypeError as error:
        what = f"the record is none that the harness makes ({error})"
        return TrialRecord.of(trial, status="invalid", error=what, ledger={"wall": outcome.wall})
    what = _wrong(Path(trial.directory), record, outcome)
    return record if what is None else dataclasses.replace(record, status="invalid", error=what)


def _wrong(directory: Path, record: TrialRecord, outcome: Outcome) -> str | None:
    """The reason why a trial's word is not to be trusted; None where it is."""
    if outcome.finding:
        return outcome.finding
    # The ledger was closed between the two events. A process that had to wait for a core there
    # has done nothing wrong; seconds that are missing before or after are.
    earlier, wall = record.earlier_wall, outcome.wall
    least = wall if outcome.closing is None else outcome.closing
    if not clock.adds_up(record.watched_ledger, earlier + wall, earlier + least):
        booked = clock.booked(record.watched_ledger)
        return f"the ledger accounts for {booked:.2f} s, but {earlier + wall:.2f} s went by"
    # Rows that the harness did not write have no hash, or another one.
    written = record.rows_sha256 or {}
    if record.status in ("reached", "not_reached", OUTRUN) and set(written) != set(logs.ROWS):
        return "the record has no hashes of the rows, so the harness has not made it"
    changed = logs.tampered(directory, written)
    if changed is not None:
        return f"{changed} holds other rows than the harness wrote"
    return None
