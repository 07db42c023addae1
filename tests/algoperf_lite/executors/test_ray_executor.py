"""Jobs on a Ray cluster of three nodes, one of which dies in the middle of an experiment."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from algoperf_lite.executors.job import Job
from algoperf_lite.executors.local import Local
from algoperf_lite.executors.ray import cluster as ray_cluster
from algoperf_lite.executors.ray.executor import Cluster
from algoperf_lite.machine.devices import Slot
from algoperf_lite.submission import find

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a death signal is Linux's"),
    # Ray's cluster for tests starts processes by a fork, which JAX, where it is loaded, warns of.
    pytest.mark.filterwarnings("ignore:os.fork"),
]

CLI = [sys.executable, "-m", "algoperf_lite"]
JOBS = """
import os, pathlib, time
def work(payload, report):
    report(event="beat", pid=os.getpid(), parent=os.getppid())
    kind = payload["kind"]
    print("hello from", kind, flush=True)
    if kind == "answer":
        began = time.time()
        time.sleep(0.5)
        cores = sorted(os.sched_getaffinity(0))
        return {"answer": 42, "cores": cores, "began": began, "ended": time.time()}
    if kind == "raise":
        raise RuntimeError("from inside")
    if kind == "kill":
        os.kill(os.getpid(), 9)
    if kind == "second_time":
        if pathlib.Path(payload["flag"]).exists():
            return {"answer": 43}
        pathlib.Path(payload["flag"]).touch()
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three nodes of one CPU each, to which this process is connected."""
    import ray
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("jobs")
    (folder / "jobs_for_ray.py").write_text(JOBS)
    with pytest.MonkeyPatch.context() as patch:
        path = [str(folder), str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        found = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        for _ in range(2):
            found.add_node(num_cpus=1)
        ray_cluster.connect(found.address)
        yield found
        ray.shutdown()
        found.shutdown()


def _cluster(directory, **more):
    return Cluster(ray_cluster.Request(1), directory, **more)


def _job(folder, kind, **payload):
    return Job(kind, "jobs_for_ray", {"kind": kind, **payload}, folder / kind / "output.txt", 30.0)


def _wait_until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def _is_running(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def test_results_deaths_and_outputs_are_those_of_one_machine(cluster, tmp_path):
    kinds, found = ("answer", "raise", "kill"), {}
    for name, executor in (
        ("ray", _cluster(tmp_path / "ray")),
        ("local", Local([Slot((0,))])),
    ):
        told = []
        jobs = [_job(tmp_path / name, kind) for kind in kinds]
        ended = executor.run(jobs, lambda job, event, told=told: told.append((job.name, event)))
        outcomes = {job.name: outcome for job, outcome in ended}
        assert outcomes["answer"].result["answer"] == 42
        assert 0.5 < outcomes["answer"].wall < 30
        events = [event["event"] for job, event in told if job == "answer"]
        texts = [(tmp_path / name / kind / "output.txt").read_text() for kind in kinds]
        deaths = [(out.status, out.error) for out in outcomes.values() if out.result is None]
        found[name] = events, texts, sorted(deaths)
    assert found["ray"] == found["local"]
    assert found["ray"][0] == ["start", "beat"]


def test_nodes_of_one_machine_share_out_its_cores(cluster, tmp_path):
    jobs = [_job(tmp_path / str(i), "answer") for i in range(4)]
    results = [out.result for _, out in _cluster(tmp_path).run(jobs)]
    assert len(results) == 4 and all(len(result["cores"]) == 1 for result in results)
    for one in results:
        for other in results:
            if one is not other and one["cores"] == other["cores"]:
                assert one["ended"] <= other["began"] or other["ended"] <= one["began"]


def test_closing_ends_what_runs(cluster, tmp_path):
    pids = []

    def stop(job, event):
        if event["event"] == "beat":
            pids.append(event["pid"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(_cluster(tmp_path).run([_job(tmp_path, "hang")], stop))
    _wait_until(lambda: not _is_running(pids[0]), 60)
    assert [path.name for path in tmp_path.iterdir()] == ["hang"]  # the leases are gone


def test_a_job_whose_process_is_lost_runs_again_and_its_trial_dies_with_it(cluster, tmp_path):
    told, directory = [], tmp_path / "second_time"
    job = Job(
        *("second_time", "jobs_for_ray"),
        {"kind": "second_time", "flag": str(tmp_path / "flag")},
        directory / "output.txt",
    )

    def kill_worker(job, event):
        told.append(event)
        if event["event"] == "beat" and len(told) == 2:
            _wait_until((tmp_path / "flag").exists, 60)
            os.kill(event["parent"], signal.SIGKILL)

    [(_, outcome)] = _cluster(tmp_path).run([job], kill_worker)
    assert outcome.result == {"answer": 43}
    assert [event["event"] for event in told] == ["start", "beat", "lost", "beat"]
    assert "WorkerCrashedError" in told[2]["error"] and "\n" not in told[2]["error"]
    assert not _is_running(told[1]["pid"])
    assert (directory / "output.txt").read_text() == 2 * "hello from second_time\n"


def test_a_run_that_is_taken_over_ends_and_says_where_to_look(cluster, tmp_path):
    pids = []

    def take_over(job, event):
        if event["event"] == "beat":
            pids.append(event["pid"])
            (tmp_path / ".attempts").write_text("run of another\n")

    with pytest.raises(ValueError, match="give an --output_dir on storage that all nodes share"):
        list(_cluster(tmp_path).run([_job(tmp_path, "hang")], take_over))
    assert len(pids) == 1 and not _is_running(pids[0])


def test_submissions_must_be_on_every_node_as_they_are_here(cluster, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n")
    for sources, sentence in (
        ({tmp_path / "no.py": "0"}, "no.py' does not exist there; put it on storage"),
        ({path: "0"}, "mine.py' holds another text there than here"),
    ):
        with pytest.raises(ValueError, match=sentence):
            list(_cluster(tmp_path, sources=sources).run([_job(tmp_path, "answer")]))
    same = {path: find.source_sha256(path)}
    [(_, outcome)] = _cluster(tmp_path, sources=same).run([_job(tmp_path, "answer")])
    assert outcome.result is not None


# --- a whole experiment -------------------------------------------------------------------


def _command(output, *flags):
    return [
        *(*CLI, "run", "--submissions=nadamw,nesterov", "--workloads=digits"),
        *("--num_studies=1", "--num_tuning_trials=2", "--budget_by=steps"),
        *("--max_global_steps=600", "--no-stop_at_target", f"--output_dir={output}", *flags),
    ]


def _trial_on(node):
    """The directory of a trial in full course on a node, or None."""
    raylet = node.all_processes["raylet"][0].process.pid
    for process in psutil.Process(raylet).children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            if "algoperf_lite.trial.run" in process.cmdline():
                directory = Path(os.readlink(f"/proc/{process.pid}/fd/1")).parent
                # One that diverges ends after three; of the others a lot is left.
                if 5 <= len(_rows(directory)) < 20:
                    return directory
    return None


def _rows(directory):
    """Steps and metrics of a trial's log, as they are written there."""
    with contextlib.suppress(FileNotFoundError):
        with (directory / "eval_measurements.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [{k: v for k, v in row.items() if "/" in k or k == "global_step"} for row in rows]
    return []


def _score(output):
    scored = subprocess.run(
        [*CLI, "score", output, "--by=steps", "--only_present", "--json"],
        capture_output=True,
        text=True,
    )
    assert scored.returncode == 0, scored.stderr
    return json.loads(scored.stdout)


def test_an_experiment_outlives_a_node_and_gives_what_one_machine_gives(cluster, tmp_path):
    local = subprocess.run(_command(tmp_path / "local"), capture_output=True, text=True)
    assert local.returncode == 0, local.stderr
    flags = ("--executor=ray", f"--ray_address={cluster.address}")
    with (tmp_path / "output.txt").open("w") as output:
        run = subprocess.Popen(
            _command(tmp_path / "ray", *flags), stdout=output, stderr=subprocess.STDOUT
        )

    def victim():
        assert run.poll() is None, (tmp_path / "output.txt").read_text()
        found = ((node, _trial_on(node)) for node in cluster.worker_nodes)
        return next(((node, trial) for node, trial in found if trial is not None), None)

    node, lost = _wait_until(victim, 200)
    cluster.remove_node(node, allow_graceful=False)
    said = (tmp_path / "output.txt").read_text
    assert run.wait(timeout=400) == 0, said()
    assert said().count("again  ") == 1 and "NodeDiedError" in said()
    assert len(_rows(lost / "interrupted_0")) >= 5  # what was lost is kept beside it

    trials = sorted((tmp_path / "local").glob("*/study_0/digits_jax/trial_*"))
    assert len(trials) == 4
    assert sorted(len(_rows(trial)) for trial in trials)[1] > 30  # one at most diverges
    for trial in trials:
        other = tmp_path / "ray" / trial.relative_to(tmp_path / "local")
        last = {"meta_data_1.json": "meta_data_0.json", "flags_1.json": "flags_0.json"}
        files = {last.get(path.name, path.name) for path in other.iterdir()} - {"interrupted_0"}
        assert files == {path.name for path in trial.iterdir()}
        assert _rows(other) == _rows(trial)
        records = [json.loads((path / "trial.json").read_text()) for path in (trial, other)]
        for name in ("status", "steps", "steps_to_target", "best", "hyperparameters"):
            assert records[0][name] == records[1][name]
        assert records[0]["fingerprint"]["key"] == records[1]["fingerprint"]["key"]
    assert not list((tmp_path / "ray").glob("*/study_0/digits_jax/trial_*/interrupted_1"))
    assert _score(tmp_path / "ray")["scores"] == _score(tmp_path / "local")["scores"]
