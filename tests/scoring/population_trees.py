"""A population's trial as the harness would leave it, evolved on a made-up landscape, and ruins."""

import numpy as np
from report_pages import write_trial

from algoperf_lite.population import evolution, lineage
from algoperf_lite.population.config import PopulationConfig

SPACE = {
    "learning_rate": {"min": 1e-5, "max": 1e-1, "scaling": "log"},
    "one_minus_beta1": {"min": 0.01, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-4, "max": 0.5, "scaling": "log"},
    "dropout_rate": {"min": 0.0, "max": 0.3, "scaling": "linear"},
    "warmup_steps": {"feasible_points": [0, 50, 100, 200]},
}
GOOD = (
    '{"generation": 0, "step": 0, "fitness": [null, null], "parents": [0, 1], '
    '"hyperparameters": {"x": [1.0, 2]}}\n'
)
NEXT = (
    '{"generation": 1, "step": 10, "fitness": [0.5, null], "parents": [0, 0], '
    '"hyperparameters": {"x": [1.0, 1.25]}}\n'
)
# What is in no lineage, each refused in its first or second line.
BAD = {
    "text": "step,loss\n",
    "a number": "3\n",
    "a list": "[1]\n",
    "empty": "{}\n",
    "deep": "[" * 100_000 + "\n",
    "twice": GOOD + GOOD,
    "no later step": GOOD + NEXT.replace("10", "0"),
    "negative step": GOOD.replace('"step": 0', '"step": -1'),
    "huge step": GOOD.replace('"step": 0', '"step": 1e300'),
    "no members": GOOD.replace("[0, 1]", "[]"),
    "no such parent": GOOD.replace("[0, 1]", "[0, -1]"),
    "parent is text": GOOD.replace("[0, 1]", '[0, "1"]'),
    "nan": GOOD.replace("2]", "NaN]"),
    "infinite": GOOD.replace("2]", "1e999]"),
    "huge": GOOD.replace("2]", "1e200]"),
    "huge integer": GOOD.replace("2]", "1" + "0" * 4000 + "]"),
    "value is text": GOOD.replace("2]", '"<script>alert(1)</script>"]'),
    "true": GOOD.replace("2]", "true]"),
    "null": GOOD.replace("2]", "null]"),
    "too few": GOOD.replace(", 2]", "]"),
    "values are no list": GOOD.replace("[1.0, 2]", "7"),
    "fitness is text": GOOD.replace("null]", '"x"]'),
    "other names": GOOD + NEXT.replace('"x"', '"y"'),
    "members left": GOOD
    + NEXT.replace("[0.5, null]", "[0.5]").replace("[0, 0]", "[0]").replace("[1.0, 1.25]", "[1]"),
    "not utf-8": b"\xff\xfe\n",
}


def evolved(size=16, num_generations=20, interval=50, seed=0, space=SPACE):
    """Losses fall fastest near a learning rate that itself falls; the largest rates diverge."""
    rules = PopulationConfig(size=size, ready_interval=interval, burn_in=2 * interval)
    found = [evolution.initial(space, rules, seed)]
    rng, losses = np.random.default_rng(seed), np.full(size, 2.3)
    for number in range(1, num_generations + 1):
        losses = losses[list(found[-1].parents)]
        rates = np.log10([point["learning_rate"] for point in found[-1].points])
        best = -2 - 2 * number / num_generations
        losses = losses * (0.8 + 0.2 * np.minimum(np.abs(rates - best) / 2, 1))
        measured = losses + 0.02 * rng.normal(size=size)
        measured = np.where(rates > best + 1.6, np.nan, measured)
        step = interval * number
        if number < num_generations:
            own = evolution.generation(found, step, measured, space, rules, seed)
        else:
            own = evolution.unchanged(found, step, measured)
        found.append(own)
    return tuple(found)


def write_population(root, name="nadamw+pbt(16)", workload="alpha", study=0, found=None, info=None):
    """A trial with an evaluation log and a lineage; returns its directory."""
    path = root / name / f"study_{study}" / f"{workload}_jax" / "trial_1"
    write_trial(path, workload, 20.0, 1e-3, info)
    lineage.write(path / lineage.FILE, evolved() if found is None else found)
    return path
