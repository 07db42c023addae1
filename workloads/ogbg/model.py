"""A graph network: edges, nodes and one global vector per graph update each other in turn.

Shape suffixes: B graphs of the batch, V nodes and L edges of all of them, D width, R bins.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

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
Graphs = Mapping[str, jax.Array]


class Flat(NamedTuple):
    """A batch as one graph of V nodes and L edges, whatever form it came in.

    Attributes:
      num_graphs: B.
      senders_L, receivers_L: the nodes that an edge joins.
      graph_of_V, graph_of_L: the graph of each node and edge.
      is_node_Vx1, is_edge_Lx1: False for padding.
      sum_by_graph: the float32 sums (B, D) of (V, D) or (L, D).
    """

    num_graphs: int
    senders_L: jax.Array
    receivers_L: jax.Array
    graph_of_V: jax.Array
    graph_of_L: jax.Array
    is_node_Vx1: jax.Array
    is_edge_Lx1: jax.Array
    sum_by_graph: Callable[[jax.Array, jax.Array], jax.Array]


class GraphNet(nn.Module):
    """Logits (B, num_outputs) of B graphs, each padded to N nodes and E edges (`data.examples`), or
    (R, G, num_outputs) of R bins of G graphs (`full.Molecules`), which have 'n_graph'.
    """

    config: GraphNetConfig

    @nn.compact
    def __call__(self, graphs: Graphs, train: bool, dropout_rate: jax.Array | float) -> jax.Array:
        config = self.config
        flat = _of_bins(graphs) if "n_graph" in graphs else _of_padded(graphs)
        embed_dim = config.hidden_dim // config.embed_divisor
        nodes_VxD, edges_LxD = (
            Dense(embed_dim, dtype=config.dtype, name=name)(_rows(graphs[part]))
            for name, part in (("node_embedding", "inputs"), ("edge_embedding", "edges"))
        )
        globals_BxD = jnp.zeros((flat.num_graphs, config.num_outputs))
        num_nodes = len(nodes_VxD)

        # Padding is set to zero before every sum over nodes or edges, so it reaches nothing real.
        for i in range(config.num_steps):
            mlp = functools.partial(self._mlp, i, dropout_rate, not train)
            ends = [(nodes_VxD, flat.senders_L), (nodes_VxD, flat.receivers_L)]
            seen = [*ends, (globals_BxD, flat.graph_of_L)]
            edges_LxD = flat.is_edge_Lx1 * mlp("edge", [(edges_LxD, None), *seen])
            sent_VxD, received_VxD = (
                jax.ops.segment_sum(edges_LxD.astype(jnp.float32), ends_L, num_nodes)
                for ends_L in (flat.senders_L, flat.receivers_L)
            )
            seen = [(sent_VxD, None), (received_VxD, None), (globals_BxD, flat.graph_of_V)]
            nodes_VxD = flat.is_node_Vx1 * mlp("node", [(nodes_VxD, None), *seen])
            sums = [
                flat.sum_by_graph(nodes_VxD, flat.graph_of_V),
                flat.sum_by_graph(edges_LxD, flat.graph_of_L),
            ]
            globals_BxD = mlp("global", [*((x, None) for x in sums), (globals_BxD, None)])
        logits = nn.Dense(config.num_outputs, name="output")(globals_BxD)
        return logits.reshape(*graphs["n_node"].shape, -1)

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


def _of_padded(graphs: Graphs) -> Flat:
    """Of B graphs of N nodes and E edges each."""
    (B, N, _), E = graphs["inputs"].shape, graphs["edges"].shape[1]
    first_Bx1 = N * jnp.arange(B)[:, None]
    graph_of_V, graph_of_L = (jnp.repeat(jnp.arange(B), size) for size in (N, E))
    return Flat(
        B,
        (first_Bx1 + graphs["senders"]).reshape(-1),
        (first_Bx1 + graphs["receivers"]).reshape(-1),
        graph_of_V,
        graph_of_L,
        (jnp.arange(N) < graphs["n_node"][:, None]).reshape(-1, 1),
        (jnp.arange(E) < graphs["n_edge"][:, None]).reshape(-1, 1),
        # Graphs of one size need no scatter.
        lambda x, graph: x.reshape(B, -1, x.shape[1]).sum(axis=1, dtype=jnp.float32),
    )


def _of_bins(graphs: Graphs) -> Flat:
    """Of R bins with V' nodes, E' edges and G graphs each, of which 'n_graph' are real."""
    (R, V, _), E = graphs["inputs"].shape, graphs["edges"].shape[1]
    G = graphs["n_node"].shape[1]
    first_Rx1 = V * jnp.arange(R)[:, None]
    graph_of_V, graph_of_L = (
        jnp.repeat(jnp.arange(R * G), graphs[name].reshape(-1), total_repeat_length=R * size)
        for name, size in (("n_node", V), ("n_edge", E))
    )
    is_graph_B = (jnp.arange(G) < graphs["n_graph"][:, None]).reshape(-1)
    return Flat(
        R * G,
        (first_Rx1 + graphs["senders"]).reshape(-1),
        (first_Rx1 + graphs["receivers"]).reshape(-1),
        graph_of_V,
        graph_of_L,
        is_graph_B[graph_of_V][:, None],
        is_graph_B[graph_of_L][:, None],
        lambda x, graph: jax.ops.segment_sum(
            x.astype(jnp.float32), graph, R * G, indices_are_sorted=True
        ),
    )


def _rows(features_BxRxF: jax.Array) -> jax.Array:
    """Rows of all graphs, (B * R, F) float32."""
    return features_BxRxF.reshape(-1, features_BxRxF.shape[-1]).astype(jnp.float32)
