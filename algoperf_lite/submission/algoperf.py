"""Submissions in AlgoPerf's form, unmodified: loaded, drawn a point for, asked for a batch size.

A file has `get_batch_size`, `init_optimizer_state`, `update_params` and `data_selection`, perhaps
`prepare_for_eval` and `get_eval_batch_size`, and a `tuning_search_space.json` beside it or one
folder up.
Source: AlgoPerf's `spec.py` and `submission_runner.py`, v0.5 to v0.6.
"""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import workloads
from algoperf_lite import tuning
from algoperf_lite.spec import Workload
from algoperf_lite.submission import algoperf_files, find

REQUIRED = ("get_batch_size", "init_optimizer_state", "update_params", "data_selection")
_NAMES_THERE = {"digits": "mnist"}  # AlgoPerf's development workload, which files know


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
        """Hash of the file, or of the folder that the submission is."""
        return find.source_sha256(self.path)

    @property
    def wants_train_state(self) -> bool:
        """Whether `update_params` takes the argument that AlgoPerf added in v0.6."""
        return "train_state" in inspect.signature(self.function("update_params")).parameters

    def function(self, name: str) -> Callable[..., Any] | None:
        """One of the functions a file may define; None where it does not."""
        return getattr(self.modules[0], name, None)

    def point(
        self, ruleset: tuning.Ruleset, experiment_seed: int, study: int, trial: int
    ) -> Mapping[str, Any] | None:
        """Hyperparameters of one trial: None under self-tuning, as in AlgoPerf.

        Raises ValueError where there is no search space for external tuning.
        """
        if ruleset.name == "self":
            return None  # AlgoPerf hands over no point then: the file has its own
        if self.search_space is None:
            raise ValueError(algoperf_files.without_search_space(self.name))
        return tuning.point(self.search_space, ruleset.num_trials, experiment_seed, study, trial)


def load(path: Path) -> AlgoPerfSubmission:
    """Runs the file; `algoperf_shim.installed` must be open, now and while it is called.

    What it requires is the command's business, see `environments.prepare`. Raises ValueError where
    functions are missing; whatever the file itself
    raises comes through unchanged.
    """
    name = find.name_of(path)
    search_space = algoperf_files.search_space(find.companion(path, find.SEARCH_SPACE))
    # Helpers are told from libraries by being loaded now and lying beside the file. A copy of the
    # list below, since a lazy module may load another while it is looked at.
    before = set(sys.modules)
    module = algoperf_files.run(path, name)
    missing = [function for function in REQUIRED if not callable(getattr(module, function, None))]
    if missing:
        raise ValueError(
            f"submission {name!r} is in AlgoPerf's form but defines no {', '.join(missing)}"
        )
    helpers = [
        found
        for loaded, found in list(sys.modules.items())
        if loaded not in before and found is not module and algoperf_files.is_beside(found, path)
    ]
    # Files of v0.5 expect every array with a leading device axis; that they call pmap shows them.
    is_pmap = any(algoperf_files.calls_pmap(Path(found.__file__)) for found in (module, *helpers))
    layout = "pmap" if is_pmap else "jit"
    return AlgoPerfSubmission(
        name, path, path.read_text(), (module, *helpers), layout, search_space
    )


@dataclasses.dataclass(frozen=True)
class BatchSize:
    """A submission's batch size, and how it came about; see `batch_size`.

    Attributes:
      used: examples per step.
      answer: what the file said; None where it knew none of the names.
      asked_as: the name that it answered to.
      reference_there: the reference's batch size at full scale; None where there is no such scale.
    """

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
    # Half the reference's batch there is half the reference's batch here.
    if answer is not None and there is not None:
        used = round(answer * workload.batch_size / there)
    used = max(num_devices, used // num_devices * num_devices)
    return BatchSize(used, answer, asked_as, there)


def _ask(get_batch_size: Callable[[str], int], workload: Workload) -> tuple[int | None, str | None]:
    """(answer, the name it was given to); None for both where it knows no name."""
    family = workloads.base_of(workload.name) or workload.name
    for name in dict.fromkeys((workload.name, family, _NAMES_THERE.get(family, family))):
        try:
            return int(get_batch_size(name)), name
        except (ValueError, KeyError):  # AlgoPerf's files answer an unknown name so
            continue
    return None, None


def _reference_at_full_scale(workload: Workload) -> int | None:
    # A workload without a full scale, such as one of the user's own, is taken as it is.
    try:
        return workloads.load(workload.name, "full").batch_size
    except ValueError:
        return None
