"""Sharpness-aware minimization (Foret et al. 2021) around AdamW, driven from Python: two calls of a
jitted gradient per step, the ascent between them and a probe of the loss are eager."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import optax
from algoperf import spec

PROBE_EVERY = 5
RHO_DECAY = 0.9


def get_batch_size(workload_name: str) -> int:
    batch_sizes = {
        "criteo1tb": 262_144,
        "fastmri": 32,
        "imagenet": 1024,
        "librispeech": 256,
        "ogbg": 512,
        "wmt": 128,
        "finewebedu_lm": 64,
        "mnist": 16,
    }
    for prefix, batch_size in batch_sizes.items():
        if workload_name.startswith(prefix):
            return batch_size
    raise ValueError(f"Unsupported workload name: {workload_name}.")


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state, rng
    schedule = optax.cosine_onecycle_schedule(
        transition_steps=workload.step_hint,
        peak_value=hyperparameters.learning_rate,
        pct_start=0.05,
    )
    optimizer = optax.adamw(schedule, b2=0.99, weight_decay=hyperparameters.weight_decay)
    state = {
        "base": optimizer.init(model_params),
        "rho": jnp.float32(hyperparameters.rho),
        "last_probe": jnp.float32(jnp.inf),
    }
    return state, optimizer.update


def mean_loss(workload, params, model_state, batch, rng, update_batch_norm):
    logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=update_batch_norm,
    )
    loss_dict = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
    return loss_dict["summed"] / loss_dict["n_valid_examples"], new_model_state


@functools.partial(jax.jit, static_argnums=(0, 5))
def grad_step(workload, params, model_state, batch, rng, update_batch_norm):
    def loss_fn(params):
        return mean_loss(workload, params, model_state, batch, rng, update_batch_norm)

    grad, new_model_state = jax.grad(loss_fn, has_aux=True)(params)
    return grad, new_model_state, optax.global_norm(grad)


@functools.partial(jax.jit, static_argnums=(0,))
def apply_step(opt_update_fn, grad, opt_state, params):
    updates, opt_state = opt_update_fn(grad, opt_state, params)
    return optax.apply_updates(params, updates), opt_state


def update_params(
    workload: spec.Workload,
    current_param_container: spec.ParameterContainer,
    current_params_types: spec.ParameterTypeTree,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    batch: dict[str, spec.Tensor],
    loss_type: spec.LossType,
    optimizer_state: spec.OptimizerState,
    eval_results: list[tuple[int, float]],
    global_step: int,
    rng: spec.RandomState,
) -> spec.UpdateReturn:
    del current_params_types, hyperparameters, loss_type, eval_results
    state, opt_update_fn = optimizer_state
    params = current_param_container
    grad_rng, probe_rng = jax.random.split(rng)

    # Both gradients see the same dropout mask; only the first one updates the batch norm.
    grad, new_model_state, norm = grad_step(workload, params, model_state, batch, grad_rng, True)
    scale = state["rho"] / (norm + 1e-12)
    perturbed_params = jax.tree.map(lambda p, g: p + scale * g, params, grad)
    sam_grad, _, _ = grad_step(workload, perturbed_params, model_state, batch, grad_rng, False)
    params, base_state = apply_step(opt_update_fn, sam_grad, state["base"], params)

    rho, last_probe = state["rho"], state["last_probe"]
    if global_step % PROBE_EVERY == PROBE_EVERY - 1:
        probe, _ = mean_loss(workload, params, new_model_state, batch, probe_rng, False)
        if not probe < last_probe:
            rho = rho * RHO_DECAY
        last_probe = probe
        if workload.metrics_logger is not None:
            metrics = {"probe": probe.item(), "rho": rho.item()}
            workload.metrics_logger.append_scalar_metrics(metrics, global_step)

    state = {"base": base_state, "rho": rho, "last_probe": last_probe}
    return (state, opt_update_fn), params, new_model_state


def data_selection(
    workload: spec.Workload,
    input_queue: Iterator[dict[str, spec.Tensor]],
    optimizer_state: spec.OptimizerState,
    current_param_container: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    global_step: int,
    rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
    del workload, optimizer_state, current_param_container, model_state, hyperparameters
    del global_step, rng
    return next(input_queue)
