"""A population's trial as the harness would leave it, evolved on a made-up landscape."""

import numpy as np
from report_pages import write_trial

from algoperf_lite import lineage, population
from algoperf_lite.population_rules import PopulationRules

SPACE = {
    "learning_rate": {"min": 1e-5, "max": 1e-1, "scaling": "log"},
    "one_minus_beta1": {"min": 0.01, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-4, "max": 0.5, "scaling": "log"},
    "dropout_rate": {"min": 0.0, "max": 0.3, "scaling": "linear"},
    "warmup_steps": {"feasible_points": [0, 50, 100, 200]},
}


def evolved(size=16, num_generations=20, interval=50, seed=0, space=SPACE):
    """Losses fall fastest near a learning rate that itself falls; the largest rates diverge."""
    rules = PopulationRules(size=size, ready_interval=interval, burn_in=2 * interval)
    found = [population.initial(space, rules, seed)]
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
            own = population.generation(found, step, measured, space, rules, seed)
        else:
            own = population.unchanged(found, step, measured)
        found.append(own)
    return tuple(found)


def write_population(root, name="nadamw+pbt(16)", workload="alpha", study=0, found=None, info=None):
    """A trial with an evaluation log and a lineage; returns its directory."""
    path = root / name / f"study_{study}" / f"{workload}_jax" / "trial_1"
    write_trial(path, workload, 20.0, 1e-3, info)
    lineage.write(path / lineage.FILE, evolved() if found is None else found)
    return path
