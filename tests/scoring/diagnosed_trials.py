"""Trials whose insides were looked at, as the harness would leave them, and ruins."""

import json

from report_pages import write_trial

from scoring.logs.format import DIAGNOSTICS

FIRST = {
    "step": 0,
    "not_finite": None,
    "params": {"weight": 3.0, "bias": 0.0},
    "gradient": {"weight": 0.5, "bias": 0.25},
    "update": {"weight": 0.0, "bias": 0.0},
    "update_to_weight": {"weight": 0.0, "bias": None},
    "batch_loss": 2.0,
    "gradient_norm": 0.56,
}
LOOK = {
    "step": 10,
    "loss": 1.5,
    "spike": True,
    "not_finite": "gradient of `a/kernel`",
    "params": {"weight": 4, "bias": 1.0},
    "gradient": {"weight": 0.5, "bias": None},
    "update": {"weight": 0.1, "bias": 0.1},
    "update_to_weight": {"weight": 0.025, "bias": 0.1},
    "batch_loss": None,
    "gradient_norm": None,
    "clipped": True,
}
_GOOD = json.dumps(FIRST)


def _with(**fields):
    return json.dumps({**FIRST, **fields}) + "\n"


# What is in no diagnostics.
BAD = {
    "text": "step,loss\n",
    "a number": "3\n",
    "empty": "{}\n",
    "deep": "[" * 100_000 + "\n",
    "twice": f"{_GOOD}\n{_GOOD}\n",
    "negative step": _with(step=-1),
    "huge step": _with(step=2**60),
    "a step of text": _with(step="1"),
    "true": _with(loss=True),
    "nan": _GOOD.replace("3.0", "NaN") + "\n",
    "infinite": _GOOD.replace("3.0", "1e999") + "\n",
    "huge": _with(loss=1e200),
    "huge integer": _GOOD.replace("3.0", "1" + "0" * 4000) + "\n",
    "a norm of text": _with(params={"weight": "<script>alert(1)</script>"}),
    "no types": _with(gradient=[1.0]),
    "many types": _with(gradient={str(i): 1.0 for i in range(100)}),
    "many in all": "".join(
        _with(step=step, gradient={f"{step} {i}": 1.0 for i in range(30)}) for step in (0, 1)
    ),
    "a spike of text": _with(spike="yes"),
    "half clipped": _with(clipped=0.5),
    "a leaf of numbers": _with(not_finite=[1]),
    "not utf-8": b"\xff\xfe\n",
}


def looks(num=12, kinds=("weight", "bias"), **last):
    """Looks every ten steps, the last one with some fields replaced."""
    found = []
    for i in range(num):
        size = {kind: (k + 1) * 0.9**i for k, kind in enumerate(kinds)}
        found.append(
            {
                **LOOK,
                "step": 10 * i,
                "loss": 2.3 * 0.8**i,
                "spike": False,
                "clipped": i % 2 == 0,
                "not_finite": None,
                "params": {kind: 10 + i for kind in kinds},
                **{tree: size for tree in ("gradient", "update", "update_to_weight")},
            }
        )
    found[-1] |= last
    return found


def write_diagnosed(root, found, name="nadamw", workload="alpha", study=0, info=None):
    """A trial with an evaluation log and looks inside; returns its directory."""
    path = root / name / f"study_{study}" / f"{workload}_jax" / "trial_1"
    write_trial(path, workload, 20.0, 1e-3, info)
    (path / DIAGNOSTICS).write_text("".join(json.dumps(look) + "\n" for look in found))
    return path
