"""Steps on batches of a feed: those of a resident data set, and what they wait for."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import workloads
from algoperf_lite.data.feed import Order
from algoperf_lite.data.source import InMemory
from algoperf_lite.submission import native
from algoperf_lite.training import train_step
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.data_parallel import SINGLE_DEVICE
from algoperf_lite.training.fed_steps import FedStepper
from algoperf_lite.training.native_stepper import NativeStepper

SEED, STEPS = 3, 5


@dataclasses.dataclass(frozen=True, eq=False)
class Slow(InMemory):
    """Rows that take a while to read."""

    seconds: float = 0.0

    def rows(self, picks, keys):
        time.sleep(self.seconds)
        return super().rows(picks, keys)


@pytest.fixture(scope="module", params=["nadamw", "lawa_ema"])
def trial(request):
    """(training, hyperparameters, first state, source, order); the second evaluates others."""
    workload = workloads.load("imagenet_resnet" if request.param == "lawa_ema" else "digits")
    submission = native.load(request.param)
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    source = workload.source("train")
    order = Order(source.plan(SEED, 8), SEED)
    state = jax.jit(training.init)(traced, *train_step.init_model(workload, SEED))
    return training, traced, state, source, order


def _fresh(state):
    return jax.tree.map(lambda leaf: leaf.copy(), state)


def _fed(trial, num_workers, source=None):
    training, traced, _, usual, order = trial
    return FedStepper(training, traced, source or usual, order, num_workers, SINGLE_DEVICE)


def test_a_fed_trial_is_a_resident_one(trial):
    training, traced, state, source, _ = trial
    batches = Batches(source.num_examples, 8, SEED)
    data = jax.device_put(dict(source.arrays))
    resident = NativeStepper(training, traced, data, batches, "single", 1)
    fed = _fed(trial, num_workers=2)
    found = []
    try:
        for stepper in (resident, fed):
            stepper.compile(state)
            end = stepper.advance(_fresh(state), 0, STEPS)
            found.append((end, stepper.prepare_for_eval(end, STEPS)))
    finally:
        fed.close()
    # Rows are gathered in another program, so sums may be made in another order.
    one, other = (jax.tree.leaves(each) for each in found)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_steps_are_the_same_in_one_go_and_in_pieces_for_any_number_of_readers(trial):
    *_, state, _, _ = trial
    ends = []
    for num_workers, pieces in ((0, [(0, STEPS)]), (3, [(0, 2), (2, STEPS - 2)])):
        fed = _fed(trial, num_workers)
        try:
            fed.compile(state)
            end = _fresh(state)
            for first, count in pieces:
                end = fed.advance(end, first, count)
            ends.append(end._replace(loss_sum=0.0))
        finally:
            fed.close()
    jax.tree.map(np.testing.assert_array_equal, *ends)


def test_several_sums_of_losses_begin_where_they_are_told_to(trial):
    training, traced, state, source, _ = trial
    batches = Batches(source.num_examples, 8, SEED)
    data = jax.device_put(dict(source.arrays))
    resident = NativeStepper(training, traced, data, batches, "single", 1)
    fed = _fed(trial, num_workers=0)
    for stepper in (resident, fed):
        ends = []
        for sums, since in (((), None), ((2,), [0, 2])):
            begun = _fresh(state)._replace(loss_sum=jnp.zeros(sums))
            stepper.compile(begun)
            half = stepper.advance(_fresh(begun), 0, 2)
            ends.append(stepper.advance(half, 2, STEPS - 2, since=since))
            if since is None:  # the whole from its first step
                ends.append(stepper.advance(_fresh(begun), 0, STEPS))
        later, whole, several = ends
        np.testing.assert_array_equal(several.loss_sum, [whole.loss_sum, later.loss_sum])
        jax.tree.map(np.testing.assert_array_equal, several.params, whole.params)
    fed.close()


def test_waiting_for_a_batch_is_counted_and_reading_ahead_is_not(trial):
    *_, state, source, _ = trial
    slow = Slow(source.arrays, 0.05)
    fed = _fed(trial, 0, slow)
    fed.compile(state)
    fed.advance(_fresh(state), 0, STEPS)
    assert fed.take_waited() >= STEPS * 0.05
    assert fed.take_waited() == 0.0
    ahead = _fed(trial, 1, source)
    try:
        ahead.compile(state)
        ahead.rest()  # four batches are there
        ahead.advance(_fresh(state), 0, 4)
        assert ahead.take_waited() == 0.0
    finally:
        ahead.close()
