"""Stand-ins for the modules that AlgoPerf's JAX submissions import.

While `installed()` is open, `algoperf` (v0.6 and later) and `algorithmic_efficiency` (v0.5) are
ours. Submissions import `spec` and `jax_sharding_utils` from them and nothing else. Files of v0.5
also call `jax.tree_map`, which JAX has dropped since; it is there meanwhile.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

NAMES = ("algoperf", "algorithmic_efficiency")


@contextlib.contextmanager
def installed(use_installed: bool = False) -> Iterator[None]:
    """The stand-ins under AlgoPerf's names until the context closes.

    Args:
      use_installed: leave a name alone whose real package is installed.
    """
    import jax

    from algoperf_lite.submission.algoperf_shim import jax_sharding_utils, spec

    # Some future or old JAX may have the name itself; then it is left alone, and stays at the end.
    has_tree_map = hasattr(jax, "tree_map")
    before = {name: found for name, found in sys.modules.items() if _is_algoperf(name)}
    names = [name for name in NAMES if not (use_installed and importlib.util.find_spec(name))]
    for name in names:
        # A real package that was imported before goes aside with its parts and comes back below.
        for loaded in [loaded for loaded in before if loaded.partition(".")[0] == name]:
            del sys.modules[loaded]
        package = ModuleType(name, __doc__)
        package.__path__ = []  # a package, in which nothing else is found
        for module in (spec, jax_sharding_utils):
            short = module.__name__.rpartition(".")[2]
            setattr(package, short, module)
            sys.modules[f"{name}.{short}"] = module
        sys.modules[name] = package
    if not has_tree_map:
        jax.tree_map = jax.tree.map
    try:
        yield
    finally:
        # Put back exactly: the next submission, and whoever has the real package, see no trace.
        if not has_tree_map:
            del jax.tree_map
        for name in [name for name in sys.modules if _is_algoperf(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _is_algoperf(module_name: str) -> bool:
    return module_name.partition(".")[0] in NAMES
