"""A small tree of logs that exports are tried on, and what is in it as the tests know it."""

import csv
import json
from pathlib import Path

COLUMNS = (
    *("accumulated_submission_time", "global_step", "learning_rate", "score"),
    *("test/accuracy", "validation/accuracy"),
)
# Numbers that are not short in binary, and cells that are blank in some rows.
ROWS = (
    (0.1, 1, 1e-3 / 3, 0.1, 0.05, 0.1),
    (1.7, 10, 7e-4 / 3, 1.7, None, 0.4),
    (3.3, 20, 1e-4 / 3, 3.3, 0.55, 2 / 3),
)
LOSSES = (2.5, 1.1, 1 / 3)
POINT = {"learning_rate": 1e-3 / 3, "layers": 2, "nesterov": True, "kind": "<b>&", "none": None}
RECORD = {
    "status": "reached",
    "scale": "lite",
    "metric": "accuracy",
    "target": 0.5,
    "time_to_target": 3.3,
    "hyperparameters": POINT,
    "ledger": {"update_params": 3.0, "eval": 0.5, "wall": 4.0},
    "fingerprint": {"key": "k1", "versions": {"jax": "0.10.2"}},
    "submission_source": "a file that no table has room for",
}
HOSTILE = ("<script>alert(1)<script>", "=cmd|' -C calc'!A0", "100%_\\input{x}", "a b#c?d:e")


def write_trial(folder: Path, info=RECORD, rows=ROWS, torn="") -> None:
    """The two files of rows as our harness writes them, the point, and the record if there is one.

    `torn`: the begin of a row that is being written.
    """
    folder.mkdir(parents=True)
    _write_csv(folder / "eval_measurements.csv", COLUMNS, rows, torn)
    whole = [(*row, loss) for row, loss in zip(rows, LOSSES, strict=False)]
    # The last row of this file repeats step and score alone.
    last = (None, 20, None, 3.3, None, None, None)
    _write_csv(folder / "measurements.csv", (*COLUMNS, "loss"), [*whole, last], torn)
    (folder / "hparams.json").write_text(json.dumps(POINT))
    if info is not None:
        (folder / "trial.json").write_text(json.dumps(info))


def _write_csv(path, header, rows, torn):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
        file.write(torn)


def write_tree(root: Path) -> Path:
    """One trial that has ended, one that failed, one that runs, and some with hostile names."""
    (root / "experiment.json").parent.mkdir(parents=True)
    (root / "experiment.json").write_text("{}")
    write_trial(root / "one" / "study_0" / "toy_jax" / "trial_1")
    failed = {**RECORD, "status": "crashed", "error": "ValueError: no"}
    write_trial(root / "one" / "study_0" / "toy_jax" / "trial_2", failed, ROWS[:1])
    write_trial(root / "one" / "study_1" / "other_jax" / "trial_1", None, ROWS[:2], torn="5.0,3")
    for name in HOSTILE:
        write_trial(root / name / "study_0" / "toy_jax" / "trial_1")
    return root


def scalars(rows=ROWS, losses=LOSSES) -> dict[str, list[tuple[int, float, float]]]:
    """(step, seconds, value) by column of a trial with these rows."""
    found = {}
    for position, name in enumerate(COLUMNS):
        if name != "global_step":
            points = [(row[1], row[0], row[position]) for row in rows]
            found[name] = [point for point in points if point[2] is not None]
    pairs = zip(rows, losses, strict=False)
    return {**found, "loss": [(row[1], row[0], loss) for row, loss in pairs]}
