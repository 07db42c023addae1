"""Submissions by name or path: where their files are, and their form. Runs none of them."""

from __future__ import annotations

import ast
import hashlib
import os
from pathlib import Path
from typing import Any

from algoperf_lite import did_you_mean as naming
from algoperf_lite.submission import reading

_FOLDER = Path(__file__).parents[2] / "submissions"
FILE_OF_A_FOLDER = "submission.py"  # in AlgoPerf's layout, one folder per submission
# AlgoPerf's layout has one folder per framework in that of a submission: adamw/jax/submission.py.
_JAX, _PYTORCH = "jax", "pytorch"
SEARCH_SPACE, REQUIREMENTS = "tuning_search_space.json", "requirements.txt"


def names() -> list[str]:
    """The submissions that come with the harness: every file in `submissions/`."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")


def name_of(path: Path) -> str:
    """The name of a submission in logs: its file's stem, or its folder's for a `submission.py`.

    'adamw' for both `adamw/submission.py` and `adamw/jax/submission.py`.
    """
    if path.name != FILE_OF_A_FOLDER:
        return path.stem
    return folder_of(path).name or path.parent.name


def folder_of(path: Path) -> Path:
    """The folder with everything of a submission: one up from a folder called after a framework."""
    is_inner = path.name == FILE_OF_A_FOLDER and path.parent.name in (_JAX, _PYTORCH)
    return path.parent.parent if is_inner else path.parent


def companion(path: Path, name: str) -> Path:
    """A file that belongs to a submission, such as its search space: beside it, else one level up.

    The path beside it where there is neither.
    """
    beside, above = path.parent / name, folder_of(path) / name
    return above if above.is_file() and not beside.is_file() else beside


def locate(name_or_path: str) -> Path:
    """The file of a submission, given by name, by path, or by the path of its folder; not run.

    Raises ValueError with the nearest valid name, or naming the missing file.
    """
    if name_or_path.endswith(".py") or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if path.is_dir():
            inner = path / _JAX / FILE_OF_A_FOLDER
            path = path / FILE_OF_A_FOLDER
            path = inner if inner.is_file() and not path.is_file() else path
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
    tree = _tree(path)
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


def _tree(path: Path) -> ast.Module:
    try:
        return reading.tree(path)
    except SyntaxError as error:
        raise ValueError(
            f"submission {name_of(path)!r} is no Python: {error.msg} "
            f"({path.name}, line {error.lineno}); mend the file"
        ) from None


def literal(path: Path, name: str) -> Any:
    """The value that a file's own statements give a name as a literal; None without one.

    Only running the file can tell what is computed; this reads.
    """
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _names(tree: ast.Module) -> set[str]:
    """Names that a file's own statements define, import or assign."""
    found = set(_functions(tree))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


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
    tree = _tree(path)
    # AlgoPerf's own baselines import `update_params` from a file that several of them share.
    return "update_params" in _names(tree) and "optimizer" not in _functions(tree)


def is_native(path: Path) -> bool:
    """Whether a file is plainly in native form; reads it and does not run it."""
    return "optimizer" in _names(_tree(path)) and not steps_in_python(path)


def source_sha256(path: Path) -> str:
    """Hash of a submission's file, or of all files that it is made of where there are more.

    By it a changed submission is told from the one that an experiment was begun with.
    """
    files = parts(path)
    if files == {path} and path.name != FILE_OF_A_FOLDER:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    # Names are hashed too, with a byte between that no name holds, so that moving a line from one
    # file to the next is a change.
    digest = hashlib.sha256()
    for file in sorted(files):
        name = os.path.relpath(file, path.parent)
        digest.update(f"{name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def parts(path: Path) -> set[Path]:
    """The files that make up a submission: what its folder holds, what it imports, what is read."""
    found = {path}
    if path.name == FILE_OF_A_FOLDER:
        inside = (file for file in path.parent.rglob("*") if "__pycache__" not in file.parts)
        found |= {file for file in inside if file.is_file()}
    # A native submission is one file; beside it lie others that are none of its own.
    elif not steps_in_python(path):
        return found
    found |= {file.path for file in reading.files(path, folder_of(path))}
    beside = (companion(path, name) for name in (SEARCH_SPACE, REQUIREMENTS))
    return found | {file for file in beside if file.is_file()}
