"""The board of submissions: what a cell says of those who arrive, come near, or diverge."""

import numpy as np

from studies import board


def _record(status="reached", steps=90, best=0.4, seconds=1.5):
    arrived = status == "reached"
    return {
        "status": status,
        "metric": "loss",
        "target": 0.45,
        "step_hint": 100,
        "steps": 150,
        "best": best,
        "steps_to_target": steps if arrived else None,
        "time_to_target": seconds if arrived else None,
    }


def test_a_cell_has_the_median_in_step_hints_or_how_near_the_best_came():
    missed = _record("not_reached", best=0.5)
    assert board.cell([_record()]) == "0.90"
    assert board.cell([_record(steps=80), _record(steps=90), missed]) == "0.85 (2/3)"
    assert board.cell([missed, _record("not_reached", best=0.47)]) == "best 0.47 at 1.50"


def test_a_cell_does_not_hide_that_training_diverged_or_crashed():
    crashed = {"status": "crashed", "best": None, "steps_to_target": None, "time_to_target": None}
    assert board.cell([crashed]) == "crashed"
    assert board.cell([_record("diverged", best=0.6)]) == "diverged, best 0.6 at 1.50"


def test_half_of_the_studies_are_not_enough():
    missed = _record("not_reached")
    assert board.has_reached([_record(), _record(), missed])
    assert not board.has_reached([_record(), missed])


def test_tables_and_plot_have_a_row_per_submission():
    crashed = {"status": "crashed", "best": None, "steps_to_target": None, "time_to_target": None}
    found = {"one": {"w": [_record()]}, "two": {"w": [crashed]}}
    steps = list(board.steps_table(found, ["w"]))
    assert steps[2:] == [
        "| *target* | | loss 0.45 |",
        "| one | 1/1 | 0.90 |",
        "| two | 0/1 | crashed |",
    ]
    assert list(board.seconds_table(found, ["w"]))[2:] == ["| one | 1.5 |", "| two |  |"]
    (image,) = board.plot(found, ["w"]).axes[0].images
    assert image.get_array().mask.tolist() == [[False], [True]]
    assert np.allclose(image.get_array()[0, 0], 0.9)
