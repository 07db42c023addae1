"""A trial's books: what its logs and its record say, when it is evaluated and when it ends."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.spec import PyTree, Workload
from algoperf_lite.storage import atomic
from algoperf_lite.submission.algoperf import AlgoPerfSubmission
from algoperf_lite.submission.native import Submission
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import integrity, logs
from algoperf_lite.trial.resume import Attempt
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec

Report = Callable[..., None]


_BEAT_SECONDS = 1.0


FIRST_ATTEMPT = Attempt()


_GROWING = (  # in a record, what is known only as the trial goes on
    *("steps", "best", "final", "time_to_target", "steps_to_target"),
)


def evaluation_steps(horizon: int, num_evals: int) -> Iterator[int]:
    """1, then every `horizon / num_evals` steps, past the horizon too; strictly increasing."""
    yield 1
    last, index = 1, 0
    while True:
        index += 1
        step = round(index * horizon / num_evals)
        if step > last:
            last = step
            yield step


class Recorder:
    """One trial's log files and record. After `is_over_budget` or `evaluate` have found that it is
    to end, `is_over` says so."""

    def __init__(
        self,
        trial_spec: TrialSpec,
        stage: TrialSetup,
        record: dict[str, Any],
        attempt: Attempt = FIRST_ATTEMPT,
    ):
        """Opens the logs; `record` is filled from now on. Books of a later attempt go on from what
        was saved of them, see `so_far`."""
        self.spec, self.record, self._stage = trial_spec, record, stage
        self.is_over = False
        self._watch = integrity.TamperCheck()
        self._seconds, self._is_healthy = 0.0, True
        earlier = attempt.saved and attempt.saved.books
        num_rows = 0 if earlier is None else earlier["rows"][logs.ROWS[0]][0] - 1
        self._logs = logs.TrialLogs(Path(trial_spec.directory), stage.metric_names, num_rows)
        record |= stage.facts
        if earlier is not None:
            record |= {name: earlier[name] for name in _GROWING}
            record["fingerprint"] = _joined(record["fingerprint"], earlier["fingerprint"])
        record["preemption_count"] = attempt.number
        directory = self._logs.directory
        facts, k = _meta_data(stage.workload, record), attempt.number
        atomic.write_json(directory / f"meta_data_{k}.json", facts)
        atomic.write_json(directory / f"flags_{k}.json", dataclasses.asdict(trial_spec))

    def so_far(self) -> dict[str, Any]:
        """What other books need to go on from here."""
        return {
            "rows": self._logs.marks,
            "fingerprint": self.record["fingerprint"]["key"],
            **{name: self.record[name] for name in _GROWING},
        }

    def write_submission(
        self,
        entry: Submission | AlgoPerfSubmission,
        point: Mapping[str, Any] | None,
        batch_size: int,
    ) -> None:
        """Who trains, and at which point."""
        self.record |= {
            "submission_sha256": entry.sha256,
            "submission_source": entry.source,
            "batch_size": batch_size,
        }
        self.write_point(point)

    def write_point(self, point: Mapping[str, Any] | None) -> None:
        """The hyperparameters; a population's winner has them only at the end."""
        atomic.write_json(self._logs.directory / "hparams.json", point)
        self.record["hyperparameters"] = point

    def is_over_budget(self, seconds: float, step: int) -> bool:
        """Books that `step` steps took `seconds` on the submission's clock. There is no evaluation
        beyond the budget, as in AlgoPerf v0.6."""
        self._seconds, self.record["steps"] = seconds, step
        limit = self.spec.max_seconds
        self.is_over |= limit is not None and seconds > limit
        return self.is_over

    def evaluate(self, params: PyTree, model_state: PyTree, is_healthy: bool) -> dict[str, float]:
        """Metrics of the validation split, and of train and test where they are due.

        Raises `integrity.RulesBroken` where the submission does what it may not.
        """
        evaluate, step, spec = self._stage.evaluate, self.record["steps"], self.spec
        self._watch.check_rest()
        children = integrity.Children()
        row = evaluate(params, model_state, "validation")
        self._is_healthy = is_healthy
        self.is_over |= not is_healthy or step == spec.max_global_steps
        self.is_over |= spec.stop_at_target and self._has_reached(row)
        if self.is_over or _is_quarter(step, self._stage.workload.step_hint):
            row |= evaluate(params, model_state, "train")
            row |= evaluate(params, model_state, "test")
        children.check()
        self._watch.check_names()
        return row

    def enter(
        self, row: Mapping[str, float], training_loss: float | None, off_clock: Mapping[str, float]
    ) -> float:
        """Writes an evaluation down; returns the value of the workload's metric.

        Args:
          training_loss: None where the harness does not see it.
          off_clock: seconds for the log's columns that are not on the submission's clock.
        """
        step = self.record["steps"]
        times = {
            "accumulated_submission_time": self._seconds,
            "score": self._seconds,
            "global_step": step,
            "preemption_count": self.record["preemption_count"],
        }
        self._logs.write_eval({**row, **times, **off_clock}, training_loss)
        value = row[f"validation/{self._stage.workload.target_metric_name}"]
        self._note(value)
        if self._has_reached(row) and self.record["time_to_target"] is None:
            self.record |= {"time_to_target": self._seconds, "steps_to_target": step}
        return value

    def close(self) -> str:
        """The trial's status, which is also in its record from now on."""
        step = self.record["steps"]
        if self._is_healthy:
            self._logs.write_score(self._seconds, step)
            has_reached = self.record["time_to_target"] is not None
            self.record["status"] = "reached" if has_reached else "not_reached"
        else:
            self.record["status"] = "diverged"
            self.record["error"] = f"parameters are not finite after step {step}"
        self.record["rows_sha256"] = self._logs.sha256
        return self.record["status"]

    def _has_reached(self, row: Mapping[str, float]) -> bool:
        return self._stage.workload.has_reached_validation_target(row)

    def _note(self, value: float) -> None:
        lower_is_better = self._stage.workload.lower_is_better
        self.record["final"] = value
        best = self.record["best"]
        is_better = best is None or (value < best if lower_is_better else value > best)
        if np.isfinite(value) and is_better:
            self.record["best"] = value


def _joined(fingerprint: dict[str, Any], earlier: str) -> dict[str, Any]:
    """The fingerprint of a trial that went on here from where another machine had brought it: its
    seconds are comparable with nobody's."""
    keys = earlier.split("+")
    if fingerprint["key"] not in keys:
        keys.append(fingerprint["key"])
    return {**fingerprint, "key": "+".join(keys)}


def off_clock(ledger: Ledger, num_trials: int = 1) -> dict[str, float]:
    """A log row's columns of what is not on the submission's clock; of several trials that share
    a ledger, each has an equal part."""
    return {
        "accumulated_eval_time": ledger.seconds("eval") / num_trials,
        "accumulated_logging_time": ledger.seconds("log") / num_trials,
        "total_duration": ledger.seconds() / num_trials,
    }


def throttled(report: Report) -> Callable[[], None]:
    """A `beat` for the training loop that reports at most once a second."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last >= _BEAT_SECONDS:
            last = time.monotonic()
            report(event="beat")

    return beat


def _is_quarter(step: int, horizon: int) -> bool:
    """Whether `step` is the first or ends a quarter of the horizon: train and test are measured."""
    return step == 1 or step == round(round(4 * step / horizon) * horizon / 4)


def _meta_data(workload: Workload, record: Mapping[str, Any]) -> dict[str, Any]:
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
    facts = {f"workload.{field}": getattr(workload, field) for field in fields}
    return {**facts, **record["fingerprint"], "rng_seed": record["seed"]}
