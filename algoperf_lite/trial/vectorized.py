"""Many trials in one process: those of one entry on one workload, trained as a population.

Their curves are their own; their times are replayed. A step on a submission's clock takes what it
takes a trial alone, measured here before the population trains (`replayed_clock.Alone`); target,
budget and divergence end each member on that clock as they end a trial on its own.

The process has one ledger. Its accounts cannot be told apart by member, so each member's record
gets an equal share: the ledgers of an experiment then still add up to the time that was spent. The
whole ledger is beside it under "population", and is what `experiment` checks against its own clock.
Seconds on the submission's clock are no part of it; what they are made of is under "replay".
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algoperf_lite.machine import memory
from algoperf_lite.storage import atomic
from algoperf_lite.training.clock import Ledger
from algoperf_lite.trial import attempts, logs, setup, vectorized_groups
from algoperf_lite.trial import run as trial_run
from algoperf_lite.trial.record import blank_record, failure
from algoperf_lite.trial.recorder import Recorder, Report, evaluation_steps, off_clock, throttled
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec
from algoperf_lite.trial.vectorized_groups import Beat, Group, Ready

Record = dict[str, Any]


def work(payload: Mapping[str, Any], report: Report) -> Record:
    """Trials as one job of `executors`: {"specs", "num_processes"} -> {"records"}, one for each,
    which are also written to their directories; {"disk_full": why} without room."""
    report(event="beat")
    return trial_run.unless_full(lambda: _work(payload, report))


def _work(payload: Mapping[str, Any], report: Report) -> Record:
    specs = [TrialSpec.from_json(content) for content in payload["specs"]]
    for spec in specs:  # they start again where they were interrupted: one ledger is theirs
        logs.set_aside(Path(spec.directory), keep=("output.txt", attempts.FILE))
    records = run(specs, report, payload["started"], memory_share=1 / payload["num_processes"])
    report(event="closed")
    for spec, record in zip(specs, records, strict=True):
        atomic.write_json(Path(spec.directory) / "trial.json", record)
    return {"records": records}


def run(
    specs: Sequence[TrialSpec],
    report: Report = lambda **event: None,
    started: float | None = None,
    now: Callable[[], float] = time.monotonic,
    memory_share: float = 1.0,
) -> list[Record]:
    """Trains, evaluates and logs all trials; returns their records, whatever happens to them.

    The trials must differ in study, trial and hyperparameters only. `report` and `started` are
    those of `run.run`; `memory_share` is the part of the machine that this process may have.
    """
    ledger = Ledger(now, started)
    records = [blank_record(spec) | {"timing": "replayed"} for spec in specs]
    try:
        _train(specs, records, ledger, report, memory_share)
    except Exception as error:  # the trials end with a status; the experiment goes on
        if atomic.is_full(error):
            raise
        _fail(records, error)
    whole = ledger.close()
    for record in records:
        record["peak_memory_bytes"] = memory.peak_memory()
        record["ledger"] = {account: value / len(specs) for account, value in whole.items()}
        record["population"] = {"ledger": whole, **record.get("population", {})}
    return records


def _train(
    specs: Sequence[TrialSpec],
    records: Sequence[Record],
    ledger: Ledger,
    report: Report,
    memory_share: float,
) -> None:
    """All trials under the ledger's accounts; fills `records`."""
    stage, beat = setup.prepare(specs[0]), throttled(report)
    books = [Recorder(spec, stage, record) for spec, record in zip(specs, records, strict=True)]
    beat()
    ledger.switch("init", stage.data)
    entry = setup.load_submission(specs[0])
    points = [setup.point(spec, entry) for spec in specs]
    ledger.switch("log")
    import_seconds = ledger.seconds("init")
    for book, point in zip(books, points, strict=True):
        book.write_submission(entry, point, entry.batch_size(stage.workload))
    for group in vectorized_groups.groups(stage, entry, books, points):
        try:
            ready = vectorized_groups.start(group, ledger, import_seconds, beat, memory_share)
            _loop(group, ready, ledger, functools.partial(_tell, report, stage, books), beat)
        except Exception as error:  # trials of another group may do better
            if atomic.is_full(error):
                raise
            _fail([book.record for book in group.books], error)


def _fail(records: Sequence[Record], error: Exception) -> None:
    """Ends those of the trials so that have not ended before."""
    for record in records:
        if record["status"] == "crashed":
            record |= failure(error)


def _tell(
    report: Report, stage: TrialSetup, books: Sequence[Recorder], step: int, value: float
) -> None:
    report(
        event="progress",
        step=step,
        horizon=stage.workload.step_hint,
        metric=stage.workload.target_metric_name,
        value=value,
        members=len(books),
        ended=sum(book.is_over for book in books),
    )


def _loop(
    group: Group, ready: Ready, ledger: Ledger, tell: Callable[[int, float], None], beat: Beat
) -> None:
    """Trains from evaluation to evaluation until all members have ended."""
    spec, books, stepper = group.books[0].spec, group.books, ready.stepper
    best = min if group.stage.workload.lower_is_better else max
    population, step, member_steps = ready.population, 0, 0
    before = ledger.seconds("update_params")
    grid = enumerate(evaluation_steps(group.stage.workload.step_hint, spec.num_evals), 1)
    while any(active := [not book.is_over for book in books]):
        num_evals, next_step = next(grid)
        next_step = min(next_step, spec.max_global_steps or next_step)
        num_steps = next_step - step
        ledger.switch("update_params")
        population = stepper.advance(population, step, num_steps, beat, active)
        ledger.switch("prepare_for_eval", population)
        prepared = stepper.prepare_for_eval(population, next_step, active)
        step, member_steps = next_step, member_steps + num_steps * sum(active)
        seconds = ready.alone.seconds(step, num_evals, spec.count_compile)
        values = []
        for i in np.flatnonzero(active):
            ledger.switch("eval", prepared)
            state = stepper.member(population, i).state
            if books[i].is_over_budget(seconds, step):
                books[i].close()
                continue
            row = books[i].evaluate(
                *stepper.member(prepared, i), is_healthy=ready.is_finite(state.params)
            )
            ledger.switch("log")
            if ready.learning_rate is not None:
                row["learning_rate"] = ready.learning_rate(group.point(i), step - 1)
            loss = float(state.loss_sum) / num_steps
            values.append(books[i].enter(row, loss, off_clock(ledger, len(books))))
            if books[i].is_over:
                books[i].close()
            beat()
        ledger.switch("log")
        if values:
            tell(step, best(values))
    spent = ledger.seconds("update_params") - before
    for book in books:
        book.record["population"] = {
            "members": len(books),
            "member_steps": member_steps,
            "seconds_per_member_step": spent / max(1, member_steps),
        }
