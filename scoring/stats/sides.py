"""One side of a comparison of boards: a directory of logs, part of it, or a published table."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scoring import benchmark as benchmarks
from scoring.benchmark import Benchmark
from scoring.logs import published, read
from scoring.logs.format import EXPERIMENT, RECORD
from scoring.logs.published import Published
from scoring.logs.read import Trial
from scoring.protocol import Protocol, check
from scoring.stats import measures, times
from scoring.stats.budgets import contender
from scoring.stats.measures import Measure

_STUDIES = re.compile(r"studies=([0-9]+)(?:-([0-9]+))?")
_PARTS = "a part of the step hint, as in DIR@0.5, or studies, as in DIR@studies=0-1"


@dataclass(frozen=True, eq=False)
class Side:
    """A board as it is compared: its logs, or what was published of it.

    Trials of shorter runs bear the name of their submission: "adamw@0.25" is "adamw" here.
    """

    label: str  # as it was given
    benchmark: Benchmark | None  # None: of a table of scores, nobody said which
    trials: tuple[Trial, ...] = field(default=(), repr=False)
    table: Published | None = None
    share: float = 1.0  # of the step hint, that its logs are read up to
    protocol: Protocol = Protocol()
    root: Path = Path()  # that its trials' paths start at

    @property
    def submissions(self) -> tuple[str, ...]:
        """Names, sorted."""
        if self.table is not None:
            return self.table.submissions
        return tuple(sorted({trial.submission for trial in self.trials}))

    @property
    def workloads(self) -> tuple[str, ...]:
        """Base workloads that it has results on; of a table of scores, those of its benchmark if
        one was given, else none."""
        base = () if self.benchmark is None else self.benchmark.base_workloads
        if self.table is not None and self.table.scores:
            return base
        if self.table is not None:
            logged = {workload for _, workload in self.table.times}
        else:
            logged = {trial.workload for trial in self.trials}
        return tuple(name for name in base if name in logged)

    @property
    def yardsticks(self) -> tuple[str, ...]:
        """What it can be measured by: "score", or "time", with logs also "steps" and "metric"."""
        if self.table is not None:
            return ("score",) if self.table.scores else ("time",)
        return ("time", "steps", "metric")

    @property
    def num_studies(self) -> int:
        """The number of different studies, 0 of a table without them."""
        if self.table is not None:
            of_cells = [len(studies) for studies in self.table.times.values()]
            return max(of_cells, default=0) if max(of_cells, default=0) > 1 else 0
        return len({trial.study for trial in self.trials})

    def by_clock(self, by: str, names: Sequence[str], workloads: Sequence[str]) -> Measure:
        """Its score by "time" or "steps", or the published one where that is all there is.

        Raises ValueError for times of unlike machines, unless the protocol allows them.
        """
        if self.table is not None and self.table.scores:
            return measures.published(names, self.table.scores)
        variants = [
            name for name in self.benchmark.held_out_workloads if self._gates(name, workloads)
        ]
        columns = (*workloads, *variants)
        if self.table is not None:
            cells = self.table.times
        else:
            own = [trial for trial in self.trials if trial.submission in names]
            check(own, self.benchmark, replace(self.protocol, by=by))
            targets = {name: self.benchmark.workloads[name] for name in columns}
            cells = times.cells(own, targets, "exact", by)
        # The gates run over the benchmark's workloads, of which only these take part.
        part = replace(
            self.benchmark, base_workloads=tuple(workloads), held_out_workloads=tuple(variants)
        )
        found = measures.by_cost(by, cells, names, columns, part)
        return replace(found, is_certain=self.table is not None and self.num_studies == 0)

    def by_metric(self, share: float, names: Sequence[str], workloads: Sequence[str]) -> Measure:
        """The metric at a share of the step hint, of a side that has logs."""
        targets = {name: self.benchmark.workloads[name] for name in workloads}
        own = [trial for trial in self.trials if trial.submission in names]
        return measures.by_metric(own, names, targets, share, f"metric at {share:.0%}")

    def shares_runs(self, other: Side) -> bool:
        """Whether a run is on both sides, so that their studies are drawn together."""
        mine, theirs = ({trial.path for trial in side.trials} for side in (self, other))
        return self.root == other.root and bool(mine & theirs)

    def _gates(self, variant: str, workloads: Sequence[str]) -> bool:
        """Whether a variant is logged and gates one of these base workloads."""
        if self.table is not None:
            logged = {workload for _, workload in self.table.times}
        else:
            logged = {trial.workload for trial in self.trials}
        return variant in logged and self.benchmark.base_of(variant) in workloads


def open_side(
    given: str | Path, benchmark: str | Path | Benchmark | None = None, **protocol: bool
) -> Side:
    """The side that a path means: a directory, with "@" a part of it, or a .csv or .json table.

    Args:
      given: DIR, DIR@0.5 (its runs for half the step hint; where it has none, all logs up to
        there), DIR@studies=0-1, DIR@0.5,studies=2, or the file of a table.
      benchmark: name, file or Benchmark; None for the experiment's own, else lite where the
        harness wrote the logs and algoperf_v05 where AlgoPerf did.
      protocol: allow_mixed_hardware, allow_mixed_timing.
    Raises ValueError for a path that holds neither logs nor a table.
    """
    text = str(given)
    path, share, studies = _parts(text)
    if path.is_file():
        if path.suffix not in published.SUFFIXES:
            raise ValueError(f"{text!r} is no table; give a directory of logs, .csv or .json")
        if str(path) != text:
            raise ValueError(f"{text!r} asks for a part of a table; parts are of directories")
        return _of_table(text, published.read(path), benchmark, Protocol(**protocol))
    if not path.exists():
        raise ValueError(f"{text!r} does not exist; give a directory of logs, .csv or .json")
    goal = benchmark or _own_benchmark(path)
    goal = goal if isinstance(goal, Benchmark) else benchmarks.load(goal)
    trials, _ = read.read(path, {name: target.metric for name, target in goal.workloads.items()})
    if studies is not None:
        trials = tuple(trial for trial in trials if trial.study in studies)
        if not trials:
            raise ValueError(f"{text!r} has no such study; see which {str(path)!r} has")
    if share < 1.0:
        trials = _up_to(trials, share, goal)
    return Side(text, goal, trials, None, share, Protocol(**protocol), path.resolve())


def _parts(text: str) -> tuple[Path, float, range | None]:
    """Path, share of the step hint and studies; a path that has an "@" itself is taken whole."""
    path, mark, rest = text.rpartition("@")
    share, studies = 1.0, None
    if not mark or Path(text).exists():
        return Path(text), share, studies
    for part in rest.split(","):
        match = _STUDIES.fullmatch(part.strip())
        if match:
            studies = range(int(match[1]), int(match[2] or match[1]) + 1)
            continue
        try:
            share = float(part)
        except ValueError:
            share = 0.0
        if not 0.0 < share <= 1.0:
            raise ValueError(f"{text!r} has {part!r} behind '@'; expected {_PARTS}")
    return Path(path), share, studies


def _of_table(
    text: str, table: Published, benchmark: str | Path | Benchmark | None, protocol: Protocol
) -> Side:
    """The side of a table; one of times is over all its workloads unless a benchmark is given."""
    goal = benchmark
    if goal is not None and not isinstance(goal, Benchmark):
        goal = benchmarks.load(goal)
    if goal is None and table.times:
        names = tuple(dict.fromkeys(workload for _, workload in table.times))
        goal = Benchmark(Path(text).stem, names, (), workloads={}, rulesets={})
    return Side(text, goal, table=table, protocol=protocol)


def _own_benchmark(path: Path) -> str:
    """The name of the benchmark that a directory's trials were run for."""
    try:
        return json.loads((path / EXPERIMENT).read_text())["settings"]["benchmark"]
    except (OSError, ValueError, LookupError, TypeError):
        # Only our harness leaves a record beside the rows.
        return "lite" if next(path.glob(f"*/*/*/*/{RECORD}"), None) else "algoperf_v05"


def _up_to(trials: Sequence[Trial], share: float, benchmark: Benchmark) -> tuple[Trial, ...]:
    """The runs that were made for this share of the step hint; without any, all logs up to it."""
    made = [trial for trial in trials if contender(trial.submission) == (_name(trial), share)]
    if made:
        return tuple(replace(trial, submission=_name(trial)) for trial in made)
    whole = [trial for trial in trials if _name(trial) == trial.submission]
    return tuple(_cut(t, round(share * benchmark.workloads[t.workload].step_hint)) for t in whole)


def _name(trial: Trial) -> str:
    return contender(trial.submission)[0]


def _cut(trial: Trial, steps: int) -> Trial:
    """The trial without its rows behind a step."""
    kept = trial.steps <= steps  # NaN is not: an unknown step may lie behind
    columns = {name: getattr(trial, name)[kept] for name in ("steps", "seconds", "score", "metric")}
    return replace(trial, **columns)
