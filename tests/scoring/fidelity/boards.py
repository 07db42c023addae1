"""Hand-made sides of a comparison: times of each study, or a table."""

import numpy as np

from scoring.benchmark import Benchmark, Target
from scoring.logs.published import Published
from scoring.logs.read import Trial
from scoring.stats.sides import Side


def benchmark(workloads):
    """All with the target 0.5 of an accuracy, at 100 steps."""
    return Benchmark(
        "tiny", tuple(workloads), (), {w: Target("accuracy", 0.5, 100) for w in workloads}, {}
    )


def trial(submission, study, workload, time, metrics=(0.1, 0.6), steps=(50, 100)):
    """A run that meets the target in its last row at `time`; None: it never does."""
    reached = time is not None
    seconds = np.array([1.0, float(time)]) if reached else np.array([1.0, 9.0])
    metric = np.array(metrics if reached else (metrics[0], 0.4))
    place = f"{submission}/study_{study}/{workload}_jax/trial_1"
    return Trial(
        submission, study, workload, "jax", 1, place, np.array(steps, float), seconds, seconds,
        metric, {},
    )  # fmt: skip


def logs(times, label="A", **fields):
    """A side from {submission: {workload: times of studies}}."""
    names = list(dict.fromkeys(w for row in times.values() for w in row))
    trials = tuple(
        trial(submission, study, workload, time)
        for submission, row in times.items()
        for workload, studies in row.items()
        for study, time in enumerate(studies)
    )
    return Side(label, benchmark(names), trials, **fields)


def scores(values, label="B"):
    """A side of published scores."""
    return Side(label, None, table=Published(values, {}))
