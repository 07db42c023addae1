"""The study's flags, its sections in order of worth, and its budget. Loads no JAX."""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import workloads
from algoperf_lite import did_you_mean
from algoperf_lite.cli import signals
from algoperf_lite.machine import environment
from algoperf_lite.storage import atomic
from studies import script
from studies.accelerator import published, tables, trials
from studies.accelerator.children import Children, Job, named

SECTIONS = ("card", "lite", "full", "populations", "trials")
# What compiles longest is compiled first. Each in AlgoPerf's precision; the four with the most
# operations of those that are float32 there also in bfloat16.
_FULL = (
    *("librispeech_conformer", "librispeech_deepspeech", "finewebedu_lm", "imagenet_vit", "wmt"),
    *("imagenet_resnet", "fastmri", "ogbg", "criteo1tb"),
)
_ALSO_BFLOAT16 = ("librispeech_conformer", "librispeech_deepspeech", "wmt", "imagenet_vit")
_POPULATIONS = ("digits", "finewebedu_lm")
_TINY = {section: ("criteo1tb",) for section in ("full", "lite", "populations")}
_CHILD = "studies.accelerator.child"  # by name: it loads JAX, which would take the device
_PREPARE_SHARE = 0.45  # of the budget, in which nothing is measured yet
_SECOND_SHARE = 0.9  # of what is left after the trials, for what was not ready the first time
_MEASURE_SECONDS = {False: 60.0, True: 600.0}  # of one item; a CPU is slow, and busy
SMOKE = {
    "tiny": True,
    "only": ["card"],
    "budget": 1800.0,
    "output": script.SMOKE_FOLDER / "accelerator",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is measured and how long."""
    add = parser.add_argument
    add("--budget", type=float, default=540.0, help="seconds of everything together")
    add(
        "--only", type=script.listed(), default=list(SECTIONS), help="sections, separated by commas"
    )
    add("--slots", type=int, default=_usual_slots(), help="processes that compile side by side")
    add("--tiny", action="store_true", help="one small item of each section, to try it on a CPU")
    add("--output", type=Path, default=Path("runs/accelerator"), help="folder of JSON and logs")


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables."""
    for section in arguments.only:
        did_you_mean.require(section, SECTIONS, "section")
    with signals.terminable(), tempfile.TemporaryDirectory(prefix="algoperf_lite_") as cache:
        study = _Study(arguments, Path(cache))
        study.run()
    print(f"{platform.python_version()}, {time.monotonic() - study.began:.0f} s; {study.path}\n")
    print("\n".join(tables.tables(study.children.found)))
    if study.skipped:
        print(f"no time was left for: {', '.join(study.skipped)}")


def jobs(sections: Sequence[str], tiny: bool) -> list[Job]:
    """All items of the sections that run as children, in the order in which they start."""
    lite = _TINY["lite"] if tiny else tuple(workloads.names())
    full = _TINY["full"] if tiny else _FULL
    populations = _TINY["populations"] if tiny else _POPULATIONS
    more = [name for name in _ALSO_BFLOAT16 if name in full]
    every = [
        *(Job("full", f"{name}:own", compile_only=True) for name in full),
        *(Job("lite", name) for name in lite),
        *(Job("populations", name) for name in populations),
        *(Job("full", f"{name}:bfloat16", compile_only=True) for name in more),
    ]
    return [job for job in every if job.section in sections]


def _turn(job: Job) -> tuple[int, float]:
    """Of two jobs, the one with the smaller value measures first."""
    # Within "full" the largest come last, when the others have left the device's memory.
    flops = published.STEP_FLOPS.get(job.item.partition(":")[0], 0.0)
    return SECTIONS.index(job.section), flops


class _Study:
    """A run of the study: what was asked, what was found, what there was no time for."""

    def __init__(self, arguments: argparse.Namespace, cache: Path):
        self.began = time.monotonic()
        self._arguments, self._end = arguments, self.began + arguments.budget
        self._folder = arguments.output.absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.path, self.skipped = self._folder / "accelerator.json", []
        self._cache = cache
        self.children = Children(
            self._command,
            self._environment,
            self._folder / "output.txt",
            arguments.slots,
            self._save,
        )

    def run(self) -> None:
        """All sections in order of worth; what is not ready in time gets what time is left."""
        waiting = jobs(self._arguments.only, self._arguments.tiny)
        try:
            if "card" in self._arguments.only:
                self._round([Job("card", "device")], self._end)
            self._round(waiting, self._moment(_PREPARE_SHARE))
            if "trials" in self._arguments.only:
                with self.children.paused():
                    self._trials()
            self._round(waiting, self._moment(_SECOND_SHARE))
        finally:
            # Some may be ready, or stopped, and would wait for ever.
            self.skipped += named([*waiting, *self.children.close()])
            self._save()

    def _round(self, waiting: list[Job], until: float) -> None:
        self.children.prepare(waiting, until)
        self.children.measure(_turn, _MEASURE_SECONDS[self._arguments.tiny], self._end)

    def _trials(self) -> None:
        found = self.children.found
        variables = self._environment("trials")
        for label in trials.TINY if self._arguments.tiny else trials.EXPERIMENTS:
            left = self._end - time.monotonic()
            if left < 20:
                self.skipped.append(f"trials {label}")
                continue
            folder = self._cache / label.replace(", ", "_").replace(" ", "_")
            result = trials.run(
                label, self._arguments.tiny, folder, self._folder / "trials.txt", variables, left
            )
            found.append({"section": "trials", "item": label, **result})
            self._save()

    def _moment(self, share: float) -> float:
        """When a share of what is left of the budget will be over."""
        now = time.monotonic()
        return now + share * (self._end - now)

    def _command(self, job: Job) -> list[str]:
        flags = ["--tiny"] * self._arguments.tiny + ["--compile_only"] * job.compile_only
        return [sys.executable, "-m", _CHILD, job.section, job.item, *flags]

    def _environment(self, section: str) -> dict[str, str]:
        """A trial's environment, with a cache of programs that all children share."""
        home = self._cache / "home"
        variables = environment.environment(
            len(environment.available_cores()), home / "algoperf_lite" / "compiled"
        )
        variables |= {
            "XDG_CACHE_HOME": str(home),
            # AlgoPerf's, on devices that have a choice.
            "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32",
            # Several processes hold the device at a time, though only one computes.
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        if section != "trials":  # whose processes set their own
            # Small ones wait with what they have while the large ones need all that is left.
            is_large = section in ("full", "card")
            variables["XLA_CLIENT_MEM_FRACTION"] = "0.92" if is_large else "0.15"
        return variables

    def _save(self) -> None:
        content: dict[str, Any] = {
            "arguments": {name: str(value) for name, value in vars(self._arguments).items()},
            "algoperf_seconds": published.ALGOPERF_SECONDS,
            "found": self.children.found,
            "skipped": self.skipped,
            "seconds": time.monotonic() - self.began,
        }
        atomic.write_json(self.path, content)


def _usual_slots() -> int:
    """Two cores stay free for what measures and for this process."""
    return max(1, min(12, (os.cpu_count() or 1) - 2))
