"""Questions to the record of a trial: is it of its place, and of the terms that the experiment, the
ruleset and the submission's search space gave it?"""

import dataclasses
import json
import math
from typing import Any

from algoperf_lite import tuning
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.records.case import Case, Said
from algoperf_lite.experiment.sources import Source
from algoperf_lite.machine import fingerprint
from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.submission import algoperf_files, find
from algoperf_lite.training.calibration import NUM_EVALS
from algoperf_lite.trial.config import ExperimentConfig
from algoperf_lite.trial.record import TrialRecord
from scoring.benchmark import Benchmark
from scoring.logs.format import STATUSES

# Fields that a trial's spec determines. The point and the way of stepping are known only later.
_OF_THE_SPEC = (
    *("submission", "workload", "scale", "ruleset", "study", "trial", "experiment_seed", "seed"),
    *("target", "budget", "schedule", "max_seconds", "count_compile", "eval_examples"),
    *("precision", "deterministic", "pbt"),
)


def place(case: Case) -> Said:
    """The record is of the folder that it lies in."""
    record = case.record
    if record["status"] not in STATUSES:
        yield "record", f"its status is {str(record['status'])[:40]!r}"
    for name in ("submission", "study", "workload", "trial"):
        if record[name] != getattr(case, name):
            said, lies = record[name], getattr(case, name)
            yield "place", f"the record says {name} {str(said)[:60]!r}, it lies at {lies!r}"


def spec(case: Case) -> Said:
    """The record has what the spec of the trial determines, its seed among it."""
    if not case.has_started:
        return
    known = _plain(TrialRecord.of(case.spec).to_json())
    for name in _OF_THE_SPEC:
        if case.record[name] != known[name]:
            said = f"{case.record[name]!r:.60}, the trial's spec gives {known[name]!r:.60}"
            yield "terms", f"the record says {name} {said}"


def settings(case: Case) -> Said:
    """The trial was run under the settings of its experiment."""
    if not case.has_started:
        return
    config = _plain(dataclasses.asdict(case.spec.config))
    del config["ruleset"]["num_studies"]  # studies may be added
    # An experiment from before a setting was added is on its default.
    usual = _plain(dataclasses.asdict(ExperimentConfig()))
    wanted = {**usual, **case.experiment["settings"]}
    for name in sorted({*config, *wanted}):
        if config.get(name) != wanted.get(name):
            said = f"{config.get(name)!r:.60}, its experiment {wanted.get(name)!r:.60}"
            yield "terms", f"the trial was run with {name} {said}"


def budget(benchmark: Benchmark, case: Case) -> Said:
    """The trial had the budget that its ruleset and the reference's speed give it."""
    if not case.has_started:
        return
    spec, config = case.spec, case.spec.config
    slack = benchmark.ruleset(config.ruleset.name).slack
    if config.ruleset.slack != slack:
        yield "terms", f"its ruleset has slack {config.ruleset.slack}, the benchmark's {slack}"
    if config.scale == "lite" and spec.num_evals != NUM_EVALS:
        yield "terms", f"{spec.num_evals} evaluations per step hint, of {NUM_EVALS}"
    calibration = case.experiment.get("calibration", {}).get(case.workload)
    if config.scale != "lite" or calibration is None:
        return
    part, rules = spec.budget if spec.whole_horizon else None, spec.population
    contender = Contender("", spec.schedule, part, rules)
    hint, by_time = calibration["step_hint"], config.budget_by == "time"
    seconds = None
    if by_time:
        seconds = hint * calibration["seconds_per_step"] * slack * (part or 1.0)
        seconds *= 1 if rules is None else rules.size
    if not _alike(spec.max_seconds, seconds):
        yield "terms", f"its budget is {spec.max_seconds} s, its experiment's gives {seconds} s"
    last = contender.last_step(slack, hint, config.max_global_steps, by_time)
    if spec.max_global_steps != last:
        yield "terms", f"its last step is {spec.max_global_steps}, its experiment's gives {last}"


def point(source: Source | None, case: Case) -> Said:
    """The hyperparameters are those that the ruleset gives the submission in this trial."""
    ran = case.record["hyperparameters"]
    if source is None or ran is None or case.spec.population is not None:
        return
    spec, rules = case.spec, case.spec.config.ruleset
    wanted = None
    if rules.name == "external":
        space = _space(source)
        if space is not None:
            if spec.schedule is not None:
                added = schedules_text.parse(spec.schedule).search_space
                space = tuning.with_schedule(space, added, source.name)
            position = spec.config.rng_seed, case.study, case.trial
            wanted = tuning.point(space, rules.num_trials, *position)
    else:
        # What a file computes, or has in another form, is not found by reading it.
        wanted = find.literal(source.path, "self_tuning_point")
    if wanted is None:
        return
    if spec.whole_horizon and "horizon" in wanted:
        wanted = {**wanted, "horizon": 1.0}
    if wanted.keys() != ran.keys() or not all(_alike(ran[name], wanted[name]) for name in ran):
        yield "terms", f"it ran at {ran!r:.120}; its study and trial give {wanted!r:.120}"


def _space(source: Source) -> Any:
    """The search space of a submission, as far as reading its files tells."""
    if find.steps_in_python(source.path):
        return algoperf_files.search_space(find.companion(source.path, find.SEARCH_SPACE))
    return find.literal(source.path, "search_space")


def text(source: Source | None, case: Case) -> Said:
    """The trial ran the text that the pack has of its submission."""
    ran = case.record["submission_sha256"]
    if ran is None:  # it failed before the file was read
        return
    if source is None:
        yield "source", "the pack has no source of its submission"
        return
    if find.source_sha256(source.path) != ran:
        yield "source", f"it ran another text of {source.name!r} than the pack has"
    elif case.record["submission_source"] != source.path.read_text():
        yield "source", f"its record has another text of {source.name!r} than the pack"


def machine(case: Case) -> Said:
    """The key of the machine is that of the facts about it."""
    found = case.record["fingerprint"]
    # Two keys are of a trial that went on elsewhere; an environment of the submission's own has
    # versions that its key does not count.
    if not found or "+" in found["key"] or found.get("own_packages"):
        return
    if fingerprint.key_of(found) != found["key"]:
        yield "machine", f"the key {found['key']!r:.40} is not that of the machine it tells of"


def _alike(one: Any, other: Any) -> bool:
    """Whether two numbers are the same but for the rounding of their computation."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9)
    return one == other


def _plain(content: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(content))


QUESTIONS = (place, spec, settings, machine)
