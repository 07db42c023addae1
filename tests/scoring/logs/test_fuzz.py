"""Log trees damaged in hundreds of ways score as what is left of them, and say what was odd."""

import json
import math
import random

import pytest
import slow_reading
from rich.console import Console
from tree_damage import JUNK, MUTATIONS, NEEDED, SILENT

import scoring
from scoring.benchmark import Benchmark, Target
from scoring.views import terminal


def written(_):
    """A tree of 16 trials, some with a trial.json, and its benchmark."""
    rng = random.Random(0)
    files = {}
    for submission, speed in (("fast", 1.0), ("slow", 1.6)):
        for workload, metric in (("toy", "accuracy"), ("mini", "loss")):
            for study in (0, 1):
                for trial in (1, 2):
                    lines = [f"{','.join(NEEDED)},test/x,validation/{metric},validation/n"]
                    for row in range(1, 13):
                        time = speed * row * (10 + rng.random())
                        good = 1 - 0.9 ** (row + 2 * rng.random())
                        value = 1 - good if metric == "loss" else good
                        lines.append(f"{time!r},{10 * row},{time!r},0.5,{value!r},100")
                    folder = f"{submission}/study_{study}/{workload}_jax/trial_{trial}"
                    files[f"{folder}/eval_measurements.csv"] = "\n".join([*lines, ""]).encode()
                    if trial == 1:
                        info = {"status": "reached", "workload": workload, "study": study}
                        files[f"{folder}/trial.json"] = json.dumps(info).encode()
    targets = {"toy": Target("accuracy", 0.5, 120), "mini": Target("loss", 0.45, 120)}
    return files, Benchmark("fuzz", ("toy", "mini"), (), targets, {})


def official(request):
    """24 of AlgoPerf's public trials."""
    root = request.getfixturevalue("shared_logs") / "external_tuning"
    v05 = scoring.load_benchmark("algoperf_v05")
    names = ("fastmri", "ogbg", "criteo1tb")
    files = {}
    for submission, framework in (("baseline", "jax"), ("cyclic_lr", "pytorch")):
        for workload in names:
            for study in (0, 1):
                for trial in (1, 2):
                    path = f"{submission}/study_{study}/{workload}_{framework}/trial_{trial}"
                    path += "/eval_measurements.csv"
                    files[path] = (root / path).read_bytes()
    return files, Benchmark("fuzz", names, (), {n: v05.workloads[n] for n in names}, {})


# --- cases --------------------------------------------------------------------------------


class Disk:
    """A folder that is brought from one {path: bytes} to the next by what differs."""

    def __init__(self, root):
        self.root, self.files = root, {}

    def write(self, files):
        for path, data in self.files.items():
            if files.get(path) != data:
                file = self.root / path
                file.unlink()
                while file.parent != self.root and not any(file.parent.iterdir()):
                    file = file.parent
                    file.rmdir()
        for path, data in files.items():
            if self.files.get(path) != data:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self.root / path).write_bytes(data)
        self.files = dict(files)


def outcome(root, benchmark, mode):
    """The board's JSON, or the sentence that says why there is none."""
    try:
        board = scoring.score(root, benchmark, mode=mode)
    except ValueError as error:
        return None, str(error)
    return board, json.loads(json.dumps(board.to_json(), allow_nan=False))


def agrees(content, files, benchmark, mode):
    """Assert that the board is that of the slow reading."""
    submissions, cells = slow_reading.read(files, benchmark, mode)
    assert sorted(content["scores"]) == submissions
    expected = slow_reading.scores(submissions, cells, benchmark, mode)
    for submission in submissions:
        score = content["scores"][submission]["score"]
        assert math.isclose(score, expected[submission], abs_tol=1e-9)
        for workload in benchmark.base_workloads:
            time, best = cells.get((submission, workload), (None, None))
            time = None if time is None or math.isinf(time) else time
            assert content["time_to_target"][submission][workload] == time
            assert content["best"][submission][workload] == best


def check(files, benchmark, mode, wanted, disk, baseline, seed):
    """One damaged tree: right and reported, or refused in a sentence."""
    disk.write(files)
    board, content = outcome(disk.root, benchmark, mode)
    if board is None:
        assert slow_reading.read(files, benchmark, mode) is None
        assert "\n" not in content and ("expected" in content or "benchmark" in content)
        return "refused"
    agrees(content, files, benchmark, mode)
    kinds = [anomaly["kind"] for anomaly in content["oddities"]]
    new = set(kinds) - {anomaly["kind"] for anomaly in baseline["oddities"]}
    same = all(content[key] == baseline[key] for key in ("time_to_target", "best", "scores"))
    if len(wanted) == 1 and wanted[0] is not SILENT:
        assert wanted[0] & set(kinds) if wanted[0] else same and not new
    if SILENT not in wanted:
        assert same or new
    if seed % 10 == 0:
        with open("/dev/null", "w") as nowhere:
            terminal.render(board, Console(file=nowhere, width=80))
            terminal.render_details(board, Console(file=nowhere, width=80))
    return "same" if same else "changed"


@pytest.mark.parametrize(
    ("source", "cases"),
    [
        (written, 60),  # every mutation alone, some of them again
        pytest.param(written, 560, marks=pytest.mark.slow),
        pytest.param(official, 160, marks=pytest.mark.slow),
    ],
)
def test_damaged_trees(source, cases, request, tmp_path):
    original, benchmark = source(request)
    disk, baselines = Disk(tmp_path), {}
    disk.write(original)
    for mode in ("exact", "official"):
        board, baselines[mode] = outcome(tmp_path, benchmark, mode)
        assert board is not None
        agrees(baselines[mode], original, benchmark, mode)
    seen = set()
    for seed in range(cases):
        rng = random.Random(seed)
        files, mode = dict(original), rng.choice(("exact", "official"))
        # Every mutation alone first, then several on top of each other.
        num = 1 if seed < 10 * len(MUTATIONS) else rng.randrange(2, 6)
        chosen = rng.choices(MUTATIONS, k=num) if num > 1 else [MUTATIONS[seed % len(MUTATIONS)]]
        wanted = [mutate(rng, files) for mutate in chosen]
        try:
            seen.add(check(files, benchmark, mode, wanted, disk, baselines[mode], seed))
        except Exception as error:
            names = ", ".join(mutate.__name__ for mutate in chosen)
            raise AssertionError(f"seed {seed}, {mode}: {names} (wanted {wanted})") from error
    assert {"same", "changed"} <= seen


@pytest.mark.parametrize("wreck", [b"", b"\x00\xff" * 40, b"a,b\n1,2\n", None])
def test_nothing_legible_is_refused_in_a_sentence(wreck, tmp_path):
    files, benchmark = written(None)
    files = {path: wreck for path in files if path.endswith(".csv") and wreck is not None}
    Disk(tmp_path / "logs").write(files)
    board, sentence = outcome(tmp_path / "logs", benchmark, "exact")
    assert board is None and "\n" not in sentence
    assert "expected" in sentence or "is not a directory" in sentence


def test_junk_that_changes_a_score_is_always_named(tmp_path):
    """Junk at every 7th byte of one log, one tree per place."""
    original, benchmark = written(None)
    Disk(tmp_path).write(original)
    _, baseline = outcome(tmp_path, benchmark, "exact")
    path = "fast/study_0/toy_jax/trial_2/eval_measurements.csv"  # of the one that counts
    changed = 0
    for at in range(0, len(original[path]), 7):
        data = original[path][:at] + JUNK[at % len(JUNK)] + original[path][at:]
        (tmp_path / path).write_bytes(data)
        _, content = outcome(tmp_path, benchmark, "exact")
        agrees(content, {**original, path: data}, benchmark, "exact")
        if any(content[key] != baseline[key] for key in ("time_to_target", "best", "scores")):
            assert content["oddities"], at
            changed += 1
    assert changed > 10
