"""Data shipped inside the source: long strings, long tables of numbers, huge integers."""

import ast
from collections.abc import Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, Finding
from algoperf_lite.rules.static.source import Source, docstrings

# A long message has a few hundred characters, a table of coefficients a few dozen numbers; the
# smallest useful set of weights has thousands. The limits lie between.
MAX_CHARACTERS = 2_000  # of one string
MAX_CHARACTERS_IN_ALL = 4_000  # of all strings of a file
MAX_NUMBERS = 64  # of one table
MAX_NUMBERS_IN_ALL = 512  # of all tables of a file
MAX_BITS = 256  # of one integer
_CONTAINERS = (ast.List, ast.Tuple, ast.Set, ast.Dict)


def find(source: Source) -> Iterator[Finding]:
    """Literals larger than an algorithm needs."""
    yield from _texts(source)
    in_all = 0  # many small tables are one large one
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            bits = node.value.bit_length()
            if bits > MAX_BITS:
                yield source.finding("embedded-data", node, f"an integer of {bits} bits")
        elif isinstance(node, _CONTAINERS) and not _is_within(node, source):
            count = sum(map(_is_number, ast.walk(node)))
            in_all += count
            if count > MAX_NUMBERS:
                yield source.finding("embedded-data", node, f"a literal of {count} numbers")
    if in_all > MAX_NUMBERS_IN_ALL:
        what = f"literals of {in_all} numbers in all"
        yield source.finding("embedded-data", source.tree, what, NEEDS_REVIEW)


def _texts(source: Source) -> Iterator[Finding]:
    ignored = docstrings(source)  # of any length: nothing may read them (`REVIEWED_ATTRIBUTES`)
    in_all = sum(_length(node) for node in source.nodes if node not in ignored)
    if in_all > MAX_CHARACTERS_IN_ALL:
        what = f"texts of {in_all} characters in all"
        yield source.finding("embedded-data", source.tree, what, NEEDS_REVIEW)
    for node in source.nodes:
        if isinstance(node, ast.BinOp) and isinstance(source.scopes.parents[node], ast.BinOp):
            continue  # a + b + c is one text, reported at its outermost +
        if isinstance(node, ast.BinOp | ast.JoinedStr):
            size = sum(_length(part) for part in ast.walk(node))
        elif isinstance(source.scopes.parents.get(node), ast.BinOp | ast.JoinedStr):
            continue
        else:
            size = 0 if node in ignored else _length(node)
        if size > MAX_CHARACTERS:
            yield source.finding("embedded-data", node, f"a text of {size} characters")


def _length(node: ast.AST) -> int:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return len(node.value) if is_text else 0


def _is_number(node: ast.AST) -> bool:
    is_constant = isinstance(node, ast.Constant) and not isinstance(node.value, bool)
    return is_constant and isinstance(node.value, int | float | complex)


def _is_within(node: ast.AST, source: Source) -> bool:
    """Whether a container is an element of a larger one, which counts its numbers."""
    parent = source.scopes.parents.get(node)
    while isinstance(parent, ast.UnaryOp | ast.Starred):
        parent = source.scopes.parents[parent]
    return isinstance(parent, _CONTAINERS)
