"""The environment that a submission has of its own, seen from a process that runs in it."""

import functools
import importlib.metadata
import json
import sys
from pathlib import Path

MANIFEST = "algoperf_lite_environment.json"  # {distribution: version}, in the environment's folder
# Packages that are a part of the algorithm, as its author wrote it. Others, such as JAX, are what
# everybody's times are compared on.
_OF_THE_ALGORITHM = ("optax",)


@functools.cache
def own_packages() -> dict[str, str]:
    """{distribution: version} that this process has instead of, or beside, those of the harness.

    Empty for a process in no environment of a submission.
    """
    try:
        return json.loads((Path(sys.prefix) / MANIFEST).read_text())
    except FileNotFoundError:
        return {}


def comparable(versions: dict[str, str]) -> dict[str, str]:
    """Versions of packages as they would be without what belongs to the submission's algorithm."""
    replaced = [name for name in _OF_THE_ALGORITHM if name in own_packages()]
    return versions | {name: _behind(name) for name in replaced}


def _behind(name: str) -> str:
    # Distributions come in the order of sys.path, on which those of the harness lie behind.
    found = list(importlib.metadata.distributions(name=name))
    return found[-1].version if len(found) > 1 else "not installed"
