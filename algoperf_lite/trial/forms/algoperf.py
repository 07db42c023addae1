"""AlgoPerf's form: the submission's own functions are called step by step from Python."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from algoperf_lite import spec
from algoperf_lite.data.feed import Order
from algoperf_lite.spec import PyTree, TrainingCompleteError
from algoperf_lite.storage import atomic
from algoperf_lite.submission import algoperf, algoperf_shim, algoperf_view, find
from algoperf_lite.submission.algoperf import AlgoPerfSubmission
from algoperf_lite.training import probe, residency, snapshot, streams
from algoperf_lite.training.data_order import Batches
from algoperf_lite.training.probe import Reading
from algoperf_lite.training.snapshot import CannotCheckpoint, Snapshot
from algoperf_lite.trial import setup as trial_setup
from algoperf_lite.trial.forms import algoperf_state, algoperf_stepper
from algoperf_lite.trial.forms.algoperf_pipeline import (
    FedPipeline,
    InputPipeline,
    PmapLayout,
    ResidentPipeline,
)
from algoperf_lite.trial.forms.algoperf_stepper import OneByOneStepper, State
from algoperf_lite.trial.forms.base import Advanced, Candidate, Form
from algoperf_lite.trial.record import RulesBroken


class MetricsLogger:
    """A submission's own log: lines of `submission_metrics.jsonl`."""

    def __init__(self, directory: Path):
        self._path = directory / "submission_metrics.jsonl"
        self.is_on = False  # off while the submission warms up

    def append_scalar_metrics(self, metrics: dict[str, Any], global_step: int) -> None:
        """Writes numbers down; `metrics` gets the step too, as AlgoPerf's logger does it."""
        metrics |= {"global_step": global_step, "preemption_count": 0}
        row = {name: algoperf_view.scalar(value) for name, value in metrics.items()}
        if self.is_on:
            atomic.append_text(self._path, json.dumps(row) + "\n")


class AlgoPerf(Form):
    """A trial of a submission in AlgoPerf's form."""

    _submission: AlgoPerfSubmission
    _stepper: OneByOneStepper
    _state: State
    _pipeline: InputPipeline | None = None
    _compilations: int | None = None  # of the process before the first step on the clock
    _looked_at: PyTree | None = None  # the parameters at the last look, on the host

    def environment(self) -> contextlib.AbstractContextManager[None]:
        """AlgoPerf's module names are ours while the submission is loaded and called."""
        return algoperf_shim.installed(find.locate(self._spec.submission))

    def start(self, saved: Snapshot | None) -> None:
        """Imports the submission and makes its first state on the clock, compiles off it."""
        trial, setup, clock = self._spec, self._setup, self._clock
        params, model_state = setup.initial(trial.seed)
        self._is_finite = trial_setup.finiteness(params)
        clock.switch("init", params, model_state, setup.data)
        submission = algoperf.load(find.locate(trial.submission))
        point = trial_setup.point(trial, submission)
        clock.switch("setup")
        layout = PmapLayout(submission.layout)
        size = algoperf.batch_size(submission, setup.workload, layout.num_devices)
        self._facts |= trial_setup.submission_facts(submission, point, size.used)
        self._facts |= {
            "form": f"algoperf ({submission.layout})",
            "batch_size_asked": dataclasses.asdict(size),
        }
        self._submission, self._logger = submission, MetricsLogger(Path(trial.directory))
        # The submission sees the workload under AlgoPerf's names, and no held-out data.
        view = algoperf_view.AlgoPerfView(
            setup.workload, self._logger, trial.max_seconds, trial.num_evals
        )
        clock.switch("compile")
        self._pipeline = pipeline = self._input_pipeline(layout, size.used)
        hyperparameters = spec.hyperparameters(point)
        self._stepper = OneByOneStepper(submission, view, hyperparameters, layout, pipeline)
        key = jax.random.key_data(streams.key(trial.seed, streams.OPTIMIZER_STREAM))
        clock.switch("init", key)
        self._state = self._stepper.init(params, model_state, key)
        clock.switch("compile", self._state)
        # A file compiles its own programs in its first steps, so a few are taken and forgotten.
        self._train_state = algoperf_stepper.blank_train_state()
        types = setup.workload.model_params_types
        self._look = jax.jit(functools.partial(probe.readings_of_params, types=types))
        self._stepper.warm_up(self._state, self._blank_result(), self._heartbeat)
        jax.block_until_ready(self._is_finite(self._stepper.evaluated(self._state)[0]))
        clock.switch("setup")
        self._form = algoperf_stepper.form(self._state)
        self._form_of_params = algoperf_stepper.form(self._state.params)
        self._results: list[tuple[int, dict[str, float]]] = []
        self._handed_results = self._results
        self._logger.is_on = True
        self._compilations = algoperf_stepper.compilations()

    def advance(self, step: int, stop: int) -> Advanced:
        """Calls `data_selection` and `update_params` once per step."""
        clock, is_complete = self._clock, False
        # Where batches are read on the way, waiting for one counts only while the device has
        # nothing to do; and a host that runs ahead would fill the device with batches.
        pending = self._setup.data is None
        while step < stop and not is_complete:
            clock.switch("data_selection", *([self._state] if pending else ()))
            batch = self._stepper.select(self._state, step)
            clock.switch("update_params")
            now = clock.submission_seconds(self._spec.config.count_compile)
            self._train_state["accumulated_submission_time"] = now
            try:
                self._state = self._stepper.step(
                    self._state, step, batch, self._handed_results, self._train_state
                )
            except TrainingCompleteError:
                is_complete = self._train_state["training_complete"] = True
            step += 1  # also for a step that ended the training, as in AlgoPerf
            self._heartbeat()
        return Advanced(step, self._state, is_complete)

    def prepare_for_eval(self, step: int) -> PyTree:
        """Calls the submission's `prepare_for_eval`; training goes on from what it returns."""
        self._state = self._stepper.prepare_for_eval(self._state, step, self._handed_results)
        # Everything alive is waited for: an array that was not returned would be computed while
        # the clock stands.
        return self._state, jax.live_arrays()

    def candidate(self, step: int) -> Candidate:
        """The submission's parameters, which must have the form that they were initialised in."""
        if algoperf_stepper.form(self._state.params) != self._form_of_params:
            raise RulesBroken(
                "the submission changed shapes, types or names of parameters, which have to stay "
                "as they were initialised"
            )
        self._pipeline.rest()
        # The evaluated parameters are those that training goes on from, so their health is its.
        params, model_state = self._stepper.evaluated(self._state)
        return Candidate(params, model_state, self._is_finite(params), None, {})

    def probe(self, step: int) -> Reading:
        """Its parameters, and how far they moved since the last look: a gradient and an update are
        the submission's own business, and nobody else sees them."""
        compiled = algoperf_stepper.compilations()
        params, _ = self._stepper.evaluated(self._state)
        found = self._look(params, self._looked_at)
        leaves = snapshot.host_copies(params)
        self._looked_at = jax.tree.unflatten(jax.tree.structure(params), leaves)
        # What was compiled for this is not the submission's.
        self._compilations += algoperf_stepper.compilations() - compiled
        return probe.read(found, params)

    def told(self, step: int, row: Mapping[str, float]) -> None:
        """Adds to `eval_results` and `train_state`; the submission gets copies it may spoil."""
        # AlgoPerf measures train and test at every evaluation; here the last values stand in.
        before = self._results[-1][1] if self._results else {}
        self._results.append((step, {**before, **row}))
        self._handed_results = [(at, dict(result)) for at, result in self._results]
        has_reached = self._setup.workload.has_reached_validation_target(row)
        self._train_state |= {
            **{name: row[name] for name in row if name in self._train_state},
            "last_eval_time": row["total_duration"],
            "last_step_end_time": row["total_duration"],
            "validation_goal_reached": (
                self._train_state["validation_goal_reached"] or bool(has_reached)
            ),
        }

    def snapshot(self, step: int) -> Snapshot:
        """Arrays and numbers of the state, module variables, random generators, results."""
        if algoperf_stepper.form(self._state) != self._form:
            # Functions in the state come from a fresh one, which has the form of the first.
            raise CannotCheckpoint("its state no longer has the form that it was initialised in")
        leaves = algoperf_state.kept(self._state)
        modules, arrays = algoperf_state.module_data(self._submission.modules)
        facts = {
            "num_state_leaves": len(leaves),
            "modules": modules,
            "random": algoperf_state.random_state(),
            "position": self._stepper.position,
            "results": [(at, {n: float(v) for n, v in r.items()}) for at, r in self._results],
            "train_state": self._train_state,
        }
        return Snapshot([*leaves, *arrays], facts)

    def restore(self, step: int, saved: Snapshot | None) -> None:
        """Puts the state and everything beside it back where it was."""
        assert saved is not None, "one process trains a submission in AlgoPerf's form"
        arrays, facts = saved
        num = facts["num_state_leaves"]
        self._state = algoperf_state.restored(self._state, arrays[:num])
        algoperf_state.put_back(self._submission.modules, facts["modules"], arrays[num:])
        algoperf_state.put_back_random_state(facts["random"])
        self._stepper.go_to(facts["position"])
        self._results = [(at, result) for at, result in facts["results"]]
        self._handed_results = [(at, dict(result)) for at, result in self._results]
        self._train_state |= facts["train_state"]
        # Putting arrays back may compile; the submission has no part in that.
        self._compilations = algoperf_stepper.compilations()

    def facts(self) -> dict[str, Any]:
        """Submission, point, batch size, and the programs that were compiled on the clock: those
        that the warm-up did not foresee, as in AlgoPerf."""
        if self._compilations is None:
            return dict(self._facts)
        late = algoperf_stepper.compilations() - self._compilations
        return {**self._facts, "late_compilations": late}

    def close(self) -> None:
        """Ends the threads that read ahead."""
        if self._pipeline is not None:
            self._pipeline.close()

    def _input_pipeline(self, layout: PmapLayout, batch_size: int) -> InputPipeline:
        setup, seed = self._setup, self._spec.seed
        if setup.data is None:
            order = Order.of_training(setup.source, batch_size, seed)
            return FedPipeline(setup.workload, layout, setup.source, order, residency.num_readers())
        batches = Batches(setup.source.num_examples, batch_size, seed)
        return ResidentPipeline(setup.workload, layout, batches, setup.data)

    def _blank_result(self) -> dict[str, float]:
        """An evaluation's keys, in AlgoPerf's names, without its values."""
        names = [*self._setup.metric_names, "num_examples"]
        metrics = [f"{split}/{name}" for split in spec.SPLITS for name in names]
        times = [name for name in self._train_state if name.startswith("accumulated")]
        progress = ["score", "global_step", "preemption_count", "total_duration"]
        return dict.fromkeys([*metrics, *times, *progress], 0.0)
