"""Submissions in native form: a file of a few lines, loaded and checked."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from algoperf_lite import tuning
from algoperf_lite.submission.find import (
    check_schedule_can_be_replaced,
    locate,
    name_of,
    source_sha256,
)
from algoperf_lite.submission.workload_view import WorkloadView

if TYPE_CHECKING:  # reading and drawing points must not load JAX
    from algoperf_lite.schedules.text import NamedSchedule
    from algoperf_lite.spec import PyTree, Workload


@dataclasses.dataclass(frozen=True)
class Submission:
    """A training algorithm in native form; see the README for the shape of its file.

    Attributes:
      name: the file's stem; names the submission in logs and on leaderboards.
      path: the file.
      source: its text, kept in every trial's record.
      optimizer: (workload, hyperparameters) -> optax.GradientTransformation, traceable; where
        there is a `schedule`, it takes that schedule as a third argument.
      schedule: (workload, hyperparameters) -> optax schedule of the learning rate. Where the file
        gives none: `default_schedule` if its optimizer takes a learning rate, else None, for a
        file that keeps its learning rate to itself.
      batch_size: (workload) -> examples per step.
      eval_params: (optimizer_state, params) -> parameters to evaluate, traceable.
      data_selection: (workload, hyperparameters) -> spec.DataSelection, or None for a workload on
        which it does not choose.
      search_space: for external tuning; None if the file gives none.
      self_tuning_point: hyperparameters under self-tuning; None if it needs none.
    """

    name: str
    path: Path
    source: str
    optimizer: Callable[..., Any]
    schedule: Callable[[Workload, Any], Any] | None
    batch_size: Callable[[Workload], int]
    eval_params: Callable[[PyTree, PyTree], PyTree] | None
    search_space: tuning.SearchSpace
    self_tuning_point: Mapping[str, Any] | None
    data_selection: Callable[[Workload, Any], Any] | None = None

    @property
    def sha256(self) -> str:
        """Hash of the file, by which a changed one is noticed."""
        return source_sha256(self.path)

    def transformation(self, workload: Workload, hyperparameters: Any) -> Any:
        """The optax.GradientTransformation at a point, its learning rate on the schedule."""
        if self.schedule is None:
            return self.optimizer(workload, hyperparameters)
        learning_rate = self.schedule(workload, hyperparameters)
        return self.optimizer(workload, hyperparameters, learning_rate)

    def on_schedule(self, named: NamedSchedule, whole: int | None = None) -> Submission:
        """The same with `named` in place of its own schedule.

        The peak is the hyperparameter `learning_rate`; the horizon is the workload's step hint
        times the hyperparameter `horizon`, if there is one. `whole` is the step hint of the whole
        budget, where the workload's is that of a part. What `named` leaves to be searched comes
        into the search space.
        Raises ValueError for a file that keeps its learning rate to itself, and as
        `tuning.with_schedule` does.
        """
        check_schedule_can_be_replaced(self.path)
        space = tuning.with_schedule(self.search_space, named.search_space, self.name)

        # `horizon` reads as 1 where a file has no such hyperparameter; the batch size is the
        # submission's own, since `power` counts the tokens that it really sees.
        def schedule(workload: Workload, hyperparameters: Any) -> Any:
            return named.at(hyperparameters).build(
                num_steps=getattr(hyperparameters, "horizon", 1.0) * workload.step_hint,
                peak=hyperparameters.learning_rate,
                step_hint=workload.step_hint,
                batch_size=self.batch_size(workload),
                tokens_per_step=self.batch_size(workload) * workload.targets_per_example,
                whole=whole,
            )

        return dataclasses.replace(self, schedule=schedule, search_space=space)

    def point(self, ruleset: tuning.Ruleset, experiment_seed: int, study: int, trial: int) -> Any:
        """Hyperparameters of one trial under `ruleset`, None for a hyperparameter-free file.

        Raises ValueError where the file lacks what the ruleset needs.
        """
        if self.search_space is None and self.self_tuning_point is None:
            return None  # nothing to tune, under either ruleset
        if ruleset.name == "self":
            if self.self_tuning_point is None:
                raise ValueError(
                    f"submission {self.name!r} has a search_space but no self_tuning_point, which "
                    "the ruleset 'self' needs; add self_tuning_point = {name: value, ...}"
                )
            return dict(self.self_tuning_point)  # a copy: the file's own must not change
        if self.search_space is None:
            raise ValueError(
                f"submission {self.name!r} has a self_tuning_point but no search_space, which "
                "the ruleset 'external' needs; add one or use --tuning_ruleset=self"
            )
        return tuning.point(self.search_space, ruleset.num_trials, experiment_seed, study, trial)


def default_schedule(workload: Workload, hyperparameters: Any) -> Any:
    """A linear warmup to the peak `learning_rate`, then a cosine to 0: AlgoPerf's baselines'.

    The horizon is the workload's step hint times the hyperparameter `horizon`, if there is one;
    the warmup is `warmup_factor` of it, 5% where there is no such hyperparameter.
    """
    from algoperf_lite.schedules import warmup_cosine  # here, as it loads JAX

    num_steps = getattr(hyperparameters, "horizon", 1.0) * workload.step_hint
    warmup = getattr(hyperparameters, "warmup_factor", 0.05)
    return warmup_cosine(num_steps, hyperparameters.learning_rate, warmup)


def load(name_or_path: str) -> Submission:
    """Runs the file and checks its form.

    Raises ValueError for a file that is no native submission; whatever the file itself raises at
    import comes through unchanged.
    """
    path = locate(name_or_path)
    module = _run_file(path)
    optimizer = getattr(module, "optimizer", None)
    if not callable(optimizer):
        # The likeliest mistake: an AlgoPerf submission whose functions are spread over helpers.
        form = (
            "it looks like AlgoPerf's form (update_params), which has no such function"
            if hasattr(module, "update_params")
            else "see any file in submissions/"
        )
        raise ValueError(
            f"submission {name_of(path)!r} defines no optimizer(workload, hyperparameters); {form}"
        )
    schedule = getattr(module, "schedule", None)
    # An optimizer that asks for a learning rate gets one; with two arguments it has its own.
    if schedule is None and not _takes(optimizer, 2) and _takes(optimizer, 3):
        schedule = default_schedule
    _check_arguments(name_of(path), optimizer, schedule)
    data_selection = getattr(module, "data_selection", None)
    _check_data_selection(name_of(path), data_selection)
    search_space = getattr(module, "search_space", None)
    if search_space is not None:
        tuning.check_search_space(search_space)
    return Submission(
        name=name_of(path),
        path=path,
        source=path.read_text(),
        optimizer=_on_view(optimizer),
        schedule=schedule and _on_view(schedule),
        batch_size=_on_view(getattr(module, "batch_size", lambda workload: workload.batch_size)),
        eval_params=getattr(module, "eval_params", None),
        search_space=search_space,
        self_tuning_point=getattr(module, "self_tuning_point", None),
        data_selection=data_selection and _on_view(data_selection),
    )


def _on_view(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a file, handed the view of a workload in place of the workload."""

    @functools.wraps(function)
    def called(workload: Workload, *arguments: Any) -> Any:
        return function(WorkloadView(workload), *arguments)

    return called


def _check_arguments(name: str, optimizer: Callable, schedule: Callable | None) -> None:
    """Raises ValueError unless `optimizer` takes a learning rate exactly if there is a schedule."""
    wanted = ["workload", "hyperparameters"] + (["learning_rate"] if schedule else [])
    if not _takes(optimizer, len(wanted)):
        why = "because the file defines a schedule" if schedule else "as there is no schedule"
        raise ValueError(
            f"submission {name!r} has optimizer{inspect.signature(optimizer)}; {why}, "
            f"it must take ({', '.join(wanted)})"
        )


def _check_data_selection(name: str, data_selection: Any) -> None:
    """Raises ValueError unless it is a function of two arguments, or there is none."""
    if data_selection is None:
        return
    if not callable(data_selection) or not _takes(data_selection, 2):
        got = inspect.signature(data_selection) if callable(data_selection) else data_selection
        raise ValueError(
            f"submission {name!r} has data_selection {got}; in a file with an optimizer it must "
            "take (workload, hyperparameters) and return a spec.DataSelection or None"
        )


def _takes(function: Callable, num_arguments: int) -> bool:
    """Whether a function can be called with that many arguments by position."""
    try:
        inspect.signature(function).bind(*range(num_arguments))
    except TypeError:
        return False
    return True


def _run_file(path: Path) -> ModuleType:
    # A name of its own keeps a file called "optax.py" from shadowing the real module.
    name = f"algoperf_lite_submission_{name_of(path)}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up by name
    spec.loader.exec_module(module)
    return module
