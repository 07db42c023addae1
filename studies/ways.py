"""Ways to spend the same steps of training on a search, and what each finds.

Successive halving is Jamieson & Talwalkar's (2016, arXiv:1502.07943); populations are those of
`algoperf_lite.population`.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.population import evolution
from algoperf_lite.population.config import PopulationConfig, ready_steps, uniform
from algoperf_lite.population.stepper import Population, PopulationStepper, stacked_points
from algoperf_lite.schedules import text
from algoperf_lite.spec import LOWER_IS_BETTER, Workload
from algoperf_lite.submission import native
from algoperf_lite.training import train_step
from algoperf_lite.training.evaluation import Evaluator
from algoperf_lite.trial import setup
from studies import grid

RUNGS = (0.125, 0.25, 0.5)  # parts of a run after which successive halving keeps the better half
NUM_LOOKS = 20  # at validation in the course of a run, for all ways alike


class Way(NamedTuple):
    """A way to spend the steps.

    Attributes:
      points: "own" for the submission's own point, "searched" for points of its space.
      rule: "none" where all train to the end, "halving", or "pbt".
    """

    name: str
    schedule: str
    points: str
    rule: str


WAYS = (
    Way("own point, M seeds", "cosine", "own", "none"),
    Way("random search", "cosine", "searched", "none"),
    Way("random search, constant rate", "constant", "searched", "none"),
    Way("successive halving", "cosine", "searched", "halving"),
    Way("population, constant rate", "constant", "searched", "pbt"),
    Way("population", "cosine", "searched", "pbt"),
)


@dataclasses.dataclass(frozen=True)
class Course:
    """What one way found.

    Attributes:
      validation, test: the metric of the model that it ends with; None where all diverged.
      steps_to_target: of all members together, until one of them met the target; None for never.
      steps: of all members together.
    """

    validation: float | None
    test: float | None
    steps_to_target: int | None
    steps: int


class Search:
    """One way on one workload with one seed."""

    def __init__(self, workload: Workload, payload: Mapping[str, Any], beat: Callable[[], None]):
        self._workload, self._payload, self._beat = workload, payload, beat
        self._way = Way(*payload["way"])
        self._entry = native.load(payload["submission"])
        self._sign = 1.0 if workload.target_metric_name in LOWER_IS_BETTER else -1.0
        interval = max(1, workload.step_hint // NUM_LOOKS)
        self.rules = PopulationConfig(self._size(payload["members"]), interval)
        self._evaluate = Evaluator(workload)
        self.training_seconds = 0.0  # of steps and evaluations, once there is a course

    def course(self) -> Course:
        """Trains from beginning to end."""
        lineage = [self.initial()]
        stepper, members = self._stepper(lineage[0].points)
        started = time.monotonic()
        active, spent, step, arrived = [True] * self.rules.size, 0, 0, None
        for stop in self.looks():
            members = stepper.advance(members, step, stop - step, self._beat, active)
            spent += (stop - step) * sum(active)
            step = stop
            fitness = self._fitness(stepper, members, step, active)
            if arrived is None and self._is_there(fitness):
                arrived = spent
            if step == self._workload.step_hint:
                break
            if self._way.rule == "pbt":
                seed = self._payload["seed"]
                lineage.append(
                    evolution.generation(lineage, step, fitness, self._space(), self.rules, seed)
                )
                members = stepper.select(members, lineage[-1].parents)
                members = stepper.with_hyperparameters(members, stacked_points(lineage[-1].points))
            elif self._way.rule == "halving":
                active = self.halved(active, fitness, step)
        found = self._found(stepper, members, fitness, arrived, spent)
        self.training_seconds = time.monotonic() - started
        return found

    def looks(self) -> tuple[int, ...]:
        """Steps after which members are measured, the last one included."""
        horizon = self._workload.step_hint
        return (*ready_steps(self.rules, horizon), horizon)

    def _size(self, whole_runs: int) -> int:
        """Members to begin with, so that all together take the steps of so many whole runs."""
        if self._way.rule != "halving":
            return whole_runs
        parts = np.diff([0.0, *RUNGS, 1.0])
        cost = sum(part / 2**rung for rung, part in enumerate(parts))
        return max(2, int(whole_runs / cost))

    def initial(self) -> evolution.Generation:
        """The members' points before any training."""
        own = self._entry.self_tuning_point | {"horizon": 1.0}  # the budget is all there is
        start = evolution.initial(self._space(), self.rules, self._payload["seed"])
        searched = start.points if self._way.points == "searched" else ({},) * self.rules.size
        return dataclasses.replace(start, points=tuple({**own, **point} for point in searched))

    def _space(self) -> Mapping[str, Any]:
        space = {n: d for n, d in self._entry.search_space.items() if n != "horizon"}
        return uniform(space)

    def _stepper(self, points: Sequence[Mapping[str, Any]]) -> tuple[PopulationStepper, Population]:
        seed = self._payload["seed"]
        # Members of one trial differ in their order of data and in their luck, as trials do.
        seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(len(points))]
        model = train_step.model_initializer(self._workload)
        initial = {s: model(s) for s in seeds}
        entry = self._entry.on_schedule(text.parse(self._way.schedule))
        members = list(zip(points, seeds, strict=True))
        stepper, population = grid.population_of(
            self._workload, entry, members, initial, self._payload
        )
        stepper.compile(population)
        self._evaluate.compile(*initial[seeds[0]])
        self._finite = setup.finiteness(initial[seeds[0]][0])
        self._beat()
        return stepper, population

    def _fitness(
        self, stepper: PopulationStepper, members: Population, step: int, active: Sequence[bool]
    ) -> list[float | None]:
        """Losses on validation, lower being better; None of a member that diverged or stopped."""
        evaluated = stepper.prepare_for_eval(members, step, active)
        found: list[float | None] = []
        for i, is_active in enumerate(active):
            value = None
            if is_active and self._finite(stepper.member(members, i).state.params):
                value = self._sign * self._metric(stepper.member(evaluated, i), "validation")
            found.append(value if value is not None and math.isfinite(value) else None)
            self._beat()
        return found

    def _metric(self, evaluated: Any, split: str) -> float:
        name = f"{split}/{self._workload.target_metric_name}"
        return float(self._evaluate(*evaluated, split)[name])

    def _is_there(self, fitness: Sequence[float | None]) -> bool:
        goal = self._sign * self._payload["target"]
        return any(value is not None and value <= goal for value in fitness)

    def halved(self, active: list[bool], fitness: Sequence[float | None], step: int) -> list[bool]:
        """The better half goes on where a rung has just been passed."""
        before = step - self.rules.ready_interval
        horizon = self._workload.step_hint
        if not any(before < rung * horizon <= step for rung in RUNGS):
            return active
        ranking = np.argsort(_losses(fitness), kind="stable")
        kept = set(ranking[: max(1, sum(active) // 2)].tolist())
        return [i in kept for i in range(len(active))]

    def _found(
        self,
        stepper: PopulationStepper,
        members: Population,
        fitness: Sequence[float | None],
        arrived: int | None,
        spent: int,
    ) -> Course:
        losses = _losses(fitness)
        best = int(np.argmin(losses))
        if not math.isfinite(losses[best]):
            return Course(None, None, arrived, spent)
        only = [i == best for i in range(len(losses))]
        evaluated = stepper.prepare_for_eval(members, self._workload.step_hint, only)
        test = self._metric(stepper.member(evaluated, best), "test")
        return Course(self._sign * losses[best], test, arrived, spent)


def _losses(fitness: Sequence[float | None]) -> list[float]:
    """Infinite for a member that diverged or stopped."""
    return [math.inf if value is None else value for value in fitness]
