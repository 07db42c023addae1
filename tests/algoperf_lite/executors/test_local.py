"""Processes: results, deaths, silence, limits, orphans."""

import os
import signal
import subprocess
import sys
import time

import pytest

from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job, nothing
from algoperf_lite.machine import devices, memory
from algoperf_lite.machine.devices import Slot

ANYWHERE = (Slot(),)
NAMES = ("CUDA_VISIBLE_DEVICES", "XLA_CLIENT_MEM_FRACTION", devices.BACKEND)
JOBS = """
import multiprocessing, os, pathlib, sys, time
def wait(is_there):
    is_there.set()
    time.sleep(60)
def work(payload, report):
    report(event="beat")
    kind = payload["kind"]
    print("hello from", kind, flush=True)
    if kind == "answer":
        report(event="note", cores=sorted(os.sched_getaffinity(0)))
        return {"answer": 42, "tunables": os.environ["GLIBC_TUNABLES"]}
    if kind == "close":
        times = [payload["started"], time.monotonic()]
        report(event="closing")
        times.append(time.monotonic())
        report(event="closed")
        times.append(time.monotonic())
        return {"times": times}
    if kind == "forge":
        os.write(int(sys.argv[-1]), payload["line"].encode())
        return {"answer": 42}
    if kind == "terminated":
        context = multiprocessing.get_context("fork")
        is_there = context.Event()
        fork = context.Process(target=wait, args=(is_there,))
        fork.start()
        is_there.wait()
        fork.terminate()
        fork.join()
        os.kill(os.getpid(), 15)
        return {"fork": fork.exitcode}
    if kind == "raise":
        raise RuntimeError("from inside")
    if kind == "exit":
        os._exit(3)
    if kind == "kill":
        os.kill(os.getpid(), 9)
    if kind == "hang":
        time.sleep(60)
    if kind.startswith("device"):
        here = pathlib.Path(payload["line"])
        (here / kind).touch()
        while len(list(here.glob("device*"))) < 8:  # all at once, or never
            time.sleep(0.05)
        return {name: os.environ.get(name) for name in payload["variables"]}
    if kind == "all":
        import jax
        return {"devices": jax.device_count(), "variable": os.environ.get("MINE")}
    if kind == "progress":
        for _ in range(4):
            report(event="progress"); time.sleep(1.0)
        return {}
    if kind == "chatter":
        while True:
            report(event="beat"); time.sleep(0.05)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "jobs_for_test.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(*kinds, slots=ANYWHERE, on_event=nothing, line="", **limits):
        jobs = [
            Job(
                *(kind, "jobs_for_test", {"kind": kind, "line": line, "variables": NAMES}),
                tmp_path / f"{kind}.txt",
                **limits,
            )
            for kind in kinds
        ]
        return {job.name: out for job, out in local.Local(slots).run(jobs, on_event)}

    return run


def test_a_result_comes_back_from_a_pinned_process_with_its_events(run, tmp_path):
    events = []
    core = os.sched_getaffinity(0).pop()
    outcomes = run(
        "answer", slots=[Slot((core,))], on_event=lambda job, event: events.append(event)
    )
    assert outcomes["answer"].result["answer"] == 42
    assert "hugetlb" in outcomes["answer"].result["tunables"]
    assert [event["event"] for event in events] == ["start", "beat", "note"]
    assert events[-1]["cores"] == [core]
    assert (tmp_path / "answer.txt").read_text() == "hello from answer\n"


def test_every_kind_of_death_has_a_status_and_the_rest_goes_on(run, tmp_path):
    outcomes = run("raise", "exit", "kill", "answer")
    assert {kind: out.status for kind, out in outcomes.items()} == {
        "raise": "crashed",
        "exit": "crashed",
        "kill": "crashed",
        "answer": "",
    }
    assert "from inside" in (tmp_path / "raise.txt").read_text()
    assert "exited with code 3" in outcomes["exit"].error
    assert "SIGKILL" in outcomes["kill"].error


def test_a_job_that_native_code_ends_is_told_with_its_reason(run, monkeypatch):
    monkeypatch.setenv("ALGOPERF_LITE_XLA_FLAGS", "--xla_no_such_flag=1")
    error = run("all")["all"].error
    assert error.endswith("had a result (Unknown flag in XLA_FLAGS: --xla_no_such_flag=1)")


def test_a_job_is_timed_by_its_own_stamps_however_late_its_parent_hears_of_them(run):
    def sleep(job, event):
        if event["event"] == "beat":
            time.sleep(1.5)  # what comes next waits in the pipe

    outcome = run("close", on_event=sleep)["close"]
    began, *times = outcome.result["times"]
    before, between, after = (seconds - began for seconds in times)
    assert before <= outcome.closing <= between <= outcome.wall <= after
    assert outcome.finding == ""


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"event": "closed", "at": 1e12}\n', "'closed' of its process is stamped"),
        ('{"event": "closed", "at": 0.5}\n', "'closed' of its process is stamped"),
        ('{"event": "beat"}\n', "'beat' of its process has the time None"),
        ("[" * 3000 + "\n", "'foreign' of its process has the time None"),
        ('{"event": "result", "result": 3, "at": 1.0}\n', "'foreign' of its process"),
        ("nonsense\n", "'foreign' of its process"),
    ],
)
def test_what_another_writes_to_the_pipe_is_found(run, line, sentence):
    outcome = run("forge", line=line)["forge"]
    assert outcome.result == {"answer": 42}
    assert sentence in outcome.finding


def test_a_signal_for_all_processes_of_a_job_is_left_to_the_parent(run):
    """Slurm sends SIGTERM so; a fork of the job, such as a worker of its own, does die of it."""
    assert run("terminated")["terminated"].result == {"fork": -signal.SIGTERM}


def test_silence_and_endlessness_are_timed_out(run):
    assert run("hang", silence_limit=2.0)["hang"].status == "timed_out"
    outcome = run("chatter", time_limit=2.0)["chatter"]
    assert outcome.status == "timed_out"
    assert "still running after 2 s" in outcome.error


def test_a_time_limit_begins_anew_at_each_evaluation(run):
    assert run("progress", time_limit=3.0)["progress"].result == {}


def test_eight_jobs_have_a_device_each_at_the_same_time(run, tmp_path, monkeypatch):
    monkeypatch.setenv(devices.SIMULATED, "8")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(memory, "available_memory", lambda: 8 * memory.TRIAL_MEMORY)
    (tmp_path / "here").mkdir()
    kinds = [f"device_{i}" for i in range(8)]
    slots = local.local(1, None).worker_slots
    assert len(slots) == 8
    outcomes = run(*kinds, slots=slots, line=str(tmp_path / "here"), time_limit=300.0)
    seen = [outcomes[kind].result for kind in kinds]
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in seen) == list("01234567")
    for each in seen:
        assert (each["XLA_CLIENT_MEM_FRACTION"], each[devices.BACKEND]) == ("0.92", "cpu")


def test_one_job_has_all_eight_devices(run, monkeypatch):
    monkeypatch.setenv(devices.SIMULATED, "8")
    slots = local.local(1, None, 8).worker_slots
    outcome = run("all", slots=slots, variables={"MINE": "1"})["all"]
    assert outcome.result == {"devices": 8, "variable": "1"}


def test_closing_the_iterator_kills_what_runs(run, tmp_path):
    jobs = [Job("hang", "jobs_for_test", {"kind": "hang"}, tmp_path / "x.txt")]
    began = time.monotonic()

    def on_event(job, event):
        if event["event"] == "beat":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(local.Local([Slot()]).run(jobs, on_event))
    assert time.monotonic() - began < 30


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_job_dies_with_its_parent(run, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os\n"
        "from algoperf_lite.executors.job import Job\n"
        "from algoperf_lite.executors.local import Local\n"
        "from algoperf_lite.machine.devices import Slot\n"
        "job = Job('c', 'jobs_for_test', {'kind': 'chatter'})\n"
        "def tell(job, event):\n"
        "    if event['event'] == 'beat':\n"
        "        print('running', flush=True)\n"
        "list(Local([Slot()]).run([job], tell))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "running\n"
    children = _children(parent.pid)
    assert children
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while any(_is_running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_is_running(pid) for pid in children)


def _children(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _is_running(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_more_cores_than_there_are_is_refused(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pytest.raises(ValueError, match="--cores_per_trial=1000 does not fit"):
        local.slots(1000, None)
    with pytest.raises(ValueError, match="--num_workers=1000 with 1 cores each"):
        local.slots(1, 1000)
    assert len({slot.cores for slot in local.slots(1, None)}) == len(os.sched_getaffinity(0))
