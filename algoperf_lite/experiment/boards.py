"""A leaderboard and its page, as the commands and Python users ask for them."""

import dataclasses
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean
from algoperf_lite.experiment.directory import own_benchmark, own_ruleset
from algoperf_lite.experiment.results import (
    ImportanceResult,
    ReportResult,
    ScoreResult,
    importance_result,
    score_result,
)
from scoring import benchmark as benchmarks
from scoring import leaderboard
from scoring.logs import trees
from scoring.protocol import Protocol


def score(
    directory: trees.Given,
    *,
    benchmark: str | Path | None = None,
    tuning_ruleset: str | None = None,
    held_out_seed: int | None = None,
    plot: str | Path | None = None,
    **protocol: Any,
) -> ScoreResult:
    """Scores all trials that are logged under a directory, or several.

    Args:
      directory: of an experiment, or of logs in AlgoPerf's layout; a pack; or several of these.
      benchmark: name or file that the targets come from; None for the experiment's, else lite.
      tuning_ruleset: None for the experiment's, else external.
      held_out_seed: lets the variants that it draws gate their families.
      plot: stem of a profile plot, to which .svg and .png are added; None for none.
      **protocol: mode, by, reference, against, strict, only_present, allow_mixed_hardware,
        allow_mixed_timing: see `scoring.protocol.Protocol`.

    Returns:
      The leaderboard, best first.

    Raises:
      ValueError: an unknown name, a pack that is none, no readable trial, or trials that do not
        compare.
    """
    # First, as packs are to be unpacked only for a question that can be answered.
    known = [field.name for field in dataclasses.fields(Protocol) if field.name != "ruleset"]
    for name in protocol:
        did_you_mean.require(name, known, "option of score")
    with trees.opened(directory) as tree:
        goal = benchmarks.load(benchmark or own_benchmark(tree.parts))
        # The seed is given again and not read from the experiment: the same logs may be gated by
        # other variants, and logs that are not ours have no seed.
        if held_out_seed is not None:
            goal = goal.with_held_out(held_out_seed)
        ruleset = tuning_ruleset or own_ruleset(tree.parts)
        board = leaderboard.score(tree.root, goal, ruleset=ruleset, **protocol)
    if plot is None:
        return score_result(board)
    from scoring.views import profile_plot  # loads matplotlib

    return score_result(board, profile_plot.write(board, plot))


def importance(directory: trees.Given, **options: Any) -> ImportanceResult:
    """Says which hyperparameters matter, by the trials of an external ruleset's search.

    Args:
      directory: what `score` takes.
      **options: those of `score`.

    Returns:
      Rank correlations of how good a trial is with each hyperparameter, and what they say.

    Raises:
      ValueError: as `score` does.
    """
    return importance_result(score(directory, **options).leaderboard)


def report(
    directory: trees.Given,
    output: str | Path = "report.html",
    *,
    figures: str | Path | None = None,
    **options: Any,
) -> ReportResult:
    """Writes one self-contained page about an experiment, or several.

    Args:
      directory: what `score` takes.
      output: the HTML file; an existing one is replaced.
      figures: folder for the same figures as SVG and PDF; None for none.
      **options: those of `score`.

    Returns:
      Where the page and the figures are.

    Raises:
      ValueError: as `score` does.
    """
    # Only reports need jinja2, and only figures matplotlib.
    from scoring.views import html

    with trees.opened(directory) as tree:
        for option, own in (("benchmark", own_benchmark), ("tuning_ruleset", own_ruleset)):
            options[option] = options.get(option) or own(tree.parts)
        board = score(tree.root, **options).leaderboard
        html.write(board, tree.root, output)
    if figures is not None:
        from scoring.views import figures as figure_files

        figure_files.write(board, figures)
    return ReportResult(Path(output), None if figures is None else Path(figures))
