"""Several trees as one: names, numbers of studies, copies, machines; and their boards."""

import json

import pytest

import scoring
from scoring.logs import merge, origins, pack, read, trees

TOY = "toy_jax"


@pytest.fixture
def trees_of(tmp_path):
    """Makes trees of (submission, study, text, seed, time) in folders a, b, c ..."""

    def make(*contents, fingerprint="k1"):
        roots = {}
        for letter, trials in zip("abcdef", contents, strict=False):
            root = tmp_path / letter
            for submission, study, text, seed, time in trials:
                folder = root / submission / f"study_{study}" / TOY / "trial_1"
                folder.mkdir(parents=True)
                rows = f"{time},10,{time},0.1,100\n{2 * time},20,{2 * time},0.9,100\n"
                header = "accumulated_submission_time,global_step,score,validation/accuracy,n\n"
                (folder / "eval_measurements.csv").write_text(header + rows)
                info = {
                    **{"status": "reached", "submission": submission, "study": study},
                    **{"workload": "toy", "trial": 1, "experiment_seed": seed},
                    **{"submission_sha256": text, "fingerprint": {"key": fingerprint}},
                }
                (folder / "trial.json").write_text(json.dumps(info))
            roots[letter] = root
        return roots

    return make


def places(plan):
    """{tree: its trials' places there and here}"""
    return [
        (t.found.root, t.found.submission, t.found.study, t.submission, t.study)
        for t in plan.trials
    ]


def test_the_same_text_has_one_name_and_its_studies_lie_side_by_side(trees_of):
    roots = trees_of(
        [("adam", 0, "t1", 0, 1.0), ("adam", 1, "t1", 0, 2.0)],
        [("other", 0, "t1", 7, 3.0), ("other", 1, "t1", 7, 4.0)],
    )
    plan = merge.plan(roots)
    assert places(plan) == [
        *((0, "adam", 0, "adam", 0), (0, "adam", 1, "adam", 1)),
        *((1, "other", 0, "adam", 2), (1, "other", 1, "adam", 3)),
    ]
    assert plan.renamed == ((1, "other", "adam"),)


def test_different_texts_of_one_name_are_told_apart_with_their_schedules(trees_of):
    roots = trees_of(
        [("adam", 0, "t1", 0, 1.0)],
        [("adam", 0, "t2", 0, 2.0), ("adam+uba(phi=5)@0.5", 0, "t2", 0, 3.0)],
        [("adam", 0, "t3", 0, 4.0), ("adam_2", 0, "t2", 0, 5.0)],
    )
    plan = merge.plan(roots)
    assert [(t.submission, t.study) for t in plan.trials] == [
        *(("adam", 0), ("adam_2", 0), ("adam_2+uba(phi=5)@0.5", 0)),
        # They are a pair, so both move where one has to.
        *(("adam_3", 1), ("adam_2", 1)),
    ]


def test_two_names_of_one_text_in_one_tree_stay_two(trees_of):
    both = [("adam", 0, "t1", 0, 1.0), ("copy", 0, "t1", 0, 2.0)]
    again = [("adam", 0, "t1", 5, 3.0), ("copy", 0, "t1", 5, 4.0)]
    found = [(t.submission, t.study) for t in merge.plan(trees_of(both, again)).trials]
    assert found == [("adam", 0), ("copy", 0), ("adam", 1), ("copy_2", 1)]


def test_without_a_text_nobody_knows_that_two_are_the_same(trees_of):
    roots = trees_of([("adam", 0, None, 0, 1.0)], [("adam", 0, None, 0, 2.0)])
    assert [t.submission for t in merge.plan(roots).trials] == ["adam", "adam_2"]


def test_trials_that_are_paired_stay_paired(trees_of):
    """A study has one number for all submissions, and the same seed and study the same number."""
    roots = trees_of(
        [("adam", 0, "t1", 0, 1.0), ("adam", 1, "t1", 0, 2.0)],
        [("lion", 0, "t2", 0, 3.0), ("lion", 1, "t2", 0, 4.0)],  # the same seed: pairs of adam's
        [("adam", 0, "t1", 5, 5.0), ("lion", 0, "t2", 5, 6.0)],  # another one: a pair of its own
    )
    found = [(t.submission, t.study) for t in merge.plan(roots).trials]
    assert found[2:4] == [("lion", 0), ("lion", 1)]
    assert found[4:] == [("adam", 2), ("lion", 2)]


def test_a_study_that_was_run_again_is_another_one(trees_of):
    roots = trees_of([("adam", 0, "t1", 0, 1.0)], [("adam", 0, "t1", 0, 1.1)])
    assert [(t.submission, t.study) for t in merge.plan(roots).trials] == [("adam", 0), ("adam", 1)]


def test_copies_are_taken_once(trees_of):
    same = [("adam", 0, "t1", 0, 1.0)]
    plan = merge.plan(trees_of(same, same, [("adam", 0, "t1", 0, 2.0)]))
    assert len(plan.trials) == 2 and [d.root for d in plan.duplicates] == [1]


def test_the_rows_of_another_submission_stay_to_be_seen(trees_of):
    roots = trees_of([("adam", 0, "t1", 0, 1.0)], [("lion", 0, "t2", 0, 1.0)])
    plan = merge.plan(roots)
    assert len(plan.trials) == 2 and not plan.duplicates


def test_a_merged_tree_is_read_without_complaint_and_merged_again(trees_of, tmp_path, benchmark_of):
    roots = trees_of([("adam", 0, "t1", 0, 1.0)], [("adam", 0, "t2", 0, 2.0)])
    for root in roots.values():
        (root / "experiment.json").write_text(json.dumps({"settings": {"of": root.name}}))
    merge.plan(roots).write(tmp_path / "ab")
    metrics = {"toy": "accuracy"}
    trials, anomalies = read.read(tmp_path / "ab", metrics)
    assert [t.submission for t in trials] == ["adam", "adam_2"] and anomalies == ()
    more = trees_of([], [], [("lion", 0, "t3", 0, 3.0)])
    merge.plan({"c": more["c"], "ab": tmp_path / "ab"}).write(tmp_path / "abc")
    names = [one["name"] for one in origins.experiments(tmp_path / "abc")]
    assert names == ["c", "a", "b"]
    assert origins.of_trials(tmp_path / "abc") == {
        "lion/study_0/toy_jax/trial_1": {"experiment": 0, "submission": "lion", "study": 0},
        "adam/study_0/toy_jax/trial_1": {"experiment": 1, "submission": "adam", "study": 0},
        "adam_2/study_0/toy_jax/trial_1": {"experiment": 2, "submission": "adam", "study": 0},
    }
    assert not read.read(tmp_path / "abc", metrics)[1]
    # A record that tells of yet another place is still found.
    record = tmp_path / "abc" / "adam_2/study_0/toy_jax/trial_1/trial.json"
    record.write_text(record.read_text().replace('"study": 0', '"study": 4'))
    assert [a.kind for a in read.read(tmp_path / "abc", metrics)[1]] == ["misplaced"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"trials": 3}', '{"trials": {"a": []}}', "[" * 99999]
)
def test_a_damaged_account_of_a_merged_tree_hides_no_trial(trees_of, content):
    root = trees_of([("adam", 0, "t1", 0, 1.0)])["a"]
    (root / "merged.json").write_text(content)
    assert len(read.read(root, {"toy": "accuracy"})[0]) == 1


def test_machines_are_told_by_their_keys_alone(trees_of):
    plan = merge.plan(trees_of([("adam", 0, "t1", 0, 1.0)], fingerprint="../../up"))
    assert plan.fingerprints == ("unknown",)  # a key becomes the name of a folder


def test_several_trees_and_packs_are_one_board(trees_of, tmp_path, benchmark_of):
    roots = trees_of(
        [("adam", 0, "t1", 0, 1.0), ("adam", 1, "t1", 0, 1.0)],
        [("lion", 0, "t2", 0, 3.0), ("lion", 1, "t2", 0, 3.0)],
    )
    files = {
        file.relative_to(roots["b"]).as_posix(): file.read_bytes()
        for file in roots["b"].rglob("*")
        if file.is_file()
    }
    pack.write(tmp_path / "b.zip", {}, files)
    benchmark = benchmark_of()
    whole = scoring.score([roots["a"], tmp_path / "b.zip"], benchmark)
    assert [row.submission for row in whole.rows] == ["adam", "lion"]
    assert whole.rows[1].ratio_to_best["toy"] == 3.0 and not whole.anomalies
    assert [r.submission for r in scoring.score(tmp_path / "b.zip", benchmark).rows] == ["lion"]
    # The same thing twice is there once.
    again = scoring.score([roots["a"], roots["b"], tmp_path / "b.zip", roots["a"]], benchmark)
    assert [row.num_studies for row in again.rows] == [2, 2]


def test_unlike_machines_are_no_board_of_seconds(trees_of, benchmark_of):
    roots = trees_of([], [("lion", 0, "t2", 0, 1.0)], fingerprint="k2")
    roots["a"] = trees_of([("adam", 0, "t1", 0, 1.0)], fingerprint="k1")["a"]
    with pytest.raises(ValueError, match="different hardware fingerprints do not compare"):
        scoring.score(list(roots.values()), benchmark_of())
    assert scoring.score(list(roots.values()), benchmark_of(), by="steps").rows


def test_what_is_not_there_is_refused(tmp_path, trees_of, benchmark_of):
    root = trees_of([("adam", 0, "t1", 0, 1.0)])["a"]
    with pytest.raises(ValueError, match="nowhere' does not exist"):
        scoring.score([root, tmp_path / "nowhere"], benchmark_of())
    with pytest.raises(ValueError, match="got no directory"), trees.opened([]):
        pass
