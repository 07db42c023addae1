"""Tables for a paper: they hold the scores, and no name in them is a command."""

import re

import pytest
from export_trees import HOSTILE, write_tree

from algoperf_lite import api
from scoring import benchmark
from scoring.exports.latex_tables import tex

BENCHMARK = """{"base_workloads": ["toy", "other"], "workloads": {
"toy": {"target_metric_name": "accuracy", "validation_target_value": 0.5, "step_hint": 20},
"other": {"target_metric_name": "accuracy", "validation_target_value": 0.5, "step_hint": 20}}}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("latex")
    (root / "tiny.json").write_text(BENCHMARK)
    assert benchmark.load(root / "tiny.json").name == "tiny"
    logs = write_tree(root / "logs")
    done = api.export(logs, "latex", root / "paper", benchmark=root / "tiny.json")
    board = api.score(logs, benchmark=root / "tiny.json").leaderboard
    return done.output, board


def lines(path):
    """The cells of a table's body."""
    text = path.read_text()
    body = text[text.rindex("\\midrule") :].splitlines()
    return [line.removesuffix(" \\\\").split(" & ") for line in body if " & " in line]


def test_scores_and_times_are_the_boards(folder):
    output, board = folder
    found = lines(output / "leaderboard.tex")
    assert [row[1] for row in found] == [tex(row.submission) for row in board.rows]
    assert [float(row[2]) for row in found] == [round(row.score, 4) for row in board.rows]
    times = lines(output / "times.tex")
    assert [row[0] for row in times] == ["toy", *[""] * (len(board.rows) - 1), "other"]
    assert {row[2]: row[3] for row in times[:-1]} == {tex(r.submission): "3.3" for r in board.rows}
    assert times[-1][2:] == ["one", "never", "", "0.4"]


def test_points_are_of_the_trials_that_count(folder):
    output, board = folder
    rows = [row for row in lines(output / "hyperparameters.tex") if row[0] == "one"]
    assert [row[1:4] for row in rows] == [["other", "1", "1"], ["toy", "0", "1"]]
    assert "learning\\_rate=0.0003333" in rows[0][4] and "layers=2" in rows[0][4]


def test_names_are_text(folder):
    output, _ = folder
    text = (output / "leaderboard.tex").read_text()
    assert "\\input" not in text and "\\textbackslash{}input\\{x\\}" in text
    for name in HOSTILE:
        assert tex(name) in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a_b&c%d$e#f{g}", r"a\_b\&c\%d\$e\#f\{g\}"),
        ("\\^~", r"\textbackslash{}\textasciicircum{}\textasciitilde{}"),
        ("--", "-{}-{}"),
        ("é\u0430\n\U0001f600", "é???"),
    ],
)
def test_tex(name, shown):
    assert tex(name) == shown
    # Outside of commands of our own there is no sign that TeX takes for one.
    assert not re.search(r"(?<!\\)[_&%$#]", tex(name))


def test_what_is_cited_can_be(folder):
    output, _ = folder
    keys = re.findall(r"^@\w+\{(\w+),$", (output / "references.bib").read_text(), re.MULTILINE)
    assert len(keys) == len(set(keys)) == 3
    inputs = re.findall(r"\\input\{(\w+)\}", (output / "tables.tex").read_text())
    assert all((output / f"{name}.tex").exists() for name in inputs)
