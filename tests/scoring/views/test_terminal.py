"""The leaderboard as people see it: in a terminal of any width, and as a GitHub table."""

import io
import re

import pytest
from rich.console import Console

import scoring
from scoring.views import rows, terminal


def text_of(leaderboard, width=80):
    out = io.StringIO()
    terminal.render(leaderboard, Console(file=out, width=width))
    return out.getvalue()


def test_table_at_80_columns(tree, benchmark_of):
    long = "schedule_free_adamw_with_a_rather_long_name"
    for study in (0, 1):
        tree.trial(f"{long}/study_{study}/toy_jax/trial_0", times=(1000.0, 12_345.6))
        diverged = {"times": (3, 4), "metrics": (0.1, "nan"), "info": {"status": "diverged"}}
        tree.trial(f"sgd/study_{study}/toy_jax/trial_0", **diverged)
    tree.trial("sgd/study_1/toy_jax/trial_1", times=(3, 4))
    (tree.root / "stray.txt").write_text("")
    (tree.root / "more.txt").write_text("")
    text = text_of(tree.score(benchmark_of(("toy", "absent"))))
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "".join(part for part in (long[:26], long[26:]) if part in text) == long  # folded
    assert "toy: accuracy >= 0.5" in text and "absent: accuracy >= 0.5 (in no log)" in text
    assert "1 reached, 2 diverged" in text
    assert "12,346" in text and "never" in text
    assert "In no log, counted as not reached: absent." in text
    assert any(line.startswith("2 x stray: ") for line in lines)
    assert "\x1b" not in text


def test_one_study_is_said_to_tell_no_interval(tree):
    tree.trial("s/study_0/toy_jax/trial_0")
    board = tree.score()
    for text in (text_of(board), terminal.markdown(board)):
        assert rows.ONE_STUDY in text
        assert "interval cannot be told from one study" in text


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "[/]", "a:smile:b", "back\\", "[link=x]y"])
def test_markup_in_names_is_shown_as_it_is(trial_of, benchmark_of, name):
    board = scoring.score_trials([trial_of(name, 0, "toy", 0, 5.0)], benchmark_of())
    assert text_of(board, width=120).count(name) == 2


def test_control_characters_in_names_do_not_reach_the_terminal(tree):
    tree.trial("a\x1b[2Jb\nc/study_0/toy_jax/trial_0")
    text = text_of(tree.score())
    assert "\x1b" not in text and "a?[2Jb?c" in text


def test_markdown_is_one_table_whatever_the_names(tree):
    tree.trial("a|b<i>/study_0/toy_jax/trial_0")
    lines = terminal.markdown(tree.score()).splitlines()
    assert lines[0] == "| # | submission | score | 95% interval | reached | studies |"
    assert lines[2] == r"| 1 | a\|b\<i\> | 1.0000 | 1 study: ? | 1/1 | 1 |"
    assert lines[3] == ""
    assert lines[4].startswith("tiny: exact score by time over 1 workload.")


LONG = "schedule_free_adamw_with_a_rather_long_name"


def wide_board(trial_of, benchmark_of):
    """Submissions with short and long names, some of whose numbers are wide."""
    names = {"sgd": 20_000.0, "nadamw": 12_345.6, LONG: None}
    trials = [
        trial_of(name, study, workload, 1, time and time + study)
        for name, time in names.items()
        for workload in ("a", "b")
        for study in range(3)
    ]
    return scoring.score_trials(trials, benchmark_of("ab"), scoring.Protocol(reference="sgd"))


def first_column(text, start):
    """Text of the names in a table, from the column that they start in; folded names joined."""
    lines = [line[start:] for line in text.splitlines() if len(line) > start and line[start] != " "]
    return "".join(line.split("  ")[0].strip() for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_names_are_readable_at_any_width(trial_of, benchmark_of, width):
    text = text_of(wide_board(trial_of, benchmark_of), width)
    assert all(len(line) <= width for line in text.splitlines())
    ranking, _, by_workload = text.partition("\n\n")
    for part, start in ((ranking, 6), (by_workload, 2)):
        assert LONG in first_column(part, start)
        assert "nadamw" in part and "sgd" in part
    pieces = {line[6:].split("  ")[0].strip() for line in ranking.splitlines() if line[6:7] in LONG}
    assert LONG[:16] in {piece[:16] for piece in pieces}  # 16 characters a line, or all of them


def test_columns_that_gave_way_are_named(trial_of, benchmark_of):
    board = wide_board(trial_of, benchmark_of)
    narrow = " ".join(text_of(board, 40).split())
    assert "No room at this width for: 95% interval, reached, studies; a wider" in narrow
    assert "No room at this width for: metric, trials; a wider" in narrow
    assert "No room at this width for: studies; a wider" in " ".join(text_of(board, 60).split())
    assert all("No room" not in text_of(board, width) for width in (80, 200))
    assert re.search(r"# +submission +score", text_of(board, 40))  # these never give way
