"""What is unlike among trials is said: studies, trials, copies, ties whose order matters."""

import json

import pytest

import scoring
from scoring.stats import anomalies


def anomalies_of(trials, benchmark, **options):
    board = scoring.score_trials(trials, benchmark, scoring.Protocol(**options))
    return [(anomaly.kind, anomaly.path, anomaly.detail) for anomaly in board.anomalies]


def even(trial_of, workloads="ab", studies=3, trials=2):
    """Trials of one submission, no two with the same readings."""
    return [
        trial_of("s", study, workload, trial, 5.0 + 10 * w + study + trial / 10)
        for w, workload in enumerate(workloads)
        for study in range(studies)
        for trial in range(trials)
    ]


def test_even_trials_are_not_remarked_on(trial_of, benchmark_of):
    assert anomalies_of(even(trial_of), benchmark_of("ab")) == []


def test_a_missing_study_and_a_missing_trial(trial_of, benchmark_of):
    trials = [
        trial
        for trial in even(trial_of)
        if (trial.workload, trial.study) != ("b", 1)
        and (trial.workload, trial.study, trial.trial) != ("a", 2, 1)
    ]
    assert anomalies_of(trials, benchmark_of("ab")) == [
        (
            *("missing_study", "s/b"),
            "no trial in study_1, unlike other workloads of the submission",
        ),
        ("uneven_trials", "s/a", "trials in study_2: 1, in most others: 2"),
    ]


def test_held_out_workloads_may_have_one_study(trial_of, benchmark_of):
    variant = [trial_of("s", 0, "a_big", trial, 90.0 + trial) for trial in (0, 1)]
    trials = [*even(trial_of), *variant]
    assert anomalies_of(trials, benchmark_of("ab", ("a_big",))) == []


def test_copies_are_named(trial_of, benchmark_of):
    trials = [
        *(trial_of("s", 0, "a", 0, 5.0), trial_of("s", 1, "a", 0, 5.0)),
        *(trial_of("s", 0, "b", 0, 6.0), trial_of("s", 1, "b", 0, 6.5)),
    ]
    assert anomalies_of(trials, benchmark_of("ab")) == [
        ("same_log", "s/study_1/a_jax/trial_0", "has every reading of s/study_0/a_jax/trial_0")
    ]


def test_ties_by_evaluation_index_whose_order_decides(trial_of, benchmark_of):
    trials = [
        # Study 0: rows tie and times do not. Study 1: the smallest row is alone.
        trial_of("s", 0, "toy", 1, 50.0, index=1),
        trial_of("s", 0, "toy", 2, 40.0, index=1),
        trial_of("s", 1, "toy", 1, 60.0, index=1),
        trial_of("s", 1, "toy", 2, 30.0, index=2),
    ]
    ((kind, path, detail),) = anomalies_of(trials, benchmark_of(), mode="official")
    assert (kind, path) == ("order_sensitive", "s/toy")
    assert "study_0 tie" in detail and "the median may be 50 to 55" in detail
    assert anomalies_of(trials, benchmark_of()) == []  # exact mode does not choose by index
    board = scoring.score_trials(trials, benchmark_of(), scoring.Protocol(mode="official"))
    assert board.rows[0].time_to_target == {"toy": 55.0}


def test_order_sensitivity_of_the_shared_logs(shared_logs):
    """Exactly the golden file's cells with tied indices, and its ranges of their medians."""
    golden = json.loads((shared_logs / "golden" / "dev_external_v05.json").read_text())
    board = scoring.score(shared_logs / "external_tuning", "algoperf_v05", mode="official")
    found = {o.path: o.detail for o in board.anomalies if o.kind == "order_sensitive"}
    scored = golden["base_workloads"] + golden["held_out_workloads"]
    tied = {
        f"{submission}/{name.rsplit('_', 1)[0]}"
        for submission, cells in golden["per_study"].items()
        for name, studies in cells.items()
        if any(len(study["tied_times"]) > 1 for study in studies.values())
        and name.rsplit("_", 1)[0] in scored
    }
    assert set(found) == tied
    ranges = golden["order_sensitivity"]["cells_low_high"]
    for path, detail in found.items():
        submission, workload = path.split("/")
        if workload in ranges.get(submission, {}):
            low, high = ranges[submission][workload]
            assert f"the median may be {low:.10g} to {high:.10g}" in detail
        else:
            assert "same median" in detail


@pytest.mark.parametrize("by", ["time", "steps"])
def test_a_tie_of_equal_values_decides_nothing(trial_of, benchmark_of, by):
    trials = [trial_of("s", 0, "toy", trial, 40.0, index=1) for trial in (1, 2)]
    targets = benchmark_of().workloads
    assert list(anomalies.order_sensitive(trials, targets, by)) == []


def test_who_was_outrun_on_the_way_to_an_easier_target_is_named(trial_of, benchmark_of):
    def raced(**info):
        info = {"status": "outrun", "metric": benchmark_of("ab").workloads["a"].metric, **info}
        return [*even(trial_of), trial_of("s", 0, "a", 2, None, info=info)]

    def kinds(trials):
        return {kind for kind, *_ in anomalies_of(trials, benchmark_of("ab"))} - {"uneven_trials"}

    assert kinds(raced(target=0.5)) == set()
    assert kinds(raced(target=0.6)) == set()  # harder: who met it first met this one before
    for info in ({"target": 0.4}, {"target": None}, {"target": 0.5, "metric": "other"}):
        assert kinds(raced(**info)) == {"raced_for_less"}
