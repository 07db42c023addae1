"""The layout of a population's members: chunks that run together, spread over devices."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from algoperf_lite.spec import PyTree

_AXIS = "member"
# Of a program's arguments: state, hyperparameters, seed, data, rows, their span, and the step that
# losses are summed from. Data and steps are shared by all members.
_MEMBER_AXES = (0, 0, 0, None, 0, None, None)


@dataclasses.dataclass(frozen=True)
class MemberSharding:
    """How members are laid out: chunks of one size, each spread evenly over the devices.

    The last chunk is padded with copies of the last member, so that one program serves all.

    Attributes:
      num_members: at least 1.
      chunk_size: members that run as one program; a multiple of the number of devices. 1 is a
        trial's own program, run for member after member.
      devices: empty for the default device.
    """

    num_members: int
    chunk_size: int = 1
    devices: tuple[jax.Device, ...] = ()

    def __post_init__(self) -> None:
        if self.num_members < 1:
            raise ValueError(f"a population of {self.num_members} members; expected at least 1")
        if self.chunk_size < 1 or self.chunk_size % self.num_devices:
            raise ValueError(
                f"chunks of {self.chunk_size} members do not spread evenly over "
                f"{self.num_devices} devices; choose a multiple"
            )

    @classmethod
    def even(
        cls, num_members: int, most: int, devices: Sequence[jax.Device] = ()
    ) -> "MemberSharding":
        """The largest chunks of at most `most` members (or one per device), with least padding."""
        # First the fewest chunks, then the smallest size that needs no more of them.
        num_devices = max(1, len(devices))
        most = max(1, most // num_devices)  # from here on, of one device
        num_chunks = -(-num_members // (most * num_devices))
        size = -(-num_members // (num_chunks * num_devices))
        return cls(num_members, size * num_devices, tuple(devices))

    @property
    def num_devices(self) -> int:
        return max(1, len(self.devices))

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The members of each chunk, padding included."""
        last, size = self.num_members - 1, self.chunk_size
        starts = range(0, self.num_members, size)
        return tuple(tuple(min(start + i, last) for i in range(size)) for start in starts)

    def spread(self, program: Callable, num_arguments: int) -> Callable:
        """A `compiled_steps.Parallelize`: the same program for a chunk."""
        if self.chunk_size == 1:
            return program
        axes = _MEMBER_AXES[:num_arguments]
        together = jax.vmap(program, in_axes=axes)
        if self.num_devices == 1:
            return together
        # Members know nothing of each other: each device runs its share, and none communicates.
        shares = tuple(PartitionSpec() if axis is None else PartitionSpec(_AXIS) for axis in axes)
        return jax.shard_map(
            together,
            mesh=self._mesh,
            in_specs=shares,
            out_specs=PartitionSpec(_AXIS),
            check_vma=False,
        )

    def shared(self, tree: PyTree) -> PyTree:
        """`tree` on the devices, whole on each."""
        return jax.device_put(tree, self._sharding(PartitionSpec()))

    def placed(self, tree: PyTree) -> PyTree:
        """`tree`, with a leading axis of members unless the chunk has one, on the devices."""
        return jax.device_put(tree, self._sharding(PartitionSpec(_AXIS)))

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.asarray(self.devices), (_AXIS,))

    def _sharding(self, spec: PartitionSpec) -> NamedSharding | jax.Device:
        if self.num_devices == 1:
            # Named even where it is the default: a compiled step's results are bound to their
            # device, and jit compiles once more for arguments that are not.
            return (self.devices or jax.local_devices())[0]
        return NamedSharding(self._mesh, spec)
