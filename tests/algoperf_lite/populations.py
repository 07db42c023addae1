"""Three members on a workload, alone and together: what tests of populations share."""

import functools

import jax

import workloads
from algoperf_lite import population_stepping, stepping, submission
from algoperf_lite.population_layout import Layout

POINTS = [
    {"learning_rate": rate, "one_minus_beta1": 0.1, "weight_decay": 0.1, "horizon": 1.0}
    for rate in (1e-3, 3e-3, 2e-3)
]
BATCH = 4


@functools.cache
def setting(name):
    workload = workloads.load(name)
    training = stepping.Training(workload, submission.load("nadamw"))
    initial = stepping.model_initializer(workload)
    batches = [stepping.Batches(workload.num_train_examples, BATCH, 7 + i) for i in range(3)]
    init = jax.jit(training.init)

    def states():
        points = [stepping.split_point(point)[0] for point in POINTS]
        return [init(point, *initial(7 + i)) for i, point in enumerate(points)]

    return training, jax.device_put(workload.dataset("train")), batches, states


def alone(name, member, mode="single"):
    training, data, batches, states = setting(name)
    traced, _ = stepping.split_point(POINTS[member])
    stepper = stepping.NativeStepper(training, traced, data, batches[member], mode, 4)
    state = states()[member]
    stepper.compile(state)
    return stepper, state


def together(name, chunk_size, mode="single", devices=()):
    training, data, batches, states = setting(name)
    layout = Layout(len(batches), chunk_size, tuple(devices))
    stepper = population_stepping.stepper(training, data, batches, mode, 4, layout)
    population = stepper.population(states(), population_stepping.stacked_points(POINTS))
    stepper.compile(population)
    return stepper, population
