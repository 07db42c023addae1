"""The same look for a terminal: what runs, what has ended, and how busy the machine is."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.logs.format import STATUSES, UNFINISHED
from scoring.views import columns
from scoring.views.columns import AIRY, NAME_ROOM, Column
from scoring.views.text import amount, counted, printable
from scoring.watch.feed import SECONDS, rest
from scoring.watch.machine import Machine, Sample
from scoring.watch.trials import Tree, Watched

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_COLUMNS = (
    Column("submission", left=True, folds_to=NAME_ROOM),
    Column("workload", left=True, folds_to=NAME_ROOM),
    Column("study", gives_way=2),
    Column("trial", gives_way=2),
    Column("done"),
    Column("step", gives_way=3),
    Column("best"),
    Column("target"),
    Column("last row", gives_way=1),
)
_MOST_ROWS = 12  # of trials that are not finished


def watch(directory: Path, console: Console | None = None, seconds: float = SECONDS) -> None:
    """Shows a directory until it is interrupted; once where there is no terminal."""
    # Here and not at the top: rich takes longer to import than all of scoring but numpy.
    from rich.console import Console
    from rich.live import Live

    console = console or Console()
    tree, machine = Tree(directory), Machine(directory)
    if not console.is_terminal:
        tree.poll()
        console.print(picture(tree, machine.sample(), console.width))
        return
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            began = time.thread_time()
            tree.poll()
            live.update(picture(tree, machine.sample(), console.width), refresh=True)
            time.sleep(rest(time.thread_time() - began, seconds))


def picture(tree: Tree, sample: Sample, width: int) -> RenderableType:
    """All of it, for a terminal of so many columns."""
    from rich.console import Group
    from rich.text import Text

    lines = [printable(str(tree.directory)), *_sentences(tree, sample)]
    running = [one for one in tree.trials.values() if one.status == UNFINISHED]
    running.sort(key=lambda one: one.changed, reverse=True)
    parts: list[RenderableType] = [Text(line) for line in lines]
    if running:
        rows = [_row(one, sample.time) for one in running[:_MOST_ROWS]]
        kept = columns.shown(_COLUMNS, rows, width, AIRY)
        parts.append(columns.table("Not finished", _COLUMNS, rows, kept, AIRY))
        if len(running) > _MOST_ROWS:
            parts.append(Text(f"and {len(running) - _MOST_ROWS} more"))
    return Group(*parts)


def _sentences(tree: Tree, sample: Sample) -> list[str]:
    """How far it is, how trials ended, and what the machine does."""
    counts = Counter(one.status for one in tree.trials.values())
    ended = sum(num for status, num in counts.items() if status != UNFINISHED)
    whole = tree.num_trials
    statuses = [f"{counts[s]} {s.replace('_', ' ')}" for s in STATUSES if counts[s]]
    how_many = counted(ended if whole is None else whole, "trial")
    first = f"{how_many} ended" if whole is None else f"{ended:,} of {how_many} ended"
    first += f": {', '.join(statuses)}" if statuses else ""
    machine = (
        f"{counted(sample.num_cores, 'core')} {sample.cpu:.0f}% busy, load {sample.load:.1f}, "
        f"{sample.memory:.0f}% of {sample.memory_gib:.0f} GiB in use"
    )
    if sample.disk_free_gib is not None:
        machine += f", {sample.disk_free_gib:.0f} GiB of disk free"
    gpus = [
        f"GPU {i}: {gpu.use:.0f}% busy, {gpu.memory:.0f}% of its memory"
        for i, gpu in enumerate(sample.gpus)
    ]
    return [first, machine, *gpus]


def _row(one: Watched, now: float) -> tuple[str, ...]:
    trial, best = one.trial, one.target.best(one.trial.metric)
    target = one.target.value
    return (
        printable(trial.submission),
        printable(trial.workload),
        str(trial.study),
        str(trial.trial),
        f"{one.progress:.0%}",
        f"{one.step:,}",
        f"{best:.4g}" if best == best else "-",
        f"{target:.4g}" if target == target else "-",
        f"{amount(max(round(now - one.changed), 0))} s ago" if one.changed else "-",
    )
