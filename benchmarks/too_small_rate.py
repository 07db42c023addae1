"""A constant learning rate ten times too small: the algorithm and point that set each workload's
target, but without a schedule and at a tenth of the rate. Targets must be out of its reach.

algoperf-lite run --submissions=nadamw,benchmarks/too_small_rate.py --tuning_ruleset=self
"""

import json
from types import SimpleNamespace

import optax

from scoring import benchmark

_LITE = json.loads((benchmark.FOLDER / "lite.json").read_text())["workloads"]


def optimizer(workload, hyperparameters):
    provenance = _LITE[workload.name]["provenance"]
    hp = SimpleNamespace(**provenance["hyperparameters"])
    rate, momentum = 0.1 * hp.learning_rate, 1 - hp.one_minus_beta1
    if provenance["algorithm"] == "nadamw":
        return optax.nadamw(rate, momentum, b2=0.99, weight_decay=hp.weight_decay)
    assert provenance["algorithm"] == "nesterov", "another algorithm set this target: add it here"
    sgd = optax.sgd(rate, momentum, nesterov=True)
    return optax.chain(optax.add_decayed_weights(hp.weight_decay), sgd)
