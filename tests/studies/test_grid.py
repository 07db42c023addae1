"""Grids of settings: what is run, what is chosen, and what three seeds allow to say."""

import numpy as np
import pytest

from studies import best_peaks, comparisons, families, grid, uba
from studies.measurements import costs

pytestmark = pytest.mark.slow


def _result(*values, metric="loss"):
    return grid.Result(metric, np.array(values, float))


def test_losses_are_lower_for_better_and_infinite_for_diverged():
    assert _result(1, np.nan).losses_S.tolist() == [1, np.inf]
    assert _result(0.9, np.nan, metric="accuracy").losses_S.tolist() == [-0.9, np.inf]


def test_differences_are_paired_by_seed_with_students_limits():
    # Gaps of 0.1, 0.2, 0.3 beside seeds that differ by much more.
    mean, low, high = comparisons.difference(_result(1.1, 5.2, 9.3), _result(1, 5, 9))
    assert mean == pytest.approx(0.2)
    half = 4.302653 * 0.1 / np.sqrt(3)  # t of 2 degrees of freedom at 97.5%
    assert (low, high) == (pytest.approx(0.2 - half), pytest.approx(0.2 + half))
    assert comparisons.difference(_result(1, 2), _result(1, 2)) == (0, 0, 0)


def test_a_diverged_seed_leaves_the_difference_open():
    _, low, high = comparisons.difference(_result(1, np.nan), _result(1, 2))
    assert (low, high) == (-np.inf, np.inf)


def test_the_best_peak_is_that_of_the_lowest_median_and_the_table_says_what_is_sure():
    def cell(schedule, peak):
        return grid.Cell("nadamw", schedule, 0.5, "digits", peak)

    results = {
        cell("cosine", 1): _result(0.5, 0.5, 0.5, metric="accuracy"),
        cell("cosine", 2): _result(0.6, 0.61, 0.1, metric="accuracy"),
        cell("linear", 1): _result(0.7, 0.711, 0.2, metric="accuracy"),
        cell("rex", 1): _result(np.nan, 0.9, 0.9, metric="accuracy"),
    }
    found = best_peaks.best(results)
    assert found["nadamw", "cosine", 0.5, "digits"][0].peak == 2
    lines = list(uba.table(found, ["cosine", "linear", "rex"], [0.5], [("nadamw", "digits")]))
    assert "| cosine | 0.6 (0.1-0.61), peak 2, at the edge |" in lines
    assert "| linear | 0.7 (0.2-0.711), peak 1, better |" in lines
    assert "| rex | diverged in 1 of 3 |" in lines


def test_a_grid_is_run_once_and_then_recalled(tmp_path):
    cells = [grid.Cell("nadamw", "constant", 0.1, "digits", peak) for peak in (1e-3, 1e-2)]
    found = grid.run(cells, 2, tmp_path)
    assert [result.metric for result in found.values()] == ["accuracy"] * 2
    values = {cell.peak: result.values_S.tolist() for cell, result in found.items()}
    assert len(values[1e-3]) == 2
    assert values[1e-3] != values[1e-2]
    (process,) = costs.processes(tmp_path)
    assert process.runs == 4 and 0 < process.training < process.wall
    again = grid.run(cells, 2, tmp_path)
    assert {cell.peak: result.values_S.tolist() for cell, result in again.items()} == values


def test_a_cell_of_the_families_table():
    def record(seconds, steps, status="reached", best=0.5):
        return {
            "status": status,
            "time_to_target": seconds,
            "steps_to_target": steps,
            "best": best,
        }

    both = [record(2.0, 90), record(4.0, 110), record(None, None, "not_reached")]
    assert families.cell(both) == "2/3: 3.0 s (2.0-4.0), 100 steps, CV 14%"
    assert families.cell(both[2:]) == "0/1: best 0.5"


def test_members_of_a_grid_train_as_they_would_alone():
    payload = {
        **{"workload": "digits", "submission": "nadamw", "schedule": "cosine", "budget": 0.01},
        **{"peaks": [0.001, 0.01], "seeds": [3, 4], "mode": "single", "steps_per_dispatch": 3},
    }
    found = grid.work(payload, lambda **event: None)
    assert (found["metric"], found["steps"]) == ("accuracy", 6)

    def alone(peak, seed):
        one = {**payload, "peaks": [peak], "seeds": [seed]}
        return grid.work(one, lambda **event: None)["values"][0][0]

    assert found["values"] == [[alone(peak, seed) for seed in (3, 4)] for peak in (0.001, 0.01)]
    assert len(set(sum(found["values"], []))) > 1


def test_kept_results_of_another_grid_are_refused(tmp_path):
    kept = tmp_path / "cosine.json"
    kept.write_text('{"workload": "digits", "peaks": [0.1], "metric": "accuracy"}')
    same = {"workload": "digits", "peaks": [0.1]}
    assert grid.recalled(kept, same)["metric"] == "accuracy"
    with pytest.raises(
        ValueError, match=r"made with peaks \[0.1\], expected \[0.2\]; give another"
    ):
        grid.recalled(kept, {**same, "peaks": [0.2]})
