"""Inconsistencies among the trials of one leaderboard: hardware, data, versions, counts, copies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from scoring.benchmark import Benchmark, Target
from scoring.logs.format import OUTRUN
from scoring.logs.read import Anomaly, Trial
from scoring.stats import paces
from scoring.stats.times import crossing, middle, value_at


def uneven(trials: Sequence[Trial], benchmark: Benchmark) -> Iterator[Anomaly]:
    """Differences in hardware, scale, data, source, counts; and logs that are copies."""
    yield from _hardware(trials)
    yield from _versions(trials)
    yield from _counts(trials, benchmark)
    yield from _copies(trials)
    yield from paces.anomalies(trials)
    yield from _raced(trials, benchmark)


def _hardware(trials: Sequence[Trial]) -> Iterator[Anomaly]:
    """Trials that do not tell where they ran, among others that do."""
    # Where none tells, as in AlgoPerf's logs, there is nothing unlike.
    keys = {trial.fingerprint_key for trial in trials}
    if None in keys and len(keys) > 1:
        for trial in trials:
            if trial.fingerprint_key is None:
                yield Anomaly("unknown_hardware", trial.path, "no fingerprint, unlike other trials")


def _versions(trials: Sequence[Trial]) -> Iterator[Anomaly]:
    """Workloads and submissions that were not the same in all their trials."""
    for name, group in (
        ("scale", "workload"),
        ("data_sha256", "workload"),
        ("submission_sha256", "submission"),
    ):
        seen: dict[str, set[str]] = {}
        for trial in trials:
            if trial.info.get(name) is not None:
                seen.setdefault(getattr(trial, group), set()).add(str(trial.info[name]))
        for owner, values in seen.items():
            if len(values) > 1:
                yield Anomaly(f"mixed_{name}", owner, f"{len(values)} different values of {name}")


def _counts(trials: Sequence[Trial], benchmark: Benchmark) -> Iterator[Anomaly]:
    """Base workloads with fewer studies, and studies with other numbers of trials, than most."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for trial in trials:
        counts[trial.submission][trial.workload, trial.study] += 1
    for submission, by_study in counts.items():
        every = {study for workload, study in by_study if workload in benchmark.base_workloads}
        for workload in sorted({workload for workload, _ in by_study}):
            missing = sorted(every - {study for name, study in by_study if name == workload})
            # AlgoPerf v0.5 ran held-out workloads in one study only.
            if missing and workload in benchmark.base_workloads:
                detail = f"no trial in {_named(missing)}, unlike other workloads of the submission"
                yield Anomaly("missing_study", f"{submission}/{workload}", detail)
        # The usual number is what most studies have; of two that are as common the larger one.
        commonest = Counter(by_study.values())
        usual = max(commonest, key=lambda n: (commonest[n], n))
        other: dict[tuple[str, int], list[int]] = defaultdict(list)
        for (workload, study), num in sorted(by_study.items()):
            if num != usual:
                other[workload, num].append(study)
        for (workload, num), studies in other.items():
            detail = f"trials in {_named(studies)}: {num}, in most others: {usual}"
            yield Anomaly("uneven_trials", f"{submission}/{workload}", detail)


def _copies(trials: Sequence[Trial]) -> Iterator[Anomaly]:
    """Logs with the very readings of another one: clocks do not repeat themselves."""
    first: dict[tuple[bytes, bytes], Trial] = {}
    for trial in trials:
        # Two or fewer rows may coincide; so may runs whose every metric is NaN on replayed times.
        if trial.seconds.size > 2 and (trial.metric == trial.metric).any():
            key = trial.seconds.tobytes(), trial.metric.tobytes()
            other = first.setdefault(key, trial)
            if other is not trial:
                yield Anomaly("same_log", trial.path, f"has every reading of {other.path}")


def _raced(trials: Sequence[Trial], benchmark: Benchmark) -> Iterator[Anomaly]:
    """Trials that were outrun on the way to a target that is easier than this one."""
    for trial in trials:
        if trial.status != OUTRUN:
            continue
        target, value = benchmark.workloads[trial.workload], trial.info.get("target")
        is_number = isinstance(value, int | float) and trial.info.get("metric") == target.metric
        # Who met a harder target first has met an easier one by then.
        if not (is_number and target.met(np.array([value], float)).all()):
            detail = f"outrun on the way to {value}, but scored by {target.value}: it might count"
            yield Anomaly("raced_for_less", trial.path, detail)


def order_sensitive(
    trials: Iterable[Trial], targets: Mapping[str, Target], by: str
) -> Iterator[Anomaly]:
    """Official mode's ties: trials of a study that meet the target at one evaluation index, at
    different times. Sorted trial names decide there; AlgoPerf takes what the disk lists first.
    """

    def key(trial: Trial) -> tuple[str, str]:
        return trial.submission, trial.workload

    scored = sorted((t for t in trials if t.workload in targets), key=lambda t: (*key(t), t.study))
    for (submission, workload), cell in groupby(scored, key):
        spans, tied = [], []
        for study, group in groupby(cell, lambda t: t.study):
            low, high = _span(list(group), targets[workload], by)
            spans.append((low, high))
            if low < high:
                tied.append(study)
        if tied:
            # A median is monotone in its values, so these are its limits over all orders.
            low, high = (middle([span[end] for span in spans]) for end in (0, 1))
            where = f"trials of {_named(tied)} tie at an evaluation index at different times"
            result = f"the median may be {low:.10g} to {high:.10g}" if low < high else "same median"
            yield Anomaly(
                "order_sensitive",
                f"{submission}/{workload}",
                f"{where}, so that their order decides ({result}); taken by sorted names",
            )


def _span(trials: Sequence[Trial], target: Target, by: str) -> tuple[float, float]:
    """Least and greatest time of the trials that share the least evaluation index."""
    rows = [(crossing(trial, target), trial) for trial in trials]
    reached = [(row, trial) for row, trial in rows if row is not None]
    if not reached:
        return float("inf"), float("inf")
    first = min(row for row, _ in reached)
    times = [value_at(trial, row, "official", by) for row, trial in reached if row == first]
    return min(times), max(times)


def _named(studies: Sequence[int]) -> str:
    """E.g. "study_1, study_3"."""
    return ", ".join(f"study_{study}" for study in studies)
