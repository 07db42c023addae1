"""Populations on the page: the course of their hyperparameters, and their family tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scoring.logs import lineage
from scoring.logs.format import LINEAGE
from scoring.logs.lineage import Lineage
from scoring.logs.read import Trial
from scoring.views.html import blocks
from scoring.views.html.blocks import Block
from scoring.views.series import rounded
from scoring.views.text import amount, printable

MOST_POPULATIONS = 40
MOST_VALUES = 12  # hyperparameters that are drawn
MOST_GENERATIONS = 300  # at which a hyperparameter is drawn
MOST_NODES = 8000  # of a family tree
_LOG_RATIO = 20.0  # a hyperparameter that spans more has a logarithmic axis
_BAND = (0.0, 0.25, 0.75, 1.0)  # quantiles over members


Population = Block[Lineage]


def read(root: Path, trials: Sequence[Trial]) -> list[Population]:
    """The populations of all trials that have one."""
    return blocks.read(root, trials, LINEAGE, lineage.read)


def rows(populations: Sequence[Population], places: Mapping[str, int]) -> list[dict]:
    """The text of each population; `places` are those of the submissions."""
    return [_row(population, places) for population in populations]


def _row(population: Population, places: Mapping[str, int]) -> dict:
    own, row = population.content, blocks.heading(population, places)
    if own is None:
        return row
    num_generations, num_members = own.fitness_GxM.shape
    winner = own.winner
    diverged = int(np.isnan(own.fitness_GxM[1:]).sum())
    says = [f"{num_members} members, {num_generations - 1:,} generations"]
    if winner is None:
        says.append("no member of the last has a fitness, so none won")
    else:
        says.append(f"member {winner} won with a fitness of {amount(own.fitness_GxM[-1, winner])}")
    if diverged:
        says.append(f"{diverged:,} of {num_members * (num_generations - 1):,} had diverged")
    hidden = max(len(own.values_GxM) - MOST_VALUES, 0)
    return {
        **row,
        "says": "; ".join(says) + ".",
        "values": [printable(name) for name in _shown(own)],
        "hidden": f"and {hidden} more hyperparameters." if hidden else "",
        "tree": "" if _has_tree(own) else _no_tree(num_members, num_generations),
    }


def _shown(own: Lineage) -> list[str]:
    """The learning rate first, then those that moved, by name."""
    moved = {name: float(np.ptp(values)) > 0 for name, values in own.values_GxM.items()}
    return sorted(moved, key=lambda name: (name != "learning_rate", not moved[name], name))[
        :MOST_VALUES
    ]


def _has_tree(own: Lineage) -> bool:
    return own.fitness_GxM.size <= MOST_NODES and len(own.steps_G) > 1


def _no_tree(num_members: int, num_generations: int) -> str:
    if num_generations < 2:
        return "Nobody was measured yet, so there is no family tree."
    size = f"{num_members:,} members over {num_generations - 1:,} generations"
    return f"{size} are too many to draw a family tree."


def to_json(population: Population) -> dict | None:
    """Plain values for the figures; None where there are none."""
    own, trial = population.content, population.trial
    if own is None:
        return None
    # Training goes on after the last generation, up to the last evaluation.
    logged = trial.steps[np.isfinite(trial.steps)]
    end = max(int(own.steps_G[-1]), int(min(logged.max(initial=0), 2**53)))
    tree = None
    if _has_tree(own):
        winner = own.winner
        tree = {
            "parents": own.parents_GxM.tolist(),
            "fitness": [[rounded(value) for value in row] for row in own.fitness_GxM],
            "line": None if winner is None else own.line(winner).tolist(),
        }
    return {
        "name": f"{printable(trial.submission)} on {printable(trial.workload)}",
        "steps": own.steps_G.tolist(),
        "end": end,
        "values": [_value(own, name) for name in _shown(own)],
        "tree": tree,
    }


def _value(own: Lineage, name: str) -> dict:
    """The course of a hyperparameter: what the winner had, and how the others lay about it."""
    values_GxM = own.values_GxM[name]
    most = min(len(values_GxM), MOST_GENERATIONS)
    kept = np.unique(np.linspace(0, len(values_GxM) - 1, most).round().astype(int))
    bands = np.quantile(values_GxM[kept], _BAND, axis=1)
    winner = own.winner
    won_G = () if winner is None else own.course(name, winner)[kept]
    low, high = float(values_GxM.min()), float(values_GxM.max())
    return {
        "name": printable(name),
        "log": low > 0 and low * _LOG_RATIO <= high,
        "steps": own.steps_G[kept].tolist(),
        "bands": [[rounded(value) for value in band] for band in bands],
        "winner": [rounded(value) for value in won_G],
    }
