"""The state of a population between two steps, and how it is saved and restored bit for bit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from algoperf_lite.population.evolution import Generation
from algoperf_lite.population.stepper import Chunk, Population
from algoperf_lite.training import snapshot
from algoperf_lite.training.snapshot import Snapshot


class Losses(NamedTuple):
    """Sums of the members' training losses, (M,), over the steps since one."""

    since: int
    sums_M: np.ndarray

    def mean_until(self, step: int) -> np.ndarray:
        """Mean loss of each member, (M,), over the steps up to `step`."""
        return self.sums_M / (step - self.since)


class Progress(NamedTuple):
    """A population after `step` steps.

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
    """The population before any training."""
    nothing = Losses(0, np.zeros(len(first.points)))
    return Progress(0, population, (first,), nothing, nothing)


def saved(progress: Progress, stepping: dict[str, Any]) -> Snapshot:
    """The snapshot of a population right after an evaluation; its lineage is on disk.

    `stepping` says how members are laid out, which decides how numbers are rounded.
    """
    assert progress.evaluated.since == progress.step, progress
    states = [snapshot.host_arrays(chunk.state) for chunk in progress.population]
    leaves = [np.stack(same) for same in zip(*states, strict=True)]
    facts = {
        "num_generations": len(progress.generations),
        "stepping": stepping,
        "measured_since": progress.measured.since,
    }
    return Snapshot([*leaves, progress.measured.sums_M], facts)


def restored(
    step: int, found: Snapshot, fresh: Population, generations: Sequence[Generation]
) -> Progress:
    """The progress that was saved after `step` steps.

    `fresh` is a population that has the hyperparameters of the last of its `generations`, and no
    training yet.
    """
    *leaves, sums_M = found.arrays
    chunks = [
        Chunk(snapshot.like(chunk.state, [leaf[i] for leaf in leaves]), chunk.traced)
        for i, chunk in enumerate(fresh)
    ]
    return Progress(
        step,
        tuple(chunks),
        tuple(generations),
        Losses(step, np.zeros_like(sums_M)),
        Losses(found.facts["measured_since"], sums_M),
    )
