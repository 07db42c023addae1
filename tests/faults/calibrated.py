"""Output directories whose calibration is given: it takes longer than the trials of a test."""

from pathlib import Path

from algoperf_lite import tuning
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.config import ExperimentConfig
from scoring import benchmark

MAX_GLOBAL_STEPS = 16
FLAGS = (
    *("--workloads=digits", "--tuning_ruleset=self", "--num_studies=1", "--budget_by=steps"),
    f"--max_global_steps={MAX_GLOBAL_STEPS}",
)


def prepare(output: Path) -> None:
    """Makes the directory of an experiment with `FLAGS`, whose steps are one dispatch each."""
    rules = benchmark.load("lite").ruleset("self")
    settings = ExperimentConfig(
        benchmark="lite",
        scale="lite",
        ruleset=tuning.Ruleset("self", 1, rules.num_trials, rules.slack),
        budget_by="steps",
        max_global_steps=MAX_GLOBAL_STEPS,
    )
    calibration = Calibration(0.01, 300, "single", 1, {"single": 0.01}, "given")
    with Directory(output, settings) as directory:
        directory.keep("digits", calibration)
