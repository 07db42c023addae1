"""What trials of two budgets have in common: the steps before their learning rates part.

Nothing is taken on trust. Learning rates are compared step by step, as the trials compute them, and
the optimizer is traced for both horizons: a submission may use the step hint elsewhere than in its
schedule.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf_lite import spec as contract
from algoperf_lite.spec import Array, PyTree, Workload
from algoperf_lite.training.train_step import TrainStep
from algoperf_lite.trial.spec import TrialSpec
from algoperf_lite.trial.stops import up_to


def stops(
    training: TrainStep,
    traced: Mapping[str, Array],
    workload: Workload,
    spec: TrialSpec,
    params: PyTree,
) -> list[int] | str:
    """The evaluations of a trial up to which it does what a longer one does; a sentence's end where
    there are none.

    Args:
      training, traced, params: of the longer one.
      workload, spec: of the other; the workload's step hint is its horizon.
    """
    other = dataclasses.replace(training, workload=workload)
    if _program(training, traced, params) != _program(other, traced, params):
        return "its optimizer depends on the horizon"
    sizes = {one.submission.batch_size(one.workload) for one in (training, other)}
    if len(sizes) > 1:
        return "its batches depend on the horizon"
    # The last step is always its own, since a trial ends there.
    most = min(workload.step_hint, spec.max_global_steps or workload.step_hint) - 1
    steps = np.arange(max(most, 1), dtype=np.int32)
    rates = [np.asarray(_rates(one, traced, steps)) for one in (training, other)]
    apart = np.flatnonzero(rates[0] != rates[1])
    found = up_to(min([most, *apart[:1].tolist()]), workload.step_hint, spec.num_evals)
    return found or "its learning rates are others from the beginning"


def _rates(training: TrainStep, traced: Mapping[str, Array], steps: np.ndarray) -> Array:
    """The learning rate of each step, counted from 0."""
    return jax.jit(jax.vmap(training.learning_rate, (None, 0)))(dict(traced), steps)


def _program(training: TrainStep, traced: Mapping[str, Array], params: PyTree) -> str:
    """The text of the optimizer's program, its learning rate the peak at every step."""
    flat = dataclasses.replace(
        training.submission, schedule=lambda workload, point: lambda step: point.learning_rate
    )

    def update(traced: Mapping[str, Array], params: PyTree) -> PyTree:
        point = contract.hyperparameters({**training.static, **traced} or None)
        optimizer = optax.with_extra_args_support(flat.transformation(training.workload, point))
        more = {"value": jnp.float32(0.0), "grad": params, "grad_fn": lambda params, _: params}
        return optimizer.update(params, optimizer.init(params), params, **more)

    return jax.jit(update).lower(dict(traced), params).as_text()
