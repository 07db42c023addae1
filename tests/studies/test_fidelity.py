"""The study of fidelity: its tables from a hand-made board, and the names that it matches."""

import argparse
import shutil

import pytest

from scoring.logs import published
from studies import fidelity

# Seconds to target of our counterparts, in the order of AlgoPerf's published scores but for two.
SECONDS = {"shampoo": 10, "amos": 12, "nadamw": 14, "lawa_queue": 20, "sgd": 30}
HEADER = "accumulated_submission_time,global_step,score,validation/bleu"


@pytest.fixture
def board(tmp_path):
    for name, seconds in SECONDS.items():
        for study in range(2):
            for length, end in (("", 900), ("@0.5", 400)):
                folder = tmp_path / "lite" / f"{name}{length}" / f"study_{study}" / "wmt_jax"
                (folder / "trial_1").mkdir(parents=True)
                rows = f"1,10,1,{1 / seconds}\n{seconds + study / 9},{end},{seconds},99\n"
                (folder / "trial_1" / "eval_measurements.csv").write_text(f"{HEADER}\n{rows}")
                (folder / "trial_1" / "trial.json").write_text('{"status": "reached"}')
    return tmp_path / "lite"


def tables(board, **changes):
    arguments = {
        "directory": board,
        "budgets": [0.5],
        "published": fidelity.PUBLISHED,
        "logs": None,
    }
    return list(fidelity.tables(argparse.Namespace(**{**arguments, **changes})))


def test_tables_of_budgets_studies_and_published_scores(board):
    lines = tables(board)
    assert "| 50% | time | time | 1.00 | 1.00 to 1.00 | ? | 1.00 | 10/10 | 10/10 |" in lines
    assert "| one study, another | 1 | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) | ? |" in lines
    # Of the six pairs of four counterparts only amos and the baseline change places.
    assert any(line.startswith("| time | published score | 0.67 | ") for line in lines)
    assert any("| 5/6 | 5/6 |" in line for line in lines)
    assert any(line.startswith("| amos | ") for line in lines)
    assert not any("sgd" in line for line in lines)
    assert all(line == "" or line[0] in "|*-" for line in lines)


def test_logs_in_the_place_of_scores_are_compared_and_held_against_themselves(board):
    lines = tables(board, published=None, logs=board)
    assert sum("board against itself" in line for line in lines) == 2
    assert not any("published scores" in line for line in lines)


def test_one_study_is_not_compared_with_itself(board):
    for folder in board.glob("*/study_1"):
        shutil.rmtree(folder)
    assert not any("against itself" in line for line in tables(board))


def test_counterparts_are_on_the_published_board():
    assert set(fidelity.COUNTERPARTS.values()) == set(
        published.read(fidelity.PUBLISHED).submissions
    )


def test_without_a_board_it_says_what_is_missing():
    with pytest.raises(ValueError, match="no board is given"):
        fidelity.run(argparse.Namespace(directory=None, smoke=False))
