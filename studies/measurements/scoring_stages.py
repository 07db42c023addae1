"""Where the time of `score` goes on a tree of logs: milliseconds per stage, best of several turns.

    python -m studies.measurements.scoring_stages DIR --benchmark=algoperf_v05

DIR is a tree of logs in AlgoPerf's layout, such as the published ones or an experiment's.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

import scoring
from scoring import benchmark
from scoring.logs import eval_csv, read, trial_files
from scoring.stats import anytime, budgets, draws, rows, times, times_matrix
from scoring.views import terminal
from studies import script

SMOKE = {"benchmark": "lite", "turns": 1}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is scored and how often."""
    parser.add_argument("directory", type=Path, help="tree of logs")
    parser.add_argument("--benchmark", default="lite", help="name or file")
    parser.add_argument("--turns", type=int, default=5, help="of each stage, the best counts")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    root, goal = arguments.directory, benchmark.load(arguments.benchmark)
    metrics = {name: target.metric for name, target in goal.workloads.items()}
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        samples = []
        for _ in range(arguments.turns):
            began = time.perf_counter()
            result = work()
            samples.append(time.perf_counter() - began)
        # The fastest turn: whatever else runs on the machine only adds to it.
        seconds[stage] = min(samples)
        return result

    trials, _ = timed("list, read and parse", lambda: read.read(root, metrics))
    # Reading without parsing shows how much of it is the disk's.
    paths = [root / trial.path / "eval_measurements.csv" for trial in trials]
    texts = timed("of which read", lambda: [path.read_bytes() for path in paths])
    fixed = (trial_files.STEP, trial_files.CLOCK, trial_files.SCORE)
    columns = [(*fixed, f"validation/{metrics[trial.workload]}") for trial in trials]
    pairs = list(zip(texts, columns, strict=True))
    timed("of which parse", lambda: [eval_csv.read_columns(*pair) for pair in pairs])

    _time_scoring(timed, trials, goal)
    print("| stage | ms |\n|---|---|")
    for stage, taken in seconds.items():
        print(f"| {stage} | {1e3 * taken:.0f} |")


def _time_scoring(timed: Callable[..., Any], trials: Any, goal: benchmark.Benchmark) -> None:
    """Times everything after reading; `timed(stage, work)` keeps the seconds."""
    protocol = scoring.Protocol()
    board = timed("score", lambda: scoring.score_trials(trials, goal, protocol))
    # Each part again by itself, on what the stage before it made.
    whole = times_matrix.of(trials, goal.scored_workloads, goal, protocol)
    names = sorted({trial.submission for trial in trials})
    targets = {name: goal.workloads[name] for name in goal.scored_workloads}
    cells = times.cells(trials, targets, protocol.mode, protocol.by)
    timed("of which draws", lambda: draws.draw(cells, names, goal.scored_workloads))
    timed("of which scores of draws", lambda: rows.drawn_scores(whole))
    scored = [trial for trial in trials if trial.workload in targets]
    timed("of which metric at budgets", lambda: budgets.at_budgets(scored, targets))
    timed("JSON", lambda: json.dumps(board.to_json()))
    # Without a terminal, whose speed is no part of the question.
    timed("table", lambda: terminal.render(board, Console(file=io.StringIO(), width=80)))
    timed(
        "anytime curves (report only)",
        lambda: [anytime.anytime(board.trials, name, targets[name]) for name in targets],
    )


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
