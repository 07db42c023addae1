"""An export as MLflow's runs in a local file store: one experiment, a run for each trial."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from scoring.exports.trials import Export, ExportedTrial
from scoring.logs.format import FAILURES, UNFINISHED

# A store of files is what needs no server; MLflow asks for consent. It must not phone home either.
_SETTINGS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
_MOST_METRICS, _MOST_OTHERS = 1000, 100  # that MLflow takes at once
_LONGEST, _LONGEST_NAME = 500, 200  # characters of a value and of a name, in every version
_ODD = re.compile(r"[^\w\-. /]", re.ASCII)  # no letter of a name to MLflow


def write(export: Export, folder: Path) -> None:
    """Writes mlruns/, for `mlflow ui --backend-store-uri`.

    A metric's time is in milliseconds on the submission's clock. The same clock with all its digits
    is a metric of its own.
    """
    os.environ.update(_SETTINGS)
    from mlflow.tracking import MlflowClient

    client = MlflowClient((folder / "mlruns").as_uri())
    # Said here, since by default it would be where the folder is now.
    artifacts = (export.output / "mlruns" / "artifacts").as_uri()
    experiment = client.create_experiment(_name(export.name), artifacts)
    for trial in export.trials:
        _write_run(client, experiment, trial)


def _write_run(client: Any, experiment: str, trial: ExportedTrial) -> None:
    """One run: tags are who and how it ended, parameters its point, metrics its scalars."""
    from mlflow.entities import Param, RunTag

    # Facts are tags: a parameter is what one chose before.
    named = {**trial.tags, **trial.facts}
    tags = [RunTag(_name(name), str(value)[:_LONGEST]) for name, value in named.items()]
    params = [
        Param(_name(name), str(value)[:_LONGEST]) for name, value in trial.hyperparameters.items()
    ]
    run = client.create_run(experiment, start_time=0, run_name=trial.name).info.run_id
    for part in _parts(iter(tags), _MOST_OTHERS):
        client.log_batch(run, tags=part)
    for part in _parts(iter(params), _MOST_OTHERS):
        client.log_batch(run, params=part)
    for part in _parts(_metrics(trial), _MOST_METRICS):
        client.log_batch(run, metrics=part)
    if trial.status != UNFINISHED:
        end = "FAILED" if trial.status in FAILURES else "FINISHED"
        last = max((_milliseconds(s) for one in trial.series for s in one.seconds), default=0)
        client.set_terminated(run, end, end_time=last)


def _metrics(trial: ExportedTrial) -> Iterator[Any]:
    from mlflow.entities import Metric

    for series in trial.series:
        name = _name(series.name)
        columns = (series.steps.tolist(), series.seconds.tolist(), series.values.tolist())
        for step, seconds, value in zip(*columns, strict=True):
            yield Metric(name, value, _milliseconds(seconds), step)


def _milliseconds(seconds: float) -> int:
    return round(1e3 * seconds) if math.isfinite(seconds) else 0


def _parts(items: Iterator[Any], most: int) -> Iterator[list[Any]]:
    while part := list(islice(items, most)):
        yield part


def _name(text: str) -> str:
    """The text with whatever MLflow takes for no letter of a name as "_"; a name is also a path in
    the store, so dots and slashes alone make none."""
    name = "/".join(part for part in _ODD.sub("_", text).split("/") if part.strip(". "))
    return name[:_LONGEST_NAME] or "_"
