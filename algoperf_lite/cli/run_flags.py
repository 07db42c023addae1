"""The flags of `run`, in groups. Their defaults are those of the fields that they set."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algoperf_lite.cli import flag_types, numerics_flags, several_budgets_flags
from algoperf_lite.cli.flag_types import at_least, one_of, optional

# Kept apart from `experiment`, whose modules take a second to load: `--help` need not wait.
SCALES = ("lite", "full")
RULESETS = ("external", "self")
BUDGETS_BY = ("time", "steps", "published")
VECTORIZE = ("none", "trials")
BATCH_NORMS = ("batch", "parts")
EXECUTORS = ("local", "ray")
REQUIREMENTS = ("installed", "strict", "isolated")
_IN_POPULATION = "it is a key of --population now, as in --population=16:{}"
# Flags of earlier editions, each with what to do instead: old scripts must not run half of what
# they ask for.
GONE = {
    "--replay": "it is a command now: algoperf-lite replay LINEAGE --output=my_submission.py",
    "--ready_interval": _IN_POPULATION.format("ready_interval=20"),
    "--burn_in": _IN_POPULATION.format("burn_in=100"),
    "--exploit": _IN_POPULATION.format("exploit=truncation"),
    "--explore": _IN_POPULATION.format("explore=0.8+1.25"),
    "--resample_probability": _IN_POPULATION.format("resample_probability=0.25"),
    "--fitness": _IN_POPULATION.format("fitness=training_loss"),
    "--accelerators_per_trial": "it is --devices_per_trial now, with and without Ray",
    "--num_evals": "there are 40 evaluations per step hint, so that all logs have the same grid",
    "--no_cache": "set the variable ALGOPERF_LITE_NO_CACHE=1 instead",
    "--use_installed_algoperf": "submissions in AlgoPerf's form always get the harness's own "
    "`algoperf`, so leave it out",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Adds all groups, and tells the parser of the flags that are gone.

    A flag that is not given stays out of what is parsed: then the default of its field holds, and
    it can be told which flags were given.
    """
    parser.usage = "%(prog)s [flags]"  # all of them would fill a screen
    parser.gone = GONE
    _add_what(_group(parser, "what is compared"))
    _add_tuning(_group(parser, "tuning"))
    _add_budget(_group(parser, "budget and clock"))
    numerics_flags.add(_group(parser, "precision"))
    _add_where(_group(parser, "where trials run"))
    _add_trouble(_group(parser, "when something dies"))
    _add_population(_group(parser, "population based training"))
    _add_hosts(_group(parser, "several hosts for each trial"))


def _group(parser: argparse.ArgumentParser, title: str) -> Callable[..., Any]:
    # Metavars are letters where the name says it all: help has to fit forty columns.
    return optional(parser.add_argument_group(title))


def _add_what(add: Callable[..., Any]) -> None:
    add(
        "--submissions",
        type=flag_types.listed,
        metavar="A,B",
        help="names, or paths of files or folders (required, or --decide)",
    )
    add(
        "--decide",
        type=flag_types.listed,
        metavar="A,B",
        help="in place of --submissions: studies are added until all pairs of these are decided",
    )
    add("--max_studies", type=at_least(2), metavar="N", help="of --decide; default: 15")
    add(
        "--workloads",
        type=flag_types.listed,
        metavar="A,B",
        help="names, paths of folders, 'quick', 'all' (default), or 'held_out' for one variant of "
        "each family; at scale full 'all' are the benchmark's base workloads",
    )
    add("--held_out_seed", type=at_least(0), metavar="N", help="draws the variants of 'held_out'")
    add(
        "--schedules",
        type=flag_types.schedules,
        metavar="A,B",
        help="replace the submissions' own, as in cosine,uba:phi=5; uba:phi=search searches phi",
    )
    # Scales and the like are checked here too, so that the message comes before anything loads.
    add("--scale", type=one_of("scale", SCALES), metavar="S", help="lite (default) or full")
    add(
        "--requirements",
        type=one_of("way to meet requirements", REQUIREMENTS),
        metavar="R",
        help="of a submission's requirements.txt: installed (default) goes on with other versions "
        "and says so; strict refuses them; isolated gives its trials an environment of their own",
    )
    add(
        "--benchmark",
        metavar="B",
        help="name or file that the targets come from; default: lite, and algoperf_2026 at scale "
        "full",
    )
    add(
        "--eval_examples",
        type=at_least(1),
        metavar="N",
        help="most examples of a split that are evaluated, which scores are then marked with; "
        "default: all",
    )


def _add_tuning(add: Callable[..., Any]) -> None:
    add(
        "--tuning_ruleset",
        type=one_of("ruleset", RULESETS),
        metavar="R",
        help="external (default): the best of several points; self: the submission's own point",
    )
    add(
        "--num_studies",
        type=at_least(1),
        metavar="N",
        help="independent repetitions; default: the ruleset's",
    )
    add(
        "--num_tuning_trials",
        type=at_least(1),
        metavar="N",
        help="points per study; default: the ruleset's",
    )
    add(
        "--race",
        action="store_true",
        help="stop a trial once another of its study is ahead for good: the same scores, sooner",
    )
    add("--rng_seed", type=at_least(0), metavar="N", help="of the experiment; default: 0")


def _add_budget(add: Callable[..., Any]) -> None:
    add(
        "--budget_by",
        type=one_of("budget", BUDGETS_BY),
        metavar="B",
        help="time (default): the reference's seconds on this machine; steps: the step hint; "
        "published (default at scale full): the benchmark's seconds",
    )
    several_budgets_flags.add(add)
    add("--max_global_steps", type=at_least(1), metavar="N", help="a further limit of every trial")
    add(
        "--microbatches",
        type=at_least(1),
        metavar="N",
        help="parts of a batch, one after another, whose gradients are added up; default: 1, and "
        "at scale full as many as memory asks for",
    )
    kind, of = one_of("kind of batch norm", BATCH_NORMS), "of a batch (default), or of its parts"
    add("--batch_norm", type=kind, metavar="B", help=f"statistics {of}, as AlgoPerf's")
    add("--count_compile", action="store_true", help="put compilation on the submission's clock")
    add(
        "--diagnostics",
        action="store_true",
        help="at each evaluation, off the clock: norms of parameters, gradient and update, loss "
        "spikes, and what was first not finite",
    )
    add(
        "--vectorize",
        type=one_of("way to vectorize", VECTORIZE),
        metavar="V",
        help="none (default), or trials: those of a contender on a workload train together, and "
        "their times are replayed",
    )


def _add_where(add: Callable[..., Any]) -> None:
    add(
        "--output_dir",
        type=Path,
        metavar="DIR",
        help="of logs and records; the same command continues there; default: runs/experiment",
    )
    add("--watch", action="store_true", help="serve a live page of it, as `watch DIR` does")
    add(
        "--data_dir",
        type=Path,
        metavar="DIR",
        help="of AlgoPerf's data sets, for --scale=full; default: $ALGOPERF_LITE_DATA",
    )
    add(
        "--cores_per_trial",
        type=at_least(1),
        metavar="N",
        help="that a trial is pinned to where there is no accelerator; default: 1",
    )
    add(
        "--num_workers",
        type=at_least(1),
        metavar="N",
        help="trials side by side; default: as many as fit",
    )
    add(
        "--executor",
        type=one_of("executor", EXECUTORS),
        metavar="E",
        help="local (default): this machine; ray: the nodes of a Ray cluster",
    )
    add(
        "--ray_address",
        metavar="ADDR",
        help="of the cluster's head; default: $RAY_ADDRESS, or else Ray on this machine alone",
    )
    add(
        "--devices_per_trial",
        type=at_least(1),
        metavar="N",
        help="GPUs, or chips of a TPU, that each trial trains on; default: 1",
    )
    add(
        "--shard",
        metavar="I/N",
        help="run the I-th of N parts of the trials, from 1, while others run elsewhere, into the "
        "same --output_dir",
    )


def _add_trouble(add: Callable[..., Any]) -> None:
    # None of these changes the numbers of a trial that is well, so a continued run may change them.
    add(
        "--max_retries",
        type=at_least(0),
        metavar="N",
        help="of a trial that crashed after its first step, or was killed; default: 1",
    )
    add(
        "--repeat_suspicious",
        action="store_true",
        help="run trials again, once, whose steps took much longer than their twins'",
    )
    add(
        "--checkpoint_share",
        type=flag_types.share,
        metavar="P",
        help="of a trial's wall time, that checkpoints may take; 0 for none, 1 for one at each "
        "evaluation; default: 0.02",
    )
    add(
        "--heartbeat_timeout",
        type=at_least(1),
        metavar="S",
        help="seconds of silence after which a trial is ended; default: 300",
    )
    add(
        "--memory_limit_gib",
        type=at_least(1),
        metavar="GIB",
        help="address space of a trial, where there is no accelerator; default: no limit",
    )


def _add_population(add: Callable[..., Any]) -> None:
    # One flag in the spelling of schedules: its parts mean nothing without each other.
    add(
        "--population",
        type=flag_types.population,
        metavar="M[:KEY=V:...]",
        help="M members share one program, and all are on the clock; a study is one population, "
        "drawn from search_space. Keys: ready_interval, steps between generations (a twentieth of "
        "the step hint); burn_in, steps before the first exploit (0); exploit: truncation, "
        "tournament or t_test; explore, factors of a copied hyperparameter (0.8+1.25); "
        "resample_probability, of drawing it anew (0.25); fitness: validation or training_loss. "
        "Example: 16:ready_interval=20:exploit=t_test",
    )


def _add_hosts(add: Callable[..., Any]) -> None:
    add(
        "--coordinator_address",
        metavar="HOST:PORT",
        help="where they meet, on the host of process 0; start the same command on each, with "
        "--num_processes and its own --process_id",
    )
    # Plain numbers, as they are checked against each other; see `Placement`.
    add("--num_processes", type=int, metavar="N", help="how many hosts there are")
    add("--process_id", type=int, metavar="I", help="which host this is, from 0 to N-1")
    add(
        "--distributed",
        action="store_true",
        help="let JAX find out the three: under Slurm or Open MPI, or on a Cloud TPU slice",
    )
