"""The views beside the leaderboard as people see them."""

import io
import re

import pytest
from rich.console import Console

import scoring
from scoring.views import terminal


def text_of(leaderboard, width=80, render=terminal.render_details):
    out = io.StringIO()
    render(leaderboard, Console(file=out, width=width))
    return out.getvalue()


def board_of(trial_of, benchmark_of, times, studies=3, reference="ref", base="ab"):
    trials = [
        trial_of(name, study, workload, 1, time and time + study / 10)
        for name, row in times.items()
        for workload, time in row.items()
        for study in range(studies)
    ]
    return scoring.score_trials(trials, benchmark_of(base), scoring.Protocol(reference=reference))


TIMES = {
    "ref": {"a": 10.0, "b": None},
    "a_submission_with_a_rather_long_name": {"a": 5.0, "b": 4.0},
    "[bold]x\x1b": {"a": 5.0, "b": None},
}


def test_all_views_at_80_columns(trial_of, benchmark_of):
    text = text_of(board_of(trial_of, benchmark_of, TIMES))
    lines = [line.split() for line in text.splitlines()]
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "Speedup by time over ref (2 is twice as fast)" in text
    assert ["ref", "1.00x", "1.00", "to", "1.00", "1/2", "0.5000"] in [row[:7] for row in lines]
    assert "[bold]x?: by neither b" in text and "\x1b" not in text
    assert "by the submission only b" in text
    assert "Chance in % that the row scores above the column" in text
    assert "Not distinguishable, " in text and " of 3 pairs: " in text
    assert "a: accuracy at parts of 100 steps" in text


def test_early_stops_are_marked(tree, benchmark_of):
    for name, steps, metrics in (
        ("x", [10, 40], (0.1, 0.6)),
        ("y", [10, 100], (0.1, 0.4)),
        ("z", [20, 100], (0.1, 0.7)),
    ):
        for study in (0, 1):
            tree.trial(f"{name}/study_{study}/toy_jax/trial_1", steps=steps, metrics=metrics)
    rows = [line.split() for line in text_of(tree.score()).splitlines()]
    assert ["x", "0.1", "(1)", ">=0.6", "(1)", ">=0.6", "(1-2)", "2/2", "stopped"] in rows
    assert ["z", "0.1", "(1)", "0.1", "(2)", "0.7", "(1-2)"] in rows
    assert ["y", "0.1", "(1)", "0.1", "(2)", "0.4", "(3)"] in rows


def test_without_a_reference_it_says_how_to_name_one(trial_of, benchmark_of):
    text = text_of(board_of(trial_of, benchmark_of, TIMES, reference=None))
    assert "this benchmark names none; choose one by --reference" in " ".join(text.split())


def test_one_study_is_said_to_tell_nothing(trial_of, benchmark_of):
    text = text_of(board_of(trial_of, benchmark_of, TIMES, studies=1))
    assert "One study cannot tell who is better" in text
    assert "?" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_names_are_readable_at_any_width(trial_of, benchmark_of, width):
    long = "one_with_a_rather_long_name_that_folds"
    times = {name: {"a": 10.0 + i, "b": 12.0} for i, name in enumerate(("ref", long, "x", "y"))}
    text = text_of(board_of(trial_of, benchmark_of, times), width)
    assert all(len(line) <= width for line in text.splitlines())
    tables = re.split(r"^ submission ", text, flags=re.MULTILINE)[1:]
    assert len(tables) >= 4  # speedups, pairs, two workloads
    for table in tables:
        names = [line[1:].split("  ")[0].strip() for line in table.splitlines()[2:]]
        folded = "".join(names)
        assert long in folded
        assert long[:14] in {name.removeprefix("2 ")[:14] for name in names}
    assert ("No room at this width for: " in text) == (width < 80)


def test_many_submissions_still_fit(trial_of, benchmark_of):
    times = {f"submission_{i:02}": {"a": 10.0 + i} for i in range(25)}
    text = text_of(board_of(trial_of, benchmark_of, times, reference="submission_00", base="a"))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("Chance in %") == 3


@pytest.mark.parametrize("close", [True, False])
def test_the_short_table_names_the_rivals_of_the_first(trial_of, benchmark_of, close):
    times = {"x": {"a": 5.0}, "y": {"a": 5.0 if close else 12.0}}
    board = board_of(trial_of, benchmark_of, times, reference=None, base="a")
    text = text_of(board, render=terminal.render)
    assert ("Not distinguishable from the first: y." in text) == close
