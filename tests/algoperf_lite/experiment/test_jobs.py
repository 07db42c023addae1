"""Verdicts on what a trial's process says of its own time, and on how it crashed."""

import pytest

from algoperf_lite.executors.job import Outcome
from algoperf_lite.experiment import jobs
from algoperf_lite.trial import attempts, logs
from algoperf_lite.trial.config import ExperimentConfig
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


CRASH = {"status": "crashed", "stage": "start", "error": "KeyError: 1"}


@pytest.mark.parametrize(
    ("result", "is_tried_again"),
    [
        (CRASH, False),
        (CRASH | {"stage": "setup"}, True),  # of the workload, in which a submission has no part
        (CRASH | {"stage": "training"}, True),
        (CRASH | {"stage": "setup", "error": "WrongBackend: found 'cpu' alone"}, False),
        (CRASH | {"error": "JaxRuntimeError: INTERNAL: a peer is gone"}, True),
        (CRASH | {"status": "out_of_memory"}, False),  # as ever
        (None, True),  # killed, or lost with its machine: nobody knows how far it came
    ],
)
def test_what_would_only_crash_again_is_not_tried_again(tmp_path, result, is_tried_again):
    spec = TrialSpec("nadamw", "digits", 0, 1, str(tmp_path))
    outcome = Outcome(result=result, wall=0.0, status="crashed")
    for max_retries in (2, 3):  # the second command allows one more
        record = jobs.finalize(spec, outcome, max_retries)
        found = jobs.is_to_be_retried(tmp_path, record, max_retries)
        assert found == is_tried_again
        assert jobs.is_to_be_retried(tmp_path, record, 9) == (record["status"] == "crashed")
    counted = attempts.num_crashes(tmp_path)
    assert counted == (0 if record["status"] != "crashed" else 2 if is_tried_again else 4)


def test_where_compilation_counts_no_program_is_kept_but_choices_of_kernels_are(tmp_path):
    for counts, folder in ((True, "tuned"), (False, "compiled")):
        config = ExperimentConfig(count_compile=counts)
        trial = TrialSpec("nadamw", "digits", 0, 1, str(tmp_path), config)
        job = jobs._job([trial], 1, False, jobs.DEFAULT_LIMITS)
        assert job.cache.name == folder
        # JAX keeps only what took longer than that.
        assert ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" in job.variables) == counts


def test_damaged_numbers_of_crashes_count_as_one_each(tmp_path):
    for count in ("7", None, -3, 1.5, True, [2]):
        attempts.end(tmp_path, "crashed", None, 0.0, count)
    assert attempts.num_crashes(tmp_path) == 6
