"""An export as offline runs of Weights & Biases, which `wandb sync` uploads where one wishes to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from scoring.exports.trials import Export, ExportedTrial
from scoring.logs.format import FAILURES

STEP, SECONDS = "global_step", "seconds"
_LONGEST_TAG, _LONGEST_NAME = 64, 128  # characters, by W&B's rules
_NO_LETTERS = re.compile(r"[/\\#?%:]")  # of a project's name, by the same


def write(export: Export, folder: Path) -> None:
    """Writes wandb/offline-run-*/, one for each trial.

    A row of history holds a point's step, its seconds on the submission's clock, and the values
    that the logs have there. Charts are by `global_step`, as W&B's own step counts rows.
    """
    # Before the import: neither errors nor statistics of ours are W&B's.
    os.environ.update({"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"})
    import wandb

    # Nothing of this machine or process goes along: it is not where the trials ran.
    settings = wandb.Settings(
        mode="offline",
        console="off",
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        host="unknown",
        save_code=False,
        symlink=False,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    for trial in export.trials:
        run = wandb.init(
            dir=folder,
            project=_NO_LETTERS.sub("_", export.name)[:_LONGEST_NAME],
            name=trial.name,
            group=str(trial.tags["submission"])[:_LONGEST_NAME],
            tags=list(_tags(trial)),
            config={**trial.tags, **trial.facts, "hyperparameters": dict(trial.hyperparameters)},
            settings=settings,
        )
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP)
        for row in _rows(trial):
            run.log(row)
        run.finish(exit_code=1 if trial.status in FAILURES else 0)


def _tags(trial: ExportedTrial) -> Iterator[str]:
    tags = trial.tags
    for name in ("submission", "workload", "status"):
        yield str(tags[name])[:_LONGEST_TAG]
    for name in ("study", "trial"):
        yield f"{name}_{tags[name]}"


def _rows(trial: ExportedTrial) -> Iterator[dict[str, float]]:
    """Points that share step and seconds as one row, in the order of steps; a column that has
    several values there begins another row."""
    rows: dict[tuple[int, float, int], dict[str, float]] = {}
    for series in trial.series:
        seen: dict[tuple[int, float], int] = {}
        columns = (series.steps.tolist(), series.seconds.tolist(), series.values.tolist())
        for step, seconds, value in zip(*columns, strict=True):
            at = (step, seconds if seconds == seconds else -1.0)  # NaN is equal to nothing
            row = rows.setdefault((*at, seen.get(at, 0)), {STEP: step})
            if at[1] >= 0:
                row[SECONDS] = seconds
            row[series.name] = value
            seen[at] = seen.get(at, 0) + 1
    return (rows[at] for at in sorted(rows))
