"""Going on where an earlier attempt at a trial stopped.

At evaluations, off its clock, a trial keeps what its future depends on (`Keeper`). Its next attempt
looks back (`begin`): the last checkpoint that is whole and fits the logs is gone on from, and what
the logs have beyond it is cut off. The clock goes on from the checkpoint's value. What earlier
attempts did after it is lost to the trial, but not to its ledger, where it is the account "lost".

`attempts.jsonl` has a line for each attempt that started, and one for each whose end was seen.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.machine import fingerprint
from algoperf_lite.storage import atomic
from algoperf_lite.storage.atomic import Mark
from algoperf_lite.submission import find
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.snapshot import CannotCheckpoint
from algoperf_lite.trial import attempts, checkpoints, logs
from algoperf_lite.trial.spec import TrialSpec

# What grows line by line in a trial's directory beside its rows, by whichever form of trial.
_GROWING = ("lineage.jsonl", "submission_metrics.jsonl")


_FIRST_COST = 0.3  # seconds: the first checkpoint loads orbax


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What a trial kept after `step` steps.

    Attributes:
      leaves: the arrays of its state.
      own: what its form keeps beside.
      books: see `recorder.Recorder.so_far`.
      ledger: closed.
      at: seconds since the epoch.
      attempt: which one it was kept by.
      files: how far each growing file had come; None for one that was not there.
    """

    step: int
    leaves: Sequence[np.ndarray]
    own: Mapping[str, Any]
    books: Mapping[str, Any]
    ledger: dict[str, float]
    at: float
    attempt: int
    files: Mapping[str, Mark | None]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One attempt at a trial.

    Attributes:
      number: of attempts before this one.
      saved: where it goes on; None for the beginning.
      lost: seconds of earlier attempts that are not part of `saved`.
      checkpoint_share: of the wall time, that checkpoints may take; 1 for one at every occasion.
    """

    number: int = 0
    saved: Snapshot | None = None
    lost: float = 0.0
    checkpoint_share: float = 0.0

    def go_on(self, ledger: Ledger) -> None:
        """Books what came before; what this attempt has spent so far was to get there again."""
        if self.saved is not None:
            ledger.go_on_from(self.saved.ledger)
        ledger.lose(self.lost)


def begin(trial_spec: TrialSpec, checkpoint_share: float, started: float) -> Attempt:
    """This attempt at a trial, written down; its directory is then as `saved` says, or free.

    `started` is in seconds since the epoch.
    """
    directory = Path(trial_spec.directory)
    before = attempts.intervals(directory)
    saved = _find(trial_spec)
    if saved is None:
        if before or any(checkpoints.found(directory)):
            say("no checkpoint can be used: starting again")
        logs.set_aside(directory, keep=("output.txt", attempts.FILE))
    else:
        for name, then in saved.files.items():
            if then is None:
                (directory / name).unlink(missing_ok=True)
            else:
                atomic.cut_back(directory / name, then)
    attempts.start(directory, started, before[-1][1] if before else None)
    since = 0.0 if saved is None else saved.at
    lost = sum(max(0.0, seen - max(began, since)) for began, seen in before)
    # The attempts' own file may have lost lines: a power cut leaves what was on the disk.
    number = max(len(before), 0 if saved is None else saved.attempt + 1)
    return Attempt(number, saved, lost, checkpoint_share)


class Checkpointer:
    """Keeps a trial's state, as often as it may."""

    def __init__(self, trial_spec: TrialSpec, ledger: Ledger, attempt: Attempt):
        self._spec, self._ledger, self._share = trial_spec, ledger, attempt.checkpoint_share
        self._attempt = attempt.number
        self._restoring = ledger.seconds("checkpoint")
        self._cost = _FIRST_COST

    @property
    def is_due(self) -> bool:
        """Whether checkpoints, with one more, stay within their share of the wall time."""
        if not 0.0 < self._share < 1.0:
            return self._share > 0.0
        spent = self._ledger.seconds("checkpoint") - self._restoring
        return spent + self._cost <= self._share * self._ledger.seconds()

    def keep(
        self,
        step: int,
        state: Callable[[], tuple[Sequence[np.ndarray], Mapping[str, Any]]],
        books: Mapping[str, Any],
    ) -> None:
        """Keeps the trial as it is after `step` steps, if it is time to; off its clock.

        `state` gives the arrays and what else the trial's form needs. A disk without room for it,
        or too little memory, is no reason to stop: the trial goes on, and says so.
        """
        self._ledger.switch("checkpoint")
        if not self.is_due:
            return
        began = self._ledger.seconds("checkpoint")
        directory = Path(self._spec.directory)
        try:
            leaves, own = state()
            facts = {
                "terms": _terms(self._spec),
                "own": own,
                "books": books,
                "ledger": self._ledger.close(),
                "at": time.time(),
                "attempt": self._attempt,
                "files": _marks(directory) | books["rows"],
            }
            checkpoints.save(directory, step, leaves, facts)
        except CannotCheckpoint as error:
            say(f"no checkpoints of this trial: {error}")
            self._share = 0.0
        except (OSError, MemoryError) as error:
            say(f"no checkpoint after step {step}: {error}")
        self._cost = self._ledger.seconds("checkpoint") - began


def _marks(directory: Path) -> dict[str, Mark | None]:
    """How far the growing files have come; all lines, rows too, are on the disk then."""
    for name in logs.ROWS:
        atomic.sync(directory / name)
    paths = {name: directory / name for name in _GROWING}
    return {n: atomic.mark(path) if path.exists() else None for n, path in paths.items()}


def say(line: str) -> None:
    """Prints a line to the trial's output, if there is room for it."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _find(trial_spec: TrialSpec) -> Snapshot | None:
    """The last checkpoint of this very trial that can be gone on from."""
    for checkpoint in checkpoints.found(Path(trial_spec.directory)):
        try:
            facts, leaves = checkpoint.read()
            saved = _saved(trial_spec, checkpoint.step, facts, leaves)
        except ValueError as error:
            say(f"{error}; looking for an earlier one")
            continue
        say(f"going on from the checkpoint after step {checkpoint.step}")
        return saved
    return None


def _saved(
    trial_spec: TrialSpec, step: int, facts: dict[str, Any], leaves: Sequence[np.ndarray]
) -> Snapshot:
    """Raises ValueError, one sentence, where it cannot be gone on from."""
    directory, what = Path(trial_spec.directory), f"checkpoint {step}"
    if facts.pop("terms", None) != _terms(trial_spec):
        raise ValueError(f"{what} is of another trial")
    if set(facts) != {field.name for field in dataclasses.fields(Snapshot)} - {"step", "leaves"}:
        raise ValueError(f"{what} was made by another version of this program")
    files = {name: then and Mark(*then) for name, then in facts.pop("files").items()}
    for name, then in files.items():
        if then is not None and not atomic.still_holds(directory / name, then):
            raise ValueError(f"{what} was made with other lines in {name} than there are now")
    saved = Snapshot(step=step, leaves=leaves, files=files, **facts)
    here = fingerprint.fingerprint()["key"]
    # How the members of a population are laid out, and so how numbers are rounded, depends on it.
    if trial_spec.population is not None and saved.books["fingerprint"] != here:
        raise ValueError(f"{what} is of a population on another machine")
    return saved


def _terms(trial_spec: TrialSpec) -> dict[str, Any]:
    """What has to be the same for a trial to go on; where its directory lies does not matter."""
    terms = {
        "spec": dataclasses.asdict(dataclasses.replace(trial_spec, directory="")),
        "submission_sha256": find.source_sha256(find.locate(trial_spec.submission)),
    }
    return json.loads(json.dumps(terms))
