"""Settings looked up by the workload's name."""

import ast
import functools
import re
from collections.abc import Iterator

import workloads
from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, Finding
from algoperf_lite.rules.static.access_table import words
from algoperf_lite.rules.static.source import Source, docstrings

MAY_KNOW_NAMES = ("get_batch_size", "get_eval_batch_size")
_ALGOPERF = words("""
    criteo1tb fastmri imagenet_resnet imagenet_vit librispeech_conformer librispeech_deepspeech
    ogbg wmt finewebedu_lm mnist cifar
""")
# These may as well be names of parameters, so they count only where something is chosen by them.
_PARTS = frozenset({"resnet", "vit", "conformer", "deepspeech", "finewebedu"})


@functools.cache
def workload_pattern() -> re.Pattern:
    """A pattern of workloads' names, ours and AlgoPerf's: 'wmt', 'cifar10', 'ogbg_gelu'."""
    names = sorted({*_ALGOPERF, *workloads.names(), "imagenet", "librispeech", "criteo"})
    return re.compile(rf"({'|'.join(names)})\d*(_\w*)?", re.IGNORECASE)


def find(source: Source) -> Iterator[Finding]:
    """Names of workloads outside the functions that are given them."""
    ignored = docstrings(source)
    for node in source.nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if not isinstance(text, str) or node in ignored:
            continue
        is_name = bool(workload_pattern().fullmatch(text))
        if not (is_name or text.lower() in _PARTS) or may_know_name(node, source):
            continue
        chooses = _chooses(node, source)
        if is_name:
            severity = VIOLATION if chooses else NEEDS_REVIEW
            yield source.finding("workload-table", node, f"the workload's name {text!r}", severity)
        elif chooses:
            what = f"{text!r}, part of a workload's name"
            yield source.finding("workload-table", node, what, NEEDS_REVIEW)


def _chooses(node: ast.AST, source: Source) -> bool:
    """Whether a string is compared with something, or something is found by it."""
    # A list of names chooses like a single one: `name in ("ogbg", "wmt")`.
    parent = source.scopes.parents[node]
    while isinstance(parent, ast.Tuple | ast.List | ast.Set):
        node, parent = parent, source.scopes.parents[parent]
    match parent:
        case ast.Dict(keys=keys):
            return node in keys
        case ast.Compare() | ast.MatchValue() | ast.Subscript():
            return True
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in ("startswith", "endswith", "get", "find", "count", "index", "match")
        # dict(ogbg=...) has no string; f(names=('ogbg',)) has, and only passes it on.
        case ast.keyword():
            return False
    return isinstance(node, ast.Tuple | ast.List | ast.Set)


def may_know_name(node: ast.AST, source: Source) -> bool:
    """Whether a node is in a function that is given the name, or in a constant only it reads."""
    if _in_batch_size(node, source):
        return True
    statement = next((a for a in source.scopes.ancestors(node) if a in source.tree.body), None)
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    if not isinstance(target, ast.Name):
        return False
    # A table that only `get_batch_size` reads may stand above it.
    uses = [
        use
        for use in source.nodes
        if isinstance(use, ast.Name) and use.id == target.id and use is not target
    ]
    return bool(uses) and all(_in_batch_size(use, source) for use in uses)


def _in_batch_size(node: ast.AST, source: Source) -> bool:
    names = [getattr(function, "name", "") for function in source.scopes.functions(node)]
    return bool(names) and names[-1] in MAY_KNOW_NAMES
