"""The configuration of an experiment: what determines its numbers."""

import dataclasses

from algoperf_lite import tuning


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """What all trials of an experiment share; a directory holds trials of one `Settings` only.

    Attributes:
      benchmark: name or file the targets come from.
      scale: "lite" or "full".
      ruleset: studies, trials and slack.
      rng_seed: of the experiment.
      budget_by: "time" (seconds of the reference on this machine) or "steps" (the step hint).
      max_global_steps: a further limit in steps; None for none.
      stop_at_target, count_compile, use_installed_algoperf, num_evals: see `spec.TrialSpec`.
      cores_per_trial: cores each trial is pinned to on a machine without accelerator.
      vectorize: "trials" if trials of one entry and workload train together and their times are
        replayed, see `vectorized`; "none" if each is a process and its times are measured.
    """

    benchmark: str
    scale: str
    ruleset: tuning.Ruleset
    rng_seed: int = 0
    budget_by: str = "time"
    max_global_steps: int | None = None
    stop_at_target: bool = True
    count_compile: bool = False
    use_installed_algoperf: bool = False
    num_evals: int = 40
    cores_per_trial: int = 1
    vectorize: str = "none"
