"""The harness as AlgoPerf's files see it: a workload, training batches, metrics."""

import enum
import functools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from algoperf_lite.spec import ForwardPassMode, Workload
from algoperf_lite.submission.workload_view import WorkloadView


class AlgoPerfView(WorkloadView):
    """A workload as AlgoPerf's files know it: the attributes of `algoperf/spec.py` that are left.

    Evaluation and data are not among them.
    """

    __slots__ = ("_extra", "metrics_logger")

    def __init__(
        self,
        workload: Workload,
        metrics_logger: Any,
        max_seconds: float | None = None,
        num_evals: int = 40,
    ):
        """Wraps `workload`.

        Args:
          metrics_logger: has AlgoPerf's `append_scalar_metrics`; None for no logging.
          max_seconds: the budget; None where it is in steps.
          num_evals: evaluations in it, about.
        """
        super().__init__(workload)
        object.__setattr__(self, "metrics_logger", metrics_logger)
        # AlgoPerf always has a budget in seconds, and schedules are made from it; a second for
        # each step keeps them in proportion.
        max_seconds = float(workload.step_hint) if max_seconds is None else max_seconds
        values = {
            "max_allowed_runtime_sec": max_seconds,
            "eval_period_time_sec": max_seconds / num_evals,
            "validation_target_value": workload.validation_target_value,
            "test_target_value": None,
        }
        object.__setattr__(self, "_extra", MappingProxyType(values))

    def __getattr__(self, name: str) -> Any:
        # `_extra` itself comes through here while a copy is made of a view, before it has any.
        if not name.startswith("_") and name in self._extra:
            return self._extra[name]
        return super().__getattr__(name)

    @property
    def num_eval_train_examples(self) -> int:
        """Training examples that are evaluated: as many as there are in validation."""
        return self._workload.num_validation_examples

    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
        """Whether an evaluation that the submission was told of meets the target."""
        return self._workload.has_reached_validation_target(eval_result)

    def has_reached_test_target(self, eval_result: Mapping[str, float]) -> bool:
        """Our benchmarks have no test targets."""
        del eval_result
        return False

    def model_fn(
        self,
        params: Any,
        augmented_and_preprocessed_input_batch: Any,
        model_state: Any,
        mode: ForwardPassMode,
        rng: Any,
        update_batch_norm: bool,
        use_running_average_bn: bool | None = None,
        dropout_rate: Any = None,
    ) -> tuple[Any, Any]:
        """Logits and the new model state, with AlgoPerf's arguments in AlgoPerf's order."""
        # Some files pass the argument with the value it would have anyway.
        usual = mode == ForwardPassMode.EVAL
        if use_running_average_bn is not None and use_running_average_bn != usual:
            raise ValueError(
                f"use_running_average_bn={use_running_average_bn} in mode {mode.name} is not "
                "supported: running averages are used in evaluation and not in training"
            )
        return _called(
            self._workload.model_fn,
            params=params,
            augmented_and_preprocessed_input_batch=augmented_and_preprocessed_input_batch,
            model_state={} if model_state is None else model_state,  # as some files hand it on
            mode=mode,
            rng=rng,
            update_batch_norm=update_batch_norm,
            dropout_rate=dropout_rate,
        )

    def loss_fn(
        self,
        label_batch: Any,
        logits_batch: Any,
        mask_batch: Any = None,
        label_smoothing: Any = 0.0,
    ) -> dict[str, Any]:
        """{'summed', 'n_valid_examples', 'per_example'}, with AlgoPerf's arguments in its order."""
        return _called(
            self._workload.loss_fn,
            label_batch=label_batch,
            logits_batch=logits_batch,
            mask_batch=mask_batch,
            label_smoothing=label_smoothing,
        )


def _called(function: Callable[..., Any], **arguments: Any) -> Any:
    """What a function of a workload returns, as one compiled program.

    Some files call it outside of any `jax.jit`: to gather statistics of batch norm at averaged
    parameters, say. Hundreds of operations would then be dispatched one by one. Where a file
    compiles around the call, it becomes a part of the file's program, as if it were not there.
    """
    constants = {name: value for name, value in arguments.items() if _is_constant(value)}
    arrays = {name: value for name, value in arguments.items() if name not in constants}
    return _compiled(function, tuple(constants.items()), arrays)


def _is_constant(value: Any) -> bool:
    """Whether a program is compiled for this value alone: switches, and a number that is 0."""
    # A rate of 0 leaves no dropout in the program. Other rates may change with every step.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value == 0
    return isinstance(value, (bool, enum.Enum, type(None)))


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _compiled(
    function: Callable[..., Any], constants: tuple[tuple[str, Any], ...], arrays: dict[str, Any]
) -> Any:
    return function(**dict(constants), **arrays)


def scalar(value: Any) -> float:
    """A metric as a number; one with a device axis is that of the first device."""
    return float(np.asarray(value).reshape(-1)[0])


class InputQueue(Iterator[dict[str, Any]]):
    """Training batches one after another: the t-th `next`, counted from 0, gives batch t.

    `position` is the number of batches taken; setting it is how an interrupted trial goes on.
    """

    def __init__(self, batch_number: Callable[[int], dict[str, Any]]):
        """`batch_number` gives batch t of the trial's data order."""
        self._batch_number, self.position = batch_number, 0

    def __next__(self) -> dict[str, Any]:
        # A submission may take several batches in a step, or none.
        self.position += 1
        return self._batch_number(self.position - 1)
