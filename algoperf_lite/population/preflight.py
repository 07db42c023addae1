"""Whether a submission can be a population on a workload, asked before anything is compiled.

It runs the submission's file and traces it, so it needs JAX.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from algoperf_lite import tuning
from algoperf_lite.population import config
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.schedules import text
from algoperf_lite.submission import native
from algoperf_lite.submission.native import Submission

if TYPE_CHECKING:  # the command line must not load JAX
    from algoperf_lite.spec import Workload


def load(path: str, schedule: str | None) -> Submission | None:
    """The submission in a file, on a schedule if one is named; None where the file raises."""
    try:
        found = native.load(path)
    except Exception:  # of any kind: the file is somebody else's
        return None
    return found if schedule is None else found.on_schedule(text.parse(schedule))


def check(
    submission: Submission, rules: PopulationConfig, workload: "Workload", last_step: int
) -> None:
    """Raises ValueError where members could not share one program or would never copy each other.

    Args:
      workload: with the step hint that is the horizon of the trial.
      last_step: where training ends at the latest.
    """
    config.check_budget(rules.for_horizon(workload.step_hint), last_step)
    config.check_space(submission.search_space, submission.name)
    shaping = _shaping(workload, submission)
    config.check_space(submission.search_space, submission.name, shaping)


def _shaping(workload: "Workload", found: Submission) -> list[str]:
    """The hyperparameters that the optimizer has to know when it is compiled, such as a width."""
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
    from algoperf_lite.training import streams, train_step

    def program(traced: Mapping[str, Any], seed: Any) -> Any:
        params, _ = workload.init_model_fn(streams.key(seed, streams.INIT_STREAM))
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
