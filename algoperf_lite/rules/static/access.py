"""Modules, builtins and attributes that give a submission more than it should have."""

import ast
import sys
from collections.abc import Iterator

from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding
from algoperf_lite.rules.static.access_table import (
    ATTRIBUTES,
    FORBIDDEN,
    REVIEWED,
    REVIEWED_ATTRIBUTES,
    USUAL,
    is_below,
    rule_of,
)
from algoperf_lite.rules.static.source import Source

_ONESELF = ("self", "cls")
_USUAL_OF_ONESELF = ("__class__", "__dict__")


def find(
    source: Source, requirements: frozenset[str], elsewhere: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """Imports, names and attributes of a file that the tables name.

    Args:
      requirements: packages that requirements.txt names, spelled as modules.
      elsewhere: names that the submission's other files may mean things in this one by.
    """
    reported = set()  # prefixes, so that what is imported is not reported at each use as well
    used = [node for node in source.nodes if _is_whole_use(node, source)]
    paths = frozenset(path for node in used for path in source.paths(node))
    for node, path in source.imports:
        hit = _hit(path, source)
        if hit:
            reported.add(hit[0])
            yield from _import(node, path, source, paths, elsewhere)
        elif not _is_declared(path, source, requirements):
            # Where it is not installed, the file goes on without.
            severity = NEEDS_REVIEW if _is_optional(node, source) else VIOLATION
            yield source.finding("undeclared-import", node, f"import of `{path}`", severity)
    for node in used:
        yield from _use(node, source, reported)
    yield from _attributes(source)


def names_used(source: Source) -> frozenset[str]:
    """Names by which a file may mean something in another one that it imports."""
    found = {path.rpartition(".")[2] for _, path in source.imports}
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        # What a star import brings has no binding.
        elif isinstance(node, ast.Name) and source.scopes.binding(node) is None:
            found.add(node.id)
    return frozenset(found)


def _import(
    node: ast.Import | ast.ImportFrom,
    path: str,
    source: Source,
    paths: frozenset[str],
    elsewhere: frozenset[str],
) -> Iterator[Finding]:
    """The finding about an import that the tables name, by what the file does with it.

    An import alone reads no clock and opens no file. Something forbidden that is done with it is
    certain, an import that is not used is for a reader, and harmless uses are none of either.
    """
    prefix, rule, severity = _hit(path, source)
    uses = [used for used in paths if is_below(used, path) or is_below(used, prefix)]
    is_used = any(_hit(used, source) for used in uses) or bool(_bound(node, path) & elsewhere)
    # A class's name leads to it as well, and what is reached by that has no path.
    is_used = is_used or isinstance(source.scopes.scope_of(node), ast.ClassDef)
    # Modules of the harness hold targets and data, and are not for a submission to load.
    if is_used or rule == "harness-access":
        yield source.finding(rule, node, f"import of `{path}`", severity)
    elif not uses:
        what = f"import of `{path}`, which the file does not use"
        yield source.finding(rule, node, what, NEEDS_REVIEW)


def _bound(node: ast.Import | ast.ImportFrom, path: str) -> set[str]:
    """The names that an import binds for a dotted path."""
    own = [alias for alias in node.names if path.endswith(alias.name)]
    return {alias.asname or alias.name.partition(".")[0] for alias in own}


def _is_optional(node: ast.AST, source: Source) -> bool:
    """Whether the file catches the error of an import that finds nothing."""
    around = [above for above in source.scopes.ancestors(node) if isinstance(above, ast.Try)]
    caught = [handler.type for one in around for handler in one.handlers]
    return any(
        error is None or any(name in ast.unparse(error) for name in ("ImportError", "NotFound"))
        for error in caught
    )


def _use(node: ast.AST, source: Source, reported: set[str]) -> Iterator[Finding]:
    for path in sorted(source.paths(node)):
        hit = _hit(path, source)
        if hit and hit[0] not in reported:
            yield source.finding(hit[1], node, f"`{path.removeprefix('builtins.')}`", hit[2])
    # A file that defines `open` itself may mean its own or the builtin, depending on the way taken.
    if isinstance(node, ast.Name) and not source.paths(node):
        hit = _hit(f"builtins.{node.id}", source)
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
            # A class may call something of its own by a plain name, such as self.dataset.
            is_own = isinstance(value, ast.Name) and value.id in _ONESELF
            severity = NEEDS_REVIEW if is_own and not name.startswith("_") else VIOLATION
            yield source.finding(ATTRIBUTES[name], node, f"attribute `{name}`", severity)
        elif name in REVIEWED_ATTRIBUTES:
            rule = REVIEWED_ATTRIBUTES[name]
            yield source.finding(rule, node, f"attribute `{name}`", NEEDS_REVIEW)


def _is_harmless(node: ast.AST, value: ast.AST, name: str, source: Source) -> bool:
    """Whether an attribute is one's own, as in a class's methods, or reported under its path."""
    if any(_hit(path, source) for path in source.paths(node)):
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


def _hit(path: str, source: Source) -> tuple[str, str, str] | None:
    """(prefix, rule, severity) where a dotted name is in the tables."""
    for table, severity in ((FORBIDDEN, VIOLATION), (REVIEWED, NEEDS_REVIEW)):
        found = rule_of(path, table)
        if found:
            return (*found, severity)
    # Modules of Python's own that no table knows: none of them is for computing.
    root = path.partition(".")[0]
    is_own = any(is_below(helper, root) for helper in source.helpers)
    if root in sys.stdlib_module_names and root not in USUAL and not is_own:
        return None if rule_of(path, {root: ""}) is None else (root, "system-access", VIOLATION)
    return None


def _is_declared(path: str, source: Source, requirements: frozenset[str]) -> bool:
    # Packages are spelled in any case in requirements.txt, modules in one.
    root = path.partition(".")[0]
    return root in USUAL or path in source.helpers or root.lower() in requirements or _offered(path)


def _offered(path: str) -> bool:
    return rule_of(path, {path.partition(".")[0]: ""}) is None
