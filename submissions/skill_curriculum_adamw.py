"""AdamW on a mixture of groups that shifts, online, to those with losses still to lower.

Skill-it (Chen et al. 2023, algorithm 2) with each group a skill that only its own examples teach:
mirror descent on the mixture, from the data's own, by losses of the last rounds. Where a workload
names no groups, this is AdamW.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf_lite.spec import DataSelection

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "one_minus_beta2": {"min": 1e-3, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
    "eta": {"min": 0.02, "max": 1.0, "scaling": "log"},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "one_minus_beta2": 4.48e-3,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
    "eta": 0.2,
}
ROUNDS = 20  # of a budget
WINDOW = 3  # of these, whose losses count


class State(NamedTuple):
    totals: jax.Array  # sums of this round's losses and their number, by group (2, G)
    window: jax.Array  # mean losses of the last rounds, by group (WINDOW, G)


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1, b2 = 1 - hp.one_minus_beta1, 1 - hp.one_minus_beta2
    return optax.adamw(learning_rate, b1, b2, weight_decay=hp.weight_decay)


def data_selection(workload, hyperparameters):
    groups = workload.groups
    if groups is None:
        return None
    by_group = np.argsort(groups.of_example, kind="stable")
    sizes = np.bincount(groups.of_example, minlength=groups.num_groups)
    starts, length = np.cumsum(sizes) - sizes, max(1, workload.step_hint // ROUNDS)

    def init(num_examples):
        return State(jnp.zeros((2, len(sizes))), jnp.zeros((WINDOW, len(sizes))))

    def select(state, key, step):
        of_group, of_row = jax.random.split(key)
        odds = jnp.log(sizes) + hyperparameters.eta * state.window.sum(axis=0)
        group = jax.random.categorical(of_group, odds, shape=(workload.batch_size,))
        place = jax.random.randint(of_row, group.shape, 0, jnp.asarray(sizes)[group])
        return jnp.asarray(by_group)[jnp.asarray(starts)[group] + place], None

    def update(state, rows, losses, step):
        group = jnp.asarray(groups.of_example)[rows]
        totals = state.totals.at[:, group].add(jnp.stack([losses, jnp.ones_like(losses)]))
        # A group that was not drawn keeps the loss that it had.
        now = jnp.where(totals[1] > 0, totals[0] / jnp.maximum(totals[1], 1), state.window[-1])
        after = State(0 * totals, jnp.concatenate([state.window[1:], now[None]]))
        is_end, during = (step + 1) % length == 0, State(totals, state.window)
        return jax.tree.map(lambda a, b: jnp.where(is_end, a, b), after, during)

    return DataSelection(init, select, update)
