"""Log trees and trials for the scoring tests: written to disk, or made in memory."""

import json
from pathlib import Path

import numpy as np
import pytest

import scoring
from scoring.benchmark import Benchmark, Ruleset, Target
from scoring.logs.read import Trial

HEADER = "accumulated_submission_time,global_step,score,validation/{},validation/num_examples"


def csv_text(times, metrics, metric="accuracy", steps=None):
    """An evaluation log with the columns that scoring reads and one that it does not."""
    steps = steps or [10 * (i + 1) for i in range(len(times))]
    rows = [f"{t},{s},{t},{m},100" for t, s, m in zip(times, steps, metrics, strict=True)]
    return "\n".join([HEADER.format(metric), *rows, ""])


def make_benchmark(base=("toy",), held_out=(), metric="accuracy", value=0.5, studies=2, trials=2):
    """A benchmark whose workloads all have the same target."""
    return Benchmark(
        name="tiny",
        base_workloads=tuple(base),
        held_out_workloads=tuple(held_out),
        workloads={name: Target(metric, value, 100) for name in (*base, *held_out)},
        rulesets={"external": Ruleset(studies, trials, 1.0), "self": Ruleset(studies, 1, 1.5)},
    )


class Tree:
    """A log tree under a temporary directory."""

    def __init__(self, root: Path):
        self.root = root

    def trial(self, path, csv=None, info=None, times=(1.0, 2.0), metrics=(0.1, 0.9), **columns):
        """Write `submission/study_0/workload_jax/trial_1`; csv=False writes no log at all."""
        folder = self.root / path
        folder.mkdir(parents=True)
        if csv is None:
            csv = csv_text(times, metrics, **columns)
        if csv is not False:
            data = csv if isinstance(csv, bytes) else csv.encode()
            (folder / "eval_measurements.csv").write_bytes(data)
        if info is not None:
            text = info if isinstance(info, str) else json.dumps(info)
            (folder / "trial.json").write_text(text)
        return folder

    def score(self, benchmark=None, **options):
        return scoring.score(self.root, benchmark or make_benchmark(), **options)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser without a window, one for all tests of a file."""
    from report_pages import chromium  # loads selenium, which most tests do without

    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "logs")


@pytest.fixture(scope="session")
def benchmark_of():
    return make_benchmark


@pytest.fixture(scope="session")
def csv_of():
    return csv_text


def make_trial(submission, study, workload, trial, time, index=1, info=None):
    """A trial of three rows that meets the target 0.5 at row `index` at `time`, or never."""
    reached = time is not None and np.isfinite(time)
    seconds = np.array([1.0, 1.0, 1.0]) * (time if reached else 7.0)
    metric = np.where(np.arange(3) >= index, 0.9, 0.1) if reached else np.full(3, 0.1)
    return Trial(
        submission=submission,
        study=study,
        workload=workload,
        framework="jax",
        trial=trial,
        path=f"{submission}/study_{study}/{workload}_jax/trial_{trial}",
        steps=10.0 * seconds,
        seconds=seconds,
        score=seconds,
        metric=metric,
        info=info or {},
    )


@pytest.fixture(scope="session")
def trial_of():
    return make_trial


@pytest.fixture(scope="session")
def shared_logs():
    """The folder with AlgoPerf's published logs and golden results beside the repository."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "official_logs"
    if not folder.is_dir():
        pytest.skip(f"no official logs at {folder}; they are not part of the repository")
    return folder


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items):
    """Tests in a browser are slow ones."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
