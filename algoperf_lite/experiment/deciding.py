"""As many studies as needed: rounds of one study each, of submissions with an undecided pair.

After each round `scoring.stats.sequential` looks at all pairs. A submission whose pairs are all
decided, one way or the other, runs no more. Everything is a function of the logs: the same command
finds every look again, and goes on.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import workloads
from algoperf_lite.experiment.config import at_least
from algoperf_lite.experiment.contenders import Contender
from algoperf_lite.experiment.plan import Experiment
from algoperf_lite.trial import logs
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs import read
from scoring.stats import sequential, times
from scoring.stats.sequential import ALIKE, FIRST_LOOK, IRRELEVANT, OPEN, SLOWER, Decision

Round = Callable[[Experiment], list[TrialSpec]]  # runs what is not finished of an experiment


@dataclasses.dataclass(frozen=True)
class Deciding:
    """Whether studies are added until it is decided which submission is faster.

    Attributes:
      decide: submissions, in place of `submissions`, every pair of which is to be decided.
      max_studies: of each, however close a pair is.
    """

    decide: Sequence[str] = ()
    max_studies: int = 15

    def __post_init__(self) -> None:
        at_least("max_studies", self.max_studies, FIRST_LOOK)

    def check(self, contenders: Sequence[Contender], targets: Sequence[str]) -> None:
        """Raises ValueError where there is no pair, or no target, to decide by."""
        if self.decide and len(contenders) < 2:
            raise ValueError(
                f"--decide={','.join(self.decide)} names no pair; give two submissions at least"
            )
        if self.decide and not targets:
            raise ValueError("--decide compares times to target, and no workload here has a target")


def run(
    experiment: Experiment, deciding: Deciding, play: Round, say: Callable[[str], None]
) -> tuple[list[TrialSpec], tuple[Decision, ...]]:
    """Runs rounds until all pairs are decided or there are no more studies to add.

    Args:
      experiment: all contenders on all workloads; its number of studies does not matter.
      play: runs one round, which is an experiment of those contenders that are to go on.
      say: is told of decisions as they are made, and of what they have cost.

    Returns:
      All trials of the experiment, and the decision about every pair.
    """
    names = [one.name for one in experiment.contenders]
    levels = sequential.levels_of(deciding.max_studies, len(names))
    trials: dict[str, TrialSpec] = {}
    found = _decisions(experiment, names, levels)

    def play_round(count: int, going: Set[str]) -> None:
        playing = tuple(one for one in experiment.contenders if one.name in going)
        trials.update({one.directory: one for one in play(_round(experiment, playing, count))})

    # What an earlier command has run belongs to the experiment, and is told of again.
    for count, going in _so_far(found):
        play_round(count, going)
    _tell(found, (), say)
    while (following := _following(found, deciding.max_studies)) is not None:
        play_round(*following)
        before, found = found, _decisions(experiment, names, levels)
        _tell(found, before, say)
    for one in found:
        if one.is_open:
            say(sentence(one))
    say(_cost(list(trials.values()), names, deciding.max_studies))
    return list(trials.values()), found


def _so_far(found: Sequence[Decision]) -> list[tuple[int, set[str]]]:
    """Numbers of studies that submissions have, and which ones have so many."""
    counts: dict[str, int] = {}
    for one in found:
        for name in (one.first, one.second):
            counts[name] = max(one.num_studies, counts.get(name, 0))
    known = sorted({count for count in counts.values() if count > 0})
    return [(count, {name for name in counts if counts[name] == count}) for count in known]


def _tell(
    found: Sequence[Decision], before: Sequence[Decision], say: Callable[[str], None]
) -> None:
    """Says which pairs are decided that were not before."""
    known = {(one.first, one.second) for one in before if not one.is_open}
    for one in found:
        if not one.is_open and (one.first, one.second) not in known:
            say(sentence(one))


def _following(found: Sequence[Decision], most: int) -> tuple[int, set[str]] | None:
    """How many studies the next round has, and of which submissions; None where none is needed."""
    undecided = [one for one in found if one.is_open and one.num_studies < most]
    if not undecided:
        return None
    # All that are undecided have as many studies, but for what an interrupted round has left.
    count = max(FIRST_LOOK, min(one.num_studies for one in undecided) + 1)
    late = [one for one in undecided if one.num_studies < count]
    return count, {name for one in late for name in (one.first, one.second)}


def _round(experiment: Experiment, playing: Sequence[Contender], count: int) -> Experiment:
    ruleset = dataclasses.replace(experiment.config.ruleset, num_studies=count)
    config = dataclasses.replace(experiment.config, ruleset=ruleset)
    return dataclasses.replace(experiment, contenders=tuple(playing), config=config)


def _decisions(
    experiment: Experiment, names: Sequence[str], levels: Mapping[int, float]
) -> tuple[Decision, ...]:
    """What the logs say by now."""
    goal = experiment.benchmark
    on = [workloads.name_of(workload) for workload in experiment.targets]
    targets = {name: goal.workloads[name] for name in on}
    try:
        found, _ = read.read(experiment.directory, {n: t.metric for n, t in targets.items()})
    except ValueError:  # nothing has run yet
        found = ()
    # A trial that has not ended yet says nothing; one that failed has not reached the target.
    ended = [one for one in found if one.status is not None and one.submission in names]
    by = "steps" if experiment.config.budget_by == "steps" else "time"
    cells = times.cells(_whole(ended, experiment), targets, "exact", by)
    return sequential.decisions(cells, names, on, levels)


def _whole(trials: Sequence[read.Trial], experiment: Experiment) -> list[read.Trial]:
    """The trials of studies all of whose trials have ended: a part of one may lack its best."""
    tuned = {one.name for one in experiment.contenders if one.is_tuned}
    counts: dict[tuple[str, str, int], int] = {}
    for one in trials:
        study = one.submission, one.workload, one.study
        counts[study] = counts.get(study, 0) + 1

    def is_whole(one: read.Trial) -> bool:
        wanted = 1 if one.submission in tuned else experiment.config.ruleset.num_trials
        return counts[one.submission, one.workload, one.study] >= wanted

    return [one for one in trials if is_whole(one)]


def sentence(one: Decision) -> str:
    """A decision in words."""
    better, worse, ratio, low, high = one.first, one.second, one.ratio, one.low, one.high
    if one.verdict == SLOWER or (one.verdict == OPEN and ratio < 1):
        better, worse, ratio, low, high = worse, better, 1 / ratio, 1 / high, 1 / low
    numbers = f"{ratio:.2f}x ({low:.2f} to {high:.2f})"
    after = f"after {one.num_studies} studies"
    if one.verdict == OPEN:
        return f"{better} and {worse}: not decided {after}, {numbers}"
    if one.verdict == ALIKE:
        within = f"their times differ by less than {IRRELEVANT - 1:.0%}"
        return f"{better} and {worse}: no relevant difference {after}, {within}, {numbers}"
    return f"{better} is faster than {worse}: {numbers} {after}"


def _cost(trials: Sequence[TrialSpec], names: Sequence[str], most: int) -> str:
    """What was run, and what it would have been with all studies of all submissions."""
    done = {name: {one.study for one in trials if one.submission_name == name} for name in names}
    num_studies = sum(map(len, done.values()))
    spent = expected = 0.0
    for name, studies in done.items():
        own = sum(_wall(one) for one in trials if one.submission_name == name)
        spent, expected = spent + own, expected + own * most / max(len(studies), 1)
    return (
        f"{num_studies} of {most * len(names)} studies were run, in {spent:,.0f} s of trials; all "
        f"would take about {expected:,.0f} s: {1 - spent / max(expected, 1e-9):.0%} saved"
    )


def _wall(trial: TrialSpec) -> float:
    """Seconds that the processes of a trial took."""
    record = logs.read_record(Path(trial.directory)) or {}
    return sum(attempt["wall"] for attempt in record.get("attempts", ()))
