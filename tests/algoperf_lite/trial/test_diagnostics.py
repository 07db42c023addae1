"""Looks inside a trial: what they write, that training is the same with them, what they explain."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest
import trials
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite import tuning
from algoperf_lite.training import residency
from algoperf_lite.training.clock import adds_up
from algoperf_lite.training.probe import Reading
from algoperf_lite.trial import diagnostics
from algoperf_lite.trial.forms.native import Native
from scoring.logs import diagnostics as scoring_diagnostics
from scoring.logs.format import DIAGNOSTICS

FORMS = Path(__file__).parents[2] / "algoperf_form" / "submissions"
# At which parameters of any size overflow at once.
ABSURD = {
    "learning_rate": 1e9,
    "one_minus_beta1": 0.1,
    "one_minus_beta2": 0.01,
    "weight_decay": 0.1,
    "warmup_factor": 0.1,
    "horizon": 0.75,
}


def _spec(directory, looks=True, **fields):
    """Evaluated after steps 1, 8 and 15 unless told otherwise."""
    spec = trials.on_digits(directory, **{"max_global_steps": 15, **fields})
    return dataclasses.replace(spec, config=dataclasses.replace(spec.config, diagnostics=looks))


def _lines(spec):
    text = (Path(spec.directory) / DIAGNOSTICS).read_text()
    return [json.loads(line) for line in text.splitlines()]


def _rows(spec):
    """Rows of the logs without what a clock says."""
    found = []
    for name in ("eval_measurements.csv", "measurements.csv"):
        with (Path(spec.directory) / name).open() as file:
            for row in csv.DictReader(file):
                timed = ("accumulated", "total_duration", "score")
                found.append({n: v for n, v in row.items() if not n.startswith(timed)})
    return found


def _run(monkeypatch, spec, **how):
    """(record, the state that training ended in)."""
    ends = []
    close = Native.close
    monkeypatch.setattr(Native, "close", lambda self: ends.append(self._state) or close(self))
    record = trials.run(spec, **how)
    return record, jax.tree.leaves(jax.device_get(ends))


@pytest.mark.parametrize(
    "way", ["single", *(pytest.param(w, marks=pytest.mark.slow) for w in ("unrolled", "fed"))]
)
def test_training_is_the_same_bit_for_bit_and_the_ledger_adds_up(tmp_path, monkeypatch, way):
    if way == "fed":
        monkeypatch.setattr(residency, "arrays", lambda source: None)
    fields = {"stepping_mode": "single" if way == "fed" else way, "steps_per_dispatch": 4}
    found = {}
    for looks in (False, True):
        spec = _spec(tmp_path / str(looks), looks, **fields)
        record, state = _run(monkeypatch, spec)
        assert record["status"] == "not_reached", record["error"]
        assert (record["stepping"]["is_fed"]) == (way == "fed")
        assert adds_up(record["ledger"], record["ledger"]["wall"])
        assert (record["ledger"]["diagnostics"] > 0) == looks
        assert (Path(spec.directory) / DIAGNOSTICS).exists() == looks
        found[looks] = _rows(spec), state
    assert found[True][0] == found[False][0]
    for one, other in zip(found[True][1], found[False][1], strict=True):
        np.testing.assert_array_equal(one, other)
    lines = _lines(spec)
    assert [line["step"] for line in lines] == [0, 1, 8, 15]
    # The batch that is looked at is the one that comes next.
    assert lines[1]["loss"] == pytest.approx(lines[0]["batch_loss"], rel=1e-5)
    assert lines[0]["update"]["weight"] == 0.0  # the warmup begins at 0
    last = lines[-1]
    ratio = last["update"]["weight"] / last["params"]["weight"]
    assert last["update_to_weight"]["weight"] == pytest.approx(ratio) and ratio > 1e-4
    assert last["gradient_norm"] == pytest.approx(math.hypot(*last["gradient"].values()))
    assert last["not_finite"] is None and "clipped" not in last
    looks = scoring_diagnostics.read(str(Path(spec.directory) / DIAGNOSTICS))
    assert looks.steps_R.tolist() == [0, 1, 8, 15] and set(looks.trees["gradient"]) == {
        "bias",
        "conv_weight",
        "weight",
    }


def test_a_diverged_trial_says_why(tmp_path):
    for looks in (False, True):
        spec = _spec(tmp_path / str(looks), looks, hyperparameters=ABSURD)
        record = trials.run(spec)
        assert record["status"] == "diverged"
        head, _, why = record["error"].partition(": ")
        assert head == "parameters are not finite after step 8"
        if not looks:
            assert why.startswith("the first is `Conv_0/bias`, and the mean training loss since ")
            continue
        assert why.startswith("the loss became nan at step ")
        assert why.endswith("; first non-finite leaf: gradient of `Conv_0/bias`")
        assert 1 < int(why.split("step ")[1].split(";")[0]) <= 8
    last = _lines(spec)[-1]
    assert (last["loss"], last["spike"]) == (None, True)
    assert last["not_finite"] == "parameter `Conv_0/bias`"


@pytest.mark.slow
def test_a_trial_that_is_cut_and_goes_on_has_the_looks_of_one_that_is_not(tmp_path, monkeypatch):
    whole, cut = (_spec(tmp_path / name, hyperparameters=None) for name in ("whole", "cut"))
    trials.run(whole)
    with trials.cut_after(monkeypatch, 8):
        trials.run(cut, checkpoint_share=1.0)
    # What was written after the checkpoint is cut off.
    path = Path(cut.directory) / DIAGNOSTICS
    path.write_text(path.read_text() + '{"step": 15}\n')
    record = trials.run(cut, checkpoint_share=1.0)
    assert record["preemption_count"] == 1 and record["steps"] == 15
    assert _lines(cut) == _lines(whole)


def test_of_algoperfs_form_the_parameters_are_known(tmp_path):
    rules = tuning.Ruleset("external", 1, 1, 1.0)
    spec = _spec(tmp_path, submission=str(FORMS / "nadamw_jit"), ruleset=rules)
    record = trials.run(spec)
    assert record["status"] == "not_reached", record["error"]
    assert record["late_compilations"] == 0  # what a look compiles is not the submission's
    lines = _lines(spec)
    assert [line["step"] for line in lines] == [0, 1, 8, 15]
    assert "moved" not in lines[0] and lines[-1]["moved"]["weight"] > 0
    assert all("gradient" not in line and "loss" not in line for line in lines)


def test_a_spike_stands_out_of_the_losses_before_it():
    falling = [2.0, 1.8, 1.6, 1.5, 1.4, 1.35, 1.3]
    assert not diagnostics.is_spike(1.3, falling)
    assert diagnostics.is_spike(4.0, falling)
    # One spike does not hide the next.
    assert diagnostics.is_spike(4.0, [*falling, 4.0])
    assert diagnostics.is_spike(math.nan, []) and diagnostics.is_spike(math.inf, falling)
    assert not diagnostics.is_spike(9.0, [1.0, 1.0])  # too few to tell
    # A plateau without any noise: a twentieth is the least.
    assert not diagnostics.is_spike(1.04, [1.0] * 9) and diagnostics.is_spike(1.06, [1.0] * 9)
    # Only the last nine count.
    assert diagnostics.is_spike(1.0, [*[5.0] * 9, *[0.5] * 9])


@given(st.lists(st.floats(0.01, 100), max_size=20), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_larger_loss_is_a_spike_where_a_smaller_one_is(before, one, other):
    small, large = sorted((one, other))
    assert diagnostics.is_spike(large, before) >= diagnostics.is_spike(small, before)
    assert diagnostics.is_spike(small, before) == diagnostics.is_spike(small, before[-9:])


@pytest.mark.parametrize(
    ("norm", "point", "expected"),
    [
        (2.0, {"grad_clip": 1.0}, True),
        (0.5, {"grad_clip": 1.0}, False),
        (2.0, {"learning_rate": 1.0}, None),
        (2.0, {"grad_clip": "auto"}, None),
        (2.0, None, None),
        (math.nan, {"grad_clip": 1.0}, None),
    ],
)
def test_whether_a_gradient_is_clipped_is_told_where_it_can_be_known(norm, point, expected):
    reading = Reading({"params": {"weight": 1.0}, "gradient": {"weight": norm}}, None, 1.0)
    assert diagnostics._of_reading(reading, point).get("clipped") is expected
