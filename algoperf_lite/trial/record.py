"""The record of a trial: what `trial.json` holds."""

import dataclasses
import traceback
from typing import Any

from algoperf_lite.machine import out_of_memory
from algoperf_lite.trial import integrity
from algoperf_lite.trial.spec import TrialSpec


def blank_record(spec: TrialSpec) -> dict[str, Any]:
    """The record (`trial.json`) of a trial that has not got anywhere."""
    return {
        "status": "crashed",
        "error": None,
        "submission": spec.submission_name,
        "workload": spec.workload,
        "scale": spec.scale,
        "ruleset": spec.ruleset.name,
        "study": spec.study,
        "trial": spec.trial,
        "experiment_seed": spec.experiment_seed,
        "seed": spec.seed,
        "target": spec.target,
        "budget": spec.budget,
        "schedule": spec.schedule,
        "max_seconds": spec.max_seconds,
        "timing": "measured",
        "stepping": {"mode": spec.stepping_mode, "steps_per_dispatch": spec.steps_per_dispatch},
        "count_compile": spec.count_compile,
        "hyperparameters": spec.hyperparameters,
        "course": spec.course,
        "pbt": None if spec.population is None else dataclasses.asdict(spec.population),
        "compile_seconds": None,
        "steps": 0,
        "best": None,
        "final": None,
        "time_to_target": None,
        "steps_to_target": None,
        "ledger": {},
        "earlier_wall": 0.0,  # seconds of the ledger from processes that were interrupted
        "preemption_count": 0,
        "fingerprint": {},
        "versions": {},
        "data_sha256": None,
        "submission_sha256": None,
        "num_params": None,
    }


def failure(error: Exception) -> dict[str, Any]:
    """What an exception adds to the record of a trial that it ends."""
    text = str(error)
    if not isinstance(error, MemoryError):
        text = out_of_memory.said_by(text) or text  # without the traceback that XLA puts in front
    is_memory = isinstance(error, MemoryError) or out_of_memory.said_by(text) is not None
    status = "out_of_memory" if is_memory else "crashed"
    return {
        "status": "invalid" if isinstance(error, integrity.RulesBroken) else status,
        "error": f"{type(error).__name__}: {text}",
        "traceback": "".join(traceback.format_exception(error)),
    }
