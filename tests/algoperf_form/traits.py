"""Submissions with the traits of published ones that a fresh installation stumbled over.

Each is a few lines around one small algorithm, written into a folder when a test asks for it.
"""

from pathlib import Path

_BODY = '''"""Momentum, with what a published file has around it."""

import functools

import jax
import jax.numpy as jnp
import optax
from algoperf import spec
{head}

def get_batch_size(workload_name):
    return {{"mnist": 16, "wmt": 128}}[workload_name]


def init_optimizer_state(workload: spec.Workload, model_params, model_state, hyperparameters,
                         rng: spec.RandomState) -> spec.OptimizerState:
    optimizer = optax.sgd(0.01, momentum=0.9)
    return optimizer.init(model_params), optimizer.update


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(workload, update, state, params, model_state, batch, rng):
    def loss(params):
        logits, new_state = workload.model_fn(
            params, batch, model_state, spec.ForwardPassMode.TRAIN, rng, update_batch_norm=True)
        losses = workload.loss_fn(batch["targets"], logits, batch.get("weights"))
        return losses["summed"] / losses["n_valid_examples"], new_state

    grads, model_state = jax.grad(loss, has_aux=True)(params)
    updates, state = update(adjusted(grads), state, params)
    return state, optax.apply_updates(params, updates), model_state


def update_params(workload, current_param_container, current_params_types, model_state,
                  hyperparameters, batch, loss_type, optimizer_state, eval_results, global_step,
                  rng):
    state, update = optimizer_state
    state, params, model_state = _step(
        workload, update, state, current_param_container, model_state, batch, rng)
    return (state, update), params, model_state


def data_selection(workload, input_queue, optimizer_state, current_param_container, model_state,
                   hyperparameters, global_step, rng):
    return next(input_queue)
'''
_PLAIN = "\n\ndef adjusted(grads):\n    return grads\n"
_HELPER = (
    "import jax\n\n\ndef adjusted(grads):\n    return jax.tree.map(lambda g: 0.5 * g, grads)\n"
)
_AS_PUBLISHED = "submissions.submissions_algorithms_v0_5.external_tuning.caspr.jax"
_SPACE = '[{"learning_rate": 0.001}, {"learning_rate": 0.002}]'
_REMOVED = """
from jax import tree_map
from jax.config import config


def adjusted(grads, key: jax.random.KeyArray = None):
    leaves, tree = jax.tree_flatten(grads)
    leaves = [jnp.clip(leaf, a_min=-1.0, a_max=1.0) for leaf in leaves]
    return tree_map(lambda g: 2.0 * g, jax.tree_unflatten(tree, leaves))
"""


def _of(head: str) -> str:
    return _BODY.format(head=head)


# {trait: {path in the submission's folder: content}}
TRAITS = {
    "chex_and_jraph": {"submission.py": _of(f"import chex\nimport jraph\n{_PLAIN}")},
    "removed_names": {"submission.py": _of(_REMOVED)},
    "helper_by_published_path": {
        "jax/submission.py": _of(f"from {_AS_PUBLISHED}.caspr_helper import adjusted\n"),
        "jax/caspr_helper.py": _HELPER,
    },
    "helper_from_its_package": {
        "jax/submission.py": _of("from algorithms.old.adafactor.jax import sharded_adafactor\n\n"
                                 "adjusted = sharded_adafactor.adjusted\n"),
        "jax/sharded_adafactor.py": f"from . import scaling\n{_HELPER}",
        "jax/scaling.py": "FACTOR = 0.5\n",
    },
    "space_one_level_up": {
        "jax/submission.py": _of(_PLAIN),
        "tuning_search_space.json": _SPACE,
    },
    "for_pytorch": {"submission.py": _of(f"import torch\nimport torchvision\n{_PLAIN}")},
    "for_tensorflow": {"submission.py": _of(f"import tensorflow as tf\n{_PLAIN}")},
}  # fmt: skip
RUNNABLE = ("removed_names", "helper_by_published_path", "helper_from_its_package",
            "space_one_level_up")  # fmt: skip


def write(trait: str, folder: Path) -> Path:
    """The submission's folder, `folder`/`trait`, with the files of the trait in it."""
    for name, text in TRAITS[trait].items():
        path = folder / trait / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / trait
