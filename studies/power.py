"""One setting for all widths, batch sizes and numbers of tokens: does Power's rule carry over?

The language model in muP is trained at every width, batch size and number of tokens on each of
three schedules. Each schedule has one number left to tune: the peak of cosine and wsd, the
amplitude `a` of power. What counts is the regret of one fixed choice of it: validation loss (log
perplexity) at the end above that of the best choice for the same cell. A schedule whose setting
carries over has little, so the table also says what its best choices reach.
(Shen et al. 2024, arXiv 2408.13359: one a, one b for all.)

    python -m studies.power --output=studies/power
"""

import argparse
import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import scipy.stats
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

import workloads
from algoperf_lite import (
    cache,
    executors,
    experiment,
    population_stepping,
    stepping,
    submission,
    trial_logs,
    tuning,
)
from algoperf_lite.batches import Batches
from algoperf_lite.evaluation import Evaluator
from algoperf_lite.optimizers.mup import mup
from algoperf_lite.population_layout import Layout
from algoperf_lite.schedules import cool_down, cosine, exponential_to_zero, over, power, wsd
from workloads.finewebedu_lm.workload import FinewebEduLM, at_width

WORKLOAD = "finewebedu_lm"
SUBMISSION = "nadamw"
WARMUP, DECAY = 0.05, 0.2  # shares of the run; Power's paper and WSD's both end in a short decay
CAP = 0.02  # eta_max of Power's paper
CONFIDENCE = 0.95

SCHEDULES = ("cosine", "wsd", "power")


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is given: the model's width, sequences per step, and tokens to train on."""

    width: int
    batch_size: int
    budget: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """One schedule, over cells C, choices K and seeds S.

    Attributes:
      choices: what was tried for its one number, (K,).
      losses_CKS: at the end of training; infinite where it diverged.
    """

    choices: tuple[float, ...]
    losses_CKS: np.ndarray

    @property
    def regrets_CKS(self) -> np.ndarray:
        """Loss above that of the cell's best choice, which is chosen by the mean over seeds."""
        best_C = self.losses_CKS.mean(2).argmin(1)
        best_CS = np.take_along_axis(self.losses_CKS, best_C[:, None, None], 1)
        return self.losses_CKS - best_CS

    @property
    def fixed(self) -> int:
        """The choice with the lowest mean regret."""
        return int(self.regrets_CKS.mean((0, 2)).argmin())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--widths", type=int, nargs="+", default=[32, 64])
    add("--batch_sizes", type=int, nargs="+", default=[8, 16, 32], help="in sequences")
    add("--budgets", type=float, nargs="+", default=[0.125, 0.25, 0.5], help="in step hints")
    add("--peaks", type=float, nargs="+", default=[0.0025, 0.005, 0.01, 0.02])
    add("--amplitudes", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8], help="of power")
    add("--num_seeds", type=int, default=3)
    add("--output_dir", type=Path, default=Path("runs/power"), help="where all results are kept")
    add("--output", type=Path, default=Path("studies/power"), help="stem of table and plot")
    arguments = parser.parse_args()
    given = itertools.product(arguments.widths, arguments.batch_sizes, arguments.budgets)
    cells = [Cell(*values) for values in given]
    choices = {name: arguments.peaks for name in SCHEDULES} | {"power": arguments.amplitudes}
    found = run(arguments.output_dir, cells, choices, arguments.num_seeds)
    arguments.output.with_suffix(".md").write_text("\n".join(table(found, cells)) + "\n")
    plot(found, cells).savefig(arguments.output.with_suffix(".png"), dpi=120)


# --- running ------------------------------------------------------------------------------


def run(
    folder: Path, cells: Sequence[Cell], choices: Mapping[str, Sequence[float]], num_seeds: int
) -> dict[str, Summary]:
    """Trains what is not there yet, and recalls the rest."""
    slots = executors.slots(1, None)
    ((_, calibration),) = experiment.calibrate([WORKLOAD], "lite", slots)
    places = {
        (seed, cell, name): folder / name / _place(cell) / f"seed_{seed}.json"
        for seed in range(num_seeds)
        for cell in cells
        for name in SCHEDULES
    }
    jobs = [
        executors.Job(
            name=str(place),
            module="studies.power",
            payload={
                **dataclasses.asdict(cell),
                "schedule": name,
                "choices": list(choices[name]),
                "seed": tuning.trial_seed(0, seed, 1),
                "mode": calibration.mode,
                "steps_per_dispatch": calibration.steps_per_dispatch,
            },
            log=place.with_suffix(".txt"),
            cache=cache.folder() / "compiled",
        )
        for (seed, cell, name), place in places.items()
        if not place.exists()
    ]
    done = executors.run_local(jobs, slots)
    for job, outcome in track(done, total=len(jobs), console=Console(stderr=True)):
        if outcome.result is None:
            raise RuntimeError(f"{job.name} failed: {outcome.error}; see {job.log}")
        trial_logs.write_json(Path(job.name), {**job.payload, **outcome.result})
    return {
        name: Summary(
            tuple(choices[name]),
            np.array(
                [
                    [_read(places[seed, cell, name], choices[name]) for seed in range(num_seeds)]
                    for cell in cells
                ]
            ).swapaxes(1, 2),
        )
        for name in SCHEDULES
    }


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A job: the validation loss at the end of training for each choice, by one program."""
    base = workloads.load(WORKLOAD, "lite")
    tokens = payload["budget"] * base.step_hint * base.batch_size
    workload = dataclasses.replace(
        at_width(base, payload["width"]),
        batch_size=payload["batch_size"],
        step_hint=round(tokens / payload["batch_size"]),
    )
    training = stepping.Training(workload, algorithm(payload["schedule"]))
    params, model_state = stepping.init_model(workload, payload["seed"])
    evaluate = Evaluator(workload)
    evaluate.compile(params, model_state)
    own = submission.load(SUBMISSION).self_tuning_point
    traced = population_stepping.stacked_points(
        [{**own, "choice": choice} for choice in payload["choices"]]
    )
    members = range(len(payload["choices"]))
    batches = Batches(workload.num_train_examples, workload.batch_size, payload["seed"])
    stepper = population_stepping.stepper(
        training,
        workload.dataset("train"),
        [batches for _ in members],
        payload["mode"],
        payload["steps_per_dispatch"],
        Layout(len(members)),
    )
    init = jax.jit(training.init)
    states = [init({n: v[i] for n, v in traced.items()}, params, model_state) for i in members]
    population = stepper.population(states, traced)
    stepper.compile(population)
    report(event="beat")
    population = stepper.advance(population, 0, workload.step_hint, lambda: report(event="beat"))
    losses = []
    for i in members:
        trained = stepper.member(population, i).state.params
        perplexity = evaluate(trained, model_state, "validation")["validation/ppl"]
        losses.append(math.log(perplexity) if perplexity < math.inf else None)
    return {"losses": losses, "steps": workload.step_hint, "num_params": workload.num_params}


def algorithm(name: str) -> submission.Submission:
    """The reference in muP, its learning rate on one schedule with one number to tune, `choice`."""
    own = submission.load(SUBMISSION)

    def schedule(workload: FinewebEduLM, hyperparameters: Any) -> Any:
        steps, choice = workload.step_hint, hyperparameters.choice
        if name == "cosine":
            return over(cosine(), steps, choice, WARMUP)
        if name == "wsd":
            return over(wsd(DECAY, exponential_to_zero()), steps, choice, WARMUP)
        tokens_per_step = workload.batch_size * workload.targets_per_example
        rule = power(CAP, workload.batch_size, tokens_per_step, WARMUP * steps, a=choice)
        return cool_down(rule, steps, DECAY)

    def optimizer(workload: FinewebEduLM, hyperparameters: Any, learning_rate: Any) -> Any:
        inner = own.optimizer(workload, hyperparameters, learning_rate)
        return mup(inner, workload.learning_rate_multipliers)

    return dataclasses.replace(own, schedule=schedule, optimizer=optimizer)


def _place(cell: Cell) -> str:
    return f"width_{cell.width}_batch_{cell.batch_size}_budget_{cell.budget:g}"


def _read(place: Path, choices: Sequence[float]) -> list[float]:
    content = json.loads(place.read_text())
    if content["choices"] != list(choices):
        raise ValueError(
            f"{place} holds the choices {content['choices']}, expected {list(choices)}; give "
            "another --output_dir"
        )
    return [math.inf if loss is None else loss for loss in content["losses"]]


# --- what came out ------------------------------------------------------------------------


def table(found: Mapping[str, Summary], cells: Sequence[Cell]) -> Iterator[str]:
    """Lines of two markdown tables: regret of the fixed choice over all cells, and every cell."""
    yield "| schedule | fixed choice | its regret | worst cell | best choices | loss, own best |"
    yield "|---|---|---|---|---|---|"
    for name, one in found.items():
        regrets_CS = one.regrets_CKS[:, one.fixed]
        best_C = one.losses_CKS.mean(2).argmin(1)
        best_CS = np.take_along_axis(one.losses_CKS, best_C[:, None, None], 1)[:, 0]
        chosen = [one.choices[k] for k in sorted(set(best_C))]
        yield (
            f"| {name} | {_symbol(name)} = {one.choices[one.fixed]:g} "
            f"| {interval(regrets_CS.mean(0))} | {regrets_CS.mean(1).max():.3f} "
            f"| {', '.join(f'{choice:g}' for choice in chosen)} | {interval(best_CS.mean(0))} |"
        )
    yield ""
    names = list(found)
    for one, other in itertools.combinations(names, 2):
        fixed = [found[name].regrets_CKS[:, found[name].fixed].mean(0) for name in (one, other)]
        losses = [found[name].losses_CKS[:, found[name].fixed].mean(0) for name in (one, other)]
        yield (
            f"{one} minus {other}, paired by seed: regret {interval(fixed[0] - fixed[1])}, "
            f"loss at the fixed choices {interval(losses[0] - losses[1])}."
        )
        yield ""
    yield f"| width | batch | tokens | {' | '.join(names)} |"
    yield "|---|---|---|" + "---|" * len(names)
    for row, cell in enumerate(cells):
        texts = []
        for one in found.values():
            mean_K = one.losses_CKS[row].mean(1)
            texts.append(
                f"{mean_K[one.fixed]:.3f} (best {mean_K.min():.3f} at "
                f"{one.choices[int(mean_K.argmin())]:g})"
            )
        yield f"| {cell.width} | {cell.batch_size} | {cell.budget:.0%} | {' | '.join(texts)} |"


def interval(values_S: np.ndarray) -> str:
    """'0.012 (0.008 to 0.016)': the mean over seeds with Student's interval."""
    if not np.isfinite(values_S).all():
        return "diverged"
    mean, error = values_S.mean(), scipy.stats.sem(values_S)
    half = error * scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values_S) - 1)
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def plot(found: Mapping[str, Summary], cells: Sequence[Cell]) -> Figure:
    """Regret against the choice, a line per cell; a panel per schedule."""
    figure = Figure(figsize=(3.4 * len(found), 3.6), layout="constrained")
    axes = figure.subplots(1, len(found), sharey=True)
    widths = sorted({cell.width for cell in cells})
    budgets = sorted({cell.budget for cell in cells})
    for axis, (name, one) in zip(axes, found.items(), strict=True):
        for cell, regrets_K in zip(cells, one.regrets_CKS.mean(2), strict=True):
            color = f"C{budgets.index(cell.budget)}"
            dash = ("-", "--", ":")[widths.index(cell.width) % 3]
            axis.plot(one.choices, regrets_K, dash, color=color, linewidth=1, alpha=0.8)
        axis.axvline(one.choices[one.fixed], color="0.7", linewidth=0.8, zorder=0)
        axis.set_xscale("log")
        axis.set_xticks(one.choices, [f"{choice:g}" for choice in one.choices])
        axis.minorticks_off()
        axis.set_xlabel(f"{_symbol(name)} of {name}")
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("loss above the cell's best")
    axes[0].set_yscale("symlog", linthresh=0.1)
    for place, budget in enumerate(budgets):
        axes[-1].plot([], [], color=f"C{place}", label=f"{budget:.0%} of the tokens")
    for place, width in enumerate(widths):
        axes[-1].plot([], [], ("-", "--", ":")[place % 3], color="0.4", label=f"width {width}")
    axes[-1].legend(fontsize=7, frameon=False)
    return figure


def _symbol(name: str) -> str:
    return "a" if name == "power" else "peak"


if __name__ == "__main__":
    main()
