"""Sharpness-aware minimization around AdamW: two gradients in every step (Foret et al. 2021)."""

import optax

search_space = {
    "learning_rate": {"min": 5e-4, "max": 3e-2, "scaling": "log"},
    "one_minus_beta1": {"min": 0.02, "max": 0.3, "scaling": "log"},
    "weight_decay": {"min": 1e-2, "max": 1.0, "scaling": "log"},
    "rho": {"min": 1e-2, "max": 0.2, "scaling": "log"},
    "horizon": {"feasible_points": [1.0]},
}
self_tuning_point = {
    "learning_rate": 1e-2,
    "one_minus_beta1": 0.1,
    "weight_decay": 0.1,
    "rho": 0.05,
    "horizon": 1.25,
}


def optimizer(workload, hyperparameters, learning_rate):
    hp = hyperparameters
    descent = optax.adamw(
        learning_rate, 1 - hp.one_minus_beta1, b2=0.99, weight_decay=hp.weight_decay
    )
    ascent = optax.chain(optax.contrib.normalize(), optax.sgd(hp.rho))
    sam = optax.contrib.sam(descent, ascent, opaque_mode=True)

    def update(grads, state, params, *, grad_fn, **unused):  # sam refuses other arguments
        return sam.update(grads, state, params, grad_fn=grad_fn)

    return optax.GradientTransformationExtraArgs(sam.init, update)
