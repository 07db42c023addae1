"""Ways to forge a record: what is changed in an unpacked pack, which is packed again."""

import csv
import hashlib
import io
import json

from scoring.logs import pack

BEST = "nesterov/study_0/digits_jax/trial_1"  # the only trial that reached its target
OTHER = "nesterov/study_0/digits_jax/trial_2"
ROWS = ("eval_measurements.csv", "measurements.csv")


def packed(root, path, **about):
    """Packs a folder as it is, whatever `api.pack` would say; `about` replaces parts of what the
    manifest says."""
    files = {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }
    first = pack.read(path.parent / "recorded.zip").about
    path.unlink(missing_ok=True)
    pack.write(path, {**first, **about}, files)
    return path


def change(path, **fields):
    """Changes fields of a JSON file; a callable gets the old value."""
    content = json.loads(path.read_text())
    for name, value in fields.items():
        content[name] = value(content[name]) if callable(value) else value
    path.write_text(json.dumps(content, indent=1))


def change_rows(trial, edit, logs=ROWS, rehash=True):
    """Edits rows of a trial's logs, {column: text} each, and hashes them as the harness does."""
    for name in logs:
        path = trial / name
        rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
        for row in rows:
            edit(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue())
    if rehash:
        hashes = {n: hashlib.sha256((trial / n).read_bytes()).hexdigest() for n in ROWS}
        change(trial / "trial.json", rows_sha256=hashes)


def scaled(factor):
    """An edit of rows by which the submission's clock runs so much slower."""

    def edit(row):
        for name in ("accumulated_submission_time", "score"):
            if row[name]:
                row[name] = repr(float(row[name]) * factor)

    return edit


def better(row):
    """An edit of rows by which the metric is better from step 60 on."""
    if row["validation/accuracy"] and float(row["global_step"]) > 60:
        row["validation/accuracy"] = "0.98"


# --- forgeries --------------------------------------------------------------------------------


def one_changed_row(root):
    change_rows(root / BEST, better, rehash=False)


def one_changed_row_with_its_hash(root):
    change_rows(root / BEST, better, logs=ROWS[:1])


def better_rows_in_both_logs(root):
    change_rows(root / BEST, better)


def a_result_without_rows(root):
    change(root / BEST / "trial.json", time_to_target=0.5, steps_to_target=60)


def a_trial_that_reached_by_its_word_alone(root):
    change(root / OTHER / "trial.json", status="reached")


def a_changed_submission(root):
    path = root / "sources/nesterov/nesterov.py"
    path.write_text(path.read_text().replace("0.05", "0.06"))


def a_changed_submission_with_its_hash(root, text=None):
    path = root / "sources/nesterov/nesterov.py"
    path.write_text(text or path.read_text().replace("warmup=0.05", "warmup=0.06"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    change(path.parent.with_suffix(".json"), sha256=sha256)
    for trial in (BEST, OTHER):
        change(root / trial / "trial.json", submission_sha256=sha256)


def a_submission_that_breaks_the_rules(root):
    text = (root / "sources/nesterov/nesterov.py").read_text()
    text += "\n\nimport time\n\nSTART = time.time()\n"
    a_changed_submission_with_its_hash(root, text)
    for trial in (BEST, OTHER):
        change(root / trial / "trial.json", submission_source=text)


def no_source(root):
    (root / "sources/nesterov/nesterov.py").unlink()


def swapped_trials(root):
    (root / BEST).rename(root / "apart")
    (root / OTHER).rename(root / BEST)
    (root / "apart").rename(root / OTHER)


def swapped_trials_with_their_numbers(root):
    swapped_trials(root)
    for place in (BEST, OTHER):
        number = int(place[-1])
        change(root / place / "trial.json", trial=number)
        change(root / place / "flags_0.json", trial=number)


def swapped_trials_with_numbers_and_seeds(root):
    seeds = [
        json.loads((root / place / "trial.json").read_text())["seed"] for place in (BEST, OTHER)
    ]
    swapped_trials_with_their_numbers(root)
    for place, seed in zip((BEST, OTHER), seeds, strict=True):
        change(root / place / "trial.json", seed=seed)


def a_better_point(root):
    change(root / OTHER / "trial.json", hyperparameters=lambda old: {**old, "weight_decay": 0.0})


def a_copy_of_the_best_trial(root):
    for name in ROWS:
        (root / OTHER / name).write_bytes((root / BEST / name).read_bytes())
    best = json.loads((root / BEST / "trial.json").read_text())
    own = ("trial", "seed", "hyperparameters", "max_seconds")
    kept = json.loads((root / OTHER / "trial.json").read_text())
    change(root / OTHER / "trial.json", **{**best, **{name: kept[name] for name in own}})
    ends = (root / BEST / "attempts.jsonl").read_bytes()
    (root / OTHER / "attempts.jsonl").write_bytes(ends)


def a_bad_trial_left_out(root):
    for file in (root / OTHER).iterdir():
        file.unlink()
    (root / OTHER).rmdir()


def a_faster_clock(root):
    change_rows(root / BEST, scaled(0.5))
    change(root / BEST / "trial.json", time_to_target=lambda seconds: seconds * 0.5)


def a_faster_clock_with_its_ledger(root):
    a_faster_clock(root)
    change(
        root / BEST / "trial.json",
        ledger=lambda old: {
            **old,
            **{name: old[name] * 0.5 for name in ("init", "update_params", "prepare_for_eval")},
        },
    )


def a_faster_clock_that_adds_up(root, factor=0.1):
    """No record tells: only training again does."""
    change_rows(root / BEST, scaled(factor))

    def moved(ledger):
        fast = ("init", "update_params", "prepare_for_eval", "data_selection")
        gone = sum(ledger[name] for name in fast) * (1 - factor)
        slower = {**ledger, **{name: ledger[name] * factor for name in fast}}
        return {**slower, "setup": ledger["setup"] + gone}

    change(
        root / BEST / "trial.json",
        ledger=moved,
        time_to_target=lambda seconds: seconds and seconds * factor,
    )


def a_clock_that_runs_backwards(root):
    def edit(row):
        if row["global_step"] == "60" and row["total_duration"]:
            row["accumulated_eval_time"] = "0.0"

    change_rows(root / BEST, edit)


def a_cell_that_is_no_number(root):
    def edit(row):
        if row["test/loss"]:
            row["test/loss"] = "low"

    change_rows(root / BEST, edit)


def an_evaluation_more(root):
    """A lucky moment between two evaluations."""

    def edit(row):
        if row["global_step"] == "60":
            row["global_step"] = "59"

    change_rows(root / BEST, edit)


def a_wrong_benchmark(root):
    change(root / "experiment.json", settings=lambda old: {**old, "benchmark": "algoperf_v06"})


def an_easier_target(root):
    for path in root.glob("*/*/*/*/flags_0.json"):
        change(path, target=0.9)
    for path in root.glob("*/*/*/*/trial.json"):
        change(path, target=0.9)


def a_larger_budget(root):
    change(root / OTHER / "trial.json", max_seconds=lambda seconds: seconds * 2)
    change(root / OTHER / "flags_0.json", max_seconds=lambda seconds: seconds * 2)


def a_slower_reference(root):
    """The budget in the calibration does not give the trials' any more."""
    change(
        root / "experiment.json",
        calibration=lambda old: {"digits": {**old["digits"], "seconds_per_step": 1.0}},
    )


def another_machine(root):
    for path in root.glob("*/*/*/*/trial.json"):
        change(path, fingerprint=lambda old: {**old, "cpu": "Z80"})


# {forgery: kinds of problems, of which one has to be found}
FORGERIES = {
    one_changed_row: {"rows"},
    one_changed_row_with_its_hash: {"rows"},
    better_rows_in_both_logs: {"result"},
    a_result_without_rows: {"result"},
    a_trial_that_reached_by_its_word_alone: {"result"},
    a_changed_submission: {"source"},
    a_changed_submission_with_its_hash: {"source"},
    a_submission_that_breaks_the_rules: {"rules"},
    no_source: {"source"},
    swapped_trials: {"place"},
    swapped_trials_with_their_numbers: {"terms"},
    swapped_trials_with_numbers_and_seeds: {"terms"},
    a_better_point: {"terms"},
    a_copy_of_the_best_trial: {"copy"},
    a_bad_trial_left_out: {"missing"},
    a_faster_clock: {"clock"},
    a_faster_clock_with_its_ledger: {"clock"},
    a_clock_that_runs_backwards: {"clock"},
    a_cell_that_is_no_number: {"record"},
    an_evaluation_more: {"rows"},
    a_wrong_benchmark: {"target"},
    an_easier_target: {"target"},
    a_larger_budget: {"terms"},
    a_slower_reference: {"terms"},
    another_machine: {"machine"},
}


# What a part of a JSON file may be instead.
VALUES = [
    None,
    -1,
    0,
    1e308,
    -1e-9,
    2**70,
    "",
    "x" * 999,
    "../../up",
    [],
    {},
    [[]],
    True,
    "nan",
    "\x1b[31m",
]


def mutated(rng, content, depth=0):
    """A JSON value with one part of it replaced."""
    if isinstance(content, dict) and content and (depth == 0 or rng.random() < 0.7):
        key = rng.choice(sorted(content))
        if rng.random() < 0.15:
            return {k: v for k, v in content.items() if k != key}
        return {**content, key: mutated(rng, content[key], depth + 1)}
    return rng.choice(VALUES)
