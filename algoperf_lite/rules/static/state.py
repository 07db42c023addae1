"""Changes beyond a submission's own variables: to other modules, the workload, its own module."""

import ast
from collections.abc import Callable, Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, Finding
from algoperf_lite.rules.static.access_table import words
from algoperf_lite.rules.static.flow import is_workload
from algoperf_lite.rules.static.source import Source
from algoperf_lite.rules.static.tables import MAY_KNOW_NAMES

# Calls whose result is a function. Keeping a jitted function between trials saves its compilation
# and keeps no result of training.
MAKE_FUNCTIONS = words("""
    jax.jit jax.pmap jax.vmap jax.grad jax.value_and_grad jax.checkpoint jax.remat jax.linearize
    jax.shard_map jax.experimental.shard_map.shard_map jax.numpy.vectorize numpy.vectorize
    jax.experimental.pjit.pjit functools.partial jax.tree_util.Partial functools.lru_cache
    functools.cache functools.wraps
""")
_COMPILING = ("lower", "compile")  # jax.jit(f).lower(...).compile() is a function as well
_MUTATORS = words("""
    append extend insert add setdefault update pop clear remove appendleft __setitem__
""")
_CONTAINERS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
_MAKE_CONTAINERS = words("""
    builtins.dict builtins.list builtins.set collections.defaultdict collections.deque
    collections.OrderedDict collections.Counter
""")
_DEPTH = 6  # of functions that make functions, as far as published files go and a bit beyond


def find(source: Source) -> Iterator[Finding]:
    """Assignments to what is not the submission's, or outlives a call."""
    is_it = is_workload(source)
    for node in source.nodes:
        for changed, value in _changes(node, source):
            yield from _change(source, node, changed, value, is_it)
    for node in source.nodes:
        if isinstance(node, ast.Global):
            for name in node.names:
                yield from _rebinding(source, node, name)


def _change(
    source: Source,
    node: ast.AST,
    changed: ast.AST,
    value: ast.AST | None,
    is_it: Callable[[ast.AST], bool],
) -> Iterator[Finding]:
    """Findings about setting an attribute or item of `changed`."""
    text = source.text(node)
    paths = source.paths(changed)
    if any(path == "jax.config" or path.endswith(".jax.config") for path in paths):
        yield source.finding("global-settings", node, f"assignment to `{text}`")
    elif any(_is_helpers(path, source) for path in paths):
        yield source.finding("trial-memory", node, f"assignment to `{text}`", NEEDS_REVIEW)
    elif paths or any(is_it(part) for part in _chain(changed)):
        yield source.finding("monkeypatch", node, f"assignment to `{text}`")
    elif _is_kept(source, changed) and not _is_function(value, source):
        yield _memory(source, node, f"`{text}` changes a value of the module")


def _rebinding(source: Source, node: ast.Global, name: str) -> Iterator[Finding]:
    """A finding where a function gives a module's name anything but a function."""
    # Values that the module itself gives the name, such as None, are no memory.
    function = source.scopes.scope_of(node)
    values = source.scopes.values.get((source.tree, name), [])
    given = [v for v in values if v is None or function in source.scopes.functions(v)]
    if not all(_is_function(value, source) for value in given):
        yield _memory(source, node, f"`global {name}`")


def _memory(source: Source, node: ast.AST, what: str) -> Finding:
    names = [getattr(function, "name", "") for function in source.scopes.functions(node)]
    # Where a file is told the workload's name, remembering anything may be remembering that.
    if any(name in MAY_KNOW_NAMES for name in names):
        return source.finding("workload-identity", node, f"{what} where the name is known")
    return source.finding("trial-memory", node, what, NEEDS_REVIEW)


def _changes(node: ast.AST, source: Source) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """(what a node changes, the new value) of assignments, `setattr` and changing methods."""
    match node:
        case ast.Attribute(value=changed, ctx=ast.Store() | ast.Del()):
            yield changed, _assigned(node, source)
        case ast.Subscript(value=changed, ctx=ast.Store() | ast.Del()):
            yield changed, _assigned(node, source)
        # setattr(module, name, value) is the assignment it stands for.
        case ast.Call(args=[changed, *rest]) if source.calls(
            node, "builtins.setattr", "builtins.delattr"
        ):
            yield changed, rest[-1] if len(rest) == 2 else None
        case ast.Call(func=ast.Attribute(value=changed, attr=name), args=args):
            if name in _MUTATORS and _holds_container(changed, source):
                yield changed, args[-1] if name == "setdefault" and args else None


def _assigned(target: ast.AST, source: Source) -> ast.AST | None:
    parent = source.scopes.parents[target]
    return parent.value if isinstance(parent, ast.Assign | ast.AnnAssign) else None


def _is_kept(source: Source, node: ast.AST) -> bool:
    """Whether a function reaches into a value that outlives its call: the module's, a default."""
    # A default is evaluated once, so a list there outlives every call.
    base = _chain(node)[-1]
    if not isinstance(base, ast.Name) or not any(source.scopes.functions(node)):
        return False
    parents = [source.scopes.parents.get(value) for value in _values(base, source) if value]
    is_default = any(isinstance(parent, ast.arguments) for parent in parents)
    return is_default or source.scopes.is_global(source.scopes.binding(base))


def _holds_container(node: ast.AST, source: Source) -> bool:
    """Whether a name stands for a container: optax transformations have an `update` as well."""
    if not isinstance(node, ast.Name):
        return False
    values = source.scopes.values.get(source.scopes.binding(node), ())
    return any(isinstance(v, _CONTAINERS) or source.calls(v, *_MAKE_CONTAINERS) for v in values)


def _is_function(node: ast.AST | None, source: Source, depth: int = _DEPTH) -> bool:
    """Whether an expression is a function, jitted or not, or None."""
    if node is None or not depth:
        return False
    match node:
        case ast.Lambda() | ast.FunctionDef() | ast.Constant(value=None):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Call() as inner, attr=name)):
            return name in _COMPILING and _is_function(inner, source, depth - 1)
        case ast.Call(func=ast.Call() as inner):  # functools.partial(jax.jit, ...)(f)
            return source.calls(inner, "functools.partial", "functools.lru_cache")
        case ast.Call(func=function):
            if source.calls(node, *MAKE_FUNCTIONS):
                return True
            return any(_returns_function(v, source, depth) for v in _values(function, source))
        case ast.Name():
            # All of its values: a name that may also hold an array is no function.
            values = _values(node, source)
            return bool(values) and all(_is_function(v, source, depth - 1) for v in values)
    return False


def _returns_function(node: ast.AST | None, source: Source, depth: int) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    returned = [
        found.value
        for found in ast.walk(node)
        if isinstance(found, ast.Return) and next(source.scopes.functions(found)) is node
    ]
    return bool(returned) and all(_is_function(v, source, depth - 1) for v in returned)


def _values(node: ast.AST, source: Source) -> list[ast.AST | None]:
    if not isinstance(node, ast.Name):
        return []
    return source.scopes.values.get(source.scopes.binding(node), [])


def _chain(node: ast.AST) -> list[ast.AST]:
    """a.b[c].d, a.b[c], a.b, a."""
    found = [node]
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
        found.append(node)
    return found


def _is_helpers(path: str, source: Source) -> bool:
    return any(path == helper or path.startswith(f"{helper}.") for helper in source.helpers)
