"""Questions to submissions before anything is compiled, as a job: it runs their files, with JAX."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from algoperf_lite.executors.job import Job
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.trial.config import ExperimentConfig


def jobs(
    contenders: Sequence[Contender], workload_names: Sequence[str], config: ExperimentConfig
) -> list[Job]:
    """Jobs that find a "problem", a sentence, with a contender that cannot be a population; see
    `experiment.run.run`."""
    populations = [dataclasses.asdict(one) for one in contenders if one.population is not None]
    # A process with JAX takes seconds, which other experiments need not wait for.
    if not populations:
        return []
    payload = {
        "contenders": populations,
        "workloads": list(workload_names),
        "scale": config.scale,
        "slack": config.ruleset.slack,
        "max_global_steps": config.max_global_steps,
    }
    return [Job("check of populations", "algoperf_lite.experiment.preflight", payload)]


def work(payload: Mapping[str, Any], report: Any) -> dict[str, Any]:
    """{"problem": a sentence or None}."""
    import jax

    jax.config.update("jax_platforms", "cpu")  # shapes are traced, nothing is computed
    import workloads
    from algoperf_lite.population import preflight

    contenders = map(Contender.from_json, payload["contenders"])
    pairs = [(one, preflight.load(one.submission, one.schedule)) for one in contenders]
    try:
        for name in payload["workloads"]:
            workload = workloads.load(name, payload["scale"])
            for contender, submission in pairs:
                report(event="beat")
                if submission is None:
                    continue  # its trial will say so, with a status and a record
                hint = workload.step_hint
                last_step = contender.last_step(payload["slack"], hint, payload["max_global_steps"])
                on_horizon = dataclasses.replace(workload, step_hint=contender.horizon(hint))
                preflight.check(submission, contender.population, on_horizon, last_step)
    except ValueError as error:
        return {"problem": str(error)}
    return {"problem": None}
