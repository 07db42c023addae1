"""AdamW that treats parameters by type and shape: no weight decay on biases, norms and vectors,
another learning rate for embeddings; a staircase schedule with one stair per evaluation."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import optax
from algoperf import jax_sharding_utils, spec
from flax import traverse_util

NOT_DECAYED = (
    spec.ParameterType.BIAS,
    spec.ParameterType.BATCH_NORM_SCALE,
    spec.ParameterType.BATCH_NORM_BIAS,
    spec.ParameterType.LAYER_NORM_SCALE,
    spec.ParameterType.LAYER_NORM_BIAS,
    spec.ParameterType.ATTENTION_BIAS,
)
MATRICES = (
    spec.ParameterType.WEIGHT,
    spec.ParameterType.CONV_WEIGHT,
    spec.ParameterType.ATTENTION_Q,
    spec.ParameterType.ATTENTION_K,
    spec.ParameterType.ATTENTION_V,
    spec.ParameterType.ATTENTION_OUT,
    spec.ParameterType.ATTENTION_QKV,
    spec.ParameterType.ATTENTION_KV,
)


def get_batch_size(workload_name: str) -> int:
    # Return the global batch size.
    batch_sizes = {
        "criteo1tb": 262_144,
        "fastmri": 32,
        "imagenet_resnet": 1024,
        "imagenet_vit": 1024,
        "librispeech_conformer": 256,
        "librispeech_deepspeech": 256,
        "ogbg": 512,
        "wmt": 128,
        "finewebedu_lm": 64,
        "mnist": 16,
    }
    if workload_name in batch_sizes:
        return batch_sizes[workload_name]
    raise ValueError(f"Unsupported workload name: {workload_name}.")


def parameter_labels(shapes: spec.ParameterShapeTree, types: spec.ParameterTypeTree):
    """'embedding', 'decayed' or 'plain' for each parameter, as a tree like `shapes`.

    The two trees are matched by lower-cased paths, as their keys may differ in case.
    """
    types = {
        tuple(part.lower() for part in path): kind
        for path, kind in traverse_util.flatten_dict(types).items()
    }

    def label(path, shape):
        kind = types[tuple(part.lower() for part in path)]
        if kind == spec.ParameterType.EMBEDDING:
            return "embedding"
        if kind in NOT_DECAYED or len(shape.shape_tuple) < 2:
            return "plain"
        assert kind in MATRICES, kind
        return "decayed"

    flat_shapes = traverse_util.flatten_dict(shapes)
    return traverse_util.unflatten_dict({p: label(p, s) for p, s in flat_shapes.items()})


def staircase(workload: spec.Workload, peak: float) -> optax.Schedule:
    """Linear warmup over an epoch at most, then as many equal stairs down as evaluations fit."""
    steps_per_epoch = workload.num_train_examples // 64
    warmup_steps = max(1, min(steps_per_epoch, workload.step_hint // 20))
    num_stairs = max(2, int(workload.max_allowed_runtime_sec / workload.eval_period_time_sec))

    def schedule(count):
        warmup = jnp.minimum(1.0, (count + 1) / warmup_steps)
        progress = jnp.minimum(count / workload.step_hint, 1.0)
        return peak * warmup * (1.0 - 0.9 * jnp.floor(progress * num_stairs) / num_stairs)

    return schedule


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state, rng
    learning_rate = hyperparameters.learning_rate
    schedule = staircase(workload, learning_rate)
    embedding_schedule = staircase(workload, learning_rate * hyperparameters.embedding_factor)
    max_norm = 0.5 if workload.loss_type is spec.LossType.CTC_LOSS else 2.0
    partitioned = optax.multi_transform(
        {
            "embedding": optax.adam(embedding_schedule, b2=0.99),
            "plain": optax.adam(schedule, b2=0.99),
            "decayed": optax.adamw(schedule, b2=0.99, weight_decay=hyperparameters.weight_decay),
        },
        parameter_labels(workload.param_shapes, workload.model_params_types),
    )
    optimizer = optax.chain(optax.clip_by_global_norm(max_norm), partitioned)
    return optimizer.init(model_params), optimizer.update


@functools.partial(
    jax.jit,
    static_argnums=(0, 1),
    out_shardings=jax_sharding_utils.get_replicate_sharding(),
)
def train_step(workload, opt_update_fn, opt_state, params, model_state, batch, rng):
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

    (_, (n_valid_examples, new_model_state)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
        params
    )
    grads = jax.tree.map(lambda g: g / n_valid_examples, grads)
    norms = [jnp.linalg.norm(g) for g in jax.tree.leaves(grads)]
    updates, opt_state = opt_update_fn(grads, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), new_model_state, norms


def norms_by_type(norms: list[spec.Tensor], types: spec.ParameterTypeTree) -> dict[str, float]:
    """Mean gradient norm of the parameters of each type."""
    by_type = {}
    for norm, kind in zip(norms, jax.tree.leaves(types), strict=True):
        by_type.setdefault(f"grad_norm_{kind.name.lower()}", []).append(norm.item())
    return {name: sum(values) / len(values) for name, values in by_type.items()}


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
    del hyperparameters, eval_results
    assert loss_type == workload.loss_type
    opt_state, opt_update_fn = optimizer_state
    opt_state, params, model_state, norms = train_step(
        workload, opt_update_fn, opt_state, current_param_container, model_state, batch, rng
    )
    if global_step % 100 == 0 and workload.metrics_logger is not None:
        metrics = norms_by_type(norms, current_params_types)
        workload.metrics_logger.append_scalar_metrics(metrics, global_step)
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
