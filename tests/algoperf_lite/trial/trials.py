"""Trials on digits, and trials that are cut short: what tests of trials share."""

import contextlib

from algoperf_lite import tuning
from algoperf_lite.trial import checkpoints
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.spec import TrialSpec

SHARED = ("ruleset", "rng_seed", "stop_at_target", "count_compile")  # of an experiment's trials


def on_digits(directory, /, **fields):
    """A trial of the reference at its own point, unless `fields` say otherwise: those of its spec,
    and those of its experiment's configuration that are in `SHARED`."""
    config = {"ruleset": tuning.Ruleset("self", 1, 1, 1.5)}
    config |= {name: fields.pop(name) for name in SHARED if name in fields}
    defaults = {
        "submission": "nadamw",
        "workload": "digits",
        "study": 0,
        "trial": 1,
        "config": ExperimentConfig(**config),
        "directory": str(directory),
        # Three hundred steps, evaluated every 7.5 of them, at learning rates of any size.
        "budget": 0.5,
        "parameter_multiplier": 1.0,
    }
    return TrialSpec(**{**defaults, **fields})


def run(spec, **how):
    """The record of a trial that is run in this process, as `trial.json` has it."""
    return trial_run.run(spec, **how).to_json()


class _Cut(BaseException):
    pass


@contextlib.contextmanager
def cut_after(monkeypatch, step):
    """A trial that is run in the context ends right after its checkpoint at a step."""
    save = checkpoints.save

    def saved(directory, at, *arguments):
        save(directory, at, *arguments)
        if at == step:
            raise _Cut

    monkeypatch.setattr(checkpoints, "save", saved)
    try:
        yield
    except _Cut:
        return
    finally:
        monkeypatch.setattr(checkpoints, "save", save)
    raise AssertionError(f"no checkpoint after step {step}")
