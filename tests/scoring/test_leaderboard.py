"""From a directory to a leaderboard: what is refused, and what the JSON says."""

import json

import pytest

import scoring
from scoring.benchmark import Benchmark
from scoring.views import profile_plot, rows


def info(key="m1", timing="measured", **other):
    fingerprint = key if isinstance(key, dict) else {"key": key}
    return {"status": "reached", "timing": timing, "fingerprint": fingerprint, **other}


def two_trials(tree, first, second):
    tree.trial("s/study_0/toy_jax/trial_0", info=first)
    tree.trial("t/study_0/toy_jax/trial_0", info=second)


def test_unlike_fingerprints_are_refused_by_time(tree):
    two_trials(tree, info("m1"), info("m2"))
    with pytest.raises(ValueError, match="'m1' .*'m2' .*score by steps") as refusal:
        tree.score()
    assert "s/study_0" in str(refusal.value) and "t/study_0" in str(refusal.value)
    assert tree.score(by="steps").fingerprints == ("m1", "m2")
    assert len(tree.score(allow_mixed_hardware=True).rows) == 2


def test_mixed_timing_is_refused_by_time(tree):
    two_trials(tree, info(timing="measured"), info(timing="replayed"))
    with pytest.raises(ValueError, match="'measured' .*'replayed' "):
        tree.score()
    assert tree.score(by="steps").timing == ("measured", "replayed")
    assert len(tree.score(allow_mixed_timing=True).rows) == 2


def test_trials_of_unscored_workloads_may_come_from_elsewhere(tree, benchmark_of):
    two_trials(tree, info("m1"), info("m1"))
    tree.trial("t/study_0/extra_jax/trial_0", info=info("m2"))
    wide = benchmark_of(("toy", "extra"))
    narrow = Benchmark("n", ("toy",), (), wide.workloads, wide.rulesets)
    board = tree.score(narrow)
    assert [anomaly.kind for anomaly in board.anomalies] == ["not_scored"]
    with pytest.raises(ValueError, match="m2"):
        tree.score(wide)


def test_trials_that_do_not_tell_are_named(tree):
    two_trials(tree, info(scale="lite"), None)
    tree.trial("t/study_1/toy_jax/trial_0", info=info(scale="full"))
    kinds = [(anomaly.kind, anomaly.path) for anomaly in tree.score().anomalies]
    assert kinds == [
        ("unknown_hardware", "t/study_0/toy_jax/trial_0"),
        ("mixed_scale", "toy"),
    ]


def test_a_subset_of_the_evaluation_is_marked(tree):
    two_trials(tree, info(eval_examples=None), info())
    assert not [note for note in rows.notes(tree.score()) if "Evaluated on" in note]
    tree.trial("t/study_1/toy_jax/trial_0", info=info(eval_examples=500))
    [said] = [note for note in rows.notes(tree.score()) if "Evaluated on" in note]
    assert "500 examples of a split" in said and "not AlgoPerf's evaluation" in said


def test_seconds_of_small_models_on_an_accelerator_are_commented(tree):
    on = {"key": "m1", "platform": "gpu"}
    two_trials(tree, info(on, scale="lite"), info(on, scale="lite"))
    said = [note for note in rows.notes(tree.score()) if "kernels" in note]
    assert len(said) == 1
    assert not [note for note in rows.notes(tree.score(by="steps")) if "kernels" in note]


@pytest.mark.parametrize("where", [{"scale": "full"}, {"scale": "lite", "platform": "cpu"}])
def test_other_seconds_need_no_comment(tree, where):
    on = {"key": "m1", "platform": where.pop("platform", "gpu")}
    two_trials(tree, info(on, **where), info(on, **where))
    assert not [note for note in rows.notes(tree.score()) if "kernels" in note]


def test_strict_lists_every_violation_at_once(tree, benchmark_of):
    for study in (0, 1):
        for trial in (0, 1):
            tree.trial(f"s/study_{study}/toy_jax/trial_{trial}")
    assert len(tree.score(strict=True).rows) == 1
    tree.trial("t/study_0/toy_jax/trial_0")
    with pytest.raises(ValueError, match="2 violations") as refusal:
        tree.score(strict=True)
    assert "t/toy has 1 studies, expected 2" in str(refusal.value)
    assert "t/study_0/toy has 1 trials, expected 2" in str(refusal.value)
    with pytest.raises(ValueError, match="trials, expected 1"):
        tree.score(strict=True, ruleset="self")
    with pytest.raises(ValueError, match="s/toy_big has 0 studies"):
        tree.score(benchmark_of(held_out=("toy_big",)), strict=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "offical"}, "scoring mode 'offical' not found; did you mean 'official'"),
        ({"by": "step"}, "did you mean 'steps'"),
        ({"ruleset": "extern"}, "did you mean 'external'"),
        ({"benchmark": "algoperf_v5"}, "did you mean 'algoperf_v05'"),
        ({"benchmark": "no/such.json"}, "benchmark file 'no/such.json' does not exist"),
        ({"benchmark": "algoperf_v06"}, "the benchmark has no workload 'toy'"),
    ],
)
def test_wrong_names_are_answered_with_right_ones(tree, options, message):
    tree.trial("s/study_0/toy_jax/trial_0")
    with pytest.raises(ValueError, match=message):
        tree.score(**options)


def test_no_trial_on_a_base_workload(tree, benchmark_of):
    tree.trial("s/study_0/toy_big_jax/trial_0")
    with pytest.raises(ValueError, match="no trial on a base workload.*expected one of toy"):
        tree.score(benchmark_of(held_out=("toy_big",)), only_present=True)


def test_json_is_valid_and_complete(tree, benchmark_of):
    for study in (0, 1):
        tree.trial(f"s/study_{study}/toy_jax/trial_0", info=info())
        tree.trial(f"t/study_{study}/toy_jax/trial_0", metrics=("nan", "nan"), info=info())
    benchmark = benchmark_of(("toy", "absent"))
    text = json.dumps(tree.score(benchmark).to_json(), allow_nan=False)
    content = json.loads(text)
    assert (content["benchmark"], content["mode"], content["by"]) == ("tiny", "exact", "time")
    assert list(content["scores"]) == ["s", "t"]
    assert content["scores"]["s"] == {"score": 0.5, "low": 0.5, "high": 0.5}
    assert content["scores"]["t"] == {"score": 0.0, "low": 0.0, "high": 0.0}
    assert content["time_to_target"] == {
        "s": {"toy": 2.0, "absent": None},
        "t": {"toy": None, "absent": None},
    }
    assert content["steps_to_target"]["s"]["toy"] == 20.0
    assert len(content["profile"]["tau"]) == len(content["profile"]["rho"]["s"]) == 100
    assert content["num_studies"] == {"s": 2, "t": 2}
    assert content["statuses"] == {"s": {"toy": {"reached": 2}}, "t": {"toy": {"not_reached": 2}}}
    assert content["best"]["s"]["toy"] == 0.9 and content["best"]["t"]["toy"] is None
    assert content["missing_workloads"] == ["absent"]
    assert (content["timing"], content["fingerprints"]) == (["measured"], ["m1"])
    assert content["oddities"] == []
    assert content["speedup"] is None and content["field_free"] is None  # no reference
    assert content["rank_probability"] == {"s": {"t": 1.0}, "t": {"s": 0.0}}
    assert content["rank_interval"] == {"s": [1, 1], "t": [2, 2]}
    assert content["indistinguishable"] == []
    assert set(content["at_budget"]) == {"s", "t"} and set(content["at_budget"]["s"]) == {"toy"}
    quarter, half, full = content["at_budget"]["s"]["toy"]
    assert (quarter["share"], quarter["step"], quarter["metric"]) == (0.25, 25, 0.9)
    assert quarter["at_least"] and full["stopped_early"] == 2 and full["rank"] == [1, 1]


def test_json_of_a_board_with_a_reference(tree):
    for study in (0, 1):
        tree.trial(f"s/study_{study}/toy_jax/trial_0", times=(1.0, 2.0))
        tree.trial(f"t/study_{study}/toy_jax/trial_0", times=(1.0, 5.0))
    content = json.loads(json.dumps(tree.score(reference="t").to_json(), allow_nan=False))
    assert content["speedup"]["reference"] == content["field_free"]["reference"] == "t"
    row = content["speedup"]["submissions"]["s"]
    assert row["by_workload"] == {"toy": pytest.approx(2.5)} and row["left_out"] == {}
    assert row["low"] <= row["mean"] <= row["high"] == pytest.approx(2.5)
    assert content["field_free"]["submissions"]["s"] == {
        **{"score": 1.0, "low": 1.0, "high": 1.0},
        "ratio_to_reference": {"toy": pytest.approx(0.4)},
    }


def test_a_workload_that_one_submission_lacks(tree, benchmark_of):
    for path in ("s/study_0/a_jax", "s/study_0/b_jax", "t/study_0/a_jax"):
        tree.trial(f"{path}/trial_0", info=info())
    board = tree.score(benchmark_of("ab"))
    assert {e.submission: e.score for e in board.rows} == {"s": 1.0, "t": 0.5}
    assert board.to_json()["time_to_target"]["t"] == {"a": 2.0, "b": None}
    assert board.missing_workloads == ()


def test_lower_is_better_metrics_end_to_end(tree, benchmark_of):
    tree.trial("s/study_0/toy_jax/trial_0", metrics=(0.9, 0.2), metric="ctc_loss")
    (entry,) = tree.score(benchmark_of(metric="ctc_loss")).rows
    assert entry.time_to_target["toy"] == 2.0 and entry.best["toy"] == 0.2


def test_the_workloads_that_were_run_are_the_whole_of_a_board_of_those_present(tree):
    lite = scoring.load_benchmark("lite")
    for workload in ("criteo1tb", "digits", "ogbg"):
        target = lite.workloads[workload]
        metrics = (target.value, target.value)
        path = f"nadamw/study_0/{workload}_jax/trial_1"
        tree.trial(path, metric=target.metric, metrics=metrics)
    whole = tree.score("lite")
    board = tree.score("lite", only_present=True)
    assert [row.score for row in whole.rows] == [0.3]
    assert [row.score for row in board.rows] == [1.0]
    assert rows.title(board) == f"{lite.name}: exact score by time over 3 workloads"
    assert profile_plot.corners(board.rows[0])[1].tolist() == [1.0] * 5  # up to the top
    assert board.rows[0].rho.tolist() == [1.0] * 100
    figure = profile_plot.figure(board)
    assert figure.axes[0].get_ylabel() == "share of 3 workloads solved within τ"
    assert max(line.get_ydata()[-1] for line in figure.axes[0].lines) == 1.0


def test_protocol_whole_or_by_its_fields(tree, benchmark_of):
    tree.trial("s/study_0/toy_jax/trial_1")
    steps = scoring.Protocol(by="steps")
    assert tree.score(by="steps").protocol == steps
    assert scoring.score(tree.root, benchmark_of(), steps).unit == "steps"
    changed = scoring.score(tree.root, benchmark_of(), steps, mode="official").protocol
    assert changed == scoring.Protocol(by="steps", mode="official")
