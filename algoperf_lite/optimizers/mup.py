"""Learning rates that follow the width of each parameter (muP), around any Adam-type optimizer."""

import jax
import optax


def mup(
    inner: optax.GradientTransformation, multipliers: optax.Params
) -> optax.GradientTransformationExtraArgs:
    """`inner` with each leaf's learning rate multiplied, its weight decay per step unchanged.

    Yang et al. 2022 (Tensor Programs V, arXiv 2203.03466), table 8: Adam's learning rate falls as
    1 / width for hidden matrices and stays for embeddings and vectors.

    Decoupled weight decay still shrinks every leaf by learning rate x decay, unmultiplied, as in
    `MuAdamW` of the authors' package. For this, `inner` sees w / multiplier in place of w and its
    updates are multiplied: a change of variables. Where averages of parameters are kept, wrap the
    innermost optimizer, as in `schedule_free(mup(adamw(...), ...), ...)`. Gradients go in as they
    are, for an `inner` that does not depend on their scale; its eps must be small against them,
    which shrink with width.

    Args:
      multipliers: tree of floats like the parameters, `Workload.learning_rate_multipliers`.
    """
    inner = optax.with_extra_args_support(inner)

    # 1 / (learning rate x decay) is the number of steps that the weights average over, which must
    # not depend on the width (Wang & Aitchison 2024, arXiv 2405.13698). PyTorch-style parameter
    # groups would shrink wide matrices less.
    def seen(params: optax.Params) -> optax.Params:
        return jax.tree.map(lambda factor, w: w / factor, multipliers, params)

    def init(params: optax.Params) -> optax.OptState:
        return inner.init(seen(params))

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra_args: object,
    ) -> tuple[optax.Updates, optax.OptState]:
        params = None if params is None else seen(params)
        updates, state = inner.update(updates, state, params, **extra_args)
        return jax.tree.map(lambda factor, u: u * factor, multipliers, updates), state

    return optax.GradientTransformationExtraArgs(init, update)
