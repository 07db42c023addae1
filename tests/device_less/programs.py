"""The programs that are compiled: steps of every workload, submission and mode, and evaluations."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import workloads
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.spec import Batch, PyTree, Workload
from algoperf_lite.submission import find, native
from algoperf_lite.training import modes, streams, train_step
from algoperf_lite.training.data_order import Batches
from tests.device_less import full_batches, optimized, target

REFERENCE = "nadamw"
STEPS_PER_DISPATCH = 16
MEMBERS = 8  # of the population that "members" is the step of
# A mode of several steps a dispatch brings the program of a single one along.
KINDS = (*(mode for mode in modes.modes_on("gpu") if mode != "single"), "eval", "members")
LITE_ONLY = ("digits",)
SMALL = ("criteo1tb", "fastmri", "ogbg")  # at full scale; their memory is the natural one


@dataclasses.dataclass(frozen=True)
class Program:
    """One thing to compile.

    Attributes:
      workload, scale, submission: whose model and whose optimizer.
      kind: a mode of stepping; "members", a step of `MEMBERS` trials at once; or "eval".
      natural: for a card that holds anything, so that XLA recomputes nothing to save memory.
    """

    workload: str
    scale: str = "lite"
    submission: str = REFERENCE
    kind: str = "single"
    natural: bool = False

    @property
    def name(self) -> str:
        """Its name in the table."""
        parts = (self.workload, self.scale, self.submission, self.kind)
        return "/".join(parts) + ("/natural" if self.natural else "")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What XLA made of a program.

    Attributes:
      kernels: launched by a step (by a batch, of an evaluation); loops of unknown length count
        once.
      loops: [trips or None, kernels of an iteration] of each loop, outer ones first.
      megabytes: of a device's memory while it runs: arguments, results and temporaries.
      temporary: the temporaries' part of them.
    """

    kernels: int
    loops: list[list[int | None]]
    megabytes: int
    temporary: int


def every() -> Iterator[Program]:
    """All programs of the table, the most telling ones first."""
    families = workloads.names()
    yield from (Program(family, kind=KINDS[0]) for family in families)
    for family in families:
        if family not in LITE_ONLY:
            yield Program(family, "full")
            if family not in SMALL:
                yield Program(family, "full", natural=True)
    for kind in KINDS[1:]:
        yield from (Program(family, kind=kind) for family in families)
    for submission in find.names():
        if submission != REFERENCE:
            yield Program("finewebedu_lm", submission=submission, kind="single")


def rows(program: Program, where: str = "h100") -> dict[str, dict[str, Any]]:
    """The rows of the table that a program gives, by name; {"error": its first line} for one that
    does not compile. `where` is a target of `target.sharding`."""
    memory = target.UNLIMITED_BYTES if program.natural else target.H100_BYTES
    try:
        place = target.sharding(where, memory)
        with target.tracing(where):
            compile_one = _evaluation if program.kind == "eval" else _steps
            found = compile_one(program, place)
        return {name: dataclasses.asdict(measured(each, name)) for name, each in found.items()}
    # Whatever tracing, lowering or XLA raises is the finding: this program does not compile.
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return {program.name: {"error": text[:300]}}
    finally:
        jax.clear_caches()


def measured(compiled: jax.stages.Compiled, name: str) -> Measured:
    """What XLA made of a program with this name in the table."""
    work = optimized.read(compiled.as_text())
    need = compiled.memory_analysis()
    total = need.argument_size_in_bytes + need.output_size_in_bytes + need.temp_size_in_bytes
    return Measured(
        kernels=round(work.launches / _steps_of(name, work)),
        loops=[[loop.trips, loop.body.launches] for loop in work.each_loop()],
        megabytes=round((total - need.alias_size_in_bytes) / 1e6),
        temporary=round(need.temp_size_in_bytes / 1e6),
    )


def _steps_of(name: str, work: optimized.Work) -> int:
    """Steps that a dispatch makes; 1 where it is a loop of unknown length, which counts once."""
    kind = name.split("/")[3]
    if kind == "unrolled":
        return modes.UNROLLED_STEPS
    if kind in modes.MODES and kind != "single":
        # The loop over steps is the one that holds all the others.
        return max(work.loops, key=lambda loop: loop.body.launches).trips or 1
    return 1


def _steps(program: Program, place: jax.sharding.Sharding) -> dict[str, jax.stages.Compiled]:
    """The compiled steps of a program as the harness compiles them, by their names in the table."""
    workload = workloads.load(program.workload, program.scale)
    submission = native.load(program.submission)
    traced, static = train_step.split_point(submission.self_tuning_point)
    training = train_step.TrainStep(workload, submission, static)
    state = _on(place, jax.eval_shape(training.init, traced, *_model(workload)))
    constants = _on(place, (jax.tree.map(np.asarray, traced), np.uint32(0)))
    if program.scale == "full":
        return {program.name: _fed_step(training, state, constants, place)}
    data = _on(place, workload.dataset("train"))
    order = Batches(workload.num_train_examples, submission.batch_size(workload), seed=0)
    if program.kind == "members":
        spread = MemberSharding(MEMBERS, MEMBERS).spread
        steps = training.programs_over(data, "single", STEPS_PER_DISPATCH, spread)
        states, constants = _on(place, (state, constants), lead=(MEMBERS,))
        steps.compile(states, constants, lambda *span: np.stack([order.indices(*span)] * MEMBERS))
    else:
        steps = training.programs_over(data, program.kind, STEPS_PER_DISPATCH)
        steps.compile(state, constants, order.indices)
    return {_name(program, function.__name__): each for function, each in steps._compiled.items()}


def _name(program: Program, function: str) -> str:
    """The name of one of a mode's programs: most modes have single steps for what is left over."""
    kind = "evaluated" if function == "evaluated" else program.kind
    if function == "_one_step" and kind in modes.MODES:
        kind = "single"
    return dataclasses.replace(program, kind=kind).name


def _fed_step(
    training: train_step.TrainStep, state: PyTree, constants: PyTree, place: jax.sharding.Sharding
) -> jax.stages.Compiled:
    """The compiled step on a batch that is handed in: data of that size come from the host."""

    def step(state: PyTree, traced: PyTree, seed: Any, batch: Batch) -> PyTree:
        return training.step(state, traced, batch, streams.step_key(seed, state.step))

    batch = _on(place, full_batches.shapes(training.workload))
    return jax.jit(step, donate_argnums=0).lower(state, *constants, batch).compile()


def _evaluation(program: Program, place: jax.sharding.Sharding) -> dict[str, jax.stages.Compiled]:
    """The compiled evaluation of one batch."""
    workload = workloads.load(program.workload, program.scale)
    size = workload.eval_batch_size
    split = workload.eval_dataset("validation").items()
    batch = {name: jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype) for name, x in split}
    batch["weights"] = jax.ShapeDtypeStruct((size,), jnp.float32)

    def evaluate(params: PyTree, model_state: PyTree, batch: Batch) -> PyTree:
        return workload.eval_step(params, batch, model_state, jax.random.key(0))

    arguments = _on(place, (*_model(workload), batch))
    return {program.name: jax.jit(evaluate).lower(*arguments).compile()}


def _model(workload: Workload) -> tuple[PyTree, PyTree]:
    """Shapes of (params, model_state)."""
    return jax.eval_shape(lambda: workload.init_model_fn(jax.random.key(0)))


def _on(place: jax.sharding.Sharding, tree: PyTree, lead: tuple[int, ...] = ()) -> PyTree:
    """Shapes of a tree's arrays, there; `lead` goes before each."""

    def shape(leaf: Any) -> jax.ShapeDtypeStruct:
        dtype = jax.dtypes.canonicalize_dtype(leaf.dtype)  # 64 bits become 32, as on a device
        return jax.ShapeDtypeStruct((*lead, *leaf.shape), dtype, sharding=place)

    return jax.tree.map(shape, tree)
