"""The verification of a pack, as the command and Python users ask for it.

Whoever makes up records can make them agree with themselves. So what holds without training is only
the lowest level; `replaying` trains chosen trials again.
"""

import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean
from algoperf_lite.experiment import sources
from algoperf_lite.experiment.records import pack_checks, record_checks, row_checks
from algoperf_lite.experiment.records.case import Case, asked
from algoperf_lite.experiment.records.pack_checks import Check
from algoperf_lite.experiment.records.replaying import Request, replay
from algoperf_lite.experiment.records.verdict import Problem, Replayed, Verdict
from algoperf_lite.experiment.results import ScoreRow, score_result
from scoring import benchmark as benchmarks
from scoring import leaderboard
from scoring.benchmark import Benchmark
from scoring.logs import pack as packs
from scoring.logs.pack import MANIFEST, Pack

_DRAWN = ("trials", "seconds", "rng_seed")


def verify(
    path: str | Path,
    check: Check,
    benchmark: str | Path | None = None,
    steps: int | None = None,
    **drawn: Any,
) -> Verdict:
    """Looks at everything in a pack that can be looked at without training; then trains.

    Args:
      path: of the pack.
      check: what reads a submission's files for breaches of the rules.
      benchmark: name or file of the one that its targets are of; None for its own.
      steps: to which drawn trials are trained again, where nothing was found; None for no training.
      drawn: fields of `replaying.Request`.

    Returns:
      The verdict.

    Raises:
      ValueError: no sound pack, a benchmark that is not here, or a number that does not fit.
    """
    for name in drawn:
        did_you_mean.require(name, _DRAWN, "option of verify")
    if drawn and steps is None:
        raise ValueError(f"--{min(drawn)} is about trials that are trained again; give --steps too")
    request = None if steps is None else Request(steps, **drawn)
    pack = packs.read(path)
    goal = _benchmark(pack, benchmark)
    with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as temporary:
        root = Path(temporary)
        pack.unpack(root)
        found, remarks = pack_checks.cases(root), []
        problems = list(_problems(root, pack, found, goal, check, remarks))
        scores, noted = _scores(root, found, goal)
        said: list[Replayed | Problem | str] = []
        # What does not hold, or breaks a rule, is not run.
        if request is not None and not problems:
            with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as logs:
                said = list(replay(request, found, sources.find_all(root), Path(logs)))
    problems += [one for one in said if isinstance(one, Problem)]
    replayed = tuple(one for one in said if isinstance(one, Replayed))
    level = "L1" if replayed else "L0"
    return Verdict(
        rows=tuple(problems),
        benchmark=goal.name,
        level=None if problems else level,
        confirmed=() if problems else (*_confirmed(found, goal), *map(_alike, replayed)),
        remarks=(*remarks, *noted, *(one for one in said if isinstance(one, str))),
        scores=scores,
        replayed=replayed,
        rng_seed=request and request.rng_seed,
    )


def _alike(one: Replayed) -> str:
    how = f"within {one.difference:.1e}" + ("" if one.is_same_machine else ", on another machine")
    how = "bit for bit" if one.is_same_bits else how
    return (
        f"{one.place} does the same here for {one.steps} steps, {how}, in {one.time_ratio:.2f} "
        "times the seconds"
    )


def _benchmark(pack: Pack, given: str | Path | None) -> Benchmark:
    """The benchmark that a pack is to be verified by."""
    named = given or pack.about.get("benchmark")
    if not isinstance(named, str | Path):
        raise ValueError(f"{MANIFEST} names no benchmark; give one by --benchmark")
    return benchmarks.load(named)


def _problems(
    root: Path,
    pack: Pack,
    found: Sequence[Case],
    goal: Benchmark,
    check: Check,
    remarks: list[str],
) -> Iterator[Problem]:
    """All that does not fit; `remarks` gets what a person must judge."""
    if not found:
        yield Problem("record", MANIFEST, "it holds no trial")
    kept = sources.find_all(root)
    of_all = (
        functools.partial(pack_checks.manifest, pack, kept, found, goal),
        functools.partial(pack_checks.left_out, found),
    )
    yield from asked(MANIFEST, of_all)
    for name, source in kept.items():
        yield from asked(
            name, [functools.partial(pack_checks.sound_source, check, remarks, source)]
        )
    readings: dict[str, str] = {}
    data: dict[str, tuple] = {}
    for case in found:
        if not case.record:
            yield Problem("record", case.place, "it has no record, so it has not ended")
            continue
        source = pack_checks.source_of(kept, case)
        asking = [
            *record_checks.QUESTIONS,
            functools.partial(record_checks.budget, goal),
            functools.partial(record_checks.text, source),
            functools.partial(record_checks.point, source),
            *row_checks.QUESTIONS,
            functools.partial(row_checks.result, goal),
            functools.partial(pack_checks.copied, readings),
            functools.partial(pack_checks.other_data, data),
        ]
        yield from asked(case.place, [functools.partial(question, case) for question in asking])


def _scores(
    root: Path, found: Sequence[Case], goal: Benchmark
) -> tuple[tuple[ScoreRow, ...], list[str]]:
    """The board of the pack alone, from its rows, and what its reader remarks."""
    rulesets = {str(case.record.get("ruleset")) for case in found} & set(goal.rulesets)
    try:
        board = leaderboard.score(
            root,
            goal,
            ruleset=min(rulesets, default="external"),
            only_present=True,
            allow_mixed_hardware=True,
            allow_mixed_timing=True,
        )
    except ValueError as error:  # no trial on a workload of the benchmark
        return (), [f"there is no score: {error}"]
    noted = [f"{one.path}: {one.kind}, {one.detail}" for one in board.anomalies]
    return score_result(board).rows, noted


def _confirmed(found: Sequence[Case], goal: Benchmark) -> tuple[str, ...]:
    """What was looked at, where nothing was found."""
    return (
        "all files are those that were packed",
        "the sources are those that were run, and reading them finds no breach of a rule",
        f"{len(found)} records agree with their places, seeds, points, budgets and rows",
        f"times and results follow from the rows under the targets of {goal.name}",
        "clocks run forward, and every ledger adds up to them",
    )
