"""A constant learning rate ten times too small: the point that set each workload's target, but
without a schedule and at a tenth of its rate. Targets must be out of its reach.

algoperf-lite run --submissions=nadamw,benchmarks/too_small_rate.py --tuning_ruleset=self
"""

import json
from types import SimpleNamespace

import optax

from scoring import benchmark

_LITE = json.loads((benchmark.FOLDER / "lite.json").read_text())["workloads"]


def optimizer(workload, hyperparameters):
    provenance = _LITE[workload.name]["provenance"]
    assert provenance["algorithm"] == "nadamw", "another algorithm set this target: write it here"
    hp = SimpleNamespace(**provenance["hyperparameters"])
    rate = 0.1 * hp.learning_rate
    return optax.nadamw(rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay)
