"""The selection of an experiment: submissions, how they are varied, and workloads."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import workloads
from algoperf_lite.experiment.config import at_least
from algoperf_lite.experiment.contenders import Contender, contenders
from algoperf_lite.population.config import PopulationConfig
from scoring.benchmark import SCALES, Benchmark

QUICK = ("digits", "criteo1tb", "finewebedu_lm")  # seconds each on two cores


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is compared on what.

    Attributes:
      submissions: names, or paths of files or folders.
      workloads: names, paths of folders from elsewhere, or "quick", "all", and "held_out" for one
        variant of each family.
      held_out_seed: draws the variants of "held_out".
      schedules: replace the submissions' own, each in turn, as in "uba:phi=5", or in
        "uba:phi=search" with phi in the search space; None for their own.
      budgets: parts of the step hint, each the horizon of a run of its own; None for one run that
        the ruleset ends.
      population: makes a population of every submission; rules, their text as in
        "16:ready_interval=20", or a number of members; None for trials at one point.
    """

    submissions: Sequence[str]
    workloads: Sequence[str] = ("all",)
    held_out_seed: int | None = None
    schedules: Sequence[str] | None = None
    budgets: Sequence[float] | None = None
    population: PopulationConfig | str | int | None = None

    def __post_init__(self) -> None:
        at_least("held_out_seed", self.held_out_seed, 0)
        for name in ("submissions", "workloads", "schedules", "budgets"):
            value = getattr(self, name)
            # A text is a sequence too, of letters.
            if isinstance(value, str) or (value is not None and not list(value)):
                raise ValueError(f"{name} is {value!r}; expected a list with at least one entry")

    def contenders(self) -> tuple[Contender, ...]:
        """The rows of the leaderboard to be; raises ValueError as `contenders.contenders` does."""
        rules = self.population
        if rules is not None and not isinstance(rules, PopulationConfig):
            rules = PopulationConfig.parse(str(rules))
        return contenders(self.submissions, self.schedules, self.budgets, rules)


def workload_names(
    listed: Sequence[str],
    benchmark: Benchmark | None = None,
    held_out_seed: int | None = None,
    scale: str = "lite",
) -> list[str]:
    """Workloads as `workloads.locate` gives them, each once; "quick", "all", "held_out" resolved.

    Args:
      benchmark: whose variants "held_out" draws from, and whose base workloads are "all" of them at
        full scale, where some families are there for development alone.
      held_out_seed: draws one of each family.
    Raises ValueError for a name or a path that is none, or that there is not at this scale, where
    variants are to be drawn without a seed, and for two of one name.
    """
    several = {"all": workloads.names(), "quick": list(QUICK)}
    if scale == "full":
        if "quick" in listed:
            raise ValueError(
                f"--workloads=quick stands for {', '.join(QUICK)} at scale lite; name workloads, "
                "or use --workloads=all for the benchmark's"
            )
        several["all"] = list(benchmark.base_workloads) if benchmark else workloads.names(scale)
    if "held_out" in listed:
        if held_out_seed is None or benchmark is None:
            raise ValueError(
                "--workloads=held_out needs --held_out_seed, a whole number that draws one variant "
                "of each family; score with the same seed"
            )
        drawn = benchmark.with_held_out(held_out_seed)
        several["held_out"] = [_path_of(name, listed) for name in drawn.held_out_workloads]
    found = [several.get(name) or [workloads.locate(name)] for name in listed]
    distinct = list(dict.fromkeys(itertools.chain.from_iterable(found)))
    check_distinct(distinct)
    for name in distinct:
        _check_scale(name, scale)
    return distinct


def _check_scale(name: str, scale: str) -> None:
    """Raises ValueError for a workload of ours that there is at another scale only."""
    family = workloads.base_of(name)
    scales = [known for known in SCALES if family in workloads.names(known)]
    if scales and scale not in scales:
        raise ValueError(
            f"workload {name!r} is there at scale {scales[0]} and not at scale {scale}; leave it "
            f"out or use --scale={scales[0]}"
        )


def _path_of(drawn: str, listed: Sequence[str]) -> str:
    """The path of a variant that a benchmark calls by its name, if its family is listed by one."""
    for family in map(workloads.locate, filter(workloads.is_outside, listed)):
        if drawn.startswith(f"{workloads.name_of(family)}_"):
            return workloads.locate(str(Path(family).with_name(drawn)))
    return workloads.locate(drawn)


def check_distinct(found: Sequence[str]) -> None:
    """Raises ValueError where two folders would share one name in logs and on the leaderboard."""
    by_name: dict[str, str] = {}
    for workload in found:
        name = workloads.name_of(workload)
        if by_name.setdefault(name, workload) != workload:
            raise ValueError(
                f"workloads {by_name[name]!r} and {workload!r} would both be called {name!r}; "
                "rename one"
            )
