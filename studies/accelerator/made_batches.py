"""Random training batches of a workload's shapes, made on the device: timing needs no data set."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from algoperf_lite.spec import Array, Batch

_SENTENCES_PER_ROW = 4  # packed into a row of a translation batch
_UTTERANCE_TOKENS = {"full": 256, "lite": 12}


def made_batch(workload: Any, size: int, key: Array) -> Batch:
    """A batch of `size` examples with the shapes and types that the workload trains on.

    Values are uniform: the time of a step depends on shapes, and on how often rows of a table are
    hit, but not on what is learned. Traces under jit.
    """
    name = workload.name
    if name == "criteo1tb":
        return _clicks(workload, size, key)
    if name == "fastmri":
        shape = workload.example_batch()["inputs"].shape[1:]
        inputs, targets = jax.random.normal(key, (2, size, *shape))
        return {"inputs": inputs, "targets": targets}
    if name == "ogbg":
        return _graphs(workload, size, key)
    if name == "wmt":
        return _sentences(workload, size, key)
    if name == "finewebedu_lm":
        shape = (size, workload.config.seq_len + 1)
        tokens = _integers(key)(shape, 0, workload.config.vocab_size)
        return {"inputs": tokens[:, :-1], "targets": tokens[:, 1:]}
    if name.startswith("librispeech"):
        return _utterances(workload, size, key)
    return _pictures(workload, size, key)


def _integers(key: Array) -> Callable[..., Array]:
    """A source of arrays of integers, each from a key of its own."""
    keys = iter(jax.random.split(key, 8))

    def draw(shape: tuple[int, ...], low: int, high: int, dtype: Any = jnp.int32) -> Array:
        return jax.random.randint(next(keys), shape, low, high, jnp.int32).astype(dtype)

    return draw


def _clicks(workload: Any, size: int, key: Array) -> Batch:
    draw = _integers(key)
    counts = draw((size, 13), 0, 50, jnp.float32)
    categories = draw((size, 26), 0, workload.config.table_rows, jnp.float32)
    inputs = jnp.concatenate([counts, categories], axis=1)
    return {"inputs": inputs, "targets": draw((size,), 0, 2, jnp.float32)}


def _pictures(workload: Any, size: int, key: Array) -> Batch:
    draw = _integers(key)
    shape = workload.example_batch()["inputs"].shape[1:]
    # Bytes, as pixels travel and lie in memory.
    pixels = draw((size, *shape), 0, 256, jnp.uint8)
    return {"inputs": pixels, "targets": draw((size,), 0, workload.config.num_classes)}


def _utterances(workload: Any, size: int, key: Array) -> Batch:
    draw, length = _integers(key), _UTTERANCE_TOKENS[workload.scale]
    samples = workload.example_batch()["inputs"].shape[1]
    tokens = draw((size, length), 1, workload.config.vocab_size)
    return {
        "inputs": draw((size, samples), -3000, 3000, jnp.int16),
        "input_lengths": draw((size,), samples // 2, samples + 1),
        # A quarter of the padded length, so that even the shortest utterance has enough frames.
        "targets": jnp.where(jnp.arange(length) < length // 4, tokens, 0),
    }


def _graphs(workload: Any, size: int, key: Array) -> Batch:
    draw, example = _integers(key), workload.example_batch()
    nodes, edges = workload.config.max_nodes, workload.config.max_edges
    return {
        "inputs": draw((size, *example["inputs"].shape[1:]), 0, 2, jnp.int8),
        "edges": draw((size, *example["edges"].shape[1:]), 0, 2, jnp.int8),
        "senders": draw((size, edges), 0, nodes),
        "receivers": draw((size, edges), 0, nodes),
        "n_node": jnp.full(size, nodes, jnp.int32),
        "n_edge": jnp.full(size, edges, jnp.int32),
        "targets": draw((size, workload.config.num_outputs), 0, 2, jnp.float32),
    }


def _sentences(workload: Any, size: int, key: Array) -> Batch:
    draw, length = _integers(key), workload.config.row_len
    each = length // _SENTENCES_PER_ROW
    position = jnp.broadcast_to(jnp.arange(length) % each, (size, length))
    segment = jnp.broadcast_to(1 + jnp.arange(length) // each, (size, length))
    batch = {}
    for side in ("inputs", "targets"):
        # From 3 on: below are padding, end and start.
        batch[side] = draw((size, length), 3, workload.config.vocab_size)
        batch[f"{side}_position"], batch[f"{side}_segmentation"] = position, segment
    return batch
