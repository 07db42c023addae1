"""Self-tuning Lion on a mesh of its own: each device computes the gradient of its shard under
`jax.shard_map` and the shards are summed by hand."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from algoperf import spec
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

PEAK = 5e-4
WEIGHT_DECAY = 0.3


def get_batch_size(workload_name: str) -> int:
    sizes = {
        ("fastmri",): 32,
        ("finewebedu_lm",): 64,
        ("imagenet_resnet", "imagenet_vit"): 1024,
        ("librispeech_conformer", "librispeech_deepspeech"): 256,
        ("ogbg",): 512,
        ("wmt",): 128,
        ("criteo1tb",): 262_144,
        ("mnist",): 16,
    }
    for names, size in sizes.items():
        if workload_name in names:
            return size
    raise ValueError(f"Unsupported workload name: {workload_name}.")


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state, hyperparameters, rng
    schedule = optax.cosine_decay_schedule(PEAK, workload.step_hint, alpha=0.1)
    optimizer = optax.lion(schedule, b1=0.95, b2=0.98, weight_decay=WEIGHT_DECAY)
    return jax.jit(optimizer.init)(model_params), optimizer.update


def shard_gradient(workload, params, model_state, batch, rng):
    """Mean loss of the whole batch and its gradient, from inside one device of the mesh."""
    rng = jax.random.fold_in(rng, jax.lax.axis_index("batch"))

    def loss_fn(params):
        logits, new_model_state = workload.model_fn(
            params,
            batch,
            model_state,
            spec.ForwardPassMode.TRAIN,
            rng,
            update_batch_norm=True,
        )
        loss_dict = workload.loss_fn(
            label_batch=batch["targets"], logits_batch=logits, mask_batch=batch.get("weights")
        )
        return loss_dict["summed"], (loss_dict["n_valid_examples"], new_model_state)

    (summed, (n_valid, new_model_state)), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    summed, n_valid, grads = jax.lax.psum((summed, n_valid, grads), "batch")
    grads = jax.tree.map(lambda g: g / n_valid, grads)
    return summed / n_valid, grads, jax.lax.pmean(new_model_state, "batch")


def train_step(workload, opt_update_fn, mesh, opt_state, params, model_state, batch, rng):
    gradient = jax.shard_map(
        functools.partial(shard_gradient, workload),
        mesh=mesh,
        in_specs=(P(), P(), P("batch"), P()),
        out_specs=P(),
        check_vma=False,
    )
    loss, grads, model_state = gradient(params, model_state, batch, rng)
    updates, opt_state = opt_update_fn(grads, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), model_state, loss


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
    opt_state, opt_update_fn = optimizer_state
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    replicated = NamedSharding(mesh, P())
    sharded = NamedSharding(mesh, P("batch"))
    jitted_train_step = jax.jit(
        train_step,
        static_argnums=(0, 1, 2),
        donate_argnums=(3, 4),
        in_shardings=(replicated, replicated, replicated, sharded, replicated),
        out_shardings=(replicated, replicated, replicated, replicated),
    )
    opt_state, params, model_state, loss = jitted_train_step(
        workload,
        opt_update_fn,
        mesh,
        opt_state,
        current_param_container,
        model_state,
        batch,
        rng,
    )
    if global_step % 100 == 0 and workload.metrics_logger is not None:
        loss = jnp.log(loss)
        workload.metrics_logger.append_scalar_metrics({"log_loss": loss}, global_step)
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
    del workload, optimizer_state, current_param_container, model_state, hyperparameters
    del global_step, rng
    return next(input_queue)
