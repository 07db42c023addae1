"""Training loops of the reference as a researcher would write them, without any harness.

Model, loss, batch size and submission are the harness's; ledger, logs, seeds and checks are not.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from algoperf_lite.spec import ForwardPassMode, Workload, hyperparameters
from algoperf_lite.submission import native
from algoperf_lite.training import train_step
from algoperf_lite.training.calibration import REFERENCE

Way = Callable[[int, int], float]  # (first step, number of steps) -> seconds per step


def step(workload: Workload, optimizer: Any, carry: Any, batch: Any) -> tuple[Any, Any]:
    """The training step that a researcher would write for this workload: (carry, loss).

    A carry is (params, model state, optimizer state, number of steps done).
    """
    params, model_state, optimizer_state, done = carry
    # The same work as a trial's step: augmentation and dropout have keys of their own.
    augment_key, model_key = jax.random.split(jax.random.fold_in(jax.random.key(0), done))
    batch = workload.augment(batch, augment_key)

    def loss_fn(params: Any) -> tuple[Any, Any]:
        logits, new_state = workload.model_fn(
            params, batch, model_state, ForwardPassMode.TRAIN, model_key, update_batch_norm=True
        )
        loss = workload.loss_fn(batch["targets"], logits)
        return loss["summed"] / loss["n_valid_examples"], new_state

    (loss, model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return (optax.apply_updates(params, updates), model_state, optimizer_state, done + 1), loss


def _start(workload: Workload) -> tuple[Callable, Any, Any, Any]:
    """The step, its first carry, the training data, and the order of examples."""
    entry = native.load(REFERENCE)
    optimizer = entry.transformation(workload, hyperparameters(entry.self_tuning_point))
    params, model_state = train_step.init_model(workload, 0)
    carry = (params, model_state, jax.jit(optimizer.init)(params), np.int32(0))
    data = jax.device_put(workload.dataset("train"))
    # Shuffled once and on the host, the cheapest order there is.
    order = np.random.default_rng(0).permutation(workload.num_train_examples).astype(np.int32)
    return functools.partial(step, workload, optimizer), jax.device_put(carry), data, order


def rows_of(order: np.ndarray, workload: Workload, step: int) -> np.ndarray:
    """The rows of a step's batch, in an order that begins anew when it ends."""
    at = step % (len(order) // workload.batch_size) * workload.batch_size
    return order[at : at + workload.batch_size]


def jit_loop(workload: Workload) -> Way:
    """A jitted step, called from Python."""
    step_fn, carry, data, order = _start(workload)

    # The state is given away, or every step would copy it.
    @functools.partial(jax.jit, donate_argnums=0)
    def jitted(carry: Any, data: Any, rows: Any) -> Any:
        return step_fn(carry, jax.tree.map(lambda array: array[rows], data))

    def run(first_step: int, num_steps: int) -> float:
        nonlocal carry
        began = time.perf_counter()
        for step in range(first_step, first_step + num_steps):
            carry, _ = jitted(carry, data, rows_of(order, workload, step))
        # JAX dispatches ahead: nothing is done until this returns.
        jax.block_until_ready(carry)
        return (time.perf_counter() - began) / num_steps

    return run


def scan_loop(workload: Workload, length: int) -> Way:
    """A `lax.scan` of `length` steps a call."""
    step_fn, carry, data, order = _start(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def jitted(carry: Any, data: Any, rows: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            return step_fn(carry, jax.tree.map(lambda array: array[row], data))

        return jax.lax.scan(body, carry, rows)

    def run(first_step: int, num_steps: int) -> float:
        nonlocal carry
        dispatches = max(1, num_steps // length)  # whole ones: a scan has one length
        began = time.perf_counter()
        for dispatch in range(dispatches):
            first = first_step + dispatch * length
            rows = np.stack([rows_of(order, workload, first + i) for i in range(length)])
            carry, _ = jitted(carry, data, rows)
        jax.block_until_ready(carry)
        return (time.perf_counter() - began) / (dispatches * length)

    return run
