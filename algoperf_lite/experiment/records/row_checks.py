"""Questions to the rows of a trial: are they those that were hashed, what do they say about the
target, and can the clocks be clocks?"""

import numpy as np

from algoperf_lite.experiment.records.case import Case, Said, number
from algoperf_lite.training import clock
from algoperf_lite.trial import attempts, logs, racing
from scoring.benchmark import Benchmark, Target
from scoring.logs.format import CLOCK, FAILURES, ON_CLOCK, OUTRUN, SCORE, STEP

_ENDED_WELL = ("reached", "not_reached", OUTRUN)
_CLOCKS = (CLOCK, "accumulated_eval_time", "accumulated_logging_time", "total_duration")
_ROUNDING = 1e-6  # seconds, and part of them: sums of the same numbers in another order


def hashes(case: Case) -> Said:
    """The rows are those that the harness hashed as it wrote them."""
    written = case.record.get("rows_sha256") or {}
    if case.record["status"] in (*_ENDED_WELL, "diverged") and set(written) != set(logs.ROWS):
        yield "rows", "the record has no hashes of its rows"
    changed = logs.tampered(case.path, written)
    if changed is not None:
        yield "rows", f"{changed} holds other rows than the record has the hash of"


def numbers(case: Case) -> Said:
    """Every cell of the logs is a number, or empty: what is no number raises ValueError."""
    for row in (*case.rows, *case.measurements):
        for name, cell in row.items():
            if cell:
                number(cell)
            elif cell is None:
                yield "rows", f"a row without {name}"


def both_logs(case: Case) -> Said:
    """The two logs have the same rows."""
    longer = [row for row in case.measurements if row[CLOCK]]
    if len(longer) != len(case.rows):
        yield "rows", f"one log has {len(case.rows)} evaluations and the other {len(longer)}"
    for row, other in zip(case.rows, longer, strict=False):
        if any(row[name] != other[name] for name in row):
            yield "rows", f"the two logs differ at step {row[STEP]}"
            return


def steps(case: Case) -> Said:
    """Evaluations lie on the grid of all trials, in order."""
    if not case.rows:
        return
    found, spec = case.column(STEP), case.spec
    if not all(a < b for a, b in zip(found, found[1:], strict=False)):
        yield "rows", "steps do not grow from one row to the next"
    if found and found[-1] > case.record["steps"]:
        yield "rows", f"a row of step {found[-1]:g}, but {case.record['steps']} steps were done"
    last, horizon = spec.max_global_steps, case.record["step_hint"]
    off_grid = [step for step in found[:-1] if not _is_on_grid(step, horizon, spec.num_evals)]
    if off_grid:
        yield "rows", f"an evaluation at step {off_grid[0]:g}, where no trial has one"
    if last is not None and found and found[-1] > last:
        yield "rows", f"a row of step {found[-1]:g}, but the last step was to be {last}"


def _is_on_grid(step: float, horizon: int, num_evals: int) -> bool:
    """Whether trials evaluate at a step, see `stops.evaluation_steps`."""
    index = round(step * num_evals / horizon)
    near = {round(i * horizon / num_evals) for i in (index - 1, index, index + 1)}
    return step == 1 or step in near


def result(benchmark: Benchmark, case: Case) -> Said:
    """The record's result is what the rows say under the benchmark's target."""
    record, target = case.record, benchmark.workloads.get(case.workload)
    if target is None or not case.has_started:
        return
    if (record["metric"], record["target"]) != (target.metric, target.value):
        told = f"{record['metric']} of {record['target']}"
        wanted = f"{target.metric} of {target.value}"
        yield "target", f"it was run for {told}; benchmark {benchmark.name!r} asks for {wanted}"
        return
    hint = max(1, round(case.spec.budget * target.step_hint))
    if record["step_hint"] != hint:
        yield "target", f"its step hint is {record['step_hint']}; the benchmark's gives {hint}"
    yield from _reached(case, target)


def _reached(case: Case, target: Target) -> Said:
    """Time to target, best and final value, computed anew."""
    record, values = case.record, case.column(f"validation/{target.metric}")
    met = np.flatnonzero(target.met(np.array(values)))
    found = {"time_to_target": None, "steps_to_target": None, "best": None, "final": None}
    if met.size:
        found["time_to_target"] = case.column(CLOCK)[met[0]]
        found["steps_to_target"] = int(case.column(STEP)[met[0]])
    if values:
        best = target.best(values)
        found["best"], found["final"] = (_or_none(best), _or_none(values[-1]))
    for name, value in found.items():
        # A record has null for a value that is not finite.
        if record[name] != value:
            yield "result", f"the record says {name} {record[name]}, the rows say {value}"
    if record["status"] in _ENDED_WELL and (record["status"] == "reached") != bool(met.size):
        yield "result", f"the record says {record['status']}, the rows do not"
    if met.size and case.spec.config.stop_at_target and met[0] < len(values) - 1:
        yield "rows", "it went on after its target, where it was to stop"


def _or_none(value: float) -> float | None:
    return value if value == value else None


def clocks(case: Case) -> Said:
    """Clocks run forward, and what they count apart is not more than what they count together."""
    if not case.rows:
        return
    columns = {name: case.column(name) for name in _CLOCKS}
    for name, values in columns.items():
        if not all(0 <= a <= b for a, b in zip(values, values[1:] or values, strict=False)):
            yield "clock", f"{name} does not run forward"
    limit = case.spec.max_seconds
    if limit is not None and columns[CLOCK] and columns[CLOCK][-1] > limit:
        yield "clock", f"an evaluation after {columns[CLOCK][-1]:.2f} s, beyond {limit:.2f} s"
    if case.record["timing"] == "replayed":  # the times of one trial, the ledger of many
        yield from _replayed(case)
        return
    *parts, whole = columns.values()
    for row, total in enumerate(whole):
        if sum(part[row] for part in parts) > total * (1 + _ROUNDING) + _ROUNDING:
            yield "clock", f"at step {case.rows[row][STEP]} its clocks count more than went by"
            return
    if any(row[CLOCK] != row[SCORE] for row in case.rows):
        yield "clock", f"{CLOCK} and {SCORE} differ"


def _replayed(case: Case) -> Said:
    """A replayed clock is what the seconds of a single trial, as they were measured, add up to."""
    single = clock.SingleTrialSeconds(**case.record["replay"])
    for count, row in enumerate(case.rows, start=1):
        expected = single.seconds(int(number(row[STEP])), count, case.record["count_compile"])
        if abs(number(row[CLOCK]) - expected) > _ROUNDING + _ROUNDING * expected:
            yield (
                "clock",
                f"at step {row[STEP]} it says {row[CLOCK]:.12} s; a trial's measured seconds add "
                f"up to {expected:.6g}",
            )
            return


def ledger(case: Case) -> Said:
    """The ledger adds up, and the log's last seconds are those that it has on the clock."""
    record = case.record
    own = record["ledger"]
    watched = own if record["population"] is None else record["population"]["ledger"]
    if any(not 0 <= seconds < float("inf") for seconds in watched.values()):
        yield "clock", "an account of the ledger is no number of seconds"
    if record["status"] in (*FAILURES[1:],):  # it was ended, or says itself that it does not fit
        return
    if not clock.adds_up(watched, watched["wall"]):
        yield (
            "clock",
            (f"the ledger accounts for {clock.booked(watched):.2f} s of {watched['wall']:.2f} s"),
        )
    if record["timing"] == "replayed" or not case.rows:
        return
    # A trial that went over its budget has no row for its last seconds, only this one.
    last = next(number(row[SCORE]) for row in reversed(case.measurements) if row[SCORE])
    on_clock = sum(own[name] for name in ON_CLOCK)
    on_clock += own["compile"] if record["count_compile"] else 0.0
    if abs(last - on_clock) > _ROUNDING + _ROUNDING * on_clock:
        yield "clock", f"the log ends after {last:.3f} s, the ledger has {on_clock:.3f} s on it"
    for account, column in (("eval", _CLOCKS[1]), ("log", _CLOCKS[2]), ("wall", _CLOCKS[3])):
        if case.column(column)[-1] > own[account] * (1 + _ROUNDING) + _ROUNDING:
            yield "clock", f"{column} is more than the ledger's {account}, {own[account]:.3f} s"


def attempts_agree(case: Case) -> Said:
    """The process that watched saw the trial's process for as long as the ledger says."""
    record, seen = case.record, attempts.ended(case.path)
    if seen != record["attempts"]:
        yield "clock", f"{attempts.FILE} does not say what the record says about attempts"
    if not seen or record["status"] not in _ENDED_WELL:
        return
    watched = record["ledger"] if record["population"] is None else record["population"]["ledger"]
    here = watched["wall"] - record["earlier_wall"]
    allowed = seen[-1]["wall"] + max(clock.TOLERANCE * here, clock.GRACE_SECONDS)
    if here > allowed:
        yield "clock", f"a ledger of {here:.2f} s for a process of {seen[-1]['wall']:.2f} s"


def outrun(case: Case) -> Said:
    """Whoever was outrun was so by a trial that is beside it."""
    if case.record["status"] == OUTRUN and not racing.still_stands(case.path, case.record):
        yield "result", "it was outrun, but no trial of its study is ahead of where it stopped"


QUESTIONS = (hashes, numbers, both_logs, steps, clocks, ledger, attempts_agree, outrun)
