"""An experiment as it looks while it runs."""

import json

from report_pages import INFO, write_trial

FLAGS = {"max_global_steps": 200, "target": 0.9, "max_seconds": None}
META = {"workload.target_metric_name": "accuracy"}


def write_running(root, name="fast", study=0, trial=1, rows=11):
    """A trial without a record, of which so many evaluations are there; returns its folder."""
    folder = root / name / f"study_{study}" / "alpha_jax" / f"trial_{trial}"
    write_trial(folder, "alpha", 10.0, 1e-3)
    path = folder / "eval_measurements.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: rows + 1]))
    (folder / "flags_0.json").write_text(json.dumps({**FLAGS, "max_global_steps": 999}))
    (folder / "flags_1.json").write_text(json.dumps(FLAGS))
    (folder / "meta_data_0.json").write_text(json.dumps(META))
    return folder


def add_row(folder, row="9.5,110,9.5,0.95,1e-4\n"):
    with open(folder / "eval_measurements.csv", "a") as file:
        file.write(row)


def end(folder, **info):
    (folder / "trial.json").write_text(json.dumps({**INFO, "metric": "accuracy", **info}))


def write_experiment(root, num_trials=6):
    root.mkdir(parents=True, exist_ok=True)
    (root / "experiment.json").write_text(json.dumps({"num_trials": num_trials}))
