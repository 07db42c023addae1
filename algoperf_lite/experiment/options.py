"""The options of `run`: each is a flag, a keyword of `api.run` and a field of one dataclass."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import workloads
from algoperf_lite import did_you_mean
from algoperf_lite.experiment import terms
from algoperf_lite.experiment.config import RulesetChoice
from algoperf_lite.experiment.contenders import Contender, check_forms, check_steps
from algoperf_lite.experiment.deciding import Deciding
from algoperf_lite.experiment.jobs import Limits
from algoperf_lite.experiment.placement import Placement
from algoperf_lite.experiment.selection import Selection, workload_names
from algoperf_lite.trial.config import BENCHMARKS, SCALES, ExperimentConfig
from scoring import benchmark
from scoring.benchmark import Benchmark

GROUPS = (Selection, RulesetChoice, ExperimentConfig, Placement, Limits, Deciding)
Group = TypeVar("Group", *GROUPS)
_DERIVED = "ruleset"  # made of a RulesetChoice and the benchmark, so nobody gives it
_HOSTS_OUT = "leave it or the flags for several hosts out"
_FOR_RAY = "is for Ray; add --executor=ray or leave it out"
_FOUND_OUT = "is what --distributed lets JAX find out; leave one of the two out"
_ONE_TRIAL = "has one trial per study, so there is nothing for --vectorize=trials to train together"
_LOOKS_INTO_ONE = "looks into trials that train by themselves; leave it or {} out"
_APART = "stops trials by what others have ended with, and these train together"
_LOOKS = "looks at all results after each study"
_ON_THIS_MACHINE = "builds environments on this machine, which other machines do not see"
# (an option, what excludes it, why and what to do): which flags do not go together. A name alone
# stands for any value but the default; "several hosts" for the flags that make a group of hosts.
_EXCLUDED = (
    ("ray_address", "executor=local", _FOR_RAY),
    ("coordinator_address", "distributed", _FOUND_OUT),
    ("num_processes", "distributed", _FOUND_OUT),
    ("process_id", "distributed", _FOUND_OUT),
    ("population", "vectorize=trials", f"{_ONE_TRIAL}; leave one of them out"),
    ("devices_per_trial", "several hosts", f"is for one host; {_HOSTS_OUT}"),
    (
        "shard",
        "executor=ray",
        "is for other schedulers: Ray shares out all trials; leave it out",
    ),
    ("population", "several hosts", f"spreads members over the devices of one host; {_HOSTS_OUT}"),
    ("executor=ray", "several hosts", f"has trials on one host each; {_HOSTS_OUT}"),
    ("vectorize=trials", "several hosts", f"trains on one host; {_HOSTS_OUT}"),
    ("race", "vectorize=trials", f"{_APART}; leave it or --vectorize out"),
    ("max_studies", "decide=()", "is for --decide; add it or leave it out"),
    ("decide", "num_studies", "adds studies as they are needed; use --max_studies"),
    ("decide", "shard", f"{_LOOKS}, which a shard does not have; leave one of them out"),
    ("decide", "several hosts", f"{_LOOKS} on one host; {_HOSTS_OUT}"),
    ("requirements=isolated", "executor=ray", f"{_ON_THIS_MACHINE}; leave it or --executor out"),
    ("requirements=isolated", "several hosts", f"{_ON_THIS_MACHINE}; {_HOSTS_OUT}"),
    ("diagnostics", "population", _LOOKS_INTO_ONE.format("--population")),
    ("diagnostics", "vectorize=trials", _LOOKS_INTO_ONE.format("--vectorize=trials")),
    ("diagnostics", "several hosts", f"is for trials on one host each; {_HOSTS_OUT}"),
)


@dataclasses.dataclass(frozen=True)
class Request:
    """An experiment as its options ask for it, everything checked that needs no JAX.

    Attributes:
      contenders, workload_names: what is compared on what, as `workloads.load` takes names.
      benchmark: the targets.
      config: what determines the numbers.
      placement: where trials run.
      limits: what is done for trials in trouble.
      deciding: whether studies are added as they are needed.
    """

    contenders: tuple[Contender, ...]
    workload_names: tuple[str, ...]
    benchmark: Benchmark
    config: ExperimentConfig
    placement: Placement
    limits: Limits
    deciding: Deciding = Deciding()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Request":
        """The request of options by name; what is not there has its default.

        Raises ValueError for an option without a meaning, or that does not fit another.
        """
        options = {**options, "submissions": _submissions(options)}
        check(options)
        # Where runs of several lengths are compared, it is at their ends.
        options = {"stop_at_target": not options.get("budgets"), **options}
        selection, placement = _pick(Selection, options), _pick(Placement, options)
        choice, limits = _pick(RulesetChoice, options), _pick(Limits, options)
        if placement.join is not None:  # hosts of one trial would have to branch together
            limits = dataclasses.replace(limits, branch=False)
        contenders = selection.contenders()
        vectorize = options.get("vectorize") == "trials"
        check_forms(contenders, vectorize, several_hosts=placement.join is not None)
        scale = options.get("scale", ExperimentConfig.scale)
        goal = benchmark_at(scale, options.get("benchmark"))
        if goal.replaced_by is not None:
            raise ValueError(
                f"benchmark {goal.name!r} can be scored but no longer be run, since its workloads "
                f"have changed; use --benchmark={goal.replaced_by}"
            )
        names = tuple(workload_names(selection.workloads, goal, selection.held_out_seed, scale))
        config = _pick(ExperimentConfig, {**options, _DERIVED: choice.of(goal)})
        if limits.race and not config.stop_at_target:
            raise ValueError(
                "--race stops trials that no longer count, and here every trial is to go on beyond "
                "its target; leave it out, or give --stop_at_target too"
            )
        terms.check(names, config, goal)
        check_steps(contenders, config.microbatches)
        # The nodes of a cluster need not be like this machine; their trials check it themselves.
        if placement.executor == "local":
            config.numerics.check()
        found = cls(contenders, names, goal, config, placement, limits, _pick(Deciding, options))
        found.deciding.check(contenders, found.targets)
        return found

    @property
    def targets(self) -> dict[str, float]:
        """{workload: validation target}, without workloads that the benchmark does not know."""
        known = self.benchmark.workloads
        return {
            workload: known[name].value
            for workload in self.workload_names
            if (name := workloads.name_of(workload)) in known
        }

    @property
    def remarks(self) -> list[str]:
        """A sentence for each workload without a target, since one of one's own can be trained on;
        and one where trials race against nobody."""
        goal, alone = self.benchmark, all(one.is_tuned for one in self.contenders)
        names = map(workloads.name_of, self.workload_names)
        without = [name for name in names if name not in goal.workloads]
        found = [
            f"{n} has no target in benchmark {goal.name}: full budget, no score" for n in without
        ]
        if self.limits.race and (alone or self.config.ruleset.num_trials == 1):
            found.append("--race has nothing to stop here: each study is one trial")
        return found


def _submissions(options: Mapping[str, Any]) -> Sequence[str]:
    """The submissions, by either of two options; raises ValueError for none, and for both."""
    given, to_decide = options.get("submissions", ()), options.get("decide", ())
    if not given and not to_decide:
        raise ValueError("--submissions is missing; name what to compare, as in nadamw,muon")
    if given and to_decide:
        raise ValueError("--decide names the submissions too; leave --submissions out")
    return given or to_decide


def benchmark_at(scale: str, name: str | None = None) -> Benchmark:
    """The benchmark of that name, or the usual one of a scale.

    Raises ValueError for one whose workloads are of another scale.
    """
    did_you_mean.require(scale, SCALES, "scale")
    goal = benchmark.load(name or BENCHMARKS[scale])
    if goal.scale != scale:
        raise ValueError(
            f"benchmark {goal.name!r} has targets of workloads at scale {goal.scale}, and this is "
            f"scale {scale}; use --scale={goal.scale}, or --benchmark={BENCHMARKS[scale]} or a "
            f'file of your own that says "scale": "{scale}"'
        )
    return goal


def defaults() -> dict[str, Any]:
    """{option: default} of all groups."""
    fields = (field for group in GROUPS for field in dataclasses.fields(group))
    return {field.name: field.default for field in fields if field.name != _DERIVED}


def check(options: Mapping[str, Any]) -> None:
    """Raises ValueError for an option that there is not, and for two that exclude each other."""
    usual = defaults()
    for name in options:
        did_you_mean.require(name, usual, "option of run")
    values = {**usual, **options}
    given = {f"{name}={value}" for name, value in values.items()}
    given |= {name for name, value in values.items() if value != usual[name]}
    if values["distributed"] or (values["num_processes"] or 1) > 1:
        given.add("several hosts")
    for name, other, why in _EXCLUDED:
        if name in given and other in given:
            raise ValueError(f"--{name} {why}")


def _pick(group: type[Group], options: Mapping[str, Any]) -> Group:
    """The dataclass of a group, made of those options that are its fields."""
    names = {field.name for field in dataclasses.fields(group)}
    return group(**{name: value for name, value in options.items() if name in names})
