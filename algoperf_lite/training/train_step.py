"""The training step of a native submission, and one trial's way through its steps."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf_lite import spec
from algoperf_lite.spec import Array, Batch, ForwardPassMode, PyTree, Workload
from algoperf_lite.submission.native import Submission
from algoperf_lite.training import (
    compilation,
    compiled_steps,
    microbatches,
    selection,
    state_form,
    streams,
)
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.selection import Chosen, Selector


def init_model(workload: Workload, seed: int) -> tuple[PyTree, PyTree]:
    """(params, model_state) of a trial: a function of workload and seed alone."""
    # Not of the submission, so that all submissions start from the same point.
    return model_initializer(workload)(seed)


def model_initializer(workload: Workload) -> Callable[[int], tuple[PyTree, PyTree]]:
    """`init_model` of a workload for any number of seeds, compiled once."""
    init = jax.jit(lambda seed: workload.init_model_fn(streams.key(seed, streams.INIT_STREAM)))
    return lambda seed: init(np.uint32(seed))


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """A trial's computations, as pure functions that trace under jit, vmap and scan.

    Attributes:
      workload, submission: whose model and whose optimizer.
      static: hyperparameters that are no numbers; the numbers come in traced, as `traced`.
      microbatches: equal parts that a batch is cut into, see `training.microbatches`.
      batch_norm: "parts" where its statistics are of each of these, and not of the "batch".
    """

    workload: Workload
    submission: Submission
    static: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    microbatches: int = 1
    batch_norm: str = "batch"

    def init(self, traced: Mapping[str, Array], params: PyTree, model_state: PyTree) -> TrainState:
        """The state before step 1. Raises WrongRule as `Selector.first_state` does."""
        optimizer_state = self._optimizer(traced).init(params)
        step, loss_sum = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32)
        selector = self._selector(traced)
        chooses = () if selector is None else selector.first_state()
        return TrainState(step, params, model_state, optimizer_state, loss_sum, chooses)

    def choose(self, state: TrainState, traced: Mapping[str, Array], seed: Array) -> Chosen | None:
        """The examples of the step after `state`; None where they are those of the data's order,
        as the submission chooses none."""
        selector = self._selector(traced)
        if selector is None:
            return None
        key = streams.selection_key(seed, state.step)
        return selector.choose(state.selection, key, state.step)

    def step(
        self,
        state: TrainState,
        traced: Mapping[str, Array],
        batch: Batch,
        key: Array,
        chosen: Chosen | None = None,
    ) -> TrainState:
        """One training step; `chosen` says how the batch was chosen, if it was.

        Reads the reserved hyperparameters `dropout_rate`, `label_smoothing` and `grad_clip`
        (largest global gradient norm) where the submission declares them. Raises ValueError where
        the batch cannot be cut, see `microbatches.check`.
        """
        return self.observed(state, traced, batch, key, chosen)[0]

    def observed(
        self,
        state: TrainState,
        traced: Mapping[str, Array],
        batch: Batch,
        key: Array,
        chosen: Chosen | None = None,
    ) -> tuple[TrainState, Array, PyTree]:
        """(the state after `step`, the batch's mean loss, its gradient before any clipping)."""
        value_and_grad = self._value_and_grad(
            state.model_state, {**self.static, **traced}, batch, key, chosen and chosen.weights
        )
        (loss, (model_state, losses)), gradient = value_and_grad(state.params)
        grads = gradient
        if "grad_clip" in traced:
            norm = jnp.maximum(optax.tree.norm(grads), 1e-12)
            scale = jnp.minimum(1.0, traced["grad_clip"] / norm)
            grads = jax.tree.map(lambda g: g * scale, grads)
        updates, optimizer_state = self._optimizer(traced).update(
            grads,
            state.optimizer_state,
            state.params,
            value=loss,
            grad=grads,
            # An optimizer that looks at the same batch from elsewhere, as optax.contrib.sam does,
            # may call it.
            grad_fn=lambda params, _: value_and_grad(params)[1],
        )
        # Traced hyperparameters are float32 and raise the type of what they are multiplied with,
        # which matters where a model has parameters of 16 bits; a Python number would not.
        optimizer_state = state_form.in_types_of(state.optimizer_state, optimizer_state)
        params = optax.apply_updates(state.params, updates)
        chooses = state.selection
        if chosen is not None:
            chooses = self._selector(traced).updated(chooses, chosen, losses, state.step)
        after = TrainState(
            state.step + 1, params, model_state, optimizer_state, state.loss_sum + loss, chooses
        )
        return after, loss, gradient

    def evaluated(
        self, state: TrainState, traced: Mapping[str, Array], seed: Array, data: Batch, rows: Array
    ) -> tuple[PyTree, PyTree]:
        """(params, model_state) that the submission wants evaluated.

        Where a model has running statistics, they are gathered anew on the batches of `rows`,
        (steps, batch_size).
        """
        params = self.submission.eval_params(state.optimizer_state, state.params)
        if not jax.tree.leaves(state.model_state):
            return params, state.model_state

        def refreshed(i: Array, model_state: PyTree) -> PyTree:
            batch = compiled_steps.gathered(data, rows[i])
            return self.refreshed(state, traced, seed, batch, i, model_state)[1]

        return params, jax.lax.fori_loop(0, len(rows), refreshed, state.model_state)

    def refreshed(
        self,
        state: TrainState,
        traced: Mapping[str, Array],
        seed: Array,
        batch: Batch,
        i: Array,
        model_state: PyTree,
    ) -> tuple[PyTree, PyTree]:
        """(params, model_state) that the submission wants evaluated, the latter with the statistics
        of one more batch: the `i`-th after the state's step."""
        # Running statistics belong to the parameters that were trained. An average of parameters
        # has statistics of its own (Izmailov et al. 2018).
        params = self.submission.eval_params(state.optimizer_state, state.params)
        key = streams.step_key(seed, state.step + i)
        point = {**self.static, **traced}
        _, (model_state, _) = self._mean_loss(model_state, point, batch, key, None, params)
        return params, model_state

    def learning_rate(self, traced: Mapping[str, Array], step: Array) -> Array | None:
        """The schedule's value in step number `step`, counted from 0; None without a schedule."""
        if self.submission.schedule is None:
            return None
        return self.submission.schedule(self.workload, self._point(traced))(step)

    def programs_over(
        self,
        data: Batch,
        mode: str,
        steps_per_dispatch: int,
        spread: compiled_steps.Parallelize = compiled_steps.single,
        spread_batch: Callable[[PyTree], PyTree] = lambda batch: batch,
    ) -> compiled_steps.CompiledSteps:
        """Its steps, to be compiled; see `compiled_steps.CompiledSteps`. `spread_batch` gives each
        device its part of examples that were chosen."""
        evaluated = None if self.submission.eval_params is None else self.evaluated

        def choose(*arguments: Any) -> Chosen | None:
            return spread_batch(self.choose(*arguments))

        return compiled_steps.CompiledSteps(
            self.step, evaluated, data, mode, steps_per_dispatch, spread, choose
        )

    def _point(self, traced: Mapping[str, Array]) -> Any:
        return spec.hyperparameters({**self.static, **traced} or None)

    def _optimizer(self, traced: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(
            self.submission.transformation(self.workload, self._point(traced))
        )

    def _selector(self, traced: Mapping[str, Array]) -> Selector | None:
        """The submission's rule at a point; None where it chooses no examples."""
        return Selector.of(self.submission, self.workload, self._point(traced))

    def _value_and_grad(
        self,
        model_state: PyTree,
        point: Mapping[str, Any],
        batch: Batch,
        key: Array,
        weights: Array | None,
    ) -> Callable[[PyTree], tuple[tuple[Array, tuple[PyTree, PyTree]], PyTree]]:
        """From parameters to ((mean loss, (model state, losses of the examples)), gradient); no
        losses without `weights` of the examples."""
        if self.microbatches == 1:
            mean_loss = functools.partial(self._mean_loss, model_state, point, batch, key, weights)
            return jax.value_and_grad(mean_loss, has_aux=True)
        augment_key, model_key = jax.random.split(key)
        # Whole: mixup mixes examples that will be in different parts.
        batch = self.workload.augment(batch, augment_key)
        count, size = self.microbatches, spec.num_examples(batch)
        microbatches.check(count, size, model_state, self.workload.name, self.batch_norm)

        def summed_loss(params: PyTree, part: Any, key: Array) -> tuple[Array, Any]:
            examples, weights = part
            loss, state = self._losses(model_state, point, examples, key, params)
            summed, own = selection.weighed(loss, weights)
            return summed, (loss["n_valid_examples"], state, own)

        whole = batch, weights
        return microbatches.value_and_grad(summed_loss, model_state, whole, model_key, count)

    def _mean_loss(
        self,
        model_state: PyTree,
        point: Mapping[str, Any],
        batch: Batch,
        key: Array,
        weights: Array | None,
        params: PyTree,
    ) -> tuple[Array, tuple[PyTree, PyTree]]:
        """(loss, (model state, losses of the examples)) of an augmented batch; XLA folds what
        several calls repeat."""
        augment_key, model_key = jax.random.split(key)
        batch = self.workload.augment(batch, augment_key)
        loss, model_state = self._losses(model_state, point, batch, model_key, params)
        # A batch whose labels are all missing has no mean, and its gradient should be 0, not NaN.
        num_valid = jnp.maximum(loss["n_valid_examples"], 1)
        summed, own = selection.weighed(loss, weights)
        return summed / num_valid, (model_state, selection.of_mean(own, num_valid))

    def _losses(
        self,
        model_state: PyTree,
        point: Mapping[str, Any],
        batch: Batch,
        key: Array,
        params: PyTree,
    ) -> tuple[Mapping[str, Array], PyTree]:
        """(what `loss_fn` gives, model state) of a batch that is augmented."""
        dropout = {"dropout_rate": point["dropout_rate"]} if "dropout_rate" in point else {}
        logits, model_state = self.workload.model_fn(
            params,
            batch,
            model_state,
            ForwardPassMode.TRAIN,
            key,
            update_batch_norm=True,
            **dropout,
        )
        loss = self.workload.loss_fn(
            batch["targets"], logits, batch.get("weights"), point.get("label_smoothing", 0.0)
        )
        return loss, model_state


def compiled_init(
    training: TrainStep,
    traced: Mapping[str, Array],
    params: PyTree,
    model_state: PyTree,
    spread: compiled_steps.Parallelize = compiled_steps.single,
) -> Callable[[Mapping[str, Array], PyTree, PyTree], TrainState]:
    """`TrainStep.init` for such arguments, compiled and executed once."""
    arguments = traced, params, model_state
    init = compilation.compiled(jax.jit(spread(training.init, len(arguments))).lower(*arguments))
    # On the clock is the submission's first state, not the loading of a program to the device.
    jax.block_until_ready(init(*arguments))
    return init


def split_point(point: Mapping[str, Any] | None) -> tuple[dict[str, Array], dict[str, Any]]:
    """A point as (numbers, to be traced; the rest, which stays Python)."""
    traced, static = {}, {}
    for name, value in (point or {}).items():
        # A bool may choose a branch, which a traced one cannot.
        if isinstance(value, int | float) and not isinstance(value, bool):
            traced[name] = np.asarray(value, np.int32 if isinstance(value, int) else np.float32)
        else:
            static[name] = value
    return traced, static
