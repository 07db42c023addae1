"""The cost of a step of one member where several train as one vmapped chunk: a column per size.

The reference at its self-tuning point, every member with a seed of its own, in this process. Large
chunks are meant to win on an accelerator (--core=-1); on a CPU one member at a time is fastest.

    python -m studies.measurements.chunk_sizes --sizes=1,2,4,8,16,32,64 --core=-1
"""

import argparse

import jax

import workloads
from algoperf_lite.machine import fingerprint
from algoperf_lite.population import stepper as population_stepper
from algoperf_lite.population.chunk_size import member_seconds
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.population.stepper import Population, PopulationStepper
from algoperf_lite.submission import native
from algoperf_lite.training import calibration as training_calibration
from algoperf_lite.training import data_order, train_step
from studies import script
from studies.measurements import reference

SMOKE = {"workloads": ["digits"], "sizes": [1, 2], "core": 0}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is trained, and how many at once."""
    add = parser.add_argument
    add("--workloads", type=script.listed(), default=["digits", "finewebedu_lm"])
    add("--sizes", type=script.listed(int), default=[1, 2, 4, 8], help="members of a chunk")
    reference.add_core_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    reference.pin(arguments.core)
    device = fingerprint.fingerprint()["device_kind"]
    print(f"{device}, jax {jax.__version__}: ms per step and member")
    sizes = arguments.sizes
    print(f"| workload | stepping | {' | '.join(f'{size} together' for size in sizes)} |")
    print("|---|---" + "|---" * len(sizes) + "|")
    for name in arguments.workloads:
        calibration = training_calibration.calibrate(name, "lite")
        mode, steps = calibration.mode, calibration.steps_per_dispatch
        found = [member_seconds(*chunk(name, mode, steps, size)) for size in sizes]
        cells = " | ".join(f"{1e3 * seconds:.3f}" for seconds in found)
        print(f"| {name} | {calibration.mode} | {cells} |", flush=True)


def chunk(
    name: str, mode: str, steps_per_dispatch: int, size: int
) -> tuple[PopulationStepper, Population]:
    """`size` members in one chunk, compiled, and their first states."""
    workload, entry = workloads.load(name), native.load(training_calibration.REFERENCE)
    training = train_step.TrainStep(workload, entry)
    # Equal points: a program's time does not depend on the values, and none may diverge.
    points = [entry.self_tuning_point] * size
    traced = population_stepper.stacked_points(points)
    initial, init = train_step.model_initializer(workload), jax.jit(training.init)
    states = [
        init({name: values[i] for name, values in traced.items()}, *initial(i)) for i in range(size)
    ]
    # Another seed each, or gathers of equal rows would be cached better than they are in a run.
    stepper = population_stepper.stepper(
        training,
        jax.device_put(workload.dataset("train")),
        [
            data_order.Batches(workload.num_train_examples, entry.batch_size(workload), seed)
            for seed in range(size)
        ],
        mode,
        steps_per_dispatch,
        # One chunk of all, whatever calibration would choose.
        MemberSharding(size, size),
    )
    population = stepper.population(states, traced)
    stepper.compile(population)
    return stepper, population


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
