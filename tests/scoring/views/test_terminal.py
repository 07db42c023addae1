"""What people see: the terminal table, the GitHub table, the profile plot."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import scoring
from scoring.views import plots, terminal

REPOSITORY = Path(__file__).resolve().parents[2]


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
        assert terminal.ONE_STUDY in text
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
    assert lines[4].startswith("tiny: exact score by time over 1 workloads.")


def many(trial_of, benchmark_of, num):
    base = ("a", "b", "c", "d")
    trials = [
        trial_of(f"submission_{s}", study, w, 1, 10.0 + (7 * s * (i + 1)) % 40)
        for s in range(num)
        for i, w in enumerate(base)
        for study in range(2)
    ]
    return scoring.score_trials(trials, benchmark_of(base))


def test_plot_files_are_reproducible(trial_of, benchmark_of, tmp_path):
    board = many(trial_of, benchmark_of, 12)
    svg, png = plots.performance_profile(board, tmp_path / "profile")
    assert (svg.name, png.name) == ("profile.svg", "profile.png")
    assert png.read_bytes().startswith(b"\x89PNG") and b"</svg>" in svg.read_bytes()
    again, _ = plots.performance_profile(board, tmp_path / "again")
    assert again.read_bytes() == svg.read_bytes()


def test_names_with_dollars_and_underscores_can_be_drawn(tree, tmp_path):
    tree.trial("_a$b^{$/study_0/toy_jax/trial_0")
    svg, _ = plots.performance_profile(tree.score(), tmp_path / "p")
    assert svg.stat().st_size > 1000


def test_curve_has_the_exact_corners(trial_of, benchmark_of):
    times = {"s": {"a": 1.0, "b": 2.0, "c": 4.0}, "t": {"a": 2.0, "b": 1.0, "c": 1.0}}
    trials = [trial_of(s, 0, w, 1, t) for s, row in times.items() for w, t in row.items()]
    entries = {e.submission: e for e in scoring.score_trials(trials, benchmark_of("abc")).entries}
    tau, share = plots.steps(entries["s"])
    assert tau.tolist() == [1.0, 1.0, 2.0, 4.0, 4.0]
    assert share.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1.0, 1.0])


def test_labels_keep_their_order_and_distance():
    ends = [0.0, 0.0, 0.5, 0.98, 1.0, 1.0]
    spots = plots.spread(ends, gap=0.1)
    assert spots == sorted(spots) and max(spots) <= 1.0
    assert min(b - a for a, b in zip(spots, spots[1:], strict=False)) == pytest.approx(0.1)


HEAVY = ("jax", "flax", "optax", "tensorflow", "torch", "pandas", "scipy", "matplotlib", "rich")


def test_import_and_scoring_touch_nothing_heavy(tree):
    tree.trial("s/study_0/criteo1tb_jax/trial_0", metrics=(0.9, 0.1), metric="loss")
    program = (
        "import sys, scoring, scoring.views.terminal, scoring.views.plots\n"
        f"heavy = set({HEAVY!r})\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"board = scoring.score({str(tree.root)!r}, 'algoperf_v06')\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "print(board.entries[0].score)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 1 / 8


def test_scoring_knows_files_and_nothing_else():
    sources = list((REPOSITORY / "scoring").rglob("*.py"))
    assert len(sources) > 5
    for source in sources:
        for name in ("algoperf_lite", "workloads", "submissions"):
            for line in source.read_text().splitlines():
                assert not line.strip().startswith((f"import {name}", f"from {name}")), source
