"""Steps: data order, modes that agree, one program, reserved hyperparameters."""

import dataclasses

import jax
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workloads
from algoperf_lite import stepping, submission


@given(
    num_examples=st.integers(1, 50),
    batch_size=st.integers(1, 50),
    first=st.integers(0, 200),
    split=st.integers(0, 30),
)
def test_batch_is_a_function_of_seed_and_step(num_examples, batch_size, first, split):
    if batch_size > num_examples:
        with pytest.raises(ValueError, match="does not fit a training split"):
            stepping.Batches(num_examples, batch_size, 3)
        return
    batches = stepping.Batches(num_examples, batch_size, 3)
    together = batches.indices(first, 30)
    apart = [batches.indices(first, split), batches.indices(first + split, 30 - split)]
    np.testing.assert_array_equal(together, np.concatenate(apart))
    assert together.min() >= 0
    assert together.max() < num_examples


def test_an_epoch_shows_no_example_twice_and_epochs_differ():
    batches = stepping.Batches(20, 5, 0)
    first, second = batches.indices(0, 4).ravel(), batches.indices(4, 4).ravel()
    assert sorted(first) == sorted(second) == list(range(20))
    assert list(first) != list(second)
    assert list(first) != list(stepping.Batches(20, 5, 1).indices(0, 4).ravel())


def _stepper(mode, chunk, entry=None, point=None):
    workload = workloads.load("digits")
    entry = entry or submission.load("nadamw")
    traced, static = stepping.split_point(point or entry.self_tuning_point)
    training = stepping.Training(workload, entry, static)
    state = jax.jit(training.init)(traced, *stepping.init_model(workload, 0))
    stepper = stepping.NativeStepper(
        training,
        traced,
        jax.device_put(workload.dataset("train")),
        stepping.Batches(workload.num_train_examples, 8, seed=1),
        mode,
        chunk,
    )
    stepper.compile(state)
    return stepper, state


def test_modes_and_chunks_compute_the_same_parameters():
    found = []
    for mode, chunk, pieces in [
        ("single", 4, [6]),
        ("single", 100, [1, 5]),
        ("loop", 4, [6]),
        ("loop", 3, [1, 5]),
        ("unrolled", 100, [1, 5]),
        ("unrolled", 4, [6]),
    ]:
        stepper, state = _stepper(mode, chunk)
        step = 0
        for count in pieces:
            state = stepper.advance(state, step, count)
            step += count
        assert int(state.step) == 6
        found.append(state)
    for other in found[1:]:
        for a, b in zip(
            jax.tree.leaves(found[0].params), jax.tree.leaves(other.params), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(
        jax.tree.leaves(found[0].params)[0], jax.tree.leaves(found[1].params)[0]
    )


def test_compile_leaves_the_state_alone_and_loss_sum_covers_one_advance():
    stepper, state = _stepper("single", 8)
    assert int(state.step) == 0
    state = stepper.advance(state, 0, 5)
    assert 1.5 < float(state.loss_sum) / 5 < 3.5
    state = stepper.advance(state, 5, 1)
    assert float(state.loss_sum) < 3.5


def test_beat_is_called_once_per_dispatch():
    stepper, state = _stepper("single", 4)
    beats = []
    stepper.advance(state, 0, 10, lambda: beats.append(1))
    assert len(beats) == 3


def _native(optimizer, **fields):
    entry = submission.load("nadamw")
    return dataclasses.replace(entry, optimizer=optimizer, **fields)


def test_reserved_hyperparameters_reach_the_step():
    def sgd(workload, hyperparameters):
        return optax.sgd(1.0)

    def moved(point):
        stepper, state = _stepper("single", 1, _native(sgd), point)
        before = jax.tree.map(np.asarray, state.params)
        after = stepper.advance(state, 0, 1).params
        return float(optax.tree.norm(jax.tree.map(lambda a, b: a - b, before, after)))

    assert moved({"grad_clip": 0.01}) == pytest.approx(0.01, rel=1e-3)
    assert moved({"grad_clip": 1e9}) > 0.02
    assert moved({"label_smoothing": 0.5}) != pytest.approx(moved({"label_smoothing": 0.0}))


def test_a_step_that_changes_the_state_is_refused_before_it_is_compiled():
    def growing(workload, hyperparameters):
        return optax.GradientTransformation(
            lambda params: (), lambda updates, state, params=None: (updates, (updates,))
        )

    with pytest.raises(ValueError, match="changes the structure of the training state"):
        _stepper("single", 1, _native(growing))

    def widening(workload, hyperparameters):
        return optax.GradientTransformation(
            lambda params: np.int32(0),
            lambda updates, state, params=None: (updates, state + np.float32(1)),
        )

    with pytest.raises(ValueError, match=r"optimizer_state from int32\[\] to float32\[\]"):
        _stepper("single", 1, _native(widening))


def test_numbers_are_traced_and_the_rest_stays_python():
    traced, static = stepping.split_point({"lr": 0.1, "layers": 3, "kind": "a", "flag": True})
    assert {name: value.dtype for name, value in traced.items()} == {
        "lr": np.float32,
        "layers": np.int32,
    }
    assert static == {"kind": "a", "flag": True}


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match="unknown stepping mode 'fast'"):
        stepping.NativeStepper(None, {}, {}, stepping.Batches(1, 1, 0), "fast", 1)
