"""The verification of a pack, as the command and Python users ask for it.

Whoever makes up records can make them agree with themselves. So what holds without training is only
the lowest level; `replaying` trains chosen trials again.
"""

import functools
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean
from algoperf_lite.experiment import sources
from algoperf_lite.experiment.records import pack_checks, record_checks, row_checks
from algoperf_lite.experiment.records.case import Case, asked
from algoperf_lite.experiment.records.pack_checks import Check
from algoperf_lite.experiment.records.replaying import Request, replay
from algoperf_lite.experiment.records.secret_variants import is_cut_off, on_variants
from algoperf_lite.experiment.records.verdict import OnVariant, Problem, Replayed, Verdict
from algoperf_lite.experiment.results import ScoreRow, score_result
from algoperf_lite.experiment.sources import Source
from scoring import benchmark as benchmarks
from scoring import leaderboard
from scoring.benchmark import Benchmark
from scoring.logs import pack as packs
from scoring.logs.pack import MANIFEST, Pack

_DRAWN = ("trials", "seconds", "rng_seed")
Said = Replayed | OnVariant | Problem | str


def verify(
    path: str | Path,
    check: Check,
    benchmark: str | Path | None = None,
    steps: int | None = None,
    probe: Check | None = None,
    held_out_seed: int | None = None,
    **drawn: Any,
) -> Verdict:
    """Looks at everything in a pack that can be looked at without training; then trains.

    Args:
      path: of the pack.
      check: what reads a submission's files for breaches of the rules.
      benchmark: name or file of the one that its targets are of; None for its own.
      steps: to which drawn trials are trained again, where nothing was found; None for no training.
      probe: what runs a submission on tiny workloads that look like others to it; None for no
        probing.
      held_out_seed: draws a variant for each submission, on which it is trained; None for none.
      drawn: fields of `replaying.Request`.

    Returns:
      The verdict.

    Raises:
      ValueError: no sound pack, a benchmark that is not here, or a number that does not fit.
    """
    for name in drawn:
        did_you_mean.require(name, _DRAWN, "option of verify")
    more = {"probe": probe, "held_out_seed": held_out_seed}
    needing = [*drawn, *(name for name, value in more.items() if value is not None)]
    if needing and steps is None:
        raise ValueError(f"--{min(needing)} goes with training again; give --steps too")
    request = None if steps is None else Request(steps, **drawn)
    pack = packs.read(path)
    goal = _benchmark(pack, benchmark)
    with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as temporary:
        root = Path(temporary)
        pack.unpack(root)
        found, remarks = pack_checks.cases(root), []
        problems = list(_problems(root, pack, found, goal, check, remarks))
        scores, noted = _scores(root, found, goal)
        said: list[Said] = []
        # What does not hold, or breaks a rule, is not run.
        if request is not None and not problems:
            kept = sources.find_all(root)
            said += _probed(kept, probe) if probe is not None else ()
            with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as logs:
                if not any(isinstance(one, Problem) for one in said):
                    said += replay(request, found, kept, Path(logs))
                if held_out_seed is not None and not any(isinstance(one, Problem) for one in said):
                    said += on_variants(held_out_seed, found, kept, goal, Path(logs))
    problems += [one for one in said if isinstance(one, Problem)]
    replayed = tuple(one for one in said if isinstance(one, Replayed))
    tried = tuple(one for one in said if isinstance(one, OnVariant))
    shown = [one for one in (*replayed, *tried) if isinstance(one, Replayed) or one.is_reached]
    names = {case.place.partition("/")[0] for case in found}
    level = _level(replayed, probe is not None, names, tried)
    return Verdict(
        rows=tuple(problems),
        benchmark=goal.name,
        level=None if problems else level,
        confirmed=() if problems else (*_confirmed(found, goal), *map(_told, shown)),
        remarks=(
            *(*remarks, *noted, *(one for one in said if isinstance(one, str))),
            *(_told(one) for one in tried if not one.is_reached),
        ),
        scores=scores,
        replayed=replayed,
        rng_seed=request and request.rng_seed,
        on_variants=tried,
    )


def _level(
    replayed: Sequence[Replayed], is_probed: bool, names: Set[str], tried: Sequence[OnVariant]
) -> str:
    """How far one may trust a pack in which there is no problem."""
    if not replayed:
        return "L0"
    if not is_probed:
        return "L1"
    has_reached = {one.submission for one in tried if one.is_reached}
    return "L3" if has_reached == names and is_cut_off() else "L2"


def _probed(kept: Mapping[str, Source], probe: Check) -> Iterator[Problem | str]:
    """What comes out when each submission is run on tiny workloads."""
    for name, source in kept.items():
        remarks: list[str] = []
        found = asked(name, [functools.partial(pack_checks.sound_source, probe, remarks, source)])
        yield from (*found, *remarks)


def _told(one: Replayed | OnVariant) -> str:
    if isinstance(one, OnVariant):
        end = f"{one.steps} of {one.max_steps} steps"
        if one.is_reached:
            return f"{one.submission} reaches the target of the drawn {one.variant} after {end}"
        return f"{one.submission} does not reach the target of the drawn {one.variant} in {end}"
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
