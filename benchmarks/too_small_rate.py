"""The reference at a constant learning rate ten times too small: targets must be out of its reach.

algoperf-lite run --submissions=nadamw,benchmarks/too_small_rate.py --tuning_ruleset=self
"""

import optax

from algoperf_lite import submission

self_tuning_point = dict(submission.load("nadamw").self_tuning_point)
self_tuning_point["learning_rate"] *= 0.1


def optimizer(workload, hyperparameters):
    hp = hyperparameters
    return optax.nadamw(
        hp.learning_rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay
    )
