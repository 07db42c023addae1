"""Schedule-Free AdamW (Defazio et al. 2024), written out: training happens at the interpolation y,
`prepare_for_eval` hands over the average x, and the next step goes back to y."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from algoperf import spec

BETA2 = 0.99
EPS = 1e-8


@jax.tree_util.register_pytree_node_class
class ScheduleFreeState:
    """Arrays as leaves, the interpolation weight beta1 as static data.

    z is where the base optimizer steps, nu the second moment, weight_sum normalises the average.
    at_average tells whether the parameters that the runner holds are x rather than y.
    """

    def __init__(self, z, nu, weight_sum, count, at_average, beta1):
        self.z = z
        self.nu = nu
        self.weight_sum = weight_sum
        self.count = count
        self.at_average = at_average
        self.beta1 = beta1

    def tree_flatten(self):
        return (self.z, self.nu, self.weight_sum, self.count, self.at_average), self.beta1

    @classmethod
    def tree_unflatten(cls, beta1, children):
        return cls(*children, beta1)


def get_batch_size(workload_name: str) -> int:
    match workload_name:
        case "criteo1tb":
            return 262_144
        case "fastmri":
            return 32
        case "imagenet_resnet" | "imagenet_vit":
            return 1024
        case "librispeech_conformer" | "librispeech_deepspeech":
            return 256
        case "ogbg":
            return 512
        case "wmt":
            return 128
        case "finewebedu_lm":
            return 32
        case "mnist":
            return 16
    raise ValueError(f"Unsupported workload name: {workload_name}.")


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state, rng
    state = ScheduleFreeState(
        z=jax.tree.map(jnp.copy, model_params),
        nu=jax.tree.map(jnp.zeros_like, model_params),
        weight_sum=jnp.zeros(()),
        count=jnp.zeros((), jnp.int32),
        at_average=jnp.zeros((), bool),
        beta1=1.0 - hyperparameters.one_minus_beta1,
    )
    update_fn = functools.partial(
        adamw_step,
        learning_rate=hyperparameters.learning_rate,
        weight_decay=hyperparameters.weight_decay,
        warmup_steps=max(1, int(hyperparameters.warmup_factor * workload.step_hint)),
    )
    return state, update_fn


def training_point(state, params):
    """y: the parameters as they are, or recovered from x = params and z."""
    b1 = state.beta1
    return jax.tree.map(
        lambda p, z: jnp.where(state.at_average, b1 * p + (1 - b1) * z, p), params, state.z
    )


def average(state, y):
    """x, from y = beta1 x + (1 - beta1) z."""
    b1 = state.beta1
    return jax.tree.map(lambda y, z: (y - (1 - b1) * z) / b1, y, state.z)


def adamw_step(grads, state, y, learning_rate, weight_decay, warmup_steps):
    b1 = state.beta1
    x = average(state, y)
    count = state.count + 1
    lr = learning_rate * jnp.minimum(1.0, count / warmup_steps)
    nu = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g**2, state.nu, grads)
    correction = 1 - BETA2**count
    z = jax.tree.map(
        lambda z, g, v, y: z - lr * (g / (jnp.sqrt(v / correction) + EPS) + weight_decay * y),
        state.z,
        grads,
        nu,
        y,
    )
    weight_sum = state.weight_sum + lr**2
    c = lr**2 / weight_sum
    x = jax.tree.map(lambda x, z: (1 - c) * x + c * z, x, z)
    new_y = jax.tree.map(lambda x, z: b1 * x + (1 - b1) * z, x, z)
    return new_y, ScheduleFreeState(z, nu, weight_sum, count, jnp.zeros((), bool), b1)


@functools.partial(jax.jit, static_argnames=("workload", "update_fn"))
def train_step(workload, update_fn, state, params, model_state, batch, rng):
    y = training_point(state, params)

    def loss_fn(params):
        logits, new_model_state = workload.model_fn(
            params,
            batch,
            model_state,
            mode=spec.ForwardPassMode.TRAIN,
            rng=rng,
            update_batch_norm=True,
        )
        loss_dict = workload.loss_fn(
            label_batch=batch["targets"], logits_batch=logits, mask_batch=batch.get("weights")
        )
        return loss_dict["summed"] / loss_dict["n_valid_examples"], new_model_state

    (loss, new_model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(y)
    new_y, new_state = update_fn(grads, state, y)
    return new_state, new_y, new_model_state, loss


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
    state, update_fn = optimizer_state
    state, params, model_state, loss = train_step(
        workload=workload,
        update_fn=update_fn,
        state=state,
        params=current_param_container,
        model_state=model_state,
        batch=batch,
        rng=rng,
    )
    if global_step % 100 == 0 and workload.metrics_logger is not None:
        metrics = {"train_loss": float(loss), "weight_sum": float(state.weight_sum)}
        workload.metrics_logger.append_scalar_metrics(metrics, global_step)
    return (state, update_fn), params, model_state


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
    del workload, current_params_types, hyperparameters, loss_type, eval_results, global_step, rng
    state, update_fn = optimizer_state
    x = average(state, training_point(state, current_param_container))
    state = ScheduleFreeState(
        state.z, state.nu, state.weight_sum, state.count, jnp.ones((), bool), state.beta1
    )
    return (state, update_fn), x, model_state


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
