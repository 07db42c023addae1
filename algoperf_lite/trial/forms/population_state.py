"""How far a population has come, and how that is kept and put back, bit for bit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.population.evolution import Generation
from algoperf_lite.population.stepper import Chunk, Population
from algoperf_lite.training import snapshot
from algoperf_lite.trial.recorder import Recorder
from algoperf_lite.trial.resume import Snapshot


class Losses(NamedTuple):
    """Sums of the members' training losses, (M,), over the steps since one."""

    since: int
    sums_M: np.ndarray

    def mean_until(self, step: int) -> np.ndarray:
        return self.sums_M / (step - self.since)


class Progress(NamedTuple):
    """Where a population stands after `step` steps.

    Attributes:
      generations: so far, from number 0.
      evaluated, measured: training losses since the last evaluation and the last generation.
    """

    step: int
    population: Population
    generations: tuple[Generation, ...]
    evaluated: Losses
    measured: Losses


def start(population: Population, first: Generation) -> Progress:
    """Before any training."""
    nothing = Losses(0, np.zeros(len(first.points)))
    return Progress(0, population, (first,), nothing, nothing)


def kept(progress: Progress, books: Recorder) -> tuple[list[np.ndarray], dict[str, Any]]:
    """What a population's future depends on, right after a generation; its lineage is on disk."""
    assert progress.measured.since == progress.step, progress
    states = [snapshot.host_arrays(chunk.state) for chunk in progress.population]
    leaves = [np.stack(same) for same in zip(*states, strict=True)]
    own = {
        "num_generations": len(progress.generations),
        "stepping": books.record["stepping"],
        "evaluated_since": progress.evaluated.since,
    }
    return [*leaves, progress.evaluated.sums_M], own


def restored(saved: Snapshot, fresh: Population, lineage: Sequence[Generation]) -> Progress:
    """The progress that was saved; `fresh` is a population that has nothing yet but the
    hyperparameters of the last generation of its `lineage`."""
    *leaves, sums_M = saved.leaves
    chunks = [
        Chunk(snapshot.like(chunk.state, [leaf[i] for leaf in leaves]), chunk.traced)
        for i, chunk in enumerate(fresh)
    ]
    return Progress(
        saved.step,
        tuple(chunks),
        tuple(lineage),
        Losses(saved.own["evaluated_since"], sums_M),
        Losses(saved.step, np.zeros_like(sums_M)),
    )
