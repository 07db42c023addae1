"""What an experiment is asked for, before anything is loaded that needs JAX."""

import json
import re

import pytest

from algoperf_lite.experiment.options import Request
from scoring import benchmark

NAME = benchmark.resolved("lite")


def _request(**options):
    return Request.of({"submissions": ("nadamw",), "workloads": ("digits",), **options})


def test_a_benchmark_without_a_version_is_the_newest_and_kept_by_its_full_name():
    assert NAME.startswith("lite_v")
    assert _request(benchmark="lite").config.benchmark == _request().config.benchmark == NAME


def test_a_benchmark_that_was_replaced_is_scored_and_no_longer_run(tmp_path):
    path = tmp_path / "old.json"
    content = json.loads((benchmark.FOLDER / f"{NAME}.json").read_text())
    path.write_text(json.dumps({**content, "name": "old", "replaced_by": NAME}))
    assert benchmark.load(path).replaced_by == NAME
    with pytest.raises(ValueError, match=f"'old' can be scored .* use --benchmark={NAME}"):
        _request(benchmark=str(path))


def test_full_scale_has_a_benchmark_budgets_and_workloads_of_its_own():
    full = _request(scale="full", workloads=("all",))
    assert (full.config.benchmark, full.config.budget_by) == ("algoperf_2026", "published")
    assert full.workload_names == benchmark.load("algoperf_2026").base_workloads
    older = _request(scale="full", workloads=("all",), benchmark="algoperf_v06")
    assert "finewebedu_lm" not in older.workload_names and older.config.ruleset.num_studies == 3
    assert _request().config.budget_by == "time"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"benchmark": "algoperf_v06"}, "at scale full, and this is scale lite; use --scale=full"),
        ({"scale": "full", "benchmark": "lite"}, "at scale lite, and this is scale full"),
        ({"scale": "full", "workloads": ("digits",)}, "'digits' is there at scale lite and not"),
        ({"workloads": ("mnist",)}, "'mnist' is there at scale full and not at scale lite"),
        ({"scale": "full", "workloads": ("quick",)}, "quick stands for digits, criteo1tb"),
        ({"scale": "full", "workloads": ("fashion_mnist",)}, "no published budget for 'fashion_mn"),
        ({"budget_by": "published"}, "no published budget for 'digits'; use --budget_by=time"),
        ({"scale": "fulll"}, "unknown scale 'fulll'; did you mean 'full'?"),
        ({"eval_examples": 0}, "eval_examples is 0; expected a whole number >= 1"),
        ({"microbatches": 0}, "microbatches is 0; expected a whole number >= 1"),
        ({"race": True, "vectorize": "trials"}, "--race stops trials by what others have ended"),
        ({"race": True, "budgets": (0.5, 1.0)}, "here every trial is to go on beyond its target"),
    ],
)
def test_what_does_not_fit_a_scale_is_said_at_once(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        _request(**options)


def test_who_makes_its_own_steps_cuts_its_own_batches(tmp_path):
    (tmp_path / "mine.py").write_text("def update_params(*arguments):\n    pass\n")
    (tmp_path / "search.json").write_text("{}")
    with pytest.raises(ValueError, match="'mine' is in AlgoPerf's form .* or --microbatches out"):
        _request(submissions=(str(tmp_path / "mine.py"),), microbatches=2, tuning_ruleset="self")


def test_a_race_of_one_is_remarked_on():
    alone = "--race has nothing to stop here: each study is one trial"
    assert _request(race=True).remarks == []
    assert _request(race=True, tuning_ruleset="self").remarks == [alone]
    assert _request(race=True, population="4").remarks == [alone]
    assert _request(tuning_ruleset="self").remarks == []
