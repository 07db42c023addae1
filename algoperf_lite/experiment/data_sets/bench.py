"""How fast this machine reads real data, by threads and processes, and what training takes."""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from algoperf_lite.data import kept
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.source import DataError, InMemory, Source
from algoperf_lite.experiment.data_sets import rates
from algoperf_lite.experiment.data_sets.families import reader

SHARE = 0.25  # of AlgoPerf's batch that is read at a time: a whole one takes a core seconds
_ROWS_PER_WORKER = 4  # at least, where the batch has so many
_BUSY = 0.8  # of its cores that a reader keeps busy which waits for nothing else
_BATCHES = 2  # at least, in each measurement
_START_S = 120.0  # for all processes to begin; one that died must not be waited for


@dataclasses.dataclass(frozen=True)
class Pace:
    """What some workers read.

    Attributes:
      workers: threads or processes.
      rate: examples a second, by the clock on the wall.
      cores: that were busy meanwhile, on average.
      waited: the part of the time in which whoever takes batches waited for one.
    """

    workers: int
    rate: float
    cores: float
    waited: float


@dataclasses.dataclass(frozen=True)
class Bench:
    """What this machine reads of a family's training data, and what training takes.

    Attributes:
      family: a workload.
      is_in_memory: nothing is read during training; then nothing is measured.
      threads: of one trial, one row for each number of them.
      processes: of one thread each, side by side, as several trials read.
      needed: examples a second on AlgoPerf's 4 x A100, where published.
      needed_here: the same on this machine, where it was calibrated.
    """

    family: str
    is_in_memory: bool
    threads: tuple[Pace, ...] = ()
    processes: tuple[Pace, ...] = ()
    needed: float | None = None
    needed_here: float | None = None

    def verdict(self) -> str:
        """Which of reading and training is the bottleneck, in a sentence."""
        if self.is_in_memory:
            return f"{self.family} lies in memory whole: no step waits for data"
        best = max(self.threads, key=lambda pace: pace.rate)
        reads = _reads(best)
        goal, whose = self._goal()
        if goal is None:
            return f"{self.family}: {reads}, and what training takes is not known"
        takes = f"{whose} takes {number(goal)}"
        if best.rate >= goal:
            enough = next(pace for pace in self.threads if pace.rate >= goal)
            return (
                f"{self.family}: the accelerator is the bottleneck: {_reads(enough)}, and {takes}"
            )
        waits = f"it would wait {waiting(best.rate, goal):.0%} of the time"
        if best.cores >= _BUSY * best.workers:
            cores = goal * best.cores / best.rate
            more = f"about {number(cores)} such cores would keep up"
        else:
            more = (
                f"the threads had {best.cores:.1f} cores busy, and else waited for the disk, for "
                "one another, or for cores that others use"
            )
        return f"{self.family}: reading is the bottleneck: {reads}, and {takes}, so {waits}; {more}"

    def _goal(self) -> tuple[float | None, str]:
        if self.needed_here is not None:
            return self.needed_here, "the accelerator here"
        return self.needed, "AlgoPerf's training on 4 x A100"


def _reads(pace: Pace) -> str:
    verb = "reads" if pace.workers == 1 else "read"
    return f"{_threads(pace.workers)} {verb} {number(pace.rate)} examples a second"


def _threads(number: int) -> str:
    return "a thread" if number == 1 else f"{number} threads"


def number(value: float) -> str:
    """A rate or a count in words, with two digits at least."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def waiting(rate: float, needed: float) -> float:
    """The part of its time in which an accelerator waits that needs more than comes."""
    return max(0.0, 1 - rate / needed)


def counts(most: int) -> list[int]:
    """Numbers of workers to try: 1, 2, 4, ..., and `most`."""
    powers = [2**i for i in range(most.bit_length())]
    return sorted({*powers, most})


def measure(
    family: str,
    root: Path,
    workers: Sequence[int],
    seconds: float,
    show: Callable[[str], None] = lambda _: None,
) -> Bench:
    """Reads batches of a family's training data with each number of workers.

    Args:
      seconds: of each measurement, or two batches where that takes longer.
      show: is told what is measured next.
    Raises DataError where data are missing or damaged, or an index would have to be made first.
    """
    source = reader(family).source(root, "train")
    step = rates.ALGOPERF.get(family)
    found = Bench(
        family,
        isinstance(source, InMemory),
        needed=step.examples_per_second if step else None,
        needed_here=rates.here(family),
    )
    if found.is_in_memory:
        return found
    if not kept.is_made(source):
        raise DataError(
            f"the index of {family} is not made yet, and making it would count as reading; run "
            f"`algoperf-lite data index --workloads={family}` first"
        )
    threads, processes = [], []
    for number in workers:
        show(f"{family}: {_threads(number)}")
        # Another seed each time: files that were just read come from memory.
        order = _order(family, source, number, seed=number)
        threads.append(through_feed(source, order, number, _enough(seconds)))
        show(f"{family}: {number} process{'es' * (number > 1)}")
        processes.append(_processes(family, root, number, seconds))
    return dataclasses.replace(found, threads=tuple(threads), processes=tuple(processes))


def through_feed(
    source: Source,
    order: Order,
    num_workers: int,
    is_enough: Callable[[int, float], bool],
    pause: float = 0.0,
    warm_up: int = 1,
    begin: Callable[[], object] = lambda: None,
) -> Pace:
    """Takes batches as training does until enough are there.

    Args:
      num_workers: threads that read ahead; 0 for the caller's own.
      is_enough: of the batches that were taken, and the seconds since the first was asked for.
      pause: seconds of a step, in which the host only reads ahead.
      warm_up: batches before that: libraries are loaded, and what is ahead already is used up.
      begin: called when these are there.
    Raises what reading raises.
    """
    with Feed(source, order, num_workers) as feed:
        for t in range(warm_up):
            feed.get(t)
            time.sleep(pause)
        begin()
        waited, began, busy = feed.seconds_waited, time.perf_counter(), time.process_time()
        t, examples = warm_up, 0
        while not is_enough(t - warm_up, time.perf_counter() - began):
            feed.get(t)
            time.sleep(pause)
            # A row that packs several examples has -1 in its empty places.
            examples += int((order.plan.picks(t) >= 0).sum())
            t += 1
        elapsed = time.perf_counter() - began
        return Pace(
            max(1, num_workers),
            examples / elapsed,
            (time.process_time() - busy) / elapsed,
            (feed.seconds_waited - waited) / elapsed,
        )


def _order(family: str, source: Source, number: int, seed: int) -> Order:
    """Batches of a part of AlgoPerf's, in which each worker finds some rows."""
    whole = rates.batch_size(family, source)
    size = min(whole, max(int(SHARE * whole), _ROWS_PER_WORKER * number))
    return Order.of_training(source, size, seed)


def _enough(seconds: float) -> Callable[[int, float], bool]:
    return lambda batches, elapsed: batches >= _BATCHES and elapsed >= seconds


def _processes(family: str, root: Path, number: int, seconds: float) -> Pace:
    fresh = multiprocessing.get_context("spawn")
    with (
        fresh.Manager() as manager,
        concurrent.futures.ProcessPoolExecutor(number, fresh) as pool,
    ):
        barrier = manager.Barrier(number)
        # Other seeds, or all would read the same files one after the other.
        running = [
            pool.submit(_alone, family, root, seconds, seed, barrier) for seed in range(number)
        ]
        paces = [one.result() for one in running]
    rate, cores = (sum(getattr(pace, name) for pace in paces) for name in ("rate", "cores"))
    return Pace(number, rate, cores, sum(pace.waited for pace in paces) / number)


def _alone(family: str, root: Path, seconds: float, seed: int, barrier: threading.Barrier) -> Pace:
    """A process of one thread, which begins when all others are as far."""
    try:
        source = reader(family).source(root, "train")
        order = _order(family, source, 1, seed)
        begin = functools.partial(barrier.wait, _START_S)
        return through_feed(source, order, 0, _enough(seconds), begin=begin)
    except BaseException:
        barrier.abort()  # or the others would wait for this one
        raise
