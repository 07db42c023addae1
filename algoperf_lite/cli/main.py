"""The command line: subcommands, nothing else."""

import argparse
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import app, logging
from absl.flags import argparse_flags

from algoperf_lite import did_you_mean as naming
from algoperf_lite.cli import executor_flags, multihost_flags, population_flags, signals
from algoperf_lite.schedules import text as schedules_text
from algoperf_lite.storage import atomic, cache

COMMANDS = (
    *("quickstart", "list", "run", "score", "report", "check", "calibrate", "plot_schedules"),
)
QUICKSTART_WORKLOADS = ("digits", "criteo1tb", "finewebedu_lm")
QUICKSTART_SUBMISSIONS = ("nadamw", "nesterov", "adamw_wsd")
QUICKSTART_DIRECTORY = Path("runs") / "quickstart"
BAD_INPUT = 2  # exit code
_GO_ON = "finished trials are kept, the same command continues"
_SETTINGS = (  # flags of `run` that are fields of `config.ExperimentConfig`
    "rng_seed",
    "budget_by",
    "max_global_steps",
    "stop_at_target",
    "count_compile",
    "use_installed_algoperf",
    "num_evals",
    "cores_per_trial",
    "vectorize",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `algoperf-lite`."""
    app.run(_dispatch, argv=list(argv) if argv else None, flags_parser=_parse)


def _dispatch(arguments: argparse.Namespace) -> int:
    logging.set_verbosity(logging.WARNING)
    try:
        with signals.terminable():
            return arguments.command(arguments) or 0
    except (ValueError, RuntimeError) as error:
        print(f"algoperf-lite: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, ValueError) else 1
    except OSError as error:
        return _say_why(error)
    except KeyboardInterrupt as stop:
        print(f"\nalgoperf-lite: stopped; {_GO_ON}", file=sys.stderr)
        is_term = isinstance(stop, signals.Terminated)
        return signals.TERMINATED if is_term else signals.INTERRUPTED


def _say_why(error: OSError) -> int:
    """The exit code of what the system has refused, which is said; raises what nobody asked for."""
    if atomic.is_full(error):
        print(f"algoperf-lite: no room to write ({error}); free some: {_GO_ON}", file=sys.stderr)
        return 1
    if not atomic.is_refused(error) or error.filename is None:
        raise error
    # Of a file that was to be renamed, the second name is the one that people have given.
    where = f"{str(error.filename2 or error.filename)!r} ({error.strerror})"
    print(f"algoperf-lite: cannot use {where}; give another path, or mend that", file=sys.stderr)
    return BAD_INPUT


# --- flags --------------------------------------------------------------------------------


class _Parser(argparse_flags.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text in front."""

    def error(self, message: str) -> NoReturn:
        print(f"algoperf-lite: {message}", file=sys.stderr)
        sys.exit(BAD_INPUT)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="algoperf-lite",
        description="Time-to-result benchmark of training algorithms.",
        inherited_absl_flags=None,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_quickstart(commands)
    _add_list(commands)
    _add_run(commands)
    _add_score(commands)
    _add_report(commands)
    _add_check(commands)
    _add_calibrate(commands)
    _add_plot_schedules(commands)
    words = [word for word in argv[1:] if not word.startswith("-")]
    if words and not argv[1].startswith("-"):
        try:
            naming.require(words[0], COMMANDS, "command")
        except ValueError as error:
            parser.error(str(error))
    return parser.parse_args(argv[1:])


def _one_of(what: str, *valid: str) -> Callable[[str], str]:
    def convert(value: str) -> str:
        try:
            return naming.require(value, valid, what)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _at_least(least: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"got {value!r}; expected a whole number >= {least}")
        return number

    return convert


def _listed(value: str) -> list[str]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise argparse.ArgumentTypeError("got an empty list; expected names separated by commas")
    repeated = {part for part in parts if parts.count(part) > 1}
    if repeated:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(repeated))} is listed twice")
    return parts


def _schedules(value: str) -> list[str]:
    """Texts in one spelling, each checked."""
    try:
        found = [str(schedules_text.parse(text)) for text in _listed(value)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return _listed(",".join(found))


def _shares(value: str) -> list[float]:
    found = []
    for text in _listed(value):
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        if not 0.0 < share <= 1.0:
            raise argparse.ArgumentTypeError(
                f"got {text!r}; expected parts of the step hint above 0, at most 1, as in '0.25,1'"
            )
        found.append(share)
    return sorted(set(found))


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"got {value!r}; expected a number from 0 to 1")
    return share


def _add_quickstart(commands: Any) -> None:
    parser = commands.add_parser(
        "quickstart", help="three workloads x three submissions: run, score, plot"
    )
    parser.add_argument("--output_dir", type=Path, default=QUICKSTART_DIRECTORY)
    parser.set_defaults(command=quickstart)


def _add_list(commands: Any) -> None:
    parser = commands.add_parser("list", help="what there is")
    parser.add_argument("kind", nargs="?", help="workloads, submissions, schedules or benchmarks")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(command=list_things)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="run an experiment, or continue one")
    add = parser.add_argument
    add("--submissions", type=_listed, required=True, help="names or paths, separated by commas")
    add(
        "--schedules",
        type=_schedules,
        default=[None],
        help="replace the submissions' own, each in turn: 'cosine,uba:phi=5,wsd:decay=0.1'",
    )
    add(
        "--budgets",
        type=_shares,
        default=[None],
        help="parts of the step hint, each the horizon of a run of its own: '0.25,0.5,1'",
    )
    add(
        "--workloads",
        type=_listed,
        default=["all"],
        help="names, 'quick', 'all', or 'held_out' for one variant of each family",
    )
    add("--held_out_seed", type=_at_least(0), help="draws the variants of 'held_out'")
    add("--output_dir", type=Path, default=Path("runs") / "experiment")
    add("--scale", type=_one_of("scale", "lite", "full"), default="lite")
    add("--benchmark", default="lite", help="name or file that the targets come from")
    add("--tuning_ruleset", type=_one_of("ruleset", "external", "self"), default="external")
    add("--num_studies", type=_at_least(1), help="default: the ruleset's")
    add("--num_tuning_trials", type=_at_least(1), help="per study; default: the ruleset's")
    add("--rng_seed", type=_at_least(0), default=0)
    add("--budget_by", type=_one_of("budget", "time", "steps"), default="time")
    add("--max_global_steps", type=_at_least(1))
    add("--num_evals", type=_at_least(40), default=40, help="per step hint")
    add(
        "--stop_at_target",
        action=argparse.BooleanOptionalAction,
        help="default: yes, but not with --budgets, where the end of a run is what is compared",
    )
    add("--count_compile", action="store_true", help="put compilation on the submission's clock")
    add(
        "--use_installed_algoperf",
        action="store_true",
        help="hand submissions in AlgoPerf's form the installed package instead of ours",
    )
    add(
        "--vectorize",
        type=_one_of("way to vectorize", "none", "trials"),
        default="none",
        help="'trials': those of an entry on a workload train together, their times are replayed",
    )
    population_flags.add(parser)
    multihost_flags.add(parser)
    add("--cores_per_trial", type=_at_least(1), default=1)
    add("--num_workers", type=_at_least(1), help="trials side by side; default: as many as fit")
    executor_flags.add(parser, _one_of, _at_least)
    add("--memory_limit_gib", type=_at_least(1), help="address space of a trial; default: any")
    add("--max_retries", type=_at_least(0), default=1, help="of a trial that crashed")
    add(
        "--checkpoint_share",
        type=_share,
        default=0.02,
        help="of a trial's wall time, that checkpoints may take; 0 for none, 1 at each evaluation",
    )
    add("--no_cache", action="store_true", help="generate data afresh, and keep none")
    add("--heartbeat_timeout", type=_at_least(1), default=300, help="seconds of silence allowed")
    parser.set_defaults(command=run)


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    """What `score` and `report` share: how logs become times and scores."""
    add = parser.add_argument
    add("directory", type=Path)
    add("--benchmark", help="name or file; default: the experiment's, else lite")
    add(
        "--tuning_ruleset",
        type=_one_of("ruleset", "external", "self"),
        help="default: the experiment's, else external",
    )
    add("--mode", type=_one_of("mode", "exact", "official"), default="exact")
    add("--by", type=_one_of("unit", "time", "steps"), default="time")
    add("--reference", help="submission that speedups are against; default: the benchmark's")
    add(
        "--held_out_seed",
        type=_at_least(0),
        help="let the variants that this seed draws gate their families",
    )
    add("--strict", action="store_true", help="insist on the ruleset's studies and trials")
    add("--only_present", action="store_true", help="leave out workloads that occur in no log")
    add("--allow_mixed_hardware", action="store_true")
    add("--allow_mixed_timing", action="store_true")


def _add_score(commands: Any) -> None:
    parser = commands.add_parser("score", help="the leaderboard of an experiment")
    _add_protocol(parser)
    parser.add_argument("--details", action="store_true", help="speedups, ranks, budgets")
    parser.add_argument("--plot", type=Path, help="stem of a profile plot; .svg, .png are added")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(command=score)


def _add_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="one self-contained page about an experiment")
    _add_protocol(parser)
    parser.add_argument("--output", type=Path, default=Path("report.html"))
    parser.add_argument("--figures", type=Path, help="folder for the figures as SVG and PDF")
    parser.set_defaults(command=report)


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="is a submission valid, and does it keep the rules?")
    add = parser.add_argument
    add("submission", help="name, or path of a file or folder")
    add("--static", action="store_true", help="read its files only, and run nothing")
    add("--json", action="store_true")
    parser.set_defaults(command=check)


def _add_calibrate(commands: Any) -> None:
    parser = commands.add_parser("calibrate", help="measure the reference's speed here")
    add = parser.add_argument
    add("--workloads", type=_listed, default=["all"])
    add("--scale", type=_one_of("scale", "lite", "full"), default="lite")
    add("--cores_per_trial", type=_at_least(1), default=1)
    add("--num_workers", type=_at_least(1))
    add("--fresh", action="store_true", help="measure again what is known")
    parser.set_defaults(command=calibrate)


def _add_plot_schedules(commands: Any) -> None:
    parser = commands.add_parser("plot_schedules", help="learning rate against step, as a picture")
    add = parser.add_argument
    add("--schedules", type=_listed, required=True, help="for example cosine,uba:phi=5")
    add("--output", type=Path, default=Path("schedules.svg"), help="an .svg or a .png")
    add("--num_steps", type=_at_least(1), default=1000)
    parser.set_defaults(command=plot_schedules)


# --- commands -----------------------------------------------------------------------------


def quickstart(arguments: argparse.Namespace) -> int:
    """The tour: three submissions on three workloads, one study, their own points."""
    began = time.monotonic()
    flags = [
        "run",
        f"--submissions={','.join(QUICKSTART_SUBMISSIONS)}",
        f"--workloads={','.join(QUICKSTART_WORKLOADS)}",
        "--tuning_ruleset=self",
        "--num_studies=1",
        f"--output_dir={arguments.output_dir}",
    ]
    print(f"algoperf-lite {' '.join(flags)}")
    code = run(_parse(["algoperf-lite", *flags]))
    plot = arguments.output_dir / "profile"
    flags = ["score", str(arguments.output_dir), f"--plot={plot}"]
    print(f"\nalgoperf-lite {' '.join(flags)}")
    code = code or score(_parse(["algoperf-lite", *flags]))
    page = arguments.output_dir / "report.html"
    flags = ["report", str(arguments.output_dir), f"--output={page}"]
    print(f"\nalgoperf-lite {' '.join(flags)}")
    code = code or report(_parse(["algoperf-lite", *flags]))
    print(f"quickstart took {time.monotonic() - began:.0f} s")
    return code


def list_things(arguments: argparse.Namespace) -> int:
    """Names, each with a line on what it is."""
    from algoperf_lite.cli import list

    kinds = [naming.require(arguments.kind, list.KINDS, "kind")] if arguments.kind else list.KINDS
    found = {kind: list.describe(kind) for kind in kinds}
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0
    for kind, entries in found.items():
        print(kind)
        for name, line in entries.items():
            print(f"  {name:<18} {line}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Runs what is not finished of an experiment."""
    from rich.console import Console

    from algoperf_lite import tuning
    from algoperf_lite.executors.multihost import rendezvous
    from algoperf_lite.experiment import jobs, plan
    from algoperf_lite.experiment import run as experiment_run
    from algoperf_lite.experiment.config import ExperimentConfig
    from algoperf_lite.experiment.progress import ExperimentProgress
    from algoperf_lite.population import preflight
    from algoperf_lite.submission import find
    from scoring import benchmark

    console = Console()
    if arguments.no_cache:
        os.environ[cache.NO_CACHE] = "1"  # trials inherit it
    parts = population_flags.parts_of_entries(arguments)
    join = multihost_flags.parse(arguments)
    entries = _entries(arguments.submissions, arguments.schedules, arguments.budgets, parts)
    if join is not None:
        multihost_flags.check_others(arguments, [Path(entry.submission) for entry in entries])
    if arguments.vectorize == "trials":
        for entry in entries:
            find.check_can_be_vectorized(Path(entry.submission))
    if arguments.stop_at_target is None:
        arguments.stop_at_target = arguments.budgets == [None]
    goal = benchmark.load(arguments.benchmark)
    workload_names = _workload_names(arguments.workloads, goal, arguments.held_out_seed)
    rules = goal.ruleset(arguments.tuning_ruleset)
    settings = ExperimentConfig(
        benchmark=arguments.benchmark,
        scale=arguments.scale,
        ruleset=tuning.Ruleset(
            arguments.tuning_ruleset,
            arguments.num_studies or rules.num_studies,
            arguments.num_tuning_trials or rules.num_trials,
            rules.slack,
        ),
        **{name: getattr(arguments, name) for name in _SETTINGS},
    )
    executor = executor_flags.executor(arguments, [entry.submission for entry in entries])
    goals = {name: goal.workloads[name] for name in workload_names if name in goal.workloads}
    for name in workload_names:
        if name in goals:
            continue
        console.print(f"{name} has no target in benchmark {goal.name}: full budget, no score")
    planned = plan.Experiment(
        arguments.output_dir.absolute(),  # other machines have another working directory
        settings,
        entries,
        tuple(workload_names),
        {name: target.value for name, target in goals.items()},
    )
    care = jobs.Limits(
        silence_limit=arguments.heartbeat_timeout,
        memory_limit=arguments.memory_limit_gib and arguments.memory_limit_gib * 2**30,
        max_retries=arguments.max_retries,
        checkpoint_share=arguments.checkpoint_share,
    )
    group = (
        None
        if join is None
        else rendezvous.rendezvous(join, executor.worker_slots, care.memory_limit)
    )
    if group is not None and group.process_id > 0:
        rendezvous.follow(group, care.silence_limit, functools.partial(_say, console, group.name))
        return 0
    with rendezvous.lead(group, executor) as executor, ExperimentProgress(console) as progress:
        experiment_run.run(
            planned.directory,
            settings,
            workload_names,
            planned.plan,
            executor,
            progress,
            care,
            preflight.jobs(entries, workload_names, settings),
        )
    console.print(f"logs are in {arguments.output_dir}", highlight=False, soft_wrap=True)
    return 0


def score(arguments: argparse.Namespace) -> int:
    """Prints the leaderboard; `--json` prints one object instead."""
    from scoring import leaderboard
    from scoring.views import terminal

    board = leaderboard.score(arguments.directory, **_protocol(arguments))
    if arguments.json:
        print(json.dumps(board.to_json(), indent=1, allow_nan=False))
    else:
        terminal.render(board)
        if arguments.details:
            terminal.render_details(board)
    if arguments.plot:
        from scoring.views import profile_plot

        svg, png = profile_plot.write(board, arguments.plot)
        print(f"performance profile: {svg} {png}", file=sys.stderr)
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Writes the page, and the figures where asked for."""
    from scoring import leaderboard
    from scoring.views import figures
    from scoring.views import html as pages

    board = leaderboard.score(arguments.directory, **_protocol(arguments))
    path = pages.write(board, arguments.directory, arguments.output)
    if arguments.figures:
        figures.write(board, arguments.figures)
    print(f"report: {path}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Says what of a submission breaks the rules; 1 where anything does."""
    from algoperf_lite.rules import report as pages
    from algoperf_lite.rules.static import check as static_check
    from algoperf_lite.submission import find

    path = find.locate(arguments.submission)
    name = find.name_of(path)
    found = static_check.check(path)
    if not arguments.static and not any(finding.rule == "syntax" for finding in found):
        from algoperf_lite.rules import dynamic

        found += dynamic.check(path)
    if arguments.json:
        print(json.dumps(pages.to_json(found, name), indent=1))
    else:
        from rich.console import Console

        Console().print(pages.render(found, name))
    return pages.exit_code(found)


def calibrate(arguments: argparse.Namespace) -> int:
    """Measures, or recalls, the reference's seconds per step here."""
    from algoperf_lite.executors import local
    from algoperf_lite.experiment import run as experiment_run
    from algoperf_lite.experiment.progress import calibration_line

    executor = local.local(arguments.cores_per_trial, arguments.num_workers)
    workload_names = _workload_names(arguments.workloads)
    for name, found in experiment_run.calibrate(
        workload_names, arguments.scale, executor, arguments.fresh
    ):
        print(calibration_line(name, found), flush=True)
    return 0


def plot_schedules(arguments: argparse.Namespace) -> int:
    """Draws schedules, the peak being 1."""
    from algoperf_lite.schedules import text as schedules_text

    specs = [schedules_text.parse(text) for text in arguments.schedules]
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # an accelerator may be busy with a trial
    from algoperf_lite.schedules import plot as schedules_plot

    path = schedules_plot.draw(specs, arguments.output, arguments.num_steps)
    print(f"schedules: {path}")
    return 0


# --- what the commands share --------------------------------------------------------------


def _say(console: Any, name: str, line: str) -> None:
    console.print(f"{name} {line}", highlight=False, soft_wrap=True)


def _workload_names(
    listed: Sequence[str], goal: Any = None, held_out_seed: int | None = None
) -> list[str]:
    """Workloads by name, where 'all', 'quick' and 'held_out' stand for several.

    Raises ValueError for a name that is none, or where variants are to be drawn without a seed.
    """
    import workloads

    several = {"all": workloads.names(), "quick": list(QUICKSTART_WORKLOADS)}
    if "held_out" in listed:
        if held_out_seed is None:
            raise ValueError(
                "--workloads=held_out needs --held_out_seed, a whole number that draws one variant "
                "of each family; score with the same seed"
            )
        several["held_out"] = list(goal.with_held_out(held_out_seed).held_out_workloads)
    found = [several.get(name) or [workloads.check_name(name)] for name in listed]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def _entries(
    submissions: Sequence[str],
    schedules: Sequence[str | None],
    budgets: Sequence[float | None],
    parts: Mapping[str, Any],
) -> tuple[Any, ...]:
    """Every submission on every schedule on every budget; `parts` are what all have in common.

    What does not depend on its horizon runs once, on the largest budget: at a smaller one it would
    do the same, so its value there is read off the one log.
    Raises ValueError for a submission that is none or whose schedule cannot be replaced.
    """
    from algoperf_lite.experiment.contenders import Contender
    from algoperf_lite.submission import find

    paths = [find.locate(entry) for entry in submissions]
    _check_distinct(paths)
    if "population" in parts:
        population_flags.check_form(paths)
    found = []
    for path, schedule in itertools.product(paths, schedules):
        runs = budgets
        if schedule is not None:
            find.check_schedule_can_be_replaced(path)
            if not schedules_text.parse(schedule).is_horizon_aware:
                runs = budgets[-1:]
        found += [Contender(str(path), schedule, budget, **parts) for budget in runs]
    return tuple(found)


def _protocol(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `scoring.score`. Benchmark and ruleset are the experiment's own unless
    flags say otherwise."""
    from scoring import benchmark

    try:
        settings = json.loads((arguments.directory / "experiment.json").read_text())["settings"]
        own = settings["benchmark"], settings["ruleset"]["name"]
    except (OSError, ValueError, KeyError):
        own = "lite", "external"
    goal = benchmark.load(arguments.benchmark or own[0])
    if arguments.held_out_seed is not None:
        goal = goal.with_held_out(arguments.held_out_seed)
    shared = ("mode", "by", "reference", "strict", "only_present")
    allowed = ("allow_mixed_hardware", "allow_mixed_timing")
    return {
        "benchmark": goal,
        "ruleset": arguments.tuning_ruleset or own[1],
        **{name: getattr(arguments, name) for name in (*shared, *allowed)},
    }


def _check_distinct(paths: Sequence[Path]) -> None:
    """Raises ValueError where two files would share one name on the leaderboard."""
    from algoperf_lite.submission import find

    by_name: dict[str, Path] = {}
    for path in paths:
        name = find.name_of(path)
        if name in by_name:
            raise ValueError(
                f"submissions {str(by_name[name])!r} and {str(path)!r} would both be called "
                f"{name!r}; rename one"
            )
        by_name[name] = path


if __name__ == "__main__":
    main()
