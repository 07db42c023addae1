"""The most host memory that a run takes of data sets that are many times larger.

For each family a made-up data set of some gigabytes (`full_data`, and sparse files): a trial of a
small model makes all that is derived from the files, trains, and evaluates a part of each split;
and a process without JAX reads batches of AlgoPerf's size ahead. Peak resident memory of each.

    python -m studies.measurements.host_memory
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.experiment.data_sets import families, rates
from algoperf_lite.machine import memory
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec
from studies import script
from studies.measurements import full_data

SMOKE = {"workloads": ["finewebedu_lm"], "gigabytes": 0.02, "batches": 1}
_STEPS, _EVAL_EXAMPLES = 4, 64
# The full code path with a small model, as a workload from outside.
_SMALL = """
import workloads
from tests.workloads.full import small_families

SCALES = {{"full": small_families.made_small(workloads.load("{name}", "full"))}}
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is read, and how much of it there is."""
    add = parser.add_argument
    chosen = ["criteo1tb", "finewebedu_lm", "imagenet_resnet"]
    add("--workloads", type=script.listed(), default=chosen, help=f"of {', '.join(chosen)}")
    add("--gigabytes", type=float, default=20, help="of training files")
    add("--batches", type=int, default=8, help="of AlgoPerf's size that are read")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    print("| workload | files, GB | a trial, peak GiB | reading AlgoPerf's batches, peak GiB |")
    print("|---|---|---|---|")
    for family in arguments.workloads:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
            root = Path(folder, "data")
            size = _write(family, root, arguments.gigabytes)
            trial = _peak(_train, family, Path(folder))
            reading = _peak(_read, family, root, arguments.batches)
            print(f"| {family} | {size / 1e9:.1f} | {trial:.2f} | {reading:.2f} |", flush=True)


def _write(family: str, root: Path, gigabytes: float) -> int:
    """Makes a data set; returns the bytes of the training files."""
    from tests.workloads.full import finewebedu_files

    num_bytes = gigabytes * 1e9
    if family == "criteo1tb":
        line_bytes = 240
        lines = num_bytes / full_data.CRITEO_FILES / line_bytes
        full_data.write_criteo1tb(root, max(1, round(lines / full_data.LINES)) * full_data.LINES)
    elif family == "finewebedu_lm":
        finewebedu_files.write_sparse(root / "finewebedu" / "train", int(num_bytes))
        finewebedu_files.write_sparse(root / "finewebedu" / "val", int(num_bytes / 20))
    elif family.startswith("imagenet"):
        pictures = 4 * full_data.PICTURES
        num_files = max(1, round(num_bytes / (pictures * 115_000)))
        full_data.write_imagenet(root, pictures, num_files)
    else:
        raise ValueError(f"{family!r} has no large data set here; see --help")
    checks = families.reader(family).checks(root, "train")
    return sum(check.path.stat().st_size for check in checks)


def _peak(work: Callable[..., None], *given: Any) -> float:
    """The peak of a process of its own that does the work, in GiB."""
    # Not a copy of this one, whose memory would count.
    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, fresh) as pool:
        pool.submit(work, *given).result()
        return pool.submit(memory.peak_memory).result() / 2**30


def _train(family: str, folder: Path) -> None:
    from algoperf_lite.trial import run as trial_run

    small = folder / f"small_{family}"
    small.mkdir()
    (small / "workload.py").write_text(_SMALL.format(name=family))
    config = ExperimentConfig(
        benchmark="algoperf_2026",
        scale="full",
        ruleset=tuning.Ruleset("external", 1, 1, 1.0),
        eval_examples=_EVAL_EXAMPLES,
    )
    spec = TrialSpec(
        submission="adamw",
        workload=str(small),
        study=0,
        trial=1,
        directory=str(folder / "trial"),
        config=config,
        data_dir=str(folder / "data"),
        num_evals=1,
        max_global_steps=_STEPS,
    )
    record = trial_run.run(spec)
    assert record.steps == _STEPS and record.error is None, record


def _read(family: str, root: Path, batches: int) -> None:
    source = families.reader(family).source(root, "train")
    size = min(rates.ALGOPERF[family].batch_size, source.num_examples)
    with Feed(source, Order(source.plan(0, size), seed=0), num_workers=2) as feed:
        for t in range(batches):
            feed.get(t)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
