"""A trial of a submission in AlgoPerf's form; what is particular to it beside `trial`."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from algoperf_lite import spec
from algoperf_lite.spec import TrainingCompleteError
from algoperf_lite.storage import atomic
from algoperf_lite.submission import algoperf, algoperf_shim, find
from algoperf_lite.training import compiled_steps, snapshot
from algoperf_lite.training.clock import Ledger
from algoperf_lite.training.data_order import Batches
from algoperf_lite.trial import integrity, resume, setup
from algoperf_lite.trial.forms import algoperf_state, algoperf_stepper
from algoperf_lite.trial.forms.algoperf_stepper import OneByOneStepper, State
from algoperf_lite.trial.recorder import Recorder, Report, evaluation_steps, off_clock, throttled
from algoperf_lite.trial.resume import Attempt
from algoperf_lite.trial.setup import TrialSetup


def train(
    books: Recorder, stage: TrialSetup, attempt: Attempt, ledger: Ledger, report: Report
) -> None:
    """Trains and evaluates under the ledger's accounts; fills the books."""
    with algoperf_shim.installed(books.spec.use_installed_algoperf):
        _Trial(books, stage, attempt, ledger, report).run()


class MetricsLogger:
    """What a submission logs of its own accord: lines of `submission_metrics.jsonl`."""

    def __init__(self, directory: Path):
        self._path = directory / "submission_metrics.jsonl"
        self.is_on = False

    def append_scalar_metrics(self, metrics: dict[str, Any], global_step: int) -> None:
        """Writes numbers down; `metrics` gets the step too, as AlgoPerf's logger does it."""
        metrics |= {"global_step": global_step, "preemption_count": 0}
        row = {name: algoperf.scalar(value) for name, value in metrics.items()}
        if self.is_on:  # not while it warms up
            atomic.append_text(self._path, json.dumps(row) + "\n")


class _Trial:
    def __init__(
        self, books: Recorder, stage: TrialSetup, attempt: Attempt, ledger: Ledger, report: Report
    ):
        self._books, self._stage, self._ledger, self._report = books, stage, ledger, report
        self._attempt = attempt
        self._results: list[tuple[int, dict[str, float]]] = []
        self._handed_results = self._results
        self._train_state = algoperf_stepper.blank_train_state()
        self._is_complete = False

    def run(self) -> None:
        """From the import of the submission to the last evaluation."""
        state = self._start()
        if self._attempt.saved is not None:
            state = self._restored(state, self._attempt.saved)
        self._attempt.go_on(self._ledger)
        self._books.record["compile_seconds"] = self._ledger.seconds("compile")
        before = algoperf_stepper.compilations()
        self._loop(state)
        # What the warm-up did not foresee was compiled on the clock, as in AlgoPerf.
        self._books.record["late_compilations"] = algoperf_stepper.compilations() - before

    def _start(self) -> State:
        """Imports the submission and makes its first state on its clock, and compiles off it."""
        books, ledger, stage = self._books, self._ledger, self._stage
        trial_spec, workload = books.spec, stage.workload
        params, model_state = stage.initial(trial_spec.seed)
        self._is_finite = setup.finiteness(params)
        ledger.switch("init", params, model_state, stage.data)
        entry = algoperf.load(find.locate(trial_spec.submission))
        point = setup.point(trial_spec, entry)
        ledger.switch("log")
        layout = algoperf_stepper.PmapLayout(entry.layout)
        size = algoperf.batch_size(entry, workload, layout.num_devices)
        books.write_submission(entry, point, size.used)
        books.record |= {
            "form": f"algoperf ({entry.layout})",
            "batch_size_asked": dataclasses.asdict(size),
        }
        self._logger = MetricsLogger(Path(trial_spec.directory))
        view = algoperf.AlgoPerfView(
            workload,
            self._logger,
            trial_spec.max_seconds,
            trial_spec.num_evals,
        )
        ledger.switch("compile")
        batches = Batches(workload.num_train_examples, size.used, trial_spec.seed)
        feed = algoperf_stepper.InputPipeline(workload, layout, batches, stage.data)
        self._stepper = OneByOneStepper(entry, view, spec.hyperparameters(point), layout, feed)
        key = jax.random.key_data(
            compiled_steps.key(trial_spec.seed, compiled_steps.OPTIMIZER_STREAM)
        )
        ledger.switch("init", key)
        state = self._stepper.init(params, model_state, key)
        ledger.switch("compile", state)
        self._stepper.warm_up(state, self._blank_result(), lambda: self._report(event="beat"))
        jax.block_until_ready(self._is_finite(self._stepper.evaluated(state)[0]))
        ledger.switch("log")
        self._entry, self._form = entry, algoperf_stepper.form(state)
        self._form_of_params = algoperf_stepper.form(state.params)
        self._logger.is_on = True
        return state

    def _restored(self, fresh: State, saved: resume.Snapshot) -> State:
        """The state that was saved; everything else is put back where it was."""
        own, num = saved.own, saved.own["num_state_leaves"]
        state = algoperf_state.restored(fresh, saved.leaves[:num])
        algoperf_state.put_back(self._entry.modules, own["modules"], saved.leaves[num:])
        algoperf_state.put_back_random_state(own["random"])
        self._stepper.go_to(own["position"])
        self._results = [(step, result) for step, result in own["results"]]
        self._handed_results = [(step, dict(result)) for step, result in self._results]
        self._train_state |= own["train_state"]
        return state

    def _kept(self, state: State) -> tuple[list[Any], dict[str, Any]]:
        """What the trial's future depends on, beside its step.

        Raises CannotKeep for a state whose form changed: functions come from a fresh one.
        """
        if algoperf_stepper.form(state) != self._form:
            raise snapshot.CannotCheckpoint(
                "its state no longer has the form that it was initialised in"
            )
        leaves = algoperf_state.kept(state)
        modules, arrays = algoperf_state.module_data(self._entry.modules)
        own = {
            "num_state_leaves": len(leaves),
            "modules": modules,
            "random": algoperf_state.random_state(),
            "position": self._stepper.position,
            "results": [(at, {n: float(v) for n, v in r.items()}) for at, r in self._results],
            "train_state": self._train_state,
        }
        return [*leaves, *arrays], own

    def _loop(self, state: State) -> None:
        """Trains from evaluation to evaluation until target, budget, divergence or its own end."""
        books, ledger, workload = self._books, self._ledger, self._stage.workload
        beat, keeper = (
            throttled(self._report),
            resume.Checkpointer(books.spec, ledger, self._attempt),
        )
        step = 0 if self._attempt.saved is None else self._attempt.saved.step
        for next_step in evaluation_steps(workload.step_hint, books.spec.num_evals):
            if next_step <= step:
                continue
            next_step = min(next_step, books.spec.max_global_steps or next_step)
            while step < next_step and not self._is_complete:
                state = self._step(state, step)
                step += 1
                beat()
            ledger.switch("prepare_for_eval", state)
            state = self._stepper.prepare_for_eval(state, step, self._handed_results)
            # Also what it computes and did not return: it would go on while the clock stands.
            ledger.switch("eval", state, jax.live_arrays())
            if books.is_over_budget(ledger.submission_seconds(books.spec.count_compile), step):
                break
            self._evaluate(state)
            if books.is_over or self._is_complete:
                break
            keeper.keep(step, functools.partial(self._kept, state), books.so_far())

    def _step(self, state: State, step: int) -> State:
        ledger = self._ledger
        ledger.switch("data_selection")
        batch = self._stepper.select(state, step)
        ledger.switch("update_params")
        now = ledger.submission_seconds(self._books.spec.count_compile)
        self._train_state["accumulated_submission_time"] = now
        try:
            return self._stepper.step(state, step, batch, self._handed_results, self._train_state)
        except TrainingCompleteError:
            self._is_complete = self._train_state["training_complete"] = True
            return state

    def _evaluate(self, state: State) -> None:
        books, ledger, workload = self._books, self._ledger, self._stage.workload
        if algoperf_stepper.form(state.params) != self._form_of_params:
            raise integrity.RulesBroken(
                "the submission changed shapes, types or names of parameters, which have to stay "
                "as they were initialised"
            )
        params, model_state = self._stepper.evaluated(state)
        seconds = ledger.submission_seconds(books.spec.count_compile)
        row = books.evaluate(params, model_state, self._is_finite(params))
        ledger.switch("log")
        times = off_clock(ledger)
        value = books.enter(row, None, times)
        self._report(
            event="progress",
            step=books.record["steps"],
            horizon=workload.step_hint,
            metric=workload.target_metric_name,
            value=value,
        )
        self._let_know(row, {"accumulated_submission_time": seconds, **times})

    def _let_know(self, row: Mapping[str, float], times: Mapping[str, float]) -> None:
        """What the submission may know of an evaluation; it gets copies, which it may spoil."""
        record = self._books.record
        progress = {
            "score": times["accumulated_submission_time"],
            "global_step": record["steps"],
            "preemption_count": record["preemption_count"],
        }
        # AlgoPerf measures train and test at every evaluation; here the last values stand in.
        before = self._results[-1][1] if self._results else {}
        self._results.append((record["steps"], {**before, **row, **times, **progress}))
        self._handed_results = [(step, dict(result)) for step, result in self._results]
        self._train_state |= {
            **{name: seconds for name, seconds in times.items() if name in self._train_state},
            "last_eval_time": times["total_duration"],
            "last_step_end_time": times["total_duration"],
            "validation_goal_reached": record["time_to_target"] is not None,
        }

    def _blank_result(self) -> dict[str, float]:
        """An evaluation's keys, in AlgoPerf's names, without its values."""
        names = [*self._stage.metric_names, "num_examples"]
        metrics = [f"{split}/{name}" for split in spec.SPLITS for name in names]
        times = [name for name in self._train_state if name.startswith("accumulated")]
        progress = ["score", "global_step", "preemption_count", "total_duration"]
        return dict.fromkeys([*metrics, *times, *progress], 0.0)
