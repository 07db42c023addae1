"""The search for validation targets, as AlgoPerf has made it, in small.

For each base workload, quasi-random points of each algorithm's search space train for a part of
the step hint, AlgoPerf's three quarters or fewer; the best point, or a few of the best, is rerun
with several seeds; the target is the best median of the best validation metric over a point's
reruns. A variant reruns the two best points of its base and takes the better median. (AlgoPerf
DOCUMENTATION.md, "Defining target performance")
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite import tuning
from algoperf_lite.machine.numerics import USUAL, Numerics
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring.benchmark import LOWER_IS_BETTER

VARIANT_CANDIDATES = 2  # best points of the base that a variant tries
HORIZON = 0.75  # AlgoPerf's part of the step hint: a budget is 4/3 of the run that set the target


def config_without_target(
    scale: str,
    rng_seed: int,
    num_trials: int = 1,
    numerics: Numerics = USUAL,
    horizon: float = HORIZON,
) -> ExperimentConfig:
    """The configuration of runs that no target ends, as it is what is looked for; its slack is
    their part of the step hint."""
    ruleset = tuning.Ruleset("external", 1, num_trials, horizon)
    # Points and seeds share processes and programs: of these runs, only the metrics matter. Full
    # models fill a device alone.
    return ExperimentConfig(
        "none",
        scale,
        ruleset,
        rng_seed=rng_seed,
        vectorize="trials" if scale == "lite" else "none",
        **dataclasses.asdict(numerics),
    )


def trial_without_target(
    algorithm: str,
    name: str,
    calibration: Calibration,
    cell: Path,
    config: ExperimentConfig,
    trial: int = 1,
    data_dir: str | None = None,
) -> TrialSpec:
    """A run of `algorithm` on the workload `name` for the part of the step hint that `config` says,
    which is its schedule's horizon.

    Args:
      cell: the folder of the workload's trials.
      data_dir: of the data sets that are read from files, as trials find it.
    """
    horizon = config.ruleset.slack
    return TrialSpec(
        submission=str(find.locate(algorithm)),
        workload=name,
        study=0,
        trial=trial,
        config=config,
        directory=str(cell / f"trial_{trial}"),
        budget=horizon,
        whole_horizon=True,
        max_global_steps=round(horizon * calibration.step_hint),
        stepping_mode=calibration.mode,
        steps_per_dispatch=calibration.steps_per_dispatch,
        data_dir=data_dir,
    )


@dataclasses.dataclass(frozen=True)
class TargetSearch:
    """The search for targets.

    Attributes:
      scale: "lite" or "full".
      algorithms: names of target-setting submissions.
      num_points: points per algorithm.
      num_seeds: reruns of each of a base workload's best points.
      num_variant_seeds: reruns of each of a variant's points.
      rng_seed: of the points; reruns use the next one.
      folder: where all runs are kept.
      numerics: of all runs.
      data_dir: of the data sets that are read from files, as trials find it.
      horizon: part of the step hint that all runs take. The smaller it is, the more room a budget
        leaves to who has one point where the target has had a search.
      num_candidates: best points of a base workload that are rerun. AlgoPerf's one keeps its rank
        by the luck of one seed where several are about as good.
    """

    scale: str
    algorithms: Sequence[str]
    num_points: int
    num_seeds: int
    num_variant_seeds: int
    rng_seed: int
    folder: Path
    numerics: Numerics = USUAL
    data_dir: str | None = None
    horizon: float = HORIZON
    num_candidates: int = 1

    @property
    def config(self) -> ExperimentConfig:
        """The configuration of all runs but reruns, whose seed is the next one."""
        terms = self.scale, self.rng_seed, self.num_points, self.numerics, self.horizon
        return config_without_target(*terms)

    def points(
        self, bases: Sequence[str], calibrations: Mapping[str, Calibration]
    ) -> list[TrialSpec]:
        """A trial of every point of every algorithm on every base workload."""
        # Algorithms alternate, so that a drift of the machine hits all alike.
        return [
            self._trial("points", algorithm, name, calibrations[name], trial=number)
            for number in range(1, self.num_points + 1)
            for name in bases
            for algorithm in self.algorithms
        ]

    def reruns(
        self, name: str, points: Sequence[TrialSpec], calibration: Calibration
    ) -> list[list[TrialSpec]]:
        """For each point that `name` reruns, its trials; two points of a variant.

        Raises ValueError where too few of the points ended well.
        """
        base = workloads.base_of(name)
        is_base = name == base
        # A variant may like another point than its base; two of them are what time allows.
        count = self.num_candidates if is_base else VARIANT_CANDIDATES
        candidates = best_points(base, points, count)
        stem = "reruns" if is_base else "variants"
        # One alone has no number, so that runs of before it could have others are found again.
        places = [stem] if count == 1 else [f"{stem}_{rank}" for rank in range(1, count + 1)]
        num_seeds = self.num_seeds if is_base else self.num_variant_seeds
        return [
            [
                dataclasses.replace(
                    self._trial(place, point.submission, name, calibration, study),
                    # Not the points' seed, or the best of them would keep its luck.
                    config=dataclasses.replace(self.config, rng_seed=self.rng_seed + 1),
                    hyperparameters=record(point)["hyperparameters"],
                )
                for study in range(num_seeds)
            ]
            for place, point in zip(places, candidates, strict=True)
        ]

    def entry(
        self,
        name: str,
        points: Sequence[TrialSpec],
        groups: Sequence[Sequence[TrialSpec]],
        command: str,
    ) -> dict[str, Any]:
        """A workload's part of the benchmark file, with where its target comes from."""
        best = min(groups, key=lambda trials: statistics.median(map(value, trials)))
        records = [record(trial) for trial in best]
        first = records[0]
        of_base = [point for point in points if point.workload == workloads.base_of(name)]
        by_algorithm = {
            algorithm: min((p for p in of_base if p.submission_name == algorithm), key=value)
            for algorithm in self.algorithms
        }
        return {
            "target_metric_name": first["metric"],
            "validation_target_value": statistics.median(r["best"] for r in records),
            "step_hint": round(first["step_hint"] / self.horizon),
            # How it came about, so that anybody can ask why the target is what it is.
            "provenance": {
                **origin(first, command),
                "algorithm": best[0].submission_name,
                "parameter_multiplier": first["parameter_multiplier"],
                "horizon": self.horizon,
                "num_points": self.num_points,
                "points_of": workloads.name_of(workloads.base_of(name)),
                "best_of_points": {
                    algorithm: {key: record(point)[key] for key in ("best", "hyperparameters")}
                    for algorithm, point in by_algorithm.items()
                },
                "seeds": [r["seed"] for r in records],
                "best_of_reruns": [r["best"] for r in records],
            },
        }

    def _trial(
        self,
        place: str,
        algorithm: str,
        name: str,
        calibration: Calibration,
        study: int = 0,
        trial: int = 1,
    ) -> TrialSpec:
        stem = find.locate(algorithm).stem
        cell = self.folder / place / stem / f"study_{study}" / f"{workloads.name_of(name)}_jax"
        found = trial_without_target(
            algorithm, name, calibration, cell, self.config, trial, self.data_dir
        )
        return dataclasses.replace(found, study=study)


def best_points(name: str, points: Sequence[TrialSpec], count: int) -> list[TrialSpec]:
    """The `count` best finished points of a base workload, best first.

    Raises ValueError where fewer ended well.
    """
    ranked = sorted((point for point in points if point.workload == name), key=value)
    if len(ranked) < count or math.isinf(value(ranked[count - 1])):
        where = Path(ranked[0].directory).parents[3]
        raise ValueError(f"fewer than {count} points on {name!r} ended well; see {where}")
    return ranked[:count]


def value(trial: TrialSpec) -> float:
    """Best validation metric of a trial, lower is better; infinite for one that diverged."""
    found = record(trial)
    if found["status"] != "not_reached" or found["best"] is None:
        return math.inf
    return found["best"] if found["metric"] in LOWER_IS_BETTER else -found["best"]


def origin(found: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The part of a value's provenance that the record of one of its runs tells, and the command
    that looked for it."""
    told = ("hyperparameters", "data_sha256", "fingerprint")
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d"),
        **{name: found[name] for name in told},
    }


def record(trial: TrialSpec) -> dict[str, Any]:
    """What a finished trial's `trial.json` holds."""
    return logs.read_record(Path(trial.directory))
