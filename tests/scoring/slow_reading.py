"""A second, slow reading and scoring of a log tree, written against the rules and not the code.

The rules: only folders with canonical names count; a row counts if its line is complete (or torn
behind every cell that matters) and as wide as the header; a cell that is no number is NaN; NaN and
infinities meet no target; an invalid trial never arrives.
"""

import json
import re
from functools import lru_cache
from statistics import median

INF = float("inf")
NUMBER = re.compile(
    rb"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*|\s*[+-]?(nan|inf|infinity)\s*", re.I
)
PATH = re.compile(
    r"([^/.][^/]*)/study_(0|[1-9]\d*)/([^/.][^/]*)_(?:jax|pytorch)/trial_(0|[1-9]\d*)/.*", re.S
)


def number(cell):
    cell = cell.strip(b' \t"')
    return float(cell) if NUMBER.fullmatch(cell) else float("nan")


@lru_cache(maxsize=4096)
def rows_of(data, metric):
    """(clock, score, metric) of every legible row; a missing column is NaN."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    *lines, tail = data.replace(b"\r\n", b"\n").split(b"\n")
    if not lines:
        return ()
    header = [name.strip(b' "').decode("utf-8", "replace") for name in lines[0].split(b",")]
    wanted = ("accumulated_submission_time", "score", metric, "global_step")
    at = {name: header.index(name) for name in wanted if name in header}
    if not at:
        return ()
    rows = [line.split(b",") for line in lines[1:]]
    rows = [row for row in rows if len(row) == len(header) and row != [b""]]
    whole = tail.split(b",")[:-1]
    if tail and max(at.values()) < len(whole) < len(header):
        rows.append(whole)
    table = []
    for row in rows:
        value = {name: number(row[i]) for name, i in at.items()}
        score = value.get("score", float("nan"))
        clock = value.get("accumulated_submission_time", score)
        table.append((clock, score, value.get(metric, float("nan"))))
    return tuple(table)


def info_of(data):
    try:
        content = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def trials_of(files, benchmark):
    """{(submission, study, workload): [(name, rows, info)]} of a {path: bytes} tree."""
    folders = {}
    for path, data in files.items():
        match = PATH.fullmatch(path)
        if match and match[3] in benchmark.workloads:
            folder = folders.setdefault("/".join(path.split("/")[:4]), (match, {}))
            folder[1]["/".join(path.split("/")[4:])] = data
    studies = {}
    for _, (match, content) in sorted(folders.items()):
        rows = rows_of(
            content.get("eval_measurements.csv") or b"",
            f"validation/{benchmark.workloads[match[3]].metric}",
        )
        key = match[1], int(match[2]), match[3]
        trial = (f"trial_{match[4]}", rows, info_of(content.get("trial.json")))
        studies.setdefault(key, []).append(trial)
    return studies


def arrival(rows, info, target, mode):
    """(row, time) at which a trial meets the target; (inf, inf) if never."""
    for i, (clock, score, metric) in enumerate(rows):
        good = metric <= target.value if target.lower_is_better else metric >= target.value
        if good and abs(metric) < INF and info.get("status") != "invalid":
            time = score if mode == "official" else clock
            return i, (time if 0 <= time < INF else INF)
    return INF, INF


def read(files, benchmark, mode):
    """Submissions on the board and {(submission, workload): (time to target, best metric)}.

    None when nothing is legible.
    """
    studies = trials_of(files, benchmark)
    if not any(rows or info for trials in studies.values() for _, rows, info in trials):
        return None
    times, values = {}, {}
    for (submission, _, workload), trials in studies.items():
        target = benchmark.workloads[workload]
        found = [(name, *arrival(rows, info, target, mode)) for name, rows, info in trials]
        if mode == "official":
            lost = {i for i, (_, rows, info) in enumerate(trials) if not rows and not info}
            found = [entry for i, entry in enumerate(found) if i not in lost]
            chosen = [min((row, name, time) for name, row, time in found)[2]] if found else []
        else:
            chosen = [min(time for _, _, time in found)]
        times.setdefault((submission, workload), []).extend(chosen)
        values.setdefault((submission, workload), []).extend(
            metric
            for _, rows, info in trials
            for _, _, metric in rows
            if info.get("status") != "invalid" and abs(metric) < INF
        )
    board = {}
    for key, found in times.items():
        sign = -1 if benchmark.workloads[key[1]].lower_is_better else 1
        best = max(values[key], key=lambda v: sign * v, default=None)
        board[key] = (median(found) if found else None, best)
    return sorted({submission for submission, _, _ in studies}), board


def scores(submissions, board, benchmark, mode):
    """{submission: score}: mean over workloads of (4 - r) / 3, or the trapezoid of 100 points."""
    total = dict.fromkeys(submissions, 0.0)
    for workload in benchmark.base_workloads:
        times = {s: board.get((s, workload), (None, None))[0] for s in submissions}
        arrived = {s: t for s, t in times.items() if t is not None and t < INF}
        for s, time in arrived.items():
            fastest = min(arrived.values())
            ratio = 1.0 if time == fastest else time / fastest if fastest else INF
            if mode == "exact":
                total[s] += max(0.0, (4 - ratio) / 3)
            elif ratio <= 4:
                solved = [float(ratio <= 1 + 3 * k / 99) for k in range(100)]
                total[s] += sum((a + b) / 2 for a, b in zip(solved, solved[1:], strict=False)) / 99
    return {s: score / len(benchmark.base_workloads) for s, score in total.items()}
