"""A trial's two files: which may be damaged, absent, or contradict each other."""

import pytest

from scoring.logs import read as logs_read


def read(tree):
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    return trials, [anomaly.kind for anomaly in anomalies]


def test_score_stands_in_for_an_absent_clock(tree):
    csv = "global_step,score,validation/accuracy\n10,4.5,0.9\n"
    tree.trial("s/study_0/toy_jax/trial_0", csv=csv)
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    assert trials[0].seconds.tolist() == [4.5]
    assert "score read instead" in anomalies[0].detail


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"status": "rea', "bad_trial_json"),
        ("[1, 2]", "bad_trial_json"),
        ("[" * 100_000, "bad_trial_json"),
        ('{"status": "great"}', "unknown_status"),
        ('{"status": ["reached"]}', "unknown_status"),
    ],
)
def test_damaged_trial_json(tree, text, kind):
    tree.trial("s/study_0/toy_jax/trial_0", info=text)
    (trial,), kinds = read(tree)
    assert kinds == [kind]
    assert trial.status is None and trial.steps.size == 2


def test_a_log_that_contradicts_its_trial_json(tree):
    info = {"status": "reached", "submission": "s", "study": 0, "workload": "toy", "trial": 1}
    tree.trial("s/study_0/toy_jax/trial_1", info={**info, "steps_to_target": 20})
    tree.trial("s/study_0/toy_jax/trial_2", info={**info, "steps_to_target": 30})
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    assert len(trials) == 2
    assert [(anomaly.kind, anomaly.path, anomaly.detail) for anomaly in anomalies] == [
        (
            *("misplaced", "s/study_0/toy_jax/trial_2/trial.json"),
            "trial.json says trial 1, the folders say 2",
        ),
        (
            *("lost_rows", "s/study_0/toy_jax/trial_2/trial.json"),
            "trial.json says the target was reached at step 30: no such row",
        ),
    ]
