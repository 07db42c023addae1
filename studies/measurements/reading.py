"""Examples that a core reads in a second, and how long an accelerator would wait for them.

For each family, on made-up data whose examples are as large as AlgoPerf's (`full_data`): seconds of
processor time for reading and preprocessing, and a step of AlgoPerf's length in which the host only
reads ahead. Of batch and step it is a quarter.

    python -m studies.measurements.reading
"""

import argparse
import os
import tempfile
from pathlib import Path

from algoperf_lite.data.feed import DEPTH, Order
from algoperf_lite.data.source import Source
from algoperf_lite.experiment.data_sets import bench, families, rates
from studies import script
from studies.measurements import full_data

NUM_THREADS = 2
# Milliseconds of the parts, each timed alone with its library, before the readers were written.
# On two cores of an Intel Xeon.
PARTS = {
    "criteo1tb": "0.005",
    "fastmri": "4.4",
    "finewebedu_lm": "0.01",
    "imagenet_resnet": "2.5-5",
    "imagenet_vit": "2.6-6",
    "librispeech_conformer": "0.35",
    "librispeech_deepspeech": "0.35",
}
SMOKE = {"workloads": ["ogbg"], "steps": 2}
_HEADS = (
    "workload",
    "a core reads, per s",
    "ms of a core",
    "parts alone, ms",
    "AlgoPerf needs, per s",
    "cores that keep up",
    "stall on two",
    "stall seen (cores it had)",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is read, and for how many steps."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=list(rates.ALGOPERF), help="default: all")
    add("--steps", type=int, default=24, help="of a quarter of AlgoPerf's")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    print(f"| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|")
    for family in arguments.workloads:
        with tempfile.TemporaryDirectory() as folder:
            # What is derived from made-up data goes with them.
            os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
            root = Path(folder, "data")
            full_data.write(family, root)
            source = families.reader(family).source(root, "train")
            for _ in source.index():
                pass
            print(_row(family, source, arguments.steps), flush=True)


def _row(family: str, source: Source, steps: int) -> str:
    needed, found = rates.ALGOPERF[family].examples_per_second, rates.per_core(source, family)
    seen = _seen(family, source, steps)
    cells = (
        family,
        f"{found:,.0f}",
        f"{1000 / found:.3g}",
        PARTS.get(family, "gather"),
        f"{needed:,.0f}",
        f"{needed / found:.2g}",
        f"{bench.waiting(NUM_THREADS * found, needed):.0%}",
        f"{seen.waited:.0%} ({seen.cores:.1f})",
    )
    return f"| {' | '.join(cells)} |"


def _seen(family: str, source: Source, steps: int) -> bench.Pace:
    """How long a device would wait for a feed of two threads in a part of AlgoPerf's steps."""
    step = rates.ALGOPERF[family]
    return bench.through_feed(
        source,
        Order(source.plan(0, max(1, int(bench.SHARE * step.batch_size))), seed=0),
        NUM_THREADS,
        lambda batches, _: batches >= steps,
        pause=bench.SHARE * step.seconds,
        warm_up=2 * DEPTH,  # what was read before the first step is used up
    )


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
