"""Learning-rate schedules: a unit shape (progress -> multiplier, both in [0, 1]) put on a horizon.

Every parameter may be a traced array, so that one compiled step serves all hyperparameter points
(optax's own warmup-cosine branches on `peak_value == 0` and cannot). The results are ordinary
optax schedules: functions of the 0-based step count. A new one is one function in `shapes`, or in
`steps` if it knows no horizon; it is listed, exported and known by name without further ado.
"""

# Stars, so that nobody has to name a new schedule here as well.
from algoperf_lite.schedules.horizon import *  # noqa: F403
from algoperf_lite.schedules.shapes import *  # noqa: F403
from algoperf_lite.schedules.text import parse as parse
