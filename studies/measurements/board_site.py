"""The time that building a board's site takes, on packs whose trials are made up.

    python -m studies.measurements.board_site --entries=50 --workloads=9 --studies=3

Each entry is one submission with one trial per workload and study, of 41 evaluations as a run of
lite writes them.
"""

import argparse
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoring import benchmark as benchmarks
from scoring.board import entries, site
from scoring.logs import pack as packs
from scoring.logs.format import ROW_FILES
from studies import script

SMOKE = {"entries": 2, "workloads": 1, "studies": 2}
BENCHMARK = "lite_v2"
NUM_EVALS = 41
MACHINE = {"key": "0123456789abcdef", "cpu": "made up"}
_CLOCK = "accumulated_submission_time,global_step,score,learning_rate,train/loss"
SETTINGS = f"""
title = "A board that was made up"
began = 2026-01-01
benchmarks = ["{BENCHMARK}"]
rulesets = ["self"]

[hardware.one]
name = "One machine"
facts = {{ cpu = "made up" }}
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds how large the board is."""
    parser.add_argument("--entries", type=int, default=50)
    parser.add_argument("--workloads", type=int, default=9)
    parser.add_argument("--studies", type=int, default=3)


def run(arguments: argparse.Namespace) -> None:
    """Prints the seconds."""
    names = benchmarks.load(BENCHMARK).base_workloads[: arguments.workloads]
    with tempfile.TemporaryDirectory() as folder:
        board = Path(folder, "board")
        board.mkdir()
        (board / "board.toml").write_text(SETTINGS, encoding="utf-8")
        for seed in range(arguments.entries):
            add(board, files(f"submission_{seed}", names, arguments.studies, seed))
        # Beside it processor time, which says more on a machine that does other work meanwhile.
        began, busy = time.perf_counter(), time.process_time()
        found = site.board_build(board, Path(folder, "site"))
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        size = sum(f.stat().st_size for f in Path(folder, "site").rglob("*") if f.is_file())
    print("| entries | workloads | studies | seconds | of a core | files | MB |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {found.num_entries} | {len(names)} | {arguments.studies} | {seconds:.1f} "
        f"| {busy:.1f} | {found.num_files} | {size / 1e6:.1f} |"
    )


def files(submission: str, workloads: tuple[str, ...], studies: int, seed: int) -> dict[str, bytes]:
    """The files of an entry: trials of one submission, by path."""
    targets, draw, made = benchmarks.load(BENCHMARK).workloads, random.Random(seed), {}
    for study in range(studies):
        for workload in workloads:
            folder = f"{submission}/study_{study}/{workload}_jax/trial_1"
            target = targets[workload]
            # Metrics come from far and cross the target at an evaluation drawn by chance.
            crossing, period = draw.randint(10, NUM_EVALS + 5), 0.1 * draw.uniform(0.5, 1.5)
            far = 2 * target.value if target.lower_is_better else 0.5 * target.value
            rows = [f"{_CLOCK},validation/{target.metric}"]
            for i in range(NUM_EVALS):
                metric = far + (target.value - far) * 1.01 * i / crossing
                clock = period * i * (1 + 1e-3 * draw.random())
                rows.append(f"{clock},{10 * i},{clock},{0.001},{draw.random()},{metric}")
            text = "\n".join([*rows, ""]).encode()
            made |= {f"{folder}/{name}": text for name in ROW_FILES}
            record = {"experiment_seed": 0, "timing": "measured", "fingerprint": MACHINE}
            made[f"{folder}/trial.json"] = json.dumps(record).encode()
            made[f"{folder}/attempts.jsonl"] = f'{{"started": {1.8e9 + 86400 * seed}}}\n'.encode()
    return made


def add(board: Path, made: Mapping[str, bytes], **about: Any) -> Path:
    """Puts a pack of files onto a board, unverified; `about` replaces parts of its manifest."""
    names = {path.partition("/")[0] for path in made}
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    manifest = {
        "benchmark": BENCHMARK,
        "ruleset": "self",
        "fingerprints": {MACHINE["key"]: MACHINE},
        "submissions": hashes,
        **about,
    }
    folder = board / entries.FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / "new.zip"
    packs.write(path, manifest, made)
    return path.rename(folder / f"{entries.read(path).name}.zip")


if __name__ == "__main__":
    script.main(__doc__, add_flags, run, SMOKE)
