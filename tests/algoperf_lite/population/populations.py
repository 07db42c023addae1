"""A few members on a workload, alone and together: what tests of populations share."""

import functools

import jax

import workloads
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.submission import native
from algoperf_lite.training import data_order, native_stepper, train_step

# At 3e-3 a difference by rounding grows, with batch norm tenfold in ten steps; at these none does.
POINTS = [
    {
        "learning_rate": rate,
        "one_minus_beta1": 0.1,
        "one_minus_beta2": 0.01,
        "weight_decay": 0.1,
        "warmup_factor": 0.05,
        "horizon": 1.0,
    }
    for rate in (1e-3, 5e-4, 2e-3)
]
BATCH = 4


def points(name):
    """One member's point each; larger models get fewer."""
    return POINTS if name == "digits" else POINTS[:2]


@functools.cache
def setting(name):
    workload = workloads.load(name)
    training = train_step.TrainStep(workload, native.load("nadamw"))
    initial = train_step.model_initializer(workload)
    seeds = [7 + i for i in range(len(points(name)))]
    batches = [data_order.Batches(workload.num_train_examples, BATCH, seed) for seed in seeds]
    init = jax.jit(training.init)

    def states():
        traced = [train_step.split_point(point)[0] for point in points(name)]
        return [init(point, *initial(seed)) for point, seed in zip(traced, seeds, strict=True)]

    return training, jax.device_put(workload.dataset("train")), batches, states


def alone(name):
    """A stepper and a state for each member as a trial of its own; compiled once for all."""
    training, data, batches, states = setting(name)
    found = []
    for point, order, state in zip(points(name), batches, states(), strict=True):
        traced, _ = train_step.split_point(point)
        stepper = native_stepper.NativeStepper(training, traced, data, order, "single", 4)
        if found:
            stepper.programs = found[0][0].programs
        else:
            stepper.compile(state)
        found.append((stepper, state))
    return found


def together(name, chunk_size, mode="single", devices=()):
    training, data, batches, states = setting(name)
    layout = MemberSharding(len(batches), chunk_size, tuple(devices))
    stepper = population_stepper.stepper(training, data, batches, mode, 4, layout)
    population = stepper.population(states(), population_stepper.stacked_points(points(name)))
    stepper.compile(population)
    return stepper, population
