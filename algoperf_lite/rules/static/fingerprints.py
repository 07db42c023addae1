"""Settings looked up by a size or shape that is as good as the workload's name."""

import ast
from collections.abc import Callable, Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding
from algoperf_lite.rules.static.access_table import words
from algoperf_lite.rules.static.flow import spread
from algoperf_lite.rules.static.scopes import Binding
from algoperf_lite.rules.static.source import Source
from algoperf_lite.rules.static.tables import may_know_name

_SIZES = words("""
    shape shape_tuple size nbytes num_params step_hint batch_size num_train_examples
    num_eval_train_examples num_validation_examples num_test_examples eval_batch_size
    max_allowed_runtime_sec targets_per_example
""")
_KEEP_SIZES = frozenset(  # functions of which a size makes a size
    {"sum", "prod", "int", "float", "round", "abs", "max", "min", "sorted", "tuple", "list", "set"}
    | {"frozenset", "str", "hash", "item", "map", "leaves", "reduce", "flatten"}
    | {"tree_map", "tree_leaves", "tree_reduce", "tree_flatten"}
)
# An order, as in `size > 100`, holds for many workloads; equality with a size may hold for one.
_EXACT = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
# Ranks, heads and factors of two are small in any model. From 1000 on, sizes are widths and
# vocabularies, which few models share; beyond 100,000 hardly two do.
_SMALL, _LARGE, _HUGE = 8, 1000, 100_000
_ENORMOUS = 2**63  # no product or power of larger numbers is worked out: it could take for ever


def find(source: Source) -> Iterator[Finding]:
    """Comparisons with exact sizes, and tables keyed by them."""
    is_sized = _sized(source)
    for node in source.nodes:
        match node:
            case ast.Compare():
                yield from _comparison(source, node, is_sized)
            # `get_batch_size` is told the workload's name, so a table there betrays nothing.
            case ast.Dict(keys=[_, *_] as keys) if not may_know_name(node, source):
                yield from _keys(source, node, keys)
            case ast.Match(subject=subject, cases=cases):
                for case in cases:
                    for pattern, value in _pattern_values(case.pattern):
                        yield from _exact(source, pattern, value, is_sized(subject))


def _sized(source: Source) -> Callable[[ast.AST], bool]:
    """Tells whether an expression is made from sizes or shapes."""

    def carries(node: ast.AST | None, known: set[Binding]) -> bool:
        match node:
            case ast.Attribute(attr=name):
                return name in _SIZES
            case ast.Name():
                return source.scopes.binding(node) in known
            case ast.Call(func=ast.Name(id="len")):
                return True
            case ast.Call(func=function, args=arguments):
                name = getattr(function, "attr", getattr(function, "id", None))
                return name in _KEEP_SIZES and any(carries(a, known) for a in arguments)
            case ast.Subscript(value=part) | ast.Starred(value=part) | ast.NamedExpr(value=part):
                return carries(part, known)
            case ast.Lambda(body=part) | ast.GeneratorExp(elt=part) | ast.ListComp(elt=part):
                return carries(part, known)
            case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
                return carries(left, known) or carries(right, known)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(carries(part, known) for part in parts)
        return False

    known = spread(source, set(), carries)
    return lambda node: carries(node, known)


def _comparison(
    source: Source, node: ast.Compare, is_sized: Callable[[ast.AST], bool]
) -> Iterator[Finding]:
    sides = [node.left, *node.comparators]
    for one, other, operator in zip(sides, sides[1:], node.ops, strict=False):
        # The literal may stand on either side.
        for literal, compared in ((one, other), (other, one)):
            value = _literal(literal)
            if value is None:
                continue
            if isinstance(operator, _EXACT):
                members = isinstance(operator, ast.In | ast.NotIn) and isinstance(value, tuple)
                for single in value if members else (value,):
                    yield from _exact(source, node, single, is_sized(compared))
            elif isinstance(value, int) and abs(value) >= _HUGE and is_sized(compared):
                what = f"a size compared with {value}"
                yield source.finding("parameter-fingerprint", node, what, NEEDS_REVIEW)


def _exact(source: Source, node: ast.AST, value: object, is_sized: bool) -> Iterator[Finding]:
    """A finding about equality with a literal, where it is a large number or a shape."""
    if isinstance(value, tuple):
        numbers = [number for number in value if isinstance(number, int)]
        is_shape = len(value) > 1 and len(numbers) == len(value)
        largest = max(numbers, default=0)
    else:
        is_shape, largest = False, value if isinstance(value, int) else 0
    # Where the other side is not known to be a size, only a number that is hardly anything else
    # is worth a reader's time.
    if is_sized and largest > _SMALL:
        severity = VIOLATION if is_shape or largest >= _LARGE else NEEDS_REVIEW
        what = f"a {'shape' if is_shape else 'size'} compared with {value}"
        yield source.finding("parameter-fingerprint", node, what, severity)
    elif largest >= (_LARGE if is_shape else 10 * _HUGE):
        what = f"comparison with {value}"
        yield source.finding("parameter-fingerprint", node, what, NEEDS_REVIEW)


def _keys(source: Source, node: ast.Dict, keys: list[ast.AST | None]) -> Iterator[Finding]:
    literals = [_literal(key) for key in keys if key is not None]
    shapes = [key for key in literals if isinstance(key, tuple) and key]
    if len(shapes) > 1 and all(isinstance(n, int) for shape in shapes for n in shape):
        yield source.finding("parameter-fingerprint", node, "a table keyed by shapes")
    sizes = [key for key in literals if isinstance(key, int) and key >= _LARGE]
    if len(sizes) > 1 and not _is_schedule(node, source):
        what = "a table keyed by large numbers"
        yield source.finding("parameter-fingerprint", node, what, NEEDS_REVIEW)


def _is_schedule(node: ast.AST, source: Source) -> bool:
    """Whether a table is handed to an optax schedule, whose keys are steps."""
    calls = (a for a in source.scopes.ancestors(node) if isinstance(a, ast.Call))
    return any("optax.piecewise" in path for call in calls for path in source.paths(call.func))


def _literal(node: ast.AST) -> object:
    """The value of an int or of a tuple of literals (a list counts as one); None for the rest."""
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return value
        case ast.Constant(value=float(value)) if value.is_integer():
            return int(value)
        case ast.BinOp(left=left, op=ast.Pow() | ast.Mult(), right=right):
            one, other = _literal(left), _literal(right)
            if isinstance(one, int) and isinstance(other, int) and max(one, other) < _ENORMOUS:
                if isinstance(node.op, ast.Mult):
                    return one * other
                return one**other if 0 <= other < 64 else None
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return tuple(_literal(element) for element in elements)
    return None


def _pattern_values(node: ast.AST) -> Iterator[tuple[ast.AST, object]]:
    """(pattern, number or tuple of numbers) of what a case compares with."""
    match node:
        case ast.MatchValue(value=value):
            yield node, _literal(value)
        case ast.MatchSequence(patterns=patterns):
            parts = [found for part in patterns for found in _pattern_values(part)]
            yield node, tuple(value for _, value in parts)
        case ast.MatchOr(patterns=patterns):
            for part in patterns:
                yield from _pattern_values(part)
        case ast.MatchAs(pattern=ast.pattern() as part):
            yield from _pattern_values(part)
