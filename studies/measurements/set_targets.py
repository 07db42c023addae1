"""Set validation targets as AlgoPerf does, in small, and write them to `lite.json`.

For each base workload, `--num_points` quasi-random points of each algorithm's search space train
for 75% of the step hint; the best point is rerun with `--num_seeds` seeds; the target is the median
of the best validation metric over the reruns. A variant reruns the two best points of its base with
`--num_variant_seeds` seeds each and takes the better median. Every run is kept in `--output_dir`;
the same command continues where it stopped. (AlgoPerf DOCUMENTATION.md, "Defining target
performance")

    python -m studies.measurements.set_targets --workloads=bases,variants
"""

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.spec import LOWER_IS_BETTER
from algoperf_lite.storage import atomic
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark
from studies import script

VARIANT_CANDIDATES = 2  # best points of the base that a variant tries
HORIZON = 0.75  # of the step hint, so that a budget is 4/3 of the run that set the target
Calibrations = Mapping[str, Calibration]
# AlgoPerf's rulesets with its slack; studies and trials are fewer, as a laptop has one evening.
RULESETS = {
    "external": {"num_studies": 3, "num_trials": 5, "slack": 1.0},
    "self": {"num_studies": 3, "num_trials": 1, "slack": 1.5},
}


SMOKE = {
    "workloads": ["digits"],
    "algorithms": [REFERENCE],
    "num_points": 1,
    "num_seeds": 2,
    "num_variant_seeds": 1,
    "output_dir": script.SMOKE_FOLDER / "targets",
    "benchmark": script.SMOKE_FOLDER / "targets" / "benchmark.json",
}


@dataclasses.dataclass(frozen=True)
class Search:
    """The search for targets.

    Attributes:
      algorithms: names of target-setting submissions.
      num_points: points per algorithm.
      num_seeds: reruns of the best point of a base workload.
      num_variant_seeds: reruns of each of a variant's points.
      rng_seed: of the points; reruns use the next one.
      folder: where all runs are kept.
    """

    algorithms: Sequence[str]
    num_points: int
    num_seeds: int
    num_variant_seeds: int
    rng_seed: int
    folder: Path

    def points(self, bases: Sequence[str], calibrations: Calibrations) -> list[TrialSpec]:
        """A trial of every point of every algorithm on every base workload."""
        # Algorithms alternate, so that a drift of the machine hits both alike.
        return [
            self._trial("points", algorithm, calibrations[name], name, trial=number)
            for number in range(1, self.num_points + 1)
            for name in bases
            for algorithm in self.algorithms
        ]

    def reruns(
        self, name: str, points: Sequence[TrialSpec], calibration: Calibration
    ) -> list[list[TrialSpec]]:
        """For each point that `name` reruns, its trials: one point of a base, two of a variant.

        Raises ValueError where too few of the points ended well.
        """
        base = workloads.base_of(name)
        is_base = name == base
        # A variant may like another point than its base; two of them are what time allows.
        candidates = best_points(base, points, 1 if is_base else VARIANT_CANDIDATES)
        places = ["reruns"] if is_base else [f"variants_{rank}" for rank in (1, 2)]
        return [
            [
                dataclasses.replace(
                    self._trial(place, point.submission, calibration, name, study=study),
                    # Not the points' seed, or the best of them would keep its luck.
                    config=self._config(self.rng_seed + 1),
                    hyperparameters=_record(point)["hyperparameters"],
                )
                for study in range(self.num_seeds if is_base else self.num_variant_seeds)
            ]
            for place, point in zip(places, candidates, strict=True)
        ]

    def _config(self, rng_seed: int) -> ExperimentConfig:
        ruleset = tuning.Ruleset("external", 1, self.num_points, HORIZON)
        return ExperimentConfig(ruleset=ruleset, rng_seed=rng_seed)

    def _trial(
        self,
        place: str,
        algorithm: str,
        calibration: Calibration,
        name: str,
        study: int = 0,
        trial: int = 1,
    ) -> TrialSpec:
        path = find.locate(algorithm)
        cell = self.folder / place / path.stem / f"study_{study}" / f"{name}_jax"
        return TrialSpec(
            submission=str(path),
            workload=name,
            study=study,
            trial=trial,
            config=self._config(self.rng_seed),
            directory=str(cell / f"trial_{trial}"),
            budget=HORIZON,
            max_global_steps=round(HORIZON * calibration.step_hint),
            stepping_mode=calibration.mode,
            steps_per_dispatch=calibration.steps_per_dispatch,
        )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what gets a target, how it is looked for, and where it is written."""
    add = parser.add_argument
    listed, written = script.listed(), benchmark.FOLDER / "lite.json"
    some = "names, 'bases' or 'variants'; a variant needs the points of its base"
    add("--workloads", type=listed, default=["bases"], help=some)
    add("--algorithms", type=listed, default=["nadamw", "nesterov"], help="target-setting ones")
    add("--num_points", type=int, default=12, help="per algorithm")
    add("--num_seeds", type=int, default=5, help="reruns of the best point")
    add("--num_variant_seeds", type=int, default=3, help="reruns of each of a variant's points")
    add("--rng_seed", type=int, default=7, help="of the points; reruns use the next one")
    add("--output_dir", type=Path, default=Path("runs/targets"), help="where all runs are kept")
    add("--benchmark", type=Path, default=written, help="file to write")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes the targets."""
    names = _requested(arguments.workloads)
    bases = list(dict.fromkeys(workloads.base_of(name) for name in names))
    given = vars(arguments)
    fields = [field.name for field in dataclasses.fields(Search)[:-1]]
    search = Search(**{name: given[name] for name in fields}, folder=arguments.output_dir)
    folder, here = search.folder, local.local(1, None)
    ruleset = tuning.Ruleset("external", 1, search.num_points, HORIZON)
    # No target to stop at, as this is what is looked for.
    settings = ExperimentConfig("none", "lite", ruleset)

    def plan_points(calibrations: Calibrations) -> list[TrialSpec]:
        return search.points(bases, calibrations)

    def plan_reruns(calibrations: Calibrations) -> list[TrialSpec]:
        for name in names:
            of_base = calibrations[workloads.base_of(name)]
            reruns[name] = search.reruns(name, points, of_base)
        return list(itertools.chain.from_iterable(itertools.chain(*reruns.values())))

    reruns: dict[str, list[list[TrialSpec]]] = {}
    with ExperimentProgress(Console()) as progress:
        # Points first: the reruns are of the best of them, which no plan can know before.
        points = experiment_run.run(folder, settings, bases, plan_points, here, progress)
        experiment_run.run(folder, settings, bases, plan_reruns, here, progress)
    entries = {name: _entry(name, search, points, groups) for name, groups in reruns.items()}
    write_benchmark(arguments.benchmark, entries)
    for name, entry in entries.items():
        print(f"{name}: {entry['target_metric_name']} {entry['validation_target_value']:.6g}")


def best_points(name: str, points: Sequence[TrialSpec], count: int) -> list[TrialSpec]:
    """The `count` best finished points of a base workload, best first.

    Raises ValueError where fewer ended well.
    """
    ranked = sorted((point for point in points if point.workload == name), key=_value)
    if len(ranked) < count or math.isinf(_value(ranked[count - 1])):
        where = Path(ranked[0].directory).parents[3]
        raise ValueError(f"fewer than {count} points on {name!r} ended well; see {where}")
    return ranked[:count]


def _requested(listed: Sequence[str]) -> list[str]:
    several = {
        "bases": workloads.names(),
        "variants": [v for family in workloads.names() for v in workloads.variants(family)],
    }
    found = [several.get(name) or [workloads.check_name(name)] for name in listed]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def write_benchmark(path: Path, entries: dict[str, Any]) -> None:
    """Adds or replaces workloads in a benchmark file and in the file of their provenance; the
    others stay as they are."""
    beside = benchmark.provenance_path(path)
    content = json.loads(path.read_text()) if path.exists() else {"workloads": {}}
    origins = json.loads(beside.read_text()) if beside.exists() else {}
    origins |= {name: entry["provenance"] for name, entry in entries.items()}
    targets = {
        name: {key: value for key, value in entry.items() if key != "provenance"}
        for name, entry in entries.items()
    }
    found = {**content["workloads"], **targets}
    atomic.write_json(beside, dict(sorted(origins.items())))
    families = [name for name in workloads.names() if name in found]
    atomic.write_json(
        path,
        {
            "name": path.stem,
            "source": f"python -m studies.measurements.set_targets; see {beside.name}",
            "base_workloads": families,
            "held_out_workloads": [],  # drawn from the variants by --held_out_seed
            "reference": REFERENCE,
            "rulesets": RULESETS,
            "workloads": dict(sorted(found.items())),
        },
    )


def _record(trial: TrialSpec) -> dict[str, Any]:
    return logs.read_record(Path(trial.directory))


def _value(trial: TrialSpec) -> float:
    """Best validation metric of a trial, lower is better; infinite for one that diverged."""
    record = _record(trial)
    if record["status"] != "not_reached" or record["best"] is None:
        return math.inf
    return record["best"] if record["metric"] in LOWER_IS_BETTER else -record["best"]


def _entry(
    name: str, search: Search, points: list[TrialSpec], groups: list[list[TrialSpec]]
) -> dict[str, Any]:
    """A workload's part of the benchmark file, with where its target comes from."""
    best = min(groups, key=lambda trials: statistics.median(map(_value, trials)))
    records = [_record(trial) for trial in best]
    record = records[0]
    of_base = [point for point in points if point.workload == workloads.base_of(name)]
    by_algorithm = {
        entry: min((p for p in of_base if p.submission_name == entry), key=_value)
        for entry in search.algorithms
    }
    return {
        "target_metric_name": record["metric"],
        "validation_target_value": statistics.median(r["best"] for r in records),
        "step_hint": round(record["step_hint"] / HORIZON),
        # How it came about, so that anybody can ask why the target is what it is.
        "provenance": {
            "command": "python -m studies.measurements.set_targets " + " ".join(sys.argv[1:]),
            "date": time.strftime("%Y-%m-%d"),
            "algorithm": best[0].submission_name,
            "hyperparameters": record["hyperparameters"],
            "horizon": HORIZON,
            "num_points": search.num_points,
            "points_of": workloads.base_of(name),
            "best_of_points": {
                entry: {key: _record(point)[key] for key in ("best", "hyperparameters")}
                for entry, point in by_algorithm.items()
            },
            "seeds": [r["seed"] for r in records],
            "best_of_reruns": [r["best"] for r in records],
            "data_sha256": record["data_sha256"],
            "fingerprint": record["fingerprint"],
        },
    }


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
