"""Trains alone and over simulated devices, and prints what comes out; a script, because devices
are counted when JAX starts."""

import dataclasses
import functools
import json

import jax
import numpy as np

import workloads
from algoperf_lite.data.feed import Order
from algoperf_lite.submission import native
from algoperf_lite.training import data_order, data_parallel, native_stepper, train_step
from algoperf_lite.training.data_parallel import DataParallel
from algoperf_lite.training.evaluation import Evaluator
from algoperf_lite.training.fed_steps import FedStepper
from algoperf_lite.trial.forms import algoperf_stepper

# Small enough for rounding not to grow: at the reference's own learning rate, digits trained by
# "single" and by "unrolled" steps, on one device, are 1e-2 apart after 100 steps.
RATE = 1e-3
PIECES = (4, 6, 90)  # steps


def refreshed(state, params):
    """Evaluated parameters, which need running statistics of their own."""
    return jax.tree.map(lambda leaf: 0.9 * leaf, params)


def trained(devices, name, mode, pieces, microbatches=1, submission="nadamw", **fields):
    """What comes out of training by some of the pieces, and how it was done."""
    workload = workloads.load(name)
    entry = dataclasses.replace(native.load(submission), **fields)
    traced, static = train_step.split_point({**entry.self_tuning_point, "learning_rate": RATE})
    training = train_step.TrainStep(workload, entry, static, microbatches)
    batches = data_order.Batches(workload.num_train_examples, entry.batch_size(workload), 1)
    layout = (
        DataParallel.over(devices, batches.batch_size) if devices else data_parallel.SINGLE_DEVICE
    )
    own = train_step.init_model(workload, 0)
    data, *initial = layout.shared((workload.dataset("train"), *own))
    first = jax.jit(layout.spread(training.init, 3))(traced, *initial)
    if mode == "fed":
        source = workload.source("train")
        order = Order.of_training(source, batches.batch_size, batches.seed)
        stepper = FedStepper(training, traced, source, order, 0, layout)
    else:
        stepper = native_stepper.NativeStepper(training, traced, data, batches, mode, 16, layout)
    stepper.compile(first)
    programs = [stepper._compiled] if mode == "fed" else stepper.programs._compiled.values()
    before = algoperf_stepper.compilations()
    found, state, step = [], first, 0
    for count in PIECES[:pieces]:
        state, step = stepper.advance(state, step, count), step + count
        found.append(float(state.loss_sum))
    params, model_state = layout.own(stepper.prepare_for_eval(state, step))
    how = {
        "num_devices": layout.num_devices,
        "compiled": algoperf_stepper.compilations() - before,
        "donated": all(leaf.is_deleted() for leaf in jax.tree.leaves(first.params)),
        "flops": max(p.cost_analysis()["flops"] for p in programs),
    }
    seen = stepper.probe(state, step)
    look = [seen.loss, *(value for tree in seen.norms.values() for value in tree.values())]
    if fields:
        evaluate = Evaluator(workload)
        evaluate.compile(*own)
        found.append(evaluate(params, model_state, "validation")["validation/loss"])
        found += [float(np.sum(np.abs(leaf))) for leaf in jax.tree.leaves(model_state)]
    return {"found": found, "how": how, "look": look}


def main():
    digits = trained((), "digits", "single", 3)
    for mode, pieces in (("single", 3), ("scan", 1), ("unrolled", 2)):
        _print(f"digits, {mode}", digits, trained(jax.devices(), "digits", mode, pieces))
    _print("digits, fed", digits, trained(jax.devices(), "digits", "fed", 3))
    cut = functools.partial(trained, name="digits", mode="single", pieces=2, microbatches=2)
    _print("digits, cut in 2", cut(()), cut(jax.devices()))
    # A draw may fall on a neighbour where the last bits of a loss differ, so steps are few.
    for mode in ("scan", "fed"):
        drawn = functools.partial(
            trained, name="digits", mode=mode, pieces=2, submission="loss_sampled_adamw"
        )
        _print(f"digits, chosen, {mode}", drawn(()), drawn(jax.devices()))
    resnet = functools.partial(trained, name="imagenet_resnet", mode="single", pieces=2)
    _print("imagenet_resnet", *(resnet(d, eval_params=refreshed) for d in ((), jax.devices())))


def _print(name, alone, spread):
    print(json.dumps([name, alone, spread]), flush=True)


if __name__ == "__main__":
    main()
