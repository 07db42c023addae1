"""The flow of a value through a file: assignments, and calls of the file's own functions."""

import ast
from collections.abc import Callable, Iterator

from algoperf_lite.rules.static.scopes import Binding
from algoperf_lite.rules.static.source import Source

_DEPTH = 4  # of functions wrapped in calls, as in jax.jit(functools.partial(f, x))
# Functions whose first argument is the workload, whatever they call it.
_NATIVE = ("optimizer", "schedule", "batch_size", "data_selection")
_ALGOPERF = ("init_optimizer_state", "data_selection")


def is_workload(source: Source) -> Callable[[ast.AST], bool]:
    """Tells whether an expression is the workload, under whatever name the file has for it."""

    def carries(node: ast.AST, known: set[Binding]) -> bool:
        if isinstance(node, ast.Name):
            return source.scopes.binding(node) in known
        return isinstance(node, ast.Attribute) and node.attr == "workload"

    starts = {binding for binding in source.scopes.values if binding[1] == "workload"}
    if source.is_entry:
        names = _ALGOPERF if source.function("update_params") else _NATIVE
        for function in filter(None, map(source.function, names)):
            starts |= {(function, argument.arg) for argument in _positional(function)[:1]}
    known = spread(source, starts, carries)
    return lambda node: carries(node, known)


def spread(
    source: Source, starts: set[Binding], carries: Callable[[ast.AST, set[Binding]], bool]
) -> set[Binding]:
    """`starts` and all bindings that are given an expression that `carries` what they do."""
    given = [(binding, v) for binding, values in source.scopes.values.items() for v in values if v]
    given += _passed(source)
    # Until nothing is added: an assignment further up may run after one further down.
    known = set(starts)
    while True:
        new = {binding for binding, value in given if carries(value, known)} - known
        if not new:
            return known
        known |= new


def function_of(node: ast.AST, source: Source, depth: int = _DEPTH) -> ast.AST | None:
    """The function of this file that is called by calling `node`, also under `jax.jit(f)`."""
    if depth and isinstance(node, ast.Call) and node.args:
        return function_of(node.args[0], source, depth - 1)
    if not depth or not isinstance(node, ast.Name):
        return None
    for value in source.scopes.values.get(source.scopes.binding(node), ()):
        if isinstance(value, ast.FunctionDef):
            return value
        found = function_of(value, source, depth - 1) if isinstance(value, ast.Call) else None
        if found:
            return found
    return None


def _passed(source: Source) -> Iterator[tuple[Binding, ast.AST]]:
    """(argument of a function of this file, what a call passes for it)."""
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        # functools.partial(f, x) passes x to f as f(x) would.
        function, arguments = function_of(node.func, source), node.args
        if source.calls(node, "functools.partial") and arguments:
            function, arguments = function_of(arguments[0], source), arguments[1:]
        if function is None:
            continue
        # Too many or too few arguments are an error of the file, not of its reader.
        for argument, value in zip(_positional(function), arguments, strict=False):
            yield (function, argument.arg), value
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield (function, keyword.arg), keyword.value


def _positional(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args]
