"""Signatures of schedules: parameters, their ranges, and where a search draws them.

They are read from the source of `shapes` and `horizon`, which import JAX, and this does not.
"""

import ast
import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from algoperf_lite.schedules import ranges

# Arguments that `build` has at hand. A function with other arguments without a default is no
# schedule but something that schedules are made with.
_SUPPLIED = frozenset({"peak", "batch_size", "tokens_per_step", "warmup_steps"})


class Parameter(NamedTuple):
    """A parameter that may be given in text.

    Attributes:
      kind: its annotation: the name of an entry of `RANGES`, or "Shape".
      default: None for one that the function itself finds.
      searched: the dimension that a search draws it from, as in a submission's `search_space`;
        None for what cannot be searched.
    """

    kind: str
    default: Any
    searched: Mapping[str, Any] | None = None


# What `over` and `cool_down` take, and schedules of the step with them. The shares of AlgoPerf's
# own search spaces lie within that of the warmup.
_WARMUP = {
    "warmup": Parameter("Warmup", 0.05, ranges.log_between(0.01, 0.2)),
    "fixed_warmup": Parameter("Warmup", None),
}
_END = {"end": Parameter("End", 0.0, ranges.log_between(1e-3, 0.2))}
TAIL = {
    "decay": Parameter("Share", 0.0, ranges.log_between(0.05, 0.5)),
    "cooldown": Parameter("Shape", None),
}
# {what a function returns: what it takes in text beside its own parameters}
RESERVED = {
    "Shape": _WARMUP | _END,
    "HalfStep": _WARMUP | _END,
    "FlatShape": _WARMUP,
    "RisingShape": _END,
    "Schedule": _WARMUP | TAIL | _END,
}


class Range(NamedTuple):
    """The values that an annotation admits."""

    described: str
    example: str
    holds: Callable[[Any], bool]


RANGES = {
    "Scalar": Range("a number", "-0.5", lambda value: True),
    "Positive": Range("a number above 0", "2", lambda value: value > 0),
    "Share": Range("a share above 0, at most 1", "0.2", lambda value: 0 < value <= 1),
    "Warmup": Range("a share from 0 to below 1", "0.05", lambda value: 0 <= value < 1),
    "End": Range("a share from 0 to 1", "0.1", lambda value: 0 <= value <= 1),
    "Shares": Range(
        "ascending shares between 0 and 1, joined by +",
        "0.25+0.5",
        lambda values: all(a < b for a, b in itertools.pairwise((0.0, *values, 1.0))),
    ),
}


class Signature(NamedTuple):
    """A function of `algoperf_lite.schedules` as its source describes it."""

    line: str  # the first of its docstring
    returns: str
    required: frozenset[str]
    parameters: dict[str, Parameter]  # in text, the reserved ones included

    @property
    def is_schedule(self) -> bool:
        """Whether it has a name in text."""
        return self.required <= _SUPPLIED

    @property
    def searched(self) -> list[str]:
        """The parameters that can be searched."""
        return [name for name, found in self.parameters.items() if found.searched is not None]

    def default(self, parameter: str) -> Any:
        """0 for a parameter that there is not."""
        return self.parameters[parameter].default if parameter in self.parameters else 0.0


@functools.cache
def signatures() -> dict[str, Signature]:
    """{name: signature} of the public functions of `algoperf_lite.schedules`. Do not change it."""
    # Parsed and not imported, since the modules import JAX and the command line must not.
    folder = Path(__file__).parent
    nodes = itertools.chain.from_iterable(
        ast.parse((folder / module).read_text()).body for module in ("shapes.py", "horizon.py")
    )
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return {node.name: _signature(node) for node in functions if not node.name.startswith("_")}


def _signature(node: ast.FunctionDef) -> Signature:
    arguments, defaults = node.args.args, node.args.defaults
    num_required = len(arguments) - len(defaults)
    own = {
        argument.arg: _parameter(argument.annotation, ast.literal_eval(default))
        for argument, default in zip(arguments[num_required:], defaults, strict=True)
    }
    returns = ast.unparse(node.returns)
    return Signature(
        ast.get_docstring(node).partition("\n")[0],
        returns,
        frozenset(argument.arg for argument in arguments[:num_required]),
        own | RESERVED[returns],
    )


def _parameter(annotation: ast.expr, default: Any) -> Parameter:
    """The parameter of an annotation `Kind`, `Kind | None` or `Annotated[Kind, between(0, 1)]`."""
    searched = None
    if isinstance(annotation, ast.Subscript):
        annotation, call = annotation.slice.elts
        values = map(ast.literal_eval, call.args)
        searched = getattr(ranges, call.func.id)(*values)
    # An optional parameter's range is that of its type: `Positive | None` is `Positive` in text.
    return Parameter(ast.unparse(annotation).removesuffix(" | None"), default, searched)
