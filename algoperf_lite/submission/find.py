"""Submissions by name or path: where their files are, and their form. Runs none of them."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from algoperf_lite import did_you_mean as naming

_FOLDER = Path(__file__).parents[2] / "submissions"
FILE_OF_A_FOLDER = "submission.py"  # in AlgoPerf's layout, one folder per submission


def names() -> list[str]:
    """The submissions that come with the harness: every file in `submissions/`."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")


def name_of(path: Path) -> str:
    """The name of a submission in logs: its file's stem, or its folder's for a `submission.py`."""
    return path.parent.name if path.name == FILE_OF_A_FOLDER else path.stem


def locate(name_or_path: str) -> Path:
    """The file of a submission, given by name, by path, or by the path of its folder; not run.

    Raises ValueError with the nearest valid name, or naming the missing file.
    """
    if name_or_path.endswith(".py") or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if path.is_dir():
            path = path / FILE_OF_A_FOLDER
        if not path.is_file():
            raise ValueError(
                f"submission file {str(path)!r} does not exist; give a path to a .py file, to a "
                f"folder with a {FILE_OF_A_FOLDER}, or one of: {', '.join(names())}"
            )
        return path.resolve()
    naming.require(name_or_path, names(), "submission", ", or the path of a .py file")
    return _FOLDER / f"{name_or_path}.py"


def check_schedule_can_be_replaced(path: Path) -> None:
    """Raises ValueError unless the file leaves its schedule to others; does not run it."""
    tree = ast.parse(path.read_text())
    if "schedule" not in _functions(tree) and not wants_default_schedule(tree):
        raise ValueError(
            f"submission {name_of(path)!r} defines no schedule(workload, hyperparameters) and its "
            "optimizer takes no learning_rate, so no other schedule can be put in; leave it out, "
            "or let its optimizer(workload, hyperparameters, learning_rate) take one"
        )


def wants_default_schedule(tree: ast.Module) -> bool:
    """Whether a native file has no schedule but an optimizer that is handed a learning rate."""
    functions = _functions(tree)
    if "schedule" in functions or "optimizer" not in functions:
        return False
    # A third argument with a default shows that the file can do without one.
    arguments = functions["optimizer"].args
    return len(arguments.args) - len(arguments.defaults) == 3


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def check_can_be_vectorized(path: Path) -> None:
    """Raises ValueError for a file that steps in Python; reads it and does not run it."""
    if steps_in_python(path):
        raise ValueError(
            f"submission {name_of(path)!r} is in AlgoPerf's form (update_params), which is called "
            "step by step from Python, so its trials cannot share a program; leave it out or leave "
            "--vectorize=trials out"
        )


def steps_in_python(path: Path) -> bool:
    """Whether a file is in AlgoPerf's form; reads it and does not run it."""
    defined = _functions(ast.parse(path.read_text()))
    return "update_params" in defined and "optimizer" not in defined


def source_sha256(path: Path) -> str:
    """Hash of a submission's file, or of all files where a folder is the submission.

    By it a changed submission is told from the one that an experiment was begun with.
    """
    if path.name != FILE_OF_A_FOLDER:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    # Names are hashed too, with a byte between that no name holds, so that moving a line from one
    # file to the next is a change.
    digest = hashlib.sha256()
    for file in sorted(path.parent.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(path.parent)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
