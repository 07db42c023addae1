"""`data bench`: what is measured, what it is compared with, and the sentence that it ends with."""

import dataclasses
import json
import threading
import time

import numpy as np
import pytest

from algoperf_lite.cli import main
from algoperf_lite.data.feed import Order
from algoperf_lite.data.source import DataError, InMemory
from algoperf_lite.experiment.data_sets import bench, families, indexing, rates
from algoperf_lite.experiment.data_sets.bench import Bench, Pace
from tests.workloads.full import small_families


@dataclasses.dataclass(frozen=True, eq=False)
class Slow(InMemory):
    """Examples each of which takes a hundredth of a second of no core."""

    def rows(self, picks, keys):
        time.sleep(0.01 * len(picks))
        return super().rows(picks, keys)


def pace(workers, rate, cores=None):
    return Pace(workers, rate, workers if cores is None else cores, 0.5)


def taken(source, num_workers, batches, **options):
    order = Order.of_training(source, 8, seed=0)
    return bench.through_feed(source, order, num_workers, lambda n, _: n >= batches, **options)


def test_the_rate_is_of_examples_and_the_clock_on_the_wall():
    source = Slow({"x": np.arange(64)})
    began = time.perf_counter()
    alone = taken(source, 0, batches=4)
    # Nothing can be faster than the sleeps, however busy the machine is.
    assert 32 / (time.perf_counter() - began) < alone.rate <= 100
    assert alone.workers == 1 and alone.cores < 0.9
    assert 0 < alone.waited <= 1
    threads = taken(source, 4, batches=4)
    assert threads.workers == 4 and threads.rate <= 400


def test_a_step_that_takes_longer_than_reading_hides_it():
    source = InMemory({"x": np.arange(64)})
    found = taken(source, 1, batches=5, pause=0.05, warm_up=2)
    assert found.rate <= 8 / 0.05 and found.waited < 0.9
    assert bench.waiting(25, 100) == 0.75 and bench.waiting(200, 100) == 0


def test_all_begin_together_and_what_came_before_does_not_count():
    source, begun = Slow({"x": np.arange(64)}), threading.Event()
    found = taken(source, 0, batches=1, warm_up=3, begin=begun.set)
    assert begun.is_set() and found.rate <= 100


def test_numbers_of_workers_double_up_to_the_most():
    assert [bench.counts(most) for most in (1, 2, 6, 8)] == [
        [1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            Bench("wmt", False, (pace(1, 900), pace(2, 1100), pace(4, 2000)), needed=1024),
            "wmt: the accelerator is the bottleneck: 2 threads read 1,100 examples a second, and "
            "AlgoPerf's training on 4 x A100 takes 1,024",
        ),
        (
            Bench("wmt", False, (pace(1, 300), pace(2, 500)), needed=1024, needed_here=250),
            "wmt: the accelerator is the bottleneck: a thread reads 300 examples a second, and the "
            "accelerator here takes 250",
        ),
        (
            Bench("fastmri", False, (pace(1, 120), pace(2, 200)), needed=400),
            "fastmri: reading is the bottleneck: 2 threads read 200 examples a second, and "
            "AlgoPerf's training on 4 x A100 takes 400, so it would wait 50% of the time; about 4 "
            "such cores would keep up",
        ),
        (
            Bench("fastmri", False, (pace(1, 20, 0.9), pace(2, 40, 0.5)), needed=400),
            "fastmri: reading is the bottleneck: 2 threads read 40 examples a second, and "
            "AlgoPerf's training on 4 x A100 takes 400, so it would wait 90% of the time; the "
            "threads had 0.5 cores busy, and else waited for the disk, for one another, or for "
            "cores that others use",
        ),
        (Bench("mnist", True), "mnist lies in memory whole: no step waits for data"),
        (
            Bench("mine", False, (pace(1, 9.26),)),
            "mine: a thread reads 9.3 examples a second, and what training takes is not known",
        ),
    ],
)
def test_one_sentence_says_which_is_the_bottleneck(found, sentence):
    assert found.verdict() == sentence


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_families.prepare("ogbg", tmp_path_factory.mktemp("bench") / "data")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def command(root, *words):
    given = ["data", "bench", f"--data_dir={root}", "--workloads=ogbg", *words]
    return main._dispatch(main.parser().parse_args(given))


def test_making_an_index_is_no_reading(root, capsys):
    with pytest.raises(DataError, match="`algoperf-lite data index --workloads=ogbg` first"):
        bench.measure("ogbg", root, [1], 0.1)
    assert command(root) == main.BAD_INPUT
    said = capsys.readouterr().err
    assert "the index of ogbg is not made yet" in said and said.count("\n") == 1
    # Whoever has named none wants to know of the others.
    assert main._dispatch(main.parser().parse_args(["data", "bench", f"--data_dir={root}"])) == 0
    assert capsys.readouterr().err == said.removeprefix("algoperf-lite: ")


@pytest.mark.slow
def test_a_process_that_fails_lets_no_other_wait(tmp_path):
    began = time.monotonic()
    with pytest.raises((DataError, threading.BrokenBarrierError)):
        bench._processes("ogbg", tmp_path, 2, 0.1)
    assert time.monotonic() - began < bench._START_S / 2


@pytest.mark.slow
def test_threads_and_processes_are_measured_and_shown(root, capsys):
    list(indexing.make(families.find(root, ["ogbg"])))
    assert command(root, "--num_workers=2", "--seconds=1", "--json") == 0
    found = json.loads(capsys.readouterr().out)["ogbg"]
    assert found["needed"] == rates.ALGOPERF["ogbg"].examples_per_second
    for kind in ("threads", "processes"):
        assert [one["workers"] for one in found[kind]] == [1, 2]
        assert all(one["rate"] > 0 and one["cores"] > 0 for one in found[kind])
    assert found["verdict"].startswith("ogbg: ")
    assert command(root, "--num_workers=1", "--seconds=1") == 0
    said = capsys.readouterr().out
    assert "training takes 2,798 examples/s: AlgoPerf on 4 x A100" in said
    assert said.splitlines()[-1].startswith("ogbg: ")
