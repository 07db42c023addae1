"""Set validation targets as AlgoPerf does, in small, and write them to `lite.json`.

For each base workload, `--num_points` quasi-random points of each algorithm's search space train
for 75% of the step hint; the best point is rerun with `--num_seeds` seeds; the target is the median
of the best validation metric over the reruns. A variant reruns the two best points of its base with
`--num_variant_seeds` seeds each and takes the better median. Every run is kept in `--output_dir`;
the same command continues where it stopped. (AlgoPerf DOCUMENTATION.md, "Defining target
performance")

    python -m studies.measurements.set_targets --workloads=bases,variants
"""

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

from absl import app, flags
from rich.console import Console

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.experiment import run
from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.experiment.progress import ExperimentProgress
from algoperf_lite.spec import LOWER_IS_BETTER
from algoperf_lite.storage import atomic
from algoperf_lite.submission import find
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark

_WORKLOADS = flags.DEFINE_list(
    "workloads", ["bases"], "Names, 'bases' or 'variants'; a variant needs the points of its base."
)
_ALGORITHMS = flags.DEFINE_list("algorithms", ["nadamw", "nesterov"], "Target-setting submissions.")
_NUM_POINTS = flags.DEFINE_integer("num_points", 12, "Points per algorithm.", lower_bound=1)
_NUM_SEEDS = flags.DEFINE_integer("num_seeds", 5, "Reruns of the best point.", lower_bound=1)
_NUM_VARIANT_SEEDS = flags.DEFINE_integer("num_variant_seeds", 3, "Reruns of a variant's points.")
_RNG_SEED = flags.DEFINE_integer("rng_seed", 7, "Seed of the points; reruns use the next one.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "runs/targets", "Where all runs are kept.")
_BENCHMARK = flags.DEFINE_string("benchmark", str(benchmark.FOLDER / "lite.json"), "File to write.")

VARIANT_CANDIDATES = 2  # best points of the base that a variant tries
HORIZON = 0.75  # of the step hint, so that a budget is 4/3 of the run that set the target
Calibrations = Mapping[str, Calibration]
RULESETS = {
    "external": {"num_studies": 3, "num_trials": 5, "slack": 1.0},
    "self": {"num_studies": 3, "num_trials": 1, "slack": 1.5},
}


def main(argv: Sequence[str]) -> None:
    del argv
    names = _requested(_WORKLOADS.value)
    bases = list(dict.fromkeys(workloads.base_of(name) for name in names))
    folder = Path(_OUTPUT_DIR.value)
    here = local.local(1, None)
    settings = ExperimentConfig(
        "none", "lite", tuning.Ruleset("external", 1, _NUM_POINTS.value, HORIZON)
    )

    def plan_points(calibrations: Calibrations) -> list[TrialSpec]:
        return [
            _trial(folder / "points", entry, calibrations[name], name, trial=number)
            for number in range(1, _NUM_POINTS.value + 1)
            for name in bases
            for entry in _ALGORITHMS.value
        ]

    def plan_reruns(calibrations: Calibrations) -> list[TrialSpec]:
        for name in names:
            of_base = calibrations[workloads.base_of(name)]
            reruns[name] = _reruns(folder, name, points, of_base)
        return list(itertools.chain.from_iterable(itertools.chain(*reruns.values())))

    reruns: dict[str, list[list[TrialSpec]]] = {}
    with ExperimentProgress(Console()) as progress:
        points = run.run(folder, settings, bases, plan_points, here, progress)
        run.run(folder, settings, bases, plan_reruns, here, progress)
    entries = {name: _entry(name, points, groups) for name, groups in reruns.items()}
    write_benchmark(Path(_BENCHMARK.value), entries)
    for name, entry in entries.items():
        print(f"{name}: {entry['target_metric_name']} {entry['validation_target_value']:.6g}")


def best_points(name: str, points: Sequence[TrialSpec], count: int) -> list[TrialSpec]:
    """The `count` best finished points of a base workload, best first."""
    ranked = sorted((point for point in points if point.workload == name), key=_value)
    if math.isinf(_value(ranked[count - 1])):
        sys.exit(f"fewer than {count} points on {name!r} ended well; see {_OUTPUT_DIR.value}")
    return ranked[:count]


def _requested(listed: Sequence[str]) -> list[str]:
    several = {
        "bases": workloads.names(),
        "variants": [v for family in workloads.names() for v in workloads.variants(family)],
    }
    found = [several.get(name) or [workloads.check_name(name)] for name in listed]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def _reruns(
    folder: Path,
    name: str,
    points: Sequence[TrialSpec],
    calibration: Calibration,
) -> list[list[TrialSpec]]:
    """For each point that `name` reruns, its trials: one point of a base, two of a variant."""
    is_base = name == workloads.base_of(name)
    candidates = best_points(workloads.base_of(name), points, 1 if is_base else VARIANT_CANDIDATES)
    places = ["reruns"] if is_base else [f"variants_{rank}" for rank in (1, 2)]
    return [
        [
            dataclasses.replace(
                _trial(folder / place, point.submission, calibration, name, study=study),
                experiment_seed=_RNG_SEED.value + 1,
                hyperparameters=_record(point)["hyperparameters"],
            )
            for study in range(_NUM_SEEDS.value if is_base else _NUM_VARIANT_SEEDS.value)
        ]
        for place, point in zip(places, candidates, strict=True)
    ]


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


def _trial(
    folder: Path,
    entry: str,
    calibration: Calibration,
    name: str,
    study: int = 0,
    trial: int = 1,
) -> TrialSpec:
    path = find.locate(entry)
    directory = folder / path.stem / f"study_{study}" / f"{name}_jax" / f"trial_{trial}"
    return TrialSpec(
        submission=str(path),
        workload=name,
        scale="lite",
        study=study,
        trial=trial,
        experiment_seed=_RNG_SEED.value,
        ruleset=tuning.Ruleset("external", 1, _NUM_POINTS.value, HORIZON),
        directory=str(directory),
        budget=HORIZON,
        max_global_steps=round(HORIZON * calibration.step_hint),
        stepping_mode=calibration.mode,
        steps_per_dispatch=calibration.steps_per_dispatch,
    )


def _record(trial: TrialSpec) -> dict[str, Any]:
    return logs.read_record(Path(trial.directory))


def _value(trial: TrialSpec) -> float:
    """Best validation metric of a trial, lower is better; infinite for one that diverged."""
    record = _record(trial)
    if record["status"] != "not_reached" or record["best"] is None:
        return math.inf
    return record["best"] if record["metric"] in LOWER_IS_BETTER else -record["best"]


def _entry(name: str, points: list[TrialSpec], groups: list[list[TrialSpec]]) -> dict[str, Any]:
    """A workload's part of the benchmark file, with where its target comes from."""
    best = min(groups, key=lambda trials: statistics.median(map(_value, trials)))
    records = [_record(trial) for trial in best]
    record = records[0]
    of_base = [point for point in points if point.workload == workloads.base_of(name)]
    by_algorithm = {
        entry: min((p for p in of_base if p.submission_name == entry), key=_value)
        for entry in _ALGORITHMS.value
    }
    return {
        "target_metric_name": record["metric"],
        "validation_target_value": statistics.median(r["best"] for r in records),
        "step_hint": round(record["step_hint"] / HORIZON),
        "provenance": {
            "command": "python -m studies.measurements.set_targets " + " ".join(sys.argv[1:]),
            "date": time.strftime("%Y-%m-%d"),
            "algorithm": best[0].submission_name,
            "hyperparameters": record["hyperparameters"],
            "horizon": HORIZON,
            "num_points": _NUM_POINTS.value,
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
    app.run(main)
