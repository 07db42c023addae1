"""Scoring agrees with AlgoPerf's own scorer on AlgoPerf's own logs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scoring
from scoring import benchmark
from scoring.logs import read as logs_read
from scoring.stats import times

REPOSITORY = Path(__file__).resolve().parents[2]


def number(value):
    """Golden files write inf as a string and "no data" as null."""
    return np.nan if value is None else float(value)


@pytest.fixture(scope="module")
def golden(shared_logs):
    return json.loads((shared_logs / "golden" / "dev_external_v05.json").read_text())


@pytest.fixture(scope="module")
def v05():
    return benchmark.load("algoperf_v05")


@pytest.fixture(scope="module")
def read(shared_logs, v05):
    metrics = {name: target.metric for name, target in v05.workloads.items()}
    return logs_read.read(shared_logs / "external_tuning", metrics)


@pytest.fixture(scope="module")
def official(read, v05):
    return scoring.score_trials(read[0], v05, scoring.Protocol(mode="official"))


def test_every_file_and_row_is_read(read):
    trials, anomalies = read
    assert len(trials) == 2676
    assert sum(trial.steps.size for trial in trials) == 162_145
    assert anomalies == ()


def test_trial_chosen_in_each_study(read, golden, v05):
    studies = {}
    for trial in read[0]:
        name = f"{trial.workload}_{trial.framework}"
        studies.setdefault((trial.submission, name, f"study_{trial.study}"), []).append(trial)
    compared = 0
    for submission, workloads in golden["per_study"].items():
        for name, by_study in workloads.items():
            for study, expected in by_study.items():
                group = studies.pop((submission, name, study))
                target = v05.workloads[group[0].workload]
                value = times.study_value(group, target, "official", "time")
                assert len(group) == expected["trials_read"]
                np.testing.assert_allclose(value, number(expected["time"]), rtol=1e-9)
                if expected["trial"] is not None:
                    chosen = next(t for t in group if f"trial_{t.trial}" == expected["trial"])
                    assert times.crossing(chosen, target) == expected["eval_index"]
                compared += 1
    assert compared == 548 and not studies


def by_workload(golden_table, leaderboard, field):
    """Pairs (ours, golden) over all cells of a table."""
    entries = {entry.submission: entry for entry in leaderboard.rows}
    assert set(entries) == set(golden_table)
    for submission, row in golden_table.items():
        for workload, value in row.items():
            ours = getattr(entries[submission], field).get(workload, np.nan)
            yield (submission, workload), ours, number(value)


def test_time_to_target(official, golden):
    for cell, ours, expected in by_workload(golden["time_to_target"], official, "time_to_target"):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, err_msg=str(cell))


def test_gates_and_ratios(official, golden):
    for cell, ours, expected in by_workload(golden["time_to_target_gated"], official, "gated"):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, err_msg=str(cell))
    for cell, ours, expected in by_workload(golden["ratio_to_best"], official, "ratio_to_best"):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9, err_msg=str(cell))


def test_profile_and_scores(official, golden):
    np.testing.assert_allclose(official.tau, golden["tau"], rtol=0, atol=1e-9)
    for entry in official.rows:
        np.testing.assert_allclose(entry.rho, golden["rho"][entry.submission], rtol=0, atol=1e-9)
        assert entry.score == pytest.approx(golden["scores"][entry.submission], rel=0, abs=1e-9)
        assert entry.low <= entry.score <= entry.high


def test_exact_mode_takes_the_fastest_trial(read, golden, v05):
    """The golden file lists the cells where the fastest trial is not AlgoPerf's choice."""
    exact = scoring.score_trials(read[0], v05)
    changed = golden["fastest_trial_rule"]["cells_changed"]
    expected = {s: {**row, **changed.get(s, {})} for s, row in golden["time_to_target"].items()}
    for cell, ours, value in by_workload(expected, exact, "time_to_target"):
        np.testing.assert_allclose(ours, value, rtol=1e-9, err_msg=str(cell))
    for entry in exact.rows:
        # The grid of the official score is 3/99 wide, so no two areas differ by half of that.
        assert entry.score == pytest.approx(golden["scores"][entry.submission], abs=0.015)


def test_workloads_outside_the_score_are_named_and_not_scored(official, golden):
    named = {o.path.split("/")[2] for o in official.anomalies if o.kind == "not_scored"}
    ignored = golden["time_to_target_ignored_workloads"]["baseline"]
    assert named == {f"{workload}_jax" for workload in ignored}


def test_cold_scoring_is_fast_and_small(shared_logs):
    program = (
        "import statistics, time\n"
        "def seconds(work):\n"
        "    began = time.process_time()\n"
        "    work()\n"
        "    return time.process_time() - began\n"
        "def loops():\n"
        "    return [seconds(lambda: sum(i * i for i in range(3_000_000))) for _ in range(3)]\n"
        "before = loops()\n"
        "began = time.process_time()\n"
        "import json, re, scoring\n"
        f"root = {str(shared_logs / 'external_tuning')!r}\n"
        "board = scoring.score(root, 'algoperf_v05', reference='baseline')\n"
        "json.dumps(board.to_json(), allow_nan=False)\n"
        "took = time.process_time() - began\n"
        # On both sides of it, as a busy machine changes its speed.
        "print(took / statistics.median(before + loops()))\n"
        # Not ru_maxrss, which a process inherits from the one that started it.
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    loops, kilobytes = done.stdout.split()
    # Processor time, in loops of plain Python: seconds would say how fast the machine is.
    assert float(loops) < 20
    assert int(kilobytes) < 250_000
