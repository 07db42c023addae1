"""A leaderboard and its page, as the commands and Python users ask for them."""

import dataclasses
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean
from algoperf_lite.experiment.directory import benchmark_and_ruleset
from algoperf_lite.experiment.results import ReportResult, ScoreResult, score_result
from scoring import benchmark as benchmarks
from scoring import leaderboard
from scoring.protocol import Protocol


def score(
    directory: str | Path,
    *,
    benchmark: str | Path | None = None,
    tuning_ruleset: str | None = None,
    held_out_seed: int | None = None,
    plot: str | Path | None = None,
    **protocol: Any,
) -> ScoreResult:
    """Scores all trials that are logged under a directory.

    Args:
      directory: of an experiment, or of logs in AlgoPerf's layout.
      benchmark: name or file that the targets come from; None for the experiment's, else lite.
      tuning_ruleset: None for the experiment's, else external.
      held_out_seed: lets the variants that it draws gate their families.
      plot: stem of a profile plot, to which .svg and .png are added; None for none.
      **protocol: mode, by, reference, strict, only_present, allow_mixed_hardware,
        allow_mixed_timing: see `scoring.protocol.Protocol`.

    Returns:
      The leaderboard, best first.

    Raises:
      ValueError: an unknown name, no readable trial, or trials that do not compare.
    """
    own_benchmark, own_ruleset = benchmark_and_ruleset(Path(directory))
    goal = benchmarks.load(benchmark or own_benchmark)
    # The seed is given again and not read from the experiment: the same logs may be gated by other
    # variants, and logs that are not ours have no seed.
    if held_out_seed is not None:
        goal = goal.with_held_out(held_out_seed)
    known = [field.name for field in dataclasses.fields(Protocol) if field.name != "ruleset"]
    for name in protocol:
        did_you_mean.require(name, known, "option of score")
    ruleset = tuning_ruleset or own_ruleset
    board = leaderboard.score(directory, goal, ruleset=ruleset, **protocol)
    if plot is None:
        return score_result(board)
    from scoring.views import profile_plot  # loads matplotlib

    return score_result(board, profile_plot.write(board, plot))


def report(
    directory: str | Path,
    output: str | Path = "report.html",
    *,
    figures: str | Path | None = None,
    **options: Any,
) -> ReportResult:
    """Writes one self-contained page about an experiment.

    Args:
      directory: of an experiment, or of logs in AlgoPerf's layout.
      output: the HTML file; an existing one is replaced.
      figures: folder for the same figures as SVG and PDF; None for none.
      **options: those of `score`.

    Returns:
      Where the page and the figures are.

    Raises:
      ValueError: as `score` does.
    """
    board = score(directory, **options).leaderboard
    # Only reports need jinja2, and only figures matplotlib.
    from scoring.views import html

    html.write(board, directory, output)
    if figures is not None:
        from scoring.views import figures as figure_files

        figure_files.write(board, figures)
    return ReportResult(Path(output), None if figures is None else Path(figures))
