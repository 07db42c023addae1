"""Counts of a source file: sizes, nesting, arguments, comments, docstrings, types.

The definitions are those of the review that the limits come from. A function's lines are counted
without its docstring, since a long explanation makes no function hard to read.
"""

import ast
import dataclasses
from collections.abc import Iterable, Iterator

from tests.architecture.sources import Module

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEEPER = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Match)
_OF_THEIR_OWN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclasses.dataclass(frozen=True)
class FunctionSize:
    """One function or method.

    Attributes:
      place, name: where it begins and what it is called.
      lines: from `def` to its end, without the docstring.
      nesting: `for`, `while`, `if`, `with`, `try` and `match` inside each other; `elif` adds none.
      parameters: all of them but `self` and `cls`.
    """

    place: str
    name: str
    lines: int
    nesting: int
    parameters: int


@dataclasses.dataclass(frozen=True)
class Text:
    """Lines of a file by their kind, and what its public names and arguments lack.

    Attributes:
      code: lines that are neither blank, nor a comment alone, nor in a docstring.
      comments: lines with a comment, alone or behind code.
      docstrings: lines of docstrings.
      public, undocumented: public functions, classes and methods; those without a docstring.
      arguments, untyped: arguments but `self` and `cls`; those without an annotation.
    """

    code: int
    comments: int
    docstrings: int
    public: int
    undocumented: int
    arguments: int
    untyped: int


def num_lines(module: Module) -> int:
    return len(module.text.splitlines())


def functions(modules: Iterable[Module]) -> list[FunctionSize]:
    """The size of every function, those inside others and methods included."""
    return [
        FunctionSize(
            place=module.place(node.lineno),
            name=node.name,
            lines=node.end_lineno - node.lineno + 1 - len(_docstring_lines(node)),
            nesting=_nesting(node, 0),
            parameters=len(_arguments(node)) + bool(node.args.vararg) + bool(node.args.kwarg),
        )
        for module in modules
        for node in _functions(module.tree)
    ]


def text(module: Module) -> Text:
    """Counts of one file."""
    lines = module.text.splitlines()
    docstrings = set().union(*map(_docstring_lines, _documentable(module.tree)))
    alone = {number for number in module.comment_lines if lines[number - 1].lstrip()[:1] == "#"}
    filled = {number for number, line in enumerate(lines, 1) if line.strip()}
    public = list(_public(module.tree.body))
    arguments = [arg for node in _functions(module.tree) for arg in _arguments(node)]
    return Text(
        code=len(filled - docstrings - alone),
        comments=len(module.comment_lines),
        docstrings=len(docstrings),
        public=len(public),
        undocumented=sum(ast.get_docstring(node) is None for node in public),
        arguments=len(arguments),
        untyped=sum(arg.annotation is None for arg in arguments),
    )


def total(texts: Iterable[Text]) -> Text:
    """The sums over several files."""
    return Text(*(sum(column) for column in zip(*map(dataclasses.astuple, texts), strict=True)))


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _documentable(tree: ast.Module) -> list[ast.AST]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _docstring_lines(node: ast.AST) -> set[int]:
    first = node.body[0] if node.body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if is_text and isinstance(first.value.value, str):
        return set(range(first.lineno, first.end_lineno + 1))
    return set()


def _nesting(node: ast.AST, depth: int) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _OF_THEIR_OWN):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and [child] == node.orelse
        is_deeper = isinstance(child, _DEEPER) and not is_elif
        deepest = max(deepest, _nesting(child, depth + is_deeper))
    return deepest


def _arguments(node: Function) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument for argument in every if argument.arg not in ("self", "cls")]


def _public(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)
