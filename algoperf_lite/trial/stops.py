"""The steps at which trials are evaluated, and at which their dispatches end. Loads no JAX."""

import itertools
from collections.abc import Iterator

from algoperf_lite.trial.spec import TrialSpec


def horizon(part: float, whole: int) -> int:
    """Steps of a part of the whole budget."""
    return max(1, round(part * whole))


def evaluation_steps(horizon: int, num_evals: int) -> Iterator[int]:
    """1, then every `horizon / num_evals` steps, past the horizon too; strictly increasing."""
    yield 1
    last = 1
    # Each stop is rounded, not the distance, so that the grid stays even on any horizon.
    for index in itertools.count(1):
        step = round(index * horizon / num_evals)
        if step > last:
            last = step
            yield step


def up_to(last: int, horizon: int, num_evals: int) -> list[int]:
    """The evaluation steps that are not beyond `last`."""
    return list(
        itertools.takewhile(lambda stop: stop <= last, evaluation_steps(horizon, num_evals))
    )


def is_quarter(step: int, horizon: int) -> bool:
    """Whether `step` is the first or ends a quarter of the horizon: train and test are measured."""
    return step == 1 or step == round(round(4 * step / horizon) * horizon / 4)


def cuts(spec: TrialSpec, whole: int) -> list[int]:
    """Ascending steps beyond which no dispatch reaches, as trials of other budgets are evaluated
    there; `whole` is the step hint of the whole budget.

    A step in a dispatch of many may round otherwise than one by itself. So trials that do the same
    until one of them cools down end their dispatches in the same places, whether or not one of
    them makes these steps for all.
    """
    lasts = (horizon(part, whole) for part in spec.in_step_with)
    return sorted({stop for last in lasts for stop in up_to(last, last, spec.num_evals)})
