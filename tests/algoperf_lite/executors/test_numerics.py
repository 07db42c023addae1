"""Precision and determinism: what they set in a trial's process, where they are refused, and what
they do on an accelerator."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_lite import tuning
from algoperf_lite.executors import local
from algoperf_lite.executors.job import Job
from algoperf_lite.experiment import options
from algoperf_lite.experiment.directory import Directory
from algoperf_lite.machine import devices, fingerprint, numerics
from algoperf_lite.machine.numerics import Numerics
from algoperf_lite.training import calibration
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.record import TrialRecord
from algoperf_lite.trial.spec import TrialSpec

DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true --xla_gpu_enable_triton_gemm=false"
ON_DIGITS = {"submissions": ["adamw"], "workloads": ["digits"]}
LOOKS = """
import os
def work(payload, report):
    return {name: os.environ.get(name) for name in payload["names"]}
"""
# Many rows added to few: on a GPU by atomic operations, in whatever order they come.
ADDS = """
import hashlib
import jax, jax.numpy as jnp, numpy as np
def work(payload, report):
    rng = np.random.default_rng(0)
    rows, values = rng.integers(0, 16, 1 << 20), rng.normal(size=1 << 20).astype(np.float32)
    add = jax.jit(lambda rows, values: jnp.zeros(16).at[rows].add(values))
    found = {hashlib.sha256(np.asarray(add(rows, values)).tobytes()).hexdigest() for _ in range(20)}
    return {"found": sorted(found)}
"""


@pytest.fixture
def accelerator(monkeypatch):
    monkeypatch.setattr(devices, "has_accelerator", lambda: True)


@pytest.fixture
def of_process(tmp_path, monkeypatch):
    """(precision of products, TF32's override, XLA's flags, precision) in the environment of a job,
    whose command was started in a shell with wishes of its own."""
    (tmp_path / "job_that_looks.py").write_text(LOOKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    monkeypatch.delenv("ALGOPERF_LITE_XLA_FLAGS")
    names = ["JAX_DEFAULT_MATMUL_PRECISION", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS"]

    def variables(wanted):
        payload = {"names": [*names, numerics.PRECISION]}
        job = Job("looks", "job_that_looks", payload, numerics=wanted)
        ((_, outcome),) = local.local(1, 1).run([job])
        assert outcome.result is not None, outcome.error
        return tuple(outcome.result.values())

    return variables


def test_on_a_cpu_the_usual_sets_nothing_and_the_shell_says_nothing(of_process):
    assert of_process(Numerics(deterministic=True)) == (None, None, "", None)
    assert of_process(Numerics("bfloat16")) == (None, None, "", "bfloat16")


@pytest.mark.parametrize(
    ("precision", "of_products", "name"),
    [
        (None, "tensorfloat32", "tf32"),
        ("float32", "float32", "float32"),
        ("bfloat16", "tensorfloat32", "bfloat16"),
    ],
)
def test_on_an_accelerator_products_are_what_was_asked_for(
    of_process, accelerator, precision, of_products, name
):
    assert of_process(Numerics(precision)) == (of_products, None, "", name)
    assert of_process(Numerics(precision, True)) == (of_products, None, DETERMINISTIC, name)


def test_jax_knows_the_names():
    for name in ("float32", "tensorfloat32"):
        with jax.default_matmul_precision(name):
            text = str(jax.make_jaxpr(jnp.dot)(np.ones(2), np.ones(2)))
        assert {"float32": "HIGHEST", "tensorfloat32": "HIGH,"}[name] in text


def test_tf32_is_refused_where_the_cpu_computes():
    with pytest.raises(ValueError, match="multiplies in float32; use --precision=float32"):
        options.Request.of({**ON_DIGITS, "precision": "tf32"})
    # A node of a cluster may have what its head has not; its trials look again.
    options.Request.of({**ON_DIGITS, "precision": "tf32", "executor": "ray"})
    payload = {"workload": "digits", "scale": "lite", "fresh": True, "data_dir": None}
    payload["numerics"] = dataclasses.asdict(Numerics("tf32"))
    found = calibration.work(payload, lambda **event: None)
    assert "is of GPUs and TPUs" in found["problem"]


def test_tf32_is_taken_where_there_is_an_accelerator(accelerator):
    assert options.Request.of({**ON_DIGITS, "precision": "tf32"}).config.precision == "tf32"
    assert options.Request.of(ON_DIGITS).config.precision == "tf32"


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="did you mean 'bfloat16'"):
        ExperimentConfig(precision="bfloat")


def test_a_cpu_is_said_to_repeat_its_bits_anyway():
    assert "changes nothing on a CPU" in Numerics(deterministic=True).remark()
    assert Numerics().remark() is None


def test_a_gpu_is_not(accelerator):
    assert Numerics(deterministic=True).remark() is None


def test_a_directory_has_one_precision(tmp_path):
    rules = tuning.Ruleset("self", 1, 1, 1.5)
    settings = ExperimentConfig(ruleset=rules)
    assert settings.precision == "float32"
    with Directory(tmp_path, settings):
        pass
    for change in ({"precision": "bfloat16"}, {"deterministic": True}):
        with pytest.raises(ValueError, match=f"{[*change][0]} is .* there and .* here"):
            Directory(tmp_path, dataclasses.replace(settings, **change))


def test_the_record_says_it(tmp_path):
    config = ExperimentConfig(precision="bfloat16", deterministic=True)
    record = TrialRecord.of(TrialSpec("nadamw", "digits", 0, 1, str(tmp_path), config)).to_json()
    assert (record["precision"], record["deterministic"]) == ("bfloat16", True)


def test_the_fingerprint_is_another_only_where_it_is_not_float32_on_a_cpu(monkeypatch):
    facts = fingerprint.fingerprint.__wrapped__  # one process has one; here are two
    usual = facts()
    monkeypatch.setenv(numerics.PRECISION, "bfloat16")
    assert "precision" not in usual
    assert facts()["precision"] == "bfloat16"
    assert facts()["key"] != usual["key"]


@pytest.mark.accelerator
def test_products_are_as_exact_as_they_are_called():
    one, other = np.random.default_rng(0).normal(size=(2, 512, 512)).astype(np.float32)
    exact = one.astype(np.float64) @ other.astype(np.float64)
    errors = {}
    for name in ("float32", "tensorfloat32"):
        with jax.default_matmul_precision(name):
            found = np.asarray(jax.jit(jnp.dot)(one, other), np.float64)
        errors[name] = np.abs(found - exact).max() / np.abs(exact).max()
    assert errors["float32"] < 1e-5
    # TF32 keeps 10 bits after the point; a TPU's three products of bfloat16 keep more.
    assert errors["tensorfloat32"] < 2e-3
    if jax.default_backend() == "gpu":
        assert errors["tensorfloat32"] > 1e-5, "TF32 is not used"


@pytest.mark.slow
@pytest.mark.accelerator
def test_deterministic_processes_agree_bit_by_bit(tmp_path, monkeypatch):
    (tmp_path / "job_that_adds.py").write_text(ADDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    jobs = [Job(f"adds {i}", "job_that_adds", {}, numerics=Numerics(None, True)) for i in range(2)]
    found = [outcome.result["found"] for _, outcome in local.local(1, 1).run(jobs)]
    assert len(found) == 2 and found[0] == found[1] and len(found[0]) == 1
