"""Modules, builtins and attributes that give a submission more than it should have."""

import ast
from collections.abc import Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding
from algoperf_lite.rules.static.access_table import (
    ATTRIBUTES,
    FORBIDDEN,
    REVIEWED,
    REVIEWED_ATTRIBUTES,
    USUAL,
    rule_of,
)
from algoperf_lite.rules.static.source import Source

_ONESELF = ("self", "cls")
_USUAL_OF_ONESELF = ("__class__", "__dict__")


def find(source: Source, requirements: frozenset[str]) -> Iterator[Finding]:
    """Imports, names and attributes of a file that the tables name."""
    reported = set()  # prefixes, so that what is imported is not reported at each use as well
    for node, path in source.imports:
        hit = _hit(path)
        if hit:
            prefix, rule, severity = hit
            reported.add(prefix)
            yield source.finding(rule, node, f"import of `{path}`", severity)
        elif not _is_declared(path, source, requirements):
            yield source.finding("undeclared-import", node, f"import of `{path}`")
    for node in source.nodes:
        if _is_whole_use(node, source):
            yield from _use(node, source, reported)
    yield from _attributes(source)


def _use(node: ast.AST, source: Source, reported: set[str]) -> Iterator[Finding]:
    for path in sorted(source.paths(node)):
        hit = _hit(path)
        if hit and hit[0] not in reported:
            yield source.finding(hit[1], node, f"`{path.removeprefix('builtins.')}`", hit[2])
    # A file that defines `open` itself may mean its own or the builtin, depending on the way taken.
    if isinstance(node, ast.Name) and not source.paths(node):
        hit = _hit(f"builtins.{node.id}")
        if hit and source.scopes.is_global(source.scopes.binding(node)):
            what = f"`{node.id}`, which the file also defines"
            yield source.finding(hit[1], node, what, NEEDS_REVIEW)


def _attributes(source: Source) -> Iterator[Finding]:
    for node, value, name in source.attributes():
        if name is None:
            # `hasattr` with a computed name reaches nothing; it only asks.
            if not source.calls(node, "builtins.hasattr"):
                what = f"`{source.text(node)}` computes an attribute's name"
                yield source.finding("dynamic-attribute", node, what, NEEDS_REVIEW)
        elif _is_harmless(node, value, name, source):
            continue
        elif name in ATTRIBUTES:
            yield source.finding(ATTRIBUTES[name], node, f"attribute `{name}`")
        elif name in REVIEWED_ATTRIBUTES:
            rule = REVIEWED_ATTRIBUTES[name]
            yield source.finding(rule, node, f"attribute `{name}`", NEEDS_REVIEW)


def _is_harmless(node: ast.AST, value: ast.AST, name: str, source: Source) -> bool:
    """Whether an attribute is one's own, as in a class's methods, or reported under its path."""
    if any(map(_hit, source.paths(node))):
        return True  # `_use` reports it, with the rule of the module
    parent = source.scopes.parents.get(node)
    if name == "__class__" and getattr(parent, "attr", None) == "__name__":
        return True  # for a message
    if name == "__doc__" and isinstance(getattr(node, "ctx", None), ast.Store):
        return True  # writing one hides nothing; only reading it back would
    is_own = isinstance(value, ast.Name) and value.id in _ONESELF
    if name in ("__setattr__", "__delattr__"):  # object.__setattr__(self, ...), super().__setattr__
        first = next(iter(getattr(parent, "args", [])), None)
        is_super = source.calls(value, "builtins.super")
        return is_super or is_own or (isinstance(first, ast.Name) and first.id in _ONESELF)
    return is_own and name in _USUAL_OF_ONESELF


def _is_whole_use(node: ast.AST, source: Source) -> bool:
    """Whether a node reads a name that is no part of a longer dotted one."""
    if not isinstance(node, ast.Name | ast.Attribute | ast.Call):
        return False
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return False
    parent = source.scopes.parents[node]
    return not (isinstance(parent, ast.Attribute) and parent.value is node)


def _hit(path: str) -> tuple[str, str, str] | None:
    """(prefix, rule, severity) where a dotted name is in the tables."""
    for table, severity in ((FORBIDDEN, VIOLATION), (REVIEWED, NEEDS_REVIEW)):
        found = rule_of(path, table)
        if found:
            return (*found, severity)
    return None


def _is_declared(path: str, source: Source, requirements: frozenset[str]) -> bool:
    # Packages are spelled in any case in requirements.txt, modules in one.
    root = path.partition(".")[0]
    return root in USUAL or path in source.helpers or root.lower() in requirements or _offered(path)


def _offered(path: str) -> bool:
    return rule_of(path, {path.partition(".")[0]: ""}) is None
