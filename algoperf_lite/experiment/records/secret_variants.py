"""Submissions of a pack on variants that are drawn now, which nobody could make them for.

This runs a stranger's code, as `replaying` does.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import workloads
from algoperf_lite.experiment.records import pack_checks
from algoperf_lite.experiment.records.case import Case
from algoperf_lite.experiment.records.replaying import hindrance, trained
from algoperf_lite.experiment.records.verdict import OnVariant
from algoperf_lite.experiment.sources import Source
from scoring.benchmark import Benchmark

_INTERFACES = Path("/sys/class/net")


def on_variants(
    seed: int, found: Sequence[Case], kept: Mapping[str, Source], goal: Benchmark, folder: Path
) -> Iterator[OnVariant | str]:
    """Trains each submission on a variant of a workload that it reached, until it reaches that
    variant's target or its budget, in steps, ends: what came of it, and remarks.

    Args:
      seed: draws the variants; whoever made the submissions must not have known it.
      found: trials in which nothing was found.
      kept: sources by name.
      goal: has the targets of variants.
      folder: for logs.
    Raises ValueError where the benchmark has no variants.
    """
    variants = goal.with_held_out(seed).held_out_workloads
    variant_of = {goal.base_of(variant): variant for variant in variants}
    for number, name in enumerate(sorted({case.place.partition("/")[0] for case in found})):
        own = [case for case in found if case.place.partition("/")[0] == name]
        case = _drawn(own, variant_of, random.Random(f"{seed} {name}"))
        if case is None:
            yield f"{name} reached no workload that has a variant, so it was tried on none"
            continue
        source = pack_checks.source_of(kept, case)
        why = hindrance(case, source)
        if why is not None:
            yield f"{name} was not tried on a variant: {why}"
            continue
        yield _tried(case, source, variant_of[case.workload], goal, folder / f"variant_{number}")


def is_cut_off(interfaces: Path = _INTERFACES) -> bool:
    """Whether this machine, or the container that it is, has no network but to itself."""
    # Where this is not said, as on other systems than Linux, nothing is.
    return interfaces.is_dir() and {path.name for path in interfaces.iterdir()} <= {"lo"}


def _drawn(own: Sequence[Case], variant_of: Mapping[str, str], rng: random.Random) -> Case | None:
    """The fastest trial on a workload drawn among those that were reached and have a variant."""

    def seconds(case: Case) -> float:
        return case.record["time_to_target"] or math.inf

    reached = [case for case in own if case.workload in variant_of and seconds(case) < math.inf]
    if not reached:
        return None
    workload = rng.choice(sorted({case.workload for case in reached}))
    return min((case for case in reached if case.workload == workload), key=seconds)


def _tried(
    case: Case, source: Source, variant: str, goal: Benchmark, folder: Path
) -> OnVariant | str:
    name = case.place.partition("/")[0]
    budget = case.spec.config.ruleset.slack * case.spec.budget
    # In steps, since nothing is calibrated here.
    most = max(1, round(budget * workloads.load(variant).step_hint))
    target = goal.workloads[variant].value
    changes = {"workload": variant, "target": target, "max_global_steps": most}
    record = trained(case, source, folder, **changes)
    if isinstance(record, str):
        return f"{name} on {variant} could not be trained: {record}"
    return OnVariant(name, variant, record["status"] == "reached", record["steps"], most)
