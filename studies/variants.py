"""Held-out variants: who reaches their targets too, and what the gate does to the ranking.

As in AlgoPerf, a workload counts for a submission only where it reaches the target of a variant
that was held out, too. The leaders of a board are run on the variants that seeds draw, in the
board's own folder; their runs on the base workloads are there already. Points, budgets and numbers
of studies are those of the board. The same command continues.

    python -m studies.board --budget_by=steps
    python -m studies.variants --output=studies/variants
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scoring import benchmark, leaderboard
from scoring.benchmark import Benchmark
from scoring.leaderboard import Leaderboard
from scoring.protocol import Protocol
from scoring.stats import fidelity, sides
from scoring.views import fidelity as rows
from scoring.views.text import ASCII
from studies import board, script

PREAMBLE = """# Leaders on held-out variants

    python -m studies.variants

Steps to target on the base workload, then on its variant, in step hints; "best" is the best value
of who missed the target. "Lost there" are the base workloads that a submission has credit for only
as long as nothing is held out; a variant's target that takes over four times as long as the fastest
counts as missed, as in AlgoPerf.
"""

# By steps, which a busy machine does not change.
PROTOCOL = Protocol(ruleset="self", by="steps", only_present=True)

SMOKE = {
    "submissions": ["nadamw", "adamw", "nesterov"],
    "workloads": ["criteo1tb"],
    "held_out_seeds": [0],
    "output_dir": script.SMOKE_FOLDER / "variants",
    "output": script.SMOKE_FOLDER / "variants" / "variants",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds who is run on what, and where results go."""
    add = parser.add_argument
    add("--submissions", type=script.listed(), help="default: the leaders of the board")
    add("--leaders", type=int, default=6, help="how many of the board")
    add("--workloads", type=script.listed(), help="families; default: all that have variants")
    add("--held_out_seeds", type=script.listed(int), default=[0], help="each a draw of variants")
    add("--num_studies", type=int, default=1)
    add("--output_dir", type=Path, default=Path("runs/board"), help="has the board's runs")
    add("--output", type=Path, default=Path("studies/variants"), help="stem of the tables")


def run(arguments: argparse.Namespace) -> None:
    """Trains what is not trained yet and writes the tables."""
    folder, count = arguments.output_dir, arguments.num_studies
    goal = benchmark.load("lite")
    # Families without variants have no gate, and would only dilute what it does.
    families = arguments.workloads or [w for w in goal.base_workloads if goal.variants_of(w)]
    families = [benchmark.nearest(w, goal.base_workloads, "family") for w in families]
    goal = replace(goal, base_workloads=tuple(families))
    if arguments.smoke:
        goal = _within_reach(goal)
    draws = {seed: goal.with_held_out(seed) for seed in arguments.held_out_seeds}
    on = [*families, *dict.fromkeys(v for one in draws.values() for v in one.held_out_workloads)]
    names = arguments.submissions or _leaders(folder, goal)[: arguments.leaders]
    board.train(folder, goal, names, on, "steps", count)
    text = [
        PREAMBLE,
        *variants_table(board.records(folder, names, on), on[len(families) :], goal),
        "",
        *gates_table(folder, names, goal, draws),
    ]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text("\n".join(text) + "\n")


def _within_reach(goal: Benchmark) -> Benchmark:
    """A benchmark of losses whose targets whoever trains at all has met at the first evaluation."""
    easy = {name: replace(target, value=1.0) for name, target in goal.workloads.items()}
    return replace(goal, workloads=easy)


def _leaders(folder: Path, goal: Benchmark) -> list[str]:
    """Those on the board, best first, by steps and without gates.

    Raises ValueError where there is no board.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{str(folder)!r} has no board whose leaders could be taken; run `python -m "
            "studies.board` first, give its --output_dir, or name --submissions"
        )
    return [row.submission for row in leaderboard.score(folder, goal, PROTOCOL).rows]


def variants_table(found: board.Records, variants: Sequence[str], goal: Benchmark) -> Iterator[str]:
    """Lines of a markdown table, a row per variant: steps on its base, then on it, in step hints;
    a value is the best of who has missed its target."""
    yield f"| variant | target | {' | '.join(found)} |"
    yield "|---|---|" + "---|" * len(found)
    for variant in variants:
        target = goal.workloads[variant]
        cells = [
            f"{board.cell(own[goal.base_of(variant)])}; {board.cell(own[variant])}"
            for own in found.values()
        ]
        yield f"| {variant} | {target.metric} {target.value:.4g} | {' | '.join(cells)} |"


def gates_table(
    folder: Path, names: Sequence[str], goal: Benchmark, draws: Mapping[int, Benchmark]
) -> Iterator[str]:
    """Lines of markdown: scores and places without and with each draw's gates, the families that a
    gate takes from each, and how much of the order remains."""
    # Of these alone: a score depends on the field, and others were run on no variant.
    every = sides.open_side(folder, goal)
    every = replace(every, trials=tuple(t for t in every.trials if t.submission in names))
    free = leaderboard.score_trials(every.trials, goal, PROTOCOL)
    gated = {
        seed: leaderboard.score_trials(every.trials, drawn, PROTOCOL)
        for seed, drawn in draws.items()
    }
    headings = [f"draw {seed} | lost there" for seed in draws]
    yield f"| submission | without variants | {' | '.join(headings)} |"
    yield "|---|---|" + "---|---|" * len(draws)
    for row in free.rows:
        cells = [
            f"{_scored(one, row.submission)} | {', '.join(lost(free, one, row.submission)) or '-'}"
            for one in gated.values()
        ]
        yield f"| {row.submission} | {_scored(free, row.submission)} | {' | '.join(cells)} |"
    yield ""
    # An order takes three.
    for seed, drawn in draws.items() if len(free.rows) > 2 else ():
        found = fidelity.compare(every, replace(every, benchmark=drawn))
        cells = next(row for row in rows.agreements(found, ASCII) if row.a_by == "steps")
        yield (
            f"Kendall's tau of the scores without and with draw {seed}: {cells.tau}; 95% interval "
            f"over studies {cells.studies}, over workloads {cells.workloads}."
        )


def lost(free: Leaderboard, gated: Leaderboard, submission: str) -> list[str]:
    """The base workloads that a submission has credit for only as long as nothing is held out."""
    without, held = (board.rows[board.places[submission]].ratio_to_best for board in (free, gated))
    infinite = float("inf")
    return [name for name in without if without[name] < infinite == held[name]]


def _scored(scored: Leaderboard, submission: str) -> str:
    """'0.812 (0.790-0.833), place 1'; an interval where studies are enough for one."""
    place = scored.places[submission]
    row = scored.rows[place]
    interval = "" if row.low is None else f" ({row.low:.3f}-{row.high:.3f})"
    return f"{row.score:.3f}{interval}, place {place + 1}"


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
