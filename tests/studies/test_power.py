"""The study of Power: regret, and the schedules that it compares."""

import dataclasses

import numpy as np
import pytest

import workloads
from algoperf_lite import spec
from studies import power, regret


def _summary(*losses_CKS):
    return regret.Summary((1.0, 2.0), np.array(losses_CKS, float))


def test_regret_is_against_the_best_choice_of_the_cell_and_the_fixed_choice_has_the_least():
    # Cell 0 likes choice 0 by 0.1, cell 1 likes choice 1 by 0.3.
    found = _summary([[1.0, 1.2], [1.1, 1.3]], [[2.3, 2.5], [2.0, 2.2]])
    assert found.regrets_CKS[0] == pytest.approx(np.array([[0, 0], [0.1, 0.1]]))
    assert found.regrets_CKS[1] == pytest.approx(np.array([[0.3, 0.3], [0, 0]]))
    assert found.fixed == 1


def test_a_choice_that_diverges_anywhere_is_not_the_fixed_one():
    found = _summary([[1.0, 1.0], [1.4, 1.4]], [[np.inf, 1.0], [1.4, 1.4]])
    assert found.fixed == 1


def test_intervals_are_students_over_seeds():
    half = 4.302653 * 0.1 / np.sqrt(3)
    expected = f"0.200 ({0.2 - half:.3f} to {0.2 + half:.3f})"
    assert regret.interval(np.array([0.1, 0.2, 0.3])) == expected
    assert regret.interval(np.array([0.1, np.inf])) == "diverged"


def test_the_table_names_choices_and_compares_schedules_by_seed():
    cells = [regret.Cell(32, 8, 0.5), regret.Cell(64, 8, 0.5)]
    cosine = _summary([[1.0, 1.2], [1.1, 1.3]], [[2.3, 2.5], [2.0, 2.2]])
    rule = _summary([[1.1, 1.3], [1.1, 1.3]], [[2.1, 2.3], [2.1, 2.3]])
    text = "\n".join(regret.table({"cosine": cosine, "power": rule}, cells))
    assert "| cosine | peak = 2 | 0.050 (0.050 to 0.050) | 0.100 | 1, 2 |" in text
    assert "| power | a = 1 | 0.000 (0.000 to 0.000) |" in text
    assert "regret 0.050 (0.050 to 0.050), loss at the fixed choices -0.050" in text
    assert "| 32 | 8 | 50% | 1.200 (best 1.100 at 1) | 1.200 (best 1.200 at 1) |" in text
    assert len(regret.plot({"cosine": cosine, "power": rule}, cells).axes) == 2


@pytest.mark.parametrize(("batch_size", "width"), [(8, 32), (32, 64)])
def test_powers_rate_depends_on_batch_and_tokens_and_not_on_the_length_of_the_run(
    batch_size, width
):
    base = workloads.load("finewebedu_lm")
    base = power.at_width(base, width)

    def rate(name, steps, step, choice):
        workload = dataclasses.replace(base, batch_size=batch_size, step_hint=steps)
        point = spec.hyperparameters({"choice": choice})
        return float(power.algorithm(name).schedule(workload, point)(step))

    tokens = 100 * batch_size * base.targets_per_example
    expected = min(0.02, batch_size * 0.1 * tokens**-0.51)
    assert rate("power", 1000, 100, 0.1) == pytest.approx(expected, rel=1e-5)
    assert rate("power", 500, 100, 0.1) == rate("power", 1000, 100, 0.1)
    assert rate("cosine", 500, 400, 0.01) < rate("cosine", 1000, 400, 0.01)
    assert rate("wsd", 1000, 400, 0.01) == pytest.approx(0.01)
