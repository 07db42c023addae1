"""A submission's view of a workload: enough to train, nothing to cheat with, all of it frozen.

The workload itself, with its data and its metrics, stays with the harness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # reading a submission's file must not load JAX
    from algoperf_lite.spec import Workload

# Enough to train any model; the workload's name, data, metrics and target are not among them.
SEEN = (
    "batch_size",
    "eval_batch_size",
    "groups",
    "init_model_fn",
    "is_output_params",
    "learning_rate_multipliers",
    "loss_fn",
    "loss_type",
    "lower_is_better",
    "model_fn",
    "model_params_types",
    "num_params",
    "num_test_examples",
    "num_train_examples",
    "num_validation_examples",
    "param_shapes",
    "scale",
    "step_hint",
    "target_metric_name",
    "targets_per_example",
)


class WorkloadView:
    """The part of a workload named in `SEEN`. Equal views are of equal workloads."""

    __slots__ = ("_workload",)

    def __init__(self, workload: Workload):
        # Past this class's own `__setattr__`, which refuses everything.
        object.__setattr__(self, "_workload", workload)

    def __getattr__(self, name: str) -> Any:
        if name in SEEN:
            return getattr(self._workload, name)
        if name.startswith("_"):  # Python itself asks for these, as when it copies
            raise AttributeError(name)
        raise AttributeError(
            f"a submission sees no {name!r} of a workload: names, data, metrics and targets are "
            f"the harness's; it sees {', '.join(SEEN)}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        del value
        raise AttributeError(f"{name!r} cannot be set: a submission cannot change its workload")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._workload == other._workload

    # Hashed by the workload, since a submission may cache compiled functions by its argument.
    def __hash__(self) -> int:
        return hash(self._workload)
