"""The steps of a submission in AlgoPerf's form, called as AlgoPerf's runner calls it."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree, TrainingCompleteError, Workload
from algoperf_lite.submission.algoperf import AlgoPerfSubmission
from algoperf_lite.submission.algoperf_shim import jax_sharding_utils
from algoperf_lite.submission.algoperf_view import AlgoPerfView, InputQueue
from algoperf_lite.training import compiled_steps
from algoperf_lite.training.data_order import Batches
from algoperf_lite.trial.forms import algoperf_state

# Steps whose rows and random keys are made together: one by one, each would be a dispatch of its
# own on the submission's clock.
_KEYS_AT_ONCE = 256
# Step numbers of the warm-up, so that programs for every ten or hundred steps are compiled as well.
# A file that compiles in every step does so on the clock.
_WARM_UP_STEPS = (*range(12), 19, 49, 50, 99, 100)
EvalResults = Sequence[tuple[int, Mapping[str, float]]]


class State(NamedTuple):
    """The state between two steps, in the order in which AlgoPerf's functions return it."""

    optimizer_state: PyTree
    params: PyTree
    model_state: PyTree


@dataclasses.dataclass(frozen=True)
class PmapLayout:
    """How arrays lie on the devices: "jit" or "pmap", see `AlgoPerfSubmission.layout`."""

    name: str

    @property
    def num_devices(self) -> int:
        return len(jax.devices())

    def replicate(self, tree: PyTree) -> PyTree:
        """Parameters or model state as a submission expects them."""
        if self.name == "jit":
            return jax_sharding_utils.replicate(tree)
        stacked = jax.tree.map(lambda x: jnp.stack([x] * self.num_devices), tree)
        return jax_sharding_utils.shard_along_batch_dim(stacked)

    def shape_batch(self, batch: Batch) -> Batch:
        """A global batch, in the devices' parts where they are a leading axis; traceable."""
        if self.name == "jit":
            return batch
        return jax.tree.map(lambda x: x.reshape(self.num_devices, -1, *x.shape[1:]), batch)

    def to_one_device(self, params: PyTree, model_state: PyTree) -> tuple[PyTree, PyTree]:
        """(params, model_state) for evaluation, on the first device."""
        # Devices have equal parameters, but each has gathered statistics of its own examples.
        if self.name == "pmap":
            params = jax.tree.map(lambda x: x[0], params)
            model_state = jax.tree.map(lambda x: jnp.mean(x, axis=0).astype(x.dtype), model_state)
        model_state = {} if model_state is None else model_state
        return jax.device_put((params, model_state), jax.devices()[0])


class InputPipeline:
    """Training batches and random keys: the same as a native submission's with the same seed."""

    def __init__(self, workload: Workload, layout: PmapLayout, batches: Batches, data: Batch):
        self._rows, self._seed = batches.indices, np.uint32(batches.seed)
        self._data = jax_sharding_utils.replicate(dict(data))
        select = functools.partial(_select, workload, layout)
        sharding = jax_sharding_utils.get_batch_dim_sharding()
        self._select = jax.jit(select, out_shardings=sharding)
        self._keys = jax.jit(jax.vmap(_keys, in_axes=(None, 0)))
        self._chunk_of_rows = functools.lru_cache(maxsize=2)(self._make_rows)
        self._chunk_of_keys = functools.lru_cache(maxsize=2)(self._make_keys)

    def batch(self, position: int) -> dict[str, Array]:
        """Batch number `position`, augmented."""
        chunk, row = divmod(position, _KEYS_AT_ONCE)
        rows = self._chunk_of_rows(chunk)
        return self._select(self._data, rows, self._seed, np.int32(position), np.int32(row))

    def keys(self, step: int) -> np.ndarray:
        """Raw keys of a step, uint32 (3, 2): for the update, data selection and evaluation."""
        chunk, row = divmod(step, _KEYS_AT_ONCE)
        return self._chunk_of_keys(chunk)[row]

    def dummy_batch(self) -> dict[str, Array]:
        """Zeros in the form of a batch: nothing can be learnt from it."""
        batch = self.batch(0)
        zeros = jax.tree.map(jnp.zeros_like, batch)
        # Weights of zero would make a loss of 0 / 0, and a submission may well stop at a NaN.
        if "weights" in batch:
            zeros["weights"] = batch["weights"]
        return jax.device_put(zeros, jax.tree.map(lambda x: x.sharding, batch))

    def _make_rows(self, chunk: int) -> Array:
        rows = self._rows(chunk * _KEYS_AT_ONCE, _KEYS_AT_ONCE)
        return jax_sharding_utils.replicate(rows)

    def _make_keys(self, chunk: int) -> np.ndarray:
        steps = np.arange(chunk * _KEYS_AT_ONCE, (chunk + 1) * _KEYS_AT_ONCE, dtype=np.int32)
        return np.asarray(self._keys(self._seed, steps))


class OneByOneStepper:
    """Steps of one trial of a submission in AlgoPerf's form."""

    def __init__(
        self,
        entry: AlgoPerfSubmission,
        view: AlgoPerfView,
        point: Any,
        layout: PmapLayout,
        feed: InputPipeline,
    ):
        """`point` is the hyperparameters' namedtuple, or None."""
        self._entry, self._view, self._point, self._layout = entry, view, point, layout
        self._feed, self._queue = feed, InputQueue(feed.batch)
        self._update, self._select = map(entry.function, ("update_params", "data_selection"))
        self._prepare = entry.function("prepare_for_eval")
        self._types = view.model_params_types
        self._wants_train_state = entry.wants_train_state  # not asked again in every step

    def init(self, params: PyTree, model_state: PyTree, key: Array) -> State:
        """The state before step 1; `params` and `model_state` are on one device."""
        params, model_state = map(self._layout.replicate, (params, model_state))
        init = self._entry.function("init_optimizer_state")
        optimizer_state = init(self._view, params, model_state, self._point, key)
        return State(optimizer_state, params, model_state)

    @property
    def position(self) -> int:
        """The number of batches that the submission has taken."""
        return self._queue.position

    def go_to(self, position: int) -> None:
        """The next batch is this one."""
        self._queue.position = position

    def select(self, state: State, step: int, queue: InputQueue | None = None) -> Batch:
        """The batch of step number `step`, counted from 0, as the submission wants it."""
        return self._select(
            self._view,
            queue or self._queue,
            *state,
            self._point,
            step,
            jnp.asarray(self._feed.keys(step)[1]),
        )

    def step(
        self,
        state: State,
        step: int,
        batch: Batch,
        eval_results: EvalResults,
        train_state: dict[str, Any],
    ) -> State:
        """The state after step number `step`; does not block.

        Raises TrainingCompleteError where the submission ends its training.
        """
        # Read-only: the harness's own account of the trial is not the submission's to change.
        more = {"train_state": MappingProxyType(train_state)} if self._wants_train_state else {}
        optimizer_state, params, model_state = self._update(
            **self._shared(state, step, eval_results, self._feed.keys(step)[0]),
            batch=batch,
            **more,
        )
        return State(optimizer_state, params, model_state)

    def prepare_for_eval(self, state: State, step: int, eval_results: EvalResults) -> State:
        """The state whose parameters are evaluated and from which training goes on."""
        if self._prepare is None:
            return state
        return State(
            *self._prepare(**self._shared(state, step, eval_results, self._feed.keys(step)[2]))
        )

    def evaluated(self, state: State) -> tuple[PyTree, PyTree]:
        """(params, model_state) on one device."""
        return self._layout.to_one_device(state.params, state.model_state)

    def warm_up(
        self, state: State, eval_result: Mapping[str, float], beat: Callable[[], None]
    ) -> None:
        """Steps on a copy of `state`, so that programs are compiled, and forgets them.

        Module-level variables that hold data are put back; those that hold functions stay.
        """
        # Zeros, so that nothing can be learnt off the clock. Functions are compiled programs, for
        # whose sake all this is done.
        batch = self._feed.dummy_batch()
        queue = InputQueue(lambda position: batch)
        state = jax.tree.map(lambda x: x.copy() if isinstance(x, jax.Array) else x, state)
        with (
            algoperf_state.unchanged(self._entry.modules),
            contextlib.suppress(TrainingCompleteError),
        ):
            for number, step in enumerate(_WARM_UP_STEPS):
                # A growing list, since files decide by its length.
                eval_results = [(i, {**eval_result, "global_step": i}) for i in range(number // 2)]
                selected = self.select(state, step, queue)
                state = self.step(state, step, selected, eval_results, blank_train_state())
                if number % 2:
                    state = self.prepare_for_eval(state, step, eval_results)
                jax.block_until_ready(state)
                beat()
        jax.block_until_ready(self._feed.batch(0))

    def _shared(
        self, state: State, step: int, eval_results: EvalResults, key: np.ndarray
    ) -> dict[str, Any]:
        return {
            "workload": self._view,
            "current_param_container": state.params,
            "current_params_types": self._types,
            "model_state": state.model_state,
            "hyperparameters": self._point,
            "loss_type": self._view.loss_type,
            "optimizer_state": state.optimizer_state,
            "eval_results": eval_results,
            "global_step": step,
            "rng": jnp.asarray(key),
        }


def form(tree: PyTree) -> Any:
    """Structure, shapes and types of a tree, in which not every leaf need be an array."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(getattr(x, "shape", None), getattr(x, "dtype", type(x))) for x in leaves]


def compilations() -> int:
    """The number of programs that JAX has lowered in this process since this was first called."""
    return _counter()["lowered"]


@functools.cache
def _counter() -> dict[str, int]:
    counter = {"lowered": 0}

    def listen(event: str, seconds: float, **more: Any) -> None:
        counter["lowered"] += event.endswith("jaxpr_to_mlir_module_duration")

    jax.monitoring.register_event_duration_secs_listener(listen)
    return counter


def _select(
    workload: Workload,
    layout: PmapLayout,
    data: Batch,
    rows: Array,
    seed: Array,
    position: Array,
    row: Array,
) -> Batch:
    batch = jax.tree.map(lambda array: array[rows[row]], data)
    augment_key, _ = jax.random.split(compiled_steps.step_key(seed, position))
    return layout.shape_batch(workload.augment(batch, augment_key))


def _keys(seed: Array, step: Array) -> Array:
    _, key = jax.random.split(compiled_steps.step_key(seed, step))
    keys = key, jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
    return jnp.stack([jax.random.key_data(key) for key in keys])


def blank_train_state() -> dict[str, Any]:
    """AlgoPerf's `train_state` before anything has happened; times in seconds."""
    return {
        "validation_goal_reached": False,
        "test_goal_reached": False,
        "is_time_remaining": True,
        "last_eval_time": 0.0,
        "training_complete": False,
        "accumulated_submission_time": 0.0,
        "accumulated_eval_time": 0.0,
        "accumulated_logging_time": 0.0,
        "last_step_end_time": 0.0,
    }
