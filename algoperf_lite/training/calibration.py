"""Calibration: how fast the reference submission steps on this machine."""

import dataclasses
import functools
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf_lite.machine import devices, heartbeat
from algoperf_lite.machine.fingerprint import fingerprint
from algoperf_lite.machine.numerics import USUAL, Numerics
from algoperf_lite.storage import atomic, cache
from algoperf_lite.training import modes

REFERENCE = "nadamw"

# Of a dispatch, at most: enough to hide its cost, and few where a loop is hopelessly slow. A number
# that does not follow from a measurement, as single steps are left over and may round otherwise.
LOOPED_STEPS = 8
DISPATCH_SECONDS = 1e-4  # cost of a dispatch, about; unrolling can save a step no more

# Among the seconds by mode: those of single steps whose batches never have to be waited for.
WITHOUT_WAITING = "single without waiting for data"
NUM_EVALS = 40  # of a trial, per step hint
_MEASURED_SECONDS = 0.4  # per sample: long against the clock's resolution and a timer interrupt
_SAMPLES = 5  # an odd number, whose median is one of them
_WARMUP_STEPS = 8
_SLOWDOWN_CUTOFF = 3.0  # times slower than the best way: a convolution in a loop takes minutes
_MIN_RELATIVE_GAIN = 0.03  # share of a step that is worth compiling another program for


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How the reference submission steps on this machine.

    Attributes:
      seconds_per_step: median, in the faster mode.
      mode: the faster of `modes.MODES`.
      steps_per_dispatch: at most, see `modes.dispatch_length`.
      seconds_by_mode: what decided; where batches are read on the way, with and without waiting.
      step_hint: of the workload; with seconds_per_step, the reference's time.
      key: of the fingerprint it holds for.
    """

    seconds_per_step: float
    step_hint: int
    mode: str
    steps_per_dispatch: int
    seconds_by_mode: Mapping[str, float]
    key: str


def calibrate(
    workload_name: str,
    scale: str,
    fresh: bool = False,
    beat: Callable[[], None] = lambda: None,
    numerics: Numerics = USUAL,
    data_dir: str | None = None,
) -> Calibration:
    """Measures the reference on a workload here, or recalls it; `fresh` measures anew.

    `beat` is called as a sign of life; `data_dir` is that of a trial. Raises ValueError for a
    workload that cannot be trained, or not in this precision, and `devices.WrongBackend` where JAX
    has not found what it should.
    """
    import workloads
    from algoperf_lite.training import collectives

    numerics.check()
    workload = workloads.load(workload_name, scale, numerics.dtype, data_dir)
    devices.check_backend()
    # Sizes and type are part of the name, and the text of a workload from elsewhere, which changes
    # without a version of ours: what changed is measured again. What else there is to precision is
    # in the fingerprint.
    content = f"{workload!r}{workloads.source_sha256(workload_name) or ''}"
    sizes = hashlib.sha256(content.encode()).hexdigest()[:8]
    folder = cache.folder() / "calibration" / fingerprint()["key"]
    path = folder / f"{workload.name}_{scale}_{sizes}.json"
    known = collectives.broadcast_from_first(None if fresh else _recalled(path))
    if known is not None:
        return Calibration(**known)
    with heartbeat.while_compiling(beat):
        calibration = _measure(workload, beat)
    if collectives.is_first() and cache.subfolder("calibration") is not None:
        try:
            atomic.write_json(path, dataclasses.asdict(calibration))
        except OSError as error:  # a full disk costs time at the next run, nothing else
            print(f"cannot keep the calibration in {path} ({error}); going on", file=sys.stderr)
    return calibration


def _recalled(path: Path) -> dict[str, Any] | None:
    import jax

    try:
        found = json.loads(path.read_text())
        worth_it = modes.modes_on(jax.default_backend())
        is_of_this_version = Calibration(**found).mode in worth_it
    except (OSError, ValueError, TypeError):
        return None
    return found if is_of_this_version else None  # to be measured and replaced


def _measure(workload: Any, beat: Callable[[], None]) -> Calibration:
    import jax

    from algoperf_lite.data.feed import Order
    from algoperf_lite.submission import native
    from algoperf_lite.training import collectives, residency, train_step
    from algoperf_lite.training.data_order import Batches
    from algoperf_lite.training.data_parallel import DataParallel
    from algoperf_lite.training.fed_steps import FedStepper
    from algoperf_lite.training.native_stepper import NativeStepper

    reference = native.load(REFERENCE)
    traced, static = train_step.split_point(reference.self_tuning_point)
    training = train_step.TrainStep(workload, reference, static)
    source, batch_size = workload.source("train"), reference.batch_size(workload)
    order = Order.of_training(source, batch_size, seed=0)
    layout = DataParallel.over(jax.devices(), len(order.plan.picks(0)))
    data = layout.shared(residency.arrays(source))
    params, model_state = layout.shared(train_step.init_model(workload, seed=0))
    state = jax.jit(layout.spread(training.init, 3))(traced, params, model_state)
    if data is None:
        fed = FedStepper(training, traced, source, order, residency.num_readers(), layout)
        seconds = _fed_seconds(fed, state, beat)
        found = seconds["single"], workload.step_hint, "single", 1, seconds
        return Calibration(*found, fingerprint()["key"])
    period = max(1, round(workload.step_hint / NUM_EVALS))
    batches = Batches(workload.num_train_examples, batch_size, seed=0)

    def timed(mode: str) -> Callable[[int], float]:
        """Seconds per step over a number of steps, by a program compiled here and now."""
        length = modes.dispatch_length(LOOPED_STEPS, [period])
        stepper = NativeStepper(training, traced, data, batches, mode, length, layout)
        stepper.compile(state)

        def seconds_per_step(num_steps: int) -> float:
            beat()
            # As a trial does it, which waits for the device at each evaluation. Where that is too
            # long, whole dispatches.
            length = stepper.programs.steps_per_dispatch
            stop = period if period <= num_steps else length * max(1, round(num_steps / length))
            pieces = range(max(1, round(num_steps / stop)))
            current = jax.block_until_ready(jax.tree.map(lambda x: x.copy(), state))
            began = time.perf_counter()
            for piece in pieces:
                current = jax.block_until_ready(stepper.advance(current, piece * stop, stop))
            found = (time.perf_counter() - began) / (len(pieces) * stop)
            # Process 0's, so that all processes draw the same conclusions from it.
            return collectives.broadcast_from_first(found)

        return seconds_per_step

    many, one, few = modes.modes_on(jax.default_backend())
    seconds = fastest({mode: timed(mode) for mode in (one, many)})
    is_short = seconds[one] < DISPATCH_SECONDS / _MIN_RELATIVE_GAIN
    if is_short and seconds[one] <= seconds[many]:
        seconds |= fastest({mode: timed(mode) for mode in (one, few)})
    mode = min(seconds, key=seconds.__getitem__)
    length = modes.steps_of(mode, LOOPED_STEPS)
    found = seconds[mode], workload.step_hint, mode, length, seconds
    return Calibration(*found, fingerprint()["key"])


def _fed_seconds(stepper: Any, state: Any, beat: Callable[[], None]) -> dict[str, float]:
    """Median seconds per step of a `FedStepper`: "single" with all that a trial waits for, and
    `WITHOUT_WAITING`."""
    import jax

    from algoperf_lite.training import collectives

    step = 0

    def sample(num_steps: int) -> tuple[float, float]:
        nonlocal state, step
        began = time.perf_counter()
        state = jax.block_until_ready(stepper.advance(state, step, num_steps, beat))
        step += num_steps
        took = time.perf_counter() - began
        return took / num_steps, (took - stepper.take_waited()) / num_steps

    try:
        stepper.compile(state)
        # One after the other without a rest: what was read ahead by then would be steps for free.
        first, _ = sample(_WARMUP_STEPS)
        count = collectives.broadcast_from_first(
            max(_WARMUP_STEPS, round(_MEASURED_SECONDS / first))
        )
        samples = [sample(count) for _ in range(_SAMPLES)]
    finally:
        stepper.close()
    medians = [statistics.median(column) for column in zip(*samples, strict=True)]
    return dict(
        zip(("single", WITHOUT_WAITING), collectives.broadcast_from_first(medians), strict=True)
    )


def fastest(ways: Mapping[str, Callable[[int], float]]) -> dict[str, float]:
    """Median seconds per step of each way.

    Ways slower than `_SLOWDOWN_CUTOFF` times the best after the warm-up are dropped.
    """
    first = {way: run(_WARMUP_STEPS) for way, run in ways.items()}
    in_race = [way for way in ways if first[way] < _SLOWDOWN_CUTOFF * min(first.values())]
    counts = {way: max(_WARMUP_STEPS, round(_MEASURED_SECONDS / first[way])) for way in in_race}
    samples: dict[str, list[float]] = {way: [] for way in in_race}
    # In turns, so that a machine that slows down meanwhile slows all ways down.
    for _ in range(_SAMPLES):
        for way in in_race:
            samples[way].append(ways[way](counts[way]))
    return first | {way: statistics.median(times) for way, times in samples.items()}


def preload(*workload_names: str) -> None:
    """Loads what calibrations load, for a template that forks them."""
    import workloads

    workloads.preload(*workload_names)


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """A calibration as a job of `executors`: {"workload", "scale", "fresh", "numerics", "data_dir"}
    -> its fields.

    Returns {"problem": sentence} for a workload that cannot be trained, such as one without data.
    """
    report(event="beat")
    try:
        beat = functools.partial(report, event="beat")
        found = calibrate(
            payload["workload"],
            payload["scale"],
            payload["fresh"],
            beat,
            Numerics(**payload["numerics"]),
            payload.get("data_dir"),
        )
    except (ValueError, devices.WrongBackend) as error:
        return {"problem": str(error)}
    return dataclasses.asdict(found)
