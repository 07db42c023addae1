"""Shapes of a training batch at full scale, for which nobody has made data yet."""

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Workload
from workloads import base_of

_TEXT = ("", "_position", "_segmentation")  # of packed sentences: where each one is
_SPEECH_TOKENS = 256  # of an utterance's padded transcript, as in AlgoPerf
_SENTENCE = 256


def shapes(workload: Workload) -> dict[str, jax.ShapeDtypeStruct]:
    """A batch of `workload.batch_size` examples, as AlgoPerf's pipelines would hand it over."""
    family, size, cfg = base_of(workload.name), workload.batch_size, workload.config
    inputs = {
        name: jax.ShapeDtypeStruct((size, *one.shape[1:]), one.dtype)
        for name, one in workload.example_batch().items()
    }

    def of(dtype: type, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((size, *shape), dtype)

    if family.startswith("imagenet"):
        # Pixels travel and lie in memory as bytes.
        pixels = of(jnp.uint8, cfg.image_size, cfg.image_size, 3)
        return {"inputs": pixels, "targets": of(jnp.int32)}
    if family == "wmt":
        rows = [f"{name}{part}" for name in ("inputs", "targets") for part in _TEXT]
        return {row: of(jnp.int32, _SENTENCE) for row in rows}
    targets = {
        "criteo1tb": lambda: of(jnp.float32),
        "fastmri": lambda: inputs["inputs"],
        "finewebedu_lm": lambda: inputs["inputs"],
        "librispeech_conformer": lambda: of(jnp.int32, _SPEECH_TOKENS),
        "librispeech_deepspeech": lambda: of(jnp.int32, _SPEECH_TOKENS),
        "ogbg": lambda: of(jnp.float32, cfg.num_outputs),
    }
    return {**inputs, "targets": targets[family]()}
