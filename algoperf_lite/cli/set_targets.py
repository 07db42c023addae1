"""`algoperf-lite set_targets`: the multipliers and targets of workloads, found by training."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from algoperf_lite.cli import numerics_flags
from algoperf_lite.cli.flag_types import at_least, listed, one_of, part
from algoperf_lite.cli.run_flags import SCALES

if TYPE_CHECKING:
    from algoperf_lite.executors.job import Executor
    from algoperf_lite.experiment.run import Reporter

HELP = "find parameter multipliers and validation targets by training"
STAGES = ("multipliers", "targets")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what gets a multiplier or a target, how it is looked for, and where it is written."""
    add = parser.add_argument
    some = "names, paths, 'bases' or 'variants' (a variant needs the points of its base)"
    add("--workloads", type=listed, default=["bases"], metavar="A,B", help=some)
    add("--scale", type=one_of("scale", SCALES), default="lite", metavar="S")
    data = "of AlgoPerf's data sets, for --scale=full; default: $ALGOPERF_LITE_DATA"
    add("--data_dir", type=Path, metavar="DIR", help=data)
    stage = "'multipliers', 'targets'; default: both in this order, at full scale targets alone"
    add("--stages", type=listed, metavar="A,B", help=stage)
    four = ["adamw", "nadamw", "nesterov", "heavy_ball"]
    add("--algorithms", type=listed, default=four, metavar="A,B", help="target-setting ones")
    add("--num_points", type=at_least(1), default=8, metavar="N", help="per algorithm")
    add("--num_seeds", type=at_least(1), default=5, metavar="N", help="reruns of a best point")
    rerun = "best points of a workload that are rerun; the best median counts"
    add("--num_candidates", type=at_least(1), default=1, metavar="N", help=rerun)
    reruns = "reruns of each of a variant's points, and of each multiplier"
    add("--num_variant_seeds", type=at_least(1), default=3, metavar="N", help=reruns)
    taken = "part of the step hint that runs for targets take; default: 0.75, as AlgoPerf's"
    add("--horizon", type=part, default=0.75, metavar="P", help=taken)
    add("--rng_seed", type=at_least(0), default=7, metavar="N", help="reruns use the next one")
    folder = Path("runs") / "targets"
    add("--output_dir", type=Path, default=folder, metavar="DIR", help="where runs are kept")
    # Never one of the package's by default: a version of a benchmark is not to change.
    written = "file to write targets to (default: benchmark.json in the output directory)"
    add("--benchmark", type=Path, metavar="FILE", help=written)
    add("--num_workers", type=at_least(1), metavar="N", help="trials side by side")
    numerics_flags.add(add)


def run(args: argparse.Namespace) -> int:
    """Trains what is not trained yet, writes what was found and prints it."""
    from rich.console import Console

    from algoperf_lite import did_you_mean
    from algoperf_lite.data import folders
    from algoperf_lite.executors import local
    from algoperf_lite.experiment import full_data, set_targets
    from algoperf_lite.experiment.progress import ExperimentProgress
    from algoperf_lite.submission import find

    # Full-scale models have AlgoPerf's learning rates already.
    stages = args.stages or (STAGES if args.scale == "lite" else ["targets"])
    for stage in stages:
        did_you_mean.require(stage, STAGES, "stage")
    for algorithm in args.algorithms:
        find.locate(algorithm)  # a mistyped name is said before anything is calibrated
    if args.num_candidates > (all_points := args.num_points * len(args.algorithms)):
        raise ValueError(
            f"--num_candidates={args.num_candidates} of {all_points} points in all; give more "
            "--num_points, or rerun fewer of them"
        )
    names = set_targets.resolved(args.workloads)
    args.data_dir = folders.given(args.data_dir)
    if args.scale == "full":
        full_data.check(names, args.data_dir)
    executor = local.local(1, args.num_workers)
    finders = {"multipliers": _multipliers, "targets": _targets}
    found = []
    with ExperimentProgress(Console()) as progress:
        for stage in (one for one in STAGES if one in stages):
            found += finders[stage](args, names, executor, progress)
    print("\n".join(found))
    return 0


def _multipliers(
    args: argparse.Namespace, names: list[str], executor: "Executor", reporter: "Reporter"
) -> list[str]:
    """Finds multipliers; a line for each."""
    import workloads
    from algoperf_lite.experiment import set_targets
    from algoperf_lite.experiment.multiplier_search import MultiplierSearch
    from algoperf_lite.machine.numerics import Numerics

    search = MultiplierSearch(
        args.scale,
        args.num_variant_seeds,
        args.rng_seed,
        args.output_dir / "multipliers",
        numerics=Numerics(args.precision, args.deterministic),
        data_dir=args.data_dir,
    )
    families = set_targets.families(names)
    entries = set_targets.multipliers(search, families, executor, reporter, _command())
    return [
        f"{workloads.name_of(name)}: multiplier {entry['value']:g}"
        for name, entry in entries.items()
    ]


def _targets(
    args: argparse.Namespace, names: list[str], executor: "Executor", reporter: "Reporter"
) -> list[str]:
    """Finds targets; a line for each."""
    import workloads
    from algoperf_lite.experiment import set_targets
    from algoperf_lite.experiment.target_search import TargetSearch
    from algoperf_lite.machine.numerics import Numerics

    search = TargetSearch(
        args.scale,
        args.algorithms,
        args.num_points,
        args.num_seeds,
        args.num_variant_seeds,
        args.rng_seed,
        args.output_dir,
        Numerics(args.precision, args.deterministic),
        args.data_dir,
        args.horizon,
        args.num_candidates,
    )
    path = args.benchmark or args.output_dir / "benchmark.json"
    entries = set_targets.targets(search, names, executor, reporter, path, _command())
    return [
        f"{workloads.name_of(name)}: {entry['target_metric_name']} "
        f"{entry['validation_target_value']:.6g}"
        for name, entry in entries.items()
    ]


def _command() -> str:
    return "algoperf-lite " + " ".join(sys.argv[1:])
