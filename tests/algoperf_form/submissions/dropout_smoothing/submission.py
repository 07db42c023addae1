"""Adam with annealed regularisation: dropout rate and label smoothing are arrays computed from the
step and traced into the jitted update. Each batch is used for two steps (data echoing)."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import optax
from algoperf import jax_sharding_utils, spec

ECHO_STEPS = 2

_held_batch = None


def get_batch_size(workload_name: str) -> int:
    if "imagenet" in workload_name:
        return 1024
    if "librispeech" in workload_name:
        return 256
    sizes = {"criteo1tb": 262_144, "fastmri": 32, "ogbg": 512, "wmt": 128, "finewebedu_lm": 64}
    sizes["mnist"] = 16
    try:
        return sizes[workload_name]
    except KeyError:
        raise ValueError(f"Unsupported workload name: {workload_name}.") from None


def regularisation(global_step: int, step_hint: int, hyperparameters: spec.Hyperparameters):
    """Dropout rises to its rate while label smoothing fades out, both as arrays."""
    progress = jnp.minimum(1.0, global_step / step_hint)
    dropout_rate = hyperparameters.dropout_rate * jnp.sqrt(progress)
    label_smoothing = hyperparameters.label_smoothing * (1.0 - progress)
    return dropout_rate, label_smoothing


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_params, model_state, rng
    # An inverse square root schedule.
    warmup_steps = max(1, workload.step_hint // 20)

    def schedule(count):
        count = count + 1
        return hyperparameters.learning_rate * jnp.minimum(
            count / warmup_steps, jnp.sqrt(warmup_steps / count)
        )

    params_zeros_like = jax.tree.map(lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes)
    tx = optax.adam(schedule, b1=0.9, b2=0.98)
    opt_state = jax_sharding_utils.replicate(tx.init(params_zeros_like))
    return opt_state, tx.update


def update_step(
    workload,
    opt_update_fn,
    opt_state,
    params,
    model_state,
    batch,
    rng,
    dropout_rate,
    label_smoothing,
):
    weights = None
    if "weights" in batch:
        weights = batch["weights"]

    def loss_fn(params):
        logits, new_model_state = workload.model_fn(
            params=params,
            augmented_and_preprocessed_input_batch=batch,
            model_state=model_state,
            mode=spec.ForwardPassMode.TRAIN,
            rng=rng,
            update_batch_norm=True,
            dropout_rate=dropout_rate,
        )
        loss_dict = workload.loss_fn(
            label_batch=batch["targets"],
            logits_batch=logits,
            mask_batch=weights,
            label_smoothing=label_smoothing,
        )
        # The same as 'summed', from the un-reduced losses.
        loss = jnp.sum(loss_dict["per_example"]) / jnp.maximum(loss_dict["n_valid_examples"], 1)
        return loss, new_model_state

    grads, new_model_state = jax.grad(loss_fn, has_aux=True)(params)
    updates, opt_state = opt_update_fn(grads, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), new_model_state


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
    del current_params_types, loss_type, eval_results
    opt_state, opt_update_fn = optimizer_state
    dropout_rate, label_smoothing = regularisation(global_step, workload.step_hint, hyperparameters)

    replicated = jax_sharding_utils.get_replicate_sharding()
    sharded = jax_sharding_utils.get_batch_dim_sharding()
    jitted_step = jax.jit(
        update_step,
        static_argnums=(0, 1),
        in_shardings=(replicated, replicated, replicated, sharded, *[replicated] * 3),
        out_shardings=replicated,
    )
    opt_state, params, model_state = jitted_step(
        workload,
        opt_update_fn,
        opt_state,
        current_param_container,
        model_state,
        batch,
        rng,
        dropout_rate,
        label_smoothing,
    )
    return (opt_state, opt_update_fn), params, model_state


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
    """A new batch at every second step only, back to front the second time."""
    del workload, optimizer_state, current_param_container, model_state, hyperparameters, rng
    global _held_batch
    if _held_batch is None or global_step % ECHO_STEPS == 0:
        _held_batch = next(input_queue)
        return _held_batch
    return jax.tree.map(lambda x: jax_sharding_utils.shard_along_batch_dim(x[::-1]), _held_batch)
