"""Each family trains and is evaluated at full scale, on small files in AlgoPerf's layouts: native
and in AlgoPerf's form, in one go and cut short, with the same numbers."""

import csv
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import workloads
from algoperf_lite import tuning
from algoperf_lite.data.feed import Order
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.forms.algoperf_pipeline import FedPipeline, PmapLayout
from algoperf_lite.trial.spec import TrialSpec
from tests.algoperf_lite.trial import trials
from tests.workloads.full import small_families

STEPS = 4
ALGOPERFS = Path(__file__).parents[2] / "algoperf_form" / "submissions" / "nadamw_jit"
FORMS = {"native": "adamw", "algoperf": str(ALGOPERFS)}
# AlgoPerf's form hands on what a family makes of its files, so it is tried with three kinds: rows
# of numbers, pictures with batch norm, and graphs.
IN_BOTH_FORMS = ("criteo1tb", "imagenet_resnet", "ogbg")
CASES = [
    *((name, "native") for name in sorted(small_families.FAMILIES)),
    *((name, "algoperf") for name in IN_BOTH_FORMS),
]
CLOCKED = ("time", "duration")  # in the names of columns that no two runs share


@pytest.fixture(params=sorted(small_families.FAMILIES))
def family(request, tmp_path_factory, monkeypatch):
    """(name, root of its data set); what is loaded at full scale is small."""
    load = workloads.load

    def load_small(name, scale="lite", dtype=None, data_dir=None):
        found = load(name, scale, dtype, data_dir)
        # Batch sizes of files in AlgoPerf's form are in proportion to AlgoPerf's own.
        return found if data_dir is None else small_families.made_small(found)

    monkeypatch.setattr(workloads, "load", load_small)
    name = request.param
    return name, small_families.prepare(name, tmp_path_factory.mktemp(name))


def _spec(family, directory, form):
    name, root = family
    config = ExperimentConfig(
        benchmark="algoperf_2026",
        scale="full",
        ruleset=tuning.Ruleset("external", 1, 1, 1.0),
        eval_examples=6,
    )
    return TrialSpec(
        submission=FORMS[form],
        workload=name,
        study=0,
        trial=1,
        directory=str(directory),
        config=config,
        data_dir=str(root),
        num_evals=4,  # every second step
        max_global_steps=STEPS,
    )


def _rows(spec):
    with (Path(spec.directory) / "measurements.csv").open() as file:
        rows = list(csv.DictReader(file))[:-1]  # without the score, which is a time
    return [
        {
            name: cell
            for name, cell in row.items()
            if name not in ("score", "preemption_count") and not any(w in name for w in CLOCKED)
        }
        for row in rows
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "form"), CASES, indirect=["family"])
def test_a_family_trains_on_files_and_goes_on_as_if_nothing_had_been(
    family, tmp_path, monkeypatch, form
):
    whole, cut = (_spec(family, tmp_path / name, form) for name in ("whole", "cut"))
    record = trial_run.run(whole)
    assert (record.status, record.error, record.steps) == ("not_reached", None, STEPS)
    rows = _rows(whole)
    assert [row["global_step"] for row in rows] == ["1", "2", "4"]
    metric = f"validation/{record.metric}"
    assert np.isfinite([float(row[metric]) for row in rows]).all()
    with trials.cut_after(monkeypatch, 2):
        trial_run.run(cut, checkpoint_share=1.0)
    again = trial_run.run(cut, checkpoint_share=1.0)
    assert (again.status, again.preemption_count) == ("not_reached", 1)
    assert _rows(cut) == rows
    assert "tensorflow" not in sys.modules


def test_a_batch_for_algoperfs_form_is_the_same_for_any_number_of_readers(family):
    name, root = family
    workload = workloads.load(name, "full", None, str(root))
    source = workload.source("train")
    order = Order(source.plan(3, workload.batch_size), 3)
    pipelines = [
        FedPipeline(workload, PmapLayout("jit"), source, order, workers) for workers in (0, 2)
    ]
    try:
        for t in (1, 0):
            one, other = (pipeline.batch(t) for pipeline in pipelines)
            jax.tree.map(np.testing.assert_array_equal, one, other)
    finally:
        for pipeline in pipelines:
            pipeline.close()
