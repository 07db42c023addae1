"""Names that JAX and optax have removed and that published submissions use, as one table.

They exist while a submission in AlgoPerf's form is loaded and called. Only what can be put back
with the same meaning is here: `jax.experimental.maps.xmap`, `jax.xla_computation`,
`jax.experimental.host_callback` and `PositionalSharding` have no equal in today's JAX.
"""

import dataclasses

_OLD = "algoperf_lite.submission.algoperf_shim.old_jax"


@dataclasses.dataclass(frozen=True)
class Removed:
    """A name that a library had.

    Attributes:
      name: dotted; its module may be gone as well.
      gone_in: the first version of the library, of those that were looked at, that lacks it.
      now: dotted name of what means the same.
    """

    name: str
    gone_in: str
    now: str


def _table(text: str) -> tuple[Removed, ...]:
    """A row per line: name, version, what means the same, where "old." is `old_jax`."""
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Removed(name, gone, now.replace("old.", f"{_OLD}.")) for name, gone, now in rows)


# Found by asking 23 versions of JAX, from 0.4.20 to 0.10.0, and three of optax for their names.
REMOVED = _table("""
    jax.tree_flatten                            0.6.0   jax.tree_util.tree_flatten
    jax.tree_leaves                             0.6.0   jax.tree_util.tree_leaves
    jax.tree_map                                0.6.0   jax.tree_util.tree_map
    jax.tree_structure                          0.6.0   jax.tree_util.tree_structure
    jax.tree_transpose                          0.6.0   jax.tree_util.tree_transpose
    jax.tree_unflatten                          0.6.0   jax.tree_util.tree_unflatten
    jax.treedef_is_leaf                         0.6.0   jax.tree_util.treedef_is_leaf
    jax.tree_all                                0.4.20  jax.tree_util.tree_all
    jax.tree_reduce                             0.4.20  jax.tree_util.tree_reduce
    jax.device_put_replicated                   0.10.0  old.device_put_replicated
    jax.device_put_sharded                      0.10.0  old.device_put_sharded
    jax.ShapedArray                             0.4.20  jax.core.ShapedArray
    jax.abstract_arrays.ShapedArray             0.4.20  jax.core.ShapedArray
    jax.ad_checkpoint.checkpoint                0.10.0  jax.checkpoint
    jax.ad_checkpoint.remat                     0.10.0  jax.checkpoint
    jax.config.config                           0.4.25  jax.config
    jax.core.ClosedJaxpr                        0.6.0   jax.extend.core.ClosedJaxpr
    jax.core.Jaxpr                              0.6.0   jax.extend.core.Jaxpr
    jax.core.JaxprEqn                           0.6.0   jax.extend.core.JaxprEqn
    jax.core.Literal                            0.6.0   jax.extend.core.Literal
    jax.core.Primitive                          0.6.0   jax.extend.core.Primitive
    jax.core.Token                              0.6.0   jax.extend.core.Token
    jax.core.Var                                0.6.0   jax.extend.core.Var
    jax.core.jaxpr_as_fun                       0.6.0   jax.extend.core.jaxpr_as_fun
    jax.core.get_aval                           0.10.0  jax.typeof
    jax.core.Shape                              0.4.31  old.Shape
    jax.core.ConcretizationTypeError            0.7.1   jax.errors.ConcretizationTypeError
    jax.core.TracerArrayConversionError         0.4.24  jax.errors.TracerArrayConversionError
    jax.core.TracerIntegerConversionError       0.4.24  jax.errors.TracerIntegerConversionError
    jax.core.UnexpectedTracerError              0.4.24  jax.errors.UnexpectedTracerError
    jax.experimental.PartitionSpec              0.4.20  jax.sharding.PartitionSpec
    jax.experimental.maps.Mesh                  0.4.20  jax.sharding.Mesh
    jax.experimental.maps.thread_resources      0.4.31  jax.interpreters.pxla.thread_resources
    jax.experimental.optimizers                 0.4.20  jax.example_libraries.optimizers
    jax.experimental.pjit.PartitionSpec         0.4.20  jax.sharding.PartitionSpec
    jax.experimental.pjit.with_sharding_constraint  0.4.24  jax.lax.with_sharding_constraint
    jax.experimental.stax                       0.4.20  jax.example_libraries.stax
    jax.interpreters.pxla.Mesh                  0.4.20  jax.sharding.Mesh
    jax.interpreters.pxla.PartitionSpec         0.4.20  jax.sharding.PartitionSpec
    jax.interpreters.xla.DeviceArray            0.4.20  jax.Array
    jax.lax.pvary                               0.10.0  old.pvary
    jax.lax.tie_in                              0.4.31  old.tie_in
    jax.lax.zeros_like_array                    0.9.0   jax.numpy.zeros_like
    jax.lib.xla_bridge.default_backend          0.4.38  jax.default_backend
    jax.lib.xla_bridge.get_backend              0.8.0   jax.extend.backend.get_backend
    jax.linear_util                             0.4.24  jax.extend.linear_util
    jax.nn.normalize                            0.4.31  jax.nn.standardize
    jax.numpy.DeviceArray                       0.4.20  jax.Array
    jax.numpy.NINF                              0.4.24  old.NINF
    jax.numpy.NZERO                             0.4.24  old.NZERO
    jax.numpy.PZERO                             0.4.24  old.PZERO
    jax.numpy.alltrue                           0.4.20  jax.numpy.all
    jax.numpy.cumproduct                        0.4.20  jax.numpy.cumprod
    jax.numpy.fix                               0.10.0  jax.numpy.trunc
    jax.numpy.in1d                              0.4.24  old.in1d
    jax.numpy.product                           0.4.20  jax.numpy.prod
    jax.numpy.round_                            0.4.38  jax.numpy.round
    jax.numpy.row_stack                         0.4.24  jax.numpy.vstack
    jax.numpy.sometrue                          0.4.20  jax.numpy.any
    jax.numpy.trapz                             0.4.24  jax.numpy.trapezoid
    jax.random.KeyArray                         0.4.24  jax.Array
    jax.random.PRNGKeyArray                     0.4.24  jax.Array
    jax.random.shuffle                          0.4.31  old.shuffle
    jax.scipy.linalg.tril                       0.4.20  jax.numpy.tril
    jax.scipy.linalg.triu                       0.4.20  jax.numpy.triu
    jax.sharding.XLACompatibleSharding          0.4.34  jax.sharding.Sharding
    jax.sharding.use_mesh                       0.7.1   jax.set_mesh
    jax.util.safe_map                           0.7.1   old.safe_map
    jax.util.safe_zip                           0.7.1   old.safe_zip
    jax.util.unzip2                             0.7.1   old.unzip2
    optax.AdditiveWeightDecayState              0.2.2   optax.EmptyState
    optax.additive_weight_decay                 0.2.2   optax.add_decayed_weights
    optax.maybe_update                          0.2.8   optax.conditionally_transform
""")

# Functions that have lost keywords: {name: (a keyword, what takes it again)}. This one has lost
# `a`, `a_min` and `a_max` in JAX 0.10.0.
WITHOUT_KEYWORDS = {"jax.numpy.clip": ("a_min", f"{_OLD}.Clip")}
