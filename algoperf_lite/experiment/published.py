"""Points that AlgoPerf has published for its families; lite models are parametrised by them.

Source: `tuning_search_space.json` in AlgoPerf's algorithms/target_setting_algorithms/<workload>,
and the single point of its NAdamW baseline. Warmups are shares of the horizon here, which is three
quarters of the step hint.
"""

from collections.abc import Mapping
from typing import Any

BASELINE: Mapping[str, float] = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "one_minus_beta2": 4.48e-3,
    "weight_decay": 0.08122,
    "warmup_factor": 0.02,
}


def _adam(
    rate: float, beta1: float, beta2: float, warmup: float, decay: float
) -> Mapping[str, float]:
    return {
        "learning_rate": rate,
        "one_minus_beta1": 1 - beta1,
        "one_minus_beta2": 1 - beta2,
        "weight_decay": decay,
        "warmup_factor": warmup,
    }


# The points with which NAdamW (AdamW on librispeech_conformer) set a target. Other families'
# targets were set by SGD.
_OF_FAMILY = {
    "criteo1tb": _adam(3.33e-3, 0.948, 0.9988, 0.02, 3.6e-3),
    "imagenet_vit": _adam(8.45e-4, 0.890, 0.9979, 0.05, 0.0814),
    "librispeech_conformer": _adam(2.11e-3, 0.823, 0.877, 0.02, 0.276),
    "librispeech_deepspeech": _adam(4.96e-3, 0.864, 0.629, 0.02, 0.115),
    "wmt": _adam(1.75e-3, 0.933, 0.9955, 0.02, 0.081),
}


def nadamw_point(family: str) -> dict[str, Any]:
    """NAdamW's hyperparameters on a family: its own point, or the baseline's where it has none."""
    return {**_OF_FAMILY.get(family, BASELINE), "horizon": 1.0}
