"""The half of `check` that runs a submission: a few steps on tiny workloads, watched.

It is a job of `executors`, in a process of its own with limits on memory and time. A submission

- runs, under tracers too, and returns trees with the structure, shapes and types it was given;
- changes no argument in place and replaces nothing in the process;
- starts no threads or processes and opens no files outside its folder;
- computes the same with other names for layers and workload (a metamorphic test).
"""

import contextlib
import dataclasses
import os
import sys
import sysconfig
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from algoperf_lite import spec, tuning
from algoperf_lite.rules import findings, tiny_workloads
from algoperf_lite.rules.findings import Finding
from algoperf_lite.spec import PyTree, TrainingCompleteError
from algoperf_lite.submission import algoperf, algoperf_shim, algoperf_view, find, native
from algoperf_lite.training import native_stepper, selection, train_step
from algoperf_lite.training.data_order import Batches
from algoperf_lite.trial import integrity
from algoperf_lite.trial.forms import algoperf_pipeline, algoperf_stepper

NUM_STEPS = 3  # one step may be a special case of a submission's, and so may the second
_USUAL = ("tiny", tiny_workloads.Names())
# The name of a real workload, since a lookup by name must find something to show itself.
_OTHER = ("criteo1tb", tiny_workloads.Names("q_layer", "r_layer", "s_layer"))
_TOLERANCE = 1e-4  # relative; the two programs differ in names only, but XLA may order sums anew
_STARTS = ("subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec", "os.forkpty")
_CONNECTS = ("socket.connect", "socket.bind", "socket.sendto")


def work(payload: Mapping[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    """{"findings": [...]} of the submission in the file payload["path"]."""
    report(event="beat")  # before JAX starts, which may take a while on a busy machine
    # Tiny steps need no accelerator, which maps more addresses than the limit on memory allows.
    jax.config.update("jax_platforms", "cpu")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        found = check(Path(payload["path"]), lambda: report(event="beat"))
    return {"findings": [dataclasses.asdict(finding) for finding in found]}


def check(path: Path, beat: Callable[[], None] = lambda: None) -> list[Finding]:
    """Runs the submission in this process, which should be one of its own."""
    # Before anything of the submission runs: these remember how the process was.
    watch, threads = integrity.TamperCheck(), set(threading.enumerate())
    # Files of AlgoPerf's form import AlgoPerf's modules, of which there are stand-ins meanwhile.
    is_foreign = find.steps_in_python(path)
    found: list[Finding] = []
    with algoperf_shim.installed(path) if is_foreign else contextlib.nullcontext():
        with _Events(path.parent) as events:
            try:
                run = _algoperf_run(path) if is_foreign else _native_run(path)
                found += _compare(run, path, beat)
            except _Broken as broken:
                found.append(findings.finding(broken.rule, path.name, broken.what))
            except Exception as error:
                found.append(findings.finding("does-not-run", _place(error, path), _said(error)))
        found += [findings.finding(rule, path.name, what) for rule, what in events.seen]
        # No event tells of threads. One that is still alive would work while the clock stands.
        started = [t.name for t in threading.enumerate() if t not in threads]
        if started:
            what = f"it started threads ({', '.join(started)})"
            found.append(findings.finding("background-work", path.name, what))
        try:
            watch.check_names()
        except integrity.RulesBroken as broken:
            found.append(findings.finding("monkeypatch", path.name, str(broken)))
    return findings.in_order(found)


class _Broken(Exception):
    def __init__(self, rule: str, what: str):
        self.rule, self.what = rule, what


Run = Callable[[tiny_workloads.TinyWorkload], PyTree]  # parameters after a few steps


def _compare(run: Run, path: Path, beat: Callable[[], None]) -> Iterator[Finding]:
    """Runs both tiny workloads under both sets of names; a difference is a finding."""
    for usual, other in zip(
        tiny_workloads.both(*_USUAL), tiny_workloads.both(*_OTHER), strict=True
    ):
        ends = []
        for workload in (usual, other):
            ends.append([np.asarray(leaf) for leaf in jax.tree.leaves(run(workload))])
            beat()
        # Relative to the parameter, but not below a thousandth: biases start at zero.
        worst = max(
            float(np.max(np.abs(a - b) / (1e-3 + np.abs(a)))) for a, b in zip(*ends, strict=True)
        )
        if worst > _TOLERANCE:
            what = f"with layers and workload renamed, parameters differ by {worst:.1%}"
            yield findings.finding("name-dependent", path.name, what)


def _native_run(path: Path) -> Run:
    entry = native.load(str(path))

    def run(workload: tiny_workloads.TinyWorkload) -> PyTree:
        traced, static = train_step.split_point(_point(entry.self_tuning_point, entry.search_space))
        training = train_step.TrainStep(workload, entry, static)
        batches = Batches(workload.num_train_examples, workload.batch_size, seed=0)
        size = entry.batch_size(workload)
        if not 1 <= size <= workload.num_train_examples:
            raise _Broken("api", f"batch_size(workload) is {size!r} where the reference's is 16")
        data = jax.device_put(dict(workload.source("train").arrays))
        try:
            state = jax.jit(training.init)(traced, *train_step.init_model(workload, 0))
        except selection.WrongRule as error:
            raise _Broken("api", str(error)) from error
        stepper = native_stepper.NativeStepper(training, traced, data, batches, "single", NUM_STEPS)
        try:
            stepper.compile(state)
        # A scan refuses a step whose state changes its structure, shapes or types.
        except ValueError as error:
            raise _Broken("changed-structure", _said(error)) from error
        state = stepper.advance(state, 0, NUM_STEPS)
        _check_choice(training.choose(state, traced, np.uint32(0)), workload.num_train_examples)
        return stepper.prepare_for_eval(state, NUM_STEPS)[0]

    return run


def _check_choice(chosen: selection.Chosen | None, num_examples: int) -> None:
    # Only here can somebody look at what a rule returns: in a trial it is part of a program.
    if chosen is not None and not np.isfinite(chosen.weights).all():
        what = f"data_selection chooses rows outside of 0 to {num_examples - 1}, or weights of NaN"
        raise _Broken("api", what)


def _algoperf_run(path: Path) -> Run:
    entry = algoperf.load(path)

    def run(workload: tiny_workloads.TinyWorkload) -> PyTree:
        point = None if entry.search_space is None else _point(None, entry.search_space)
        layout = algoperf_pipeline.PmapLayout(entry.layout)
        batches = Batches(workload.num_train_examples, workload.batch_size, seed=0)
        feed = algoperf_pipeline.ResidentPipeline(
            workload, layout, batches, jax.device_put(dict(workload.source("train").arrays))
        )
        view = algoperf_view.AlgoPerfView(workload, None)
        stepper = algoperf_stepper.OneByOneStepper(
            entry, view, spec.hyperparameters(point), layout, feed
        )
        params, model_state = train_step.init_model(workload, 0)
        state = stepper.init(params, model_state, jax.random.key_data(jax.random.key(0)))
        if not isinstance(state.optimizer_state, tuple) or len(state.optimizer_state) != 2:
            raise _Broken("api", "init_optimizer_state does not return (state, update function)")
        for step in range(NUM_STEPS):
            batch = stepper.select(state, step)
            # Arrays cannot be changed in place, but the dicts that hold them can.
            before, form = _identities(batch), algoperf_stepper.form(tuple(state))
            try:
                new = stepper.step(state, step, batch, [], algoperf_stepper.blank_train_state())
            except TrainingCompleteError:
                break
            if _identities(batch) != before:
                raise _Broken("modified-input", "update_params changes the batch it is given")
            if algoperf_stepper.form(tuple(state)) != form:
                raise _Broken("modified-input", "update_params changes trees it is given")
            if algoperf_stepper.form(tuple(new)) != form:
                raise _Broken("changed-structure", f"step {step + 1} returns other trees")
            state = new
        state = stepper.prepare_for_eval(state, NUM_STEPS, [])
        return stepper.evaluated(state)[0]

    return run


def _point(own: Mapping[str, Any] | None, space: tuning.SearchSpace) -> Mapping[str, Any] | None:
    """The submission's own point, else the first of its space; each is as good as another."""
    if own is not None or space is None:
        return own
    return tuning.point(space, 1, 0, 0, 1)


def _identities(batch: Mapping[str, Any]) -> dict[str, int]:
    return {name: id(value) for name, value in batch.items()}


class _Events:
    """Python's audit events that a submission's own code causes, while the context is open."""

    def __init__(self, folder: Path):
        self._folder, self._is_open = str(folder), False
        paths = {
            sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
        }
        compiled = [jax.config.jax_compilation_cache_dir] * bool(
            jax.config.jax_compilation_cache_dir
        )
        # Importing and compiling open files here, on behalf of whoever asked for a module.
        self._usual = (self._folder, *paths, sys.prefix, "/proc", "/sys", "/dev", "/etc", *compiled)
        self.seen: list[tuple[str, str]] = []

    def __enter__(self) -> "_Events":
        self._is_open = True
        # Hooks hear everything that happens in the process, so they ask first who caused it.
        sys.addaudithook(self._hear)  # for the life of the process: hooks cannot be removed
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_open = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_open or not (event == "open" or event in _STARTS + _CONNECTS):
            return
        if not self._is_caused_by_submission():
            return
        if event in _STARTS:
            self._add("background-work", f"it started a process ({event})")
        elif event in _CONNECTS:
            self._add("network-access", f"it used the network ({event})")
        elif isinstance(arguments[0], str | bytes):
            name = os.path.abspath(os.fsdecode(arguments[0]))
            if not name.startswith(self._usual):
                self._add("file-access", f"it opened {os.path.basename(name)!r} outside its folder")

    def _add(self, rule: str, what: str) -> None:
        if (rule, what) not in self.seen:
            self.seen.append((rule, what))

    def _is_caused_by_submission(self) -> bool:
        """Whether a frame of the submission is below, and no import in between."""
        # A library that reads a file when it is first imported would do so for anybody.
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib"):
                return False
            if name.startswith(self._folder):
                return True
            frame = frame.f_back
        return False


def _place(error: Exception, path: Path) -> str:
    """The last line of the submission that an error came through; else the file."""
    folder = str(path.parent)
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    return f"{Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else path.name


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
