"""Compiled steps of a toy model: the host has nothing to do with a step beside its dispatch."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf_lite.training import compiled_steps, snapshot, streams
from algoperf_lite.training.compiled_steps import CompiledSteps, TrainState
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.data_parallel import DataParallel

STEPS = 23
ORDER = Batches(num_examples=50, batch_size=8, seed=3)
CONSTANTS = ({"learning_rate": jnp.float32(0.1)}, jnp.uint32(ORDER.seed))
DATA = {"inputs": np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)}
# Ways and lengths; 5 and 7 divide neither the steps nor what lies on the device.
WAYS = [("single", 1), ("loop", 5), ("loop", 7), ("scan", 5), ("scan", 7), ("unrolled", 1)]


def _step(state, traced, batch, key):
    def mean_loss(params):
        noise = jax.random.normal(key, batch["inputs"].shape)
        # Sums, as an accelerator may round the numbers of a product to fewer bits.
        guess = jnp.sum(batch["inputs"] * params + noise * params**2, axis=-1)
        return jnp.mean(jnp.square(guess - 1))

    loss, gradient = jax.value_and_grad(mean_loss)(state.params)
    params = state.params - traced["learning_rate"] * gradient
    return TrainState(state.step + 1, params, (), (), state.loss_sum + loss)


def _start():
    return TrainState(jnp.int32(0), jnp.linspace(0.1, 0.5, 5), (), (), jnp.float32(0.0))


def _programs(mode, length, spread=compiled_steps.single):
    programs = CompiledSteps(_step, None, jax.device_put(DATA), mode, length, spread)
    programs.compile(_start(), CONSTANTS, ORDER.indices)
    return programs


@functools.cache
def _by_hand():
    """The state after each step: one jitted step at a time, its rows from the host."""

    @jax.jit
    def step(state, traced, seed, data, row):
        batch = compiled_steps.gathered(data, row)
        return _step(state, traced, batch, streams.step_key(seed, state.step))

    states = [_start()]
    for row in ORDER.indices(0, STEPS):
        states.append(step(states[-1], *CONSTANTS, DATA, row))
    return states


@pytest.fixture
def few_rows(monkeypatch):
    """So few rows on the device at a time that most advances need several pieces."""
    monkeypatch.setattr(compiled_steps, "_STEPS_OF_ROWS", 4)


@pytest.mark.parametrize(("mode", "length"), WAYS)
def test_steps_and_losses_are_those_of_a_loop_by_hand(few_rows, mode, length):
    programs, state, step = _programs(mode, length), _start(), 0
    expected = _by_hand()
    for count in (1, 4, 15, 3):
        state = programs.advance(state, CONSTANTS, ORDER.indices, step, count)
        since, step = step, step + count
        assert int(state.step) == step
        np.testing.assert_allclose(state.params, expected[step].params, rtol=1e-5)
        losses = expected[step].loss_sum - expected[since].loss_sum
        np.testing.assert_allclose(state.loss_sum, losses, rtol=1e-5)
    if mode == "single":
        np.testing.assert_array_equal(state.params, expected[step].params)


@pytest.mark.parametrize(("mode", "length"), WAYS)
def test_a_period_may_be_interrupted_and_gone_on_with(mode, length):
    programs = _programs(mode, length)
    steps = 3 * max(4, length)
    whole = programs.advance(_start(), CONSTANTS, ORDER.indices, 0, steps)
    stop = max(4, length)  # at the end of a dispatch: another one is another program
    half = programs.advance(_start(), CONSTANTS, ORDER.indices, 0, stop)
    again = snapshot.like(_start(), snapshot.host_arrays(half))
    again = _programs(mode, length).advance(again, CONSTANTS, ORDER.indices, stop, steps - stop)
    np.testing.assert_array_equal(whole.params, again.params)


@pytest.mark.parametrize(("mode", "length"), WAYS)
def test_no_step_brings_anything_to_the_device(monkeypatch, mode, length):
    programs = _programs(mode, length)
    placed = []
    put = compiled_steps.put
    monkeypatch.setattr(
        compiled_steps, "put", lambda array, place: placed.append(array) or put(array, place)
    )
    state = programs.advance(_start(), CONSTANTS, ORDER.indices, 0, 20)
    with jax.transfer_guard("disallow"):  # what is not put there by name
        state = programs.advance(state, CONSTANTS, ORDER.indices, 20, 20)
    # Rows, their span and the step of the losses, once an advance; and a loop's last length.
    assert len(placed) == 2 * (3 + (mode == "loop" and 20 % length > 0))


def test_a_scan_has_a_length_that_is_known_when_it_is_compiled():
    known = re.compile(r'known_trip_count":\{"n":"(\d+)"\}')
    for program, compiled in _programs("scan", 7)._compiled.items():
        # Random bits are made in loops as well, whose lengths are known, too.
        loops = [line for line in compiled.as_text().splitlines() if " while(" in line]
        counts = [known.search(line) for line in loops]
        assert all(counts), "XLA would ask the host before each step whether there is another"
        is_scan = program is compiled_steps._scanned_steps
        assert ("7" in [count[1] for count in counts]) == is_scan


def test_one_loop_makes_all_numbers_of_steps_and_the_step_is_traced_once_for_all_programs():
    traced = []

    def step(*arguments):
        traced.append(1)
        return _step(*arguments)

    def programs(mode):
        traced.clear()
        made = CompiledSteps(step, None, jax.device_put(DATA), mode, 5)
        made.compile(_start(), CONSTANTS, ORDER.indices)
        return len(made._compiled), len(traced)

    assert programs("loop") == (1, 1)
    assert programs("scan") == programs("unrolled") == (2, 1)


@pytest.mark.parametrize("mode", ["loop", "scan"])
def test_several_steps_of_one_are_a_single_one(mode):
    assert _programs(mode, 1)._compiled.keys() == _programs("single", 9)._compiled.keys()


def test_a_loop_computes_the_same_bits_however_its_steps_are_cut():
    programs = _programs("loop", 7)
    whole = programs.advance(_start(), CONSTANTS, ORDER.indices, 0, STEPS)
    state, step = _start(), 0
    for count in (1, 9, 2, 11):
        state = programs.advance(state, CONSTANTS, ORDER.indices, step, count, since=0)
        step += count
    for found, expected in zip(state, whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rows_of_very_large_batches_go_to_the_device_in_smaller_pieces(monkeypatch):
    monkeypatch.setattr(compiled_steps, "_BYTES_OF_ROWS", 8 * 4 * 13)
    assert _programs("single", 1)._steps_of_rows == 13
    assert _programs("scan", 5)._steps_of_rows == 10
    assert _programs("scan", 40)._steps_of_rows == 40


@pytest.mark.parametrize("mode", ["loop", "scan"])
def test_spread_batches_take_their_rows_spread(mode):
    layout = DataParallel.over(jax.devices(), ORDER.batch_size)
    state, constants, data = layout.shared((_start(), CONSTANTS, DATA))
    programs = CompiledSteps(_step, None, data, mode, 5, layout.spread)
    programs.compile(state, constants, ORDER.indices)
    state = programs.advance(state, constants, ORDER.indices, 0, STEPS)
    np.testing.assert_allclose(state.params, _by_hand()[STEPS].params, rtol=1e-5)
