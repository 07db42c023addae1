"""The report's figures as files for a paper."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from report_pages import BENCHMARK, INFO, write_tree, write_trial

import scoring
from scoring.benchmark import Target
from scoring.views import figures
from scoring.views.bands import Band, limits, medians
from scoring.views.series import Trace

REPOSITORY = Path(__file__).resolve().parents[3]


def stems(paths):
    return {path.stem for path in paths}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    logs = write_tree(tmp_path_factory.mktemp("logs"), ["fast", "middling"])
    return scoring.score(logs, BENCHMARK, mode="official", by="steps")


@pytest.mark.slow
def test_every_figure_as_svg_and_pdf_and_the_same_bytes_each_time(board, tmp_path):
    paths = figures.write(board, tmp_path / "deep" / "figures")
    drawn = ("alpha", "beta", "gamma", "alpha_tanh")
    assert stems(paths) == {
        *("performance_profile", "time_to_target", "speedups", "ledger"),
        *(f"{kind}_{name}" for name in drawn for kind in ("curves", "anytime")),
    }
    assert sorted(paths) == sorted((tmp_path / "deep" / "figures").iterdir())
    for path in paths:
        start = path.read_bytes()[:200]
        assert start.startswith(b"%PDF" if path.suffix == ".pdf" else b"<?xml")
    again = figures.write(board, tmp_path / "again")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


def test_without_reference_and_ledger_there_are_no_such_figures(tmp_path):
    logs = write_tree(tmp_path / "logs", ["fast"], info=None)
    found = {stem for stem, _ in figures._figures(scoring.score(logs, BENCHMARK))}
    assert not found & {"speedups", "ledger"} and "performance_profile" in found


def test_names_from_strangers_can_be_drawn(tmp_path):
    info = {**INFO, "ledger": {"_a$b^{": 1.0, "eval": 2.0, "wall": 3.0}}
    for name in ("_a$b^{$", "<svg onload=alert(1)>", "中", "line\u2028end"):
        for study in (0, 1):
            path = tmp_path / "logs" / name / f"study_{study}" / "alpha_jax" / "trial_1"
            write_trial(path, "alpha", 10.0, 1e-3, info)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        paths = figures.write(scoring.score(tmp_path / "logs", BENCHMARK), tmp_path / "f")
    for path in paths:
        if path.suffix == ".svg":
            assert not re.search(r"<svg onload", path.read_text(encoding="utf-8"))


def test_a_workload_named_like_a_path_stays_in_the_folder():
    assert figures._safe("../a b/c") == ".._a_b_c"


def trace(study, x, y):
    x, y = np.array(x, np.float64), np.array(y, np.float64)
    return Trace("s", "w", study, 1, x, x, y)


def test_median_is_drawn_while_more_than_half_of_the_studies_run():
    own = [trace(0, [0, 10], [0, 10]), trace(1, [0, 4], [2, 6]), trace(2, [0, 6], [1, 7])]
    (band,) = medians(own, "seconds")
    assert band.x_G[0] == 0 and band.x_G[-1] == pytest.approx(6, abs=0.05)
    assert (band.middle_G[0], band.low_G[0], band.high_G[0]) == (1, 0, 2)
    late = band.x_G > 4.1  # study 1 has ended: two of three left
    assert band.middle_G[late] == pytest.approx(band.x_G[late] + 0.5)


def test_the_axis_holds_the_target_and_the_good_side():
    y = np.concatenate([np.full(5, 30.0), np.linspace(0.5, 0.1, 95)])
    band = Band("s", np.arange(100.0), y, y, y)
    low, high = limits([band], Target("loss", 0.05, 100))
    assert low < 0.05 and 0.4 < high < 1


def test_import_draws_nothing_and_sets_nothing():
    program = (
        "import sys, scoring.views.figures, scoring.views.html\n"
        "heavy = {'matplotlib', 'jinja2', 'jax', 'pandas', 'rich', 'algoperf_lite'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
