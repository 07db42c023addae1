"""Training again: which trials are drawn, what is compared, and what no record could tell."""

import dataclasses
import json
import random
import shutil

import forging
import pytest
from forging import BEST, OTHER

from algoperf_lite import api
from algoperf_lite.experiment.records import pack_checks, replaying
from algoperf_lite.experiment.records.verdict import Problem, Replayed
from algoperf_lite.machine import fingerprint

SHORT = {"steps": 30, "trials": 1}


@pytest.fixture
def cases(experiment):
    return pack_checks.cases(experiment)


def case_at(cases, place):
    return next(case for case in cases if case.place == place)


def test_the_trials_that_count_are_drawn_first_and_side_by_side(cases):
    drawn = [replaying.chosen(cases, 4, random.Random(seed)) for seed in range(20)]
    assert all({case.submission for case in four[:2]} == {"nadamw", "nesterov"} for four in drawn)
    assert all(
        [c.place for c in four if c.submission == "nesterov"] == [BEST, OTHER] for four in drawn
    )
    assert {four[0].submission for four in drawn} == {"nadamw", "nesterov"}
    assert [len(replaying.chosen(cases, n, random.Random(0))) for n in (1, 2, 9)] == [1, 2, 4]


def test_a_request_says_what_is_wrong_with_it():
    with pytest.raises(ValueError, match="steps is 0; expected a whole number >= 1"):
        replaying.Request(0)
    assert replaying.Request(1).rng_seed != replaying.Request(1).rng_seed


def run_again(case, tmp_path, edit=lambda row: None):
    """The same logs as another run would have them, with edited rows."""
    folder = tmp_path / "again"
    shutil.copytree(case.path, folder)
    forging.change_rows(folder, edit)
    return dataclasses.replace(case, path=folder)


def found(cases, tmp_path, edit, key=None, step=30):
    case = case_at(cases, BEST)
    key = key or case.record["fingerprint"]["key"]

    def cut(row):
        if row["validation/accuracy"] and int(row["global_step"]) > step:
            row["accumulated_submission_time"] = ""
        edit(row)

    return list(replaying.compared(case, run_again(case, tmp_path, cut), step, key))


def loss_is(value, at="22"):
    def edit(row):
        if row["global_step"] == at and row["validation/accuracy"]:
            row["validation/loss"] = value

    return edit


def test_the_same_rows_are_the_same_bits(cases, tmp_path):
    [one] = found(cases, tmp_path, scale_only)
    assert one == Replayed(BEST, 30, True, True, 0.0, pytest.approx(2.0))


def scale_only(row):
    if row["accumulated_submission_time"]:
        forging.scaled(2.0)(row)


def test_a_last_bit_counts_on_the_same_machine_alone(cases, tmp_path):
    row = next(row for row in case_at(cases, BEST).rows if row["global_step"] == "22")
    value = repr(float(row["validation/loss"]) * (1 + 1e-9))
    one, problem = found(cases, tmp_path / "a", loss_is(value))
    assert not one.is_same_bits and one.is_same_machine
    assert problem.kind == "curve" and "validation/loss at step 22" in problem.what
    [one] = found(cases, tmp_path / "b", loss_is(value), key="another")
    assert not one.is_same_machine and 0 < one.difference < 1e-8


@pytest.mark.parametrize("value", ["0.1", "9.0", "nan", "inf"])
def test_another_curve_is_found_on_another_machine(cases, tmp_path, value):
    one, problem = found(cases, tmp_path, loss_is(value), key="another")
    assert one.difference > replaying.TOLERANCE
    assert problem.kind == "curve" and "more than 5% apart" in problem.what


def test_other_evaluations_are_found(cases, tmp_path):
    def edit(row):
        if row["global_step"] == "22":
            row["global_step"] = "21"

    [problem] = found(cases, tmp_path, edit)
    assert isinstance(problem, Problem) and problem.kind == "curve"


def test_a_clock_is_judged_by_those_beside_it():
    def trained(place, ratio):
        return Replayed(place, 30, False, False, 0.0, ratio)

    of = {"a": "digits", "b": "digits", "c": "wmt"}
    slow = [trained("a", 5.0), trained("b", 4.0), trained("c", 1.0)]
    assert list(replaying.too_fast(slow, of)) == []  # a slower machine is no forgery
    [problem] = replaying.too_fast([trained("a", 20.0), trained("b", 2.0)], of)
    assert (problem.kind, problem.place) == ("time", "a")
    assert list(replaying.too_fast([trained("a", 99.0)], of)) == []  # nothing to judge it by


# --- real training, in processes of their own --------------------------------------------------


@pytest.mark.slow
def test_on_the_same_machine_all_bits_are_confirmed(fresh):
    found = api.verify(fresh, steps=30, trials=1)
    assert (found.level, found.rows) == ("L1", ())
    [one] = found.replayed
    assert one.is_same_machine and one.is_same_bits and one.steps == 30
    # The numbers of another machine may differ in their last bits and are confirmed all the same.
    assert any("bit for bit" in line for line in found.confirmed)
    again = api.verify(fresh, steps=20, trials=1, rng_seed=found.rng_seed)
    assert (again.replayed[0].place, again.replayed[0].steps) == (one.place, 15)


@pytest.mark.slow
def test_a_pack_from_another_machine_is_confirmed_within_the_tolerance(run_here, tmp_path):
    for record in run_here.rglob("trial.json"):
        facts = {**json.loads(record.read_text())["fingerprint"], "cpu": "Z80"}
        forging.change(record, fingerprint={**facts, "key": fingerprint.key_of(facts)})
    elsewhere = api.pack(run_here, tmp_path / "elsewhere.zip").output
    found = api.verify(elsewhere, steps=30, trials=1)
    assert (found.level, found.rows) == ("L1", ())
    assert not found.replayed[0].is_same_machine
    assert found.replayed[0].difference < replaying.TOLERANCE


def test_what_was_run_on_workloads_that_have_changed_is_not_trained_again(recorded):
    found = api.verify(recorded, steps=30)
    assert (found.level, found.rows, found.replayed) == ("L0", (), ())
    assert any("workloads of lite_v1 have changed" in remark for remark in found.remarks)


def fabricated_curves(root):
    """All losses of the trials are a little better, everywhere that records tell of them."""
    for place in root.glob("*/*/*/*"):

        def edit(row):
            if row.get("validation/loss"):
                row["validation/loss"] = repr(float(row["validation/loss"]) * 0.8)

        forging.change_rows(place, edit)


def another_submission(root):
    """Texts and hashes are those of a submission that was never run."""
    for name in ("nadamw", "nesterov"):
        path = root / f"sources/{name}/{name}.py"
        text = path.read_text()
        changed = text.replace("hp.weight_decay", "0.1 * hp.weight_decay")
        assert changed != text
        path.write_text(changed)
        sha256 = pack_checks.find.source_sha256(path)
        forging.change(path.parent.with_suffix(".json"), sha256=sha256)
        for record in root.glob(f"{name}/*/*/*/trial.json"):
            forging.change(record, submission_sha256=sha256, submission_source=changed)


@pytest.mark.slow
@pytest.mark.parametrize("forge", [fabricated_curves, another_submission])
def test_what_no_record_tells_is_found_by_training(forge, run_here, tmp_path):
    forge(run_here)
    submissions = {
        path.stem: json.loads(path.read_text())["sha256"]
        for path in (run_here / "sources").glob("*.json")
    }
    forged = forging.packed(run_here, tmp_path / "forged.zip", submissions=submissions)
    assert api.verify(forged).level == "L0"
    found = api.verify(forged, **SHORT)
    assert found.level is None
    assert {problem.kind for problem in found.rows} == {"curve"}


@pytest.mark.slow
def test_a_clock_that_only_training_can_judge_is_found(run_here, tmp_path):
    forging.a_faster_clock_that_adds_up(run_here, factor=0.001)
    forged = forging.packed(run_here, tmp_path / "forged.zip")
    found = api.verify(forged, steps=30, trials=2)
    # A thousandfold, so that no other work on this machine hides it.
    assert {(problem.kind, problem.place) for problem in found.rows} == {("time", BEST)}
