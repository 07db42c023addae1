"""Live progress of an experiment: bars in a terminal, plain lines anywhere else."""

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from algoperf_lite.training.calibration import Calibration
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import ON_CLOCK, OUTRUN

_INPUT_BOUND = 0.03  # share of the clock, from which on waiting for data is told
_WIDTH_OF_BARS = 110  # columns: a name, a bar, a metric against its target, the time left


class ExperimentProgress:
    """Shows what runs and what has ended; use as a context manager."""

    def __init__(self, console: Console):
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._done = self._total = 0
        # Transient, since each bar ends as a printed line.
        self._progress = Progress(
            *_columns(console.width),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._experiment = self._progress.add_task("experiment", total=None, note="calibrating")

    def __enter__(self) -> "ExperimentProgress":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Prints a remark."""
        self._print(line)

    def on_calibrated(self, workload: str, calibration: Calibration) -> None:
        """Prints a workload's calibration."""
        self._print(calibration_line(workload, calibration))

    def on_plan(self, trials: list[TrialSpec], left: list[TrialSpec]) -> None:
        """Prints how much is to do."""
        self._total, self._done = len(trials), len(trials) - len(left)
        self._move_experiment()
        self._print(f"{self._total} trials, of which {self._done} are finished already")

    def on_event(self, trial: TrialSpec, event: Mapping[str, Any]) -> None:
        """Takes in one event of a running trial."""
        if event["event"] == "start":
            name = _name(trial, event.get("members", 1))
            self._bars[trial.directory] = self._progress.add_task(
                escape(name), total=None, note="starting"
            )
            if not self._console.is_terminal:
                self._print(f"start  {name}")
        elif event["event"] == "lost":
            self._print(f"again  {_name(trial, event.get('members', 1))}: {event['error']}")
        elif event["event"] == "progress":
            target = "" if trial.target is None else f" (target {trial.target:.4g})"
            note = f"step {event['step']}, {event['metric']} {event['value']:.4g}"
            if "ended" in event:
                note += f" at best, {event['ended']}/{event['members']} ended"
            self._progress.update(
                self._bars[trial.directory],
                completed=event["step"],
                total=event["horizon"],
                note=note + target,
            )
        elif event["event"] == "retry":
            self._print(f"again  {trial.name}: {event['error'].splitlines()[0]}")

    def on_end(self, trial: TrialSpec, record: Mapping[str, Any]) -> None:
        """Prints how a trial ended and moves the experiment's bar."""
        self._done += 1
        bar = self._bars.pop(trial.directory, None)  # trials that train together have one bar
        if bar is not None:
            self._progress.remove_task(bar)
        self._move_experiment()
        self._print(f"{self._done:>3}/{self._total}  {trial.name}: {summary(record)}")

    def _move_experiment(self) -> None:
        note = f"{self._done}/{self._total} trials"
        self._progress.update(self._experiment, completed=self._done, total=self._total, note=note)

    def _print(self, line: str) -> None:
        # Escaped throughout: a name such as [bold] is a legal file name.
        stamp = f"[dim]{time.strftime('%H:%M:%S')}[/dim]"
        console = self._progress.console
        if not console.is_terminal:  # whoever reads a log wants one line per event
            console.print(f"{stamp} {escape(line)}", highlight=False, soft_wrap=True)
            return
        # In two columns, so that a long line goes on beside the time and not below it.
        row = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 1, 0, 0))
        row.add_row(stamp, escape(line))
        console.print(row, highlight=False)


def _columns(width: int) -> tuple[ProgressColumn, ...]:
    """The columns of the bars; a terminal too narrow for them has two lines and no bar, since what
    trains, and how well, says more."""
    if width >= _WIDTH_OF_BARS:
        return (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
        )
    column = Column(no_wrap=False, overflow="fold")
    return (TextColumn("{task.description}\n  {task.fields[note]}", table_column=column),)


def _name(trial: TrialSpec, num_members: int) -> str:
    if num_members == 1:
        return trial.name
    return f"{trial.submission_name} on {trial.workload_name} ({num_members} trials together)"


def summary(record: Mapping[str, Any]) -> str:
    """How a trial ended, in one line."""
    return _end(record) + input_bound(record)


def input_bound(record: Mapping[str, Any]) -> str:
    """What to add for a trial on files that waited for them for more than 3% of its clock: then its
    time says more about this machine's cores and disk than about the submission."""
    ledger, steps = record["ledger"], record.get("steps")
    if record["scale"] != "full" or not steps or "data_selection" not in ledger:
        return ""
    waited, clock = ledger["data_selection"], sum(ledger[account] for account in ON_CLOCK)
    if waited <= _INPUT_BOUND * clock:
        return ""
    examples = steps * record["batch_size"]
    return (
        f"; input-bound: {examples / clock:,.0f} examples/s came and "
        f"{examples / (clock - waited):,.0f} were needed; use more cores or a faster disk, see "
        "`algoperf-lite data status --measure`"
    )


def _end(record: Mapping[str, Any]) -> str:
    status = record["status"].replace("_", " ")
    if record["status"] == "reached":
        seconds, steps = record["time_to_target"], record["steps_to_target"]
        return f"reached the target after {seconds:.2f} s, {steps} steps"
    if record["error"]:
        return f"{status}: {record['error'].splitlines()[0]}"
    best, target = record["best"], record["target"]
    if record["status"] == OUTRUN:
        stop = record["outrun"]
        return (
            f"outrun after {stop['seconds']:.2f} s, {stop['steps']} steps; the best of its study "
            f"took {stop['best_seconds']:.2f} s, {stop['best_steps']} steps"
        )
    if best is None:
        return status
    against = "" if target is None else f" against a target of {target:.4g}"
    return f"{status}, best {record.get('metric', 'metric')} {best:.4g}{against}"


def calibration_line(workload: str, found: Calibration) -> str:
    """A calibration in one line."""
    modes = ", ".join(f"{mode} {1e3 * s:.2f} ms" for mode, s in found.seconds_by_mode.items())
    budget = found.seconds_per_step * found.step_hint
    return (
        f"calibrated {workload}: {modes} per step, so stepping is {found.mode!r}; "
        f"{found.step_hint} steps take the reference {budget:.1f} s"
    )
