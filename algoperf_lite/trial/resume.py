"""Checkpoints of a trial: taken while it trains, and gone on from by its next attempt.

At evaluations, off the clock, a `Checkpointer` saves everything that the trial's future depends on.
The next attempt (`begin`) goes on from the last checkpoint that is whole and fits the logs; rows
beyond it are cut off. The clock goes on from the checkpoint's value. Seconds that earlier attempts
spent after it are lost to the trial but not to its ledger, where they are the account "lost".
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.machine import fingerprint
from algoperf_lite.storage import atomic
from algoperf_lite.storage.atomic import Mark
from algoperf_lite.submission import find
from algoperf_lite.training import collectives
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.snapshot import CannotCheckpoint, Snapshot
from algoperf_lite.trial import attempts, checkpoints, logs
from algoperf_lite.trial.forms.base import Form
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import DIAGNOSTICS, LINEAGE

# Files beside the rows that any form of trial appends lines to.
_GROWING = (LINEAGE, DIAGNOSTICS, "submission_metrics.jsonl")
_STARTING = ("setup", "compile")
_FIRST_COST = 0.3  # seconds: the first checkpoint loads orbax


@dataclasses.dataclass(frozen=True)
class Saved:
    """The content of a checkpoint after `step` steps.

    Attributes:
      snapshot: of the form.
      recorder: `Recorder.state`.
      ledger: closed.
      at: seconds since the epoch.
      attempt: number of the attempt that saved it.
      files: how long each growing file was; None for one that did not exist.
    """

    step: int
    snapshot: Snapshot
    recorder: Mapping[str, Any]
    ledger: dict[str, float]
    at: float
    attempt: int
    files: Mapping[str, Mark | None]

    @property
    def not_begun(self) -> list[str]:
        """Accounts that are the first attempt's own: those that another trial had no part in."""
        return [name for name in _STARTING if self.attempt < 0 and not self.ledger[name]]

    @classmethod
    def of_recorder(cls, recorder: Mapping[str, Any]) -> "Saved":
        """What a recorder goes on from, whose trial another one trains."""
        return cls(0, Snapshot((), {}), recorder, {}, 0.0, 0, {})


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One attempt at a trial.

    Attributes:
      number: of attempts before this one.
      saved: the checkpoint it goes on from; None for the beginning.
      lost: seconds of earlier attempts after that checkpoint.
      checkpoint_share: part of the wall time that checkpoints may take; 1 for one at every
        evaluation, 0 for none.
    """

    number: int = 0
    saved: Saved | None = None
    lost: float = 0.0
    checkpoint_share: float = 0.0

    @property
    def snapshot(self) -> Snapshot | None:
        return None if self.saved is None else self.saved.snapshot

    def resume(self, form: Form, ledger: Ledger) -> int:
        """Puts a started form where the checkpoint is; returns the steps done so far.

        Process 0 of several decides: only it reads and writes checkpoints.
        """
        step = collectives.broadcast_from_first(0 if self.saved is None else self.saved.step)
        if step > 0:
            form.restore(step, self.snapshot)
        if self.saved is not None:
            ledger.go_on_from(self.saved.ledger, self.saved.not_begun)
        ledger.lose(self.lost)
        return step


FIRST_ATTEMPT = Attempt()


def begin(spec: TrialSpec, checkpoint_share: float, started: float) -> Attempt:
    """The attempt that starts now, written to the trial's directory.

    The directory is then as the checkpoint saw it, or free where there is none. `started` is in
    seconds since the epoch.
    """
    directory = Path(spec.directory)
    before = attempts.intervals(directory)
    saved = _find(spec)
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
    """Saves checkpoints of a trial, as often as their share of the wall time allows."""

    def __init__(self, spec: TrialSpec, ledger: Ledger, attempt: Attempt):
        self._spec, self._ledger, self._share = spec, ledger, attempt.checkpoint_share
        self._attempt = attempt.number
        # Loading the checkpoint that this attempt goes on from is no cost of its own checkpoints.
        self._restoring = ledger.seconds("checkpoint")
        self._cost = _FIRST_COST

    @property
    def is_due(self) -> bool:
        """Whether checkpoints, with one more, stay within their share of the wall time."""
        if not 0.0 < self._share < 1.0:
            return self._share > 0.0
        spent = self._ledger.seconds("checkpoint") - self._restoring
        return spent + self._cost <= self._share * self._ledger.seconds()

    def maybe_save(
        self, step: int, snapshot: Callable[[int], Snapshot], recorder: Mapping[str, Any]
    ) -> None:
        """Saves the trial after `step` steps if a checkpoint is due; off the clock.

        `recorder` is `Recorder.state`. A disk without room, or too little memory, is no reason to
        stop: the trial goes on, and its output says so.
        """
        self._ledger.switch("checkpoint")
        if not self.is_due:
            return
        began = self._ledger.seconds("checkpoint")
        try:
            found = Snapshot(*snapshot(step))
            save(self._spec, step, found, recorder, self._ledger.close(), self._attempt)
        except CannotCheckpoint as error:
            say(f"no checkpoints of this trial: {error}")
            self._share = 0.0
        except (OSError, MemoryError) as error:
            say(f"no checkpoint after step {step}: {error}")
        self._cost = self._ledger.seconds("checkpoint") - began


def save(
    spec: TrialSpec,
    step: int,
    snapshot: Snapshot,
    recorder: Mapping[str, Any],
    ledger: dict[str, float],
    attempt: int = -1,
) -> None:
    """Saves a checkpoint of a trial; with the default `attempt`, the one that its first attempt
    begins with, where another trial has made its first steps. Raises OSError where it cannot be
    written."""
    directory = Path(spec.directory)
    content = {
        "terms": _terms(spec),
        "form": snapshot.facts,
        "recorder": recorder,
        "ledger": ledger,
        "at": time.time(),
        "attempt": attempt,
        "files": _marks(directory) | recorder["rows"],
    }
    checkpoints.save(directory, step, snapshot.arrays, content)


def say(line: str) -> None:
    """Prints a line to the trial's output, if there is room for it."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _marks(directory: Path) -> dict[str, Mark | None]:
    """The length of each growing file; all lines, rows too, are on the disk then."""
    for name in logs.ROWS:
        atomic.sync(directory / name)
    paths = {name: directory / name for name in _GROWING}
    return {n: atomic.mark(path) if path.exists() else None for n, path in paths.items()}


def _find(spec: TrialSpec) -> Saved | None:
    """The last checkpoint of this very trial that can be gone on from."""
    for checkpoint in checkpoints.found(Path(spec.directory)):
        try:
            content, arrays = checkpoint.read()
            saved = _saved(spec, checkpoint.step, content, arrays)
        except ValueError as error:
            say(f"{error}; looking for an earlier one")
            continue
        say(f"going on from the checkpoint after step {checkpoint.step}")
        return saved
    return None


def _saved(spec: TrialSpec, step: int, content: dict[str, Any], arrays: list[Any]) -> Saved:
    """A checkpoint's content. Raises ValueError where the trial cannot go on from it."""
    directory, what = Path(spec.directory), f"checkpoint {step}"
    if content.pop("terms", None) != _terms(spec):
        raise ValueError(f"{what} is of another trial")
    if set(content) != {"form", "recorder", "ledger", "at", "attempt", "files"}:
        raise ValueError(f"{what} was made by another version of this program")
    files = {name: then and Mark(*then) for name, then in content.pop("files").items()}
    for name, then in files.items():
        if then is not None and not atomic.still_holds(directory / name, then):
            raise ValueError(f"{what} was made with other lines in {name} than there are now")
    snapshot = Snapshot(arrays, content.pop("form"))
    saved = Saved(step=step, snapshot=snapshot, files=files, **content)
    here = fingerprint.fingerprint()["key"]
    # How the members of a population are laid out, and so how numbers are rounded, depends on it.
    if spec.population is not None and saved.recorder["fingerprint"] != here:
        raise ValueError(f"{what} is of a population on another machine")
    return saved


def _terms(spec: TrialSpec) -> dict[str, Any]:
    """The facts that must not change between attempts; where the directory lies may."""
    terms = {
        "spec": dataclasses.asdict(dataclasses.replace(spec, directory="", data_dir=None)),
        "submission_sha256": find.source_sha256(find.locate(spec.submission)),
    }
    return json.loads(json.dumps(terms))
