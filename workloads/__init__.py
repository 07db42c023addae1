"""Workloads, one folder per family: adding one is adding a folder, here or anywhere else.

A workload here goes by its name, "wmt" or "wmt_post_ln". One from elsewhere goes by the path of its
folder, "/data/my_family", a variant of it by "/data/my_family_gelu"; its name, `name_of`, is the
last part of that. Every function here takes either.
"""

import dataclasses
import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from algoperf_lite import did_you_mean as naming
from workloads import outside

DTYPES = ("float32", "bfloat16")
_FOLDER = Path(__file__).parent


def names(scale: str = "lite") -> list[str]:
    """The families that have a scale: folders here whose `workload.py` has it among its SCALES."""
    # Read and not imported, which would load JAX: the keys stand at the same place in each file.
    return [name for name in _families() if f'\n    "{scale}": ' in _source(name)]


def _families() -> list[str]:
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{outside.FILE}"))


def _source(family: str) -> str:
    return (_FOLDER / family / outside.FILE).read_text()


def variants(family: str) -> list[str]:
    """A family's variants, such as 'criteo1tb_layernorm'; imports its module."""
    return [f"{family}_{variant}" for variant in getattr(_module(family), "VARIANTS", {})]


def locate(name_or_path: str) -> str:
    """The workload that a user means, as all else here takes it: a path becomes absolute.

    A folder from elsewhere is looked at and not run; `load` says what is wrong inside.
    Raises ValueError with the nearest valid name, for a folder that is no workload, or for one
    whose name is taken by a workload here.
    """
    if not outside.is_path(name_or_path):
        return _check_name(name_or_path)
    path = outside.absolute(name_or_path)
    family = base_of(path)
    outside.check(path, None if family is None else Path(family))
    taken = base_of(name_of(path))
    if taken is not None:
        raise ValueError(
            f"workload {path!r} would be called {name_of(path)!r}, which means {taken!r} of "
            "algoperf-lite, or a variant of it; rename the folder"
        )
    return path


def _check_name(name: str) -> str:
    # A family is imported only to look at its variants.
    family = base_of(name)
    if name == family or (family and name in variants(family)):
        return name
    valid = _families() + (variants(family) if family else [])
    return naming.require(name, valid, "workload", ", or the path of a folder, as in ./my_family")


def name_of(workload: str) -> str:
    """What logs, leaderboards and benchmarks call it: 'my_family_gelu' for its path."""
    return os.path.basename(workload)


def is_outside(workload: str) -> bool:
    """Whether a workload is from elsewhere."""
    return outside.is_path(workload)


def source_sha256(workload: str) -> str | None:
    """A hash of the Python files of a workload from elsewhere; None for one of ours, which change
    with the version."""
    return outside.sha256(_folder(base_of(workload))) if is_outside(workload) else None


def load(
    name: str, scale: str = "lite", dtype: str | None = None, data_dir: str | None = None
) -> Any:
    """The workload `name` (a family or `<family>_<variant>`, or the path of either) at `scale`.

    Args:
      name: as `locate` gives it.
      dtype: of its model's activations and products, "float32" or "bfloat16"; None for the model's
        own, which is AlgoPerf's. See `workloads.layers`.
      data_dir: root of the data sets that are read from files.

    Raises ValueError for an unknown name, a scale the family does not have, a type that its model
    cannot compute in, or a folder from elsewhere that is none or cannot be imported.
    """
    name = locate(name)
    family = base_of(name)
    module = _module(family)
    naming.require(scale, module.SCALES, f"scale of workload {name_of(family)!r}")
    workload = module.SCALES[scale]
    found = multiplier(family, scale)
    if found is not None:
        workload = dataclasses.replace(workload, parameter_multiplier=found["value"])
    changes = {}
    if name != family:
        # Only here can a variant of a folder from elsewhere be looked for: the file has been run.
        naming.require(name, [family, *variants(family)], "workload")
        changes = dict(module.VARIANTS[name.removeprefix(f"{family}_")])
    if dtype is not None:
        changes |= _computing_in(dtype, workload)
    config = dataclasses.replace(workload.config, **changes)
    return dataclasses.replace(workload, name=name_of(name), config=config, data_dir=data_dir)


def _computing_in(dtype: str, workload: Any) -> dict[str, str]:
    """Changes of the config that let a model compute in a type."""
    naming.require(dtype, DTYPES, "type to compute in")
    if hasattr(workload.config, "dtype"):
        return {"dtype": dtype}
    # A family of somebody else's, written without a thought of this: its code is float32.
    if dtype == "float32":
        return {}
    raise ValueError(
        f"workload {workload.name!r} cannot compute in {dtype}, since its config has no field "
        "`dtype`; use --precision=float32 or tf32"
    )


def multiplier(family: str, scale: str) -> dict[str, Any] | None:
    """The parameter multiplier that was found for a family at a scale, and how: its part of
    `multipliers.json` in the family's folder, {"value": m, ...}; None where there is none.

    `algoperf-lite set_targets --stages=multipliers` writes it. What it is: `linen.LinenWorkload`.
    """
    path = multiplier_path(family)
    return json.loads(path.read_text()).get(scale) if path.is_file() else None


def multiplier_path(family: str) -> Path:
    """The file of a family's parameter multipliers, by scale."""
    return _folder(family) / "multipliers.json"


def base_of(name: str) -> str | None:
    """The family whose name is the longest prefix of `name`, None if there is none."""
    words = name_of(name).split("_")
    # The longest, since "librispeech" may be a family beside "librispeech_conformer".
    for count in range(len(words), 0, -1):
        family = os.path.join(os.path.dirname(name), "_".join(words[:count]))
        if (_folder(family) / outside.FILE).is_file():
            return family
    return None


def _folder(family: str) -> Path:
    return _FOLDER / family  # a path that is absolute stays what it is


def preload(*workload_names: str) -> None:
    """Imports the families of workloads, as `load` would; makes no data.

    What comes from elsewhere is left out: its files may do anything when they are imported.
    """
    for family in map(base_of, workload_names):
        if family is not None and not is_outside(family):
            _module(family)


# Imported by name when it is asked for: a family brings flax, its generators and its metrics.
def _module(family: str) -> ModuleType:
    if is_outside(family):
        return outside.module(Path(family))
    return importlib.import_module(f"workloads.{family}.workload")
