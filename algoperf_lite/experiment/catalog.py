"""The catalog of what there is to run: names, each with the first line its author wrote."""

import ast
import dataclasses
from pathlib import Path

import workloads
from algoperf_lite import did_you_mean
from algoperf_lite.schedules.signatures import RESERVED, Signature, signatures
from algoperf_lite.submission import find
from scoring import benchmark

KINDS = ("workloads", "submissions", "schedules", "benchmarks")


@dataclasses.dataclass(frozen=True)
class Listed:
    """One thing there is.

    Attributes:
      kind: one of `KINDS`.
      name: as flags take it.
      line: what it is.
    """

    kind: str
    name: str
    line: str


def listed(kind: str | None = None) -> tuple[Listed, ...]:
    """Everything of a kind, or of all kinds. Raises ValueError for an unknown kind."""
    kinds = KINDS if kind is None else (did_you_mean.require(kind, KINDS, "kind"),)
    return tuple(
        Listed(kind, name, line) for kind in kinds for name, line in _described(kind).items()
    )


def _described(kind: str) -> dict[str, str]:
    """{name: one line}. Reads the files and runs none of them: that would load JAX."""
    if kind == "benchmarks":
        loaded = {name: benchmark.load(name) for name in benchmark.names()}
        return {
            name: f"{len(b.base_workloads)} base workloads: {', '.join(b.base_workloads)}"
            for name, b in loaded.items()
        }
    # Every kind describes itself where it is defined, so that a new one is listed at once.
    if kind == "schedules":
        return {name: found.line + _searched(found) for name, found in signatures().items()}
    if kind == "submissions":
        files = {name: find.locate(name) for name in find.names()}
        return {name: _first_line(ast.parse(path.read_text())) for name, path in files.items()}
    folder = Path(workloads.__file__).parent
    trees = {
        name: ast.parse((folder / name / "workload.py").read_text()) for name in workloads.names()
    }
    return {name: _first_line(tree) + _variants(tree) for name, tree in trees.items()}


def _searched(found: Signature) -> str:
    """' Can be searched: phi.' of a schedule with such parameters of its own, or nothing."""
    # Not warmup and end, which are there everywhere.
    own = [name for name in found.searched if name not in RESERVED[found.returns]]
    return f" Can be searched: {', '.join(own)}." if found.is_schedule and own else ""


def _variants(tree: ast.Module) -> str:
    """' Variants: a, b.' from the keys of a family's VARIANTS, or nothing."""
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(target, ast.Name) and target.id == "VARIANTS" for target in targets):
            keys = [key.value for key in node.value.keys]
            return f" Variants: {', '.join(keys)}." if keys else ""
    return ""


def _first_line(node: ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
