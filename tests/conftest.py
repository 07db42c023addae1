"""Settings for all tests, made before JAX is imported."""

import atexit
import ctypes
import gc
import importlib.metadata
import os
import shutil
import sys
import tempfile

import pytest
from hypothesis import settings

# A first call compiles, so the time of a single example says nothing.
settings.register_profile("algoperf_lite", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("algoperf_lite")

# Tests compile the same small programs again and again; calibrations of a busy machine must not
# stay behind for the user. Both go to a cache that ends with the tests.
# Worker processes of the tests share the one that the first process made.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="algoperf_lite_tests_")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
_CACHE = os.environ["XDG_CACHE_HOME"]
os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{_CACHE}/algoperf_lite/compiled"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Tests run on the CPU unless an accelerator is asked for: `ALGOPERF_LITE_TEST_PLATFORM=cuda`.
PLATFORM = os.environ.get("ALGOPERF_LITE_TEST_PLATFORM", "cpu")
os.environ["JAX_PLATFORMS"] = PLATFORM
# Most of the tests' time is compilation, of programs that then run a few steps: three quarters of
# it go to optimising, to the newer of XLA's two emitters of fused loops and to cutting modules into
# parts for threads, none of which is worth it here.
_IN_ONE_PART = ""
if importlib.metadata.version("jaxlib").startswith("0.10."):  # XLA ends at a flag it does not know
    _IN_ONE_PART = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
_GIVEN = os.environ.get("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] = f"{_GIVEN} --xla_backend_optimization_level=0 {_IN_ONE_PART}"
# Trials of tests take more steps, which last several times as long without any optimising.
os.environ["ALGOPERF_LITE_XLA_FLAGS"] = f"--xla_backend_optimization_level=1 {_IN_ONE_PART}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of accelerators are skipped where none was asked for."""
    if PLATFORM != "cpu":
        return
    skipped = pytest.mark.skip(reason="needs ALGOPERF_LITE_TEST_PLATFORM=cuda or tpu")
    for item in items:
        if item.get_closest_marker("accelerator"):
            item.add_marker(skipped)


@pytest.fixture(autouse=True, scope="module")
def _no_programs_of_other_modules():
    """Each module starts without the compiled programs of those before: a worker that kept them
    would grow to several GiB, and what one module compiled seldom serves another."""
    yield
    if "jax" not in sys.modules:
        return
    sys.modules["jax"].clear_caches()
    gc.collect()
    if sys.platform == "linux":  # glibc keeps what was freed, unless it is asked to give it back
        ctypes.CDLL(None).malloc_trim(0)
