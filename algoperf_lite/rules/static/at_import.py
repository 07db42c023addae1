"""Work that a file does while it is imported, before anything is timed."""

import ast
from collections.abc import Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding
from algoperf_lite.rules.static.access_table import words
from algoperf_lite.rules.static.source import Source
from algoperf_lite.rules.static.state import MAKE_FUNCTIONS

# Calls that define something or name a constant; each stands for what is below it, too. Those of
# optax make functions: what computes gets arrays, which another call must have made.
_DEFINITIONS = (
    *MAKE_FUNCTIONS,
    *words("""
        jax.custom_vjp jax.custom_jvp jax.custom_batching jax.named_call jax.named_scope jax.dtypes
        jax.tree_util.register_pytree_node jax.tree_util.register_pytree_node_class
        jax.tree_util.register_pytree_with_keys jax.tree_util.register_pytree_with_keys_class
        jax.tree_util.register_dataclass jax.tree_util.register_static jax.nn.initializers
        jax.lax.Precision jax.lax.GatherDimensionNumbers jax.lax.ConvDimensionNumbers
        flax.serialization.register_serialization_state flax.struct flax.linen.initializers
        chex.dataclass optax absl.logging
        numpy.finfo numpy.iinfo numpy.dtype numpy.float32 numpy.int32
        jax.numpy.finfo jax.numpy.iinfo jax.numpy.dtype jax.numpy.float32 jax.numpy.int32
        collections copy dataclasses decimal enum fractions functools itertools logging math
        operator re string types typing typing_extensions warnings
    """),
)
_BUILTINS = frozenset(
    words("""
        abs bool bytes classmethod dict divmod enumerate filter float frozenset hasattr int
        isinstance issubclass iter len list map max min object pow print property range reversed
        round set slice sorted staticmethod str sum super tuple zip
        Exception ValueError TypeError RuntimeError NotImplementedError ImportError
    """)
)
_METHODS = words("""
    add append copy defjvp defjvps defvjp def_vmap extend format get items join keys lower replace
    split strip update upper values
""")
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_COMPUTING = ("jax", "flax")


def find(source: Source) -> Iterator[Finding]:
    """Calls outside functions that are neither definitions nor constants."""
    for node in _executed(source.tree):
        if not isinstance(node, ast.Call) or _defines(node, source):
            continue
        # Training needs a loop and something that computes; a single call is more likely a
        # constant that the list above does not know.
        paths = source.paths(node.func)
        in_loop = any(isinstance(above, _LOOPS) for above in source.scopes.ancestors(node))
        computes = any(path.partition(".")[0] in _COMPUTING for path in paths)
        what = f"call of `{source.text(node.func)}` at import"
        if in_loop and computes:
            yield source.finding("work-at-import", node, f"{what}, in a loop", VIOLATION)
        else:
            yield source.finding("work-at-import", node, what, NEEDS_REVIEW)


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that importing the file evaluates; decorators and annotations are left out."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                # A body waits for its call, but defaults are evaluated at the definition.
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                stack += [default for default in defaults if default]
            case ast.ClassDef():
                stack += [*node.bases, *(word.value for word in node.keywords), *node.body]
            case ast.AnnAssign():
                stack += [node.value] if node.value else []
            # `if __name__ == "__main__":` is false for a file that is imported.
            case ast.If(
                test=ast.Compare(
                    left=ast.Name(id="__name__"),
                    ops=[ast.Eq()],
                    comparators=[ast.Constant(value="__main__")],
                )
            ):
                stack += node.orelse
            case _:
                stack += ast.iter_child_nodes(node)


def _defines(node: ast.Call, source: Source) -> bool:
    """Whether a call is a definition, a constant, or moves constants about."""
    paths = source.paths(node.func)
    if paths:
        return all(_is_definition(path) for path in paths)
    # `names.append(...)` of a name or a literal: nothing is known of its class, but the methods
    # that it is let off for compute nothing.
    if isinstance(node.func, ast.Attribute):
        base = node.func.value
        is_plain = isinstance(base, ast.Name | ast.Constant | ast.Dict) or (
            isinstance(base, ast.Call) and _defines(base, source)
        )
        return is_plain and node.func.attr in _METHODS
    if isinstance(node.func, ast.Call):  # functools.partial(jax.jit, static_argnums=0)(f)
        return source.calls(node.func, "functools.partial", "functools.lru_cache")
    return _is_own_class(node.func, source)


def _is_definition(path: str) -> bool:
    if path.startswith("builtins."):
        return path.removeprefix("builtins.") in _BUILTINS
    return any(path == name or path.startswith(f"{name}.") for name in _DEFINITIONS)


def _is_own_class(node: ast.AST, source: Source) -> bool:
    """Whether a call makes a tuple or dataclass that the file defines."""
    if not isinstance(node, ast.Name):
        return False
    values = source.scopes.values.get(source.scopes.binding(node), [])
    # A class with an `__init__` of its own could do anything when it is called.
    return bool(values) and all(
        isinstance(value, ast.ClassDef)
        and not any(getattr(part, "name", "") == "__init__" for part in value.body)
        or source.calls(value, "collections.namedtuple", "typing.NamedTuple", "enum.Enum")
        for value in values
    )
