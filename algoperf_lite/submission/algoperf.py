"""Submissions in AlgoPerf's form: load a file unmodified, and what it sees of a workload.

A file has `get_batch_size`, `init_optimizer_state`, `update_params` and `data_selection`, perhaps
`prepare_for_eval` and `get_eval_batch_size`, and a `tuning_search_space.json` beside it.
Source: AlgoPerf's `spec.py` and `submission_runner.py`, v0.5 to v0.6.
"""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

import workloads
from algoperf_lite import tuning
from algoperf_lite.spec import ForwardPassMode, Workload
from algoperf_lite.submission import find
from algoperf_lite.submission.workload_view import WorkloadView

REQUIRED = ("get_batch_size", "init_optimizer_state", "update_params", "data_selection")
_NAMES_THERE = {"digits": "mnist"}  # what the development workload is like, in AlgoPerf


@dataclasses.dataclass(frozen=True)
class AlgoPerfSubmission:
    """A loaded file.

    Attributes:
      name, path, source: as of `native.Submission`.
      modules: the file's module and those of the helper files beside it.
      layout: "jit" where arrays are global, "pmap" where they have a leading device axis (v0.5).
      search_space: content of tuning_search_space.json; None where there is none.
    """

    name: str
    path: Path
    source: str
    modules: tuple[ModuleType, ...]
    layout: str
    search_space: tuning.SearchSpace

    @property
    def sha256(self) -> str:
        return find.source_sha256(self.path)

    @property
    def wants_train_state(self) -> bool:
        return "train_state" in inspect.signature(self.function("update_params")).parameters

    def function(self, name: str) -> Callable[..., Any] | None:
        """One of the functions a file may define; None where it does not."""
        return getattr(self.modules[0], name, None)

    def point(
        self, ruleset: tuning.Ruleset, experiment_seed: int, study: int, trial: int
    ) -> Mapping[str, Any] | None:
        """Hyperparameters of one trial: None under self-tuning, as in AlgoPerf.

        Raises ValueError, one sentence, where there is no search space for external tuning.
        """
        if ruleset.name == "self":
            return None
        if self.search_space is None:
            raise ValueError(
                f"submission {self.name!r} has no tuning_search_space.json beside it, which the "
                "ruleset 'external' needs; add one or use --tuning_ruleset=self"
            )
        return tuning.point(self.search_space, ruleset.num_trials, experiment_seed, study, trial)


def load(path: Path) -> AlgoPerfSubmission:
    """Runs the file; `algoperf_shim.installed` must be open, now and while it is called.

    Raises ValueError, one sentence, where functions or installed packages are missing; whatever
    the file itself raises comes through unchanged.
    """
    name = find.name_of(path)
    _check_requirements(path.parent / "requirements.txt", name)
    search_space = _search_space(path.parent / "tuning_search_space.json")
    before = set(sys.modules)
    module = _run(path, name)
    missing = [function for function in REQUIRED if not callable(getattr(module, function, None))]
    if missing:
        raise ValueError(
            f"submission {name!r} is in AlgoPerf's form but defines no {', '.join(missing)}"
        )
    helpers = [
        found
        for loaded, found in list(sys.modules.items())
        if loaded not in before and found is not module and _is_beside(found, path)
    ]
    is_pmap = any(_calls_pmap(Path(found.__file__)) for found in (module, *helpers))
    layout = "pmap" if is_pmap else "jit"
    return AlgoPerfSubmission(
        name, path, path.read_text(), (module, *helpers), layout, search_space
    )


@dataclasses.dataclass(frozen=True)
class BatchSize:
    """What a submission said of batch sizes and what came of it; see `batch_size`."""

    used: int
    answer: int | None = None
    asked_as: str | None = None
    reference_there: int | None = None


def batch_size(entry: AlgoPerfSubmission, workload: Workload, num_devices: int) -> BatchSize:
    """Examples per step, a multiple of `num_devices`.

    A file knows AlgoPerf's workloads at full scale, so it is asked by their names, and its answer
    is scaled by the ratio of the two reference batch sizes. Where it knows none of the names, or
    there is no full scale, the reference batch size is used.
    """
    answer, asked_as = _ask(entry.function("get_batch_size"), workload)
    there = _reference_at_full_scale(workload)
    used = workload.batch_size
    if answer is not None and there is not None:
        used = round(answer * workload.batch_size / there)
    used = max(num_devices, used // num_devices * num_devices)
    return BatchSize(used, answer, asked_as, there)


class AlgoPerfView(WorkloadView):
    """A workload as AlgoPerf's files know it; see facts in `algoperf/spec.py`."""

    __slots__ = ("_extra", "metrics_logger")

    def __init__(
        self,
        workload: Workload,
        metrics_logger: Any,
        max_seconds: float | None = None,
        num_evals: int = 40,
    ):
        """`max_seconds` is the budget, in which there are about `num_evals` evaluations. AlgoPerf
        always has one; where the budget is in steps, it reads as a second for each of them."""
        super().__init__(workload)
        object.__setattr__(self, "metrics_logger", metrics_logger)
        max_seconds = float(workload.step_hint) if max_seconds is None else max_seconds
        values = {
            "max_allowed_runtime_sec": max_seconds,
            "eval_period_time_sec": max_seconds / num_evals,
            "validation_target_value": workload.validation_target_value,
            "test_target_value": None,
        }
        object.__setattr__(self, "_extra", MappingProxyType(values))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._extra:
            return self._extra[name]
        return super().__getattr__(name)

    @property
    def num_eval_train_examples(self) -> int:
        return self._workload.num_validation_examples

    def has_reached_validation_target(self, eval_result: Mapping[str, float]) -> bool:
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
        usual = mode == ForwardPassMode.EVAL
        if use_running_average_bn is not None and use_running_average_bn != usual:
            raise ValueError(
                f"use_running_average_bn={use_running_average_bn} in mode {mode.name} is not "
                "supported: running averages are used in evaluation and not in training"
            )
        return self._workload.model_fn(
            params,
            augmented_and_preprocessed_input_batch,
            {} if model_state is None else model_state,
            mode,
            rng,
            update_batch_norm,
            dropout_rate=dropout_rate,
        )


def _ask(get_batch_size: Callable[[str], int], workload: Workload) -> tuple[int | None, str | None]:
    """(answer, the name it was given to); None for both where it knows no name."""
    family = workloads.base_of(workload.name) or workload.name
    for name in dict.fromkeys((workload.name, family, _NAMES_THERE.get(family, family))):
        try:
            return int(get_batch_size(name)), name
        except (ValueError, KeyError):  # how AlgoPerf's files say that they do not know it
            continue
    return None, None


def _reference_at_full_scale(workload: Workload) -> int | None:
    try:
        return workloads.load(workload.name, "full").batch_size
    except ValueError:
        return None


def _search_space(path: Path) -> tuning.SearchSpace:
    if not path.is_file():
        return None
    try:
        space = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no valid JSON: {error}") from None
    tuning.check_search_space(space)
    return space


def _check_requirements(path: Path, name: str) -> None:
    """Raises ValueError where a package that the file asks for is not installed."""
    import importlib.metadata

    from packaging.requirements import InvalidRequirement, Requirement

    if not path.is_file():
        return
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    for line in filter(None, lines):
        try:
            wanted = Requirement(line)
            found = importlib.metadata.version(wanted.name)
        except InvalidRequirement:
            raise ValueError(f"{path} has the line {line!r}, which is no requirement") from None
        except importlib.metadata.PackageNotFoundError:
            found = None
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            raise ValueError(
                f"submission {name!r} requires {line!r} but {found or 'no such package'} is "
                "installed; install it first: nothing is installed for a submission"
            )


def _run(path: Path, name: str) -> ModuleType:
    """The file as a module of a package of its own, so that it can import what is beside it by
    relative names; its folder is on the path for absolute ones."""
    package = ModuleType(f"algoperf_lite_submission_{name}")
    package.__path__ = [str(path.parent)]
    sys.modules[package.__name__] = package
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(f"{package.__name__}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _is_beside(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(path.parent)


def _calls_pmap(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text()))
    return any(getattr(node, "attr", getattr(node, "id", None)) == "pmap" for node in nodes)


def scalar(value: Any) -> float:
    """A metric as a number; one with a device axis is that of the first device."""
    return float(np.asarray(value).reshape(-1)[0])


class InputQueue(Iterator[dict[str, Any]]):
    """What `next` of gives a training batch; the t-th call gives batch t."""

    def __init__(self, batch_number: Callable[[int], dict[str, Any]]):
        self._batch_number, self.position = batch_number, 0

    def __next__(self) -> dict[str, Any]:
        self.position += 1
        return self._batch_number(self.position - 1)
