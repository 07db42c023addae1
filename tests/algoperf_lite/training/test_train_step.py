"""Steps: data order, modes that agree, one program, reserved hyperparameters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workloads
from algoperf_lite.submission import native
from algoperf_lite.training import compiled_steps, data_order, native_stepper, train_step


@given(
    num_examples=st.integers(1, 50),
    batch_size=st.integers(1, 50),
    first=st.integers(0, 200),
    split=st.integers(0, 30),
)
def test_batch_is_a_function_of_seed_and_step(num_examples, batch_size, first, split):
    if batch_size > num_examples:
        with pytest.raises(ValueError, match="does not fit a training split"):
            data_order.Batches(num_examples, batch_size, 3)
        return
    batches = data_order.Batches(num_examples, batch_size, 3)
    together = batches.indices(first, 30)
    apart = [batches.indices(first, split), batches.indices(first + split, 30 - split)]
    np.testing.assert_array_equal(together, np.concatenate(apart))
    assert together.min() >= 0
    assert together.max() < num_examples


def test_an_epoch_shows_no_example_twice_and_epochs_differ():
    batches = data_order.Batches(20, 5, 0)
    first, second = batches.indices(0, 4).ravel(), batches.indices(4, 4).ravel()
    assert sorted(first) == sorted(second) == list(range(20))
    assert list(first) != list(second)
    assert list(first) != list(data_order.Batches(20, 5, 1).indices(0, 4).ravel())


def test_more_rows_than_int32_can_name_are_refused_before_they_are_permuted():
    with pytest.raises(ValueError, match="4195197692 examples; one that lies on the device has"):
        data_order.Batches(4_195_197_692, 262_144, seed=1)  # Criteo's


def test_orders_are_those_of_earlier_experiments():
    rows = np.random.default_rng(np.random.SeedSequence([3, 1])).permutation(20)
    np.testing.assert_array_equal(
        data_order.Batches(20, 5, 3).indices(4, 4).ravel(), rows.astype(np.int32)
    )


def _stepper(mode, chunk, entry=None, point=None, name="digits"):
    workload = workloads.load(name)
    entry = entry or native.load("nadamw")
    traced, static = train_step.split_point(entry.self_tuning_point if point is None else point)
    training = train_step.TrainStep(workload, entry, static)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    stepper = native_stepper.NativeStepper(
        training,
        traced,
        jax.device_put(workload.dataset("train")),
        data_order.Batches(workload.num_train_examples, 8, seed=1),
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
        ("scan", 4, [6]),
        ("scan", 3, [1, 5]),
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
    assert len(beats) == 10


def _native(optimizer, **fields):
    entry = native.load("nadamw")
    return dataclasses.replace(entry, optimizer=optimizer, **{"schedule": None, **fields})


def test_the_schedule_is_handed_to_the_optimizer_and_may_be_read():
    def halving(workload, hyperparameters):
        return lambda step: hyperparameters.learning_rate * 0.5**step

    def sgd(workload, hyperparameters, learning_rate):
        return optax.chain(optax.identity(), optax.sgd(learning_rate))

    entry = _native(sgd, schedule=halving)
    stepper, state = _stepper("single", 1, entry, {"learning_rate": 1e-3})
    moves = []
    for step in range(2):
        before = jax.tree.map(np.asarray, state.params)
        state = stepper.advance(state, step, 1)
        moves.append(optax.tree.norm(jax.tree.map(lambda a, b: a - b, before, state.params)))
    assert moves[1] / moves[0] == pytest.approx(0.5, rel=0.3)  # gradients hardly change
    training = train_step.TrainStep(workloads.load("digits"), entry)
    assert training.learning_rate({"learning_rate": 8.0}, 3) == 1.0
    assert train_step.TrainStep(workloads.load("digits"), _native(sgd)).learning_rate({}, 3) is None


def test_an_optimizer_may_ask_for_gradients_elsewhere():
    def at_zero(workload, hyperparameters):
        """Steps along the gradient at zero, where only the output bias has one."""

        def update(grads, state, params, *, grad_fn, **extra_args):
            return grad_fn(jax.tree.map(jnp.zeros_like, params), 0), state

        return optax.GradientTransformationExtraArgs(lambda params: (), update)

    stepper, state = _stepper("single", 1, _native(at_zero))
    before = jax.tree.map(np.asarray, state.params)
    after = stepper.advance(state, 0, 1).params
    moved = jax.tree_util.tree_leaves_with_path(
        jax.tree.map(lambda a, b: bool(np.any(a != b)), before, after)
    )
    assert [jax.tree_util.keystr(path) for path, leaf in moved if leaf] == ["['output']['bias']"]


SLOW_RESNET = pytest.param("imagenet_resnet", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["digits", SLOW_RESNET])
def test_evaluated_parameters_gather_their_own_running_statistics(name):
    def zeros(state, params):
        return jax.tree.map(jnp.zeros_like, params)

    entry = _native(lambda workload, hyperparameters: optax.sgd(0.1), eval_params=zeros)
    stepper, state = _stepper("single", 1, entry, {}, name)
    params, model_state = stepper.prepare_for_eval(state, 0)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(params))
    trained = jax.tree_util.tree_leaves_with_path(state.model_state)
    assert bool(trained) == (name == "imagenet_resnet")
    for (path, old), new in zip(trained, jax.tree.leaves(model_state), strict=True):
        if "var" in jax.tree_util.keystr(path):  # a network of zeros has no variance
            np.testing.assert_array_less(new, 0.6 * old)


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
    traced, static = train_step.split_point({"lr": 0.1, "layers": 3, "kind": "a", "flag": True})
    assert {name: value.dtype for name, value in traced.items()} == {
        "lr": np.float32,
        "layers": np.int32,
    }
    assert static == {"kind": "a", "flag": True}


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match="unknown stepping mode 'fast'"):
        compiled_steps.CompiledSteps(None, None, {}, "fast", 1)
