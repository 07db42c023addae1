"""AdamW on examples drawn by their latest loss, importance weights keeping the gradient unbiased.

Katharopoulos & Fleuret 2018 draw examples by what they add to the gradient and divide by the
probability. As in Loshchilov & Hutter 2015, what is known of one is its loss when it was last seen.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf_lite.spec import DataSelection

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "one_minus_beta2": {"min": 1e-3, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
    "uniform_share": {"min": 0.1, "max": 0.9, "scaling": "linear"},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "one_minus_beta2": 4.48e-3,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
    "horizon": 0.75,
    "uniform_share": 0.5,
}


class State(NamedTuple):
    losses: jax.Array  # of each training example, when it was last seen
    is_seen: jax.Array


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    b1, b2 = 1 - hp.one_minus_beta1, 1 - hp.one_minus_beta2
    return optax.adamw(learning_rate, b1, b2, weight_decay=hp.weight_decay)


def data_selection(workload, hyperparameters):
    share = hyperparameters.uniform_share

    def init(num_examples):
        return State(jnp.zeros(num_examples), jnp.zeros(num_examples, bool))

    def select(state, key, step):
        # Nothing is known of an unseen example: it is taken for one of the mean loss.
        seen = jnp.sum(state.losses) / jnp.maximum(jnp.sum(state.is_seen), 1)
        losses = jnp.where(state.is_seen, state.losses, seen) + 1e-6
        num_examples = len(losses)
        # A uniform share bounds the weights by 1 / share, however small a loss has become.
        p = share / num_examples + (1 - share) * losses / jnp.sum(losses)
        rows = jax.random.choice(key, num_examples, (workload.batch_size,), p=p)
        return rows, 1 / (num_examples * p[rows])

    def update(state, rows, losses, step):
        # Of a row that was drawn twice the larger loss, in whatever order they are written.
        cleared = state.losses.at[rows].set(0.0)
        return State(cleared.at[rows].max(losses), state.is_seen.at[rows].set(True))

    return DataSelection(init, select, update)
