"""One side of a comparison on disk: whole directories, parts of them, tables."""

import json

import numpy as np
import pytest

from scoring import load_benchmark
from scoring.benchmark import Benchmark, Target
from scoring.stats.fidelity import compare
from scoring.stats.sides import open_side

LITE = load_benchmark("lite").name  # of the edition of today
GOAL = Benchmark("tiny", ("toy",), (), {"toy": Target("accuracy", 0.5, 100)}, {})


@pytest.fixture
def three(tree):
    """Three submissions, two studies; the target is met at step 80, 90 and 100."""
    for i, name in enumerate("abc"):
        for study in range(2):
            tree.trial(
                f"{name}/study_{study}/toy_jax/trial_1",
                times=(1.0, 5.0 + i + study / 10, 9.0),
                metrics=(0.1 + i / 10, 0.6, 0.7),
                steps=[40, 80 + 10 * i, 120],
            )
    return tree


def test_a_directory_is_a_side(three):
    side = open_side(three.root, GOAL)
    assert side.submissions == ("a", "b", "c") and side.workloads == ("toy",)
    assert (side.num_studies, side.share) == (2, 1.0)


def test_studies_are_chosen(three):
    side = open_side(f"{three.root}@studies=1", GOAL)
    assert {trial.study for trial in side.trials} == {1}
    assert open_side(f"{three.root}@studies=0-1", GOAL).num_studies == 2
    with pytest.raises(ValueError, match="has no such study"):
        open_side(f"{three.root}@studies=7", GOAL)


def test_without_shorter_runs_logs_are_read_up_to_the_share(three):
    side = open_side(f"{three.root}@0.9", GOAL)
    assert {trial.steps.max() for trial in side.trials} == {80, 90, 40}
    measure = side.by_clock("time", "abc", ("toy",))
    assert measure.place_SB[:, 0].tolist() == [1.0, 0.5, 0.0]  # c meets it at step 100 only
    found = compare(side, open_side(three.root, GOAL))
    assert found.whole.tau.value == 1.0
    assert [one.a_by for one in found.others][1:4] == [
        "metric at 25%",
        "metric at 50%",
        "metric at 90%",
    ]


def test_shorter_runs_stand_for_their_submission(three):
    for i, name in enumerate("abc"):
        three.trial(f"{name}@0.25/study_0/toy_jax/trial_1", times=(1.0, 9.0 - i), steps=[10, 25])
    side = open_side(f"{three.root}@0.25", GOAL)
    assert side.submissions == ("a", "b", "c") and side.num_studies == 1
    assert all("@0.25" in trial.path for trial in side.trials)
    found = compare(side, open_side(three.root, GOAL))
    assert found.whole.tau.value == -1.0 and "a@0.25" in found.b_only


def test_both_parts_at_once(three):
    side = open_side(f"{three.root}@0.5,studies=1", GOAL)
    assert (side.share, side.num_studies) == (0.5, 1)
    assert {trial.steps.max() for trial in side.trials} == {40}


@pytest.mark.parametrize("part", ["half", "0", "1.5", "studies=a", ""])
def test_another_part_is_refused(three, part):
    with pytest.raises(ValueError, match="behind '@'; expected a part of the step hint, as in"):
        open_side(f"{three.root}@{part}", GOAL)


def test_a_directory_with_an_at_in_its_name_is_taken_whole(three):
    three.root.rename(three.root.with_name("logs@0.5"))
    side = open_side(three.root.with_name("logs@0.5"), GOAL)
    assert side.share == 1.0 and {trial.steps.max() for trial in side.trials} == {120}


def test_the_benchmark_is_the_one_that_the_logs_were_made_for(tree):
    folder = tree.trial("s/study_0/wmt_jax/trial_1", metric="bleu")
    assert open_side(tree.root).benchmark.name == "algoperf_v05"
    (folder / "trial.json").write_text('{"status": "reached"}')
    assert open_side(tree.root).benchmark.name == LITE
    settings = {"settings": {"benchmark": "algoperf_v06"}}
    (tree.root / "experiment.json").write_text(json.dumps(settings))
    assert open_side(tree.root).benchmark.name == "algoperf_v06"
    assert open_side(tree.root, "lite").benchmark.name == LITE


def test_a_table_of_times_with_studies_has_intervals(tmp_path):
    rows = [
        f"{name},{workload},{10 * (i + 1) + study},{study}"
        for i, name in enumerate("abc")
        for workload in ("v", "w")
        for study in range(3)
    ]
    path = tmp_path / "times.csv"
    path.write_text("\n".join(["submission,workload,time,study", *rows]))
    side = open_side(path)
    assert (side.num_studies, side.workloads, side.yardsticks) == (3, ("v", "w"), ("time",))
    measure = side.by_clock("time", "abc", ("v", "w"))
    assert measure.can_tell_S.all() and not measure.is_certain
    np.testing.assert_allclose(measure.credit_SB[:, 0], [1, (4 - 21 / 11) / 3, (4 - 31 / 11) / 3])
    path.write_text("\n".join(["submission,workload,time", *(r[:-2] for r in rows[::3])]))
    side = open_side(path)
    assert side.num_studies == 0 and side.by_clock("time", "abc", ("v", "w")).is_certain


def test_the_benchmark_of_a_table_says_which_workloads_its_scores_are_over(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("submission,score\na,0.5\nb,0.4\nc,0.3\n")
    assert open_side(path).workloads == ()
    assert "wmt" in open_side(path, "algoperf_v05").workloads


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "does not exist; give a directory of logs, .csv or .json"),
        ("notes.txt", "is no table; give a directory"),
        ("s.csv@0.5", "asks for a part of a table; parts are of directories"),
    ],
)
def test_a_path_that_is_no_board_is_refused(tmp_path, name, words):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "s.csv").write_text("submission,score\na,0.5\n")
    with pytest.raises(ValueError, match=words):
        open_side(tmp_path / name)
