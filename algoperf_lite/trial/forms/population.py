"""The population form: members train, are measured, and go on from the better ones.

A trial's logs show the leader: the member with the best fitness of the last generation, the first
member before there is one. An evaluation never chooses among members by what it is about to
measure, so a population gets no more bites at the target than a single trial. The clock is the
whole population's: every member's steps, and measuring their fitness.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from algoperf_lite.population import evolution, lineage
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.spec import PyTree
from algoperf_lite.training.snapshot import Snapshot
from algoperf_lite.trial.forms import population_setup, population_state
from algoperf_lite.trial.forms.base import Advanced, Candidate, Form
from algoperf_lite.trial.forms.population_setup import PopulationSetup
from algoperf_lite.trial.forms.population_state import Losses, Progress


class Population(Form):
    """A trial that is a population, see `population.config.PopulationConfig`."""

    _ready: PopulationSetup
    _progress: Progress
    _prepared: population_stepper.Population

    def start(self, saved: Snapshot | None) -> None:
        """Makes all members' first states on the clock, compiles and lays them out off it."""
        ready = population_setup.prepare(
            self._spec, self._setup, self._clock, self._heartbeat, saved
        )
        self._ready = ready
        self._facts |= {**ready.submission, "stepping": ready.stepping, "winner": None}
        self._progress = population_state.start(ready.members, ready.first)
        if saved is None:
            lineage.write(self._lineage, self._progress.generations)

    def advance(self, step: int, stop: int) -> Advanced:
        """Trains all members through the generations up to `stop`.

        A generation at `stop` itself waits until training goes on: after the last step nobody
        would go on from it.
        """
        for generation in self._generations(step, stop):
            self._train_to(generation)
            self._evolve()
        self._train_to(stop)
        return Advanced(stop, self._progress.population)

    def prepare_for_eval(self, step: int) -> PyTree:
        """The leader's parameters only: the others are not evaluated."""
        only_leader = [member == self._leader for member in self._members]
        stepper = self._ready.stepper
        self._prepared = stepper.prepare_for_eval(self._progress.population, step, only_leader)
        return self._prepared

    def candidate(self, step: int) -> Candidate:
        """The leader. The trial goes on while any member is finite: it will be copied."""
        leader, ready = self._leader, self._ready
        params, model_state = ready.stepper.member(self._prepared, leader)
        # The leader first: it is nearly always finite, and then nobody else is looked at.
        is_finite = any(self._is_finite(member) for member in (leader, *self._members))
        rate = ready.learning_rate(self._progress.generations[-1], leader, step)
        loss = float(self._progress.evaluated.mean_until(step)[leader])
        self._progress = self._progress._replace(evaluated=self._no_losses())
        columns = {} if rate is None else {"learning_rate": rate}
        return Candidate(params, model_state, is_finite, loss, columns)

    def snapshot(self, step: int) -> Snapshot:
        """All members' states; which generation they are of is in the lineage."""
        return population_state.saved(self._progress, dict(self._ready.stepping))

    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Puts the members' states back, and the lineage as it was."""
        assert saved is not None, "one process trains a population"
        # The file may hold generations that came after the checkpoint.
        generations = lineage.read(self._lineage)[: saved.facts["num_generations"]]
        lineage.write(self._lineage, generations)
        values = population_stepper.stacked_points(generations[-1].points)
        members = self._ready.stepper.with_hyperparameters(self._progress.population, values)
        self._progress = population_state.restored(step, saved, members, generations)

    def finish(self, step: int) -> None:
        """Measures the last generation, which nobody goes on from, and names its winner."""
        progress = self._progress
        last = evolution.unchanged(progress.generations, progress.step, self._fitness())
        lineage.append(self._lineage, last)
        if any(value is not None for value in last.fitness):
            member = lineage.winner((*progress.generations, last))
            self._facts["hyperparameters"] = last.points[member]
            self._facts["winner"] = {"member": member, "fitness": last.fitness[member]}

    @property
    def _lineage(self) -> Path:
        return Path(self._spec.directory) / lineage.FILE

    @property
    def _leader(self) -> int:
        return evolution.leader(self._progress.generations[-1])

    @property
    def _members(self) -> range:
        return range(self._spec.population.size)

    def _is_finite(self, member: int) -> bool:
        """Whether a member has not diverged."""
        state = self._ready.stepper.member(self._progress.population, member).state
        return self._ready.finite(state.params)

    def _no_losses(self) -> Losses:
        return Losses(self._progress.step, np.zeros(len(self._members)))

    def _generations(self, step: int, stop: int) -> Iterator[int]:
        """Steps in [`step`, `stop`) after which a generation is due and has not been made."""
        interval = self._spec.population.ready_interval
        made = self._progress.generations[-1].step
        # None after step 0: nobody has trained yet.
        first = max(interval, -(-step // interval) * interval)
        return (due for due in range(first, stop, interval) if due > made)

    def _train_to(self, stop: int) -> None:
        stepper, progress = self._ready.stepper, self._progress
        num_steps = stop - progress.step
        # A generation that is due right where the last stretch ended has no steps before it.
        if num_steps == 0:
            return
        members = stepper.advance(progress.population, progress.step, num_steps, self._heartbeat)
        sums = [np.ravel(chunk.state.loss_sum) for chunk in members]
        # Chunks are padded to one size; the padding's losses are nobody's.
        sums_M = np.concatenate(sums)[: stepper.layout.num_members].astype(float)
        evaluated, measured = (
            Losses(losses.since, losses.sums_M + sums_M)
            for losses in (progress.evaluated, progress.measured)
        )
        self._progress = Progress(stop, members, progress.generations, evaluated, measured)

    def _evolve(self) -> None:
        """Makes the next generation, all of it on the clock but for its line in the lineage."""
        spec, clock, stepper = self._spec, self._clock, self._ready.stepper
        # Measuring members is part of how a population trains, so it is on the clock.
        clock.switch("fitness", self._progress.population)
        fitness = self._fitness()
        clock.switch("update_params")
        progress = self._progress
        generation = evolution.generation(
            progress.generations,
            progress.step,
            fitness,
            self._ready.space,
            spec.population,
            spec.seed,
        )
        members = stepper.select(progress.population, generation.parents)
        points = population_stepper.stacked_points(generation.points)
        members = stepper.with_hyperparameters(members, points)
        # Writing is the harness's wish, so it is off the clock.
        clock.switch("log", members)
        lineage.append(self._lineage, generation)
        clock.switch("update_params")
        # A member that copied another has the other's losses behind it.
        evaluated = progress.evaluated
        self._progress = Progress(
            progress.step,
            members,
            (*progress.generations, generation),
            Losses(evaluated.since, evaluated.sums_M[list(generation.parents)]),
            self._no_losses(),
        )
        self._heartbeat()

    def _fitness(self) -> list[float | None]:
        """Each member's loss by the rules' measure, lower being better; None where it diverged."""
        progress, setup, stepper = self._progress, self._setup, self._ready.stepper
        well = [self._is_finite(member) for member in self._members]
        if self._spec.population.fitness == "training_loss":
            losses_M = progress.measured.mean_until(progress.step)
            return [float(losses_M[m]) if well[m] else None for m in self._members]
        prepared = stepper.prepare_for_eval(progress.population, progress.step)
        metric = f"validation/{setup.workload.target_metric_name}"
        # Fitness is lower for better, whatever the metric.
        sign = 1.0 if setup.workload.lower_is_better else -1.0
        found: list[float | None] = []
        for member in self._members:
            self._heartbeat()
            value = None  # a member that diverged is copied by nobody
            if well[member]:
                row = setup.evaluate(*stepper.member(prepared, member), "validation")
                value = sign * float(row[metric])
            found.append(value)
        return found
