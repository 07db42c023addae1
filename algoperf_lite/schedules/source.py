"""A schedule in text as Python source, for files that must stand on their own."""

from collections.abc import Iterable, Mapping
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.schedules.signatures import TAIL, signatures
from algoperf_lite.schedules.text import SEARCH, parse


def source(text: str, horizon: str, batch_size: str, budget: float = 1.0) -> str:
    """The function `schedule_at(workload, hyperparameters)`, which does what a schedule's
    `NamedSchedule.build` does; its file needs `from algoperf_lite import schedules`.

    Args:
      text: as `parse` reads it.
      horizon, batch_size: expressions for the whole horizon in steps, and for examples per step.
      budget: part of the whole budget that the workload's step hint will be.
    """
    named = parse(text)
    signature, given = signatures()[named.name], _expressions(named.parameters)
    warmup = given.pop("warmup", repr(signature.default("warmup")))
    rise = f"{warmup} * horizon"
    if "fixed_warmup" in given:  # the file sees the step hint of its part of the budget alone
        rise = f"{float(given.pop('fixed_warmup')) / budget} * workload.step_hint"
    end = f"{given.pop('end', 0.0)} * peak"
    lines = [
        f"horizon = {horizon if named.is_horizon_aware else 'workload.step_hint'}",
        "peak = hyperparameters.learning_rate",
    ]
    if signature.returns != "Schedule":
        shape = f"schedules.{named.name}({_arguments(given)})"
        lines += [f"return schedules.over({shape}, horizon, peak, end={end}, warmup_steps={rise})"]
        return _function(lines)
    tail = {name: given.pop(name) for name in TAIL if name in given}
    supplied = {
        "peak": "peak",
        "warmup_steps": rise,
        "batch_size": batch_size,
        "tokens_per_step": f"{batch_size} * workload.targets_per_example",
    }
    lines += [f"schedule = schedules.{named.name}("]
    lines += [f"    {name}={supplied[name]}," for name in sorted(signature.required)]
    lines += [f"    {name}={value}," for name, value in given.items()]
    lines += [")"]
    cooled = f"schedules.cool_down(schedule, horizon, {_arguments(tail)}, end={end})"
    return _function([*lines, f"return {cooled if tail else 'schedule'}"])


def _function(lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def schedule_at(workload, hyperparameters):\n{body}"


def _arguments(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in given.items())


def _expressions(parameters: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Each parameter's value as source. A name is that of a shape, which its function returns; what
    is searched is a hyperparameter; all else stands for itself."""
    found = {}
    for name, value in parameters:
        if value == SEARCH:
            found[name] = f"hyperparameters.{tuning.SCHEDULE_PREFIX}{name}"
        else:
            found[name] = f"schedules.{value}()" if isinstance(value, str) else repr(value)
    return found
