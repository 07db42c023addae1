"""Exports read back by the other side's own library: they equal the logs.

MLflow, TensorBoard and W&B are large, so the extra of the tests is without them; with
`pip install '.[mlflow,tensorboard,wandb]'` these tests run too.
"""

import csv
import importlib.util
import json
import math
import socket
import struct
import sys

import numpy as np
import pytest
from export_trees import HOSTILE, POINT, ROWS, scalars, write_tree

from algoperf_lite import api
from scoring.exports.formats import FORMATS

TRIALS = 3 + len(HOSTILE)
# Of each trial: its rows.
EXPECTED = {
    ("one", "toy", 0, 1): scalars(),
    ("one", "toy", 0, 2): scalars(ROWS[:1]),
    ("one", "other", 1, 1): scalars(ROWS[:2]),
    **{(name, "toy", 0, 1): scalars() for name in HOSTILE},
}


@pytest.fixture
def logs(tmp_path):
    return write_tree(tmp_path / "logs")


def export(logs, to):
    """The folder of an export, beside the logs."""
    output = logs.parent / "deep" / to
    done = api.export(logs, to, output)
    assert (done.output, done.num_trials) == (output, TRIALS)
    assert [path.name for path in output.parent.iterdir()] == [to]  # nothing is left beside it
    return output


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize("to", [name for name, one in FORMATS.items() if one.package])
def test_without_its_package_nothing_is_written(logs, monkeypatch, to):
    package = FORMATS[to].package
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"--to={to} needs {package}, .*algoperf-lite\[{to}\]'"):
        api.export(logs, to, logs.parent / "out" / to)
    assert not (logs.parent / "out").exists()


def test_a_folder_of_the_same_name_is_no_package(logs, monkeypatch):
    if importlib.util.find_spec("wandb") is not None:
        pytest.skip("wandb is installed, so a folder does not hide that it is missing")
    (logs.parent / "wandb").mkdir()
    monkeypatch.syspath_prepend(str(logs.parent))
    with pytest.raises(ValueError, match="needs wandb"):
        api.export(logs, "wandb", logs.parent / "out")


def test_an_output_that_exists_stays_as_it_is(logs):
    output = logs.parent / "out"
    for make in (output.mkdir, lambda: output.write_text("mine"), lambda: output.symlink_to("x")):
        make()
        with pytest.raises(ValueError, match="exists already"):
            api.export(logs, "csv", output)
        assert not output.is_file() or output.is_symlink() or output.read_text() == "mine"
        output.rmdir() if output.is_dir() else output.unlink()


def test_other_mistakes_are_sentences_and_leave_nothing(logs):
    out = logs.parent / "out"
    with pytest.raises(ValueError, match="format 'tensorbord' not found; did you mean 'tensorbo"):
        api.export(logs, "tensorbord", out)
    with pytest.raises(ValueError, match="by: got an option of scores, of which --to=csv shows"):
        api.export(logs, "csv", out, by="steps")
    with pytest.raises(ValueError, match="no readable trial"):
        api.export(logs / "one" / "study_0" / "toy_jax", "csv", out)
    assert not out.exists()


def test_an_export_that_fails_leaves_nothing(logs, monkeypatch):
    out = logs.parent / "out"
    monkeypatch.setattr(csv, "writer", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        api.export(logs, "csv", out)
    assert [path.name for path in logs.parent.iterdir()] == ["logs"]


# --- tables -------------------------------------------------------------------------------


def grouped(rows):
    """{(submission, workload, study, trial): {name: [(step, seconds, value)]}} of table rows."""
    found = {}
    for row in rows:
        key = (row["submission"], row["workload"], int(row["study"]), int(row["trial"]))
        point = (int(row["step"]), float(row["seconds"]), float(row["value"]))
        found.setdefault(key, {}).setdefault(row["name"], []).append(point)
    return found


def test_csv_equals_the_logs(logs):
    folder = export(logs, "csv")
    with open(folder / "scalars.csv", newline="") as file:
        assert grouped(csv.DictReader(file)) == EXPECTED
    with open(folder / "trials.csv", newline="") as file:
        trials = {(r["submission"], r["study"], r["trial"]): r for r in csv.DictReader(file)}
    assert len(trials) == TRIALS
    first = trials["one", "0", "1"]
    assert float(first["hyperparameters.learning_rate"]) == POINT["learning_rate"]
    assert first["hyperparameters.kind"] == "<b>&" and first["fingerprint.versions.jax"] == "0.10.2"
    assert float(first["ledger.eval"]) == 0.5 and "submission_source" not in first
    assert trials["one", "0", "2"]["error"] == "ValueError: no"
    assert trials["one", "1", "1"]["status"] == "unfinished"


def test_parquet_equals_the_logs(logs):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = export(logs, "parquet")
    assert grouped(parquet.read_table(folder / "scalars.parquet").to_pylist()) == EXPECTED
    trials = parquet.read_table(folder / "trials.parquet")
    first = trials.to_pylist()[
        [n.startswith("one") for n in trials["submission"].to_pylist()].index(True)
    ]
    assert first["hyperparameters.learning_rate"] == POINT["learning_rate"]
    assert first["hyperparameters.nesterov"] is True and first["hyperparameters.layers"] == 2


def test_a_column_of_several_kinds_is_text(logs):
    parquet = pytest.importorskip("pyarrow.parquet")
    for name, rate in (("one", 1), ("a b*", "auto")):
        record = next(logs.glob(f"{name}/study_0/toy_jax/trial_1/trial.json"))
        content = json.loads(record.read_text())
        content["hyperparameters"] = {"learning_rate": rate, "layers": 1 if rate == 1 else 2.5}
        record.write_text(json.dumps(content))
    trials = parquet.read_table(export(logs, "parquet") / "trials.parquet")
    assert {"1", "auto"} <= set(trials["hyperparameters.learning_rate"].to_pylist())
    assert {1.0, 2.5} <= set(trials["hyperparameters.layers"].to_pylist())


# --- other tools --------------------------------------------------------------------------


def test_tensorboard_equals_the_logs(logs):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.plugins.hparams import metadata

    folder = export(logs, "tensorboard")
    assert len(list(folder.rglob("events.out.tfevents.*"))) == TRIALS
    for (submission, workload, study, trial), expected in EXPECTED.items():
        run = folder / submission / workload / f"study_{study}" / f"trial_{trial}"
        found = reader.EventAccumulator(str(run), size_guidance={"scalars": 0})
        found.Reload()
        assert set(found.Tags()["scalars"]) == set(expected)
        for name, points in expected.items():
            events = [(e.step, e.wall_time, e.value) for e in found.Scalars(name)]
            assert events == [(step, time, np.float32(value)) for step, time, value in points]
        content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        point = metadata.parse_session_start_info_plugin_data(content).hparams
        assert point["submission"].string_value == submission
        assert point["learning_rate"].number_value == POINT["learning_rate"]
        assert point["nesterov"].bool_value and point["kind"].string_value == "<b>&"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own imports
def test_mlflow_equals_the_logs(logs):
    tracking = pytest.importorskip("mlflow.tracking")
    folder = export(logs, "mlflow")
    client = tracking.MlflowClient((folder / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("logs")
    assert experiment.artifact_location == (folder / "mlruns" / "artifacts").as_uri()
    runs = {
        tuple(run.data.tags[name] for name in ("submission", "workload", "study", "trial")): run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert len(runs) == TRIALS
    for key, expected in EXPECTED.items():
        run = runs[tuple(map(str, key))]
        assert len(run.data.metrics) == len(expected)
        for name, points in expected.items():
            history = client.get_metric_history(run.info.run_id, name)
            found = [(m.step, m.timestamp, m.value) for m in history]
            assert found == [(step, round(1e3 * time), value) for step, time, value in points]
        assert float(run.data.params["learning_rate"]) == POINT["learning_rate"]
        assert run.data.params["kind"] == "<b>&"
    ends = {key[1:]: runs[key].info.status for key in runs if key[0] == "one"}
    assert ends == {
        ("toy", "0", "1"): "FINISHED",
        ("toy", "0", "2"): "FAILED",
        ("other", "1", "1"): "RUNNING",
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of W&B's own imports
def test_wandb_equals_the_logs(logs):
    pytest.importorskip("wandb")
    folder = export(logs, "wandb")
    files = list(folder.rglob("*.wandb"))
    assert len(files) == TRIALS
    seen = {}
    for path in files:
        assert path.parent.name.startswith("offline-run-")
        records = list(wandb_records(path))
        (run,) = (record.run for record in records if record.HasField("run"))
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        key = (config["submission"], config["workload"], config["study"], config["trial"])
        assert run.project == "logs" and config["hyperparameters"]["kind"] == "<b>&"
        assert {"study_0", "study_1"} & set(run.tags)
        assert socket.gethostname() != run.host
        seen[key] = history(records)
    assert seen == EXPECTED


def history(records):
    """{name: [(step, seconds, value)]} of a run's rows."""
    found = {}
    for record in records:
        if record.HasField("history"):
            items = record.history.item
            row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}
            where = (row.pop("global_step"), row.pop("seconds", math.nan))
            for name, value in row.items():
                if not name.startswith("_"):
                    found.setdefault(name, []).append((*where, value))
    return found


def wandb_records(path):
    """The records of an offline run: W&B's own messages in blocks as LevelDB's logs have them."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, part = path.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:  # no header begins in the last bytes of a block
            at += 2**15 - at % 2**15
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(part)
            part = b""
