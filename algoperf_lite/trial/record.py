"""The record of a trial: what `trial.json` holds, and how an exception becomes a status."""

import dataclasses
import traceback
from collections.abc import Mapping
from typing import Any

from algoperf_lite.machine import out_of_memory
from algoperf_lite.machine.devices import WrongBackend
from algoperf_lite.trial.spec import TrialSpec

# Of the workload; of the submission, which is its import, its first state, its compilation and its
# first step; and all steps after that.
STAGES = ("setup", "start", "training")
# What devices and other hosts raise, by its name here and in older JAX.
_OF_MACHINES = ("JaxRuntimeError", "XlaRuntimeError")


class RulesBroken(Exception):
    """A submission did what no submission may do; its trial is `invalid`."""


@dataclasses.dataclass(frozen=True)
class TrialRecord:
    """A trial's result, built once when the trial ends.

    Seconds are on the submission's clock unless a field says otherwise. A field is None where it
    does not apply to the trial's form, or where the trial ended before it was known.

    Attributes:
      status: one of `logs.STATUSES`.
      error, traceback: why a trial failed.
      stage: how far it had come by then, one of `STAGES`; None where its process could not say.
      seed: of this trial; `experiment_seed` is the one it is derived from.
      target: validation target, of the metric `metric`.
      budget: part of the step hint that is the schedule's horizon.
      timing: "measured", or "replayed" where trials shared a process.
      stepping: how steps were dispatched, and over how many devices.
      eval_examples: most of a split that were evaluated; None for all of them.
      precision, deterministic: see `numerics.Numerics`; None before there was a choice.
      form: of the submission's file, where it is AlgoPerf's.
      batch_size_asked: what AlgoPerf's `get_batch_size` answered, and what became of it.
      requirements: lines of its requirements.txt, each with the version that the trial ran on.
      pbt: rules of a population; `winner` the member that won, with its fitness.
      compile_seconds: off the clock unless `count_compile`.
      steps: done; `steps_to_target` and `time_to_target` when the target was first met.
      best, final: values of the metric on the validation split.
      branch: the trial that made its first steps, their number and seconds, see `trunk`; None
        where it made all of them.
      outrun: where it stopped and what had outrun it, see `racing.stop`; None where nothing had.
      ledger: {account: seconds, "wall": seconds}; see `clock.Ledger`.
      earlier_wall: seconds of the ledger from attempts before the last one.
      preemption_count: number of attempts before the last one.
      late_compilations: programs that AlgoPerf's form compiled on the clock.
      population: of trials that shared a process: its whole ledger, members and member steps.
      replay: what replayed seconds are made of.
      peak_memory_bytes: of its process; `peak_device_memory_bytes` of the fullest accelerator.
      step_bytes: that the most demanding program of training needs on a device, as XLA planned it;
        see `compilation.DeviceBytes`.
      devices: which of the machine's were its, as its environment says.
      workload_sha256: of the files of a workload from elsewhere.
      rows_sha256: hashes of the rows that the harness wrote, by file.
      attempts: how each attempt ended, filled in by the process that watched.
    """

    status: str | None = None
    error: str | None = None
    traceback: str | None = None
    stage: str | None = None
    submission: str = ""
    workload: str = ""
    scale: str = ""
    ruleset: str = ""
    study: int = 0
    trial: int = 0
    experiment_seed: int = 0
    seed: int = 0
    target: float | None = None
    budget: float = 1.0
    schedule: str | None = None
    max_seconds: float | None = None
    timing: str = "measured"
    stepping: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    count_compile: bool = False
    eval_examples: int | None = None
    precision: str | None = None
    deterministic: bool = False
    hyperparameters: Mapping[str, Any] | None = None
    form: str | None = None
    batch_size: int | None = None
    batch_size_asked: Mapping[str, Any] | None = None
    requirements: list[dict[str, Any]] | None = None
    pbt: Mapping[str, Any] | None = None
    winner: Mapping[str, Any] | None = None
    compile_seconds: float | None = None
    late_compilations: int | None = None
    steps: int = 0
    best: float | None = None
    final: float | None = None
    time_to_target: float | None = None
    steps_to_target: int | None = None
    branch: Mapping[str, Any] | None = None
    outrun: Mapping[str, float] | None = None
    ledger: Mapping[str, float] = dataclasses.field(default_factory=dict)
    earlier_wall: float = 0.0
    preemption_count: int = 0
    attempts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    fingerprint: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    metric: str | None = None
    step_hint: int | None = None
    num_params: int | None = None
    parameter_multiplier: float = 1.0
    peak_memory_bytes: int | None = None
    peak_device_memory_bytes: int | None = None
    step_bytes: Mapping[str, int] | None = None
    devices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    data_sha256: str | None = None
    workload_sha256: str | None = None
    submission_sha256: str | None = None
    submission_source: str | None = None
    rows_sha256: Mapping[str, str] | None = None
    population: Mapping[str, Any] | None = None
    replay: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, spec: TrialSpec, **found: Any) -> "TrialRecord":
        """The record of a trial: what its spec says, and what was `found` while it ran."""
        known = {
            "submission": spec.submission_name,
            "workload": spec.workload_name,
            "scale": spec.config.scale,
            "ruleset": spec.config.ruleset.name,
            "study": spec.study,
            "trial": spec.trial,
            "experiment_seed": spec.config.rng_seed,
            "seed": spec.seed,
            "target": spec.target,
            "budget": spec.budget,
            "schedule": spec.schedule,
            "max_seconds": spec.max_seconds,
            "stepping": {
                "mode": spec.stepping_mode,
                "steps_per_dispatch": spec.steps_per_dispatch,
            },
            "count_compile": spec.config.count_compile,
            "eval_examples": spec.config.eval_examples,
            "precision": spec.config.precision,
            "deterministic": spec.config.deterministic,
            "hyperparameters": spec.hyperparameters,
            "pbt": None if spec.population is None else dataclasses.asdict(spec.population),
        }
        return cls(**{**known, **found})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrialRecord":
        """The record that `to_json` gave. Raises TypeError for unknown fields."""
        return cls(**content)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as `trial.json` holds it."""
        return dataclasses.asdict(self)

    @property
    def would_crash_again(self) -> bool:
        """Whether a trial crashed by what its submission did before its first step was done: the
        same file would do the same again, whereas a device or another host may come back. A driver
        that JAX cannot use does not."""
        kind = (self.error or "").partition(":")[0]
        is_of_file = self.stage == "start" and kind not in _OF_MACHINES
        return self.status == "crashed" and (is_of_file or kind == WrongBackend.__name__)

    @property
    def watched_ledger(self) -> Mapping[str, float]:
        """The ledger of the trial's whole process, which its parent checks: trials that shared a
        process each have only a part of it as their own."""
        return self.ledger if self.population is None else self.population["ledger"]


def stage(has_begun: bool, steps: int) -> str:
    """The stage of a trial whose submission has begun, or not, and has done so many steps."""
    if not has_begun:
        return "setup"
    return "training" if steps else "start"


def failure(error: BaseException) -> dict[str, Any]:
    """The fields of a record that an exception decides."""
    text = str(error)
    if not isinstance(error, MemoryError):
        text = out_of_memory.said_by(text) or text  # without the traceback that XLA puts in front
    is_memory = isinstance(error, MemoryError) or out_of_memory.said_by(text) is not None
    status = "out_of_memory" if is_memory else "crashed"
    return {
        "status": "invalid" if isinstance(error, RulesBroken) else status,
        "error": f"{type(error).__name__}: {text}",
        "traceback": "".join(traceback.format_exception(error)),
    }
