"""Multipliers and targets of workloads: what trains for them, and the files that keep them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite.executors.job import Executor
from algoperf_lite.experiment import multiplier_search
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.multiplier_search import MultiplierSearch
from algoperf_lite.experiment.placement import Placement
from algoperf_lite.experiment.run import Reporter
from algoperf_lite.experiment.selection import check_distinct
from algoperf_lite.experiment.target_search import TargetSearch
from algoperf_lite.storage import atomic
from algoperf_lite.training.calibration import REFERENCE, Calibration
from algoperf_lite.trial.spec import TrialSpec
from scoring import benchmark

Calibrations = Mapping[str, Calibration]
# AlgoPerf's rulesets with its slack; studies and trials are fewer, as a laptop has one evening.
RULESETS = {
    "external": {"num_studies": 3, "num_trials": 5, "slack": 1.0},
    "self": {"num_studies": 3, "num_trials": 1, "slack": 1.5},
}


def resolved(listed: Sequence[str]) -> list[str]:
    """Workloads as `workloads.locate` gives them, each once, "bases" and "variants" resolved.

    Raises ValueError for a name or a path that is none, and for two of one name.
    """
    several = {
        "bases": workloads.names(),
        "variants": [v for family in workloads.names() for v in workloads.variants(family)],
    }
    found = [several.get(name) or [workloads.locate(name)] for name in listed]
    distinct = list(dict.fromkeys(itertools.chain.from_iterable(found)))
    check_distinct(distinct)
    return distinct


def families(requested: Sequence[str]) -> list[str]:
    """The families of workloads, each once."""
    return list(dict.fromkeys(workloads.base_of(name) for name in requested))


def multipliers(
    search: MultiplierSearch,
    names: Sequence[str],
    executor: Executor,
    reporter: Reporter,
    command: str,
) -> dict[str, dict[str, Any]]:
    """Finds the families' multipliers, writes them to their files and returns them.

    What is trained already is not trained again. Raises ValueError where all runs diverged, and for
    a workload from elsewhere that has no multiplier.
    """
    terms = search.scale, executor, search.numerics
    experiment_run.check_workloads(names, *terms, needs="parameter_multiplier")
    coarse: dict[str, dict[float, list[TrialSpec]]] = {}
    fine: dict[str, dict[float, list[TrialSpec]]] = {}

    def plan_coarse(calibrations: Calibrations) -> list[TrialSpec]:
        coarse.update({name: search.coarse(name, calibrations[name]) for name in names})
        return _in_turns(coarse)

    def plan_fine(calibrations: Calibrations) -> list[TrialSpec]:
        for name in names:
            fine[name] = search.fine(name, calibrations[name], coarse[name])
        return _in_turns(fine)

    # The second plan depends on what the first one's trials have found.
    for plan in (plan_coarse, plan_fine):
        experiment_run.run(
            *(search.folder, search.config, names, plan, executor, reporter),
            placement=Placement(data_dir=search.data_dir),
        )
    return {
        name: multiplier_search.write(name, search.scale, command, {**coarse[name], **fine[name]})
        for name in names
    }


def targets(
    search: TargetSearch,
    requested: Sequence[str],
    executor: Executor,
    reporter: Reporter,
    path: Path,
    command: str,
) -> dict[str, dict[str, Any]]:
    """Finds the targets of workloads, writes them to a benchmark's file and returns them.

    What is trained already is not trained again. Raises ValueError where too few points of a
    workload ended well.
    """
    bases = families(requested)
    reruns: dict[str, list[list[TrialSpec]]] = {}

    def plan_points(calibrations: Calibrations) -> list[TrialSpec]:
        return search.points(bases, calibrations)

    def plan_reruns(calibrations: Calibrations) -> list[TrialSpec]:
        for name in requested:
            reruns[name] = search.reruns(name, points, calibrations[workloads.base_of(name)])
        return list(itertools.chain.from_iterable(itertools.chain(*reruns.values())))

    # Points first: the reruns are of the best of them, which no plan can know before.
    terms = search.folder, search.config, bases
    where = Placement(data_dir=search.data_dir)
    points = experiment_run.run(*terms, plan_points, executor, reporter, placement=where)
    experiment_run.run(*terms, plan_reruns, executor, reporter, placement=where)
    entries = {name: search.entry(name, points, groups, command) for name, groups in reruns.items()}
    write_benchmark(path, entries, search.scale)
    return entries


def write_benchmark(path: Path, entries: Mapping[str, dict[str, Any]], scale: str = "lite") -> None:
    """Adds or replaces workloads of a scale, given as `workloads.load` takes them, in a benchmark
    file and in the file of their provenance, which call them by their names; the others stay as
    they are."""
    beside = benchmark.provenance_path(path)
    content = json.loads(path.read_text()) if path.exists() else {"workloads": {}}
    bases = {name for name in entries if workloads.base_of(name) == name}
    bases = {workloads.name_of(name) for name in bases} | {*content.get("base_workloads", ())}
    entries = {workloads.name_of(name): entry for name, entry in entries.items()}
    origins = json.loads(beside.read_text()) if beside.exists() else {}
    origins |= {name: entry["provenance"] for name, entry in entries.items()}
    kept = {
        name: {key: value for key, value in entry.items() if key != "provenance"}
        for name, entry in entries.items()
    }
    found = {**content["workloads"], **kept}
    atomic.write_json(beside, dict(sorted(origins.items())))
    atomic.write_json(
        path,
        {
            "name": path.stem,
            "source": f"algoperf-lite set_targets; see {beside.name}",
            "scale": scale,
            "base_workloads": sorted(bases),
            "held_out_workloads": [],  # drawn from the variants by --held_out_seed
            "reference": REFERENCE,
            "rulesets": RULESETS,
            "workloads": dict(sorted(found.items())),
        },
    )


def _in_turns(runs: Mapping[str, Mapping[float, Sequence[TrialSpec]]]) -> list[TrialSpec]:
    """All runs, families in turns, so that a drift of the machine hits their values alike."""
    by_family = [itertools.chain(*values.values()) for values in runs.values()]
    rows = itertools.zip_longest(*by_family)
    return [run for row in rows for run in row if run is not None]
