"""Trials of an experiment on eight devices: simulated ones, each in a process that sees its own."""

import json
import os
import subprocess
import sys

import pytest

from algoperf_lite.machine import devices, memory
from algoperf_lite.trial import attempts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        memory.available_memory() < 8 * memory.TRIAL_MEMORY,
        reason="eight trials side by side need 16 GiB",
    ),
]


def _run(output, *flags):
    command = [
        *(sys.executable, "-m", "algoperf_lite", "run", "--submissions=nadamw"),
        *("--workloads=digits", "--tuning_ruleset=self", "--budget_by=steps"),
        *("--max_global_steps=2", f"--output_dir={output}", *flags),
    ]
    subprocess.run(command, check=True, env={**os.environ, devices.SIMULATED: "8"})
    records = sorted(output.glob("nadamw/study_*/digits_jax/trial_1/trial.json"))
    return {path.parent: json.loads(path.read_text()) for path in records}


def test_eight_trials_run_side_by_side_each_on_a_device_of_its_own(tmp_path):
    found = _run(tmp_path / "out", "--num_studies=8")
    assert {record["status"] for record in found.values()} == {"not_reached"}
    seen = [record["devices"]["CUDA_VISIBLE_DEVICES"] for record in found.values()]
    assert sorted(seen) == list("01234567")
    assert {record["stepping"]["num_devices"] for record in found.values()} == {1}
    # The last one started before the first had ended.
    spans = [attempts.intervals(directory)[0] for directory in found]
    assert max(start for start, _ in spans) < min(end for _, end in spans)


def test_one_trial_runs_on_all_eight(tmp_path):
    [record] = _run(tmp_path / "out", "--num_studies=1", "--devices_per_trial=8").values()
    assert record["status"] == "not_reached"
    assert record["step_bytes"]["temporaries"] > 0
    assert record["stepping"]["num_devices"] == record["fingerprint"]["num_devices"] == 8
