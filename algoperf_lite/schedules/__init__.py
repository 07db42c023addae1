"""Learning-rate schedules: a unit shape (progress -> multiplier, both in [0, 1]) put on a horizon.

Every parameter may be a traced array, so that one compiled step serves all hyperparameter points
(optax's own warmup-cosine branches on `peak_value == 0` and cannot). The results are ordinary
optax schedules: functions of the 0-based step count. A new one is one function in `shapes`, or in
`horizon` if it knows no horizon; it is listed, exported and known by name without further ado.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # stars, so that nobody has to name a new schedule here as well
    from algoperf_lite.schedules.horizon import *  # noqa: F403
    from algoperf_lite.schedules.shapes import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """A public name of `shapes` or `horizon`, found when it is first asked for.

    Importing them above would load JAX for whoever only reads schedules as text: the command line,
    and the process that plans trials.
    """
    # Python asks here before it looks for a module of the package; `text` must not load JAX.
    is_module = (Path(__file__).parent / f"{name}.py").is_file()
    if not (is_module or name.startswith("_")):
        from algoperf_lite.schedules import horizon, shapes

        for module in (shapes, horizon):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"algoperf_lite.schedules has no {name!r}")
