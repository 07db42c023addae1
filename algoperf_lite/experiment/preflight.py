"""Questions to submissions, and to workloads from elsewhere, before anything is calibrated.

`check` and `check_imports` read their files, in the command. `jobs` and `job_for_workloads` run
them, in a process with JAX, where reading is not enough.
"""

import dataclasses
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite import tuning
from algoperf_lite.executors.job import Job
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.machine.numerics import Numerics
from algoperf_lite.storage import cache
from algoperf_lite.submission import algoperf_files, environments, find, missing
from algoperf_lite.trial.config import ExperimentConfig

_LOADING_SECONDS = 120.0  # for all files, of which each takes a second or two
# What a file raises here and would raise anywhere; others may be about a device that only its
# trials have.
_OF_THE_FILE = (ImportError, SyntaxError, NameError, AttributeError, TypeError)


def check(contenders: Sequence[Contender], config: ExperimentConfig) -> None:
    """Raises ValueError, one sentence, for a submission for another framework, or one whose search
    space no points can be drawn from, its schedule's parameters among them."""
    # The members of a population draw their points themselves, from a space that `jobs` look at.
    tuned = {Path(one.submission) for one in contenders if one.population is None}
    for path in _paths(contenders):
        missing.check_framework(path)
        _check_search_space(path, config.ruleset, draws_points=path in tuned)
    for one in contenders:
        _check_searched(one, config.ruleset)


def check_imports(contenders: Sequence[Contender], config: ExperimentConfig) -> None:
    """Raises ValueError, one sentence, for a submission with an import that will fail.

    Environments of their own must have been built: what is in them counts.
    """
    for path in _paths(contenders):
        is_isolated = config.requirements == "isolated"
        missing.check(path, environments.packages(path) if is_isolated else ())


def jobs(
    contenders: Sequence[Contender], workload_names: Sequence[str], config: ExperimentConfig
) -> list[Job]:
    """Jobs that find a "problem", a sentence, with a contender that cannot be loaded, that cannot
    be a population, or whose batches cannot be cut; see `experiment.run.run`."""
    cuts = (config.microbatches or 1) > 1
    traced = [dataclasses.asdict(one) for one in contenders if cuts or one.population is not None]
    # A process with JAX takes seconds, which other experiments need not wait for. Native files are
    # read to the end by the command, as they import little.
    files: dict[Path | None, list[str]] = {None: []} if traced else {}
    for path in filter(find.steps_in_python, _paths(contenders)):
        python = environments.python(path) if config.requirements == "isolated" else None
        files.setdefault(python, []).append(str(path))
    shared = {
        "workloads": list(workload_names),
        "scale": config.scale,
        "dtype": config.numerics.dtype,
        "slack": config.ruleset.slack,
        "max_global_steps": config.max_global_steps,
        "microbatches": config.microbatches or 1,
        "batch_norm": config.batch_norm,
    }
    return [
        Job(
            f"check of submissions {number}",
            "algoperf_lite.experiment.preflight",
            {**shared, "foreign": paths, "contenders": [] if python else traced},
            # A file that hangs must not hold up calibrations for long; its trial will be ended.
            time_limit=_LOADING_SECONDS if paths else None,
            python=python,
            # As of the calibrations that run beside, and so from the same template.
            cache=cache.subfolder("compiled"),
            numerics=config.numerics,
            preload=tuple(workload_names),
        )
        for number, (python, paths) in enumerate(files.items())
    ]


def job_for_workloads(
    workload_names: Sequence[str], scale: str, numerics: Numerics, needs: str = ""
) -> Job | None:
    """A job that finds a "problem", a sentence, with a workload from elsewhere; None without one.

    Args:
      needs: a field that each workload must have; empty for none.
    """
    # Their files may do anything when they are imported, such as taking an accelerator from the
    # trials, so the command itself does not.
    outside = list(filter(workloads.is_outside, workload_names))
    asked = {"outside": outside, "scale": scale, "dtype": numerics.dtype, "needs": needs}
    payload = {**asked, "foreign": [], "contenders": [], "workloads": []}
    return Job("check of workloads", __name__, payload) if outside else None


preload = workloads.preload


def work(payload: Mapping[str, Any], report: Any) -> dict[str, Any]:
    """{"problem": a sentence or None}."""
    import jax

    jax.config.update("jax_platforms", "cpu")  # shapes are traced, nothing is computed
    for name in payload.get("outside", ()):
        report(event="beat")
        problem = _problem_of_workload(name, payload)
        if problem:
            return {"problem": problem}
    for path in map(Path, payload["foreign"]):
        report(event="beat")
        problem = _problem_of_loading(path)
        if problem:
            return {"problem": problem}
    try:
        _check_on_workloads(payload, report)
    except ValueError as error:
        return {"problem": str(error)}
    return {"problem": None}


def _paths(contenders: Sequence[Contender]) -> list[Path]:
    return list(dict.fromkeys(Path(one.submission) for one in contenders))


def _check_search_space(path: Path, ruleset: tuning.Ruleset, draws_points: bool) -> None:
    is_external, name = draws_points and ruleset.name == "external", find.name_of(path)
    if find.steps_in_python(path):
        space = algoperf_files.search_space(find.companion(path, find.SEARCH_SPACE))
        if space is None and is_external:
            raise ValueError(algoperf_files.without_search_space(name))
    else:
        space = find.literal(path, "search_space")
    try:
        if space is not None:
            tuning.check_search_space(space)
        # A list of points may be too short; a space has any number of them.
        if is_external and isinstance(space, Sequence):
            tuning.point(space, ruleset.num_trials, 0, 0, ruleset.num_trials)
    except ValueError as error:
        raise ValueError(f"submission {name!r}: {error}") from None


def _check_searched(contender: Contender, ruleset: tuning.Ruleset) -> None:
    """Raises ValueError where a schedule has parameters to be searched and nobody searches."""
    path, added = Path(contender.submission), contender.searched
    if added and contender.population is None and ruleset.name == "self":
        raise ValueError(
            f"--schedules={contender.schedule} leaves a parameter to be searched, but under "
            "--tuning_ruleset=self there is one point and no search; give it a number, or use "
            "--tuning_ruleset=external or --population"
        )
    # What a file computes is not found by reading it; its trials will say so.
    space = find.literal(path, "search_space")
    if space is not None:
        tuning.with_schedule(space, added, find.name_of(path))


def _problem_of_workload(name: str, payload: Mapping[str, Any]) -> str | None:
    """What is wrong with a workload from elsewhere once its file is imported; None for nothing."""
    from algoperf_lite.spec import Workload  # loads JAX

    try:
        found = workloads.load(name, payload["scale"], payload["dtype"])
    except ValueError as error:
        return str(error)
    except TypeError as error:  # of a dataclass that lacks what a variant changes
        return f"workload {name!r} cannot be made ({error}); mend its SCALES and VARIANTS"
    if not isinstance(found, Workload):
        kind = type(found).__name__
        return f"workload {name!r} is a {kind}; derive its class from algoperf_lite.spec.Workload"
    if not hasattr(found, payload["needs"] or "name"):
        return (
            f"workload {name!r} has no {payload['needs']}, which is for classes derived from "
            "workloads.linen.LinenWorkload; use --stages=targets"
        )
    return None


def _problem_of_loading(path: Path) -> str | None:
    """What is wrong with a file in AlgoPerf's form once it is imported; None for nothing."""
    from algoperf_lite.submission import algoperf, algoperf_shim

    submission = f"submission {find.name_of(path)!r}"
    try:
        with algoperf_shim.installed(path):
            algoperf.load(path)
    except _OF_THE_FILE as error:
        what = f"{type(error).__name__}: {error}{_place(error, path)}"
        return f"{submission} cannot be imported ({what}); mend the file"
    except Exception as error:
        # Sentences of our own come through; of anything else its trial will make a record.
        return str(error) if str(error).startswith(submission) else None
    return None


def _place(error: Exception, path: Path) -> str:
    """ ", file.py line 3" of the submission's last line that an error came through; "" for none."""
    lines = traceback.extract_tb(error.__traceback__)
    own = [line for line in lines if Path(line.filename).is_relative_to(find.folder_of(path))]
    return f", {Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""


def _check_on_workloads(payload: Mapping[str, Any], report: Any) -> None:
    """Raises ValueError for a contender that cannot be a population, or cut its batches."""
    from algoperf_lite.population import preflight

    contenders = map(Contender.from_json, payload["contenders"])
    pairs = [(one, preflight.load(one.submission, one.schedule)) for one in contenders]
    for name in payload["workloads"] if pairs else ():
        workload = workloads.load(name, payload["scale"], payload["dtype"])
        for contender, submission in pairs:
            report(event="beat")
            if submission is None:
                continue  # its trial will say so, with a status and a record
            _check_cut(submission, workload, payload["microbatches"], payload["batch_norm"])
            if contender.population is None:
                continue
            hint = workload.step_hint
            last_step = contender.last_step(payload["slack"], hint, payload["max_global_steps"])
            on_horizon = dataclasses.replace(workload, step_hint=contender.horizon(hint))
            preflight.check(submission, contender.population, on_horizon, last_step)


def _check_cut(submission: Any, workload: Any, count: int, batch_norm: str) -> None:
    """Raises ValueError where a submission's batches on a workload cannot be cut into `count`."""
    import jax

    from algoperf_lite.training import microbatches

    # Nothing is computed, and most runs do not ask.
    _, model_state = jax.eval_shape(workload.init_model_fn, jax.random.key(0))
    size = submission.batch_size(workload)
    microbatches.check(count, size, model_state, workload.name, batch_norm)
