"""The workload of docs/workloads.md, written into a folder as a reader of that page would."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "workloads.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(part: str) -> str:
    """The one block of Python in the page that holds `part`."""
    [found] = [block for block in _PYTHON.findall(PAGE.read_text()) if part in block]
    return found


def write(folder: Path) -> Path:
    """Makes the folder, with the page's `workload.py`, and returns it."""
    folder.mkdir(parents=True)
    (folder / "workload.py").write_text(block("SCALES"))
    return folder
