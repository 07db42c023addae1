"""Each trick is found, or ends without a time, or gains nothing; see README.md for the table."""

import csv
import re

import pytest
import table

from algoperf_lite.rules.static import check

TRIED = [name for name, cheat in table.CHEATS.items() if cheat.status]
NOT_TRIED = [name for name in table.CHEATS if name not in TRIED]
README = (table.FOLDER / "README.md").read_text()
FAILED = ("invalid", "crashed", "timed_out", "out_of_memory")
GUESSING = 0.25  # accuracy on ten classes that an untrained network does not exceed by much


def _accuracies(directory):
    with (directory / "eval_measurements.csv").open() as file:
        return [float(row["validation/accuracy"]) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_a_trial_of_it_ends_as_the_readme_says(name, tmp_path):
    record = table.run(name, tmp_path / "trial_1")
    cheat = table.CHEATS[name]
    assert record["status"] == cheat.status, record["error"]
    assert record["time_to_target"] is None
    assert cheat.status in FAILED or cheat.no_advantage
    assert table.row(name, record) in README
    if name in GAINS_NOTHING:
        GAINS_NOTHING[name](record, tmp_path)


def _import_is_timed(record, tmp_path):
    # It has trained before its first step, and has paid for it before its first step.
    accuracies = _accuracies(tmp_path / "trial_1")
    assert accuracies[0] > GUESSING
    assert record["ledger"]["init"] > record["ledger"]["update_params"]


def _nothing_is_learnt_from_zeros(record, tmp_path):
    accuracies = _accuracies(tmp_path / "trial_1")
    assert accuracies[0] < GUESSING < accuracies[-1]


def _a_second_trial_starts_afresh(record, tmp_path):
    again = table.run("memory_in_the_module", tmp_path / "trial_2")
    assert again["status"] == record["status"]
    assert _accuracies(tmp_path / "trial_2") == _accuracies(tmp_path / "trial_1")


def _it_stops_before_the_target(record, tmp_path):
    assert record["steps"] < 45
    assert record["best"] == _accuracies(tmp_path / "trial_1")[-1]


def _unreturned_work_is_timed(record, tmp_path):
    # It leaves more steps to the evaluations than it returns.
    assert record["ledger"]["prepare_for_eval"] > record["ledger"]["update_params"]


GAINS_NOTHING = {
    "unreturned_work": _unreturned_work_is_timed,
    "trained_at_import": _import_is_timed,
    "trained_in_the_warm_up": _nothing_is_learnt_from_zeros,
    "memory_in_the_module": _a_second_trial_starts_afresh,
    "lucky_evaluation": _it_stops_before_the_target,
}


@pytest.mark.parametrize("name", NOT_TRIED)
def test_check_finds_it(name):
    assert table.violations(name)
    assert table.row(name, None) in README


def test_the_readme_has_every_trick_once():
    rows = [line for line in README.splitlines(keepends=True) if line.startswith("| [")]
    assert table.page(rows) == README
    assert [re.match(r"\| \[(\w+)\]", line)[1] for line in rows] == list(table.CHEATS)
    files = {path.stem for path in table.TRICKS.glob("*.py")}
    assert files == {*table.CHEATS, "plain"}
    unproven = {name for name, cheat in table.CHEATS.items() if cheat.no_advantage}
    assert unproven == set(GAINS_NOTHING)


@pytest.mark.slow
def test_an_honest_submission_is_not_disturbed(tmp_path):
    for name in table.HONEST:
        path = table.TRICKS / f"{name}.py"
        if not path.exists():
            path = table.FOLDER.parents[1] / "submissions" / f"{name}.py"
        assert check.check(path) == []
    record = table.run("nadamw", tmp_path / "trial_1")
    assert (record["status"], record["steps"]) == ("not_reached", 45)


def test_weights_in_many_short_texts_are_seen_too(tmp_path):
    path = tmp_path / "pieces.py"
    optimizer = (
        "import optax\ndef optimizer(workload, hyperparameters):\n    return optax.sgd(0.1)\n"
    )
    path.write_text(optimizer + "".join(f"W{i} = {'x' * 1900!r}\n" for i in range(5)))
    assert {finding.rule for finding in check.check(path)} == {"embedded-data"}
