"""Flags of `run` that make a population of a submission, or replay what became of one."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_RULES = (  # flags that are fields of `config.PopulationConfig`
    *("ready_interval", "burn_in", "exploit", "factors", "resample_probability", "fitness"),
)


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    add = parser.add_argument
    add(
        "--population",
        type=int,
        metavar="MEMBERS",
        help="population based training: members share one program, and all are on the clock; "
        "every study is one population, drawn from search_space",
    )
    add(
        "--ready_interval",
        type=int,
        metavar="STEPS",
        help="between generations; default: a twentieth of the step hint",
    )
    add("--burn_in", type=int, metavar="STEPS", help="before the first exploit; default: 0")
    add(
        "--exploit",
        help="truncation (default: the worst fifth copies the best), tournament, t_test",
    )
    add(
        "--explore",
        dest="factors",
        type=_factors,
        help="factors that a copied hyperparameter is multiplied by; default: 0.8,1.25",
    )
    add("--resample_probability", type=float, help="of drawing it anew instead; default: 0.25")
    add("--fitness", help="what members are ranked by: validation (default) or training_loss")
    add(
        "--replay",
        type=Path,
        metavar="LINEAGE",
        help="train alone with the hyperparameters that led to the winner of a population, from "
        "its lineage.jsonl",
    )


def parts_of_entries(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of `contenders.Contender` that the flags ask for: "population" or "course".

    Raises ValueError, one sentence, for flags without a meaning.
    """
    given = {name: getattr(arguments, name) for name in _RULES}
    given = {name: value for name, value in given.items() if value is not None}
    if arguments.population is None and given:
        name = "explore" if (first := next(iter(given))) == "factors" else first
        raise ValueError(f"--{name} is of a population; add --population=MEMBERS or leave it out")
    if arguments.population is not None and arguments.replay is not None:
        raise ValueError("--population trains a population, --replay follows one: give one of them")
    what = "--population" if arguments.replay is None else "--replay"
    if (arguments.population or arguments.replay) and arguments.vectorize != "none":
        raise ValueError(
            f"{what} has one trial per study, so there is nothing for --vectorize="
            f"{arguments.vectorize} to train together; leave one of them out"
        )
    from algoperf_lite.population import config, lineage

    if arguments.population is not None:
        return {"population": config.PopulationConfig(arguments.population, **given)}
    if arguments.replay is not None:
        generations = lineage.read(arguments.replay)
        return {"course": lineage.ancestry(generations, lineage.winner(generations))}
    return {}


def check_form(paths: Sequence[Path]) -> None:
    """Raises ValueError where a file steps in Python; reads it and does not run it."""
    from algoperf_lite.submission import find

    for path in paths:
        if find.steps_in_python(path):
            raise ValueError(
                f"submission {find.name_of(path)!r} is in AlgoPerf's form (update_params), "
                "which is called step by step from Python, so members cannot share a program; "
                "leave it or --population out"
            )


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(factor) for factor in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected numbers separated by commas, such as '0.8,1.25'"
        ) from None
