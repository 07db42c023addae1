"""Logs are read whatever state the run left them in, and nothing is left out silently."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.logs import read as logs_read
from scoring.logs.eval_csv import read_columns

WANTED = ("global_step", "accumulated_submission_time", "score", "validation/wer")


def read(tree):
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    return trials, [anomaly.kind for anomaly in anomalies]


def test_a_good_trial(tree):
    info = {"status": "reached", "timing": "replayed", "fingerprint": {"key": "abc"}}
    tree.trial("s/study_1/toy_pytorch/trial_3", info=info, times=(1.5, 2.5), metrics=(0.1, 0.9))
    (trial,), kinds = read(tree)
    assert kinds == []
    assert (trial.submission, trial.study, trial.workload, trial.framework, trial.trial) == (
        *("s", 1, "toy", "pytorch", 3),
    )
    assert trial.path == "s/study_1/toy_pytorch/trial_3"
    assert trial.seconds.tolist() == trial.score.tolist() == [1.5, 2.5]
    assert trial.steps.tolist() == [10, 20] and trial.metric.tolist() == [0.1, 0.9]
    assert trial.seconds.dtype == np.float64
    assert (trial.status, trial.timing, trial.fingerprint_key) == ("reached", "replayed", "abc")


def test_natural_order(tree):
    for study in (10, 9, 0):
        for trial in (10, 9, 2):
            tree.trial(f"s/study_{study}/toy_jax/trial_{trial}")
    trials, _ = read(tree)
    order = [(trial.study, trial.trial) for trial in trials]
    assert order == [(s, t) for s in (0, 9, 10) for t in (2, 9, 10)]


HEAD = "accumulated_submission_time,global_step,score,validation/accuracy,validation/num_examples\n"


@pytest.mark.parametrize(
    ("csv", "metric", "kinds"),
    [
        (HEAD + "1,10,1,0.7,5\n", [0.7], []),  # one row
        (HEAD + "1,10,1,0.7,5\n2,20,2,0.", [0.7], ["torn_tail"]),
        (HEAD + "1,10,1,0.7,5\n2,20,2,0.8,", [0.7, 0.8], ["torn_tail"]),  # needed cells whole
        (HEAD + "1,10,1,0.7,5\n2,20", [0.7], ["torn_tail"]),
        (HEAD + "1,10,1,,5\n2,20,2,nan,5\n3,30,3,inf,5\n", [np.nan, np.nan, np.inf], []),
        (HEAD + "1,10,1,0.7,5\n2,202,20,2,0.8,5\n3,30,3,0.9,5\n", [0.7, 0.9], ["bad_row"]),
        (HEAD + "1,10,1,oops,5\n2,20,2,0.8,5\n", [np.nan, 0.8], ["bad_cell"]),
        (HEAD + "\n1,10,1,0.7,5\n\n", [0.7], []),  # blank lines
        ((HEAD + "1,10,1,0.7,5\n").replace("\n", "\r\n"), [0.7], []),
        ("\ufeff" + HEAD + '1,10,1,"0.7",5\n', [0.7], []),
        (HEAD, [], ["empty_csv"]),
        (HEAD.strip(), [], ["torn_tail", "empty_csv"]),
        ("", [], ["empty_csv"]),
        (b"\x00\xff\xfe\n\x80junk\n" * 9, [], ["not_a_log"]),
        ("score,global_step\n1,10\n", [np.nan], ["missing_column", "missing_column"]),
        (HEAD + "2,20,2,0.7,5\n1,10,1,0.8,5\n", [0.7, 0.8], ["runs_backwards"] * 2),
        (HEAD + "1,10,1,0.7,5\n1,10,1,0.7,5\n", [0.7, 0.7], ["repeated_step"]),
        (HEAD + "1,10,1,0_7,5\n1,20,1,0.8,5\n", [np.nan, 0.8], ["bad_cell"]),  # 7 to Python
        (
            HEAD.replace("num_examples", "accuracy") + "1,10,1,0.7,0.9\n",
            *([0.7], ["repeated_column"]),
        ),
        (False, [], ["missing_csv"]),
    ],
)
def test_damaged_logs(tree, csv, metric, kinds):
    tree.trial("s/study_0/toy_jax/trial_0", csv=csv)
    tree.trial("s/study_0/toy_jax/trial_1")
    (damaged, good), found = read(tree)
    np.testing.assert_array_equal(damaged.metric, metric)
    assert len(damaged.steps) == len(damaged.seconds) == len(damaged.score) == len(metric)
    assert good.metric.tolist() == [0.1, 0.9]
    assert found == kinds


def test_windows_line_ends(tree):
    """Also where the needed columns are the last ones and a line is blank."""
    tree.trial("s/study_0/toy_jax/trial_0", csv=b"score,validation/accuracy\r\n1,0.7\r\n\r\n")
    (trial,), kinds = read(tree)
    assert trial.metric.tolist() == [0.7]
    assert kinds == ["missing_column", "missing_column"]


def test_stray_files_and_folders(tree):
    folder = tree.trial("s/study_0/toy_jax/trial_0")
    (folder / "interrupted_0").mkdir()
    (folder / "hparams.json").write_text("{}")
    (tree.root / ".jax_cache").mkdir()
    (tree.root / "experiment.json").write_text("{}")
    expected = set()
    for place in ("", "s/", "s/study_0/", "s/study_0/toy_jax/"):
        (tree.root / f"{place}notes.txt").write_text("stray")
        (tree.root / f"{place}folder").mkdir()
        expected |= {f"{place}notes.txt", f"{place}folder"}
    (tree.root / "s/study_01").mkdir()  # not a second study 1
    (tree.root / "s/study_0/toy_jax/trial_7").write_text("a file, not a folder")
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    assert len(trials) == 1
    assert {anomaly.path for anomaly in anomalies if anomaly.kind == "stray"} == {
        *expected,
        "s/study_01",
        "s/study_0/toy_jax/trial_7",
    }
    assert len(anomalies) == len(expected) + 2


def test_what_the_harness_puts_beside_the_submissions_is_not_stray(tree):
    tree.trial("s/study_0/toy_jax/trial_0")
    for name in ("experiment.json", "calibration.txt", "profile.svg", "profile.png", "report.html"):
        (tree.root / name).write_text("")
    (tree.root / "figures").mkdir()
    (tree.root / "figures/curves.svg").write_text("")
    (tree.root / ".lock").write_text("")
    assert read(tree)[1] == []
    tree.trial("figures/study_0/toy_jax/trial_0")  # a submission may have that name
    assert [trial.submission for trial in read(tree)[0]] == ["figures", "s"]


def test_links_in_circles_and_folders_in_the_place_of_files(tree):
    tree.trial("s/study_0/toy_jax/trial_0")
    (tree.root / "loop").symlink_to("loop")
    (tree.root / "s/study_1").symlink_to("study_1")
    (tree.root / "s/study_0/toy_jax/trial_1").symlink_to("nowhere")
    (tree.root / "s/study_0/toy_jax/trial_2/eval_measurements.csv").mkdir(parents=True)
    (tree.root / "s/study_0/toy_jax/trial_0/trial.json").mkdir()
    trials, kinds = read(tree)
    assert [trial.steps.size for trial in trials] == [2, 0]
    assert sorted(kinds) == ["bad_trial_json", "stray", "stray", "stray", "unreadable_csv"]


def test_a_folder_that_may_not_be_listed_is_named(tree, monkeypatch):
    tree.trial("s/study_0/toy_jax/trial_0")
    tree.trial("s/study_1/toy_jax/trial_0")
    listing = logs_read.os.scandir

    def forbidden(path):
        if str(path).endswith("study_1"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(logs_read.os, "scandir", forbidden)
    trials, kinds = read(tree)
    assert len(trials) == 1 and kinds == ["unreadable_folder", "empty_folder"]


def test_unknown_workloads_and_two_frameworks_are_named(tree):
    for name in ("toy_jax", "toy_pytorch", "other_jax"):
        tree.trial(f"s/study_0/{name}/trial_0")
    (tree.root / "s/study_1").mkdir()
    trials, anomalies = logs_read.read(tree.root, {"toy": "accuracy"})
    assert [trial.framework for trial in trials] == ["jax", "pytorch"]
    assert [(o.kind, o.path) for o in anomalies] == [
        ("unknown_workload", "s/study_0/other_jax"),
        ("two_frameworks", "s/study_0/toy_pytorch"),
        ("empty_folder", "s/study_1"),
    ]


def test_a_tree_without_a_trial_says_what_to_do(tree, tmp_path):
    with pytest.raises(ValueError, match="not a directory"):
        read(tree)
    tree.root.mkdir()
    with pytest.raises(ValueError, match="no readable trial.*expected <submission>/study_"):
        read(tree)
    tree.trial("s/study_0/toy_jax/trial_0", csv=b"\x00")
    with pytest.raises(ValueError, match="no readable trial"):
        read(tree)
    with pytest.raises(ValueError, match="folder of one submission; give the folder above"):
        logs_read.read(tree.root / "s", {"toy": "accuracy"})
    with pytest.raises(ValueError, match="the benchmark has no workload 'toy'"):
        logs_read.read(tree.root, {"wmt": "bleu"})


def test_a_run_that_failed_before_its_first_evaluation_is_a_trial(tree):
    tree.trial("s/study_0/toy_jax/trial_0", csv=False, info={"status": "out_of_memory"})
    (trial,), kinds = read(tree)
    assert trial.status == "out_of_memory" and trial.steps.size == 0
    assert kinds == ["missing_csv"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_content_raises(data, with_header):
    header = (",".join(WANTED) + "\n").encode() if with_header else b""
    columns, _ = read_columns(header + data, WANTED)
    assert len({len(column) for column in columns.values()}) <= 1


def test_a_log_cut_anywhere_gives_true_rows_only(csv_of):
    """Also where the metric is the last column, and a cut cell would still be a number."""
    times, metrics = [1.25, 2.5, 3.75], [0.3219, 0.1234, 0.0567]
    whole = csv_of(times, metrics, metric="wer").replace(",validation/num_examples", "")
    whole = whole.replace(",100\n", "\n").encode()
    expected, _ = read_columns(whole, WANTED)
    assert expected["validation/wer"].tolist() == metrics
    for end in range(len(whole)):
        columns, _ = read_columns(whole[:end], WANTED)
        complete = max(whole[:end].count(b"\n") - 1, 0)
        for name, column in columns.items():
            assert column.tolist() == expected[name][:complete].tolist()
        assert bool(columns) == (complete > 0)
