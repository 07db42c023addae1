"""What a trial asks Ray for, and how many fit; no Ray needed."""

import re
from pathlib import Path

import pytest

from algoperf_lite.executors.ray import cluster
from algoperf_lite.experiment import options
from algoperf_lite.experiment.jobs import Limits
from algoperf_lite.experiment.placement import Placement
from algoperf_lite.machine.memory import TRIAL_MEMORY
from algoperf_lite.trial.config import ExperimentConfig

CPUS = {"CPU": 8.0, "memory": 100.0 * TRIAL_MEMORY}
GPUS = {**CPUS, "GPU": 4.0}
DEFAULTS = (ExperimentConfig(), Limits())


def test_an_accelerator_is_asked_for_where_there_is_one(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS")
    memory = {"memory": float(TRIAL_MEMORY)}
    found = {
        kind: cluster.request(2, 1, [CPUS, {**CPUS, **more}])
        for kind, more in {"cpu": {}, "gpu": {"GPU": 4.0}, "tpu": {"TPU": 4.0}}.items()
    }
    assert found["cpu"].options() == {"num_cpus": 2.0, **memory}
    assert found["gpu"].options() == {"num_cpus": 2.0, "num_gpus": 1.0, **memory}
    assert found["tpu"].options() == {"num_cpus": 2.0, **memory, "resources": {"TPU": 1.0}}
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert cluster.request(2, 1, [GPUS]).accelerator is None


def test_slots_are_what_fits_on_each_node_by_its_scarcest():
    little_memory = {"CPU": 8.0, "memory": 2.5 * TRIAL_MEMORY}
    assert cluster.Request(3).slots([CPUS, CPUS]) == 4  # not 16 // 3
    assert cluster.Request(1).slots([CPUS, little_memory]) == 10
    assert cluster.Request(1, "GPU", 2).slots([CPUS, GPUS]) == 2
    assert cluster.Request(9).slots([CPUS]) == 0


def test_flags_for_ray_alone_are_refused_without_it():
    with pytest.raises(ValueError, match="--ray_address is for Ray; add --executor=ray"):
        options.check({"ray_address": "10.0.0.1:6379"})
    assert Placement(num_workers=1).make_executor(*DEFAULTS, Path("."), []).num_slots == 1


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'algoperf-lite\[ray\]'"):
        Placement(executor="ray").make_executor(*DEFAULTS, Path("."), [])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ray://10.0.0.1:10001", "run the command on a machine of the cluster"),
        ("nowhere", "no Ray cluster answers at 'nowhere' (expected host:port"),
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1' ([Errno 111] Connection refused)"),
    ],
)
def test_an_address_at_which_nobody_answers_is_refused_at_once(address, sentence):
    pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        cluster.connect(address)
