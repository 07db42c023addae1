"""The process of one item of a section: it prepares, waits for its turn, and measures.

    python -m studies.accelerator.child SECTION ITEM [--tiny] [--compile_only]

Everything it finds is a line of JSON. A section is a module beside this one with
`prepare(item, tiny, say)`, which returns what measures.
"""

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

MARK = "@@"  # begins a line for the parent: libraries print too
Say = Callable[..., None]  # of what was found, as keywords that JSON can hold


def main() -> None:
    """Prepares and measures what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("section")
    parser.add_argument("item")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--compile_only", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        section = importlib.import_module(f"studies.accelerator.{arguments.section}")
        measure = section.prepare(arguments.item, arguments.tiny, _found)
        _tell(ready=time.monotonic() - began)
        # The parent closes the pipe, or says that this process has the device to itself.
        if not arguments.compile_only and sys.stdin.readline():
            measure()
    except Exception as error:
        # Whatever it was is this item's finding; the log has where.
        traceback.print_exc()
        words = " ".join(str(error).split())
        _found(error=f"{type(error).__name__}: {words[:300]}")
        sys.exit(1)


def _found(**content: Any) -> None:
    _tell(found=content)


def _tell(**content: Any) -> None:
    print(MARK + json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
