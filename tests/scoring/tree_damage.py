"""Ways to damage a {path: bytes} log tree, as runs, disks and people do.

Each takes a random.Random and the tree, changes the tree in place, and returns the kinds of
anomaly of which one must be named, or one of
  NEUTRAL  nothing that matters was touched: the scores stay, and there is nothing to name
  SILENT   nobody could tell: what is legible counts
"""

from pathlib import Path

import slow_reading

NEUTRAL = frozenset()
SILENT = None
BROKEN = {"bad_row", "bad_cell", "torn_tail", "missing_column", "not_a_log", "empty_csv"}
BROKEN |= {"runs_backwards", "repeated_step", "repeated_column"}
NEEDED = ("accumulated_submission_time", "global_step", "score")
# No digit, sign, dot or e: what could make another number out of a number cannot be told.
JUNK = (b"\x00", b"\xff\xfe", b"\x80\n\x81", b",", b"\n", b"_", b"\xc3(,\n\x00", b'"', b"#" * 50)


def truncate(rng, files):
    path = a_log(rng, files)
    end = rng.randrange(len(files[path]))
    files[path] = files[path][:end]
    return SILENT if files[path].endswith(b"\n") and files[path].count(b"\n") > 1 else BROKEN


def drop_column(rng, files):
    path = a_log(rng, files)
    rows = [line.split(b",") for line in files[path].split(b"\n")]
    column = rng.randrange(len(rows[0]))
    name = rows[0][column].decode()
    files[path] = b"\n".join(b",".join(row[:column] + row[column + 1 :]) for row in rows)
    needed = name in NEEDED or name in METRICS[workload_of(path)]
    return {"missing_column"} if needed else NEUTRAL


def duplicate_rows(rng, files):
    path = a_log(rng, files)
    lines = files[path].split(b"\n")
    first = rng.randrange(1, len(lines) - 1)
    last = rng.randrange(first, len(lines) - 1) + 1
    where = rng.choice([last, len(lines) - 1])
    files[path] = b"\n".join(lines[:where] + lines[first:last] + lines[where:])
    return {"repeated_step", "runs_backwards"}


def swap(rng, files):
    one, other = rng.sample(logs_of(files), 2)
    files[one], files[other] = files[other], files[one]
    same = METRICS[workload_of(one)] == METRICS[workload_of(other)]
    return SILENT if same else {"missing_column"}


def junk(rng, files):
    path = a_log(rng, files)
    at = rng.randrange(len(files[path]) + 1)
    files[path] = files[path][:at] + rng.choice(JUNK) + files[path][at:]
    return SILENT  # it may have hit a cell that nobody reads; see `check` for when it has not


def spoil_cells(rng, files):
    path = a_log(rng, files)
    lines = files[path].split(b"\n")
    for _ in range(rng.randrange(1, 6)):
        row = rng.randrange(1, len(lines) - 1)
        cells = lines[row].split(b",")
        new = rng.choice([b"", b"nan", b"NaN", b"inf", b"-inf", b"1e999", b" ", b"null", b"0x1"])
        cells[rng.randrange(len(cells))] = new
        lines[row] = b",".join(cells)
    files[path] = b"\n".join(lines)
    return SILENT  # NaN is what a diverged run writes


def keep_one_row(rng, files):
    path = a_log(rng, files)
    files[path] = b"\n".join([*files[path].split(b"\n")[:2], b""])
    return SILENT


def lose_log(rng, files):
    path = a_log(rng, files)
    data = rng.choice([None, b"", b"\n", b"\x00" * 9, rng.randbytes(200)])
    del files[path]
    if data is None:
        files[str(Path(path).with_name("hparams.json"))] = b"{}"
        return {"missing_csv"}
    files[path] = data
    return {"empty_csv", "not_a_log"}


def folder_for_log(rng, files):
    path = a_log(rng, files)
    del files[path]
    files[f"{path}/x"] = b""
    return {"unreadable_csv"}


def rename(rng, files):
    level = rng.randrange(1, 4)
    parts = rng.choice(logs_of(files)).split("/")
    name = parts[level]
    number = name.rsplit("_", 1)
    new = rng.choice(
        [f"{name}.bak", f"_{name}", f"{number[0]}_07", f"{number[0]}-{number[1]}", f"{name} "]
    )
    move(files, "/".join(parts[: level + 1]), "/".join([*parts[:level], new]))
    return {"stray", "unknown_workload"}


def rename_soundly(rng, files):
    parts = rng.choice(logs_of(files)).split("/")
    level, new = rng.choice([(0, "renamed"), (1, "study_77"), (3, "trial_77")])
    move(files, "/".join(parts[: level + 1]), "/".join([*parts[:level], new]))
    return SILENT


def other_framework(rng, files):
    parts = rng.choice(logs_of(files)).split("/")
    workload = workload_of("/".join(parts))
    for name in ("jax", "pytorch"):
        copy = [*parts[:2], f"{workload}_{name}", *parts[3:]]
        if copy != parts:
            files["/".join(copy)] = files["/".join(parts)]
    return {"two_frameworks"}


def copy_trial(rng, files):
    path = a_log(rng, files)
    files[path.replace("/trial_", "/trial_1")] = files[path]
    return {"same_log"}


def unknown_workload(rng, files):
    path = a_log(rng, files)
    files[path.replace(workload_of(path), "else")] = files[path]
    return {"unknown_workload"}


def stray(rng, files):
    parts = a_log(rng, files).split("/")
    depth = rng.randrange(4)
    name = rng.choice(["notes.txt", "folder/x", "study_x/y", "trial_1x", "caf\u00e9", "a\nb"])
    files["/".join([*parts[:depth], name])] = b"junk"
    return {"stray"}


def furniture(rng, files):
    name = rng.choice(["experiment.json", "calibration.txt", "figures/a.svg", ".cache/x", ".lock"])
    files[name] = b""
    return NEUTRAL


def carriage_returns(rng, files):
    path = a_log(rng, files)
    files[path] = b"\xef\xbb\xbf" + files[path].replace(b"\n", b"\r\n")
    return NEUTRAL


def spoil_info(rng, files):
    path = a_log(rng, files).replace("eval_measurements.csv", "trial.json")
    files[path] = rng.choice([b"{", b"[]", b'{"status": "fine"}', b"\xff", b"[" * 10_000, b"null"])
    return {"bad_trial_json", "unknown_status"}


def invalidate(rng, files):
    path = a_log(rng, files).replace("eval_measurements.csv", "trial.json")
    files[path] = b'{"status": "invalid"}'
    return SILENT  # it is in the statuses, not among the anomalies


def contradict(rng, files):
    path = a_log(rng, files).replace("eval_measurements.csv", "trial.json")
    files[path] = rng.choice(
        [
            b'{"status": "reached", "steps_to_target": 123456789}',
            b'{"status": "reached", "workload": "another"}',
        ]
    )
    return {"lost_rows", "misplaced"}


MUTATIONS = (
    *(truncate, drop_column, duplicate_rows, swap, junk, spoil_cells, keep_one_row, lose_log),
    *(folder_for_log, rename, rename_soundly, other_framework, copy_trial, unknown_workload),
    *(stray, furniture, carriage_returns, spoil_info, invalidate, contradict),
)
METRICS = {
    "toy": ("validation/accuracy",),
    "mini": ("validation/loss",),
    "fastmri": ("validation/ssim",),
    "ogbg": ("validation/mean_average_precision",),
    "criteo1tb": ("validation/loss",),
}


def logs_of(files):
    """Logs that are still in a sound place and hold rows."""
    return [
        path
        for path, data in sorted(files.items())
        if path.endswith("/eval_measurements.csv")
        and data.count(b"\n") > 3
        and slow_reading.PATH.fullmatch(path)
        and workload_of(path) in METRICS
    ]


def a_log(rng, files):
    return rng.choice(logs_of(files))


def workload_of(path):
    return path.split("/")[2].rsplit("_", 1)[0]


def move(files, old, new):
    for path in [path for path in files if path.startswith(f"{old}/")]:
        files[new + path.removeprefix(old)] = files.pop(path)
