"""Two hosts that share each batch of files train what one host does."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import workloads
from algoperf_lite.trial import logs
from scoring import benchmark
from tests.workloads.full import small_families

ROOT = Path(__file__).parents[3]
STEPS = 4
TIMEOUT = 1800  # seconds, on a machine that is busy
# Workloads from outside, since hosts are processes of their own.
SMALL = """
import workloads
from tests.workloads.full import small_families

SCALES = {{"full": small_families.made_small(workloads.load("{name}", "full"))}}
"""
# Plain steps: Adam's first ones are the signs of gradients, which rounding may turn around.
CALM = """
import optax

def optimizer(workload, hyperparameters):
    return optax.sgd(0.01, momentum=0.9)
"""
# Each batch of the two is divided among the hosts' readers, where a row of ogbg is a bin of
# graphs. All nine were seen to agree, which takes too long for a test; what lies on the devices is
# tested at lite scale.
FAMILIES = ("criteo1tb", "ogbg")
CALIBRATED = "criteo1tb"  # by the hosts together, as the benchmark does not know it


def _address():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def _start(folder, output, *flags):
    paths = ",".join(str(folder / f"small_{name}") for name in FAMILIES)
    command = [
        *(sys.executable, "-m", "algoperf_lite", "run"),
        *("--scale=full", f"--data_dir={folder / 'data'}", f"--workloads={paths}"),
        *(f"--submissions={folder / 'calm.py'}", "--tuning_ruleset=self", "--num_studies=1"),
        f"--benchmark={folder / 'small.json'}",
        *("--budget_by=steps", f"--max_global_steps={STEPS}", "--eval_examples=6"),
        *(f"--output_dir={folder / output}", *flags),
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _write(folder):
    """The data, workloads, submission and benchmark of a run in a folder."""
    targets = {}
    for name in FAMILIES:
        small_families.prepare(name, folder / "data")
        small = folder / f"small_{name}"
        small.mkdir()
        (small / "workload.py").write_text(SMALL.format(name=name))
        found = workloads.load(str(small), "full")
        metric = found.target_metric_name
        targets[small.name] = {
            "target_metric_name": metric,
            # Out of reach, so that trials go on to their last step.
            "validation_target_value": -1 if metric in benchmark.LOWER_IS_BETTER else 1e9,
            "step_hint": found.step_hint,
        }
    del targets[f"small_{CALIBRATED}"]
    goal = {
        "scale": "full",
        "base_workloads": list(targets),
        "workloads": targets,
        "rulesets": {"self": {"num_studies": 1, "num_trials": 1, "slack": 1.0}},
    }
    (folder / "small.json").write_text(json.dumps(goal))
    (folder / "calm.py").write_text(CALM)


def _rows(directory):
    with (directory / "eval_measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if "/" in k and v} for row in rows]


@pytest.mark.slow
def test_two_hosts_train_on_files_what_one_does(tmp_path):
    _write(tmp_path)
    alone = _start(tmp_path, "alone", "--num_workers=1")
    said = alone.communicate(timeout=TIMEOUT)[0]
    assert alone.returncode == 0, said

    at = (f"--coordinator_address={_address()}", "--num_processes=2")
    outputs = ("together", "unused")
    both = [_start(tmp_path, output, *at, f"--process_id={i}") for i, output in enumerate(outputs)]
    said = [process.communicate(timeout=TIMEOUT)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said

    for name in FAMILIES:
        place = Path("calm", "study_0", f"small_{name}_jax", "trial_1")
        one, two = (tmp_path / output / place for output in ("alone", "together"))
        expected, record = logs.read_record(one), logs.read_record(two)
        assert record["status"] == expected["status"] == "not_reached", record
        assert record["steps"] == expected["steps"] == STEPS
        assert record["stepping"]["is_fed"] is expected["stepping"]["is_fed"] is True
        assert record["stepping"]["num_devices"] == 2
        assert record["fingerprint"]["num_processes"] == 2
        assert len(_rows(two)) == len(_rows(one)) > 1
        for row, wanted in zip(_rows(two), _rows(one), strict=True):
            assert np.isfinite(list(wanted.values())).all()
            assert row == pytest.approx(wanted, rel=1e-4)
