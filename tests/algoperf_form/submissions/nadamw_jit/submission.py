"""NAdamW with linear warmup and cosine decay; a new jitted step, with its shardings, per update."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from algoperf import jax_sharding_utils, spec

_GRAD_CLIP_EPS = 1e-6


def get_batch_size(workload_name: str) -> int:
    # Return the global batch size.
    if workload_name == "criteo1tb":
        return 262_144
    elif workload_name == "fastmri":
        return 32
    elif workload_name == "imagenet_resnet":
        return 1024
    elif workload_name in ("imagenet_resnet_silu", "imagenet_resnet_gelu"):
        return 512
    elif workload_name == "imagenet_vit":
        return 1024
    elif workload_name in ("librispeech_conformer", "librispeech_deepspeech"):
        return 256
    elif workload_name == "ogbg":
        return 512
    elif workload_name == "wmt":
        return 128
    elif workload_name == "finewebedu_lm":
        return 64
    elif workload_name == "mnist":
        return 16
    else:
        raise ValueError(f"Unsupported workload name: {workload_name}.")


def cosine_warmup(step_hint: float, hyperparameters: spec.Hyperparameters) -> optax.Schedule:
    """Linear warmup, then cosine decay to 0."""
    peak = jnp.asarray(hyperparameters.learning_rate, jnp.float32)
    warmup = hyperparameters.warmup_factor if hasattr(hyperparameters, "warmup_factor") else 0.05
    warmup_steps = jnp.asarray(warmup * step_hint, jnp.float32)
    decay_steps = jnp.maximum(step_hint - warmup_steps, 1.0)
    cosine_fn = optax.cosine_decay_schedule(1.0, 1)

    def schedule_fn(count):
        count = jnp.asarray(count, jnp.float32)
        progress = jnp.clip((count - warmup_steps) / decay_steps, 0.0, 1.0)
        cosine = peak * cosine_fn(progress)
        warmup = peak * (count / jnp.maximum(warmup_steps, 1.0))
        return jnp.where(count < warmup_steps, warmup, cosine)

    return schedule_fn


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    """Creates a NAdamW optimizer and a learning rate schedule."""
    del model_params
    del model_state
    del rng

    horizon = hyperparameters.horizon if hasattr(hyperparameters, "horizon") else 1.0
    has_beta2 = hasattr(hyperparameters, "one_minus_beta2")
    opt_init_fn, opt_update_fn = optax.nadamw(
        cosine_warmup(horizon * workload.step_hint, hyperparameters),
        b1=1.0 - hyperparameters.one_minus_beta1,
        b2=1.0 - hyperparameters.one_minus_beta2 if has_beta2 else 0.99,
        weight_decay=hyperparameters.weight_decay,
    )
    params_zeros_like = jax.tree.map(lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes)
    optimizer_state = opt_init_fn(params_zeros_like)

    return optimizer_state, opt_update_fn


def train_step(
    workload,
    opt_update_fn,
    model_state,
    optimizer_state,
    current_param_container,
    batch,
    rng,
    grad_clip,
    label_smoothing,
    dropout_rate,
):
    def _loss_fn(params):
        """Loss function used for training."""
        logits, new_model_state = workload.model_fn(
            params,
            batch,
            model_state,
            spec.ForwardPassMode.TRAIN,
            rng,
            update_batch_norm=True,
            dropout_rate=dropout_rate,
        )
        loss_dict = workload.loss_fn(
            label_batch=batch["targets"],
            logits_batch=logits,
            mask_batch=batch.get("weights"),
            label_smoothing=label_smoothing,
        )
        return loss_dict["summed"] / loss_dict["n_valid_examples"], new_model_state

    grad_fn = jax.value_and_grad(_loss_fn, has_aux=True)
    (loss, new_model_state), grad = grad_fn(current_param_container)
    grad_norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(grad)))

    if grad_clip is not None:
        grad_scaling_factor = jnp.clip(grad_clip / (grad_norm + _GRAD_CLIP_EPS), max=1.0)
        grad = jax.tree.map(lambda x: x * grad_scaling_factor, grad)

    updates, new_optimizer_state = opt_update_fn(grad, optimizer_state, current_param_container)
    updated_params = optax.apply_updates(current_param_container, updates)
    return new_optimizer_state, updated_params, new_model_state, loss, grad_norm


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
    train_state: dict[str, Any] | None = None,
) -> spec.UpdateReturn:
    """Return (updated_optimizer_state, updated_params, updated_model_state)."""
    del current_params_types
    del loss_type
    del train_state
    del eval_results

    optimizer_state, opt_update_fn = optimizer_state
    label_smoothing = getattr(hyperparameters, "label_smoothing", 0.0)
    grad_clip = hyperparameters.grad_clip if hasattr(hyperparameters, "grad_clip") else None
    dropout_rate = (
        hyperparameters.dropout_rate if hasattr(hyperparameters, "dropout_rate") else None
    )

    # Create shardings for each argument.
    replicated = jax_sharding_utils.get_replicate_sharding()  # No partitioning
    sharded = jax_sharding_utils.get_batch_dim_sharding()  # Partition along batch dimension

    arg_shardings = (
        # workload is static
        # opt_update_fn is static
        replicated,  # model_state
        replicated,  # optimizer_state
        replicated,  # current_param_container
        sharded,  # batch
        replicated,  # rng
        replicated,  # grad_clip
        replicated,  # label_smoothing
        replicated,  # dropout_rate
    )
    out_shardings = (
        replicated,  # new_optimizer_state
        replicated,  # updated_params
        replicated,  # new_model_state
        replicated,  # loss
        replicated,  # grad_norm
    )

    jitted_train_step = jax.jit(
        train_step,
        static_argnums=(0, 1),
        donate_argnums=(2, 3, 4),
        in_shardings=arg_shardings,
        out_shardings=out_shardings,
    )
    new_optimizer_state, new_params, new_model_state, loss, grad_norm = jitted_train_step(
        workload,
        opt_update_fn,
        model_state,
        optimizer_state,
        current_param_container,
        batch,
        rng,
        grad_clip,
        label_smoothing,
        dropout_rate,
    )

    # Log loss, grad_norm.
    if global_step % 100 == 0 and workload.metrics_logger is not None:
        workload.metrics_logger.append_scalar_metrics(
            {"loss": loss.item(), "grad_norm": grad_norm.item()}, global_step
        )
    return (new_optimizer_state, opt_update_fn), new_params, new_model_state


def prepare_for_eval(
    workload: spec.Workload,
    current_param_container: spec.ParameterContainer,
    current_params_types: spec.ParameterTypeTree,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    loss_type: spec.LossType,
    optimizer_state: spec.OptimizerState,
    eval_results: list[tuple[int, float]],
    global_step: int,
    rng: spec.RandomState,
) -> spec.UpdateReturn:
    """Return (updated_optimizer_state, updated_params, updated_model_state)."""
    del workload
    del hyperparameters
    del current_params_types
    del loss_type
    del eval_results
    del global_step
    del rng
    return (optimizer_state, current_param_container, model_state)


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
    """Return a dictionary of tensors: the next item of the infinitely repeating input queue."""
    del workload
    del optimizer_state
    del current_param_container
    del model_state
    del hyperparameters
    del global_step
    del rng
    return next(input_queue)
