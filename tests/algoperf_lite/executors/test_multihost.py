"""Several processes for one trial; each host is a command on this machine."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job, Outcome
from algoperf_lite.executors.multihost import rendezvous
from algoperf_lite.experiment import options
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.experiment.placement import Placement
from algoperf_lite.machine.devices import Slot
from algoperf_lite.training import clock, collectives
from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial import logs
from algoperf_lite.trial.config import ExperimentConfig
from scoring import benchmark

CLI = [sys.executable, "-m", "algoperf_lite"]
# At the reference's learning rate rounding grows to 1e-2 within 100 steps, on one device too.
CALM = """
import os, pathlib, threading, time, jax, optax

DIED, ROWS = pathlib.Path({died!r}), pathlib.Path({rows!r})

def optimizer(workload, hyperparameters):
    return optax.sgd(0.0003, momentum=0.9)

def die():
    while not ROWS.exists() or len(ROWS.read_text().splitlines()) < 7:
        time.sleep(0.01)
    DIED.touch()
    os.kill(os.getpid(), 9)

if jax.process_index() == 1 and not DIED.exists():
    threading.Thread(target=die, daemon=True).start()
"""
TOGETHER = """
import json, sys, jax
from algoperf_lite.training import collectives
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]), cluster_detection_method="deactivate")
first = collectives.is_first()
values = (0.1, True, "x" * 100, None)
found = [collectives.broadcast_from_first(value if first else None) for value in values]
collectives.barrier()()
collectives.check_same({"submission": 1, "data set": 2})
try:
    collectives.check_same({"submission": 1, "data set": sys.argv[2]})
except ValueError as error:
    found.append(str(error))
print(json.dumps(found))
"""


def _join(**given):
    """What the flags for several hosts come to."""
    options.check(given)
    return Placement(**given).join


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"process_id": 0}, "--coordinator_address is missing"),
        ({"coordinator_address": "a:1", "process_id": 0}, "--num_processes is missing"),
        ({"coordinator_address": "a:1", "num_processes": 2}, "--process_id is missing"),
        (("a", 2, 0), "=a is no address with a port"),
        (("a:b", 2, 0), "=a:b is no address with a port"),
        (("a:70000", 2, 0), "=a:70000 is no address with a port"),
        (("a:1", 2, 2), "--process_id=2 does not count from 0 to --num_processes - 1, which is 1"),
        (("a:1", 2, -1), "--process_id=-1 does not count"),
        (("a:1", 0, 0), "--num_processes=0; expected"),
        ({"distributed": True, "process_id": 1}, "--process_id is what --distributed lets JAX"),
    ],
)
def test_flags_without_a_meaning_are_refused(given, sentence):
    if isinstance(given, tuple):
        given = dict(
            zip(("coordinator_address", "num_processes", "process_id"), given, strict=True)
        )
    with pytest.raises(ValueError, match=sentence):
        _join(**given)


def test_one_host_alone_is_no_group():
    three = {"coordinator_address": "node001:7000", "num_processes": 2, "process_id": 1}
    assert _join() is None
    assert _join(**{**three, "num_processes": 1, "process_id": 0}) is None
    assert _join(**three) == three
    assert _join(distributed=True) == {}
    with rendezvous.lead(None, "alone") as executor:
        assert executor == "alone"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--process_id=2", "--process_id=2 does not count"),
        ("--population=8", "--population spreads members over the devices of one host"),
        ("--vectorize=trials", "--vectorize=trials trains on one host"),
        ("--num_workers=2", "--num_workers=2, but several hosts train one trial at a time"),
        ("--submissions={form}", "is in AlgoPerf's form"),
    ],
)
def test_what_hosts_cannot_do_together_is_one_sentence_before_anything_starts(
    tmp_path, flag, sentence
):
    form = tmp_path / "theirs.py"
    form.write_text("def update_params(*args):\n    pass\n")
    output = tmp_path / "out"
    answer = subprocess.run(
        _command(output, ["nadamw"], "localhost:7000", 0, flag.format(form=form)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 2, answer.stderr
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not output.exists()


def test_the_clock_waits_for_all_where_it_starts_and_stops_and_not_at_the_end():
    waits = []
    ledger = clock.Ledger(lambda: 0.0, barrier=lambda: waits.append(1))
    for account, expected in [("log", 0), ("init", 1), ("compile", 2), ("log", 2), ("init", 3)]:
        ledger.switch(account)
        assert len(waits) == expected
    ledger.close()  # where this process has failed, no other comes
    assert len(waits) == 3


def test_a_process_alone_is_asked_for_nothing():
    assert collectives.broadcast_from_first({"a": 1}) == {"a": 1}
    assert collectives.barrier() is None
    collectives.check_same({"submission": object()})


@pytest.mark.slow
def test_processes_agree_with_the_first_and_see_what_differs():
    code = [sys.executable, "-c", TOGETHER, _address()]
    both = [subprocess.Popen([*code, str(i)], stdout=subprocess.PIPE, text=True) for i in (0, 1)]
    found = [json.loads(process.communicate(timeout=300)[0].splitlines()[-1]) for process in both]
    assert found[0] == found[1]
    assert found[0][:4] == [0.1, True, "x" * 100, None]
    assert found[0][4].startswith("process 1 has another data set than process 0")


def test_a_share_of_a_job_is_the_job_elsewhere():
    group = rendezvous.Group({"coordinator_address": "a:1"}, slot=Slot())
    job = Job("trial", "algoperf_lite.trial.run", {"spec": 1}, Path("output.txt"), time_limit=3.0)
    share = rendezvous.Leader(group)._share(job)
    assert share.module == "algoperf_lite.executors.multihost.member"
    assert share.payload["content"]["module"] == "algoperf_lite.trial.run"
    assert (share.name, share.log, share.time_limit) == (job.name, job.log, 3.0)


def test_a_job_that_has_ended_is_the_one_that_was_given(monkeypatch):
    jobs = [Job(name, "algoperf_lite.training.calibration", {"workload": name}) for name in "ab"]
    heard, ended = [], Outcome({"steps": 1}, wall=1.0)

    def run(self, shares, on_event):
        for share in shares:
            on_event(share, {"event": "joined"})
            yield share, ended

    monkeypatch.setattr(local.Local, "run", run)
    leader = rendezvous.Leader(rendezvous.Group({"coordinator_address": "a:1"}, slot=Slot()))
    found = list(leader.run(jobs, lambda job, event: heard.append((job, event["event"]))))
    assert found == [(job, ended) for job in jobs]
    assert heard == [(job, "joined") for job in jobs]


def test_programs_of_several_hosts_with_accelerators_are_kept_on_none():
    job = Job("trial", "algoperf_lite.trial.run", {}, cache=Path("compiled"))
    for backend, kept in (("cpu", Path("compiled")), ("gpu", None)):
        group = rendezvous.Group({"coordinator_address": "a:1"}, slot=Slot(backend=backend))
        assert group.job_for_member(job, None).cache == kept


def _address():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def _command(output, submissions, address=None, process_id=0, *flags):
    together = ()
    if address is not None:
        together = (
            *(f"--coordinator_address={address}", "--num_processes=2"),
            f"--process_id={process_id}",
        )
    return [
        *CLI,
        "run",
        f"--submissions={','.join(map(str, submissions))}",
        "--workloads=digits",
        "--tuning_ruleset=self",
        "--num_studies=1",
        "--budget_by=steps",
        "--max_global_steps=100",
        f"--output_dir={output}",
        *together,
        *flags,
    ]


def _prepare(output):
    """Makes the directory of the experiment, with a calibration that would take a minute."""
    rules = benchmark.load("lite").ruleset("self")
    ruleset = tuning.Ruleset("self", 1, rules.num_trials, rules.slack)
    settings = ExperimentConfig("lite", "lite", ruleset, budget_by="steps", max_global_steps=100)
    calibration = Calibration(0.01, 300, "single", 4, {"single": 0.01}, "given")
    with Directory(output, settings) as directory:
        directory.keep("digits", calibration)


def _trial(output):
    return output / "calm" / "study_0" / "digits_jax" / "trial_1"


def _rows(output):
    with (_trial(output) / "eval_measurements.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if "/" in k and v} for row in rows]


@pytest.mark.slow
def test_two_hosts_train_what_one_does_though_a_process_dies(tmp_path):
    calm, alone, together = tmp_path / "calm.py", tmp_path / "alone", tmp_path / "together"
    died, rows = tmp_path / "died", _trial(together) / "eval_measurements.csv"
    calm.write_text(CALM.format(died=str(died), rows=str(rows)))
    _prepare(alone)
    _prepare(together)
    one = subprocess.run(_command(alone, [calm]), capture_output=True, text=True, timeout=300)
    assert one.returncode == 0, one.stderr

    address, simulated = _address(), {"JAX_NUM_CPU_DEVICES": "2", "NPROC": "16"}
    outputs = [together, tmp_path / "unused"]
    processes = [
        subprocess.Popen(
            _command(output, [calm], address, i, "--checkpoint_share=1"),
            env={**os.environ, **simulated},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i, output in enumerate(outputs)
    ]
    said = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert not outputs[1].exists()
    assert died.exists()
    assert "has lost a job: the process was killed by SIGKILL" in said[1]
    assert said[1].count("takes part in calm on digits") == 2
    # Process 0 had the checkpoint, and all went on from it.
    assert (
        "going on from the checkpoint after step" in (_trial(together) / "output.txt").read_text()
    )

    record, expected = (logs.read_record(_trial(output)) for output in (together, alone))
    assert record["status"] == expected["status"] == "not_reached"
    assert record["stepping"] == {**expected["stepping"], "num_devices": 4}
    facts = record["fingerprint"]
    assert (facts["num_devices"], facts["num_processes"]) == (4, 2)
    assert "num_processes" not in expected["fingerprint"]
    assert len(_rows(together)) == len(_rows(alone)) == 8
    for row, wanted in zip(_rows(together), _rows(alone), strict=True):
        assert row == pytest.approx(wanted, rel=1e-4)
