"""Self-tuning AdamW; the step is jitted once per process, leaves all shardings to JAX, and donates
its buffers."""

from collections.abc import Iterator

import jax
import optax
from algoperf import spec

HPARAMS = {
    "learning_rate": 3e-3,
    "beta1": 0.9,
    "beta2": 0.98,
    "weight_decay": 0.05,
    "warmup_factor": 0.02,
}

_train_step = None


def get_batch_size(workload_name: str) -> int:
    sizes = {
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
    if workload_name not in sizes:
        raise ValueError(f"Unsupported workload name: {workload_name}.")
    return sizes[workload_name]


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del model_state
    del rng
    assert hyperparameters is None, "This submission tunes itself."
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=HPARAMS["learning_rate"],
        warmup_steps=int(HPARAMS["warmup_factor"] * workload.step_hint),
        decay_steps=workload.step_hint,
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(
            schedule,
            b1=HPARAMS["beta1"],
            b2=HPARAMS["beta2"],
            weight_decay=HPARAMS["weight_decay"],
        ),
    )
    return optimizer.init(model_params), optimizer.update


def _make_train_step():
    def train_step(workload, opt_update_fn, opt_state, params, model_state, batch, rng):
        def loss_fn(params):
            logits, new_model_state = workload.model_fn(
                params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True
            )
            losses = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
            return losses["summed"], (losses["n_valid_examples"], new_model_state)

        grad, (n_valid_examples, new_model_state) = jax.grad(loss_fn, has_aux=True)(params)
        grad = jax.tree.map(lambda g: g / n_valid_examples, grad)
        updates, opt_state = opt_update_fn(grad, opt_state, params)
        return opt_state, optax.apply_updates(params, updates), new_model_state

    return jax.jit(train_step, static_argnums=(0, 1), donate_argnums=(2, 3, 4))


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
    global _train_step
    if _train_step is None:
        _train_step = _make_train_step()
    opt_state, opt_update_fn = optimizer_state
    opt_state, params, model_state = _train_step(
        workload, opt_update_fn, opt_state, current_param_container, model_state, batch, rng
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
