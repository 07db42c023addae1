"""The board of submissions: what a cell says of those who arrive, come near, or diverge."""

import numpy as np

from algoperf_lite.training.clock import ON_CLOCK
from studies import board


def _record(status="reached", steps=90, best=0.4, seconds=1.5, study=0):
    arrived = status == "reached"
    return {
        "status": status,
        "study": study,
        "metric": "loss",
        "target": 0.45,
        "step_hint": 100,
        "steps": 150,
        "best": best,
        "steps_to_target": steps if arrived else None,
        "time_to_target": seconds if arrived else None,
        "ledger": {**dict.fromkeys(ON_CLOCK, 0.0), "update_params": seconds},
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
    assert not board.has_reached([_record(steps=90)], limit=0.8)


def test_costs_are_seconds_per_step_against_the_references():
    # Later studies are of the leaders alone, perhaps on a busier machine.
    later = _record(seconds=9.0, study=1)
    assert board.cost([_record(seconds=3.0), later], [_record(seconds=1.5)]) == 2
    older = {**_record(seconds=3.0), "ledger": {"update_params": 3.0}}  # with fewer accounts
    assert board.cost([older], [_record(seconds=1.5)]) == 2
    assert np.isnan(board.cost([{**_record(), "steps": 0}], [_record()]))


def test_tables_and_plot_have_a_row_per_submission():
    crashed = {"status": "crashed", "best": None, "steps_to_target": None, "time_to_target": None}
    found = {
        "nadamw": {"w": [_record()]},
        "slow": {"w": [_record(seconds=4.5)]},  # three times the seconds: 2.7 step hints
        "broken": {"w": [{**crashed, "steps": 0, "study": 0}]},
    }
    assert list(board.steps_table(found, ["w"], slack=1.5))[2:] == [
        "| *target* | | | | loss 0.45 |",
        "| nadamw | 1/1 | 1/1 | 1.00 | 0.90 |",
        "| slow | 1/1 | 0/1 | 3.00 | 0.90 |",
        "| broken | 0/1 | 0/1 | ? | crashed |",
    ]
    seconds = list(board.seconds_table(found, ["w"]))
    assert seconds[2:] == ["| nadamw | 1.5 |", "| slow | 4.5 |", "| broken |  |"]
    (image,) = board.plot(found, ["w"]).axes[0].images
    assert image.get_array().mask.tolist() == [[False], [False], [True]]
    assert np.allclose(image.get_array()[0, 0], 0.9)
