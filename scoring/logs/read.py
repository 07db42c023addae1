"""Trials out of a tree of log directories, AlgoPerf's or ours, laid out as in `logs.format`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from scoring.logs import origins
from scoring.logs.format import (
    CLOCK,
    EVALUATIONS,
    EXPERIMENT,
    NOT_SUBMISSIONS,
    POINT,
    RECORD,
    SCORE,
    STATUSES,
    STEP,
)
from scoring.logs.trial_files import contradictions, read_evaluations, read_info

# Only canonical numbers: beside study_1, a study_01 is a stray folder and not a second study 1.
_STUDY = re.compile(r"study_(0|[1-9][0-9]*)")
_WORKLOAD = re.compile(r"(.+)_(jax|pytorch)")
_TRIAL = re.compile(r"trial_(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Anomaly:
    """A part of the tree that was not as expected, and was left out or repaired."""

    kind: str
    path: str
    detail: str


@dataclass(frozen=True)
class Place:
    """A trial's place in the tree, as its folders say; `path` begins below the root."""

    submission: str
    study: int
    workload: str
    framework: str
    trial: int
    path: str


@dataclass(frozen=True, eq=False)
class Trial:
    """One training run as its log tells it: R evaluation rows and what trial.json says."""

    submission: str
    study: int
    workload: str
    framework: str
    trial: int
    path: str
    steps: np.ndarray  # (R,)
    seconds: np.ndarray  # (R,) on the submission's clock
    score: np.ndarray  # (R,) AlgoPerf's `score` column: the same seconds, in the logs we know
    metric: np.ndarray  # (R,) validation metric of the workload
    info: Mapping[str, object]  # trial.json; empty for AlgoPerf's own logs
    point: Mapping[str, object] = field(default_factory=dict)  # hyperparameters, in those

    @property
    def status(self) -> str | None:
        """The end of the run by its own word, None when it left none."""
        status = self.info.get("status")
        return status if status in STATUSES else None

    @property
    def hyperparameters(self) -> Mapping[str, object]:
        """The point of the search space; empty where the log does not tell."""
        point = self.info.get("hyperparameters", self.point)
        return point if isinstance(point, Mapping) else {}

    @property
    def timing(self) -> str | None:
        """The source of the seconds: "measured", "replayed", or None when nothing tells."""
        timing = self.info.get("timing")
        return None if timing is None else str(timing)

    @property
    def fingerprint_key(self) -> str | None:
        """Identity of the hardware and environment that the run was timed on."""
        fingerprint = self.info.get("fingerprint")
        key = fingerprint.get("key") if isinstance(fingerprint, dict) else fingerprint
        return None if key is None else str(key)


def read(
    directory: str | Path, metrics: Mapping[str, str]
) -> tuple[tuple[Trial, ...], tuple[Anomaly, ...]]:
    """All trials under a directory, in natural order, and the anomalies among them.

    Args:
      metrics: validation metric by workload, e.g. {"mnist": "accuracy"}. Other workloads in the
        tree are named as anomalies and not read.
    Raises ValueError when the tree holds no readable trial.
    """
    reader = _Reader(os.fspath(directory), metrics)
    trials = tuple(reader.trials())
    if not any(trial.steps.size or trial.info for trial in trials):
        raise ValueError(reader.nothing_found())
    return trials, tuple(reader.anomalies)


def places(directory: str | Path) -> tuple[Place, ...]:
    """The places of all trials under a directory, of whatever workloads, in natural order."""
    return tuple(_Reader(os.fspath(directory), None).places())


def some_places(directory: str | Path) -> tuple[Place, ...]:
    """The same; raises ValueError where there are none."""
    found = places(directory)
    if not found:
        raise ValueError(_Reader(os.fspath(directory), None).nothing_found())
    return found


def trial_of(
    at: Place,
    columns: Mapping[str, np.ndarray],
    metric: str,
    info: Mapping[str, object],
    point: Mapping[str, object] | None = None,
) -> Trial:
    """A trial by the columns of its log; one that is not there is unknown in all rows."""
    unknown = np.full(len(next(iter(columns.values()), ())), np.nan)
    return Trial(
        **asdict(at),
        steps=columns.get(STEP, unknown),
        seconds=columns.get(CLOCK, columns.get(SCORE, unknown)),
        score=columns.get(SCORE, unknown),
        metric=columns.get(metric, unknown),
        info=info,
        point=point or {},
    )


def _natural(text: str) -> tuple[int, str]:
    """Sort key that takes numbers as numbers: trial_10 comes after trial_9."""
    return (int(text) if text.isdecimal() else 0, text)


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one; a link that leads in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class _Reader:
    """One walk over one tree; collects anomalies as it goes. Without metrics, any workload is
    known."""

    def __init__(self, root: str, metrics: Mapping[str, str] | None):
        self.root = root
        self.metrics = metrics
        self.origins = origins.of_trials(root)
        # A trial of ours without a record runs still: its point is not yet the cause of an end.
        self.is_ours = bool(self.origins) or os.path.exists(f"{root}/{EXPERIMENT}")
        self.anomalies: list[Anomaly] = []

    def trials(self) -> Iterator[Trial]:
        """Trials in the order submission, study, workload, trial."""
        return map(self._trial, self.places())

    def places(self) -> Iterator[Place]:
        """Their places, in the same order."""
        if not os.path.isdir(self.root):
            return
        for submission in self._submissions():
            folder = f"{self.root}/{submission}"
            for study_name, study in self._children(folder, _STUDY):
                yield from self._study(submission, int(study[1]), f"{folder}/{study_name}")

    def _study(self, submission: str, study: int, folder: str) -> Iterator[Place]:
        """Places of one study."""
        frameworks: dict[str, str] = {}
        for name, match in self._children(folder, _WORKLOAD):
            workload, framework = match[1], match[2]
            path = f"{folder}/{name}"
            if self.metrics is not None and workload not in self.metrics:
                self._note("unknown_workload", path, f"the benchmark has no workload {workload!r}")
                continue
            # Both count: a workload has one target, whatever it was trained with.
            if frameworks.setdefault(workload, framework) != framework:
                self._note("two_frameworks", path, f"also logged as {frameworks[workload]}; pooled")
            for trial_name, trial in self._children(path, _TRIAL):
                inside = self._relative(f"{path}/{trial_name}")
                yield Place(submission, study, workload, framework, int(trial[1]), inside)

    def _trial(self, at: Place) -> Trial:
        """One trial from its two files, each of which may be absent or damaged."""
        metric, path = f"validation/{self.metrics[at.workload]}", f"{self.root}/{at.path}"
        # Nothing here raises on content: one bad file must not hide a thousand good ones.
        columns, remarks = read_evaluations(f"{path}/{EVALUATIONS}", metric)
        info, info_remarks = read_info(f"{path}/{RECORD}")
        place = {n: getattr(at, n) for n in ("submission", "study", "workload", "trial")}
        # In a tree that was put together, a record tells of the place that the trial ran at.
        origin = self.origins.get(at.path, {})
        place |= {name: origin[name] for name in ("submission", "study") if name in origin}
        for kind, detail in remarks:
            self._note(kind, f"{path}/{EVALUATIONS}", detail)
        for kind, detail in (*info_remarks, *contradictions(info, place, columns)):
            self._note(kind, f"{path}/{RECORD}", detail)
        point = {} if info or self.is_ours else origins.read_object(Path(path, POINT))
        return trial_of(at, columns, metric, info, point)

    def _submissions(self) -> list[str]:
        """Names of the folders in the root that hold at least one study, sorted."""
        found = []
        for entry in self._entries(self.root):
            inside = self._entries(entry.path) if _is_folder(entry) else ()
            # A submission is what holds studies: its own name may be anything.
            if any(_STUDY.fullmatch(study.name) for study in inside):
                found.append(entry.name)
            elif entry.name not in NOT_SUBMISSIONS:
                self._note("stray", entry.path, "not a folder with study_<i> inside")
        return found

    def _children(self, folder: str, pattern: re.Pattern) -> list[tuple[str, re.Match]]:
        """Sub-folders whose whole name matches, sorted naturally; anything else is an anomaly."""
        found = []
        for entry in self._entries(folder):
            match = pattern.fullmatch(entry.name)
            if match and _is_folder(entry):
                found.append((entry.name, match))
            else:
                self._note("stray", entry.path, f"not a folder named {pattern.pattern}")
        if not found:
            self._note("empty_folder", folder, f"no folder named {pattern.pattern} inside")
        return sorted(found, key=lambda item: _natural(item[1][1]))

    def _entries(self, folder: str) -> list[os.DirEntry]:
        """Visible content of a folder, by name; an anomaly if it cannot be listed."""
        try:
            # `scandir` tells files from folders without a call for each: thousands of trials.
            with os.scandir(folder) as entries:
                shown = [entry for entry in entries if not entry.name.startswith(".")]
            return sorted(shown, key=lambda entry: entry.name)
        except OSError as error:
            self._note("unreadable_folder", folder, f"{type(error).__name__}: {error.strerror}")
            return []

    def _note(self, kind: str, path: str, detail: str) -> None:
        self.anomalies.append(Anomaly(kind, self._relative(path), detail))

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.root).lstrip("/") or "."

    def nothing_found(self) -> str:
        """The message where no trial was read: what was got, what was expected, what to do."""
        expected = f"<submission>/study_<i>/<workload>_<jax|pytorch>/trial_<j>/{EVALUATIONS}"
        if not os.path.isdir(self.root):
            return f"{self.root!r} is not a directory; give one that holds {expected}"
        if any(_STUDY.fullmatch(entry.name) for entry in self._entries(self.root)):
            return f"{self.root!r} is the folder of one submission; give the folder above it"
        unknown = sorted({a.detail for a in self.anomalies if a.kind == "unknown_workload"})
        if unknown:
            return f"no readable trial under {self.root!r}: {'; '.join(unknown)}; use its benchmark"
        return f"no readable trial under {self.root!r}; expected {expected}, so check the path"
