"""Advance training: the one place that runs training steps on the accelerator.

Three ways with one interface and the same numbers up to rounding: "loop", many steps per dispatch
in a device loop; "single", one jitted step per dispatch; "unrolled", a few steps written out in one
program. Which is fastest depends on machine and model: a loop saves dispatches, but XLA's CPU
backend runs convolutions inside loops 10 to 35 times slower (jax#12868); unrolling saves some of
them and compiles longer. A measurement decides (`hardware.calibrate`); nothing looks at names.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf_lite import spec
from algoperf_lite.spec import Array, Batch, ForwardPassMode, PyTree, Workload
from algoperf_lite.submission import Submission

MODES = ("loop", "single", "unrolled")
UNROLLED_STEPS = 4
REFRESHING_BATCHES = 8  # from which evaluated parameters gather running statistics of their own
_INIT_STREAM, _STEP_STREAM = 0, 1


class TrainState(NamedTuple):
    """Everything a step changes. `loss_sum` adds up training losses since an advance began."""

    step: Array
    params: PyTree
    model_state: PyTree
    optimizer_state: PyTree
    loss_sum: Array


@dataclasses.dataclass(frozen=True)
class Batches:
    """Data order: batch t is a pure function of (seed, t), so resuming needs only t.

    Each epoch is a fresh permutation made on the host; its tail shorter than a batch is dropped.
    Raises ValueError where a batch does not fit the split.
    """

    num_examples: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.num_examples:
            raise ValueError(
                f"batch size {self.batch_size} does not fit a training split of "
                f"{self.num_examples} examples; choose 1 to {self.num_examples}"
            )

    def indices(self, first_step: int, num_steps: int) -> np.ndarray:
        """Rows of the training split for each step: int32 (num_steps, batch_size)."""
        per_epoch = self.num_examples // self.batch_size
        out = np.empty((num_steps, self.batch_size), np.int32)
        done = 0
        while done < num_steps:
            epoch, at = divmod(first_step + done, per_epoch)
            take = min(per_epoch - at, num_steps - done)
            rows = _permutation(self.num_examples, self.seed, epoch)
            rows = rows[at * self.batch_size : (at + take) * self.batch_size]
            out[done : done + take] = rows.reshape(take, self.batch_size)
            done += take
        return out


@functools.lru_cache(maxsize=2)
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
    return rng.permutation(num_examples).astype(np.int32)


def init_model(workload: Workload, seed: int) -> tuple[PyTree, PyTree]:
    """(params, model_state) of a trial: a function of workload and seed alone, so that all
    submissions start from the same point."""
    init = jax.jit(lambda seed: workload.init_model_fn(_key(seed, _INIT_STREAM)))
    return init(np.uint32(seed))


@dataclasses.dataclass(frozen=True)
class Training:
    """What a trial computes, as pure functions that trace under jit, vmap and scan.

    Attributes:
      workload, submission: whose model and whose optimizer.
      static: hyperparameters that are no numbers; the numbers come in traced, as `traced`.
    """

    workload: Workload
    submission: Submission
    static: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def init(self, traced: Mapping[str, Array], params: PyTree, model_state: PyTree) -> TrainState:
        """The state before step 1."""
        optimizer_state = self._optimizer(traced).init(params)
        step, loss_sum = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32)
        return TrainState(step, params, model_state, optimizer_state, loss_sum)

    def step(
        self, state: TrainState, traced: Mapping[str, Array], batch: Batch, key: Array
    ) -> TrainState:
        """One training step.

        Reads the reserved hyperparameters `dropout_rate`, `label_smoothing` and `grad_clip`
        (largest global gradient norm) where the submission declares them.
        """
        mean_loss = functools.partial(
            self._mean_loss, state.model_state, {**self.static, **traced}, batch, key
        )
        value_and_grad = jax.value_and_grad(mean_loss, has_aux=True)
        (loss, model_state), grads = value_and_grad(state.params)
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
            # What looks at the same batch from elsewhere, as optax.contrib.sam does, may call it.
            grad_fn=lambda params, _: value_and_grad(params)[1],
        )
        params = optax.apply_updates(state.params, updates)
        return TrainState(
            state.step + 1, params, model_state, optimizer_state, state.loss_sum + loss
        )

    def evaluated(
        self, state: TrainState, traced: Mapping[str, Array], seed: Array, data: Batch, rows: Array
    ) -> tuple[PyTree, PyTree]:
        """(params, model_state) that the submission wants evaluated.

        Running statistics belong to the parameters that were trained, so where there are any, the
        evaluated ones see the batches of `rows`, (steps, batch_size), and gather their own.
        """
        params = self.submission.eval_params(state.optimizer_state, state.params)
        if not jax.tree.leaves(state.model_state):
            return params, state.model_state

        def refreshed(i: Array, model_state: PyTree) -> PyTree:
            batch, key = _batch(state._replace(step=state.step + i), seed, data, rows[i])
            return self._mean_loss(model_state, {**self.static, **traced}, batch, key, params)[1]

        return params, jax.lax.fori_loop(0, len(rows), refreshed, state.model_state)

    def learning_rate(self, traced: Mapping[str, Array], step: Array) -> Array | None:
        """The schedule's value in step number `step`, counted from 0; None without a schedule."""
        if self.submission.schedule is None:
            return None
        return self.submission.schedule(self.workload, self._point(traced))(step)

    def _point(self, traced: Mapping[str, Array]) -> Any:
        return spec.hyperparameters({**self.static, **traced} or None)

    def _optimizer(self, traced: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(
            self.submission.transformation(self.workload, self._point(traced))
        )

    def _mean_loss(
        self,
        model_state: PyTree,
        point: Mapping[str, Any],
        batch: Batch,
        key: Array,
        params: PyTree,
    ) -> tuple[Array, PyTree]:
        """(loss, model state) of an augmented batch; XLA folds what several calls repeat."""
        augment_key, model_key = jax.random.split(key)
        batch = self.workload.augment(batch, augment_key)
        dropout = {"dropout_rate": point["dropout_rate"]} if "dropout_rate" in point else {}
        logits, model_state = self.workload.model_fn(
            params,
            batch,
            model_state,
            ForwardPassMode.TRAIN,
            model_key,
            update_batch_norm=True,
            **dropout,
        )
        loss = self.workload.loss_fn(
            batch["targets"], logits, batch.get("weights"), point.get("label_smoothing", 0.0)
        )
        return loss["summed"] / jnp.maximum(loss["n_valid_examples"], 1), model_state


def split_point(point: Mapping[str, Any] | None) -> tuple[dict[str, Array], dict[str, Any]]:
    """A point as (numbers, to be traced; the rest, which stays Python)."""
    traced, static = {}, {}
    for name, value in (point or {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            traced[name] = np.asarray(value, np.int32 if isinstance(value, int) else np.float32)
        else:
            static[name] = value
    return traced, static


class NativeStepper:
    """Steps of one trial. `advance` is the interface that every way of stepping shares.

    The data set lies on the device; a dispatch is handed the rows of its batches and gathers them
    inside. State buffers are donated. Each instance compiles one program; "unrolled" needs a
    second one for the steps that are left over.
    """

    def __init__(
        self,
        training: Training,
        traced: Mapping[str, Array],
        data: Batch,
        batches: Batches,
        mode: str,
        steps_per_dispatch: int,
    ):
        """`data` holds the training split on the device; `steps_per_dispatch` >= 1.

        In modes "single" and "unrolled" that many steps have their batches selected at a time.
        """
        if mode not in MODES:
            raise ValueError(f"unknown stepping mode {mode!r}; expected one of {MODES}")
        self._training, self._data, self._batches = training, data, batches
        self._mode, self._chunk = mode, max(1, steps_per_dispatch)
        self._constants = jax.device_put((dict(traced), np.uint32(batches.seed)))
        self._programs: dict[Callable, Callable[..., Any]] = {}

    def compile(self, state: TrainState) -> None:
        """Compiles ahead of time and executes once on a copy of `state`: the first execution of a
        program costs tens of milliseconds that belong to compilation.

        Raises ValueError, one sentence, where a step would change the state's structure or types.
        """
        enough = UNROLLED_STEPS + 1 if self._mode == "unrolled" else 1  # to need every program
        for program, arguments in self._dispatches(0, enough):
            jitted = jax.jit(functools.partial(program, self._training.step), donate_argnums=0)
            _check_same_tree(state, jax.eval_shape(jitted, state, *arguments))
            self._programs[program] = jitted.lower(state, *arguments).compile()
            copy = jax.tree.map(jnp.copy, state)
            jax.block_until_ready(self._programs[program](copy, *arguments))
        evaluated = self._training.evaluated
        if self._training.submission.eval_params is not None:
            arguments = (*self._constants, self._data, self._refreshing_rows(0))
            self._programs[evaluated] = jax.jit(evaluated).lower(state, *arguments).compile()
            jax.block_until_ready(self._programs[evaluated](state, *arguments))

    def advance(
        self,
        state: TrainState,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None] = lambda: None,
    ) -> TrainState:
        """The state after steps `first_step` .. `first_step + num_steps - 1`, counted from 0.

        Consumes `state` and does not block: the caller's clock must. `beat` is called once per
        dispatch, so that a watchdog sees progress.
        """
        assert self._programs, "compile() comes before advance()"
        state = state._replace(loss_sum=np.zeros((), np.float32))
        for start in range(first_step, first_step + num_steps, self._chunk):
            count = min(self._chunk, first_step + num_steps - start)
            for program, arguments in self._dispatches(start, count):
                state = self._programs[program](state, *arguments)
            beat()
        return state

    def prepare_for_eval(self, state: TrainState, step: int) -> tuple[PyTree, PyTree]:
        """(params, model_state) to evaluate after `step` steps; does not block.

        They are the trained ones, at no cost, unless the submission says otherwise.
        """
        if self._training.submission.eval_params is None:
            return state.params, state.model_state
        arguments = (*self._constants, self._data, self._refreshing_rows(step))
        return self._programs[self._training.evaluated](state, *arguments)

    def _refreshing_rows(self, step: int) -> np.ndarray:
        return self._batches.indices(step, REFRESHING_BATCHES)

    def _dispatches(
        self, first_step: int, count: int
    ) -> Iterator[tuple[Callable[..., TrainState], tuple[Any, ...]]]:
        """(program, what it gets beside the state) for each dispatch of `count` steps.

        Rows go in as they are: the transfer of a few kilobytes is part of the call.
        """
        indices = self._batches.indices(first_step, count)
        constants = (*self._constants, self._data)
        if self._mode == "loop":
            rows = np.zeros((self._chunk, self._batches.batch_size), np.int32)
            rows[:count] = indices  # padded to the one shape it is compiled for
            yield _looped_steps, (*constants, rows, np.int32(count))
            return
        unrolled = count - count % UNROLLED_STEPS if self._mode == "unrolled" else 0
        for start in range(0, unrolled, UNROLLED_STEPS):
            yield _unrolled_steps, (*constants, indices[start : start + UNROLLED_STEPS])
        for row in indices[unrolled:]:
            yield _one_step, (*constants, row)


def _one_step(
    step: Callable, state: TrainState, traced: Any, seed: Array, data: Batch, row: Array
) -> TrainState:
    return step(state, traced, *_batch(state, seed, data, row))


def _batch(state: TrainState, seed: Array, data: Batch, row: Array) -> tuple[Batch, Array]:
    """The examples of a step, gathered, and its random key."""
    batch = jax.tree.map(lambda array: array[row], data)
    return batch, jax.random.fold_in(_key(seed, _STEP_STREAM), state.step)


def _looped_steps(step: Callable, state: TrainState, *arguments: Any) -> TrainState:
    *constants, rows, count = arguments
    # A traced bound lets one program serve step 1, full dispatches and the shorter last one.
    return jax.lax.fori_loop(
        0, count, lambda i, state: _one_step(step, state, *constants, rows[i]), state
    )


def _unrolled_steps(step: Callable, state: TrainState, *arguments: Any) -> TrainState:
    *constants, rows = arguments
    for i in range(UNROLLED_STEPS):
        state = _one_step(step, state, *constants, rows[i])
    return state


def _key(seed: Array, stream: int) -> Array:
    return jax.random.fold_in(jax.random.key(seed), stream)


def _check_same_tree(before: PyTree, after: PyTree) -> None:
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise ValueError(
            "a step changes the structure of the training state; the optimizer's update must "
            f"return the tree that its init made: got {jax.tree.structure(after)}, "
            f"expected {jax.tree.structure(before)}"
        )
    leaves = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, old), new in leaves:
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ValueError(
                f"a step changes {jax.tree_util.keystr(path)} from {old.dtype}{list(old.shape)} to "
                f"{new.dtype}{list(new.shape)}; the optimizer's update must keep shapes and types"
            )
