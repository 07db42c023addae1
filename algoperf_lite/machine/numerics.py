"""Numerics: the precision that a process computes in, and whether it repeats itself bit by bit.

Loads no JAX: all of it is environment variables of the process that trains.
"""

import dataclasses
import os
from collections.abc import Mapping

from algoperf_lite import did_you_mean
from algoperf_lite.machine import devices

PRECISIONS = ("float32", "tf32", "bfloat16")
PRECISION = "ALGOPERF_LITE_PRECISION"  # for the fingerprint
_MATMUL = "JAX_DEFAULT_MATMUL_PRECISION"
# Variables of the user's shell that say how products are computed: here the experiment says it.
_OVERRIDDEN = (_MATMUL, PRECISION, "NVIDIA_TF32_OVERRIDE")
# A GPU multiplies float32 as TF32 unless it is told otherwise, and a TPU as bfloat16. "float32" is
# XLA's HIGHEST; "tensorfloat32" is HIGH: TF32 on a GPU, three products of bfloat16 on a TPU.
_OF_PRODUCTS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "tensorfloat32"}
# Sums in no fixed order go, and with them Triton's products, whose kernel is chosen by timing.
_DETERMINISTIC = (
    "--xla_gpu_exclude_nondeterministic_ops=true",
    "--xla_gpu_enable_triton_gemm=false",
)


@dataclasses.dataclass(frozen=True)
class Numerics:
    """The numerics of a process.

    Attributes:
      precision: one of `PRECISIONS`; None for what is usual where the process runs: "tf32" on an
        accelerator, as in AlgoPerf, and "float32" on a CPU.
      deterministic: whether a GPU gives the same bits each time, at some cost in speed.
    """

    precision: str | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.precision is not None:
            did_you_mean.require(self.precision, PRECISIONS, "precision")

    @property
    def dtype(self) -> str | None:
        """The type that models compute in, see `workloads.load`; None for their own, which is
        AlgoPerf's: float32, but bfloat16 for the language model at full scale."""
        return None if self.precision == "tf32" else self.precision

    def resolved(self) -> "Numerics":
        """The same, with a precision in place of None: what is usual on this machine."""
        usual = "tf32" if devices.has_accelerator() else "float32"
        return dataclasses.replace(self, precision=self.precision or usual)

    def check(self) -> None:
        """Raises ValueError where the devices of this machine cannot compute like this."""
        # It would be float32 under another name, and not comparable with what it is called.
        if self.precision == "tf32" and not devices.has_accelerator():
            raise ValueError(
                "--precision=tf32 is of GPUs and TPUs, and this is a CPU, which multiplies in "
                "float32; use --precision=float32"
            )

    def remark(self) -> str | None:
        """A sentence for people about what these numerics do not change; None for nothing."""
        if self.deterministic and not devices.has_accelerator():
            return "--deterministic changes nothing on a CPU, whose bits repeat without it"
        return None

    def applied(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Environment variables of a process on this machine, with these numerics in them."""
        found = {name: value for name, value in variables.items() if name not in _OVERRIDDEN}
        precision, on_accelerator = self.resolved().precision, devices.has_accelerator()
        # On a CPU float32 is all there is: no variable, so that programs and keys stay the same.
        if on_accelerator:
            found[_MATMUL] = _OF_PRODUCTS[precision]
        if on_accelerator or precision != "float32":
            found[PRECISION] = precision
        if self.deterministic and on_accelerator:
            flags = (found.get("XLA_FLAGS", ""), *_DETERMINISTIC)
            found["XLA_FLAGS"] = " ".join(flags).strip()
        return found


USUAL = Numerics()


def recorded() -> dict[str, str]:
    """{"precision": name} of this process for its fingerprint; empty for float32 on a CPU."""
    # So that keys of machines from before there was a choice stay valid.
    return {"precision": os.environ[PRECISION]} if PRECISION in os.environ else {}
