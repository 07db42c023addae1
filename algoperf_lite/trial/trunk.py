"""The native form for several budgets: steps that they have in common are made once.

A *trunk* is the trial of the largest budget. Trials of smaller ones whose schedules are at the same
learning rates until they cool down are its *branches*: they would make the same steps up to there.
So the trunk also stops where they are evaluated, logs that in their directories as they would, and
leaves each a checkpoint at the last of its own evaluations before its cooldown. The branch's own
process goes on from that as from any checkpoint (`resume`), and never learns that it was not its
own. What cannot branch, or loses its place, is trained from its beginning.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_lite.spec import PyTree
from algoperf_lite.storage import atomic
from algoperf_lite.storage.atomic import Mark
from algoperf_lite.training import clock
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.evaluation import Evaluator
from algoperf_lite.training.snapshot import Snapshot
from algoperf_lite.trial import attempts, common_part, integrity, logs, resume, stops
from algoperf_lite.trial.forms.base import Advanced, Heartbeat
from algoperf_lite.trial.forms.native import Native
from algoperf_lite.trial.recorder import Recorder
from algoperf_lite.trial.setup import TrialSetup
from algoperf_lite.trial.spec import TrialSpec
from scoring.logs.format import ACCOUNTS

# Accounts of a branch's ledger that are the trunk's.
_SHARED = ("init", "data_selection", "update_params")


class EvaluatedOnce:
    """An `Evaluator` that measures a split once, for all trials that stop at a step.

    Attributes:
      seconds: what evaluations took that were asked for, whether or not they were made anew.
    """

    def __init__(self, evaluate: Evaluator, now: Callable[[], float] = time.monotonic):
        self._evaluate, self._now, self.seconds = evaluate, now, 0.0
        self._found: dict[str, tuple[dict[str, float], float]] = {}

    def __call__(self, params: PyTree, model_state: PyTree, split: str) -> dict[str, float]:
        if split not in self._found:
            began = self._now()
            found = self._evaluate(params, model_state, split)
            self._found[split] = found, self._now() - began
        found, seconds = self._found[split]
        self.seconds += seconds
        return dict(found)

    def forget(self) -> None:
        """The next evaluation is of other parameters."""
        self._found.clear()


def sharing(setup: TrialSetup) -> TrialSetup:
    """The setup of a trunk."""
    return dataclasses.replace(setup, evaluate=EvaluatedOnce(setup.evaluate))


@dataclasses.dataclass
class Branch:
    """A trial that the trunk trains until it branches off.

    Attributes:
      number: of its sum of losses.
      stops: its evaluations, the last of which is where it branches off.
      since: the last of them so far; 0 before the first.
      clock: seconds on its own clock then.
      own: {account: seconds} of its ledger that are not the trunk's.
      is_open: False once it has branched off, or cannot.
    """

    spec: TrialSpec
    recorder: Recorder
    number: int
    stops: Sequence[int]
    since: int = 0
    clock: float = 0.0
    own: dict[str, float] = dataclasses.field(default_factory=dict)
    is_open: bool = True

    def ledger(self, of_trunk: Ledger) -> dict[str, float]:
        """Its ledger by now, closed, as if it had been alone; but what its own process needs to
        start will be in it when it has."""
        # Compilation that is on the clock is so from the first row on.
        shared = (*_SHARED, "compile") if self.spec.config.count_compile else _SHARED
        found = {name: self.own.get(name, 0.0) for name in ACCOUNTS}
        found |= {name: of_trunk.seconds(name) for name in shared}
        return {**found, "wall": sum(found.values())}

    def spend(self, account: str, seconds: float) -> None:
        self.own[account] = self.own.get(account, 0.0) + seconds

    def is_last(self, step: int, seconds: float) -> bool:
        """Whether it is to branch off after `step` steps: at its last stop, or where it may have
        used up its seconds by the next one."""
        limit = self.spec.max_seconds
        return step == self.stops[-1] or (limit is not None and 2 * seconds - self.clock > limit)


class Trunk(Native):
    """A trial of a native submission that trains `branches` with it."""

    def __init__(
        self,
        spec: TrialSpec,
        setup: TrialSetup,
        clock: Ledger,
        heartbeat: Heartbeat,
        branches: Sequence[TrialSpec],
    ) -> None:
        """`setup` is `sharing`; `branches` differ from `spec` in their budgets alone."""
        super().__init__(spec, setup, clock, heartbeat)
        self._offered, self._branches = branches, []
        self.num_sums = 1 + len(branches)
        # Before the submission is imported: what it replaces of the harness has to show.
        self._tamper_check = integrity.TamperCheck(type(setup.workload).__module__)

    def start(self, saved: Snapshot | None) -> None:
        """Starts the trial, and those branches that it can train with it from here on."""
        super().start(saved)
        self._clock.switch("setup")  # whoever counts compilation does not count this
        for number, spec in enumerate(self._offered, 1):
            name = spec.submission_name
            kept = None if saved is None else saved.facts.get("branches", {}).get(name)
            if saved is not None and kept is None:
                resume.say(f"{name} does not branch off: this trial is beyond that")
                continue
            branch = self._branch(spec, number, kept)
            if branch is not None:
                self._branches.append(branch)

    def _branch(
        self, spec: TrialSpec, number: int, kept: Mapping[str, Any] | None
    ) -> Branch | None:
        """A branch as a checkpoint of the trunk has `kept` it, or at its beginning; None where it
        has nothing in common with the trunk, or its files are not what they were."""
        setup, directory = self._setup, Path(spec.directory)
        step_hint = stops.horizon(spec.budget, setup.whole_step_hint)
        workload = dataclasses.replace(setup.workload, step_hint=step_hint)
        at = common_part.stops(self.training, self.traced, workload, spec, self._state.params)
        self._heartbeat()
        if isinstance(at, str):
            resume.say(f"{spec.submission_name} does not branch off: {at}")
            return None
        attempt, more = resume.FIRST_ATTEMPT, {}
        if kept is None:
            logs.set_aside(directory, keep=(attempts.FILE,))
        else:
            rows = {name: Mark(*then) for name, then in kept["recorder"]["rows"].items()}
            if not all(atomic.still_holds(directory / name, then) for name, then in rows.items()):
                resume.say(f"{spec.submission_name} does not branch off: its rows have changed")
                return None
            for name, then in rows.items():
                atomic.cut_back(directory / name, then)
            attempt = resume.Attempt(saved=resume.Saved.of_recorder(kept["recorder"]))
            more = {name: kept[name] for name in ("since", "clock", "own")}
        facts = {**setup.facts, "step_hint": step_hint}
        setup = dataclasses.replace(setup, workload=workload, facts=facts)
        recorder = Recorder(spec, setup, attempt, tamper_check=self._tamper_check)
        recorder.start(self.facts(), self._clock.seconds("compile"))
        return Branch(spec, recorder, number, at, **more)

    def advance(self, step: int, stop: int, since: Sequence[int] | None = None) -> Advanced:
        """Trains to `stop`, and evaluates branches that have stops of their own on the way."""
        assert since is None, "a trunk sums its losses from where it begins"
        own, opened = step, [branch for branch in self._branches if branch.is_open]
        on_the_way = sorted({at for branch in opened for at in branch.stops if step < at < stop})
        for at in on_the_way:
            advanced = self._steps(own, step, at)
            self._clock.switch("eval", advanced.pending)
            began = self._clock.seconds("eval")
            # None of the trunk's evaluations, so none of it is on its clock.
            self._clock.switch("eval", self.prepare_for_eval(at))
            self._evaluate(at, self._clock.seconds("eval") - began)
            self._clock.switch("update_params")
            step = at
        advanced = self._steps(own, step, stop)
        self._prepared_before = self._clock.seconds("prepare_for_eval")
        return advanced

    def _steps(self, own: int, step: int, stop: int) -> Advanced:
        self._setup.evaluate.forget()
        since = [own] + [0] * len(self._offered)
        for branch in self._branches:
            since[branch.number] = branch.since
        return super().advance(step, stop, since)

    def told(self, step: int, row: Mapping[str, float]) -> None:
        """Evaluates the branches that stop where the trunk does."""
        self._clock.switch("eval")
        self._evaluate(step, self._clock.seconds("prepare_for_eval") - self._prepared_before)

    def _evaluate(self, step: int, prepared: float) -> None:
        """Evaluates and logs all branches that stop here; `prepared` are the seconds that
        `prepare_for_eval` took."""
        for branch in self._branches:
            if not branch.is_open or step not in branch.stops:
                continue
            branch.spend("prepare_for_eval", prepared)
            ledger, before = branch.ledger(self._clock), self._setup.evaluate.seconds
            seconds = clock.submission_seconds(ledger, self._spec.config.count_compile)
            candidate = functools.partial(self.candidate, of=branch.number)
            found = branch.recorder.evaluate(step, seconds, candidate, self._heartbeat)
            branch.spend("eval", self._setup.evaluate.seconds - before)
            if found.verdict.is_end:
                # Only if it came sooner than could be foreseen: it has used up its seconds, or
                # what is not finite is so for the trunk as well.
                branch.is_open = False
                resume.say(
                    f"{branch.spec.submission_name} does not branch off: it {found.verdict.value}"
                )
                continue
            began, ledger = self._clock.seconds("eval"), branch.ledger(self._clock)
            times = {
                "accumulated_eval_time": ledger["eval"],
                "accumulated_logging_time": ledger["log"],
                "total_duration": ledger["wall"],
            }
            branch.recorder.log(found, times)
            branch.spend("log", self._clock.seconds("eval") - began)
            is_last, branch.since = branch.is_last(step, seconds), step
            branch.clock = seconds
            if is_last:
                self._let_go(branch, step)

    def _let_go(self, branch: Branch, step: int) -> None:
        """Leaves a branch the checkpoint that its own process begins with."""
        branch.is_open, name = False, branch.spec.submission_name
        told = {"from": self._spec.submission_name, "steps": step, "seconds": branch.clock}
        self._clock.switch("checkpoint")
        try:
            state = {**branch.recorder.state, "branch": told}
            saved = self._snapshot(branch.number)
            resume.save(branch.spec, step, saved, state, branch.ledger(self._clock))
            resume.say(f"{name} branches off after step {step}")
        except (OSError, MemoryError) as error:  # it is trained all the same, if later
            resume.say(f"{name} does not branch off: {error}")
        self._clock.switch("eval")

    def snapshot(self, step: int) -> Snapshot:
        """The state, and how far the branches are."""
        sums, kept = self.loss_sums(), {}
        for branch in self._branches:
            if not branch.is_open:
                continue
            for name in logs.ROWS:
                atomic.sync(Path(branch.spec.directory) / name)
            kept[branch.spec.submission_name] = {
                "recorder": branch.recorder.state,
                "since": branch.since,
                "clock": branch.clock,
                "own": dict(branch.own),
                "sum": sums[branch.number],
            }
        return Snapshot(super().snapshot(step).arrays, {"branches": kept})

    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Puts the state in place, and the branches' sums of losses."""
        super().restore(step, saved)
        sums = self.loss_sums()
        for branch in self._branches:
            sums[branch.number] = saved.facts["branches"][branch.spec.submission_name]["sum"]
        self.put_sums(sums)
