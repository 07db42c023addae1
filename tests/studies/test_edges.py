"""Grids that are widened where their best value lies at an edge; what many comparisons allow."""

import argparse
import math

import numpy as np
import pytest
import scipy.stats

from studies import best_peaks, comparisons, edges, grid, power, regret, uba

SEEDS = 3


@pytest.mark.parametrize(
    ("values", "best", "expected"),
    [
        ([0.3, 1.0, 3.0], [1.0], []),
        ([0.3, 1.0, 3.0], [3.0], [9.0, 27.0]),
        ([3.0, 0.3, 1.0], [0.3], [0.027, 0.09]),
        ([1.0, 2.0, 8.0], [1.0, 8.0], [0.25, 0.5, 32.0, 128.0]),
        ([1.0, 10.0], [10.0], [100.0, 1000.0]),
        ([1.0], [1.0], []),
        ([0.0006, 0.00125], [0.00125], [0.00260417, 0.00542535]),
    ],
)
def test_a_grid_grows_by_its_own_factor_beyond_the_edge_with_the_best(values, best, expected):
    assert edges.beyond(values, best) == pytest.approx(expected, rel=1e-5)


def test_an_edge_is_one_only_where_there_is_a_grid():
    assert edges.is_at_edge([1.0, 2.0, 3.0], 3.0) and edges.is_at_edge([1.0, 2.0, 3.0], 1.0)
    assert not edges.is_at_edge([1.0, 2.0, 3.0], 2.0)
    assert not edges.is_at_edge([1.0], 1.0)


def test_holms_p_values_are_those_of_the_paper():
    # Worked by hand: 4 * 0.01, then 3 * 0.012 which must not fall below it, 2 * 0.03, 1 * 0.2.
    found = comparisons.holm({"a": 0.2, "b": 0.01, "c": 0.03, "d": 0.012})
    assert found == pytest.approx({"b": 0.04, "d": 0.04, "c": 0.06, "a": 0.2})
    assert comparisons.holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert comparisons.holm({}) == {}


def _result(*values):
    return grid.Result("loss", np.array(values, float))


def test_p_values_go_with_the_limits():
    one, other = _result(1.1, 5.2, 9.35), _result(1, 5, 9)
    found = comparisons.p_value(one, other)
    assert found == pytest.approx(scipy.stats.ttest_rel([1.1, 5.2, 9.35], [1, 5, 9]).pvalue)
    assert (found < 0.05) == (comparisons.difference(one, other)[1] > 0)
    assert comparisons.p_value(_result(1, 2), _result(1, 2)) == 1
    assert comparisons.p_value(_result(2, 3), _result(1, 2)) == 0
    assert comparisons.p_value(_result(1, np.nan), _result(1, 2)) == 1
    assert comparisons.p_value(_result(1), _result(2)) == 1


def test_one_of_many_schedules_is_not_better_by_chance():
    def cell(schedule):
        return grid.Cell("nadamw", schedule, 0.5, "digits", 1.0)

    # 0.1 apart with a p of 0.026: surely so alone, and not as one of three.
    results = {cell("cosine"): _result(1.0, 2.0, 3.0), cell("rex"): _result(0.92, 1.86, 2.9)}
    said = best_peaks.verdicts(best_peaks.best(results))
    assert said == {("nadamw", "rex", 0.5, "digits"): "better"}
    results |= {cell("linear"): _result(1.3, 1.7, 3.1), cell("wsd"): _result(1.4, 1.9, 3.2)}
    assert set(best_peaks.verdicts(best_peaks.best(results)).values()) == {""}


def _made(monkeypatch, loss):
    """Has `loss(payload, value, number of a seed)` in place of training; returns what is asked."""
    asked = []

    def conduct(module, payloads):
        asked.append(dict(payloads))
        return [
            {
                "metric": "loss",
                "values": [
                    [loss(payload, value, s) for s in range(len(payload["seeds"]))]
                    for value in payload.get("peaks", payload.get("choices"))
                ],
            }
            for payload in payloads.values()
        ]

    monkeypatch.setattr(grid, "conduct", conduct)
    return asked


def _run_uba(tmp_path, **given):
    fields = {
        **{"schedules": ["cosine", "linear"], "budgets": [0.5, 1.0], "workloads": ["digits"]},
        **{"peaks": [0.3, 1.0, 3.0], "num_search_seeds": 1, "num_seeds": SEEDS},
        **{"submissions": ["nadamw"]},
        **{"output_dir": tmp_path / "runs", "output": tmp_path / "uba", **given},
    }
    uba.run(argparse.Namespace(**fields))
    return (tmp_path / "uba.md").read_text()


def test_the_study_of_budgets_widens_what_ends_at_an_edge_and_says_so(tmp_path, monkeypatch):
    own = 1.7486e-3  # the reference's peak

    def loss(payload, peak, seed):
        # Cosine is best inside of its grid, linear at 9 times the peak, or beyond all at 50%.
        best = {"cosine": 1.0, "linear": 9.0 if payload["budget"] == 1 else 1e3}
        return (math.log(peak / own / best[payload["schedule"]])) ** 2 + 0.1 * seed

    asked = _made(monkeypatch, loss)
    text = _run_uba(tmp_path)
    first, second, finals = asked
    assert sorted(path.name for path in first) == [
        *("cosine@0.5.json", "cosine@1.json", "linear@0.5.json", "linear@1.json")
    ]
    # Beside what was there, whose payload stays what it was: the study goes on where it ended.
    assert sorted(path.name for path in second) == [
        "linear@0.5.widened.json",
        "linear@1.widened.json",
    ]
    for payload in second.values():
        assert payload["peaks"] == pytest.approx([9 * own, 27 * own], rel=1e-5)
    # Of the best peak, with seeds that chose none.
    assert len(finals) == 4 and all(grid.FINALISTS in path.name for path in finals)
    for payload in finals.values():
        assert len(payload["peaks"]) == 1
        assert payload["seeds"] == grid.seeds(SEEDS + 1)[1:]
    assert {s for payload in first.values() for s in payload["seeds"]} == set(grid.seeds(1))
    cosine, linear = (
        [line for line in text.splitlines() if line.startswith(f"| {name} |")][0]
        for name in ("cosine", "linear")
    )
    assert "widened" not in cosine and "edge" not in cosine
    half, whole = linear.split("|")[2:4]
    assert "peak 0.047, widened, at the edge" in half
    assert "peak 0.016, widened" in whole and "edge" not in whole
    assert "in 2 of 4 settings, which got 2 more peaks beyond it" in text
    assert "in 1 of them it still does" in text
    again = _made(monkeypatch, loss)
    assert _run_uba(tmp_path) == text and again == asked


def test_where_all_diverge_the_grid_is_widened_below(tmp_path, monkeypatch):
    asked = _made(monkeypatch, lambda payload, peak, seed: None if peak > 1e-4 else peak)
    text = _run_uba(tmp_path, budgets=[1.0], peaks=[3.0, 1.0])
    for payload in asked[1].values():
        assert payload["peaks"] == pytest.approx([1.7486e-3 / 9, 1.7486e-3 / 3], rel=1e-5)
    assert len(asked[1]) == 2
    assert "diverged in 3 of 3" in text


def test_a_grid_of_one_peak_is_not_widened(tmp_path, monkeypatch):
    asked = _made(monkeypatch, lambda payload, peak, seed: peak)
    text = _run_uba(tmp_path, peaks=[1.0])
    assert asked[1] == {} and "edge of the grid in 0 of 4 settings" in text
    assert "at the edge" not in text


def test_what_is_to_be_searched_has_no_grid(tmp_path, monkeypatch):
    _made(monkeypatch, lambda payload, peak, seed: peak)
    with pytest.raises(ValueError, match="uba:phi=search is to be searched, but a grid says what"):
        _run_uba(tmp_path, schedules=["cosine", "uba:phi=search"])


def test_the_study_of_power_widens_a_schedules_grid_in_all_cells(tmp_path, monkeypatch):
    cells = [regret.Cell(32, 8, 0.5), regret.Cell(64, 8, 0.5)]
    choices = {"cosine": [1.0, 2.0, 4.0], "wsd": [1.0, 2.0, 4.0], "power": [0.5, 1.0]}

    def perplexity(payload, choice, seed):
        width = payload["width"] / 32
        best = {"cosine": 2.0, "wsd": 4.0 * width, "power": 0.25 * width**2}
        return math.exp(math.log(choice / best[payload["schedule"]]) ** 2 + 0.01 * seed)

    asked = _made(monkeypatch, perplexity)
    found = power.summaries(tmp_path, cells, choices, SEEDS)
    assert found["cosine"].widened == () and found["cosine"].choices == (1.0, 2.0, 4.0)
    assert found["wsd"].choices == (1.0, 2.0, 4.0, 8.0, 16.0)
    assert found["wsd"].losses_CKS.shape == (2, 5, SEEDS)
    assert [found["wsd"].choices[k] for k in found["wsd"].best_C] == [4.0, 8.0]
    # Both edges: 0.5 was the best of one cell, 1 of the other.
    assert found["power"].choices == (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
    assert [found["power"].choices[k] for k in found["power"].best_C] == [0.25, 1.0]
    assert {path.suffixes[-2] for path in asked[1]} == {grid.WIDENED}
    text = "\n".join(regret.table(found, cells))
    assert (
        "wsd: the best peak of some cell lay at an edge of the grid, which was widened by 8, 16; it"
        in text
    )
    assert "it still does in 0 of 2 cells" in text and "cosine: the best" not in text
    assert "hold all together (Bonferroni)" in text
    assert regret.plot(found, cells).axes


def test_intervals_of_several_comparisons_are_wider():
    values_S = np.array([0.1, 0.2, 0.3])
    half = scipy.stats.t.ppf(1 - 0.025 / 6, 2) * 0.1 / np.sqrt(3)
    assert regret.interval(values_S, 6) == f"0.200 ({0.2 - half:.3f} to {0.2 + half:.3f})"
