"""An export as TensorBoard's event files: a run for each trial, with its hyperparameters.

Written by `RecordWriter` and the messages that TensorBoard comes with. Its own writer of summaries
would load TensorFlow wherever that is installed, and gives files names by host and time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scoring.exports.trials import Export, ExportedTrial, Plain
from scoring.logs.format import FAILURES, STATUSES

FILE = "events.out.tfevents.0.algoperf-lite"  # the first part is what TensorBoard looks for


def write(export: Export, folder: Path) -> None:
    """Writes <submission>/<workload>/study_<i>/trial_<j>/, each with one file.

    The time of an event is in seconds on the submission's clock, so the axis that TensorBoard calls
    relative is that clock. Values are 32-bit floats, as TensorBoard keeps them.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    for trial in export.trials:
        place = trial.place
        run = folder / place.submission / place.workload / f"study_{place.study}"
        run = run / f"trial_{place.trial}"
        # Of one trial number in two frameworks, both are there.
        path = run / place.framework / FILE if (run / FILE).exists() else run / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            writer = RecordWriter(file)
            for event in _events(trial):
                writer.write(event.SerializeToString())


def _events(trial: ExportedTrial) -> Iterator[Any]:
    """The version of the format, the trial's point and tags, its scalars, and its end."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    yield Event(wall_time=0.0, file_version="brain.Event:2")
    yield Event(wall_time=0.0, summary=_start({**trial.tags, **trial.hyperparameters}))
    last = 0.0
    for series in trial.series:
        columns = (series.steps.tolist(), series.seconds.tolist(), series.values.tolist())
        for step, seconds, value in zip(*columns, strict=True):
            last = max(last, seconds) if math.isfinite(seconds) else last
            point = Summary.Value(tag=series.name, simple_value=value)
            # An event must have a time; a log without a clock has none to tell.
            time = seconds if math.isfinite(seconds) else 0.0
            yield Event(wall_time=time, step=step, summary=Summary(value=[point]))
    if trial.status in STATUSES:
        yield Event(wall_time=last, summary=_end(trial.status, last))


def _start(point: dict[str, Plain]) -> Any:
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo(start_time_secs=0.0)
    for name, value in point.items():
        # JSON's true is an int to Python, so it is asked for first.
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _summary(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info))


def _end(status: str, seconds: float) -> Any:
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    word = api_pb2.STATUS_FAILURE if status in FAILURES else api_pb2.STATUS_SUCCESS
    info = SessionEndInfo(status=word, end_time_secs=seconds)
    return _summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _summary(tag: str, content: Any) -> Any:
    """What the hyperparameter view reads: its own message in the metadata of an empty tensor."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    own = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=own, tensor=metadata.NULL_TENSOR)])
