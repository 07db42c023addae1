"""The notebook `docs/python.ipynb`: executed, and its outputs written anew.

    python -m docs.notebook

runs its cells, in a folder that is soon gone, and writes what comes out into it. Edit the cells in
Jupyter or by hand, then run this. The notebook keeps a hash of the code that its outputs are of,
and a test compares them, so that no code changes without its output.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = Path(__file__).with_name("python.ipynb")
_HASH = "code_sha256"  # its name in the notebook's metadata
_SECONDS = 1800  # of a cell, on a machine that does much else


def main() -> None:
    """Executes the notebook and rewrites its file."""
    done = executed(json.loads(NOTEBOOK.read_text()))
    NOTEBOOK.write_text(json.dumps(done, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{NOTEBOOK.relative_to(ROOT)} is written: {NOTEBOOK.stat().st_size // 1000} kB")


def executed(content: dict[str, Any]) -> dict[str, Any]:
    """A notebook with the outputs of its cells, as JSON, without times and versions of a machine.

    Raises `nbclient.exceptions.CellExecutionError` where a cell fails.
    """
    import nbclient
    import nbformat

    notebook = nbformat.reads(json.dumps(content), as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # The kernel finds this checkout, whatever is installed.
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        nbclient.NotebookClient(
            notebook,
            timeout=_SECONDS,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
        ).execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    done = json.loads(nbformat.writes(notebook, version=4))
    # What a kernel says of itself differs from machine to machine.
    done["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        _HASH: code_hash(done),
    }
    return done


def code_hash(content: dict[str, Any]) -> str:
    """SHA-256 of the code of all cells; what is said between them needs no execution."""
    cells = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def kept_hash(content: dict[str, Any]) -> str | None:
    """The hash of the code that the outputs are of; None where it was never executed."""
    return content["metadata"].get(_HASH)


if __name__ == "__main__":
    main()
