"""scoring is light, knows files alone, and its rooms stand in one order."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Imports go to the left.
ROOMS = (
    *("benchmark", "logs", "protocol", "stats", "leaderboard", "views", "exports", "watch"),
    "board",
)


def modules():
    """{module: its file} of all of scoring."""
    found = {}
    for path in (REPOSITORY / "scoring").rglob("*.py"):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(path, known):
    """Modules of scoring that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & set(known)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (names & set(known)) or ({node.module} & set(known))


def test_rooms_stand_in_one_order():
    known = modules()
    rooms = {name.split(".")[1] for name in known if "." in name}
    assert rooms == set(ROOMS)
    for name, path in known.items():
        if name != "scoring":
            own = ROOMS.index(name.split(".")[1])
            for other in imported(path, known):
                assert ROOMS.index(other.split(".")[1]) <= own, f"{name} imports {other}"


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    arrows = {name: set(imported(path, known)) - {name} for name, path in known.items()}
    assert sum(map(len, arrows.values())) > 50
    assert list(TopologicalSorter(arrows).static_order())  # raises CycleError that names the circle


def test_the_format_of_logs_needs_nothing():
    assert not list(imported(REPOSITORY / "scoring/logs/format.py", modules()))


HEAVY = ("jax", "flax", "optax", "tensorflow", "torch", "pandas", "scipy", "matplotlib", "rich")


def test_import_and_scoring_touch_nothing_heavy(tree):
    tree.trial("s/study_0/criteo1tb_jax/trial_0", metrics=(0.9, 0.1), metric="loss")
    program = (
        "import sys, scoring, scoring.views.terminal, scoring.views.figures\n"
        f"heavy = set({HEAVY!r})\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"board = scoring.score({str(tree.root)!r}, 'algoperf_v06')\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "print(board.rows[0].score)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 1 / 8


def test_scoring_knows_files_and_nothing_else():
    sources = list((REPOSITORY / "scoring").rglob("*.py"))
    assert len(sources) > 5
    for source in sources:
        for name in ("algoperf_lite", "workloads", "submissions"):
            for line in source.read_text().splitlines():
                assert not line.strip().startswith((f"import {name}", f"from {name}")), source
