"""What an experiment is asked for, before anything is loaded that needs JAX."""

import json

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
