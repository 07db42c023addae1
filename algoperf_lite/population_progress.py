"""How far a population has come, and how that is kept and found again, bit for bit."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from algoperf_lite import checkpoints, hardware, lineage, submission, trial_logs
from algoperf_lite.clock import Ledger
from algoperf_lite.population import Generation
from algoperf_lite.population_layout import Layout
from algoperf_lite.population_stepping import Chunk, Population
from algoperf_lite.spec import Array
from algoperf_lite.trial_books import Books
from algoperf_lite.trial_spec import TrialSpec


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


class Saved(NamedTuple):
    """What an interrupted process left: `facts` of a checkpoint, its arrays, and the lineage."""

    step: int
    facts: Mapping[str, Any]
    leaves: Sequence[np.ndarray]
    generations: tuple[Generation, ...]


def start(population: Population, first: Generation) -> Progress:
    """Before any training."""
    nothing = Losses(0, np.zeros(len(first.points)))
    return Progress(0, population, (first,), nothing, nothing)


def save(progress: Progress, books: Books, ledger: Ledger) -> None:
    """Keeps a population right after a generation."""
    assert progress.measured.since == progress.step, progress
    facts = {
        "terms": _terms(books.spec),
        "ledger": ledger.close(),
        "books": books.so_far(),
        "num_generations": len(progress.generations),
        "stepping": books.record["stepping"],
        "evaluated_since": progress.evaluated.since,
    }
    states = [jax.tree.leaves(chunk.state) for chunk in progress.population]
    leaves = [np.stack([_plain(leaf) for leaf in same]) for same in zip(*states, strict=True)]
    directory = Path(books.spec.directory)
    checkpoints.save(directory, progress.step, [*leaves, progress.evaluated.sums_M], facts)


def find(trial_spec: TrialSpec) -> Saved | None:
    """The last checkpoint of this very trial on this very machine that can be gone on from."""
    directory, terms = Path(trial_spec.directory), _terms(trial_spec)
    for checkpoint in checkpoints.found(directory):
        facts = checkpoint.facts
        if facts["terms"] != terms:
            continue
        num_rows, num_generations = facts["books"]["num_rows"], facts["num_generations"]
        if not all(
            trial_logs.has_lines(directory / name, 1 + num_rows) for name in trial_logs.ROWS
        ):
            continue
        try:
            generations = lineage.read(directory / lineage.FILE)
            if len(generations) >= num_generations:
                leaves = checkpoint.leaves()
                return Saved(checkpoint.step, facts, leaves, generations[:num_generations])
        except ValueError as error:  # damaged: an earlier one may do
            print(error, flush=True)
    return None


def restored(saved: Saved, fresh: Population, layout: Layout) -> Progress:
    """The progress that was saved; `fresh` is a population that has nothing yet but the
    hyperparameters of the last generation."""
    *leaves, sums_M = saved.leaves
    olds, structure = jax.tree.flatten(fresh[0].state)
    chunks = []
    for i, chunk in enumerate(fresh):
        state = jax.tree.unflatten(
            structure, [_like(leaf[i], old) for leaf, old in zip(leaves, olds, strict=True)]
        )
        chunks.append(Chunk(layout.placed(state), chunk.traced))
    return Progress(
        saved.step,
        tuple(chunks),
        saved.generations,
        Losses(saved.facts["evaluated_since"], sums_M),
        Losses(saved.step, np.zeros_like(sums_M)),
    )


def _terms(trial_spec: TrialSpec) -> dict[str, Any]:
    """What has to be the same for a trial to go on; where its directory lies does not matter."""
    terms = {
        "spec": dataclasses.asdict(dataclasses.replace(trial_spec, directory="")),
        "submission_sha256": submission.source_sha256(submission.locate(trial_spec.submission)),
        "fingerprint": hardware.fingerprint()["key"],
    }
    return json.loads(json.dumps(terms))


def _plain(leaf: Array) -> np.ndarray:
    """An array's numbers on the host; those of a random key are its data."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _like(numbers: np.ndarray, leaf: Array) -> Array | np.ndarray:
    """The array of which `_plain` gave the numbers."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(leaf))
    assert (numbers.dtype, numbers.shape) == (leaf.dtype, leaf.shape), (numbers, leaf)
    return numbers
