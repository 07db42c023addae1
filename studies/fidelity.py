"""How well does a lite board predict AlgoPerf's, and how well do its own budgets and studies?

It runs nothing: the board is that of a finished run of our native counterparts.

    python -m studies.fidelity runs/lite
"""

import argparse
import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path

from scoring import benchmark
from scoring.stats.agreement import Agreement
from scoring.stats.fidelity import Fidelity, compare
from scoring.stats.sides import Side, open_side
from scoring.views import fidelity as rows
from scoring.views.text import ASCII
from studies import script

# Our native submissions and AlgoPerf's of the same algorithm, by the names of its published logs.
COUNTERPARTS = {
    "nadamw": "baseline",
    "cyclic_lr": "cyclic_lr",
    "generalized_adam": "generalized_adam",
    "amos": "amos",
    "shampoo": "shampoo_submission",
    "schedule_free_adamw": "schedule_free_adamw",
    "nadamp": "nadamp",
    "prodigy": "schedule_free_prodigy",
    "caspr_adaptive": "caspr_adaptive",
    "lawa_queue": "lawa_queue",
    "lawa_ema": "lawa_ema",
}
PUBLISHED = Path(__file__).with_name("algoperf_v05_scores.csv")
OFFICIAL = "algoperf_v05"
_AGREEMENT = ("A by", "B by", "tau", "over studies", "over workloads", "rho", "pairs", "as B")
_WORKLOADS = ("workload", "tau alone", "over studies", "pairs", "adds to tau", "over studies")
_POINTS = ("submission", "lite", "95% interval", "AlgoPerf", "95% interval")

SMOKE = {
    "directory": script.SMOKE_FOLDER / "fidelity",
    "budgets": [0.5],
    "published": None,  # a board of one workload of our own has none in common with AlgoPerf's
    "logs": None,
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the boards."""
    add = parser.add_argument
    add("directory", type=Path, nargs="?", help="lite board: output directory of a finished run")
    add("--budgets", type=script.listed(float), default=[0.25, 0.5], help="parts of the step hint")
    add("--published", type=Path, default=PUBLISHED, help="AlgoPerf's published scores")
    add("--logs", type=Path, help="AlgoPerf's published logs of external tuning")


def run(arguments: argparse.Namespace) -> None:
    """Prints the tables."""
    if arguments.directory is None:
        raise ValueError("no board is given; expected the output directory of a finished run")
    if arguments.smoke:
        _train(arguments.directory)
    print("\n".join(tables(arguments)))


def tables(arguments: argparse.Namespace) -> Iterator[str]:
    """Lines of markdown: budgets, studies, AlgoPerf's scores and logs."""
    lite = open_side(arguments.directory)
    yield from budgets(arguments.directory, arguments.budgets)
    yield from studies("lite", lite)
    if arguments.published is not None:
        published = open_side(arguments.published, OFFICIAL)
        yield from against("AlgoPerf's published scores", lite, published)
    if arguments.logs is not None:
        official = open_side(arguments.logs, OFFICIAL)
        yield from against("AlgoPerf's published logs", lite, official)
        yield from studies("AlgoPerf's", official)


def budgets(directory: Path, shares: Sequence[float]) -> Iterator[str]:
    """A table: the board at each share of the budget against the whole."""
    yield "**Shorter budgets against the whole**"
    yield ""
    yield from _head("budget", *_AGREEMENT)
    whole = open_side(directory)
    for share in shares:
        found = compare(open_side(f"{directory}@{share:g}"), whole)
        # By the clock, and by how far each had come when the budget ended.
        for one in (found.whole, found.others[-1]):
            yield _row(f"{share:.0%}", *_cells(found, one))
    yield ""


def studies(whose: str, board: Side) -> Iterator[str]:
    """A table: each study against each other, and halves against each other; none of one study."""
    numbers = sorted({trial.study for trial in board.trials})
    if len(numbers) < 2:
        return
    yield f"**{whose} board against itself**"
    yield ""
    yield from _head("A against B", "comparisons", "tau by time", "by steps", "by metric")
    splits = [((i,), (j,)) for i, j in itertools.combinations(numbers, 2)]
    yield _split_row("one study, another", board, splits)
    if len(numbers) > 3:
        halves = [
            (half, tuple(i for i in numbers if i not in half))
            for half in itertools.combinations(numbers, len(numbers) // 2)
        ]
        yield _split_row("half of the studies, the others", board, halves)
    yield ""


def against(what: str, lite: Side, official: Side) -> Iterator[str]:
    """Tables: the lite board against AlgoPerf's."""
    match = {
        ours: theirs
        for ours, theirs in COUNTERPARTS.items()
        if ours in lite.submissions and theirs in official.submissions
    }
    found = compare(lite, official, match)
    yield f"**The lite board against {what}**"
    yield ""
    for question, answer in zip(rows.QUESTIONS, rows.answers(found), strict=True):
        yield f"- {question} {answer}"
    yield ""
    yield from _table(_POINTS, map(astuple, rows.points(found, ASCII)))
    yield from _table(_AGREEMENT, map(astuple, rows.agreements(found, ASCII)))
    yield from _table(_WORKLOADS, map(astuple, rows.workloads(found, ASCII)))


def _split_row(label: str, board: Side, splits: Sequence[tuple]) -> str:
    """Mean and range of tau over splits of the studies."""
    found = [compare(_of_studies(board, a), _of_studies(board, b)) for a, b in splits]
    by_kind = [
        [one.whole for one in found],
        [one.others[0] for one in found],
        [one.others[3] for one in found],  # the metric at the end of the budget
    ]
    return _row(label, str(len(splits)), *map(_mean_and_range, by_kind))


def _of_studies(board: Side, numbers: Sequence[int]) -> Side:
    kept = tuple(trial for trial in board.trials if trial.study in numbers)
    return replace(board, trials=kept)


def _mean_and_range(found: Sequence[Agreement]) -> str:
    """'0.81 (0.64 to 0.93)'; a tau that does not exist is left out and counted."""
    known = [one.tau.value for one in found if not math.isnan(one.tau.value)]
    if not known:
        return "?"
    text = f"{statistics.mean(known):.2f} ({min(known):.2f} to {max(known):.2f})"
    return text if len(known) == len(found) else f"{text}, {len(found) - len(known)} unknown"


def _cells(found: Fidelity, agreement: Agreement) -> tuple[str, ...]:
    every = (found.whole, *found.others)
    return astuple(rows.agreements(found, ASCII)[every.index(agreement)])


def _table(headings: Sequence[str], cells: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield from _head(*headings)
    yield from (_row(*row) for row in cells)
    yield ""


def _head(*headings: str) -> Iterator[str]:
    yield _row(*headings)
    yield "|---" * len(headings) + "|"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _train(directory: Path) -> None:
    """A board as small as an order can be of: three submissions, two studies, one workload."""
    # Here, as it loads JAX, and reading boards does not.
    from studies import board

    names = ["nadamw", "nesterov", "adamw"]
    board.train(directory, benchmark.load("lite"), names, ["digits"], "steps", num_studies=2)


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
