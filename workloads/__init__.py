"""Workloads, one folder per family, found by name: adding one is adding a folder."""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean as naming

DTYPES = ("float32", "bfloat16")
_FOLDER = Path(__file__).parent


def names(scale: str = "lite") -> list[str]:
    """The families that have a scale: folders here whose `workload.py` has it among its SCALES."""
    # Read and not imported, which would load JAX: the keys stand at the same place in each file.
    return [name for name in _families() if f'\n    "{scale}": ' in _source(name)]


def _families() -> list[str]:
    return sorted(path.parent.name for path in _FOLDER.glob("*/workload.py"))


def _source(family: str) -> str:
    return (_FOLDER / family / "workload.py").read_text()


def variants(family: str) -> list[str]:
    """Full names of a family's variants, such as 'criteo1tb_layernorm'."""
    return [f"{family}_{variant}" for variant in _module(family).VARIANTS]


def check_name(name: str) -> str:
    """`name` itself if it names a workload; imports a family only to look at its variants.

    Raises ValueError with the nearest valid name.
    """
    family = base_of(name)
    if name == family or (family and name in variants(family)):
        return name
    return naming.require(name, _families() + (variants(family) if family else []), "workload")


def load(
    name: str, scale: str = "lite", dtype: str | None = None, data_dir: str | None = None
) -> Any:
    """The workload `name` (a family or `<family>_<variant>`) at `scale`.

    Args:
      dtype: of its model's activations and products, "float32" or "bfloat16"; None for the model's
        own, which is AlgoPerf's. See `workloads.layers`.
      data_dir: root of the data sets that are read from files, at full scale.

    Raises ValueError for an unknown name, a scale the family does not have, or a type that its
    model cannot compute in.
    """
    check_name(name)
    family = base_of(name)
    module = _module(family)
    naming.require(scale, module.SCALES, f"scale of workload {family!r}")
    workload = module.SCALES[scale]
    found = multiplier(family, scale)
    if found is not None:
        workload = dataclasses.replace(workload, parameter_multiplier=found["value"])
    changes = {}
    if name != family:
        changes = dict(module.VARIANTS[name.removeprefix(f"{family}_")])
    if dtype is not None:
        changes |= _computing_in(dtype, workload)
    config = dataclasses.replace(workload.config, **changes)
    return dataclasses.replace(workload, name=name, config=config, data_dir=data_dir)


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
    return _FOLDER / family / "multipliers.json"


def base_of(name: str) -> str | None:
    """The family whose name is the longest prefix of `name`, None if there is none."""
    # The longest, since "librispeech" may be a family beside "librispeech_conformer".
    return max(
        (family for family in _families() if name == family or name.startswith(f"{family}_")),
        key=len,
        default=None,
    )


# Imported by name when it is asked for: a family brings flax, its generators and its metrics.
def _module(family: str) -> Any:
    return importlib.import_module(f"workloads.{family}.workload")
