"""Forged packs are found out, honest ones confirmed, and no pack makes the verifier fail."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import forging
import pytest
from forging import BEST, FORGERIES

from algoperf_lite import api
from algoperf_lite.cli import main
from algoperf_lite.trial.record import TrialRecord
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs import pack


@pytest.fixture
def repacked(recorded, experiment, tmp_path):
    """Packs the experiment's folder as it is by now."""
    shutil.copy(recorded, tmp_path / "recorded.zip")
    return lambda **about: forging.packed(experiment, tmp_path / "forged.zip", **about)


def kinds(verdict):
    return {problem.kind for problem in verdict.rows}


# --- honest packs -------------------------------------------------------------------------------


def test_an_honest_pack_is_confirmed(recorded):
    found = api.verify(recorded)
    assert (found.level, found.rows) == ("L0", ())
    # The machine was busy while two of the four trials ran.
    slow = [f"{name}/study_0/digits_jax/trial_2: slow_trial" for name in ("nadamw", "nesterov")]
    assert [remark.partition(",")[0] for remark in found.remarks] == slow
    assert [(row.submission, row.score) for row in found.scores] == [
        ("nesterov", 1.0),
        ("nadamw", 0),
    ]
    assert any("4 records agree" in line for line in found.confirmed)


def test_what_is_packed_again_or_put_together_is_honest(recorded, repacked, tmp_path):
    assert api.verify(repacked()).level == "L0"
    # Beside a submission of the same name, and under other numbers than it was run with.
    other = tmp_path / "other"
    other.mkdir()
    pack.read(recorded).unpack(other)
    for path in other.glob("*/*/*/*/trial.json"):
        text = {"nadamw": "0", "nesterov": "1"}[path.parts[-5]]
        forging.change(path, submission_sha256=text * 64)
    api.merge([other, recorded], tmp_path / "both")
    api.pack(_without_the_first(tmp_path / "both"), tmp_path / "renamed.zip")
    found = api.verify(tmp_path / "renamed.zip")
    assert found.rows == () and found.level == "L0"
    assert {row.submission for row in found.scores} == {"nadamw_2", "nesterov_2"}


def _without_the_first(folder):
    """A folder of two experiments without what was in the first, whose texts are made up."""
    for name in ("nadamw", "nesterov"):
        shutil.rmtree(folder / name)
        shutil.rmtree(folder / "sources" / name)
        (folder / "sources" / f"{name}.json").unlink()
    merged = json.loads((folder / "merged.json").read_text())
    kept = {k: v for k, v in merged["trials"].items() if (folder / k).is_dir()}
    (folder / "merged.json").write_text(json.dumps({**merged, "trials": kept}))
    return folder


def test_a_trial_that_failed_before_it_began_is_no_forgery(experiment, repacked):
    trial = experiment / forging.OTHER
    spec = TrialSpec.from_json(json.loads((trial / "flags_0.json").read_text()))
    end = {"ended": "crashed", "error": "the process was killed by SIGKILL", "wall": 3.0}
    spec = dataclasses.replace(spec, submission="nesterov")
    record = TrialRecord.of(
        spec, status="crashed", error=end["error"], ledger={"wall": 3.0}, attempts=[end]
    )
    for file in trial.iterdir():
        file.unlink()
    (trial / "trial.json").write_text(json.dumps(record.to_json()))
    (trial / "attempts.jsonl").write_text(json.dumps(end) + "\n")
    found = api.verify(repacked())
    assert found.rows == () and found.level == "L0"


def test_what_is_drawn_needs_steps(recorded):
    with pytest.raises(ValueError, match="--trials goes with training again; give --steps"):
        api.verify(recorded, trials=3)
    with pytest.raises(ValueError, match="unknown option of verify 'trial'; did you mean 'trials'"):
        api.verify(recorded, trial=3)


# --- trials that shared a program ---------------------------------------------------------------

# run --submissions=nadamw --workloads=digits --vectorize=trials --num_studies=2
# --num_tuning_trials=2 --budget_by=steps, packed.
TOGETHER = Path(__file__).with_name("recorded_together.zip")
FIRST, SECOND = (f"nadamw/study_0/digits_jax/trial_{number}" for number in (1, 2))


@pytest.fixture
def together(tmp_path):
    """The folder of what is packed, and what packs it anew and verifies it."""
    shutil.copy(TOGETHER, tmp_path / "recorded.zip")
    folder = tmp_path / "together"
    folder.mkdir()
    pack.read(TOGETHER).unpack(folder)
    return folder, lambda: api.verify(forging.packed(folder, tmp_path / "again.zip"))


def test_trials_that_shared_a_program_are_confirmed(together):
    _, verified = together
    found = verified()
    assert (found.level, found.rows) == ("L0", ())


def test_a_replayed_clock_that_was_made_faster_is_found(together):
    folder, verified = together
    forging.change_rows(folder / FIRST, forging.scaled(0.5))
    [problem] = [problem for problem in verified().rows if problem.kind == "clock"]
    assert problem.place == FIRST
    assert problem.what.startswith("at step 1 it says 0.0102")
    assert problem.what.endswith("a trial's measured seconds add up to 0.0204653")


def test_a_copy_of_one_beside_it_is_found(together):
    folder, verified = together
    for name in forging.ROWS:
        shutil.copy(folder / FIRST / name, folder / SECOND / name)
    said = {problem.what for problem in verified().rows if problem.kind == "copy"}
    assert said == {f"it has the readings of {FIRST}"}


# --- forgeries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forge", "wanted"), FORGERIES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_forgery_is_found(forge, wanted, experiment, repacked):
    forge(experiment)
    num_trials = len(list(experiment.glob("*/study_*/*/trial_*")))
    found = api.verify(repacked(num_trials=num_trials))
    assert found.level is None and found.confirmed == ()
    assert wanted & kinds(found), found.rows


@pytest.mark.parametrize(
    "about",
    [
        {"benchmark": "algoperf_v06"},
        {"ruleset": "self"},
        {"num_trials": 5},
        {"fingerprints": {}},
    ],
)
def test_a_manifest_that_lies_is_found(about, repacked):
    assert api.verify(repacked(**about)).level is None


def test_what_records_cannot_tell_is_left_to_training(experiment, repacked):
    forging.a_faster_clock_that_adds_up(experiment)
    assert api.verify(repacked()).level == "L0"


def test_a_file_that_was_changed_in_the_zip_is_refused(experiment, repacked, tmp_path):
    path = repacked()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is no sound pack"):
        api.verify(path)


def test_an_unknown_benchmark_is_refused(repacked):
    with pytest.raises(ValueError, match="benchmark .* not found"):
        api.verify(repacked(benchmark="lite_v99"))
    with pytest.raises(ValueError, match="names no benchmark"):
        api.verify(repacked(benchmark=None))


# --- whatever a pack may hold ---------------------------------------------------------------------


@pytest.mark.parametrize("cases", [range(60), pytest.param(range(60, 400), marks=pytest.mark.slow)])
def test_no_mutated_pack_makes_the_verifier_fail(experiment, repacked, tmp_path, cases):
    """A verdict without a traceback, and changed rows are never confirmed."""
    before = {path: path.read_bytes() for path in experiment.rglob("*") if path.is_file()}
    outside = sorted(tmp_path.iterdir())
    targets = [path for path in sorted(before) if path.suffix in (".json", ".csv", ".jsonl", ".py")]
    found = set()
    for seed in cases:
        rng = random.Random(seed)
        path = rng.choice(targets)
        if path.suffix == ".json" and rng.random() < 0.8:
            path.write_text(json.dumps(forging.mutated(rng, json.loads(before[path]))))
        else:
            data = bytearray(before[path])
            at = rng.randrange(len(data))
            data[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(9))
            path.write_bytes(data)
        forged = repacked()
        try:
            verdict = api.verify(forged)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {path}") from error
        assert all("\n" not in problem.what for problem in verdict.rows), seed
        if (
            path.name in ("eval_measurements.csv", "measurements.csv")
            and path.read_bytes() != before[path]
        ):
            assert verdict.level is None, seed
        found.add(verdict.level)
        path.write_bytes(before[path])
        forged.unlink()
    assert found == {None, "L0"}
    assert sorted(tmp_path.iterdir()) == outside


def test_the_command_prints_a_strangers_words_as_text(experiment, repacked, capsys):
    forging.change(experiment / BEST / "trial.json", submission="[red]\x1b[31m<b>")
    forged = repacked()
    code = main._run(main.parser().parse_args(["verify", str(forged)]))
    printed = capsys.readouterr().out
    assert code == 1 and "not confirmed: " in printed
    assert "\x1b" not in printed and "[red]" in printed
    code = main._run(main.parser().parse_args(["verify", str(forged), "--json"]))
    assert code == 1 and json.loads(capsys.readouterr().out)["level"] is None
