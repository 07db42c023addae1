"""`algoperf-lite fidelity` and `api.fidelity`, from directories and tables to what is printed."""

import json
import subprocess
import sys

import pytest

from algoperf_lite import api
from algoperf_lite.cli import main as command_line
from scoring import load_benchmark


@pytest.fixture
def boards(tree):
    """(a directory of three submissions on two workloads of lite, a table of scores)."""
    for i, name in enumerate(("nadamw", "sgd", "lion")):
        for study in range(2):
            for workload, metric, good in (
                ("wmt", "bleu", 99),
                ("ogbg", "mean_average_precision", 1),
            ):
                tree.trial(
                    f"{name}/study_{study}/{workload}_jax/trial_1",
                    times=(1.0, 10.0 + 5 * i + study),
                    metrics=(0.0, good),
                    metric=metric,
                    info={"status": "reached"},
                )
    table = tree.root.with_name("paper.csv")
    table.write_text("submission,score\nbaseline,0.9\nsgd,0.5\nlion,0.1\n")
    return tree.root, table


def command(*words):
    arguments = command_line._parse(["algoperf-lite", "fidelity", *map(str, words)])
    return command_line._run(arguments)


def test_the_api_returns_rows_and_writes_nothing_unasked(boards):
    directory, table = boards
    found = api.fidelity(directory, table, match={"nadamw": "baseline"})
    assert [(row.a_name, row.b_name) for row in found.rows] == [
        ("nadamw", "baseline"), ("sgd", "sgd"), ("lion", "lion"),
    ]  # fmt: skip
    assert found.fidelity.whole.tau.value == 1.0
    assert (found.plots, found.output) == ((), None)
    assert {path.name for path in directory.parent.iterdir()} == {"logs", "paper.csv"}
    with pytest.raises(ValueError, match="did you mean 'allow_mixed_timing'"):
        api.fidelity(directory, table, allow_mixed_timings=True)


def test_the_command_prints_tables_and_writes_what_is_asked_for(boards, tmp_path, capsys):
    directory, table = boards
    match = "--match=nadamw=baseline"
    out = [f"--plot={tmp_path / 'p'}", f"--output={tmp_path / 'f.html'}"]
    assert command(directory, table, match, *out) == 0
    printed = capsys.readouterr()
    assert "Does A predict B? Yes, beyond chance." in " ".join(printed.out.split())
    assert "page:" in printed.err and "scatter plot:" in printed.err
    assert {path.suffix for path in tmp_path.iterdir()} >= {".svg", ".png", ".html"}


def test_json_is_one_object(boards, capsys):
    directory, table = boards
    command(directory, table, "--match=nadamw=baseline", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["whole"]["tau"]["value"] == 1.0
    assert (
        found["a"]["benchmark"] == load_benchmark("lite").name and found["b"]["benchmark"] is None
    )
    assert set(found["by_workload"]) == {"wmt", "ogbg"}


def test_mistakes_are_one_sentence_and_exit_code_2(boards):
    directory, table = boards
    words = [sys.executable, "-m", "algoperf_lite", "fidelity", str(directory), str(table)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("algoperf-lite: 2 submissions in common, and an order takes 3")
    assert done.stderr.count("\n") == 1
