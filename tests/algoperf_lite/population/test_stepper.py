"""Populations: the numbers of trials alone, whatever the chunks; members that do not meddle."""

import contextlib
import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from populations import POINTS, alone, setting, together

from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.submission import native


@given(num_members=st.integers(1, 70), most=st.integers(1, 70), num_devices=st.integers(1, 5))
def test_chunks_are_equal_and_pad_as_little_as_they_can(num_members, most, num_devices):
    layout = MemberSharding.even(num_members, most, ["device"] * num_devices)
    assert layout.chunk_size <= max(most, num_devices)
    assert layout.chunk_size % num_devices == 0
    members = [member for chunk in layout.chunks for member in chunk]
    assert members[:num_members] == list(range(num_members))
    assert set(members[num_members:]) <= {num_members - 1}
    assert len(members) - num_members < len(layout.chunks) * num_devices
    if most >= num_members and num_devices == 1:
        assert layout.chunks == (tuple(range(num_members)),)


def test_chunks_that_do_not_spread_over_the_devices_are_refused():
    with pytest.raises(ValueError, match="chunks of 3 members do not spread evenly over 2"):
        MemberSharding(6, 3, ("a", "b"))


def _losses(stepper, state, num_steps, of=lambda state: state.loss_sum):
    found = []
    for step in range(num_steps):
        state = stepper.advance(state, step, 1)
        found.append(np.ravel(of(state)))
    return np.stack(found)


@functools.cache
def _losses_alone(name, num_steps):
    return np.concatenate([_losses(*member, num_steps) for member in alone(name)], axis=1)


def _member_losses(stepper):
    members = range(stepper.layout.num_members)
    return lambda population: [stepper.member(population, i).state.loss_sum for i in members]


@pytest.mark.parametrize(
    ("name", "chunk_size"),
    [
        ("digits", 2),
        pytest.param("finewebedu_lm", 2, marks=pytest.mark.slow),
        pytest.param("imagenet_resnet", 2, marks=pytest.mark.slow),
    ],
)
def test_members_that_run_together_learn_as_trials_alone(name, chunk_size):
    stepper, population = together(name, chunk_size)
    found = _losses(stepper, population, 50, _member_losses(stepper))
    np.testing.assert_allclose(found, _losses_alone(name, 50), rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["digits", pytest.param("imagenet_resnet", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("num_cores", [1, 3])
def test_chunks_of_one_compute_the_same_bits_as_trials_alone(name, num_cores, monkeypatch):
    monkeypatch.setattr(population_stepper, "available_cores", lambda: range(num_cores))
    stepper, population = together(name, 1)
    found = _losses(stepper, population, 3, _member_losses(stepper))
    np.testing.assert_array_equal(found, _losses_alone(name, 50)[:3])


@pytest.mark.parametrize("mode", ["loop", "scan", "unrolled"])
def test_every_way_of_stepping_serves_a_population(mode):
    stepper, population = together("digits", 2, mode)
    population = stepper.advance(population, 0, 6)
    sums = np.stack(_member_losses(stepper)(population))
    np.testing.assert_allclose(sums, _losses_alone("digits", 50)[:6].sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_a_member_that_diverges_keeps_it_to_itself(chunk_size):
    stepper, population = together("digits", chunk_size)
    traced = population_stepper.stacked_points(POINTS)
    traced["learning_rate"][1] = np.nan
    population = stepper.with_hyperparameters(population, traced)
    for step in range(5):
        active = [True, step == 0, True]
        population = stepper.advance(population, step, 1, active=active)
        losses = _member_losses(stepper)(population)
        np.testing.assert_allclose(
            np.delete(losses, 1), np.delete(_losses_alone("digits", 50)[step], 1), rtol=1e-5
        )
    diverged = stepper.member(population, 1).state
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(diverged.params))
    if chunk_size == 1:
        assert int(diverged.step) == 1  # it cost nothing more
    prepared = stepper.prepare_for_eval(population, 5, [True, False, False])
    assert [part is None for part in prepared] == [False, *[True] * (len(population) - 1)]


@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_a_gather_gives_members_their_parents_state_and_hyperparameters(chunk_size):
    stepper, population = together("digits", chunk_size)
    population = stepper.advance(population, 0, 2)
    before = [jax.tree.map(np.array, stepper.member(population, i)) for i in range(3)]
    parents = [2, 1, 2]
    population = stepper.select(population, parents)
    for i, parent in enumerate(parents):
        found = stepper.member(population, i)
        jax.tree.map(np.testing.assert_array_equal, found, before[parent])
    population = stepper.advance(population, 2, 1)  # no two members share what a step consumes
    losses = _member_losses(stepper)(population)
    assert losses[0] != losses[2]  # data and noise stay with the place
    np.testing.assert_allclose(losses[1], _losses_alone("digits", 50)[2][1], rtol=1e-5)


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_one_compilation_serves_all_members_points_and_generations(chunk_size):
    entry, calls = native.load("nadamw"), []

    def counted(*arguments):
        calls.append(1)
        return entry.optimizer(*arguments)

    training, data, batches, states = setting("digits")
    counting = dataclasses.replace(entry, optimizer=counted)
    training = dataclasses.replace(training, submission=counting)
    layout = MemberSharding(len(batches), chunk_size)
    stepper = population_stepper.stepper(training, data, batches, "single", 4, layout)
    traced = population_stepper.stacked_points(POINTS)
    population = stepper.population(states(), traced)
    stepper.compile(population)
    assert len(calls) == 1
    with _no_compilation():
        for generation in range(3):
            population = stepper.advance(population, 2 * generation, 2)
            population = stepper.select(population, [generation, 0, 2])
            traced["learning_rate"] *= 0.8
            population = stepper.with_hyperparameters(population, traced)
            jax.block_until_ready(stepper.member(population, 1))
    assert len(calls) == 1


@contextlib.contextmanager
def _no_compilation():
    """Fails where XLA compiles, or fetches from its cache, anything at all."""
    found = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: found.append(event) if "backend_compile" in event else None
    )
    yield
    assert not found


FOUR_DEVICES = """
import sys
sys.path.insert(0, "tests/algoperf_lite/population")
import jax, numpy as np
import populations as t
found = []
for size, devices in ((1, ()), (4, jax.devices())):
    stepper, population = t.together("digits", size, devices=devices)
    population = stepper.advance(population, 0, 3)
    population = stepper.select(population, [0, 0, 2])
    population = stepper.advance(population, 3, 3)
    found.append([stepper.member(population, i) for i in range(3)])
assert len(population[0].state.loss_sum.sharding.device_set) == len(jax.devices()) == 4
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *found)
losses = [[float(member.state.loss_sum) for member in members] for members in found]
np.testing.assert_allclose(*losses, rtol=1e-5)
"""


@pytest.mark.slow
def test_four_devices_compute_the_same_as_one():
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", FOUR_DEVICES],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "XLA_FLAGS": flags},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_evaluated_parameters_are_each_members_own():
    training, data, batches, states = setting("digits")
    entry = dataclasses.replace(
        training.submission,
        eval_params=lambda state, params: jax.tree.map(lambda leaf: 2.0 * leaf, params),
    )
    training = dataclasses.replace(training, submission=entry)
    stepper = population_stepper.stepper(training, data, batches, "single", 4, MemberSharding(3, 2))
    population = stepper.population(states(), population_stepper.stacked_points(POINTS))
    stepper.compile(population)
    prepared = stepper.prepare_for_eval(population, 0)
    for i, state in enumerate(states()):
        params, _ = stepper.member(prepared, i)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 2.0 * b), params, state.params)
