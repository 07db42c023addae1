"""The fingerprint: what an accelerator adds to it, and that a CPU's key stays as it was."""

import hashlib
import json

import pytest

from algoperf_lite.machine import devices, fingerprint, memory, out_of_memory

# All that was in a key before accelerators had a share in it.
FIRST_EDITION = {
    *("platform", "device_kind", "num_devices", "num_processes", "driver", "cpu", "num_cores"),
    *("memory_gib", "system", "python", "versions", "matmul_precision", "enable_x64"),
    "environment",
}


@pytest.fixture
def fresh():
    """`fingerprint` that looks again."""
    fingerprint.fingerprint.cache_clear()
    yield fingerprint.fingerprint
    fingerprint.fingerprint.cache_clear()


@pytest.mark.skipif("devices.has_accelerator()", reason="is about a CPU")
def test_the_key_of_a_cpu_is_of_what_it_always_was(fresh, monkeypatch):
    for name in fingerprint._RECORDED_IF_SET:
        monkeypatch.delenv(name, raising=False)
    found = dict(fresh())
    beside = {name: found.pop(name) for name in ("key", "git_commit")}
    found.pop("own_packages", None)
    assert set(found) <= FIRST_EDITION
    assert set(found["environment"]) == set(fingerprint._RECORDED)
    assert set(found["versions"]) == set(fingerprint._PACKAGES)
    text = json.dumps(found, sort_keys=True).encode()
    assert beside["key"] == hashlib.sha256(text).hexdigest()[:16]


def test_flags_of_the_users_shell_are_recorded_and_change_the_key(fresh, monkeypatch):
    before = fresh()["key"]
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    fingerprint.fingerprint.cache_clear()
    assert fresh()["environment"]["NVIDIA_TF32_OVERRIDE"] == "0"
    assert fresh()["key"] != before


def test_the_drivers_words_are_kept_as_far_as_there_are_any(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "_NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint._gpus() == {}
    (tmp_path / "version").write_text("NVRM version: 580.65.06\nGCC version: 12\n")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho \"$3: 700.00 W, 81559 MiB\"\necho '700.00 W, 81559 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert fingerprint._gpus() == {
        "kernel_module": "NVRM version: 580.65.06",
        "power_and_memory": ["--id=3: 700.00 W, 81559 MiB", "700.00 W, 81559 MiB"],
    }
    assert devices.own()["CUDA_VISIBLE_DEVICES"] == "3"


@pytest.mark.parametrize(
    "line",
    [
        "XlaRuntimeError: INTERNAL: Failed to instantiate CUDA graph: CUDA_ERROR_OUT_OF_MEMORY",
        "INTERNAL: Failed to create cuBLAS handle: CUBLAS_STATUS_ALLOC_FAILED",
        "INTERNAL: CUDNN_STATUS_ALLOC_FAILED in cudnnCreate",
    ],
)
def test_words_of_cuda_are_evidence_of_a_want_of_memory(line):
    assert out_of_memory.said_by(f"Traceback\n  {line}\nbye") == line


@pytest.mark.skipif("devices.has_accelerator()", reason="is about a CPU")
def test_a_cpu_does_not_say_what_its_device_has_in_use():
    assert memory.peak_device_memory() is None


@pytest.mark.accelerator
def test_an_accelerator_says_what_it_is_and_what_is_in_use(fresh):
    found = fresh()
    # Some versions put a line of the interface's before it, which says nothing of the driver.
    assert len(found["driver"].removeprefix("PJRT C API ")) > 0
    assert any(name.startswith(("jax-cuda", "libtpu")) for name in found["versions"])
    if found["platform"] == "gpu":
        assert found["kernel_module"].startswith("NVRM version")
        assert all("MiB" in limit for limit in found["power_and_memory"])
    assert memory.peak_device_memory() > 0
