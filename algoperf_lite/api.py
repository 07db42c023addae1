"""The Python interface: what the commands do, for scripts and notebooks.

Keyword arguments have the names of the flags, and the commands call these functions. Nothing is
printed; results are frozen dataclasses, of which tables have `to_frame()` for pandas. Mistakes
raise ValueError with one sentence before anything is compiled. Importing this loads no JAX.

    from algoperf_lite import api
    api.run(["nadamw", "my_optimizer.py"], ["digits"], "runs/mine", tuning_ruleset="self")
    api.score("runs/mine", only_present=True).to_frame()
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.data import folders
from algoperf_lite.executors import local
from algoperf_lite.executors.multihost import rendezvous
from algoperf_lite.experiment import catalog, deciding, full_data, plan, preflight, sources
from algoperf_lite.experiment import run as experiment_run
from algoperf_lite.experiment.board_repository import adding
from algoperf_lite.experiment.board_repository.adding import board_table as board_table
from algoperf_lite.experiment.board_repository.making import board_init as board_init
from algoperf_lite.experiment.boards import importance as importance
from algoperf_lite.experiment.boards import report as report
from algoperf_lite.experiment.boards import score as score
from algoperf_lite.experiment.branch_report import Telling
from algoperf_lite.experiment.catalog import Listed
from algoperf_lite.experiment.exports import export as export
from algoperf_lite.experiment.fidelity import fidelity as fidelity
from algoperf_lite.experiment.options import Request, benchmark_at
from algoperf_lite.experiment.records import verification
from algoperf_lite.experiment.records.merging import merge as merge
from algoperf_lite.experiment.records.packing import pack as pack
from algoperf_lite.experiment.records.verdict import Verdict
from algoperf_lite.experiment.replay import replay as replay
from algoperf_lite.experiment.results import (
    CalibrationRow,
    CheckResult,
    RunResult,
    Table,
    trial_result,
)
from algoperf_lite.experiment.run import Quiet, Reporter
from algoperf_lite.experiment.selection import workload_names
from algoperf_lite.machine import devices
from algoperf_lite.machine.numerics import Numerics
from algoperf_lite.rules import dynamic
from algoperf_lite.rules import report as rules_report
from algoperf_lite.rules.findings import NEEDS_REVIEW, VIOLATION, in_order
from algoperf_lite.rules.static import check as static_check
from algoperf_lite.rules.static.check import CANNOT_RUN
from algoperf_lite.submission import environments, find
from algoperf_lite.trial.spec import TrialSpec
from scoring.board.site import board_build as board_build
from workloads import name_of

# Relative, so that a checkout and a notebook each keep their own.
OUTPUT_DIR = Path("runs") / "experiment"


def run(
    submissions: Sequence[str] = (),
    workloads: Sequence[str] = ("all",),
    output_dir: str | Path = OUTPUT_DIR,
    *,
    reporter: Reporter | None = None,
    **options: Any,
) -> RunResult:
    """Runs what is not finished of an experiment; the same call continues an interrupted one.

    Args:
      submissions: names, or paths of files or folders; left out where `decide` names them.
      workloads: names, paths of folders from elsewhere, or "quick", "all", and "held_out" for one
        variant of each family.
      output_dir: of the experiment; one that holds another experiment is refused.
      reporter: told of calibrations, the plan, and trials as they start, evaluate and end;
        subclass `experiment.run.Quiet` for it. Default: nobody.
      **options: any of the following.
      held_out_seed, schedules, budgets, population: see `experiment.selection.Selection`; for
        example `population="16:ready_interval=20"`.
      tuning_ruleset, num_studies, num_tuning_trials: see `experiment.config.RulesetChoice`.
      benchmark, scale, rng_seed, budget_by, max_global_steps, stop_at_target, count_compile,
        cores_per_trial, devices_per_trial, vectorize, eval_examples, microbatches, batch_norm,
        requirements, precision, deterministic, diagnostics: see `config.ExperimentConfig`.
        `stop_at_target` is False by default where there are `budgets`, since runs are then compared
        at their ends.
      executor, num_workers, ray_address, coordinator_address, num_processes, process_id,
        distributed, shard, data_dir: see `experiment.placement.Placement`.
      heartbeat_timeout, memory_limit_gib, max_retries, checkpoint_share, race, branch,
        repeat_suspicious: see `experiment.jobs.Limits`.
      decide, max_studies: see `experiment.deciding.Deciding`.

    Returns:
      All trials of the experiment, or of its `shard`; none on hosts that only help another one.

    Raises:
      ValueError: an option, submission or directory that does not fit, before anything runs.
      RuntimeError: a machine that cannot go on, such as a full disk.
    """
    request = Request.of({"submissions": submissions, "workloads": workloads, **options})
    config, limits, names = request.config, request.limits, request.workload_names
    reporter = Telling(reporter or Quiet(), limits.branch)
    data_dir = request.placement.data_folder
    if config.scale == "full":
        full_data.check(names, data_dir, is_here=request.placement.executor == "local")
    preflight.check(request.contenders, config)
    paths = [one.submission for one in request.contenders]
    environments.prepare(map(Path, paths), config.requirements, reporter.say)
    preflight.check_imports(request.contenders, config)
    _say_violations(paths, reporter)
    # Before the directory is touched: an executor that cannot be had must leave no trace.
    executor = request.placement.make_executor(config, limits, Path(output_dir), paths, names)
    _say_unused(reporter)
    goals = request.targets
    for remark in request.remarks:
        reporter.say(remark)
    # Other machines have another working directory.
    path = Path(output_dir).absolute()
    planned = plan.Experiment(
        path, config, request.contenders, names, goals, request.benchmark, data_dir
    )
    join, group = request.placement.join, None
    if join is not None:
        slots = executor.worker_slots
        group = rendezvous.rendezvous(join, slots, limits.memory_limit, config.numerics)
        # The others only train: one process plans, writes and scores.
        if group.process_id > 0:
            say = lambda line: reporter.say(f"{group.name} {line}")  # noqa: E731
            rendezvous.follow(group, limits.heartbeat_timeout, say)
            return RunResult((), Path(output_dir))
    checks = preflight.jobs(request.contenders, names, config)
    with rendezvous.lead(group, executor) as together:
        once = iter([checks])  # whatever is run in rounds is checked before the first

        def play(part: plan.Experiment) -> Sequence[TrialSpec]:
            what = (path, part.config, part.to_calibrate, part.plan)
            how = (together, reporter, limits, next(once, ()))
            return experiment_run.run(*what, *how, placement=request.placement)

        if request.deciding.decide:
            trials, decisions = deciding.run(planned, request.deciding, play, reporter.say)
        else:
            trials, decisions = play(planned), ()
    reporter.close()
    sources.judge(path, _verdict)
    return RunResult(tuple(map(trial_result, trials)), Path(output_dir), tuple(decisions))


def check(submission: str, *, static: bool = False) -> CheckResult:
    """Checks whether a submission is valid and keeps the rules.

    Args:
      submission: a name, or the path of a file or folder.
      static: whether to read its files only, and run nothing.

    Returns:
      Findings by file and line; none where all is well.

    Raises:
      ValueError: there is no such submission.
    """
    path = find.locate(submission)
    found = static_check.check(path)
    # What Python cannot read or import here cannot run either, and has been said.
    if not static and not any(finding.rule in CANNOT_RUN for finding in found):
        found += dynamic.check(path)
    rows = tuple(in_order(found))
    violations, to_review = (
        sum(row.severity == severity for row in rows) for severity in (VIOLATION, NEEDS_REVIEW)
    )
    return CheckResult(rows, find.name_of(path), violations, to_review)


def verify(pack: str | Path, *, probe: bool = False, **options: Any) -> Verdict:
    """Looks whether a pack holds what it says; with `steps`, trains some of its trials again, which
    runs a stranger's code.

    Args:
      pack: the file.
      probe: whether the half of `check` that runs a submission is run on each, too.
      **options: benchmark, steps, held_out_seed: see `records.verification.verify`; trials,
        seconds, rng_seed: see `records.replaying.Request`.

    Returns:
      The verdict: problems as rows, and how far one may trust it.

    Raises:
      ValueError: no sound pack, a benchmark that is not here, or a number that does not fit.
    """
    return verification.verify(pack, _verdict, probe=_probed if probe else None, **options)


def board_add(pack: str | Path, board: str | Path = ".") -> adding.Added:
    """Verifies a pack, without training, and puts it onto a board; see `board_init`.

    Args:
      pack: the file.
      board: folder of the board.

    Returns:
      The entry.

    Raises:
      ValueError: no board, or a pack that is not confirmed or does not fit the board.
    """
    return adding.add(pack, board, _verdict)


def list(kind: str | None = None) -> Table[Listed]:
    """Lists what there is.

    Args:
      kind: workloads, submissions, schedules or benchmarks; None for all of them.

    Returns:
      Rows of kind, name and a line on what it is.

    Raises:
      ValueError: an unknown kind.
    """
    return Table(catalog.listed(kind))


def calibrate(
    workloads: Sequence[str] = ("all",),
    *,
    scale: str = "lite",
    data_dir: str | Path | None = None,
    cores_per_trial: int = 1,
    devices_per_trial: int = 1,
    num_workers: int | None = None,
    fresh: bool = False,
    reporter: Reporter | None = None,
    **numerics: Any,
) -> Table[CalibrationRow]:
    """Measures, or recalls, how fast the reference submission steps on this machine.

    Args:
      workloads: names, paths of folders from elsewhere, or "quick" or "all".
      scale: "lite" or "full".
      data_dir: of AlgoPerf's data sets, for scale full; None for `folders.VARIABLE`.
      cores_per_trial: cores of each process, where there is no accelerator.
      devices_per_trial: accelerators of each process, where there are any.
      num_workers: workloads side by side; None for as many as fit.
      fresh: whether to measure again what is known.
      reporter: told of each calibration as it is there.
      **numerics: precision, deterministic: see `numerics.Numerics`.

    Returns:
      Rows in the order in which they were measured.

    Raises:
      ValueError: a workload or a number that does not fit.
      RuntimeError: a workload that cannot be calibrated.
    """
    names = workload_names(workloads, benchmark_at(scale), scale=scale)
    data = folders.given(data_dir)
    if scale == "full":
        full_data.check(names, data)
    reporter, rows = reporter or Quiet(), []
    executor = local.local(cores_per_trial, num_workers, devices_per_trial)
    _say_unused(reporter)
    how = {"numerics": Numerics(**numerics), "data_dir": data}
    experiment_run.check_workloads(names, scale, executor, how["numerics"])
    for workload, found in experiment_run.calibrate(names, scale, executor, fresh, **how):
        name = name_of(workload)
        reporter.on_calibrated(name, found)
        rows.append(CalibrationRow(name, found.seconds_per_step, found.step_hint, found.mode))
    return Table(tuple(rows))


def _say_unused(reporter: Reporter) -> None:
    sentence = devices.unused()
    if sentence is not None:
        reporter.say(sentence)


def _say_violations(submissions: Iterable[str], reporter: Reporter) -> None:
    """Says which submissions break a rule, as far as reading them tells; they are run all the
    same, since a verdict on a submission is for whoever scores it."""
    for path in dict.fromkeys(map(Path, submissions)):
        findings = static_check.check(path)
        if rules_report.exit_code(findings):
            verdict = rules_report.verdict(findings, find.name_of(path))
            reporter.say(f"{verdict}; `algoperf-lite check {path}` says which")


def _verdict(path: Path) -> dict[str, Any]:
    """What reading a submission's files tells, as JSON."""
    return rules_report.to_json(static_check.check(path), find.name_of(path))


def _probed(path: Path) -> dict[str, Any]:
    """What running a submission on tiny workloads tells, as JSON."""
    return rules_report.to_json(dynamic.check(path), find.name_of(path))
