"""Templates: forks that know nothing of each other and end as fresh processes do."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from algoperf_lite.executors import template
from algoperf_lite.executors.job import Job
from algoperf_lite.executors.local import Local
from algoperf_lite.executors.template import Templates
from algoperf_lite.machine.devices import Slot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates are for Linux")

CORE = min(os.sched_getaffinity(0))
ON_A_CORE = Slot((CORE,), backend="cpu")
JOBS = """
import os, random, subprocess, sys, threading, time
import numpy as np
loaded = []
{top}
def preload():
    loaded.append(os.getpid())
{preload}

def work(payload, report):
    report(event="beat", pid=os.getpid())
    print("hello", payload["kind"], flush=True)
    return globals()[payload["kind"]](payload)

def pids(payload):
    return {{"parent": os.getppid(), "template": loaded[:1], "group": os.getpgid(0),
            "session": os.getsid(0), "pid": os.getpid(), "threads": threading.active_count(),
            "cores": sorted(os.sched_getaffinity(0)), "argv": sys.argv[1],
            "tunables": os.environ["GLIBC_TUNABLES"], "stdin": sys.stdin.read(),
            "files": sorted(os.readlink(f"/proc/self/fd/{{n}}") for n in os.listdir("/proc/self/fd")
                            if os.path.exists(f"/proc/self/fd/{{n}}"))}}

def spoil(payload):
    import jax, optax
    optax.adam = None
    jax.numpy.sum = None
    jax.config.update("jax_default_matmul_precision", "bfloat16")
    os.environ["SPOILT"] = os.environ["XLA_FLAGS"] = "1"
    os.environ.pop("GLIBC_TUNABLES")
    os.chdir("/")
    os.umask(0o777)
    sys.modules["json"] = sys.modules["flax"] = None
    sys.path.insert(0, "/spoilt")
    sys.setrecursionlimit(77777)
    time.time = lambda: 0.0
    loaded.append("spoilt")
    np.random.seed(0)
    random.seed(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    return {{}}

def look(payload):
    import jax, optax
    return {{
        "names": [optax.adam is None, jax.numpy.sum is None, time.time() == 0.0],
        "config": [repr(jax.config.jax_default_matmul_precision), sys.getrecursionlimit()],
        "environment": dict(os.environ), "cwd": os.getcwd(), "path": sys.path,
        "modules": [name for name in ("json", "flax") if sys.modules.get(name, 1) is None],
        "loaded": loaded[1:], "cores": sorted(os.sched_getaffinity(0)),
        "umask": os.umask(0),
    }}

def fingerprint(payload):
    from algoperf_lite.machine import fingerprint
    return fingerprint.fingerprint()

def draw(payload):
    return {{"numbers": [random.random(), float(np.random.random())]}}

def error(payload):
    raise RuntimeError("from inside")

def code(payload):
    sys.exit(7)

def hard(payload):
    os._exit(3)

def segfault(payload):
    import ctypes
    ctypes.string_at(0)

def hungry(payload):
    return {{"n": len(bytearray(8 * 2**30))}}

def hang(payload):
    subprocess.Popen(["sleep", "60"])
    time.sleep(60)

def kills_template(payload):
    os.kill(os.getppid(), 9)
    time.sleep(60)

def daemon(payload):
    threading.Thread(target=time.sleep, args=(0.2,)).start()
    return {{}}
"""

LOADS = """
import os
loaded = []
def preload(name):
    loaded.append(name)
def work(payload, report):
    return {"parent": os.getppid(), "loaded": loaded}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs jobs of these kinds one after another; the outcomes, in order."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")

    def run(*kinds, uses_templates=True, top="", preload="    pass", **limits):
        (tmp_path / "forked_jobs.py").write_text(JOBS.format(top=top, preload=preload))
        jobs = [
            Job(f"{i}", "forked_jobs", {"kind": kind}, tmp_path / f"{i}_{kind}.txt", **limits)
            for i, kind in enumerate(kinds)
        ]
        found = list(Local([ON_A_CORE], Templates() if uses_templates else None).run(jobs))
        return [outcome for _, outcome in found]

    return run


def test_jobs_are_forked_from_one_template_into_groups_of_their_own(run, tmp_path):
    first, second = (outcome.result for outcome in run("pids", "pids"))
    assert first["template"] == [first["parent"]] == [second["parent"]] == second["template"]
    assert first["pid"] != second["pid"]
    for each in (first, second):
        assert each["group"] == each["session"] == each["pid"]
        assert (each["threads"], each["cores"], each["argv"]) == (1, [CORE], "forked_jobs")
        assert "hugetlb" in each["tunables"] and each["stdin"] == ""
    assert (tmp_path / "1_pids.txt").read_text() == "hello pids\n"
    assert not psutil.pid_exists(first["parent"])


def test_a_fork_has_the_files_that_a_fresh_process_has(run):
    def kinds(outcome):
        names = (name.partition(":")[0] for name in outcome.result["files"])
        return sorted("log" if name.endswith("_pids.txt") else name for name in names)

    (fresh,) = run("pids", uses_templates=False)
    # Neither the socket to the command nor anything of another job.
    _, forked = run("pids", "pids")
    assert kinds(forked) == kinds(fresh)
    assert kinds(fresh).count("log") == 2


def test_one_template_loads_for_each_job_what_those_before_have_not(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    for name in ("first", "second"):
        (tmp_path / f"{name}_jobs.py").write_text(LOADS)
    here = Local([ON_A_CORE], Templates())
    work = [("first", "a"), ("first", "b"), ("second", "a"), ("first", "a")]
    found = [
        outcome.result
        for module, name in work
        # Each in a run of its own, as the phases of a command are.
        for _, outcome in here.run([Job("j", f"{module}_jobs", {}, preload=(name,))])
    ]
    assert len({each["parent"] for each in found}) == 1
    assert [each["loaded"] for each in found] == [["a"], ["a", "b"], ["a"], ["a", "b"]]
    del here
    assert not psutil.pid_exists(found[0]["parent"])


@pytest.mark.slow
def test_nothing_that_a_job_changes_is_seen_by_the_next_or_differs_from_a_fresh_process(run):
    preload = "    import jax, optax, flax"
    before, _, after = run("look", "spoil", "look", preload=preload)
    (fresh,) = run("look", uses_templates=False)
    assert before.result == after.result == fresh.result
    assert after.result["names"] == [False, False, False] and after.result["loaded"] == []


@pytest.mark.slow
def test_the_fingerprint_is_that_of_a_fresh_process(run):
    (forked,) = run("fingerprint", preload="    import jax")
    (fresh,) = run("fingerprint", uses_templates=False)
    assert forked.result == fresh.result


def test_what_is_random_in_a_fresh_process_is_so_in_each_fork(run):
    first, second = (outcome.result["numbers"] for outcome in run("draw", "draw"))
    assert first[0] != second[0] and first[1] != second[1]


def test_deaths_are_told_as_of_fresh_processes(run, tmp_path):
    kinds = ("error", "code", "hard", "segfault", "daemon", "pids")
    forked, fresh = run(*kinds), run(*kinds, uses_templates=False)
    told = [(outcome.status, outcome.error) for outcome in forked]
    assert told == [(outcome.status, outcome.error) for outcome in fresh]
    assert "exited with code 7" in forked[1].error and "SIGSEGV" in forked[3].error
    assert forked[4].result == {} and forked[5].result["threads"] == 1
    assert "RuntimeError: from inside" in (tmp_path / "0_error.txt").read_text()


def test_a_limit_on_memory_is_of_the_fork_alone(run):
    outcomes = run("hungry", "pids", memory_limit=2 * 2**30)
    assert outcomes[0].status == "out_of_memory" and "MemoryError" in outcomes[0].error
    assert outcomes[1].status == ""


def test_a_silent_fork_is_killed_with_what_it_has_started_and_the_next_one_runs(run):
    def sleepers():
        return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "60"]]

    before = {process.pid for process in sleepers()}
    outcomes = run("hang", "pids", silence_limit=3.0)
    assert [outcome.status for outcome in outcomes] == ["timed_out", ""]
    assert not [process for process in sleepers() if process.pid not in before]


def test_a_job_that_kills_its_template_ends_itself_and_the_next_one_has_another(run):
    outcomes = run("kills_template", "pids")
    assert [outcome.status for outcome in outcomes] == ["crashed", ""]


def test_a_module_that_cannot_be_loaded_is_told_in_the_log_of_each_job(run, tmp_path):
    outcomes = run("pids", "pids", top="raise ImportError('no such thing')")
    assert [outcome.status for outcome in outcomes] == ["crashed", "crashed"]
    assert "exited with code 1" in outcomes[1].error
    assert "no such thing" in (tmp_path / "1_pids.txt").read_text()


def test_a_template_with_a_thread_forks_processes_that_start_anew(run, tmp_path):
    preload = "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    (outcome,) = run("draw", preload=preload)
    assert len(outcome.result["numbers"]) == 2
    assert "its template has 2 threads" in (tmp_path / "0_draw.txt").read_text()


@pytest.mark.parametrize("module", ["trial.run", "trial.vectorized", "training.calibration"])
def test_the_templates_of_the_harness_have_one_thread_and_no_device(module):
    script = (
        "import importlib, workloads\n"
        "from algoperf_lite.executors import template\n"
        f"importlib.import_module('algoperf_lite.{module}').preload(*workloads.names())\n"
        "assert template.not_pristine() is None, template.not_pristine()\n"
        "import jax; jax.devices()\n"
        "assert template.not_pristine() == 'devices in use'\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


@pytest.mark.parametrize(
    ("slot", "how"),
    [
        (Slot((0, 1), backend="cpu"), {}),
        (Slot((), backend="cpu"), {}),
        (Slot((0,), {"CUDA_VISIBLE_DEVICES": "0"}, "gpu"), {}),
        (Slot((0,), {"JAX_NUM_CPU_DEVICES": "2"}, "cpu"), {}),
        (Slot((0,)), {}),
        (ON_A_CORE, {"python": sys.executable}),
    ],
)
def test_who_has_an_environment_of_its_own_starts_anew(slot, how):
    assert template.can_fork(Job("j", "m", {}), ON_A_CORE)
    assert not template.can_fork(Job("j", "m", {}, **how), slot)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_templates_and_forks_die_with_the_command(run, tmp_path, number):
    run("draw")  # which writes the module
    script = tmp_path / "parent.py"
    script.write_text(
        "from algoperf_lite.executors.job import Job\n"
        "from algoperf_lite.executors.local import Local\n"
        "from algoperf_lite.executors.template import Templates\n"
        "from algoperf_lite.machine.devices import Slot\n"
        "job = Job('c', 'forked_jobs', {'kind': 'hang'})\n"
        "def tell(job, event):\n"
        "    if event['event'] == 'beat':\n"
        "        print(event['pid'], flush=True)\n"
        f"list(Local([Slot(({CORE},), backend='cpu')], Templates()).run([job], tell))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    job = psutil.Process(int(parent.stdout.readline()))
    started = [job, job.parent()]
    assert job.parent().ppid() == parent.pid
    os.kill(parent.pid, number)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while any(map(_is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, started))


def _is_running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
