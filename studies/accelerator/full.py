"""Section "full": one step of a workload at AlgoPerf's size, as a trial makes it and bare.

An item is "workload:precision". "own" is AlgoPerf's: products of float32 as TF32, and bfloat16 for
the language model; "bfloat16" is parameters in float32 and the model in bfloat16.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from algoperf_lite.spec import Array, Batch, PyTree, hyperparameters
from algoperf_lite.submission import native
from algoperf_lite.training import compiled_steps, streams, train_step
from algoperf_lite.training.calibration import REFERENCE
from studies.accelerator import published
from studies.accelerator.findings import Say
from studies.accelerator.made_batches import made_batch
from studies.measurements import bare_loops

# (way, share of AlgoPerf's batch): a quarter is what each of AlgoPerf's four cards takes. It comes
# first, since the peak of memory is that of the process so far.
MEASURED = (("native", 4), ("native", 1), ("bare", 1))
_LOOK_SECONDS = 1.0  # of steps that are waited for one by one
_RUN_SECONDS = 1.5  # of steps that are not
_SEED = np.uint32(0)
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "ALLOC_FAILED")


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled training step, with what makes its arguments.

    Attributes:
      way: "native", a trial's step; "bare", the one a researcher would write.
      share: the batch is AlgoPerf's divided by it.
      init: seed -> state; make: key -> batch; step: state, batch, *constants -> state, which
        consumes the state.
      constants: hyperparameters and seed of a trial, which its step takes as arguments.
      precision: of its products, "tf32" or "bfloat16".
    """

    way: str
    share: int
    size: int
    precision: str
    init: jax.stages.Compiled
    make: jax.stages.Compiled
    step: jax.stages.Compiled
    constants: tuple[Any, ...]
    trace_seconds: float
    compile_seconds: float


def prepare(item: str, tiny: bool, say: Say) -> Callable[[], None]:
    """Compiles an item's programs; returns what measures and says them."""
    name, precision = item.split(":")
    workload = loaded(name, "lite" if tiny else "full", precision)
    programs = [_compiled(workload, way, share) for way, share in MEASURED]

    def measure() -> None:
        for program in programs:
            try:
                found = _measured(program)
            except jax.errors.JaxRuntimeError as error:
                # A whole batch may not fit where a quarter does.
                if not any(word in str(error) for word in _OUT_OF_MEMORY):
                    raise
                found = {"error": str(error).strip().splitlines()[0][:200]}
            say(**_described(workload, program), **found)

    return measure


def loaded(name: str, scale: str, precision: str) -> Any:
    """The workload that computes in a precision, "own" or "bfloat16".

    Raises ValueError where its model has no choice.
    """
    workload = workloads.load(name, scale)
    if precision == "own":
        return workload
    if not hasattr(workload.config, "dtype"):
        raise ValueError(f"workload {name!r} computes in float32 only, not in {precision}")
    config = dataclasses.replace(workload.config, dtype=precision)
    return dataclasses.replace(workload, config=config)


def counted_flops(name: str) -> float:
    """XLA's count of the operations in one step at the whole batch; a loop's body counts once."""
    workload = workloads.load(name, "full")
    init, step, constants = _native(workload)
    make = functools.partial(made_batch, workload, workload.batch_size)
    shapes = jax.eval_shape(init, _SEED), jax.eval_shape(make, _key_shape())
    return jax.jit(step).lower(*shapes, *constants).cost_analysis()["flops"]


def _native(workload: Any) -> tuple[Callable, Callable, tuple[Any, ...]]:
    """(init, step, constants) of a trial of the reference, to be compiled."""
    entry = native.load(REFERENCE)
    traced, static = train_step.split_point(entry.self_tuning_point)
    training = train_step.TrainStep(workload, entry, static)

    def init(seed: Array) -> compiled_steps.TrainState:
        return training.init(traced, *_model(workload, seed))

    def step(
        state: compiled_steps.TrainState, batch: Batch, traced: PyTree, seed: Array
    ) -> compiled_steps.TrainState:
        return training.step(state, traced, batch, streams.step_key(seed, state.step))

    return init, step, (traced, _SEED)


def _bare(workload: Any) -> tuple[Callable, Callable, tuple[Any, ...]]:
    """The same without a harness, where hyperparameters are part of the program."""
    entry = native.load(REFERENCE)
    optimizer = entry.transformation(workload, hyperparameters(entry.self_tuning_point))

    def init(seed: Array) -> PyTree:
        params, model_state = _model(workload, seed)
        return params, model_state, optimizer.init(params), jnp.zeros((), jnp.int32)

    return init, lambda carry, batch: bare_loops.step(workload, optimizer, carry, batch)[0], ()


def _model(workload: Any, seed: Array) -> tuple[PyTree, PyTree]:
    return workload.init_model_fn(streams.key(seed, streams.INIT_STREAM))


def _compiled(workload: Any, way: str, share: int) -> Program:
    size = max(1, workload.batch_size // share)
    init, step, constants = {"native": _native, "bare": _bare}[way](workload)
    make = functools.partial(made_batch, workload, size)
    began = time.monotonic()
    shapes = jax.eval_shape(init, _SEED), jax.eval_shape(make, _key_shape())
    lowered = jax.jit(step, donate_argnums=0).lower(*shapes, *constants)
    traced = time.monotonic()
    compiled = lowered.compile()
    done = time.monotonic()
    return Program(
        way=way,
        share=share,
        size=size,
        precision=getattr(workload.config, "dtype", "float32").replace("float32", "tf32"),
        init=jax.jit(init).lower(_SEED).compile(),
        make=jax.jit(make).lower(_key_shape()).compile(),
        step=compiled,
        constants=constants,
        trace_seconds=traced - began,
        compile_seconds=done - traced,
    )


def _key_shape() -> jax.ShapeDtypeStruct:
    return jax.eval_shape(lambda: jax.random.key(0))


def _measured(program: Program) -> dict[str, Any]:
    batch = jax.block_until_ready(program.make(jax.random.key(1)))
    state = jax.block_until_ready(program.init(_SEED))
    constants = jax.device_put(program.constants)
    seconds, deadline = [], time.monotonic() + _LOOK_SECONDS
    while len(seconds) < 3 or (len(seconds) < 10 and time.monotonic() < deadline):
        began = time.perf_counter()
        state = jax.block_until_ready(program.step(state, batch, *constants))
        seconds.append(time.perf_counter() - began)
    # Without waiting for each, as in a trial.
    count = max(3, min(50, int(_RUN_SECONDS / min(seconds))))
    began = time.perf_counter()
    for _ in range(count):
        state = program.step(state, batch, *constants)
    jax.block_until_ready(state)
    per_step = (time.perf_counter() - began) / count
    params = jax.tree.leaves(state[1] if program.way == "native" else state[0])
    return {
        "seconds": per_step,
        "first_seconds": seconds[0],
        "blocking_seconds": statistics.median(seconds[1:]),
        # NaN would be computed as fast, but it would not be the workload.
        "finite": all(bool(jnp.isfinite(leaf).all()) for leaf in params),
        "peak_gb": _peak_gb(),
    }


def _peak_gb() -> float | None:
    """The most memory that this process had on the device so far; None where nobody counts."""
    found = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return None if found is None else found / 1e9


def _described(workload: Any, program: Program) -> dict[str, Any]:
    need = program.step.memory_analysis()
    return {
        "way": program.way,
        "batch": program.size,
        "share": program.share,
        "precision": program.precision,
        # Of AlgoPerf's sizes; None where --tiny has put small ones in their place.
        "flops": published.STEP_FLOPS[workload.name] / program.share
        if workload.scale == "full"
        else None,
        "trace_seconds": program.trace_seconds,
        "compile_seconds": program.compile_seconds,
        "temp_gb": need.temp_size_in_bytes / 1e9,
        "state_gb": need.argument_size_in_bytes / 1e9,
    }
