"""Damaged checkpoints and logs: a trial goes on from what is whole, or starts again, and says so.

`python -m tests.faults.corrupt` tries other cases, and more.
"""

import csv
import dataclasses
from pathlib import Path

import corrupt
import numpy as np
import pytest

from algoperf_lite.trial import attempts, checkpoints, logs, resume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[False, True], ids=["native", "population"])
def cut(request, tmp_path_factory):
    """A trial that was cut."""
    return corrupt.pristine(tmp_path_factory.mktemp("cut") / "trial_1", request.param)


def test_fifty_kinds_of_damage_of_each_form(cut, tmp_path):
    ends = set()
    for case in range(50):
        done = corrupt.damaged_copy(cut, tmp_path / str(case), case)
        try:
            ends.add(corrupt.check(cut, tmp_path / str(case)))
        except Exception as error:
            raise AssertionError(f"case {case} ({done}): {error!r}") from error
    assert len(ends) == 3, ends  # of either checkpoint, or again


def _metrics(spec):
    with Path(spec.directory, "eval_measurements.csv").open() as file:
        return [{k: v for k, v in row.items() if "/" in k} for row in csv.DictReader(file)]


def test_to_its_end_it_is_the_trial_that_nothing_happened_to(cut, tmp_path):
    whole = dataclasses.replace(cut.spec, directory=str(tmp_path / "whole"))
    expected = corrupt.run(whole)
    assert expected["status"] == "not_reached", expected["error"]
    newest = max(cut.saved)
    for name in ("nothing", f"checkpoints/{newest}/facts.json", "measurements.csv"):
        spec = cut.goes_on_in(tmp_path / name.replace("/", "_"))
        corrupt.damaged_copy(cut, Path(spec.directory), None)
        if name != "nothing":
            Path(spec.directory, name).write_bytes(b"")
        record = corrupt.run(spec)
        assert record["status"] == expected["status"], record["error"]
        assert record["preemption_count"] == 2
        assert _metrics(spec) == _metrics(whole)
        assert logs.tampered(Path(spec.directory), record["rows_sha256"]) is None
        for key in ("best", "final", "steps", "hyperparameters", "winner"):
            assert record.get(key) == expected.get(key), key
        if spec.population is not None:
            lineages = [Path(s.directory, "lineage.jsonl").read_bytes() for s in (spec, whole)]
            assert lineages[0] == lineages[1]


def test_a_checkpoint_in_the_place_of_another_is_none(tmp_path):
    for step in (1, 2):
        checkpoints.save(tmp_path, step, [np.arange(step)], {})
    folder = tmp_path / checkpoints.FOLDER
    (folder / "2").rename(folder / "3")
    last, before = checkpoints.found(tmp_path)
    with pytest.raises(ValueError, match="does not hold what was saved"):
        last.read()
    assert len(before.read()[1][0]) == 1


def test_one_of_another_version_of_the_program_is_told(cut, tmp_path, capsys):
    corrupt.damaged_copy(cut, tmp_path / "trial_1", None)
    spec = cut.goes_on_in(tmp_path / "trial_1")
    for checkpoint in checkpoints.found(tmp_path / "trial_1"):
        facts, leaves = checkpoint.read()
        del facts["attempt"]
        checkpoints.save(tmp_path / "trial_1", checkpoint.step, leaves, facts)
    assert resume.begin(spec, 0.0, 0.0).saved is None
    said = capsys.readouterr().out
    assert said.count("was made by another version of this program") == 2
    assert said.endswith("starting again\n")


@pytest.mark.parametrize(
    "text",
    [
        '{"started": 5.0, "seen": null}\n{"started": 9.0}\n',  # no sign of life of the first
        '{"started": "soon", "seen": 1e999}\n{"started": -3, "seen": [1]}\n',
        '{"started": 1e300, "seen": 1e300}\n7\n"seven"\n[]\n\0\n{"ended": 3}\n',
        "\udcff\udcfe{}\n" + "[" * 100_000 + "\n",
    ],
)
def test_damaged_attempts_make_up_no_seconds(tmp_path, text):
    (tmp_path / attempts.FILE).write_bytes(text.encode(errors="surrogateescape"))
    for started, seen in attempts.intervals(tmp_path):
        assert min(started, seen) >= 0.0
    assert attempts.ended(tmp_path) == []
    attempts.start(tmp_path, 12.0, None)
    assert attempts.intervals(tmp_path)[-1][0] == 12.0


@pytest.mark.parametrize("text", ["", "[]", "7", '{"status": ["reached"]}', "{}", "null"])
def test_a_record_that_is_none_is_not_read(tmp_path, text):
    (tmp_path / "trial.json").write_text(text)
    assert logs.read_record(tmp_path) is None
