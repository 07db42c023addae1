"""The process of one item of a section: it prepares, waits for its turn, and measures.

A section is a module beside this one with `prepare(item, tiny, say)`, which returns what measures.
"""

import argparse
import sys
import time
import traceback

from studies.accelerator import card, findings, full, lite, populations

_SECTIONS = {"card": card, "full": full, "lite": lite, "populations": populations}


def main() -> None:
    """Prepares and measures what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("section", choices=_SECTIONS)
    parser.add_argument("item")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--compile_only", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        section = _SECTIONS[arguments.section]
        measure = section.prepare(arguments.item, arguments.tiny, findings.found)
        findings.tell(ready=time.monotonic() - began)
        # The parent closes the pipe, or says that this process has the device to itself.
        if not arguments.compile_only and sys.stdin.readline():
            measure()
    except Exception as error:
        # Whatever it was is this item's finding; the log has where.
        traceback.print_exc()
        words = " ".join(str(error).split())
        findings.found(error=f"{type(error).__name__}: {words[:300]}")
        sys.exit(1)


if __name__ == "__main__":
    main()
