"""Accelerators found without JAX, and the slots that are made of them."""

import pytest

from algoperf_lite.executors import local
from algoperf_lite.machine import devices
from algoperf_lite.machine.devices import Slot

FRACTION = {"XLA_CLIENT_MEM_FRACTION": "0.92"}
CHIPS = {"TPU_PROCESS_BOUNDS": "1,1,1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine with such device files and packages, and one core."""
    names = ("CUDA_VISIBLE_DEVICES", "TPU_VISIBLE_CHIPS", "JAX_PLATFORMS", devices.SIMULATED)
    for name in (*names, *devices._NAMES_OF_FRACTION):
        monkeypatch.delenv(name, raising=False)

    def make(files=(), packages=(), cores=(0,), **variables):
        found = {pattern: [pattern] * count for pattern, count in files}
        monkeypatch.setattr(devices.glob, "glob", lambda pattern: found.get(pattern, []))
        monkeypatch.setattr(devices, "_is_installed", lambda *names: bool({*names} & {*packages}))
        monkeypatch.setattr(devices, "available_cores", lambda: cores)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return make


GPUS = ("/dev/nvidia[0-9]*", 4)
TPUS = ("/dev/vfio/[0-9]*", 8)


def test_each_gpu_is_a_slot_that_sees_no_other(machine):
    machine([GPUS], ["jax_cuda13_plugin"])
    assert devices.accelerators().slots(1) == [
        Slot((), {"CUDA_VISIBLE_DEVICES": str(i), **FRACTION}, "gpu") for i in range(4)
    ]
    two = devices.accelerators().slots(2)
    assert [slot.variables["CUDA_VISIBLE_DEVICES"] for slot in two] == ["0,1", "2,3"]
    # Three of four leave one unused; all of them need not be told which.
    assert len(devices.accelerators().slots(3)) == 1
    assert devices.accelerators().slots(None) == [Slot((), FRACTION, "gpu")]


def test_gpus_of_the_user_are_those_that_may_be_used(machine):
    machine([GPUS], ["jax_cuda12_plugin"], CUDA_VISIBLE_DEVICES="3, GPU-5e0f,-1,2")
    shown = [slot.variables["CUDA_VISIBLE_DEVICES"] for slot in devices.accelerators().slots(1)]
    assert shown == ["3", "GPU-5e0f"]
    for none in ("", "-1", "NoDevFiles"):
        machine([GPUS], ["jax_cuda12_plugin"], CUDA_VISIBLE_DEVICES=none)
        assert devices.accelerators() is None


def test_memory_that_the_user_has_set_is_left_alone(machine):
    for name in devices._NAMES_OF_FRACTION:
        machine([GPUS], ["jax_cuda13_plugin"], **{name: "0.5"})
        assert devices.accelerators().slots(None)[0].variables == {}


def test_chips_of_a_tpu_are_told_how_they_lie(machine):
    machine([TPUS], ["libtpu"])
    found = devices.accelerators()
    assert found.slots(4)[1].variables == {
        "TPU_VISIBLE_CHIPS": "4,5,6,7",
        "TPU_CHIPS_PER_PROCESS_BOUNDS": "2,2,1",
        **CHIPS,
    }
    assert [slot.variables["TPU_VISIBLE_CHIPS"] for slot in found.slots(1)] == list("01234567")
    assert found.slots(8) == [Slot((), {}, "tpu")]
    with pytest.raises(ValueError, match="do not lie in a rectangle; choose one of 1, 2, 4, 8"):
        found.slots(3)


def test_slots_share_the_cores_unless_one_would_be_left_for_each(machine):
    machine([GPUS], ["jax_cuda13_plugin"], cores=tuple(range(9)))
    assert [slot.cores for slot in devices.accelerators().slots(1)] == [
        (0, 1),
        (2, 3),
        (4, 5),
        (6, 7),
    ]
    assert devices.accelerators().slots(4)[0].cores == ()
    machine([GPUS], ["jax_cuda13_plugin"], cores=tuple(range(7)))
    assert {slot.cores for slot in devices.accelerators().slots(1)} == {()}


def test_more_than_there_is_is_refused_in_one_sentence(machine):
    machine([GPUS], ["jax_cuda13_plugin"])
    with pytest.raises(ValueError, match="--num_workers=5 with 1 accelerators each, but there are"):
        local.slots(1, 5)
    with pytest.raises(ValueError, match="--devices_per_trial=5 is more than the 4 that there are"):
        local.slots(1, None, 5)
    machine()
    with pytest.raises(ValueError, match="--devices_per_trial=2, but JAX would use no accelerator"):
        local.slots(1, None, 2)


def test_a_gpu_without_its_plugin_is_said(machine):
    machine([GPUS])
    assert devices.accelerators() is None
    assert "pip install 'algoperf-lite[gpu]'" in devices.unused()
    machine([GPUS], ["jax_cuda13_plugin"])
    assert devices.unused() is None
    machine([GPUS], JAX_PLATFORMS="cpu")
    assert devices.unused() is None
    assert devices.accelerators() is None
    machine()
    assert devices.unused() is None


def test_another_backend_than_expected_is_refused(monkeypatch):
    for fine in ("", "cpu"):
        monkeypatch.setenv(devices.BACKEND, fine)
        devices.check_backend()
    monkeypatch.setenv(devices.BACKEND, "gpu")
    with pytest.raises(devices.WrongBackend, match="on 'gpu' and JAX has found 'cpu' alone"):
        devices.check_backend()


@pytest.mark.accelerator
def test_what_is_found_here_is_what_jax_finds(monkeypatch):
    import jax

    found = devices.accelerators()
    assert found.kind == jax.default_backend()
    assert len(found.names) == jax.local_device_count()
