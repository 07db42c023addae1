"""What AlgoPerf's JAX submissions find around them, while they are loaded and called.

`algoperf` (v0.6 and later) and `algorithmic_efficiency` (v0.5) are ours: submissions import `spec`
and `jax_sharding_utils` from them and nothing else. Names that JAX has removed are back. Helper
modules are found by the names that the files import them by.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from algoperf_lite.submission import reading


@contextlib.contextmanager
def installed(path: Path) -> Iterator[None]:
    """The surroundings of the submission in the file `path`, until the context closes.

    Everything is put back exactly: the next submission, and whoever has AlgoPerf's own package,
    see no trace.
    """
    from algoperf_lite.submission.algoperf_shim import neighbours, put_back

    with neighbours.forgotten(_is_algoperf):
        _put_stand_ins()
        with put_back.removed_names(), neighbours.importable(path):
            yield


def _put_stand_ins() -> None:
    """AlgoPerf's package under both of its names; `forgotten` takes them away again."""
    from algoperf_lite.submission.algoperf_shim import jax_sharding_utils, spec

    for name in reading.ALGOPERF:
        package = ModuleType(name, __doc__)
        package.__path__ = []  # a package, in which nothing else is found
        for module in (spec, jax_sharding_utils):
            short = module.__name__.rpartition(".")[2]
            setattr(package, short, module)
            sys.modules[f"{name}.{short}"] = module
        sys.modules[name] = package


def _is_algoperf(module_name: str) -> bool:
    return module_name.partition(".")[0] in reading.ALGOPERF
