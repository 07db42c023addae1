"""Questions to a workload that a submission may not ask: its name, its insides, its targets."""

import ast
from collections.abc import Callable, Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, Finding
from algoperf_lite.rules.static.access_table import ATTRIBUTES, words
from algoperf_lite.rules.static.flow import is_workload
from algoperf_lite.rules.static.source import Source
from algoperf_lite.submission.workload_view import SEEN

# Our workloads' attributes, and what AlgoPerf's offer beyond them.
_OFFERED = frozenset(SEEN) | set(
    words("""
    eval_period_time_sec max_allowed_runtime_sec metrics_logger num_eval_train_examples
    output_activation_fn train_mean train_stddev
    """)
)
_IDENTITY = ("name", "workload_name", "base_name", "family", "config")
# A bound method as text contains its class, whose name is the workload's.
_METHODS = ("model_fn", "loss_fn", "init_model_fn", "is_output_params")
_NAMING_BUILTINS = ("str", "repr", "format", "ascii", "type", "vars", "dir")


def find(source: Source) -> Iterator[Finding]:
    """Attributes and conversions of the workload that tell more than a submission may know."""
    is_it = is_workload(source)
    for node, value, name in source.attributes():
        if name is None or name in ATTRIBUTES:
            continue
        # A dunder at the end of any chain from the workload leads to classes and modules.
        if name.startswith("__") and _begins_with(value, is_it):
            yield source.finding("workload-identity", node, f"`{name}` of the workload")
        elif is_it(value):
            yield from _attribute(source, node, name)
    for node in source.nodes:
        what = _conversion(source, node, is_it)
        if what:
            yield source.finding("workload-identity", node, what)


def _attribute(source: Source, node: ast.AST, name: str) -> Iterator[Finding]:
    if name in _IDENTITY:
        yield source.finding("workload-identity", node, f"`{name}` of the workload")
    elif name.startswith("_"):
        yield source.finding("workload-internals", node, f"private `{name}` of the workload")
    elif name not in _OFFERED:
        what = f"`{name}` of the workload is not among what a submission is given"
        yield source.finding("workload-internals", node, what, NEEDS_REVIEW)


def _conversion(source: Source, node: ast.AST, is_it: Callable[[ast.AST], bool]) -> str | None:
    """A conversion of the workload into something that could hold its name; None if none."""
    match node:
        case ast.FormattedValue(value=value) if _names_class(value, is_it):
            return "the workload as text"
        case ast.Call(func=function, args=[first, *_]) if _names_class(first, is_it):
            path = next(iter(source.paths(function)), "")
            # Files of AlgoPerf's form check so that they were given a workload.
            if path == "builtins.isinstance" and _is_own_interface(source, node.args[1:]):
                return None
            is_naming = path.removeprefix("builtins.") in (*_NAMING_BUILTINS, "isinstance")
            if is_naming or path.startswith("dataclasses."):
                return f"`{path.removeprefix('builtins.')}` of the workload"
    return None


def _is_own_interface(source: Source, classes: list[ast.AST]) -> bool:
    """Whether the classes are `spec.Workload` alone, which tells nothing."""
    return all(
        any(path.endswith("spec.Workload") for path in source.paths(found)) for found in classes
    )


def _names_class(node: ast.AST, is_it: Callable[[ast.AST], bool]) -> bool:
    """Whether an expression is the workload or a method of it."""
    is_method = isinstance(node, ast.Attribute) and node.attr in _METHODS
    return is_it(node) or (is_method and is_it(node.value))


def _begins_with(node: ast.AST, is_it: Callable[[ast.AST], bool]) -> bool:
    """Whether a chain of attributes begins with the workload."""
    while isinstance(node, ast.Attribute) and not is_it(node):
        node = node.value
    return is_it(node)
