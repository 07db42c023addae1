"""Benchmarks that come with the package, and files that are none."""

import json

import pytest

import scoring
from algoperf_lite.spec import LOWER_IS_BETTER
from scoring import benchmark


def test_every_shipped_benchmark_loads():
    counts = {"algoperf_v05": (8, 6, 5), "algoperf_v06": (8, 0, 3), "algoperf_2026": (9, 0, 3)}
    assert set(counts) <= set(benchmark.names())
    for name, (base, held_out, studies) in counts.items():
        loaded = scoring.load_benchmark(name)
        assert loaded.name == name and loaded.source
        assert (len(loaded.base_workloads), len(loaded.held_out_workloads)) == (base, held_out)
        assert loaded.ruleset("external").num_studies == studies
        assert loaded.ruleset("external").num_trials == 5
        assert loaded.ruleset("self").num_trials == 1
    assert scoring.load_benchmark("algoperf_v05").ruleset("self").slack == 3.0
    assert scoring.load_benchmark("algoperf_2026").workloads["finewebedu_lm"].lower_is_better


def test_shipped_targets_are_algoperfs(shared_logs):
    for name, stem in (("algoperf_v05", "v05"), ("algoperf_v06", "v06"), ("algoperf_2026", "2026")):
        frozen = json.loads((shared_logs / "golden" / f"workload_targets_{stem}.json").read_text())
        ours = json.loads((benchmark.FOLDER / f"{name}.json").read_text())
        for key in ("base_workloads", "held_out_workloads", "workloads"):
            assert ours[key] == frozen[key]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"base_workloads": ["a"], "workloads": {"a": {}}}', "target_metric_name"),
        ('{"base_workloads": ["a"], "workloads": {}}', "lists a without a target"),
        ('{"base_workloads": [], "workloads": {}}', "lists no base workload"),
    ],
)
def test_bad_benchmark_files_are_explained(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        scoring.load_benchmark(path)


def test_a_held_out_workload_needs_a_base(tmp_path):
    target = {"target_metric_name": "loss", "validation_target_value": 1, "step_hint": 10}
    content = {"base_workloads": ["a"], "held_out_workloads": ["b_x"]}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**content, "workloads": {"a": target, "b_x": target}}))
    with pytest.raises(ValueError, match="'b_x' .* extends the name of no base workload"):
        scoring.load_benchmark(path)


def test_provenance_lies_beside_its_benchmark_and_is_none():
    versions = {name for name in benchmark.names() if name.startswith("lite_v")}
    published = {"algoperf_2026", "algoperf_v05", "algoperf_v06"}
    assert "lite_v1" in versions and set(benchmark.names()) == published | versions


@pytest.mark.parametrize("name", sorted({"lite_v1", benchmark.resolved("lite")}))
def test_a_target_is_the_median_of_the_reruns_in_its_provenance(name):
    lite, origins = benchmark.load(name), benchmark.provenance(name)
    assert origins.keys() == lite.workloads.keys()
    for workload, origin in origins.items():
        best = sorted(origin["best_of_reruns"])
        assert lite.workloads[workload].value == best[len(best) // 2]  # the median of an odd number
    with pytest.raises(ValueError, match="cannot be used"):
        benchmark.load(benchmark.provenance_path(benchmark.FOLDER / f"{name}.json"))


def test_targets_of_lite_v2_stand_in_lite_v3_where_the_runs_that_set_them_are_the_same():
    old, new = benchmark.load("lite_v2").workloads, benchmark.load("lite_v3").workloads
    before, after = benchmark.provenance("lite_v2"), benchmark.provenance("lite_v3")
    assert new.keys() == old.keys()
    kept = {name for name, origin in after.items() if "first_set_in" in origin}
    assert {name for name in new if not name.startswith(("criteo1tb", "digits"))} == kept
    for name in kept:
        steps = [
            targets[name].step_hint * origins[name]["horizon"]
            for targets, origins in ((old, before), (new, after))
        ]
        assert steps[0] == steps[1] and old[name].value == new[name].value
        assert before[name]["best_of_reruns"] == after[name]["best_of_reruns"]


def test_metrics_have_one_direction_in_harness_and_scoring():
    assert benchmark.LOWER_IS_BETTER == LOWER_IS_BETTER


def test_budgets_are_algoperfs():
    # The sums that AlgoPerf's versions are told apart by, in seconds of 8 V100, then of 4 A100.
    sums = {"algoperf_v05": 340_292, "algoperf_v06": 305_827, "algoperf_2026": 265_883}
    for name, expected in sums.items():
        loaded = benchmark.load(name)
        budgets = [loaded.budget(workload) for workload in loaded.base_workloads]
        assert sum(budget.max_seconds for budget in budgets) == expected
        assert loaded.scale == "full"
    assert benchmark.load("lite").scale == "lite" and not benchmark.load("lite").budgets
    newest = benchmark.load("algoperf_2026")
    counts = {name: newest.budget(name).num_evals for name in newest.base_workloads}
    assert counts == {
        "criteo1tb": 25,
        "fastmri": 25,
        "imagenet_resnet": 25,
        "imagenet_vit": 25,
        "librispeech_conformer": 25,
        "librispeech_deepspeech": 26,
        "finewebedu_lm": 12,
        "ogbg": 25,
        "wmt": 25,
    }


def test_a_variant_has_its_familys_budget():
    newest = benchmark.load("algoperf_2026")
    assert newest.budget("ogbg_gelu") == newest.budget("ogbg") != newest.budget("wmt")
    assert newest.budget("fashion_mnist") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "ful"}, "scale of benchmark 'mine' 'ful' not found; did you mean 'full'"),
        ({"budgets": {"a": {"max_seconds": 5}}}, "eval_period_seconds"),
        ({"budgets": {"a": {"max_seconds": 5, "eval_period_seconds": 6}}}, "gives a 5 s and an"),
        ({"budgets": {"a": {"max_seconds": 5, "eval_period_seconds": 0}}}, "evaluation every 0 s"),
    ],
)
def test_a_budget_without_an_evaluation_is_refused(tmp_path, changes, message):
    target = {"target_metric_name": "loss", "validation_target_value": 1, "step_hint": 10}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"base_workloads": ["a"], "workloads": {"a": target}, **changes}))
    with pytest.raises(ValueError, match=message):
        benchmark.load(path)
