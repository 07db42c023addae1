"""The steps of a population: many trials of one program, in chunks, over all devices."""

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.machine.environment import available_cores
from algoperf_lite.population.sharding import MemberSharding
from algoperf_lite.spec import Array, Batch, PyTree
from algoperf_lite.training import compiled_steps, train_step
from algoperf_lite.training.compiled_steps import TrainState
from algoperf_lite.training.data_order import Batches


class Chunk(NamedTuple):
    """Members that advance together: every leaf has a leading axis, but not in a chunk of one."""

    state: TrainState
    traced: Mapping[str, Array]


Population = tuple[Chunk, ...]  # member i is number i % size in chunk i // size


class PopulationStepper:
    """Steps of several members, each with hyperparameters, seed, order of data and state.

    It is to them what `native_stepper.NativeStepper` is to one trial. Chunks advance one after
    another, and on a CPU as many at once as this process has cores. A member can neither wait for
    nor change another; one whose parameters are no longer finite stays by itself. Hyperparameters
    are part of the population, so new values need no new program.
    """

    def __init__(
        self,
        member_programs: compiled_steps.CompiledSteps,
        batches: Sequence[Batches],
        layout: MemberSharding,
    ):
        """`member_programs` are made for `layout`, see `stepper`; `batches` are each member's."""
        assert len(batches) == layout.num_members, (len(batches), layout)
        self.layout, self._programs = layout, member_programs
        # XLA runs what one thread has dispatched in turn, whatever cores there are; programs of
        # several devices, or of an accelerator, need no more than one.
        is_on_cores = jax.default_backend() == "cpu" and layout.num_devices == 1
        self._num_threads = len(available_cores()) if is_on_cores else 1
        self._rows = [_rows([batches[i] for i in chunk]) for chunk in layout.chunks]
        seeds = [np.array([batches[i].seed for i in chunk], np.uint32) for chunk in layout.chunks]
        self._seeds = [layout.placed(s if layout.chunk_size > 1 else s[0]) for s in seeds]

    @property
    def steps_per_dispatch(self) -> int:
        """See `compiled_steps.CompiledSteps`."""
        return self._programs.steps_per_dispatch

    def population(
        self, states: Sequence[TrainState], traced: Mapping[str, np.ndarray]
    ) -> Population:
        """The population of such members; `traced` holds (members,) values by hyperparameter.

        With one member a chunk its state is taken over, not copied.
        """
        values = self._by_chunk(traced)
        if self.layout.chunk_size == 1:
            return tuple(map(Chunk, map(self.layout.placed, states), values))
        # Written one after another into one buffer: stacking them would hold two copies of all.
        stacked = []
        for chunk in self.layout.chunks:
            whole = _repeated(states[chunk[0]], len(chunk))
            for i, member in enumerate(chunk[1:], 1):
                whole = _written(whole, states[member], i)
            stacked.append(self.layout.placed(whole))
        return tuple(map(Chunk, stacked, values))

    def compile(self, population: Population) -> None:
        """Compiles ahead of time, once for all chunks, and executes everything once on copies.

        Raises ValueError where a step would change the state's structure or types.
        """
        self.compile_for(self.member(population, 0))
        self.warm_up(population)

    def compile_for(self, member: Chunk) -> int:
        """Compiles for a population of such members, of which only shapes and types are looked at.

        Returns the bytes that a device needs while it advances them all, data included.
        """
        size = self.layout.chunk_size
        lead = (size,) if size > 1 else ()
        sharding = self._seeds[0].sharding
        state, traced = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype, sharding=sharding),
            member,
        )
        self._programs.compile(state, (traced, self._seeds[0]), self._rows[0])
        # The program knows of one chunk; the others wait beside it while it runs.
        held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((state, traced)))
        waiting = (len(self.layout.chunks) - 1) * held // self.layout.num_devices
        return self._programs.device_bytes().total + waiting

    def warm_up(self, population: Population) -> None:
        """Executes everything once on copies; see `compiled_steps.CompiledSteps.warm_up`."""
        constants = (population[0].traced, self._seeds[0])
        self._programs.warm_up(population[0].state, constants, self._rows[0])
        jax.block_until_ready(self.member(population, 0))
        jax.block_until_ready(self.member(self.prepare_for_eval(population, 0), 0))
        if self.layout.chunk_size > 1:
            jax.block_until_ready(self.select(population, range(self.layout.num_members)))
        else:
            jax.block_until_ready(_copied(population[0]))

    def advance(
        self,
        population: Population,
        first_step: int,
        num_steps: int,
        beat: Callable[[], None] = lambda: None,
        active: Sequence[bool] | None = None,
    ) -> Population:
        """The population after steps `first_step` .. `first_step + num_steps - 1`, from 0.

        Consumes `population` and does not block; `beat` is called once per dispatch. A chunk
        without a member that is `active` (default: all are) stays as it is and costs nothing.
        """

        def after(index: int) -> Chunk:
            state, traced = population[index]
            if self._is_active(index, active):
                state = self._programs.advance(
                    state,
                    (traced, self._seeds[index]),
                    self._rows[index],
                    first_step,
                    num_steps,
                    beat,
                )
            return Chunk(state, traced)

        indices = range(len(population))
        if self._num_threads == 1:
            return tuple(map(after, indices))
        with ThreadPoolExecutor(self._num_threads, "members") as pool:
            return tuple(pool.map(after, indices))

    def prepare_for_eval(
        self, population: Population, step: int, active: Sequence[bool] | None = None
    ) -> tuple[tuple[PyTree, PyTree] | None, ...]:
        """(params, model_state) to evaluate after `step` steps, for each chunk that has an active
        member; `member` takes one member's out. Does not block.

        They are the trained ones unless the submission says otherwise.
        """
        return tuple(
            self._programs.evaluated(
                chunk.state, (chunk.traced, self._seeds[index]), self._rows[index], step
            )
            if self._is_active(index, active)
            else None
            for index, chunk in enumerate(population)
        )

    def member(self, chunks: Sequence[PyTree], i: int) -> PyTree:
        """Member i's part of a population, or of what `prepare_for_eval` returned: no leading
        axis, on one device."""
        index, at = divmod(i, self.layout.chunk_size)
        if self.layout.chunk_size == 1:
            return chunks[index]
        found = _taken(chunks[index], at)
        return jax.device_put(found, self.layout.devices[0]) if self.layout.devices else found

    def with_hyperparameters(
        self, population: Population, traced: Mapping[str, np.ndarray]
    ) -> Population:
        """The population with other values, (members,) by hyperparameter; nothing is compiled."""
        values = self._by_chunk(traced)
        return tuple(map(Chunk, (chunk.state for chunk in population), values))

    def select(self, population: Population, parents: Sequence[int]) -> Population:
        """The population whose member i has the state and the hyperparameters that member
        `parents[i]` had, by one gather; seed and order of data stay with the place.

        Consumes `population` and does not block.
        """
        assert len(parents) == self.layout.num_members, (parents, self.layout)
        if self.layout.chunk_size == 1:
            # A step consumes its state, so only one member may have a parent's own buffers.
            return tuple(
                _copied(population[p]) if p in list(parents)[:i] else population[p]
                for i, p in enumerate(parents)
            )
        # In one gather over all chunks, since a parent may be in any of them.
        places = np.array([[parents[i] for i in chunk] for chunk in self.layout.chunks], np.int32)
        return tuple(self.layout.placed(_gathered(population, places)))

    def _by_chunk(self, traced: Mapping[str, np.ndarray]) -> list[Mapping[str, Array]]:
        """Each chunk's part of (members,) values, on the devices."""
        for name, values in traced.items():
            assert np.shape(values) == (self.layout.num_members,), (name, values)
        chunks = self.layout.chunks
        if self.layout.chunk_size == 1:
            chunks = tuple(member for (member,) in chunks)
        parts = ({n: v[np.asarray(chunk)] for n, v in traced.items()} for chunk in chunks)
        return [self.layout.placed(part) for part in parts]

    def _is_active(self, index: int, active: Sequence[bool] | None) -> bool:
        return active is None or any(active[i] for i in self.layout.chunks[index])


def stepper(
    training: train_step.TrainStep,
    data: Batch,
    batches: Sequence[Batches],
    mode: str,
    steps_per_dispatch: int,
    layout: MemberSharding,
) -> PopulationStepper:
    """The stepper of a population on shared `data`; see `compiled_steps.CompiledSteps`."""
    member_programs = training.programs_over(
        layout.shared(data), mode, steps_per_dispatch, layout.spread
    )
    return PopulationStepper(member_programs, batches, layout)


def stacked_points(points: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Numbers of each member's point, (members,) by name, as `train_step.split_point` types them.

    The points must agree in names and types.
    """
    traced = [train_step.split_point(point)[0] for point in points]
    return {name: np.stack([values[name] for values in traced]) for name in traced[0]}


def _rows(batches: Sequence[Batches]) -> compiled_steps.BatchIndices:
    if len(batches) == 1:
        return batches[0].indices
    # A member that pads has the rows of the one it copies.
    return lambda first, num: np.stack([order.indices(first, num) for order in batches])


@functools.partial(jax.jit, static_argnums=1)
def _repeated(tree: PyTree, times: int) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *leaf.shape)), tree)


@functools.partial(jax.jit, donate_argnums=0)
def _written(chunk: PyTree, tree: PyTree, i: Array) -> PyTree:
    return jax.tree.map(lambda leaves, leaf: leaves.at[i].set(leaf), chunk, tree)


@jax.jit
def _taken(chunk: PyTree, i: Array) -> PyTree:
    return jax.tree.map(lambda leaves: leaves[i], chunk)


@jax.jit
def _copied(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.copy, tree)


@jax.jit
def _gathered(population: Population, parents: Array) -> list[PyTree]:
    """For each row of `parents`, a chunk of copies of these members."""
    whole = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *population)
    return [_taken(whole, row) for row in parents]
