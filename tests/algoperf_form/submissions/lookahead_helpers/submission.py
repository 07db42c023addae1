"""RAdam with Lookahead, which lives in a module beside this file."""

import functools
from collections.abc import Iterator

import helpers_lookahead
import jax
import optax
from algoperf import spec

BATCH_SIZES = {
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


def get_batch_size(workload_name: str) -> int:
    return BATCH_SIZES[workload_name]


def get_eval_batch_size(workload_name: str) -> int:
    # Twice the training batch, where the memory allows it.
    return {"criteo1tb": 131_072}.get(workload_name, 2 * get_batch_size(workload_name))


@functools.lru_cache(maxsize=8)
def make_optimizer(step_hint: int) -> optax.GradientTransformation:
    schedule = optax.linear_schedule(5e-3, 5e-5, step_hint)
    return helpers_lookahead.lookahead(
        optax.chain(
            optax.clip_by_global_norm(5.0),
            optax.scale_by_radam(b1=0.9, b2=0.99, threshold=4.0),
            optax.add_decayed_weights(0.01),
            optax.scale_by_learning_rate(schedule),
        ),
        sync_period=5,
        slow_step_size=0.5,
    )


@functools.cache
def make_train_step(workload: spec.Workload):
    """The jitted step of a workload, kept from its first call on."""

    def loss_fn(params, model_state, batch, rng):
        logits, model_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, True
        )
        loss_dict = workload.loss_fn(batch["targets"], logits, batch.get("weights"), 0.0)
        return loss_dict["summed"] / loss_dict["n_valid_examples"], model_state

    @jax.jit
    def train_step(opt_state, params, model_state, batch, rng):
        grads, model_state = jax.grad(loss_fn, has_aux=True)(params, model_state, batch, rng)
        optimizer = make_optimizer(workload.step_hint)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return opt_state, optax.apply_updates(params, updates), model_state

    return train_step


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state, hyperparameters, rng
    optimizer = make_optimizer(workload.step_hint)
    return optimizer.init(model_params), optimizer.update


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
    del current_params_types, hyperparameters, loss_type, eval_results, global_step
    opt_state, opt_update_fn = optimizer_state
    opt_state, params, model_state = make_train_step(workload)(
        opt_state, current_param_container, model_state, batch, rng
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
    del workload, optimizer_state, current_param_container, model_state, hyperparameters
    del global_step, rng
    return next(input_queue)
