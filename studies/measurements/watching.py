"""What watching an experiment costs: processor time of `algoperf-lite watch` with viewers.

    python -m studies.measurements.watching [--viewers=20] [--directory=DIR]

Without a directory, one is made up in which two trials at a time get a row every second. With
--pairs=N the question is what it costs who is watched: N pairs of trials of the reference on
criteo1tb, one of each with the viewers and one without, in turns of changing order.
"""

import argparse
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

import workloads
from algoperf_lite.training.calibration import REFERENCE
from studies import script
from studies.measurements import reference

SMOKE = {"viewers": 2, "seconds": 2.0, "trials": 3, "pairs": 0}
WATCHED = "criteo1tb"
_HEADER = "accumulated_submission_time,global_step,validation/accuracy\n"
_WARM_UP = 5.0  # seconds, in which viewers hear the rest of what is known
_MOST_BYTES = 2**16  # that are read at once


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--viewers", type=int, default=1, help="pages that are open")
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring")
    parser.add_argument("--directory", type=Path, help="to watch; default: one that is made up")
    parser.add_argument("--trials", type=int, default=24, help="in a directory that is made up")
    parser.add_argument("--pairs", type=int, default=0, help="of trials, watched and not")


def run(args: argparse.Namespace) -> None:
    if args.pairs:
        _compare(args.pairs, args.viewers)
        return
    with contextlib.ExitStack() as stack:
        directory = args.directory
        if directory is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            directory = stack.enter_context(_growing(Path(folder), args.trials))
        watch = stack.enter_context(_watching(directory))
        _add_viewers(watch, args.viewers)
        time.sleep(_WARM_UP)
        began, before = time.monotonic(), watch.processor_seconds()
        time.sleep(args.seconds)
        took, spent = time.monotonic() - began, watch.processor_seconds() - before
        print(
            f"{args.viewers} viewers, {took:.0f} s: {spent:.2f} s of a core, "
            f"{100 * spent / took:.2f}%; {watch.process.memory_info().rss / 2**20:.0f} MiB"
        )


def _compare(pairs: int, viewers: int) -> None:
    """Prints on-clock milliseconds of a step with and without viewers, and the pairs' ratios."""
    found: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        _train(Path(folder, "first"), 0)  # what is cached is there from now on
        for pair in range(pairs):
            for is_watched in (True, False) if pair % 2 else (False, True):
                root = Path(folder, f"{pair}_{is_watched}")
                # Something to look at from the beginning.
                shutil.copytree(Path(folder, "first"), root)
                with contextlib.ExitStack() as stack:
                    if is_watched:
                        _add_viewers(stack.enter_context(_watching(root)), viewers)
                    found[is_watched].append(_train(root, 1 + pair))
    watched, alone = (1e3 * statistics.median(found[is_watched]) for is_watched in (True, False))
    print(
        f"{pairs} pairs, {viewers} viewers: {watched:.3f} ms a step watched, {alone:.3f} ms not; "
        f"ratio {reference.ratios(found[True], found[False])}"
    )


def _train(root: Path, study: int) -> float:
    """Seconds of a step of a trial of the reference, on its clock."""
    place = root / REFERENCE / f"study_{study}" / f"{WATCHED}_jax" / "trial_1"
    steps = workloads.load(WATCHED).step_hint // 2
    return reference.seconds_per_step(reference.trial(WATCHED, steps, place, study=study))


def _add_viewers(watch: "_Watch", count: int) -> None:
    """Opens so many pages, and returns when all have heard of the first trials."""
    has_heard = threading.Semaphore(0)
    for _ in range(count):
        own = (watch.address.replace("/?", "/events?"), has_heard)
        threading.Thread(target=_view, args=own, daemon=True).start()
    for _ in range(count):
        has_heard.acquire()


class _Watch:
    """A process of the command, and the address that it serves."""

    def __init__(self, process: psutil.Process, address: str):
        self.process, self.address = process, address

    def processor_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system


@contextlib.contextmanager
def _watching(directory: Path) -> Iterator[_Watch]:
    command = [sys.executable, "-m", "algoperf_lite", "watch", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            words = process.stdout.readline().split()
            if len(words) < 2:
                raise ValueError(f"{directory} cannot be watched; see above")
            yield _Watch(psutil.Process(process.pid), words[1])
        finally:
            process.terminate()


def _view(address: str, has_heard: threading.Semaphore) -> None:
    """Reads a stream until it ends, as a page does; tells when it hears of the first trials."""
    with contextlib.suppress(OSError), urllib.request.urlopen(address) as events:
        is_first = True
        while heard := events.read1(_MOST_BYTES):
            # Before them come signs of life, as long as the first look takes.
            if is_first and b"event: trials" in heard:
                has_heard.release()
                is_first = False


@contextlib.contextmanager
def _growing(directory: Path, num_trials: int) -> Iterator[Path]:
    """The time in which the last two of so many trials get a row every second."""
    logs = []
    for i in range(num_trials):
        folder = directory / f"submission_{i % 4}" / "study_0" / "digits_jax" / f"trial_{i}"
        folder.mkdir(parents=True)
        logs.append(folder / "eval_measurements.csv")
        rows = (f"{step / 10},{step},{0.9 - 1 / step}\n" for step in range(1, 40))
        logs[-1].write_text(_HEADER + "".join(rows))
    has_ended = threading.Event()

    def grow() -> None:
        step = 40
        while not has_ended.wait(1.0):
            step += 1
            for log in logs[-2:]:
                with log.open("a") as file:
                    file.write(f"{step / 10},{step},{0.9 - 1 / step}\n")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield directory
    finally:
        has_ended.set()
        thread.join()


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
