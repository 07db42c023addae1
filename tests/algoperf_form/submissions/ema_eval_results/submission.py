"""Adam whose learning rate looks at the evaluations so far and at the clock: halved at every
plateau of the smoothed validation metric, and falling with the share of the budget spent."""

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import optax
from algoperf import jax_sharding_utils, spec

from .plateau import num_plateaus

PATIENCE = 3
DECAY = 0.5
WARMUP_STEPS = 20

# Adam without a learning rate, which each step brings along.
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.99))


def get_batch_size(workload_name: str) -> int:
    # Return the global batch size.
    if workload_name == "criteo1tb":
        return 262_144
    elif workload_name == "fastmri":
        return 32
    elif workload_name == "imagenet_resnet" or workload_name == "imagenet_vit":
        return 1024
    elif workload_name.startswith("librispeech"):
        return 256
    elif workload_name == "ogbg":
        return 512
    elif workload_name == "wmt":
        return 128
    elif workload_name == "finewebedu_lm":
        return 64
    elif workload_name == "mnist":
        return 16
    raise ValueError(f"Unsupported workload name: {workload_name}.")


def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
) -> spec.OptimizerState:
    del workload, model_state, hyperparameters, rng
    return jax_sharding_utils.replicate(OPTIMIZER.init(model_params)), OPTIMIZER.update


def current_learning_rate(
    workload: spec.Workload,
    hyperparameters: spec.Hyperparameters,
    eval_results: list[tuple[int, Mapping[str, float]]],
    train_state: Mapping[str, Any],
    global_step: int,
) -> float:
    learning_rate = hyperparameters.learning_rate * min(1.0, (global_step + 1) / WARMUP_STEPS)
    metric = workload.target_metric_name
    if eval_results and math.isfinite(eval_results[-1][1]["validation/" + metric]):
        values = [float(results["validation/" + metric]) for _, results in eval_results]
        learning_rate *= 0.5 ** num_plateaus(values, metric, PATIENCE, DECAY)
    spent = train_state["accumulated_submission_time"] / workload.max_allowed_runtime_sec
    return learning_rate * (1.0 - 0.9 * min(1.0, spent))


def summary(
    workload: spec.Workload,
    eval_results: list[tuple[int, Mapping[str, float]]],
    train_state: Mapping[str, Any],
) -> dict[str, float]:
    """All that the runner says about the run so far, as scalars for the log."""
    seen = {
        "accumulated_submission_time": train_state["accumulated_submission_time"],
        "accumulated_eval_time": train_state["accumulated_eval_time"],
        "accumulated_logging_time": train_state["accumulated_logging_time"],
        "since_last_eval": train_state["last_step_end_time"] - train_state["last_eval_time"],
        "validation_goal_reached": float(train_state["validation_goal_reached"]),
        "test_goal_reached": float(train_state["test_goal_reached"]),
        "is_time_remaining": float(train_state["is_time_remaining"]),
        "training_complete": float(train_state["training_complete"]),
    }
    if eval_results:
        eval_step, results = eval_results[-1]
        metric = workload.target_metric_name
        assert results["global_step"] == eval_step
        seen |= {
            f"last_train_{metric}": results["train/" + metric],
            f"last_validation_{metric}": results["validation/" + metric],
            f"last_test_{metric}": results["test/" + metric],
            "last_validation_num_examples": results["validation/num_examples"],
            "last_test_num_examples": results["test/num_examples"],
            "last_score": results["score"],
            "last_total_duration": results["total_duration"],
            "last_submission_time": results["accumulated_submission_time"],
            "last_eval_time": results["accumulated_eval_time"],
            "last_logging_time": results["accumulated_logging_time"],
            "last_preemption_count": results["preemption_count"],
        }
    return seen


@functools.partial(jax.jit, static_argnames=("workload",), donate_argnames=("opt_state", "params"))
def train_step(workload, opt_state, params, model_state, batch, rng, learning_rate):
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
        return loss_dict["summed"] / loss_dict["n_valid_examples"], new_model_state

    (loss, new_model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
    updates = jax.tree.map(lambda u: -learning_rate * u, updates)
    return opt_state, optax.apply_updates(params, updates), new_model_state, loss


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
    train_state: dict[str, Any],
) -> spec.UpdateReturn:
    """Return (updated_optimizer_state, updated_params, updated_model_state)."""
    del current_params_types, loss_type
    if 0 < hyperparameters.stop_after_steps <= global_step:
        raise spec.TrainingCompleteError(f"Stopped by choice after {global_step} steps.")

    opt_state, opt_update_fn = optimizer_state
    learning_rate = current_learning_rate(
        workload, hyperparameters, eval_results, train_state, global_step
    )
    opt_state, params, model_state, loss = train_step(
        workload=workload,
        opt_state=opt_state,
        params=current_param_container,
        model_state=model_state,
        batch=batch,
        rng=rng,
        learning_rate=learning_rate,
    )
    seen = summary(workload, eval_results, train_state)
    if global_step % 10 == 0 and workload.metrics_logger is not None:
        metrics = {"loss": loss, "learning_rate": learning_rate, **seen}
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
