"""Compilation ahead of time: the one place that all programs of a trial go through."""

import dataclasses

import jax


@dataclasses.dataclass(frozen=True)
class DeviceBytes:
    """The memory that a compiled program needs on each device, in bytes, as XLA planned it.

    Attributes:
      arguments, outputs: what goes in and what comes out.
      reused: the part of the arguments whose memory the outputs take over.
      temporaries: what exists only while the program runs.
      code: the program itself.
    """

    arguments: int
    outputs: int
    reused: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        """All that has to be there at once while the program runs."""
        return self.arguments + self.outputs - self.reused + self.temporaries

    def fits(self, free: int | None) -> bool:
        """Whether a device with so many bytes free, beside the arguments, which are there, has room
        for the rest; so it is for None, where nobody knows."""
        return free is None or self.total - self.arguments <= free


def compiled(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """The compiled form of a lowered program; takes seconds to minutes."""
    return lowered.compile()


def device_bytes(program: jax.stages.Compiled) -> DeviceBytes:
    """What XLA says that `program` needs."""
    need = program.memory_analysis()
    return DeviceBytes(
        need.argument_size_in_bytes,
        need.output_size_in_bytes,
        need.alias_size_in_bytes,
        need.temp_size_in_bytes,
        need.generated_code_size_in_bytes,
    )
