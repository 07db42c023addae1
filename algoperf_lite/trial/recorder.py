"""The recorder: evaluates a trial, writes its logs, and says when it is to end."""

import dataclasses
import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.machine import heartbeat
from algoperf_lite.spec import Workload
from algoperf_lite.storage import atomic
from algoperf_lite.training import probe
from algoperf_lite.trial import integrity, logs, racing, stops
from algoperf_lite.trial.forms.base import Candidate
from algoperf_lite.trial.racing import Best
from algoperf_lite.trial.resume import FIRST_ATTEMPT, Attempt
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import OUTRUN


class Verdict(enum.Enum):
    """The answer of an evaluation to the question whether the trial goes on."""

    # The value is the rest of a sentence that begins with "the trial".
    GO_ON = "goes on"
    REACHED = "reached its target"
    AT_LAST_STEP = "did its last step"
    DIVERGED = "has parameters that are not finite"
    OVER_BUDGET = "used up its seconds"
    OUTRUN = "was outrun by another of its study"

    @property
    def is_end(self) -> bool:
        return self is not Verdict.GO_ON


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One evaluation of a trial.

    Attributes:
      seconds: on the submission's clock.
      row: metrics by column; empty where nothing is measured, since it could not count.
    """

    verdict: Verdict
    step: int
    seconds: float
    row: Mapping[str, float]
    training_loss: float | None = None


class Recorder:
    """One trial's evaluations, log files, and what becomes its record."""

    def __init__(
        self,
        spec: TrialSpec,
        setup: TrialSetup,
        attempt: Attempt = FIRST_ATTEMPT,
        outrun_by: Callable[[float, int], Best | None] = lambda seconds, step: None,
        tamper_check: integrity.TamperCheck | None = None,
    ):
        """Opens the logs, where a checkpoint of an earlier attempt left them (`state`).

        `outrun_by` is asked at each evaluation, see `racing.outrun_by`; by default nobody races.
        `tamper_check` began before the submission was imported; None where it is not yet.
        """
        self.spec, self.workload, self._setup = spec, setup.workload, setup
        self._outrun_by, self._outrun = outrun_by, None
        self._compile_seconds: float | None = None
        module = type(setup.workload).__module__
        self._tamper_check = tamper_check or integrity.TamperCheck(module)
        self._last: Evaluation | None = None
        self._cause: str | None = None
        earlier = None if attempt.saved is None else attempt.saved.recorder
        # The mark counts lines, of which the first is the header.
        num_rows = 0 if earlier is None else earlier["rows"][logs.ROWS[0]][0] - 1
        self._logs = logs.TrialLogs(Path(spec.directory), setup.metric_names, num_rows)
        self._progress = _Progress() if earlier is None else _Progress(**earlier["progress"])
        self._fingerprint = setup.facts["fingerprint"]
        if earlier is not None:
            self._fingerprint = _joined(self._fingerprint, earlier["fingerprint"])
        # Where another trial made the first steps, see `trunk`.
        self._branch = None if earlier is None else earlier.get("branch")
        self._preemption_count = attempt.number
        self._write_start(attempt.number)

    @property
    def state(self) -> dict[str, Any]:
        """Plain data from which the recorder of a later attempt goes on."""
        return {
            "rows": self._logs.marks,
            "fingerprint": self._fingerprint["key"],
            "progress": dataclasses.asdict(self._progress),
            "branch": self._branch,
        }

    @property
    def facts(self) -> dict[str, Any]:
        """Fields of the trial's record that are known so far."""
        return {
            **self._setup.facts,
            **dataclasses.asdict(self._progress),
            "fingerprint": self._fingerprint,
            "preemption_count": self._preemption_count,
            "branch": self._branch,
            "compile_seconds": self._compile_seconds,
        }

    @property
    def has_reached_target(self) -> bool:
        return self._progress.time_to_target is not None

    @property
    def has_diverged(self) -> bool:
        return self._last is not None and self._last.verdict is Verdict.DIVERGED

    def explain(self, cause: str | None) -> None:
        """Adds to the sentence about a trial that has diverged; None adds nothing."""
        self._cause = cause or self._cause

    def start(self, form: Mapping[str, Any], compile_seconds: float) -> None:
        """Writes down what is known before the first step; `form` are facts of the form."""
        self._compile_seconds = compile_seconds
        self._write_point(form["hyperparameters"])

    def told(self, evaluation: Evaluation, off_clock: Mapping[str, float]) -> dict[str, Any]:
        """An evaluation under AlgoPerf's names, as a submission in its form may know it."""
        return {**evaluation.row, **self._times(evaluation), **off_clock}

    def evaluate(
        self,
        step: int,
        seconds: float,
        candidate: Callable[[int], Candidate],
        beat: Callable[[], None] = lambda: None,
    ) -> Evaluation:
        """Measures the validation split, and train and test where they are due.

        There is no evaluation beyond the budget, as in AlgoPerf v0.6, nor of a trial that has been
        outrun. `beat` is called meanwhile.
        Raises `record.RulesBroken` where the submission does what it may not.
        """
        self._progress = dataclasses.replace(self._progress, steps=step)
        # Evaluating a trial that is past its budget would let it reach the target too late.
        limit, best = self.spec.max_seconds, self._outrun_by(seconds, step)
        if limit is not None and seconds > limit:
            self._last = Evaluation(Verdict.OVER_BUDGET, step, seconds, {})
            return self._last
        if best is not None and not self.has_reached_target:
            self._outrun = racing.stop(seconds, step, best)
            self._last = Evaluation(Verdict.OUTRUN, step, seconds, {})
            return self._last
        found = candidate(step)
        # Between steps nothing of the submission may compute: the clock stands still.
        self._tamper_check.check_rest()
        children = integrity.Children()
        measure = self._setup.evaluate
        with heartbeat.beating(beat):
            row = measure(found.params, found.model_state, "validation")
            verdict = self._verdict(step, row, found.is_finite)
            if verdict is Verdict.DIVERGED:
                self._cause = _what_is_known(found)
            if verdict.is_end or stops.is_quarter(step, self.workload.step_hint):
                row |= measure(found.params, found.model_state, "train")
                row |= measure(found.params, found.model_state, "test")
        children.check()
        # Last, so that what an evaluation itself gave the chance to replace is seen as well.
        self._tamper_check.check_names()
        row = {**row, **found.columns}
        self._last = Evaluation(verdict, step, seconds, row, found.training_loss)
        return self._last

    def log(self, evaluation: Evaluation, off_clock: Mapping[str, float]) -> float:
        """Writes an evaluation's row; returns the value of the workload's metric.

        `off_clock` has the log's columns that are not on the submission's clock, in seconds.
        """
        self._logs.write_eval(self.told(evaluation, off_clock), evaluation.training_loss)
        workload = self.workload
        value = evaluation.row[f"validation/{workload.target_metric_name}"]
        self._progress = self._progress.after(value, workload.lower_is_better)
        if workload.has_reached_validation_target(evaluation.row) and not self.has_reached_target:
            self._progress = dataclasses.replace(
                self._progress,
                time_to_target=evaluation.seconds,
                steps_to_target=evaluation.step,
            )
        return value

    def close(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Writes the last row; returns the fields of the record that the end decides."""
        assert self._last is not None, "a trial has at least one evaluation"
        if form["hyperparameters"] != self._point:  # those of a population's winner
            self._write_point(form["hyperparameters"])
        end = {"rows_sha256": self._logs.sha256}
        if self.has_diverged:
            error = f"parameters are not finite after step {self._last.step}: {self._cause}"
            return {**end, "status": "diverged", "error": error}
        # A diverged trial has no such row: AlgoPerf's scorer would take it for a result.
        self._logs.write_score(self._last.seconds, self._last.step)
        end = {"rows_sha256": self._logs.sha256, "outrun": self._outrun}
        if self._outrun is not None:
            return {**end, "status": OUTRUN}
        return {**end, "status": "reached" if self.has_reached_target else "not_reached"}

    def _verdict(self, step: int, row: Mapping[str, float], is_finite: bool) -> Verdict:
        # First: a metric of parameters that are not finite proves nothing.
        if not is_finite:
            return Verdict.DIVERGED
        workload = self.workload
        if self.spec.config.stop_at_target and workload.has_reached_validation_target(row):
            return Verdict.REACHED
        return Verdict.AT_LAST_STEP if step == self.spec.max_global_steps else Verdict.GO_ON

    def _times(self, evaluation: Evaluation) -> dict[str, Any]:
        """Columns of progress and of seconds on the submission's clock."""
        return {
            "accumulated_submission_time": evaluation.seconds,
            "score": evaluation.seconds,
            "global_step": evaluation.step,
            "preemption_count": self._preemption_count,
        }

    def _write_point(self, point: Mapping[str, Any] | None) -> None:
        self._point = point
        atomic.write_json(self._logs.directory / "hparams.json", point)

    def _write_start(self, attempt: int) -> None:
        """AlgoPerf's files about a run, one pair for each attempt."""
        directory = self._logs.directory
        meta_data = {
            **_workload_facts(self.workload),
            **self._fingerprint,
            "rng_seed": self.spec.seed,
        }
        atomic.write_json(directory / f"meta_data_{attempt}.json", meta_data)
        flags = dataclasses.asdict(self.spec)
        atomic.write_json(directory / f"flags_{attempt}.json", flags)


@dataclasses.dataclass(frozen=True)
class _Progress:
    """The part of a record that grows from evaluation to evaluation."""

    steps: int = 0
    best: float | None = None
    final: float | None = None
    time_to_target: float | None = None
    steps_to_target: int | None = None

    def after(self, value: float, lower_is_better: bool) -> "_Progress":
        """With one more value of the metric; one that is not finite is never the best."""
        best = self.best
        is_better = best is None or (value < best if lower_is_better else value > best)
        if np.isfinite(value) and is_better:
            best = value
        return dataclasses.replace(self, final=value, best=best)


def _joined(fingerprint: Mapping[str, Any], earlier: str) -> dict[str, Any]:
    """The fingerprint of a trial that went on here from where another machine had brought it: its
    seconds are comparable with nobody's."""
    keys = earlier.split("+")
    if fingerprint["key"] not in keys:
        keys.append(fingerprint["key"])
    return {**fingerprint, "key": "+".join(keys)}


def _what_is_known(found: Candidate) -> str:
    """What a diverged trial's last parameters and losses tell, without looking further."""
    leaf = probe.first_not_finite(found.params)
    # Where averages are evaluated, they may not have followed yet.
    first = "those that are evaluated still are" if leaf is None else f"the first is `{leaf}`"
    loss = found.training_loss
    if loss is None:
        return first
    return f"{first}, and the mean training loss since the last evaluation is {loss:.4g}"


def _workload_facts(workload: Workload) -> dict[str, Any]:
    """AlgoPerf's flat `meta_data` keys."""
    fields = (
        "name",
        "scale",
        "batch_size",
        "eval_batch_size",
        "step_hint",
        "num_train_examples",
        "num_validation_examples",
        "num_test_examples",
        "target_metric_name",
    )
    return {f"workload.{field}": getattr(workload, field) for field in fields}
