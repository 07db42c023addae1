"""Whether submissions can be populations on their workloads, asked before anything is compiled.

A job of `executors`: it runs the submissions' files and traces them, so it needs JAX.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from algoperf_lite import tuning
from algoperf_lite.executors import job
from algoperf_lite.experiment.config import ExperimentConfig
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.population import config
from algoperf_lite.schedules import text
from algoperf_lite.submission import native
from algoperf_lite.submission.native import Submission

if TYPE_CHECKING:  # the command line must not load JAX
    from algoperf_lite.spec import Workload


def jobs(
    entries: Sequence[Contender], workload_names: Sequence[str], settings: ExperimentConfig
) -> list[job.Job]:
    """Jobs that find a "problem", one sentence, with an entry that cannot be a population or
    replay one; see `run.run`.

    A submission that cannot even be loaded is left to its trial, which will say so.
    """
    payload = {
        "entries": [dataclasses.asdict(entry) for entry in entries if entry.is_tuned],
        "workloads": list(workload_names),
        "scale": settings.scale,
        "slack": settings.ruleset.slack,
        "max_global_steps": settings.max_global_steps,
    }
    if not payload["entries"]:
        return []
    return [job.Job("check of populations", "algoperf_lite.population.preflight", payload)]


def work(payload: Mapping[str, Any], report: Any) -> dict[str, Any]:
    """{"problem": a sentence or None}."""
    import jax

    jax.config.update("jax_platforms", "cpu")  # shapes are traced, nothing is computed
    import workloads

    entries = [Contender.from_json(content) for content in payload["entries"]]
    loaded = [(entry, found) for entry in entries for found in _loaded(entry)]
    try:
        for name in payload["workloads"]:
            workload = workloads.load(name, payload["scale"])
            for entry, found in loaded:
                report(event="beat")
                _check(entry, found, workload, payload["slack"], payload["max_global_steps"])
    except ValueError as error:
        return {"problem": str(error)}
    return {"problem": None}


def _loaded(entry: Contender) -> Iterator[Submission]:
    """The entry's submission, if it can be had."""
    try:
        found = native.load(entry.submission)
    except Exception:  # whatever its file raises, its trial has a status and a record for it
        return
    named = entry.schedule and text.parse(entry.schedule)
    yield found if named is None else found.on_schedule(named)


def _check(
    entry: Contender,
    found: Submission,
    workload: "Workload",
    slack: float,
    max_global_steps: int | None,
) -> None:
    if getattr(entry, "course", None) is not None:
        _check_names(entry, found)
        return
    horizon = entry.horizon(workload.step_hint)
    last_step = entry.last_step(slack, workload.step_hint, max_global_steps)
    config.check_budget(entry.population.for_horizon(horizon), last_step)
    config.check_space(found.search_space, found.name)
    workload = dataclasses.replace(workload, step_hint=horizon)
    config.check_space(found.search_space, found.name, _shaping(workload, found))


def _check_names(entry: Contender, found: Submission) -> None:
    """Raises ValueError unless the course has the submission's hyperparameters."""
    space = found.search_space
    first = space if space is None or isinstance(space, Mapping) else space[0]
    wanted, given = sorted(first or found.self_tuning_point or {}), sorted(entry.course[0][1])
    if wanted != given:
        raise ValueError(
            f"submission {found.name!r} has the hyperparameters {', '.join(wanted) or 'none'} but "
            f"the lineage to replay has {', '.join(given)}; give the submission that evolved it"
        )


def _shaping(workload: "Workload", found: Submission) -> list[str]:
    """Hyperparameters that the optimizer has to know when it is compiled."""
    space = config.uniform(found.search_space)
    point = {name: tuning.value_at(dimension, 0.5) for name, dimension in space.items()}
    if _is_traceable(workload, found, point, point) or not _is_traceable(
        workload, found, point, ()
    ):
        return []  # where it fails with numbers too, its trial will say why
    return [name for name in space if not _is_traceable(workload, found, point, (name,))]


def _is_traceable(
    workload: "Workload", found: Submission, point: Mapping[str, Any], names: Collection[str]
) -> bool:
    """Whether an optimizer's init and update can be compiled while `names` of a point are open."""
    import jax
    import numpy as np
    import optax

    from algoperf_lite import spec
    from algoperf_lite.training import compiled_steps, train_step

    def program(traced: Mapping[str, Any], seed: Any) -> Any:
        params, _ = workload.init_model_fn(compiled_steps.key(seed, compiled_steps.INIT_STREAM))
        hyperparameters = spec.hyperparameters({**point, **traced})
        optimizer = optax.with_extra_args_support(found.transformation(workload, hyperparameters))
        return optimizer.update(
            params,
            optimizer.init(params),
            params,
            value=0.0,
            grad=params,
            grad_fn=lambda params, _: params,
        )

    traced, _ = train_step.split_point({name: point[name] for name in names})
    try:
        jax.eval_shape(program, traced, np.uint32(0))
    except (TypeError, jax.errors.JAXIndexError):  # of which JAX's errors about tracing are kinds
        return False
    except Exception:  # of another kind, so not because something is open
        return True
    return True
