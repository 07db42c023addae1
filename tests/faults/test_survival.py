"""One experiment with everything that goes wrong in it: each trial has its status, and the honest
ones theirs. And the ways in which a process dies for want of memory."""

import json
import os
import signal
import subprocess
import sys

import calibrated
import pytest

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.experiment import jobs
from algoperf_lite.machine import out_of_memory
from algoperf_lite.machine.devices import Slot
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

CLI = [sys.executable, "-m", "algoperf_lite"]
HEAD = "import ctypes, os, time\nimport jax\nimport numpy as np\nimport optax\n"
OPTIMIZER = "def optimizer(workload, hyperparameters):\n"
# An optimizer that calls Python in every step, and does something bad when it has done so often.
STEPWISE = (
    HEAD
    + """
CALLS = []

def act():
    CALLS.append(1)
    if len(CALLS) > 10:
        {}
    return np.float32(0)

def optimizer(workload, hyperparameters):
    def update(updates, state, params=None):
        nothing = jax.pure_callback(act, jax.ShapeDtypeStruct((), np.float32))
        return jax.tree.map(lambda g: -0.1 * g + nothing, updates), state

    return optax.GradientTransformation(lambda params: (), update)
"""
)
FAULTS = {
    "hangs": STEPWISE.format("time.sleep(1e9)"),
    "segfaults": STEPWISE.format("ctypes.string_at(0)"),
    "eats_memory": STEPWISE.format("CALLS.append(np.empty(2**27))"),
    "diverges": HEAD + OPTIMIZER + "    return optax.sgd(1e30)\n",
    "exits": HEAD + OPTIMIZER + "    os._exit(7)\n",
}
STATUSES = {
    "hangs": "timed_out",
    "segfaults": "crashed",
    "eats_memory": "out_of_memory",
    "diverges": "diverged",
    "exits": "crashed",
    "nadamw": "not_reached",
    "adamw_wsd": "not_reached",
}
GIB = 2**30


def _trial(output, name):
    return output / name / "study_0" / "digits_jax" / "trial_1"


@pytest.fixture(scope="module")
def survived(tmp_path_factory):
    """The output directory of such an experiment, and the command as it ended."""
    folder = tmp_path_factory.mktemp("survival")
    for name, text in FAULTS.items():
        (folder / f"{name}.py").write_text(text)
    files = [folder / f"{name}.py" for name in FAULTS]
    calibrated.prepare(folder / "out")
    command = [
        *(*CLI, "run", *calibrated.FLAGS, f"--output_dir={folder / 'out'}"),
        f"--submissions={','.join(map(str, ['nadamw', *files, 'adamw_wsd']))}",
        *("--heartbeat_timeout=60", "--memory_limit_gib=6", "--max_retries=1"),
    ]
    return folder / "out", subprocess.run(command, capture_output=True, text=True, timeout=500)


@pytest.mark.slow
def test_every_trial_ends_with_its_status_and_crashes_are_tried_twice(survived):
    output, done = survived
    assert done.returncode == 0, done.stderr
    records = {name: logs.read_record(_trial(output, name)) for name in STATUSES}
    assert {name: record["status"] for name, record in records.items()} == STATUSES
    for name, record in records.items():
        tries = 2 if record["status"] == "crashed" else 1
        assert [end["ended"] for end in record["attempts"]] == [record["status"]] * tries, name
        lines = (_trial(output, name) / "attempts.jsonl").read_text().splitlines()
        kinds = ["started" if "started" in json.loads(line) else "ended" for line in lines]
        assert kinds == ["started", "ended"] * tries, name
    assert "SIGSEGV" in records["segfaults"]["error"]
    assert "exited with code 7" in records["exits"]["error"]
    assert "no sign of life for 60 s" in records["hangs"]["error"]
    assert done.stdout.count("again  ") == 2
    assert "Unable to allocate" in records["eats_memory"]["error"].splitlines()[0]
    assert "7/7" in done.stdout and "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_leaderboard_shows_all_of_them(survived):
    score = [*CLI, "score", survived[0], "--only_present"]
    shown = [
        subprocess.run([*score, *more], capture_output=True, text=True) for more in ([], ["--json"])
    ]
    for done in shown:
        assert done.returncode == 0, done.stderr
    assert all(name in shown[0].stdout for name in STATUSES)
    assert set(json.loads(shown[1].stdout)["scores"]) == set(STATUSES)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="there is no such limit")
def test_a_limit_that_is_too_small_for_jax_itself_is_a_want_of_memory(tmp_path):
    """Natively: no library, no thread or no array has room, and the process aborts."""
    spec = TrialSpec(
        *("nadamw", "digits", 0, 1, str(tmp_path / "trial_1")),
        ExperimentConfig(ruleset=tuning.Ruleset("self", 1, 1, 1.5)),
        max_global_steps=5,
    )
    limits = jobs.Limits(memory_limit_gib=0.3)
    [(_, record)] = jobs.run([spec], local.local(1, 1), limits=limits)
    assert record["status"] == "out_of_memory", record["error"]
    assert [end["ended"] for end in record["attempts"]] == ["out_of_memory"]


JOB = """
import os, signal
def work(payload, report):
    if payload["words"]:
        os.write(2, payload["words"].encode())
    os.kill(os.getpid(), payload["signal"])
"""
ABORT = (
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
)


@pytest.fixture
def end(tmp_path, monkeypatch):
    """How a process ends that says some words and gets a signal."""
    (tmp_path / "job_that_dies.py").write_text(JOB)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    log = tmp_path / "output.txt"

    def end(words, number, limit=4 * GIB):
        payload = {"words": words, "signal": number}
        job = Job("dies", "job_that_dies", payload, log, memory_limit=limit)
        [(_, outcome)] = local.Local([Slot()]).run([job])
        return outcome

    return end


def test_an_abort_under_a_limit_is_told_by_its_last_words(end):
    outcome = end(ABORT, signal.SIGABRT)
    assert outcome.status == "out_of_memory"
    assert "SIGABRT (what():  std::bad_alloc)" in outcome.error
    # What an earlier attempt said is not this one's, and without a limit memory is no reason.
    assert end("", signal.SIGABRT).status == "crashed"
    assert end(ABORT, signal.SIGABRT, limit=None).status == "crashed"
    assert end(ABORT + "x\n" * 10_000, signal.SIGSEGV).status == "crashed"  # long ago


def test_a_kill_by_the_kernel_is_told_by_its_count(end, monkeypatch):
    counts = iter([3, 4, 4, 4, None, None])
    monkeypatch.setattr(out_of_memory, "num_kills", lambda: next(counts))
    outcome = end("", signal.SIGKILL, limit=None)
    assert outcome.status == "out_of_memory"
    assert "by the kernel, out of memory" in outcome.error
    assert [end("", signal.SIGKILL).status for _ in range(2)] == ["crashed", "crashed"]


@pytest.mark.parametrize(
    ("groups", "file", "text"),
    [
        ("0::/a/b\n", "a/b/memory.events", "low 0\nmax 9\noom 3\noom_kill 2\n"),
        ("0::/\n", "memory.events", "oom_kill 2\noom_group_kill 0\n"),
        ("4:memory:/a\n0::/\n", "memory/a/memory.oom_control", "under_oom 0\noom_kill 2\n"),
        ("4:cpu,memory:/of/outside\n", "memory/memory.oom_control", "oom_kill 2\n"),
    ],
)
def test_the_count_is_read_from_either_kind_of_cgroup(tmp_path, groups, file, text):
    own, path = tmp_path / "cgroup", tmp_path / "fs" / file
    own.write_text(groups)
    assert out_of_memory.num_kills(own, tmp_path / "fs") is None
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert out_of_memory.num_kills(own, tmp_path / "fs") == 2
    assert out_of_memory.num_kills(tmp_path / "nowhere") is None
