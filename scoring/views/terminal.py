"""A leaderboard as text: rich tables for the terminal, a GitHub table for a README."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from scoring.leaderboard import Leaderboard
from scoring.logs.read import STATUSES
from scoring.stats.rows import Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
from scoring.views.text import amount, printable

ONE_STUDY = "1 study: ?"


_HEADINGS = ("#", "submission", "score", "95% interval", "reached", "studies")


_NAME_WIDTH = 28  # of a submission in the table per workload; longer ones fold


def render(leaderboard: Leaderboard, console: Console | None = None) -> None:
    """Print the leaderboard, the table per workload, and a line per kind of oddity."""
    # Here and not at the top: rich takes longer to import than all of scoring but numpy.
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    console.print(_ranking(leaderboard))
    for line in _notes(leaderboard):
        console.print(Text(line))
    console.print()
    for part in _details(leaderboard):
        console.print(part)
    for line in _oddity_lines(leaderboard):
        console.print(Text(line))


def render_details(leaderboard: Leaderboard, console: Console | None = None) -> None:
    """Print the views beside it: speedups, chances and places, metrics at budgets."""
    from rich.console import Console

    from scoring.views import terminal_details

    console = console or Console()
    for part in terminal_details.parts(leaderboard):
        console.print(part)


def markdown(leaderboard: Leaderboard) -> str:
    """The leaderboard as a GitHub table, with one line on how it was scored below it."""
    lines = [_markdown_row(_HEADINGS), "| ---: | --- | ---: | --- | ---: | ---: |"]
    for place, entry in enumerate(leaderboard.entries, start=1):
        # A name is a folder's name: it may hold what would end the cell or start markup.
        name = re.sub(r"([\\`*<>\[\]|])", r"\\\1", printable(entry.submission))
        lines.append(_markdown_row((str(place), name, *_figures(leaderboard, entry))))
    how = f"{_title(leaderboard)}."
    return "\n".join([*lines, "", " ".join([how, *_notes(leaderboard)])]) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figures(leaderboard: Leaderboard, entry: Row) -> tuple[str, str, str, str]:
    """Score, interval, workloads reached and studies of one row."""
    interval = ONE_STUDY if entry.num_studies < 2 else "-"
    if entry.low is not None and entry.high is not None:
        interval = f"{entry.low:.3f} to {entry.high:.3f}"
    reached = sum(math.isfinite(t) for t in entry.gated.values())
    return (
        f"{entry.score:.4f}",
        interval,
        f"{reached}/{len(leaderboard.workloads)}",
        str(entry.num_studies),
    )


def _ranking(leaderboard: Leaderboard) -> Table:
    """The leaderboard proper, one row per submission."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.title = Text(_title(leaderboard))
    for heading in _HEADINGS:
        left = heading in ("submission", "95% interval")
        # Names fold rather than end in an ellipsis: two may differ only in their last letters.
        table.add_column(
            heading,
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=heading != "submission",
        )
    for place, entry in enumerate(leaderboard.entries, start=1):
        # Text objects throughout: a str would be parsed, and [bold] is a legal folder name.
        cells = (str(place), printable(entry.submission), *_figures(leaderboard, entry))
        table.add_row(*map(Text, cells), style="bold" if place == 1 else None)
    return table


def _title(leaderboard: Leaderboard) -> str:
    protocol = leaderboard.protocol
    return (
        f"{printable(leaderboard.benchmark.name)}: {protocol.mode} score by {protocol.by} "
        f"over {len(leaderboard.workloads)} workloads"
    )


def _details(leaderboard: Leaderboard) -> Iterator[Text | Padding]:
    """Per workload a heading and a row for every submission that was run on it."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    unit = "s" if leaderboard.unit == "seconds" else "steps"
    headings = ("", unit, "vs best", "metric", "trials")
    columns = leaderboard.workloads + leaderboard.held_out
    rows = {w: [_cells(e, w) for e in _fastest_first(leaderboard, w)] for w in columns}
    every = [headings, *(row for group in rows.values() for row in group)]
    # One width per column over all the small tables, so that they read as one.
    widths = [max(len(row[i]) for row in every) for i in range(4)]

    def aligned(rows: Iterable[Iterable[str]]) -> Padding:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=min(widths[0], _NAME_WIDTH), overflow="fold")
        for width in widths[1:]:
            table.add_column(justify="right", width=width, no_wrap=True)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        return Padding(table, (0, 0, 0, 2))  # set in below the workload's name

    yield aligned([headings])
    for workload, group in rows.items():
        yield Text(_heading(leaderboard, workload), style="bold")
        if group:
            yield aligned(group)
        yield Text()


def _heading(leaderboard: Leaderboard, workload: str) -> str:
    """The workload with its target, and what is special about it."""
    target = leaderboard.benchmark.workloads[workload]
    sign = "<=" if target.lower_is_better else ">="
    line = f"{printable(workload)}: {printable(target.metric)} {sign} {target.value:g}"
    if workload in leaderboard.held_out:
        line += " (held out: gates its base)"
    if workload in leaderboard.missing_workloads:
        line += " (in no log)"
    return line


def _fastest_first(leaderboard: Leaderboard, workload: str) -> list[Row]:
    """Entries that were run on the workload, by time to target."""
    run = [entry for entry in leaderboard.entries if workload in entry.statuses]
    return sorted(run, key=lambda entry: entry.time_to_target.get(workload, math.inf))


def _cells(entry: Row, workload: str) -> tuple[str, str, str, str, str]:
    """One submission on one workload."""
    time = entry.time_to_target.get(workload, math.inf)
    ratio = entry.ratio_to_best.get(workload)
    versus = "" if ratio is None or math.isinf(time) else "no credit"
    if ratio is not None and math.isfinite(ratio):
        versus = f"{ratio:.2f}x"
    best = entry.best[workload]
    return (
        printable(entry.submission),
        amount(time),
        versus,
        "none" if math.isnan(best) else f"{best:.5g}",
        _statuses(entry.statuses[workload]),
    )


def _statuses(counts: Mapping[str, int]) -> str:
    """E.g. "1 reached, 2 diverged"."""
    known = [status for status in STATUSES if status in counts]
    words = [f"{counts[status]} {status.replace('_', ' ')}" for status in known]
    if known[:2] == ["reached", "not_reached"]:
        words[1] = f"{counts['not_reached']} not"
    return ", ".join(words)


def _notes(leaderboard: Leaderboard) -> list[str]:
    """What a reader must know to read the table right."""
    notes = []
    unknown = [e for e in leaderboard.entries if e.low is None]
    if unknown:
        who = "An" if len(unknown) == len(leaderboard.entries) else f"For {len(unknown)} rows an"
        notes.append(f"{who} interval cannot be told from one study; run at least two.")
    rivals = _not_below_the_first(leaderboard)
    if rivals:
        notes.append(f"Not distinguishable from the first: {', '.join(map(printable, rivals))}.")
    if leaderboard.missing_workloads:
        left_out = leaderboard.protocol.only_present
        notes.append(
            f"In no log, {'left out' if left_out else 'counted as not reached'}: "
            f"{', '.join(map(printable, leaderboard.missing_workloads))}."
        )
    if "replayed" in leaderboard.timing:
        notes.append(f"Timing: {', '.join(map(printable, leaderboard.timing))}.")
    if len(leaderboard.fingerprints) > 1:
        notes.append(f"Trials of {len(leaderboard.fingerprints)} different machines.")
    return notes


def _not_below_the_first(leaderboard: Leaderboard) -> list[str]:
    """Submissions whose score is not surely below that of the first."""
    first = leaderboard.entries[0].submission
    pairs = leaderboard.ranks.indistinguishable or ()
    return [name for pair in pairs if first in pair for name in pair if name != first]


def _oddity_lines(leaderboard: Leaderboard) -> list[str]:
    """One line per kind of oddity: how many, what, and where the first is."""
    counts = Counter(oddity.kind for oddity in leaderboard.oddities)
    lines = []
    for kind, count in sorted(counts.items()):
        first = next(oddity for oddity in leaderboard.oddities if oddity.kind == kind)
        lines.append(printable(f"{count} x {kind}: {first.detail} (first: {first.path})"))
    return lines
