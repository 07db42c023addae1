"""The table of precisions from runs that are made up."""

import numpy as np

from scoring.logs.read import Trial
from studies.measurements import precision

STEPS = np.array([10, 20, 30, 40])


def runs(*metrics):
    return [
        Trial("nadamw", study, "w", "jax", 1, "", STEPS, STEPS, STEPS, np.array(metric), {})
        for study, metric in enumerate(metrics)
    ]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_goal_is_what_every_float32_run_reaches_and_steps_are_medians():
    exact = runs([0.1, 0.5, 0.7, 0.8], [0.1, 0.6, 0.6, 0.6], [0.2, 0.3, 0.9, 0.9])
    rounded = runs([0.1, 0.2, 0.3, 0.7], [0.1, 0.2, 0.6, 0.5], [0.0, 0.1, 0.2, 0.3])
    line = precision.row("w", "accuracy", {"float32": exact, "bfloat16": rounded})
    assert cells(line) == [
        *("w", "accuracy 0.6"),
        *("3/3, 30, 0.8", "2/3, 35, 0.6", "1.17"),
    ]


def test_a_precision_that_seldom_arrives_has_no_steps_and_a_loss_goes_down():
    exact = runs([4.0, 3.0, 2.0, 2.5], [4.0, 3.5, 3.0, 2.0])
    rounded = runs([5.0, 4.0, 3.0, 2.0], [5.0, 4.0, 3.0, np.nan])
    line = precision.row("w", "loss", {"float32": exact, "bfloat16": rounded})
    assert cells(line)[1:4] == ["loss 2", "2/2, 35, 2", "1/2, -, 2.5"]
    assert cells(line)[4] == "-"
