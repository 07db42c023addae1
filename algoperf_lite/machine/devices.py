"""Accelerators of this machine, and the slots that trials run on. Loads no JAX.

JAX itself is not asked what there is: a process that asks takes the accelerator's memory.
"""

import dataclasses
import glob
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence

from algoperf_lite.machine.environment import available_cores

SIMULATED = "ALGOPERF_LITE_SIMULATED_GPUS"  # N processors of JAX's CPU backend play N GPUs
BACKEND = "ALGOPERF_LITE_BACKEND"  # what a slot's process has to find, as JAX calls it
# Of the device's memory; JAX's own 0.75 is too little for four of AlgoPerf's workloads on 80 GB.
MEMORY_FRACTION = "0.92"
_NAMES_OF_FRACTION = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")
_CUDA_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_ROCM_PLUGINS = ("jax_rocm60_plugin", "jax_rocm7_plugin")
# {chips of a process: how they lie}, as in JAX's own tests of several processes on a TPU host.
_TPU_BOUNDS = {1: "1,1,1", 2: "1,2,1", 4: "2,2,1", 8: "2,4,1"}


class WrongBackend(RuntimeError):
    """JAX found other devices than the process that started this one expects."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """The part of a machine that one trial runs on: some cores, or one accelerator or several.

    Attributes:
      cores: that its process is pinned to; none for no restriction.
      variables: of its process's environment, which show it its devices and no others.
      backend: that JAX has to find, as `jax.default_backend` calls it; None for any.
    """

    cores: tuple[int, ...] = ()
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    backend: str | None = None

    @property
    def has_accelerator(self) -> bool:
        return self.backend not in (None, "cpu") or SIMULATED in self.variables


@dataclasses.dataclass(frozen=True)
class Accelerators:
    """The accelerators that JAX would use here.

    Attributes:
      kind: "gpu" or "tpu", as JAX calls it.
      variable: by which a process is shown some of them; empty where there is no such.
      names: of each, as the variable wants them.
      is_simulated: whether JAX's CPU backend plays them, see `SIMULATED`.
    """

    kind: str
    variable: str
    names: tuple[str, ...]
    is_simulated: bool = False

    def slots(self, devices_per_slot: int | None) -> list[Slot]:
        """Slots of so many devices each, as many as there are; None for one with all of them.

        Raises ValueError, one sentence, for a number that cannot be had.
        """
        have, each = len(self.names), devices_per_slot or len(self.names)
        if each > have:
            raise ValueError(
                f"--devices_per_trial={each} is more than the {have} that there are "
                f"({self.kind.upper()} {', '.join(self.names)}); choose 1 to {have}"
            )
        if self.kind == "tpu" and each != have and each not in _TPU_BOUNDS:
            raise ValueError(
                f"--devices_per_trial={each} chips of a TPU do not lie in a rectangle; choose one "
                f"of {', '.join(map(str, _TPU_BOUNDS))}"
            )
        groups = [self.names[start : start + each] for start in range(0, have - each + 1, each)]
        return [
            Slot(cores, self._variables(names), "cpu" if self.is_simulated else self.kind)
            for names, cores in zip(groups, _shares_of_cores(len(groups)), strict=True)
        ]

    def _variables(self, names: Sequence[str]) -> dict[str, str]:
        found = {}
        # Whoever has them all is told nothing: what the user has set for the whole machine holds.
        if len(names) < len(self.names) and self.variable:
            found[self.variable] = ",".join(names)
            if self.kind == "tpu":
                bounds = {
                    "TPU_CHIPS_PER_PROCESS_BOUNDS": _TPU_BOUNDS[len(names)],
                    "TPU_PROCESS_BOUNDS": "1,1,1",
                    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # libtpu's lock knows nothing of chips
                }
                found |= bounds
        # JAX refuses both names at once.
        if self.kind == "gpu" and not any(os.environ.get(name) for name in _NAMES_OF_FRACTION):
            found[_NAMES_OF_FRACTION[0]] = MEMORY_FRACTION
        if self.is_simulated:
            found |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(len(names))}
            found[SIMULATED] = str(len(names))
        return found


def accelerators() -> Accelerators | None:
    """The accelerators that JAX would use here, of those that the user lets be seen."""
    if SIMULATED in os.environ:
        names = _visible("CUDA_VISIBLE_DEVICES", int(os.environ[SIMULATED]))
        return Accelerators("gpu", "CUDA_VISIBLE_DEVICES", names, is_simulated=True)
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return None
    # A device alone does not do: JAX uses it only where the plugin for it is installed.
    names = _visible("CUDA_VISIBLE_DEVICES", _num_nvidia())
    if names and _is_installed(*_CUDA_PLUGINS):
        return Accelerators("gpu", "CUDA_VISIBLE_DEVICES", names)
    chips = glob.glob("/dev/accel[0-9]*") or glob.glob("/dev/vfio/[0-9]*")
    names = _visible("TPU_VISIBLE_CHIPS", len(chips))
    if names and _is_installed("libtpu"):
        return Accelerators("tpu", "TPU_VISIBLE_CHIPS", names)
    # AMD's are not told apart here: one trial has all of them.
    if glob.glob("/dev/kfd") and _is_installed(*_ROCM_PLUGINS):
        return Accelerators("gpu", "", ("all",))
    return None


def has_accelerator() -> bool:
    """Whether JAX would compute on a GPU or a TPU here; a simulated one is neither."""
    found = accelerators()
    return found is not None and not found.is_simulated


def unused() -> str | None:
    """A sentence about GPUs that JAX cannot use, for people; None where there are none."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu") or accelerators() is not None:
        return None
    if not _visible("CUDA_VISIBLE_DEVICES", _num_nvidia()) or _is_installed(*_CUDA_PLUGINS):
        return None
    return (
        "this machine has an NVIDIA GPU that JAX cannot use, so trials run on the CPU; "
        "pip install 'algoperf-lite[gpu]' for it, or set JAX_PLATFORMS=cpu to hear no more of it"
    )


def check_backend() -> None:
    """Raises WrongBackend where JAX has not found here what this process's parent expects."""
    expected = os.environ.get(BACKEND)
    if not expected:
        return
    import jax  # only a process that trains is to load it

    found = jax.default_backend()
    if found != expected:
        raise WrongBackend(
            f"this process was to compute on {expected!r} and JAX has found {found!r} alone; its "
            "output has JAX's reasons: mend the driver or the plugin, or set JAX_PLATFORMS=cpu"
        )


def is_in_use() -> bool:
    """Whether JAX has looked for devices in this process, and has had its threads since."""
    # Asked of JAX's own module, as each public question would look for devices.
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()


def own() -> dict[str, str]:
    """The variables that say which of this machine's devices are this process's."""
    names = ("CUDA_VISIBLE_DEVICES", "TPU_VISIBLE_CHIPS")
    return {name: os.environ[name] for name in names if name in os.environ}


def _num_nvidia() -> int:
    """GPUs of NVIDIA that this system, or this container, has."""
    # Under WSL there is one file for all of them.
    return len(glob.glob("/dev/nvidia[0-9]*")) or len(glob.glob("/dev/dxg"))


def _visible(variable: str, count: int) -> tuple[str, ...]:
    """Names of the `count` devices, or those that the user's own variable lists."""
    listed = os.environ.get(variable)
    if listed is None or count == 0:
        return tuple(map(str, range(count)))
    names = []
    # CUDA's rule: what comes after the first name that is none is not seen.
    for name in map(str.strip, listed.split(",")):
        if not name or name.startswith("-") or name in ("NoDevFiles", "void", "none"):
            break
        names.append(name)
    return tuple(names)


def _is_installed(*packages: str) -> bool:
    return any(importlib.util.find_spec(package) is not None for package in packages)


def _shares_of_cores(num_slots: int) -> list[tuple[int, ...]]:
    """An equal share of this machine's cores for each slot; no restriction where that is one core,
    or all of them: compilation, autotuning and dispatch are not to wait for each other."""
    cores = available_cores()
    each = len(cores) // num_slots
    if num_slots == 1 or each < 2:
        return [()] * num_slots
    return [cores[i * each : (i + 1) * each] for i in range(num_slots)]
