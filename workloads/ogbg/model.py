"""A graph network: edges, nodes and one global vector per graph update each other in turn."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from workloads.layers import Dense, Dropout

_ACTIVATIONS = {"relu": nn.relu, "gelu": nn.gelu, "silu": nn.silu}


@dataclasses.dataclass(frozen=True)
class GraphNetConfig:
    """Sizes and switches; the defaults are the full scale.

    Attributes:
      hidden_dim: width of every layer of the edge, node and global MLPs.
      mlp_layers: layers of each of these MLPs.
      embed_divisor: nodes and edges are embedded in hidden_dim / embed_divisor numbers.
      num_steps: rounds of message passing.
      num_outputs: tasks; also the width of the global vector at the start, which is zero.
      max_nodes, max_edges: what a graph is padded to.
      dropout_rate: after every layer of the MLPs, where `model_fn` is given no rate.
      dtype: see `workloads.layers`; sums over edges and nodes are float32.
    """

    hidden_dim: int = 256
    mlp_layers: int = 1
    embed_divisor: int = 1
    num_steps: int = 5
    num_outputs: int = 128
    activation: str = "relu"
    max_nodes: int = 26
    max_edges: int = 56
    dropout_rate: float = 0.1
    dtype: str = "float32"


Part = tuple[jax.Array, jax.Array | None]  # values, and which row of them each row of output sees


class GraphNet(nn.Module):
    """Logits (B, num_outputs) of B graphs padded to N nodes and E edges; see `data.examples`.

    The batch becomes one graph of V = B * N nodes and L = B * E edges.
    """

    config: GraphNetConfig

    @nn.compact
    def __call__(
        self, graphs: Mapping[str, jax.Array], train: bool, dropout_rate: jax.Array | float
    ) -> jax.Array:
        config = self.config
        (B, N, _), E = graphs["inputs"].shape, graphs["edges"].shape[1]
        embed_dim = config.hidden_dim // config.embed_divisor
        nodes_VxD, edges_LxD = (
            Dense(embed_dim, dtype=config.dtype, name=name)(_flat(graphs[part]))
            for name, part in (("node_embedding", "inputs"), ("edge_embedding", "edges"))
        )
        globals_BxD = jnp.zeros((B, config.num_outputs))

        first_Bx1 = N * jnp.arange(B)[:, None]
        senders_L = (first_Bx1 + graphs["senders"]).reshape(-1)
        receivers_L = (first_Bx1 + graphs["receivers"]).reshape(-1)
        graph_of_V, graph_of_L = (jnp.repeat(jnp.arange(B), size) for size in (N, E))
        is_node_Vx1 = (jnp.arange(N) < graphs["n_node"][:, None]).reshape(-1, 1)
        is_edge_Lx1 = (jnp.arange(E) < graphs["n_edge"][:, None]).reshape(-1, 1)

        # Padding is set to zero before every sum over nodes or edges, so it reaches nothing real.
        for i in range(config.num_steps):
            mlp = functools.partial(self._mlp, i, dropout_rate, not train)
            seen = [(nodes_VxD, senders_L), (nodes_VxD, receivers_L), (globals_BxD, graph_of_L)]
            edges_LxD = is_edge_Lx1 * mlp("edge", [(edges_LxD, None), *seen])
            sent_VxD, received_VxD = (
                jax.ops.segment_sum(edges_LxD.astype(jnp.float32), ends_L, B * N)
                for ends_L in (senders_L, receivers_L)
            )
            seen = [(sent_VxD, None), (received_VxD, None), (globals_BxD, graph_of_V)]
            nodes_VxD = is_node_Vx1 * mlp("node", [(nodes_VxD, None), *seen])
            sums = [
                (x.reshape(B, -1, x.shape[1]).sum(axis=1, dtype=jnp.float32), None)
                for x in (nodes_VxD, edges_LxD)
            ]
            globals_BxD = mlp("global", [*sums, (globals_BxD, None)])
        return nn.Dense(config.num_outputs, name="output")(globals_BxD)

    def _mlp(
        self,
        step: int,
        dropout_rate: jax.Array | float,
        deterministic: bool,
        name: str,
        parts: Sequence[Part],
    ) -> jax.Array:
        for layer in range(self.config.mlp_layers):
            suffix = f"{name}_{step}_{layer}"
            width, dtype = self.config.hidden_dim, self.config.dtype
            x = DenseOfParts(width, dtype, name=f"dense_{suffix}")(parts)
            x = nn.LayerNorm(dtype=dtype, name=f"layernorm_{suffix}")(x)
            x = Dropout()(_ACTIVATIONS[self.config.activation](x), dropout_rate, deterministic)
            parts = [(x, None)]
        return x


class DenseOfParts(nn.Module):
    """A dense layer of concatenated parts, which are neither concatenated nor gathered first."""

    features: int
    dtype: str

    @nn.compact
    def __call__(self, parts: Sequence[Part]) -> jax.Array:
        width = sum(x.shape[-1] for x, _ in parts)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (width, self.features))
        total = self.param("bias", nn.initializers.zeros, (self.features,))
        start = 0
        # A node is multiplied by its block of the kernel once and not once per edge, which halves
        # the work.
        for x, rows in parts:
            block = kernel[start : start + x.shape[-1]]
            # Gathered in float32, in which the backward pass then sums what each row was used for.
            product = (x.astype(self.dtype) @ block.astype(self.dtype)).astype(jnp.float32)
            total = total + (product if rows is None else product[rows])
            start += x.shape[-1]
        return total.astype(self.dtype)


def _flat(features_BxRxF: jax.Array) -> jax.Array:
    """Rows of all graphs, (B * R, F) float32."""
    return features_BxRxF.reshape(-1, features_BxRxF.shape[-1]).astype(jnp.float32)
