"""Verdicts on what a trial's process says of its own time."""

import pytest

from algoperf_lite.executors.job import Outcome
from algoperf_lite.experiment import jobs
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec

LEDGER = {"update_params": 4.0, "setup": 1.0, "wall": 5.0}


@pytest.fixture
def status(tmp_path):
    """The status and error of a trial whose ledger holds 5 s."""
    spec = TrialSpec("nadamw", "digits", 0, 1, str(tmp_path))
    result = {"status": "reached", "ledger": LEDGER}
    result["rows_sha256"] = logs.TrialLogs(tmp_path, ["loss"]).sha256

    def status(wall, **outcome):
        record = jobs.finalize(spec, Outcome(result=result, wall=wall, **outcome))
        return record["status"], record["error"] or ""

    return status


def test_a_process_that_waits_for_a_core_at_its_end_has_done_nothing_wrong(status):
    assert status(5.01)[0] == "reached"
    assert status(9.0, closing=4.99)[0] == "reached"


def test_seconds_that_are_missing_before_the_end_make_a_trial_invalid(status):
    for wall, closing in ((9.0, None), (9.0, 8.0), (5.5, 5.3)):
        found, error = status(wall, closing=closing)
        assert found == "invalid"
        assert error == f"the ledger accounts for 5.00 s, but {wall:.2f} s went by"
    assert status(3.0, closing=2.0)[0] == "invalid"  # and so do seconds that nobody had


def test_stamps_that_cannot_be_true_make_a_trial_invalid_with_the_evidence(status):
    assert status(5.0, finding="the event 'closed' is early") == (
        "invalid",
        "the event 'closed' is early",
    )


@pytest.mark.parametrize("result", [{}, {"status": "reached", "a_field_of_its_own": 1}])
def test_a_result_that_is_no_record_of_ours_is_no_result(result, tmp_path):
    spec = TrialSpec("nadamw", "digits", 0, 1, str(tmp_path))
    assert jobs.finalize(spec, Outcome(result=result, wall=1.0))["status"] == "invalid"
