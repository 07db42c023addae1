"""One trial's batch over several devices: who gets what, and that nothing else changes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite.training import data_parallel
from algoperf_lite.training.data_parallel import DataParallel

pytestmark = pytest.mark.slow


def _devices(num_processes, each):
    return [SimpleNamespace(process_index=p) for p in range(num_processes) for _ in range(each)]


@given(num_processes=st.integers(1, 4), each=st.integers(1, 9), batch_size=st.integers(1, 200))
def test_as_many_devices_as_divide_the_batch(num_processes, each, batch_size):
    layout = DataParallel.over(_devices(num_processes, each), batch_size)
    possible = [
        num_processes * count
        for count in range(1, each + 1)
        if batch_size % (num_processes * count) == 0
    ]
    assert layout.num_devices == max(possible, default=1)
    counts = Counter(device.process_index for device in layout.devices)
    assert len(set(counts.values())) <= 1
    assert bool(layout.devices) == (layout.num_devices > 1)


def test_on_one_device_nothing_is_touched():
    layout = DataParallel.over(jax.devices()[:1], 8)
    assert layout == data_parallel.SINGLE_DEVICE

    def program(state):
        return state

    tree = {"a": jax.numpy.ones(3)}
    assert layout.spread(program, 5) is program
    assert layout.own(tree) is tree
    assert layout.shared(tree)["a"] is tree["a"]


@pytest.fixture(scope="module")
def spread():
    """{what was trained: (alone, on 4 devices)}."""
    # More threads than XLA takes for 2 cores, all of which may wait for each other in a reduction.
    simulated = {"JAX_NUM_CPU_DEVICES": "4", "NPROC": "16"}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("spread_training.py")],
        env={**os.environ, **simulated},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {name: (alone, spread) for name, alone, spread in rows}


@pytest.mark.parametrize(
    "name",
    [
        "digits, single",
        "digits, scan",
        "digits, unrolled",
        "digits, fed",
        "digits, cut in 2",
        "digits, chosen, scan",
        "digits, chosen, fed",
        "imagenet_resnet",
    ],  # fmt: skip
)
def test_four_devices_compute_what_one_does_and_share_the_work(spread, name):
    one, four = spread[name]
    num_values = len(four["found"])
    np.testing.assert_allclose(four["found"], one["found"][:num_values], rtol=1e-4)
    assert (one["how"]["num_devices"], four["how"]["num_devices"]) == (1, 4)
    steps = 4 if name == "digits, unrolled" else 1  # in one program
    assert four["how"]["flops"] < 0.3 * steps * one["how"]["flops"]
    assert four["how"]["donated"]
    assert four["how"]["compiled"] == 0  # after it was compiled
    if num_values == len(one["found"]):  # after as many steps, a look finds the same
        np.testing.assert_allclose(four["look"], one["look"], rtol=1e-2, atol=1e-6)
