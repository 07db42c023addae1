"""Sharpness-aware minimization around AdamW: two gradients in every step (Foret et al. 2021)."""

import optax

search_space = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.5, "scaling": "log"},
    "weight_decay": {"min": 1e-3, "max": 1.0, "scaling": "log"},
    "rho": {"min": 1e-3, "max": 0.1, "scaling": "log"},
    "warmup_factor": {"feasible_points": [0.02, 0.05, 0.1]},
    "horizon": {"feasible_points": [0.75]},
}
self_tuning_point = {
    "learning_rate": 1.7486e-3,
    "one_minus_beta1": 0.06734,
    "weight_decay": 0.08122,
    "rho": 0.01,
    "warmup_factor": 0.02,
    "horizon": 0.75,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    descent = optax.adamw(
        learning_rate, 1 - hp.one_minus_beta1, b2=0.9955, weight_decay=hp.weight_decay
    )
    ascent = optax.chain(optax.contrib.normalize(), optax.sgd(hp.rho))
    sam = optax.contrib.sam(descent, ascent, opaque_mode=True)

    def update(grads, state, params, *, grad_fn, **unused):  # sam refuses other arguments
        return sam.update(grads, state, params, grad_fn=grad_fn)

    return optax.GradientTransformationExtraArgs(sam.init, update)
