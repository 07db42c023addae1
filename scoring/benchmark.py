"""A benchmark: the workloads that count, their targets, and how many runs each needs."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

_VERSION = re.compile(r"_v\d+")
FOLDER = Path(__file__).parent / "benchmarks"
SCALES = ("lite", "full")
# AlgoPerf writes this rule inside each workload class; scoring may not import those, so it is
# stated once more here. Every other metric (accuracy, ssim, bleu, ...) is better when higher.
LOWER_IS_BETTER = frozenset({"loss", "wer", "ppl", "perplexity", "ctc_loss"})


@dataclass(frozen=True)
class Target:
    """The value that a workload's validation metric must meet, and the step budget for it."""

    metric: str
    value: float
    step_hint: int

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller metric is a better one."""
        return self.metric in LOWER_IS_BETTER

    def met(self, metric_R: np.ndarray) -> np.ndarray:
        """Boolean per row: the metric meets the target. NaN and infinities never do."""
        # Comparisons with NaN are False already; -inf would be below any target.
        good = metric_R <= self.value if self.lower_is_better else metric_R >= self.value
        return good & np.isfinite(metric_R)

    def best(self, metric: Iterable[float]) -> float:
        """The best finite value of the metric, NaN when there is none."""
        values = np.fromiter(metric, np.float64)
        values = values[np.isfinite(values)]
        if not values.size:
            return float("nan")
        return float(values.min() if self.lower_is_better else values.max())


@dataclass(frozen=True)
class Budget:
    """What AlgoPerf published for a workload on its machine, in seconds of the submission's clock.

    Attributes:
      max_seconds: of a whole run, before the ruleset's slack.
      eval_period_seconds: from one evaluation to the next.
    """

    max_seconds: float
    eval_period_seconds: float

    @property
    def num_evals(self) -> int:
        """Evaluations in a whole run."""
        return max(1, round(self.max_seconds / self.eval_period_seconds))


@dataclass(frozen=True)
class Ruleset:
    """Numbers of studies and trials that a submission owes, and the factor on the step budget."""

    num_studies: int
    num_trials: int
    slack: float


@dataclass(frozen=True)
class Benchmark:
    """A frozen list of workloads with targets; only base workloads carry score."""

    name: str
    base_workloads: tuple[str, ...]
    held_out_workloads: tuple[str, ...]
    workloads: Mapping[str, Target]
    rulesets: Mapping[str, Ruleset]
    # By family: AlgoPerf's variants have their family's. Empty where only targets are published.
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    scale: str = "lite"  # of its workloads; their targets mean nothing at the other one
    source: str = ""
    reference: str | None = None  # the submission that speedups and field-free scores refer to
    replaced_by: str | None = None  # the version for the workloads of today, if these have changed

    @property
    def scored_workloads(self) -> tuple[str, ...]:
        """Base workloads, then held-out ones (which only gate their base)."""
        return self.base_workloads + self.held_out_workloads

    def variants_of(self, base: str) -> tuple[str, ...]:
        """The workloads with a target that are variants of a base workload."""
        others = sorted(set(self.workloads) - set(self.base_workloads))
        return tuple(v for v in others if v.startswith(f"{base}_") and self.base_of(v) == base)

    def with_held_out(self, seed: int) -> Benchmark:
        """This benchmark with one variant of each base workload held out, drawn by `seed`.

        The draw for one base does not depend on the others. Raises ValueError where no base
        workload has a variant.
        """
        drawn = []
        for base in self.base_workloads:
            variants = self.variants_of(base)
            if variants:
                # The name is part of the seed. `hash` would change from process to process.
                rng = np.random.default_rng([seed, zlib.crc32(base.encode())])
                drawn.append(variants[rng.integers(len(variants))])
        if not drawn:
            raise ValueError(
                f"benchmark {self.name!r} has targets for no variants, so none can be held out; "
                "choose another benchmark"
            )
        return replace(self, held_out_workloads=tuple(drawn))

    def base_of(self, variant: str) -> str:
        """The base workload that a held-out variant was made from."""
        # The longest name wins: with bases "mnist" and "mnist_conv", "mnist_conv_gelu" is of the
        # second. (AlgoPerf finds it by substring.)
        bases = [b for b in self.base_workloads if variant.startswith(f"{b}_")]
        if not bases:
            raise ValueError(
                f"held-out workload {variant!r} of benchmark {self.name!r} extends the name of no "
                "base workload; name it <base>_<variant>"
            )
        return max(bases, key=len)

    def budget(self, workload: str) -> Budget | None:
        """The published budget of a workload or its family; None where there is none."""
        of = [name for name in self.budgets if workload == name or workload.startswith(f"{name}_")]
        return self.budgets[max(of, key=len)] if of else None

    def ruleset(self, name: str) -> Ruleset:
        """The ruleset of that name, e.g. "external"."""
        return self.rulesets[nearest(name, self.rulesets, f"ruleset of benchmark {self.name!r}")]


def nearest(name: str, valid: Iterable[str], what: str) -> str:
    """`name` if valid, else ValueError that names the nearest valid one."""
    names = sorted(valid)
    if name in names:
        return name
    # A cutoff: of names that have nothing in common the nearest would mislead.
    close = get_close_matches(str(name), names, n=1, cutoff=0.3)
    advice = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names) or 'none'}"
    raise ValueError(f"{what} {name!r} not found; {advice}")


def names() -> tuple[str, ...]:
    """Names of the benchmarks that come with the package."""
    # `lite_v1.provenance.json` is of `lite_v1` and no benchmark.
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json") if "." not in path.stem))


def resolved(name: str) -> str:
    """The newest version where a benchmark has versions, such as `lite_v2` for `lite`; the path in
    full of a file; else the name itself.

    A version never changes, so that whatever was run against it stays scorable, from any working
    directory.
    """
    if _is_path(name):
        return os.path.abspath(name)
    versions = [stem for stem in names() if _VERSION.fullmatch(stem.removeprefix(name))]
    return max(versions, key=lambda stem: int(stem.rpartition("_v")[2]), default=name)


def _is_path(name_or_path: str) -> bool:
    return "/" in name_or_path or name_or_path.endswith(".json")


def provenance_path(path: Path) -> Path:
    """The file beside a benchmark's that tells, by workload, how its targets were found."""
    return path.with_suffix(".provenance.json")


def provenance(name: str) -> dict[str, dict]:
    """The origin of each target of a benchmark that comes with the package, by workload.

    Raises ValueError for an unknown name, and OSError where only the targets are known.
    """
    known = nearest(resolved(name), names(), "benchmark under scoring/benchmarks/")
    return json.loads(provenance_path(FOLDER / f"{known}.json").read_text(encoding="utf-8"))


def load(name_or_path: str | Path) -> Benchmark:
    """The benchmark of that name, see `resolved`, under scoring/benchmarks/, or of a JSON file."""
    text = str(name_or_path)
    if _is_path(text):
        path = Path(text)
        if not path.is_file():
            raise ValueError(f"benchmark file {text!r} does not exist; give a name or a JSON file")
    else:
        known = nearest(resolved(text), names(), "benchmark under scoring/benchmarks/")
        path = FOLDER / f"{known}.json"
    try:
        benchmark = _parse(json.loads(path.read_text(encoding="utf-8")), path.stem)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"benchmark file {str(path)!r} cannot be used ({type(error).__name__}: {error}); "
            "expected base_workloads, held_out_workloads and workloads -> {target_metric_name, "
            "validation_target_value, step_hint}, as in scoring/benchmarks/algoperf_v06.json"
        ) from error
    _check(benchmark)
    return benchmark


def _parse(content: dict, stem: str) -> Benchmark:
    """A Benchmark from the JSON object of a benchmark file."""
    targets = {
        name: Target(
            str(entry["target_metric_name"]),
            float(entry["validation_target_value"]),
            int(entry["step_hint"]),
        )
        for name, entry in content["workloads"].items()
    }
    # A bare file of targets has no name, no rulesets and no reference.
    name = content.get("name", stem)
    return Benchmark(
        name=name,
        base_workloads=tuple(content["base_workloads"]),
        held_out_workloads=tuple(content.get("held_out_workloads", ())),
        workloads=targets,
        rulesets={
            name: Ruleset(int(r["num_studies"]), int(r["num_trials"]), float(r["slack"]))
            for name, r in content.get("rulesets", {}).items()
        },
        budgets={
            name: Budget(float(b["max_seconds"]), float(b["eval_period_seconds"]))
            for name, b in content.get("budgets", {}).items()
        },
        # Files that people have made by `set_targets` are of lite, unless they say otherwise.
        scale=content.get("scale", "lite"),
        source=content.get("source", ""),
        reference=content.get("reference"),
        replaced_by=content.get("replaced_by"),
    )


def _check(benchmark: Benchmark) -> None:
    """Raise ValueError unless every listed workload has a target, every variant a base, and every
    budget room for an evaluation."""
    if not benchmark.base_workloads:
        raise ValueError(f"benchmark {benchmark.name!r} lists no base workload; add at least one")
    without = [name for name in benchmark.scored_workloads if name not in benchmark.workloads]
    if without:
        raise ValueError(
            f"benchmark {benchmark.name!r} lists {', '.join(without)} without a target; "
            "add each under 'workloads'"
        )
    for variant in benchmark.held_out_workloads:
        benchmark.base_of(variant)
    nearest(benchmark.scale, SCALES, f"scale of benchmark {benchmark.name!r}")
    for name, budget in benchmark.budgets.items():
        if not (0 < budget.eval_period_seconds <= budget.max_seconds < float("inf")):
            raise ValueError(
                f"benchmark {benchmark.name!r} gives {name} {budget.max_seconds:g} s and an "
                f"evaluation every {budget.eval_period_seconds:g} s; expected positive seconds, "
                "and at least one period in the budget"
            )
