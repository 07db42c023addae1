"""Commands that are stopped by a signal: one sentence, the exit code of shells, nothing left
running, and the same command continues."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import calibrated
import psutil
import pytest

from algoperf_lite.trial import checkpoints, logs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX"),
]
CLI = [sys.executable, "-m", "algoperf_lite"]
SENTENCE = "algoperf-lite: stopped; finished trials are kept, the same command continues\n"
PATIENCE = 300.0  # seconds for what takes a few on an idle machine
# A shell that runs the tests in the background lets them, and what they start, ignore SIGINT.
# `preexec_fn` would mend that too, but it forks, and JAX warns of forks of a process that computes.
OBEYS_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
# Trains until the file is gone, and says by another one that it has been going for a while.
ENDLESS = """
import pathlib, time, jax, numpy as np, optax

GATE = pathlib.Path({gate!r})

def wait():
    while GATE.exists() and len(list(GATE.parent.glob("out/*/*/*/*/checkpoints/*"))) > 1:
        time.sleep(0.01)
    return np.float32(0)

def optimizer(workload, hyperparameters):
    def update(updates, state, params=None):
        nothing = jax.pure_callback(wait, jax.ShapeDtypeStruct((), np.float32))
        return jax.tree.map(lambda g: -0.1 * g + nothing, updates), state

    return optax.GradientTransformation(lambda params: (), update)
"""


@contextlib.contextmanager
def _started(command, log, **environment):
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", OBEYS_SIGINT, *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until(is_so, process, log):
    deadline = time.monotonic() + PATIENCE
    while not (found := is_so()):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found


def _jobs(process):
    """The processes of its jobs."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = " ".join(child.cmdline())  # of a template and what it has forked, or of neither
            if "algoperf_lite.executors." in line:
                found.append(child)
    return found


def _is_running(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _stop(process, number, *others):
    """Sends a signal to a command and others; what it has started must be gone when it is."""
    started = _jobs(process)
    for one in (*others, process):
        one.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    # The kernel kills them with it; that takes a moment.
    gone, alive = psutil.wait_procs(started, timeout=PATIENCE)
    assert started and not [one for one in alive if _is_running(one)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_trial_is_ended_and_goes_on_from_its_checkpoint(tmp_path, number):
    """Slurm sends SIGTERM to all processes of a job, so the trial's has it too."""
    output, log, gate = tmp_path / "out", tmp_path / "log.txt", tmp_path / "gate"
    submission = tmp_path / "endless.py"
    submission.write_text(ENDLESS.format(gate=str(gate)))
    gate.touch()
    calibrated.prepare(output)
    command = [*CLI, "run", *calibrated.FLAGS, f"--submissions={submission}"]
    command += ["--num_workers=1", "--checkpoint_share=1", f"--output_dir={output}"]
    directory = output / "endless" / "study_0" / "digits_jax" / "trial_1"
    with _started(command, log) as process:
        _wait_until(lambda: len(list(checkpoints.found(directory))) > 1, process, log)
        _stop(process, number, *(_jobs(process) if number == signal.SIGTERM else ()))
    assert log.read_text().endswith(SENTENCE) and "Traceback" not in log.read_text()
    assert logs.read_record(directory) is None
    assert list(checkpoints.found(directory))
    gate.unlink()
    again = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert again.returncode == 0, again.stderr
    assert "going on from the checkpoint" in (directory / "output.txt").read_text()
    record = logs.read_record(directory)
    assert (record["status"], record["preemption_count"]) == ("not_reached", 1)
    # The attempt that was stopped has not crashed, and counts as no retry.
    assert [end["ended"] for end in record["attempts"]] == ["not_reached"]


def test_a_calibration_is_ended(tmp_path):
    output, log = tmp_path / "out", tmp_path / "log.txt"
    command = [*CLI, "run", *calibrated.FLAGS, "--submissions=nadamw", f"--output_dir={output}"]
    with _started(command, log, XDG_CACHE_HOME=str(tmp_path / "cache")) as process:
        _wait_until(lambda: _jobs(process), process, log)
        _stop(process, signal.SIGTERM)
    assert log.read_text().endswith(SENTENCE) and "Traceback" not in log.read_text()


def test_a_host_that_waits_for_others_is_ended(tmp_path):
    log = tmp_path / "log.txt"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    command = [*CLI, "run", *calibrated.FLAGS, "--submissions=nadamw", "--process_id=1"]
    command += [f"--coordinator_address={address}", "--num_processes=2"]
    with _started([*command, f"--output_dir={tmp_path / 'out'}"], log) as process:
        _wait_until(lambda: _jobs(process), process, log)
        _stop(process, signal.SIGTERM)
    assert log.read_text().endswith(SENTENCE) and "Traceback" not in log.read_text()


def test_jobs_on_a_ray_cluster_are_ended(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed")
    output, log = tmp_path / "out", tmp_path / "log.txt"
    calibrated.prepare(output)
    command = [*CLI, "run", *calibrated.FLAGS, "--submissions=nadamw", "--executor=ray"]
    with _started([*command, f"--output_dir={output}"], log) as process:
        _wait_until(lambda: _jobs(process), process, log)
        _stop(process, signal.SIGTERM)
    assert SENTENCE in log.read_text() and "Traceback" not in log.read_text()
    assert not (output / ".attempts").exists()
