"""What XLA made of a program, read from its text after all optimisation: kernels and loops."""

import dataclasses
import re
from collections.abc import Iterator

# These launch nothing: they name values, order them, or hold other computations.
_NO_KERNEL = frozenset(
    ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all")
    + ("add-dependency", "opt-barrier", "partition-id", "replica-id", "domain")
)
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = .*? ([a-z][a-z0-9\-]*)\(")
_BODY = re.compile(r"body=%?([\w.\-]+)")
_TRIP = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_CALLED = re.compile(r"(?:to_apply|calls|called_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TWO_BRANCHES = re.compile(r"(?:true|false)_computation=%?([\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class Loop:
    """A while loop: how often it runs, None where XLA cannot know; kernels of one iteration.

    On a GPU a loop that nobody knows the length of waits for the host before each iteration.
    """

    trips: int | None
    body: "Work"


@dataclasses.dataclass(frozen=True)
class Work:
    """Kernels launched outside of loops, and the loops."""

    kernels: int = 0
    loops: tuple[Loop, ...] = ()

    def __add__(self, other: "Work") -> "Work":
        return Work(self.kernels + other.kernels, self.loops + other.loops)

    @property
    def launches(self) -> int:
        """Kernels in all; a loop of unknown length counts once."""
        return self.kernels + sum((loop.trips or 1) * loop.body.launches for loop in self.loops)

    def each_loop(self) -> Iterator[Loop]:
        """Every loop, those inside others included."""
        for loop in self.loops:
            yield loop
            yield from loop.body.each_loop()


def read(text: str) -> Work:
    """The work of an optimized module, as `jax.stages.Compiled.as_text` returns it."""
    computations: dict[str, list[tuple[str, str]]] = {}
    entry = name = None
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            name = header[2]
            computations[name] = []
            entry = name if header[1] else entry
            continue
        instruction = _INSTRUCTION.match(line)
        if instruction and name:
            computations[name].append((instruction[1], line))
    if entry is None:
        raise ValueError("no ENTRY computation; expected the text of an optimized HLO module")
    return _work(computations, entry)


def _work(computations: dict[str, list[tuple[str, str]]], name: str) -> Work:
    return sum((_of(computations, *found) for found in computations.get(name, ())), Work())


def _of(computations: dict[str, list[tuple[str, str]]], operation: str, line: str) -> Work:
    # What was started elsewhere was counted there.
    if operation in _NO_KERNEL or operation.endswith(("-done", "-update")):
        return Work()
    if operation == "while":
        trips = _TRIP.search(line)
        body = _work(computations, _BODY.search(line)[1])
        return Work(loops=(Loop(int(trips[1]) if trips else None, body),))
    if operation == "conditional":
        branches = _BRANCHES.search(line)
        names = re.findall(r"[\w.\-]+", branches[1]) if branches else _TWO_BRANCHES.findall(line)
        # The dearest one: a branch that refreshes something every few steps must not go unseen.
        return max((_work(computations, name) for name in names), key=lambda work: work.launches)
    if operation in ("call", "async-start"):
        return _work(computations, _CALLED.search(line)[1])
    return Work(kernels=1)
