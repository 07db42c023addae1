"""The size of chunks: the faster one, of those that fit into memory."""

import jax
import numpy as np
import pytest
from populations import POINTS, setting

from algoperf_lite.population import chunk_size
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding


def _stepper(layout):
    training, data, batches, _ = setting("digits")
    return population_stepper.stepper(training, data, batches, "single", 4, layout)


def _population(stepper):
    *_, states = setting("digits")
    return stepper.population(states(), population_stepper.stacked_points(POINTS))


@pytest.fixture(scope="module")
def candidates():
    alone = _stepper(MemberSharding(len(POINTS)))
    return chunk_size.Candidates(alone, _stepper, _population, tuple(jax.local_devices()))


def test_the_faster_one_is_chosen_and_both_measurements_are_kept(candidates, monkeypatch):
    monkeypatch.setattr(chunk_size, "_TURN_SECONDS", 0.02)
    slow_alone = chunk_size.choose(candidates, 10.0, 1000, compile_seconds=1.0)
    assert slow_alone.stepper.layout == MemberSharding(3, 3)
    assert slow_alone.seconds_per_member_step.keys() == {1, 3}
    assert 0 < slow_alone.seconds_per_member_step[3] < 10.0
    fast_alone = chunk_size.choose(candidates, 1e-9, 10**12, compile_seconds=1.0)
    assert fast_alone.stepper is candidates.alone
    assert fast_alone.seconds_per_member_step.keys() == {1, 3}
    assert fast_alone.to_json()["chunk_size"] == 1


def test_without_a_measurement_the_smallest_is_taken(candidates):
    choice = chunk_size.choose(candidates, None, 10**12, compile_seconds=0.0)
    assert choice.stepper is candidates.alone and choice.seconds_per_member_step == {}


def test_nothing_is_compiled_for_a_gain_that_does_not_pay_for_it(candidates):
    choice = chunk_size.choose(candidates, 1e-3, 1000, compile_seconds=1.0)
    assert choice.stepper is candidates.alone
    assert choice.reason == "3.0 s of steps do not pay for compiling another program"


@pytest.mark.accelerator
def test_free_memory_is_the_devices_own():
    device = jax.local_devices()[0]
    kept = jax.device_put(np.zeros(2**22, np.float32), device)
    limit = device.memory_stats()["bytes_limit"]
    assert 0 < chunk_size.free_bytes(device) <= limit - kept.nbytes


def test_memory_bounds_the_chunks(candidates, monkeypatch):
    member = candidates.alone.member(_population(candidates.alone), 0)
    state_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(member))
    assert (
        _stepper(MemberSharding(3, 2)).compile_for(member) > 4 * state_bytes
    )  # with one that pads
    needs = 100.0
    monkeypatch.setattr(
        population_stepper.PopulationStepper,
        "compile_for",
        lambda self, member: needs * self.layout.chunk_size,
    )
    for free, size in [(300.0, 3), (299.0, 2), (150.0, 1), (1.0, 1)]:
        monkeypatch.setattr(
            chunk_size, "free_bytes", lambda *_, free=free: free / chunk_size._MEMORY_SHARE
        )
        stepper = chunk_size._largest_that_fits(candidates, (), memory_share=1.0)
        assert stepper.layout.chunk_size == size
    choice = chunk_size.choose(candidates, 10.0, 1000, compile_seconds=1.0)
    assert choice.reason == "no larger chunk fits into memory"
