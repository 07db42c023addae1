"""A click log in AlgoPerf's layout, small."""

from pathlib import Path

import numpy as np

NUM_DAYS = 24
LAST_DAY_FILES = 22


def line(rng: np.random.Generator) -> str:
    """A row as Criteo wrote it: some fields are empty, some counts negative."""
    counts = [str(n) for n in rng.integers(-2, 10**6, 13)]
    categories = [f"{n:08x}" for n in rng.integers(0, 2**32, 26)]
    fields = [str(rng.integers(2)), *counts, *categories]
    for i in rng.choice(np.arange(1, 40), 5, replace=False):
        fields[i] = ""
    return "\t".join(fields)


def write(folder: Path, lines_per_file: int = 40) -> Path:
    """Days 0 to 22 of one and two files, day 23 of 22; the last of each day is shorter."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    for day in range(NUM_DAYS):
        files = LAST_DAY_FILES if day == NUM_DAYS - 1 else 1 + day % 2
        for part in range(files):
            size = lines_per_file if part < files - 1 else lines_per_file // 2 + day
            rows = [line(rng) for _ in range(size)]
            (folder / f"day_{day}_{part:02d}").write_text("\n".join(rows) + "\n")
    (folder / "day_0.csv").write_text("a whole day, which is not to be read\n")
    return folder
