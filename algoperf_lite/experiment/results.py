"""Results of the Python interface: frozen rows, and tables of them that pandas can take over."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from algoperf_lite.population.evolution import Point
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring.leaderboard import Leaderboard
from scoring.stats.sequential import Decision
from scoring.views import importance

Row = TypeVar("Row")


@dataclasses.dataclass(frozen=True)
class Table(Generic[Row]):
    """Rows that are frozen dataclasses of one kind.

    Attributes:
      rows: in the order of the command's output.
    """

    rows: tuple[Row, ...]

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a column per field; raises ImportError where pandas is not."""
        # Nothing else here needs it, so it is no requirement of the package.
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_frame needs pandas, which is not here; pip install pandas"
            ) from None
        columns = [field.name for field in dataclasses.fields(self.rows[0])] if self.rows else []
        values = [[getattr(row, column) for column in columns] for row in self.rows]
        return pandas.DataFrame(values, columns=columns)


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
      submission, workload, study, trial: which it is; studies count from 0, trials from 1.
      status: one of `logs.STATUSES`.
      time_to_target, steps_to_target: in seconds on the submission's clock and in steps; None where
        the target was not reached.
      best: of the validation metric; None without an evaluation.
      hyperparameters: the point; of a population, its winner's.
      error: why it ended early; None where it did not.
      directory: of its logs.
    """

    submission: str
    workload: str
    study: int
    trial: int
    status: str
    time_to_target: float | None
    steps_to_target: int | None
    best: float | None
    hyperparameters: Mapping[str, Any] | None
    error: str | None
    directory: Path


@dataclasses.dataclass(frozen=True)
class RunResult(Table[TrialResult]):
    """An experiment that has run: all its trials, those that were finished before included.

    Attributes:
      output_dir: the experiment's directory, for `api.score` and `api.report`.
      decisions: about pairs, where studies were added until they were decided.
    """

    output_dir: Path
    decisions: tuple[Decision, ...] = ()


def trial_result(trial: TrialSpec) -> TrialResult:
    """The result of a trial that has ended, from its trial.json."""
    directory = Path(trial.directory)
    # From disk, as trials of an earlier call have left nothing else.
    record = logs.read_record(directory)
    own = ("status", "time_to_target", "steps_to_target", "best", "hyperparameters", "error")
    return TrialResult(
        submission=trial.submission_name,
        workload=trial.workload_name,
        study=trial.study,
        trial=trial.trial,
        directory=directory,
        **{name: record[name] for name in own},
    )


@dataclasses.dataclass(frozen=True)
class ScoreRow:
    """A row of the leaderboard.

    Attributes:
      submission: its name.
      score: area under its performance profile, from 0 to 1.
      low, high: 95% interval; None where one study cannot tell.
      reached: base workloads whose target it reached.
      num_studies: independent repetitions.
    """

    submission: str
    score: float
    low: float | None
    high: float | None
    reached: int
    num_studies: int


@dataclasses.dataclass(frozen=True)
class ScoreResult(Table[ScoreRow]):
    """A leaderboard, best first.

    Attributes:
      leaderboard: all there is to know, such as times per workload; see `scoring.leaderboard`.
      plots: files of the performance profile, if they were asked for.
    """

    leaderboard: Leaderboard
    plots: tuple[Path, ...] = ()


@dataclasses.dataclass(frozen=True)
class ImportanceRow:
    """One hyperparameter of one submission; see `scoring.stats.importance`.

    Attributes:
      workload: None for all of them together.
      num_points: different points of the search.
      trend, trend_low, trend_high: Spearman's rho of how good a trial is with the value, and the
        95% interval; limits are None where the points have none.
      peak, peak_low, peak_high: the same with its nearness to the middle of the values; None where
        there are two values only.
      is_found: whether one of both intervals excludes 0.
    """

    submission: str
    workload: str | None
    hyperparameter: str
    num_points: int
    trend: float
    trend_low: float | None
    trend_high: float | None
    peak: float | None
    peak_low: float | None
    peak_high: float | None
    is_found: bool


@dataclasses.dataclass(frozen=True)
class ImportanceResult(Table[ImportanceRow]):
    """What trials say of hyperparameters, the strongest first.

    Attributes:
      says: the same in words, and what the points cannot tell, by submission.
      nothing: why there is nothing to tell of; None where there is something.
    """

    says: Mapping[str, tuple[str, ...]]
    nothing: str | None


@dataclasses.dataclass(frozen=True)
class ReportResult:
    """The report of an experiment: its page, and the folder of its figures if there is one."""

    output: Path
    figures: Path | None


@dataclasses.dataclass(frozen=True)
class PackResult:
    """A pack: its file, how many trials and files it holds, and its size in bytes."""

    output: Path
    num_trials: int
    num_files: int
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class MergeResult:
    """Experiments put together.

    Attributes:
      directories: one; or one for each kind of machine, by the key of its fingerprint.
      num_trials: in all of them.
      num_duplicates: trials that were left out, since another had their rows.
      renamed: (where it is from, name there, name here) of submissions whose name was taken.
    """

    directories: tuple[Path, ...]
    num_trials: int
    num_duplicates: int
    renamed: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """Logs in another tool's format: the folder of its files, and how many trials are in it."""

    output: Path
    num_trials: int


@dataclasses.dataclass(frozen=True)
class CheckResult(Table[Any]):
    """Findings of `rules` about a submission, by file and line.

    Attributes:
      submission: its name.
      num_violations: findings that break a rule.
      num_to_review: findings that a person must read.
    """

    submission: str
    num_violations: int
    num_to_review: int


@dataclasses.dataclass(frozen=True)
class CalibrationRow:
    """How fast the reference submission steps on a workload here.

    Attributes:
      workload: its name.
      seconds_per_step: median, in the faster mode.
      step_hint: steps whose time is the budget.
      mode: of stepping, see `modes.MODES`.
    """

    workload: str
    seconds_per_step: float
    step_hint: int
    mode: str


@dataclasses.dataclass(frozen=True)
class ReplayResult:
    """A submission file that follows the winner of a population.

    Attributes:
      output: the file.
      line: (first step, hyperparameters from there on) of each stretch.
      held: hyperparameters that cannot follow the line, at the values they keep.
      budget: part of the step hint that the line is for.
    """

    output: Path
    line: tuple[tuple[int, Point], ...]
    held: Point
    budget: float


def score_result(board: Leaderboard, plots: Sequence[Path] = ()) -> ScoreResult:
    """The leaderboard's rows without what differs by workload."""
    # Gated: what a held-out variant did not confirm does not count as reached.
    rows = [
        ScoreRow(
            row.submission,
            row.score,
            row.low,
            row.high,
            sum(math.isfinite(time) for time in row.gated.values()),
            row.num_studies,
        )
        for row in board.rows
    ]
    return ScoreResult(tuple(rows), board, tuple(plots))


def importance_result(board: Leaderboard) -> ImportanceResult:
    """The rows of all workloads together, then those of each, for each submission."""
    rows = [
        ImportanceRow(
            *(found.submission, workload, effect.hyperparameter, found.points.size),
            *dataclasses.astuple(effect.trend),
            *((None,) * 3 if effect.peak is None else dataclasses.astuple(effect.peak)),
            effect.is_found,
        )
        for found in board.importance
        for workload, effects in ((None, found.effects), *found.by_workload.items())
        for effect in effects
    ]
    says = {found.submission: tuple(importance.sentences(found)) for found in board.importance}
    return ImportanceResult(tuple(rows), says, importance.nothing(board))
