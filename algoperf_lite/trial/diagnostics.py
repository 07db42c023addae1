"""Diagnostics: looks inside a trial at its evaluations, where an experiment asks for them.

`diagnostics.jsonl` beside the trial's other logs has a line for each look, the first one before
step 1: {"step", "loss", "spike", "batch_loss", "not_finite"; "params", "gradient", "update",
"update_to_weight", "moved", each {type of parameters: number}; "gradient_norm", "clipped"}. What
nobody knows is left out, and null is a number that is not finite. docs/diagnostics.md says what
they mean.
"""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.machine import heartbeat
from algoperf_lite.storage import atomic
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.probe import PARAMS, UPDATE, Reading
from algoperf_lite.trial.forms.base import Form
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import DIAGNOSTICS

_LOSSES, _FEWEST_LOSSES = 9, 3  # before a loss, that tell whether it is a spike
_DEVIATIONS, _LEAST_SHARE = 6.0, 0.05  # of the spread, and of the middle, that a spike exceeds


class Diagnostics:
    """One trial's looks. Does nothing, and takes no time, unless its experiment asks for them."""

    def __init__(self, spec: TrialSpec, form: Form, clock: Ledger, beat: Callable[[], None]):
        """`beat` is called while the look is compiled."""
        self._is_on = spec.config.diagnostics
        self._form, self._clock, self._beat = form, clock, beat
        self._path = Path(spec.directory) / DIAGNOSTICS
        self._losses: list[float] = []

    def begin(self, step: int) -> None:
        """The look before the first step of an attempt, which goes on from `step` steps."""
        if not self._is_on:
            return
        self._clock.switch("diagnostics")
        self._losses = _losses(self._path)
        reading = self._read(step)
        # An attempt that goes on has this look's line already.
        if step == 0:
            self._write(step, reading, None)

    def look(self, step: int, training_loss: float | None) -> None:
        """The look after `step` steps; `training_loss` is the mean since the one before."""
        if not self._is_on:
            return
        self._clock.switch("diagnostics")
        self._write(step, self._read(step), training_loss)

    def cause(self, step: int) -> str | None:
        """Where a trial, whose parameters are not finite after `step` steps, went wrong; None
        where nobody can tell."""
        if not self._is_on:
            return None
        self._clock.switch("diagnostics")
        for number, reading in self._form.retrace(step):
            if reading.not_finite is not None:
                loss = reading.loss
                what = "was" if math.isfinite(loss) else "became"
                return (
                    f"the loss {what} {loss:.4g} at step {number}; first non-finite leaf: "
                    f"{reading.not_finite}"
                )
        return None

    def _read(self, step: int) -> Reading | None:
        with heartbeat.while_compiling(self._beat):
            return self._form.probe(step)

    def _write(self, step: int, reading: Reading | None, loss: float | None) -> None:
        if reading is None:
            return
        point = self._form.facts().get("hyperparameters")
        line = {"step": step, **_of_loss(loss, self._losses), **_of_reading(reading, point)}
        atomic.append_text(self._path, json.dumps(atomic.plain(line), allow_nan=False) + "\n")
        self._losses += [] if loss is None else [loss]


def is_spike(loss: float, before: Sequence[float]) -> bool:
    """Whether a training loss is a spike after those `before`: not finite, or above the median of
    the last nine (at least three) by more than six times their median absolute deviation and more
    than a twentieth of the median."""
    if not math.isfinite(loss):
        return True
    recent = [value for value in before if math.isfinite(value)][-_LOSSES:]
    if len(recent) < _FEWEST_LOSSES:
        return False
    # Medians, so that one spike does not hide the next one.
    middle = statistics.median(recent)
    spread = statistics.median(abs(value - middle) for value in recent)
    return loss - middle > max(_DEVIATIONS * spread, _LEAST_SHARE * abs(middle))


def _of_loss(loss: float | None, before: Sequence[float]) -> dict[str, Any]:
    return {} if loss is None else {"loss": loss, "spike": is_spike(loss, before)}


def _of_reading(reading: Reading, point: Mapping[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"not_finite": reading.not_finite, **reading.norms}
    if reading.loss is not None:
        found["batch_loss"] = reading.loss
    if UPDATE in reading.norms:
        weights = reading.norms[PARAMS]
        found["update_to_weight"] = {
            kind: update / weights[kind] if weights[kind] else math.nan
            for kind, update in reading.norms[UPDATE].items()
        }
    norm, limit = reading.gradient_norm, (point or {}).get("grad_clip")
    if norm is not None:
        found["gradient_norm"] = norm
        # The reserved hyperparameter; what else an optimizer clips, only it knows.
        if isinstance(limit, int | float) and math.isfinite(norm):
            found["clipped"] = norm > limit
    return found


def _losses(path: Path) -> list[float]:
    """Training losses of the looks of earlier attempts."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return [math.nan if line["loss"] is None else line["loss"] for line in lines if "loss" in line]
