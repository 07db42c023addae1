"""Batches cut in parts: the same gradient whatever parts miss; sentences for what cannot be."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import workloads
from algoperf_lite.submission import native
from algoperf_lite.training import data_order, microbatches, native_stepper, train_step
from algoperf_lite.training.compiled_steps import TrainState
from tests import wide

BATCH_SIZE = 8
# An optimizer whose state is the gradient, for looking at it.
KEEPING = optax.GradientTransformation(
    lambda params: params, lambda grads, state, params: (grads, grads)
)


@pytest.fixture
def double_precision():
    """Double precision where a model lets JAX choose: rounding is then no excuse."""
    with wide.double_precision(True):
        yield


def _training(workload, count, optimizer=KEEPING):
    entry = native.load("nadamw")
    changes = {"optimizer": lambda workload, hyperparameters: optimizer, "schedule": None}
    return train_step.TrainStep(workload, dataclasses.replace(entry, **changes), {}, count)


def _batch(workload):
    return {name: array[:BATCH_SIZE] for name, array in workload.dataset("train").items()}


def _stepped(workload, batch, count, dropout_rate=0.0) -> TrainState:
    training = _training(workload, count)
    traced = {"dropout_rate": np.float32(dropout_rate)}
    state = training.init(traced, *train_step.init_model(workload, 0))
    return jax.jit(training.step)(state, traced, batch, jax.random.key(3))


def _assert_close(first, second, tolerance):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * float(np.abs(a).max()))


@pytest.mark.parametrize(
    "name",
    ["digits", *(pytest.param(n, marks=pytest.mark.slow) for n in ("ogbg", "finewebedu_lm"))],
)
def test_parts_add_up_to_the_gradient_of_the_whole_batch(name, double_precision):
    workload = workloads.load(name)
    batch = _batch(workload)
    whole = _stepped(workload, batch, 1)
    for count in (2, 4):
        cut = _stepped(workload, batch, count)
        _assert_close(whole.optimizer_state, cut.optimizer_state, 1e-5)
        np.testing.assert_allclose(whole.loss_sum, cut.loss_sum, rtol=1e-6)


@pytest.mark.slow
def test_labels_that_are_missing_weigh_nothing(double_precision):
    workload = workloads.load("ogbg")
    batch = _batch(workload)
    targets = np.array(batch["targets"])
    targets[1::2] = np.nan  # all of the second part, and some of the first already
    valid = np.isfinite(targets).sum(axis=tuple(range(1, targets.ndim)))
    assert valid[0::2].sum() > valid[1::2].sum() == 0
    some = {**batch, "targets": targets}
    _assert_close(_stepped(workload, some, 1).params, _stepped(workload, some, 2).params, 1e-5)
    # A mean of the parts' means would be half of it.
    half = {name: array[0::2] for name, array in some.items()}
    _assert_close(_stepped(workload, half, 1).params, _stepped(workload, some, 2).params, 1e-5)
    none = {**batch, "targets": np.full_like(targets, np.nan)}
    assert all(
        not leaf.any() for leaf in jax.tree.leaves(_stepped(workload, none, 2).optimizer_state)
    )


class Normed(nn.Module):
    """A dense layer between two norms of the batch."""

    @nn.compact
    def __call__(self, x):
        norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9)
        return norm(name="after")(nn.Dense(3)(norm(name="before")(x)))


def test_statistics_of_batch_norm_are_of_each_part_and_running_ones_their_mean():
    """By hand: AlgoPerf's devices have their own examples, and are synchronised afterwards."""
    x = jax.random.normal(jax.random.key(1), (BATCH_SIZE, 5)) * jnp.arange(1.0, 6.0)
    y = jax.random.normal(jax.random.key(2), (BATCH_SIZE, 3))
    variables = Normed().init(jax.random.key(0), x)
    params, state = variables["params"], variables["batch_stats"]

    def summed(params, part, key):
        logits, new = Normed().apply(
            {"params": params, "batch_stats": state}, part["inputs"], mutable=["batch_stats"]
        )
        loss = jnp.sum((logits - part["targets"]) ** 2)
        return loss, (jnp.float32(len(part["inputs"])), new["batch_stats"], ())

    batch, key = {"inputs": x, "targets": y}, jax.random.key(0)
    (loss, (found, _)), grads = microbatches.value_and_grad(summed, state, batch, key, 2)(params)
    parts = [{name: rows[i::2] for name, rows in batch.items()} for i in range(2)]
    alone = [jax.value_and_grad(summed, has_aux=True)(params, part, key) for part in parts]
    np.testing.assert_allclose(loss, sum(one[0][0] for one in alone) / BATCH_SIZE, rtol=1e-6)
    states = [one[0][1][1] for one in alone]
    # "after" has a mean of zero, since "before" has made it so: what is left there is rounding.
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(a, (b + c) / 2, rtol=1e-6, atol=3e-8),
        *(found, *states),
    )
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(a, (b + c) / BATCH_SIZE, rtol=1e-5, atol=1e-6),
        grads,
        *(one[1] for one in alone),
    )
    # The mean of the inputs is the same whoever takes it; the variance within parts is smaller.
    (_, (_, whole, _)), _ = jax.value_and_grad(summed, has_aux=True)(params, batch, key)
    np.testing.assert_allclose(found["before"]["mean"], whole["before"]["mean"], rtol=1e-5)
    assert (found["before"]["var"] < whole["before"]["var"]).all()


@pytest.mark.slow
def test_a_model_with_batch_norm_trains_in_parts_where_that_is_asked_for():
    workload = workloads.load("imagenet_resnet")
    training = dataclasses.replace(_training(workload, 2), batch_norm="parts")
    state = training.init({}, *train_step.init_model(workload, 0))
    after = jax.jit(training.step)(state, {}, _batch(workload), jax.random.key(3))
    assert jax.tree.structure(after.model_state) == jax.tree.structure(state.model_state)
    moved = jax.tree.map(
        lambda a, b: float(jnp.abs(a - b).max()), after.model_state, state.model_state
    )
    assert min(jax.tree.leaves(moved)) > 0 and np.isfinite(after.loss_sum)


def _sum_of_draws(count):
    """The gradient of a loss whose slope in every part is one random number."""

    def summed(param, part, key):
        return param * jax.random.normal(key), (jnp.float32(len(part["inputs"])), {}, ())

    batch = {"inputs": jnp.zeros((BATCH_SIZE, 3))}
    grad_fn = microbatches.value_and_grad(summed, {}, batch, jax.random.key(0), count)
    return float(grad_fn(jnp.float32(1.0))[1]) * BATCH_SIZE


def test_every_part_draws_its_own_random_numbers():
    draws = [float(jax.random.normal(jax.random.fold_in(jax.random.key(0), i))) for i in range(4)]
    assert _sum_of_draws(4) == pytest.approx(sum(draws), rel=1e-5)
    assert len(set(draws)) == 4


def test_parts_are_spread_over_the_batch_and_augmented_before_they_are_cut():
    seen = []

    def summed(param, part, key):
        jax.debug.callback(lambda rows: seen.append(np.asarray(rows).tolist()), part["inputs"])
        return param * 0.0, (jnp.float32(1), {}, ())

    batch = {"inputs": jnp.arange(6)}
    grad_fn = microbatches.value_and_grad(summed, {}, batch, jax.random.key(0), 2)
    jax.block_until_ready(grad_fn(jnp.float32(1.0)))
    jax.effects_barrier()
    assert sorted(seen) == [[0, 2, 4], [1, 3, 5]]
    # Augmentation draws for the batch: were it to act on parts, shifts would differ.
    workload = workloads.load("digits")
    cut, whole = (_stepped(workload, _batch(workload), count) for count in (2, 1))
    np.testing.assert_allclose(cut.loss_sum, whole.loss_sum, rtol=1e-5)


def _stepper(name, count, mode="single", entry="nadamw"):
    workload, entry = workloads.load(name), native.load(entry)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static, count)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
    data = jax.device_put(workload.dataset("train"))
    batches = data_order.Batches(workload.num_train_examples, BATCH_SIZE, seed=1)
    return native_stepper.NativeStepper(training, traced, data, batches, mode, 3), state


def test_scans_and_a_second_look_at_the_batch_take_the_same_parts():
    found = []
    for count, mode in [(1, "single"), (2, "single"), (2, "scan")]:
        stepper, state = _stepper("digits", count, mode, "sam")
        assert stepper.compile(state)
        found.append(stepper.advance(state, 0, 3).params)
    # SAM climbs along the gradient and takes it again there: both times of the whole batch.
    _assert_close(found[0], found[1], 1e-4)
    _assert_close(found[1], found[2], 1e-4)


def test_members_of_a_population_cut_their_own_batches():
    workload = workloads.load("digits")
    training = _training(workload, 2)
    batches = [_batch(workload), {k: v[8:16] for k, v in workload.dataset("train").items()}]
    state = training.init({}, *train_step.init_model(workload, 0))
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    key = jax.random.key(3)
    together = jax.vmap(training.step, in_axes=(None, None, 0, None))(state, {}, both, key)
    for member, batch in enumerate(batches):
        alone = training.step(state, {}, batch, key)
        one = jax.tree.map(lambda leaf, i=member: leaf[i], together.optimizer_state)
        _assert_close(alone.optimizer_state, one, 1e-4)


def test_activations_take_less_memory():
    def temporaries(count):
        stepper, state = _stepper("finewebedu_lm", count)
        stepper.compile(state)
        return stepper.programs.device_bytes().temporaries

    assert temporaries(8) < 0.7 * temporaries(1)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("imagenet_resnet", 2, "'imagenet_resnet' has batch norm, .* be cut into 2 parts; leave"),
        ("digits", 3, "a batch of 8 on workload 'digits' cannot be cut into 3 equal parts; choose"),
    ],
)
def test_what_cannot_be_cut_is_said(name, count, message):
    workload = workloads.load(name)
    training = _training(workload, count)
    state = training.init({}, *train_step.init_model(workload, 0))
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(training.step, state, {}, _batch(workload), jax.random.key(0))


def test_nothing_is_executed_that_does_not_fit():
    stepper, state = _stepper("digits", 1)
    assert not stepper.compile(state, free_bytes=0)
    need = stepper.programs.device_bytes()
    assert stepper.compile(state, free_bytes=need.total - need.arguments)


def test_the_fewest_parts_that_fit_are_found():
    def check(count):
        microbatches.check(count, 12, {}, "digits", "batch")

    tried = []

    def compile_with(least, count):
        tried.append(count)
        if count == 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        return None if count < least else f"steps of {count}"

    found = microbatches.fewest(lambda count: compile_with(4, count), check)
    assert (found, tried) == (("steps of 4", 4), [1, 2, 4])
    with pytest.raises(ValueError, match="a batch of 12 .* into 8 equal parts"):
        microbatches.fewest(lambda count: compile_with(8, count), check)

    def broken(count):
        raise jax.errors.JaxRuntimeError("INTERNAL: no kernel")

    with pytest.raises(jax.errors.JaxRuntimeError, match="no kernel"):
        microbatches.fewest(broken, check)
