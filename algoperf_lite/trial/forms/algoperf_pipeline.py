"""Batches and random keys for a submission in AlgoPerf's form, as its devices want them."""

import abc
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.source import Source
from algoperf_lite.spec import Array, Batch, PyTree, Workload
from algoperf_lite.submission.algoperf_shim import jax_sharding_utils
from algoperf_lite.training import compiled_steps, streams
from algoperf_lite.training.data_order import Batches

# Steps whose rows and random keys are made together: one by one, each would be a dispatch of its
# own on the submission's clock.
_KEYS_AT_ONCE = 256
# What batches have of numbers that something is divided by.
_SIZES = ("weights", "std", "volume_max", "n_node", "n_edge", "n_graph")


@dataclasses.dataclass(frozen=True)
class PmapLayout:
    """How arrays lie on the devices: "jit" or "pmap", see `AlgoPerfSubmission.layout`."""

    name: str

    @property
    def num_devices(self) -> int:
        return len(jax.devices())

    def replicate(self, tree: PyTree) -> PyTree:
        """Parameters or model state as a submission expects them."""
        if self.name == "jit":
            return jax_sharding_utils.replicate(tree)
        stacked = jax.tree.map(lambda x: jnp.stack([x] * self.num_devices), tree)
        return jax_sharding_utils.shard_along_batch_dim(stacked)

    def shape_batch(self, batch: Batch) -> Batch:
        """A global batch, in the devices' parts where they are a leading axis; traceable."""
        if self.name == "jit":
            return batch
        return jax.tree.map(lambda x: x.reshape(self.num_devices, -1, *x.shape[1:]), batch)

    def to_one_device(self, params: PyTree, model_state: PyTree) -> tuple[PyTree, PyTree]:
        """(params, model_state) for evaluation, on the first device."""
        # Devices have equal parameters, but each has gathered statistics of its own examples.
        if self.name == "pmap":
            params = jax.tree.map(lambda x: x[0], params)
            model_state = jax.tree.map(lambda x: jnp.mean(x, axis=0).astype(x.dtype), model_state)
        model_state = {} if model_state is None else model_state
        return jax.device_put((params, model_state), jax.devices()[0])


class InputPipeline(abc.ABC):
    """Training batches and random keys: the same as a native submission's with the same seed."""

    def __init__(self, seed: int):
        self._seed = np.uint32(seed)
        self._keys = jax.jit(jax.vmap(_keys, in_axes=(None, 0)))
        self._chunk_of_keys = functools.lru_cache(maxsize=2)(self._make_keys)

    @abc.abstractmethod
    def batch(self, position: int) -> dict[str, Array]:
        """Batch number `position`, augmented."""

    def keys(self, step: int) -> np.ndarray:
        """Raw keys of a step, uint32 (3, 2): for the update, data selection and evaluation."""
        chunk, row = divmod(step, _KEYS_AT_ONCE)
        return self._chunk_of_keys(chunk)[row]

    def dummy_batch(self) -> dict[str, Array]:
        """Zeros in the form of a batch: nothing can be learnt from it."""
        batch = self.batch(0)
        # Nothing of nothing would make a loss of 0 / 0, and a submission may well stop at a NaN.
        zeros = {
            name: values if name in _SIZES else jnp.zeros_like(values)
            for name, values in batch.items()
        }
        return jax.device_put(zeros, jax.tree.map(lambda x: x.sharding, batch))

    def rest(self) -> None:  # noqa: B027
        """Waits until nothing is read ahead any more."""

    def close(self) -> None:  # noqa: B027
        """Ends what reads ahead."""

    def _make_keys(self, chunk: int) -> np.ndarray:
        steps = np.arange(chunk * _KEYS_AT_ONCE, (chunk + 1) * _KEYS_AT_ONCE, dtype=np.int32)
        return np.asarray(self._keys(self._seed, steps))


class ResidentPipeline(InputPipeline):
    """Batches gathered on the devices, where the whole data set lies."""

    def __init__(self, workload: Workload, layout: PmapLayout, batches: Batches, data: Batch):
        super().__init__(batches.seed)
        self._rows = batches.indices
        self._data = jax_sharding_utils.replicate(dict(data))
        select = functools.partial(_select, workload, layout)
        sharding = jax_sharding_utils.get_batch_dim_sharding()
        self._select = jax.jit(select, out_shardings=sharding)
        self._chunk_of_rows = functools.lru_cache(maxsize=2)(self._make_rows)

    def batch(self, position: int) -> dict[str, Array]:
        chunk, row = divmod(position, _KEYS_AT_ONCE)
        rows = self._chunk_of_rows(chunk)
        return self._select(self._data, rows, self._seed, np.int32(position), np.int32(row))

    def _make_rows(self, chunk: int) -> Array:
        rows = self._rows(chunk * _KEYS_AT_ONCE, _KEYS_AT_ONCE)
        return jax_sharding_utils.replicate(rows)


class FedPipeline(InputPipeline):
    """Batches that threads read ahead, for the devices of this process."""

    def __init__(
        self,
        workload: Workload,
        layout: PmapLayout,
        source: Source,
        order: Order,
        num_workers: int,
    ):
        super().__init__(order.seed)
        self._feed = Feed(source, order, num_workers, jax_sharding_utils.shard_along_batch_dim)
        augment = functools.partial(_augmented, workload, layout)
        sharding = jax_sharding_utils.get_batch_dim_sharding()
        self._augment = jax.jit(augment, out_shardings=sharding)

    def batch(self, position: int) -> dict[str, Array]:
        return self._augment(self._feed.get(position), self._seed, np.int32(position))

    def rest(self) -> None:
        jax.block_until_ready(self._feed.rest())

    def close(self) -> None:
        self._feed.close()


def _select(
    workload: Workload,
    layout: PmapLayout,
    data: Batch,
    rows: Array,
    seed: Array,
    position: Array,
    row: Array,
) -> Batch:
    return _augmented(workload, layout, compiled_steps.gathered(data, rows[row]), seed, position)


def _augmented(
    workload: Workload, layout: PmapLayout, batch: Batch, seed: Array, position: Array
) -> Batch:
    augment_key, _ = jax.random.split(streams.step_key(seed, position))
    return layout.shape_batch(workload.augment(batch, augment_key))


def _keys(seed: Array, step: Array) -> Array:
    _, key = jax.random.split(streams.step_key(seed, step))
    keys = key, jax.random.fold_in(key, 1), jax.random.fold_in(key, 2)
    return jnp.stack([jax.random.key_data(key) for key in keys])
