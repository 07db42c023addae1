"""Section "populations": milliseconds of a step per member, by how many train as one program."""

from collections.abc import Callable

from algoperf_lite.population.chunk_size import member_seconds
from studies.accelerator.findings import Say
from studies.accelerator.lite import CHUNK
from studies.measurements import chunk_sizes

SIZES = (1, 2, 4, 8, 16, 32, 64)
_TINY = (1, 2)


def prepare(item: str, tiny: bool, say: Say) -> Callable[[], None]:
    """Compiles members of the workload `item` in chunks of each size; returns what times them."""
    sizes = _TINY if tiny else SIZES
    # Single steps: a chunk is large enough to hide its dispatch, and every mode has them.
    chunks = {size: chunk_sizes.chunk(item, "single", CHUNK, size) for size in sizes}

    def measure() -> None:
        say(seconds={size: member_seconds(*chunk) for size, chunk in chunks.items()})

    return measure
