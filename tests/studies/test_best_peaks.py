"""UBA's phi from elsewhere: what other workloads say of it, never the one that it is used on."""

import numpy as np

from studies import best_peaks, grid, uba

PHIS = "uba:phi=1", "uba:phi=5", "uba:phi=10"


def _found(losses):
    """From {(submission, workload): losses by schedule, the same at two budgets}."""
    results = {
        grid.Cell(submission, schedule, budget, workload, 0.1): grid.Result(
            "loss", np.array([loss, 1.01 * loss + 0.1, loss + 0.3])
        )
        for (submission, workload), by_schedule in losses.items()
        for schedule, loss in by_schedule.items()
        for budget in (0.5, 1.0)
    }
    return best_peaks.best(results)


def _chosen(found, submission="nadamw"):
    added = best_peaks.elsewhere(found)
    return {
        key[3]: chosen.cell.schedule for key, chosen in added.items() if key[0] == submission
    }, added


def test_phi_is_chosen_on_the_other_workloads_by_rank():
    found = _found(
        {
            # On its own, each workload would choose another one. "c" has losses of another size.
            ("nadamw", "a"): {"cosine": 0.0, **dict(zip(PHIS, (1, 2, 3), strict=True))},
            ("nadamw", "b"): {"cosine": 0.0, **dict(zip(PHIS, (3, 1, 2), strict=True))},
            ("nadamw", "c"): {"cosine": 0.0, **dict(zip(PHIS, (900, 700, 100), strict=True))},
        }
    )
    by_workload, added = _chosen(found)
    # a: b and c rank the three 3, 1, 2 and 3, 2, 1: five and ten are even, the first one counts.
    assert by_workload == {"a": "uba:phi=5", "b": "uba:phi=1", "c": "uba:phi=5"}
    assert len(added) == 6, "one for each budget"
    assert all(key[1] == best_peaks.ELSEWHERE for key in added)
    assert added["nadamw", best_peaks.ELSEWHERE, 1.0, "b"] == found["nadamw", "uba:phi=1", 1.0, "b"]


def test_an_optimizer_is_not_told_by_another():
    ranks = {"nadamw": ((1, 2, 3), (1, 2, 3)), "nesterov": ((3, 2, 1), (3, 2, 1))}
    found = _found(
        {
            (name, workload): dict(zip(PHIS, of, strict=True))
            for name, both in ranks.items()
            for workload, of in zip(("a", "b"), both, strict=True)
        }
    )
    assert _chosen(found)[0] == dict.fromkeys(("a", "b"), PHIS[0])
    assert _chosen(found, "nesterov")[0] == dict.fromkeys(("a", "b"), PHIS[2])


def test_one_workload_has_no_others_and_one_phi_no_choice():
    assert (
        best_peaks.elsewhere(_found({("nadamw", "a"): dict(zip(PHIS, (1, 2, 3), strict=True))}))
        == {}
    )
    alone = {(("nadamw", workload)): {"uba:phi=1": 1.0, "cosine": 2.0} for workload in "ab"}
    assert best_peaks.elsewhere(_found(alone)) == {}


def test_the_row_of_the_table_says_which_phi_it_was_and_what_is_sure_of_it():
    losses = {"cosine": 0.0, **dict(zip(PHIS, (1, 2, 3), strict=True))}
    found = _found({("nadamw", "a"): losses, ("nadamw", "b"): losses})
    found |= best_peaks.elsewhere(found)
    lines = list(
        uba.table(found, ["cosine", *PHIS, best_peaks.ELSEWHERE], [0.5, 1.0], [("nadamw", "a")])
    )
    assert lines[0] == "**a, nadamw** (loss)"
    own, *_, again = [line for line in lines if "uba" in line and "phi=1)" in line]
    assert again.startswith(
        "| uba, phi of the other workloads: uba(phi=1) | 1.11 (1-1.3), peak 0.1"
    )
    assert again.partition("|")[2].partition("|")[2] == own.partition("|")[2].partition("|")[2]
    assert own.endswith("worse |")
