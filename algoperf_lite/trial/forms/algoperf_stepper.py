"""The steps of a submission in AlgoPerf's form, called as AlgoPerf's runner calls it."""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.spec import Array, Batch, PyTree, TrainingCompleteError
from algoperf_lite.submission.algoperf import AlgoPerfSubmission
from algoperf_lite.submission.algoperf_view import AlgoPerfView, InputQueue
from algoperf_lite.trial.forms import algoperf_state
from algoperf_lite.trial.forms.algoperf_pipeline import InputPipeline, PmapLayout

# Step numbers of the warm-up, so that programs for every ten or hundred steps are compiled as well.
# A file that compiles in every step does so on the clock.
_WARM_UP_STEPS = (*range(12), 19, 49, 50, 99, 100)
EvalResults = Sequence[tuple[int, Mapping[str, float]]]


class State(NamedTuple):
    """The state between two steps, in the order in which AlgoPerf's functions return it."""

    optimizer_state: PyTree
    params: PyTree
    model_state: PyTree


class OneByOneStepper:
    """Steps of one trial of a submission in AlgoPerf's form."""

    def __init__(
        self,
        entry: AlgoPerfSubmission,
        view: AlgoPerfView,
        point: Any,
        layout: PmapLayout,
        pipeline: InputPipeline,
    ):
        """`point` is the hyperparameters' namedtuple, or None."""
        self._entry, self._view, self._point, self._layout = entry, view, point, layout
        self._pipeline, self._queue = pipeline, InputQueue(pipeline.batch)
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
            jnp.asarray(self._pipeline.keys(step)[1]),
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
            **self._shared(state, step, eval_results, self._pipeline.keys(step)[0]),
            batch=batch,
            **more,
        )
        return State(optimizer_state, params, model_state)

    def prepare_for_eval(self, state: State, step: int, eval_results: EvalResults) -> State:
        """The state whose parameters are evaluated and from which training goes on."""
        if self._prepare is None:
            return state
        return State(
            *self._prepare(**self._shared(state, step, eval_results, self._pipeline.keys(step)[2]))
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
        batch = self._pipeline.dummy_batch()
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
        jax.block_until_ready(self._pipeline.batch(0))

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
