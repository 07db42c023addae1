"""Names in backticks lead somewhere: a docstring that outlived a move is worse than none."""

import ast
import builtins
import importlib.util
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.architecture.sources import PACKAGES, Module, Sources

SOURCES = Sources()
_DOTTED = re.compile(r"`([A-Za-z_]\w*(?:\.\w+)+)(?:\(\))?`")
_CLASSES = [
    node
    for module in SOURCES.modules.values()
    for node in module.tree.body
    if isinstance(node, ast.ClassDef)
]
_FILES = ("py", "json", "jsonl", "csv", "tsv", "png", "svg", "md", "txt", "npz", "toml")


@pytest.mark.parametrize("package", PACKAGES)
def test_names_in_backticks_exist(package):
    stale = [
        f"{module.place(line)}: `{name}`"
        for module in SOURCES.inside(package)
        for line, name in _mentioned(module)
        if not _exists(name, module)
    ]
    assert not stale, "\n".join(stale)


def _mentioned(module: Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of what docstrings and comments set in backticks."""
    with tokenize.open(module.path) as file:
        for token in tokenize.generate_tokens(file.readline):
            is_text = token.type == tokenize.STRING and token.string.startswith('"""')
            if is_text or token.type == tokenize.COMMENT:
                for offset, line in enumerate(token.string.splitlines()):
                    yield from ((token.start[0] + offset, name) for name in _DOTTED.findall(line))


def _exists(name: str, module: Module) -> bool:
    """Whether `name` is a file's, something of this module's own, of ours or of a package's."""
    head, *rest = name.split(".")
    if rest[-1] in _FILES or head in _identifiers(module.tree) or hasattr(builtins, head):
        return True
    if any(_leads(own, rest) for own in _called(head)):
        return True
    return not _called(head) and importlib.util.find_spec(head) is not None


def _called(head: str) -> list[Module | ast.ClassDef]:
    """Modules and classes of ours with this name, however deep they lie."""
    modules = [own for own in SOURCES.modules.values() if f".{own.name}".endswith(f".{head}")]
    return [*modules, *(found for found in _CLASSES if found.name == head)]


def _leads(start: Module | ast.ClassDef, rest: list[str]) -> bool:
    """Whether the names in `rest` lead from a module or a class to something that exists."""
    inner = isinstance(start, Module) and SOURCES.modules.get(f"{start.name}.{rest[0]}")
    if inner:
        return len(rest) == 1 or _leads(inner, rest[1:])
    body = start.tree.body if isinstance(start, Module) else start.body
    for part in rest:
        nodes = [node for node in body if part in _bound(node)]
        if not nodes:
            return False
        body = getattr(nodes[0], "body", [])
    return True


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement of a module or a class gives a meaning to."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    names = [found for found in ast.walk(node) if isinstance(found, ast.Name)]
    return {found.id for found in names if not isinstance(found.ctx, ast.Load)}


def _identifiers(tree: ast.Module) -> set[str]:
    """Whatever a file names in its code, which its docstrings may speak of: `config.hidden`."""
    nodes = list(ast.walk(tree))
    named = {node.arg for node in nodes if isinstance(node, ast.arg)}
    named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    named |= {node.name for node in nodes if isinstance(node, ast.alias)}
    named |= {node.asname for node in nodes if isinstance(node, ast.alias)}
    return named | {node.id for node in nodes if isinstance(node, ast.Name)}
