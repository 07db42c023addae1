"""The devices that share a trial's batches: examples are spread, all else is whole on each."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from algoperf_lite.data.feed import HostBatch, Order
from algoperf_lite.spec import Batch, PyTree

_AXIS = "batch"
_ROWS = 4  # of a program's arguments: state, hyperparameters, seed, data, rows, and steps


@dataclasses.dataclass(frozen=True)
class DataParallel:
    """Devices that take equal parts of every batch.

    Parameters, optimizer state and data set are replicated; XLA adds the reductions. A batch means
    what it means on one device: statistics over it are over all of it.

    Attributes:
      devices: of all processes, equally many of each. Empty for each process's default device, on
        which programs and arrays are those of a trial that knows of no layout.
    """

    devices: tuple[jax.Device, ...] = ()

    @classmethod
    def over(cls, devices: Sequence[jax.Device], batch_size: int) -> "DataParallel":
        """As many of `devices` as divide a batch evenly, equally many of each process.

        Where that would be one device, or none of some process, each process computes everything
        on its default device.
        """
        by_process: dict[int, list[jax.Device]] = {}
        for device in devices:
            by_process.setdefault(device.process_index, []).append(device)
        for count in range(min(map(len, by_process.values())), 0, -1):
            used = tuple(device for own in by_process.values() for device in own[:count])
            if len(used) > 1 and batch_size % len(used) == 0:
                return cls(used)
        return cls()

    @property
    def num_devices(self) -> int:
        return max(1, len(self.devices))

    def spread(self, program: Callable, num_arguments: int) -> Callable:
        """A `compiled_steps.Parallelize`: the same program, its rows spread, its results whole."""
        if self.num_devices == 1:
            return program

        def on_spread_rows(*arguments: PyTree) -> PyTree:
            if num_arguments > _ROWS:
                before, rows, after = arguments[:_ROWS], arguments[_ROWS], arguments[_ROWS + 1 :]
                spread_rows = PartitionSpec(*[None] * (rows.ndim - 1), _AXIS)
                rows = jax.lax.with_sharding_constraint(rows, self._sharding(spread_rows))
                arguments = (*before, rows, *after)
            return program(*arguments)

        return self.whole(on_spread_rows)

    def spread_batch(self, tree: PyTree) -> PyTree:
        """Arrays of a batch that a program has made itself, spread as its rows are."""
        if self.num_devices == 1:
            return tree
        return jax.lax.with_sharding_constraint(tree, self._sharding(PartitionSpec(_AXIS)))

    def whole(self, program: Callable) -> Callable:
        """The same program on batches of `put_batch`, its results whole on each device."""
        if self.num_devices == 1:
            return program

        def together(*arguments: PyTree) -> PyTree:
            # A state goes into the next step, so it has to come out as it went in, whatever XLA
            # would prefer.
            found = program(*arguments)
            return jax.lax.with_sharding_constraint(found, self._sharding(PartitionSpec()))

        return together

    def part_of(self, order: Order) -> Order:
        """The order of those rows of each batch that this process's devices take."""
        own = [i for i, device in enumerate(self.devices) if _is_own(device)]
        if len(own) == len(self.devices):
            return order
        # Devices of a process are neighbours, see `over`.
        rows = len(order.plan.picks(0)) // self.num_devices
        return dataclasses.replace(order, rows=slice(own[0] * rows, (own[-1] + 1) * rows))

    def put_batch(self, batch: HostBatch) -> Batch:
        """A batch on the devices, each with its part; each process hands in its own rows."""
        if self.num_devices == 1:
            return jax.device_put(batch)
        place = self._sharding(PartitionSpec(_AXIS))
        return {
            name: jax.make_array_from_process_local_data(place, values)
            for name, values in batch.items()
        }

    def shared(self, tree: PyTree) -> PyTree:
        """`tree` on the devices, whole on each; every process has to hand in the same."""
        if self.num_devices == 1:
            return jax.device_put(tree)
        return jax.device_put(tree, self._sharding(PartitionSpec()))

    def own(self, tree: PyTree) -> PyTree:
        """This process's first device's part of arrays that are whole on each; no copy."""
        if self.num_devices == 1:
            return tree
        return jax.tree.map(lambda array: array.addressable_data(0), tree)

    def _sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(Mesh(np.asarray(self.devices), (_AXIS,)), spec)


def _is_own(device: jax.Device) -> bool:
    return device.process_index == jax.process_index()


SINGLE_DEVICE = DataParallel()
