"""The protocol by which trials are compared, and the check that these trials may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scoring.benchmark import Benchmark, nearest
from scoring.logs.read import Trial

MODES = ("exact", "official")
UNITS = {"time": "seconds", "steps": "steps"}


@dataclass(frozen=True)
class Protocol:
    """The choices that make one leaderboard out of a set of trials.

    mode: "exact" (earliest time per study, closed-form score) or "official" (as AlgoPerf's scorer
    computes it). by: "time" or "steps". only_present: leave out workloads that no log mentions.
    strict: insist on the ruleset's studies and trials. allow_mixed_hardware, allow_mixed_timing:
    compare wall times of unlike fingerprints, or replayed with measured ones. reference: submission
    that speedups and field-free scores refer to; None: the benchmark's, if it is on the board.
    against: submission that all others are compared with, corrected for their number; None: nobody.
    Raises ValueError for a mode or quantity that does not exist.
    """

    ruleset: str = "external"
    mode: str = "exact"
    by: str = "time"
    only_present: bool = False
    strict: bool = False
    allow_mixed_hardware: bool = False
    allow_mixed_timing: bool = False
    reference: str | None = None
    against: str | None = None

    def __post_init__(self) -> None:
        nearest(self.mode, MODES, "scoring mode")
        nearest(self.by, UNITS, "quantity to score by")


def check(trials: Sequence[Trial], benchmark: Benchmark, protocol: Protocol) -> None:
    """Raise ValueError if the protocol forbids comparing these trials."""
    submissions = sorted({trial.submission for trial in trials})
    if protocol.reference is not None:
        nearest(protocol.reference, submissions, "reference submission")
    if protocol.against is not None:
        nearest(protocol.against, submissions, "submission to compare with")
    # Workloads that carry no score may come from anywhere.
    trials = [trial for trial in trials if trial.workload in benchmark.scored_workloads]
    # Steps are the same on every machine, so only times need alike ones.
    if protocol.by == "time":
        if not protocol.allow_mixed_hardware:
            _refuse_mixture(
                [(trial.fingerprint_key, trial.path) for trial in trials],
                "hardware fingerprints",
                "score by steps, or allow mixed hardware",
            )
        if not protocol.allow_mixed_timing:
            _refuse_mixture(
                [(trial.timing, trial.path) for trial in trials],
                "kinds of timing",
                "score by steps, or allow mixed timing",
            )
    # All violations in one message: a run that is to be completed is started once.
    violations = []
    if protocol.strict:
        violations = list(_violations(submissions, trials, benchmark, protocol))
    if violations:
        raise ValueError(
            f"{len(violations)} violations of ruleset {protocol.ruleset!r} of benchmark "
            f"{benchmark.name!r}: {'; '.join(violations)}; run what is missing or score without "
            "strict"
        )


def _refuse_mixture(found: Iterable[tuple[str | None, str]], what: str, advice: str) -> None:
    """Raise ValueError that names two different values and a trial of each."""
    # A trial that does not tell (AlgoPerf's logs, a run still in progress) contradicts nobody;
    # `stats.anomalies` names it.
    first_seen: dict[str, str] = {}
    for value, path in found:
        if value is not None:
            first_seen.setdefault(value, path)
    if len(first_seen) > 1:
        (a, path_a), (b, path_b), *more = first_seen.items()
        others = f" and {len(more)} more" if more else ""
        raise ValueError(
            f"wall times under different {what} do not compare: got {a!r} ({path_a}) and {b!r} "
            f"({path_b}){others}, expected one; {advice}"
        )


def _violations(
    submissions: Sequence[str], trials: Sequence[Trial], benchmark: Benchmark, protocol: Protocol
) -> Iterable[str]:
    """Every study or trial count that is not the ruleset's, for each submission."""
    # AlgoPerf v0.5 ran held-out workloads in one study only, so they must exist and no more.
    ruleset = benchmark.ruleset(protocol.ruleset)
    counts: dict[str, dict[str, dict[int, int]]] = {name: {} for name in submissions}
    for trial in trials:
        studies = counts[trial.submission].setdefault(trial.workload, {})
        studies[trial.study] = studies.get(trial.study, 0) + 1
    for submission, workloads in counts.items():
        for workload in benchmark.scored_workloads:
            studies = workloads.get(workload, {})
            wanted = ruleset.num_studies if workload in benchmark.base_workloads else 1
            if len(studies) != wanted and (workload in benchmark.base_workloads or not studies):
                yield f"{submission}/{workload} has {len(studies)} studies, expected {wanted}"
            others = {s: num for s, num in studies.items() if num != ruleset.num_trials}
            for study, num in others.items():
                yield (
                    f"{submission}/study_{study}/{workload} has {num} trials, "
                    f"expected {ruleset.num_trials}"
                )
