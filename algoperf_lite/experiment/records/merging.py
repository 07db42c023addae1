"""Several experiments as one tree, as the command and Python users ask for it."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from algoperf_lite.experiment.directory import own_benchmark, own_ruleset
from algoperf_lite.experiment.results import MergeResult
from scoring.logs import merge as merging
from scoring.logs import origins, trees


def merge(given: Sequence[str | Path], output: str | Path) -> MergeResult:
    """Puts experiments together: directories and packs, of one benchmark and ruleset.

    Trials of unlike machines come into folders of their own, since their seconds do not compare.
    Where each trial is from stands in `merged.json`; its files stay as they were.

    Args:
      given: directories of experiments, and packs.
      output: a directory that is not there yet.

    Returns:
      What was made.

    Raises:
      ValueError: something that is no experiment, other benchmarks, or an output that is there.
    """
    target = Path(output)
    if os.path.lexists(target):
        raise ValueError(f"{str(target)!r} is there already; give another --output")
    with tempfile.TemporaryDirectory(prefix="algoperf_lite_") as temporary:
        parts = trees.unpacked(given, Path(temporary))
        for name, part in parts.items():
            if not any("settings" in one for one in origins.experiments(part)):
                raise ValueError(
                    f"{name!r} is no experiment's directory and no pack, so nobody knows its "
                    "benchmark; `score` takes it beside others"
                )
        own_benchmark(parts), own_ruleset(parts)  # raise where they differ
        plan = merging.plan(parts)
        if not plan.trials:
            raise ValueError(f"there is no trial in {', '.join(parts)}; run an experiment first")
        names = list(parts)
        directories = _write(plan, target)
    renamed = tuple((names[root], old, new) for root, old, new in plan.renamed)
    return MergeResult(directories, len(plan.trials), len(plan.duplicates), renamed)


def _write(plan: merging.Plan, target: Path) -> tuple[Path, ...]:
    """Makes the directories, all of them or none."""
    machines = plan.fingerprints
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, as a rename is atomic within one file system only.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        whole = Path(beside, "whole")
        for machine in machines:
            folder = whole if len(machines) == 1 else whole / machine
            folder.mkdir(parents=True)
            plan.write(folder, machine)
        whole.rename(target)
    return (target,) if len(machines) == 1 else tuple(target / machine for machine in machines)
