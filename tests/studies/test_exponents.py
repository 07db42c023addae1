"""Exponents of the best peak: found where they are known, and left open where nothing tells."""

import argparse
import itertools
import re

import numpy as np
import pytest

from studies import exponents
from studies.regret import Cell, Summary

CELLS = [Cell(32, *values) for values in itertools.product((4, 8, 16), (0.125, 0.25, 0.5))]
CHOICES = tuple(0.001 * 2.0**k for k in range(-3, 6))


def _summary(noise=0.0, x=0.7, y=-0.4, choices=CHOICES):
    """Losses that are parabolas over log peak, with their lowest points where x and y say."""
    rng = np.random.default_rng(0)
    lowest_C = np.array([0.002 * (c.batch_size / 8) ** x * (c.budget / 0.25) ** y for c in CELLS])
    offset_CKS = np.log(np.array(choices))[None, :, None] - np.log(lowest_C)[:, None, None]
    offset_CKS = offset_CKS + noise * rng.standard_normal((len(CELLS), 1, 3))
    return Summary(choices, 2.0 + 0.1 * offset_CKS**2), lowest_C


def test_the_lowest_points_of_parabolas_are_found_between_what_was_tried():
    found, lowest_C = _summary()
    assert exponents.interpolated_peaks(found) == pytest.approx(np.tile(lowest_C[:, None], 3))
    assert exponents.exponents(exponents.interpolated_peaks(found), CELLS) == pytest.approx(
        np.array([[0.7] * 3, [-0.4] * 3])
    )


def test_seeds_that_differ_leave_an_interval_with_the_truth_in_it():
    (head, _, batch, tokens, *_) = exponents.table(_summary(noise=0.1)[0], CELLS)
    assert head == "| exponent of | here | Power's paper |"
    for line, truth in ((batch, 0.7), (tokens, -0.4)):
        mean, low, high = map(float, re.findall(r"-?\d+\.\d+", line.split("|")[2]))
        assert low < truth < high and high - low < 0.5 and low < mean < high
    assert batch.endswith("| 1 |") and tokens.endswith("| -0.51 |")


def test_what_lies_at_an_edge_or_beside_a_divergence_is_left_out_and_counted():
    found, lowest_C = _summary(choices=CHOICES[3:6])
    peaks_CS = exponents.interpolated_peaks(found)
    inside_C = (lowest_C > CHOICES[3] * 2**0.5) & (lowest_C < CHOICES[5] / 2**0.5)
    assert np.array_equal(np.isfinite(peaks_CS), np.tile(inside_C[:, None], 3))
    assert f"Left out: {27 - 3 * inside_C.sum()} of 27 best peaks" in "\n".join(
        exponents.table(found, CELLS)
    )
    whole, _ = _summary()
    losses_CKS = whole.losses_CKS.copy()
    losses_CKS[:, -4:] = np.inf
    some = np.isnan(exponents.interpolated_peaks(Summary(CHOICES, losses_CKS)))
    assert some.any() and not some.all()


def test_one_batch_size_says_nothing_of_its_exponent():
    peaks_CS = np.full((3, 2), 0.01)
    cells = [Cell(32, 8, budget) for budget in (0.1, 0.2, 0.4)]
    assert np.isnan(exponents.exponents(peaks_CS, cells)).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_sizes": [8]}, "an exponent takes two values; give several --batch_sizes"),
        ({"budgets": [0.1]}, "an exponent takes two values; give several --batch_sizes"),
        ({"peaks": [0.1, 0.2]}, "a parabola takes three --peaks, got 2"),
    ],
)
def test_a_grid_that_can_say_nothing_is_refused_before_anything_runs(tmp_path, changes, sentence):
    fields = {**exponents.SMOKE, "output_dir": tmp_path, **changes}
    with pytest.raises(ValueError, match=sentence):
        exponents.run(argparse.Namespace(**fields))
