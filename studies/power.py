"""One setting for all widths, batch sizes and numbers of tokens: does Power's rule carry over?

The language model in muP is trained at every width, batch size and number of tokens on each of
three schedules. Each schedule has one number left to tune: the peak of cosine and wsd, the
amplitude `a` of power. What counts is the regret of one fixed choice of it: validation loss (log
perplexity) at the end above that of the best choice for the same cell. A schedule whose setting
carries over has little, so the table also says what its best choices reach. Where the best choice
of any cell lies at an edge of a schedule's grid, two more beyond are tried, once, in all cells.
(Shen et al. 2024, arXiv 2408.13359: one a, one b for all.)

    python -m studies.power --output=studies/power
"""

import argparse
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import workloads
from algoperf_lite.optimizers.mup import mup
from algoperf_lite.schedules import cool_down, cosine, exponential_to_zero, over, power, wsd
from algoperf_lite.submission import native
from studies import edges, grid, script
from studies.regret import Cell, Summary, plot, table
from workloads.finewebedu_lm.workload import FinewebEduLM, at_width

WORKLOAD = "finewebedu_lm"
SUBMISSION = "nadamw"
SCHEDULES = ("cosine", "wsd", "power")
WARMUP, DECAY = 0.05, 0.2  # shares of the run; Power's paper and WSD's both end in a short decay
CAP = 0.02  # eta_max of Power's paper


SMOKE = {
    "widths": [32],
    "batch_sizes": [8],
    "budgets": [0.01],
    "peaks": [0.0025],
    "amplitudes": [0.1],
    "num_seeds": 2,
    "output_dir": script.SMOKE_FOLDER / "power",
    "output": script.SMOKE_FOLDER / "power" / "power",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the grid, and where results go."""
    add, floats, integers = parser.add_argument, script.listed(float), script.listed(int)
    add("--widths", type=integers, default=[32, 64])
    add("--batch_sizes", type=integers, default=[8, 16, 32], help="in sequences")
    add("--budgets", type=floats, default=[0.125, 0.25, 0.5], help="in step hints")
    add("--peaks", type=floats, default=[0.0006, 0.00125, 0.0025, 0.005])
    add("--amplitudes", type=floats, default=[0.025, 0.05, 0.1, 0.2], help="of power")
    add("--num_seeds", type=int, default=3)
    add("--output_dir", type=Path, default=Path("runs/power"), help="where all results are kept")
    add("--output", type=Path, default=Path("studies/power"), help="stem of table and plot")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes tables and plot."""
    given = itertools.product(arguments.widths, arguments.batch_sizes, arguments.budgets)
    cells = [Cell(*values) for values in given]
    # Power's number is an amplitude, the others' a peak: a grid of its own.
    choices = {name: arguments.peaks for name in SCHEDULES} | {"power": arguments.amplitudes}
    found = summaries(arguments.output_dir, cells, choices, arguments.num_seeds)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(table(found, cells)) + "\n")
    plot(found, cells).savefig(arguments.output.with_suffix(".png"), dpi=120)


def summaries(
    folder: Path, cells: Sequence[Cell], choices: Mapping[str, Sequence[float]], num_seeds: int
) -> dict[str, Summary]:
    """Trains what is not there yet, and recalls the rest; widens grids by the rule of `edges`."""
    found = _trained(folder, cells, choices, num_seeds)
    beyond = {
        name: edges.beyond(one.choices, {one.choices[k] for k in one.best_C})
        for name, one in found.items()
    }
    beyond = {name: more for name, more in beyond.items() if more}
    more = _trained(folder, cells, beyond, num_seeds, grid.WIDENED)
    return {name: one.with_more(more[name]) if name in more else one for name, one in found.items()}


def _trained(
    folder: Path,
    cells: Sequence[Cell],
    choices: Mapping[str, Sequence[float]],
    num_seeds: int,
    part: str = "",
) -> dict[str, Summary]:
    """The schedules of `choices` in all cells; `part` ends the names of files."""
    payloads = {
        folder / name / f"{cell.label}{part}.json": {
            **dataclasses.asdict(cell),
            "workload": WORKLOAD,
            "schedule": name,
            "choices": list(choices[name]),
            "seeds": grid.seeds(num_seeds),
        }
        for name in choices
        for cell in cells
    }
    kept = iter(grid.conduct("studies.power", payloads))
    found = {}
    for name in choices:
        values = [next(kept)["values"] for _ in cells]  # null is NaN
        # A log perplexity, as in the paper; where training diverged, null is infinite.
        losses_CKS = np.log(np.array(values, float))
        found[name] = Summary(tuple(choices[name]), np.nan_to_num(losses_CKS, nan=np.inf))
    return found


preload = grid.preload


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A job: perplexity at the end of training for every choice and seed."""
    base = workloads.load(WORKLOAD, "lite")
    # Tokens are what is held fixed: half the batch is twice the steps.
    tokens = payload["budget"] * base.step_hint * base.batch_size
    workload = dataclasses.replace(
        at_width(base, payload["width"]),
        batch_size=payload["batch_size"],
        step_hint=round(tokens / payload["batch_size"]),
    )
    own = native.load(SUBMISSION).self_tuning_point
    points = [{**own, "choice": choice} for choice in payload["choices"]]
    return grid.train(workload, algorithm(payload["schedule"]), points, payload, report)


def algorithm(name: str) -> native.Submission:
    """The reference in muP, its learning rate on one schedule with one number to tune, `choice`."""
    own = native.load(SUBMISSION)

    def schedule(workload: FinewebEduLM, hyperparameters: Any) -> Any:
        steps, choice = workload.step_hint, hyperparameters.choice
        if name == "cosine":
            return over(cosine(), steps, choice, WARMUP)
        if name == "wsd":
            return over(wsd(DECAY, exponential_to_zero()), steps, choice, WARMUP)
        # By tokens seen alone: only warm-up and end know the length of the run.
        tokens_per_step = workload.batch_size * workload.targets_per_example
        rule = power(CAP, workload.batch_size, tokens_per_step, WARMUP * steps, a=choice)
        return cool_down(rule, steps, DECAY)

    def optimizer(workload: FinewebEduLM, hyperparameters: Any, learning_rate: Any) -> Any:
        inner = own.optimizer(workload, hyperparameters, learning_rate)
        return mup(inner, workload.learning_rate_multipliers)

    return dataclasses.replace(own, schedule=schedule, optimizer=optimizer)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
