"""The platform that a program is traced for, known before it is compiled.

What is written for one platform alone is chosen while tracing and not by
`jax.lax.platform_dependent`, which traces every branch on every platform: cuDNN's layers can only
be traced where cuDNN is, and a program for a CPU should not change by what a GPU might run.
"""

import jax


def on_cuda() -> bool:
    """Whether programs traced now are for an NVIDIA GPU.

    Where one compiles for a device without having it, the abstract mesh in use says which
    (`jax.sharding.use_abstract_mesh`); otherwise it is JAX's default backend.
    """
    # Versions of JAX before 0.8 have no device there.
    device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    kind = device.device_kind if device is not None else jax.devices()[0].device_kind
    # AMD's cards are of the platform "gpu" as well.
    return "NVIDIA" in kind or "Tesla" in kind


def has_cudnn() -> bool:
    """Whether cuDNN is here to be asked about its layers, which JAX does while it traces."""
    return jax.default_backend() == "gpu" and on_cuda()
