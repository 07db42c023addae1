"""Notes which modules of ours hold a marked value. Runs as `sitecustomize` in every process.

`walk` copies this file; it knows nothing of the tree that is walked but the path of its root. A
module is noted where one of its functions is given or returns the value, alone or in a dict, list,
tuple or dataclass. Other objects are not opened: what holds everything would pass on nothing.
"""

import atexit
import dataclasses
import json
import os
import sys
import threading
import time

ROOT, FOUND = os.environ["WALK_ROOT"] + os.sep, os.environ["WALK_FOUND"]
SEED = int(os.environ["WALK_SEED"])  # of the experiment: stands for its configuration
NAME = os.environ["WALK_NAME"]  # of a hyperparameter: stands for its point
_DEPTH = 4

_readings = set()  # what the ledger said, in this process and those before it
_order = []  # (journey, module), each once
if os.path.exists(FOUND):
    with open(FOUND) as _file:
        for _line in _file:
            _readings.update(json.loads(_line)["readings"])


def _held(value, depth=_DEPTH):
    """The journeys whose marked value is in `value`."""
    if isinstance(value, bool) or depth == 0:
        return
    if isinstance(value, int) and value == SEED:
        yield "configuration"
    elif isinstance(value, float) and value in _readings:
        yield "second"
    elif isinstance(value, dict):
        if NAME in value:
            yield "point"
        for inner in list(value.values())[:100]:
            yield from _held(inner, depth - 1)
    elif isinstance(value, (tuple, list)):
        if hasattr(value, NAME):
            yield "point"
        for inner in value[:100]:
            yield from _held(inner, depth - 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for inner in list(vars(value).values()):
            yield from _held(inner, depth - 1)


def _note(module, value):
    for journey in set(_held(value)):
        if (journey, module) not in _order:
            _order.append((journey, module))


def _on_event(frame, event, value):
    path = frame.f_code.co_filename
    if event not in ("call", "return") or not path.startswith(ROOT) or path.endswith("<string>"):
        return
    module = path.removeprefix(ROOT).removesuffix(".py").removesuffix("/__init__")
    if not module.startswith(("algoperf_lite/", "scoring/", "workloads/")):
        return
    module = module.replace("/", ".")
    if event == "call":
        arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount + 10]
        for name in arguments:
            if name in frame.f_locals:
                _note(module, frame.f_locals[name])
    else:
        if module.endswith("clock"):
            said = value.values() if isinstance(value, dict) else [value]
            _readings.update(one for one in said if isinstance(one, float) and one > 0)
        _note(module, value)


def _write():
    sys.setprofile(None)
    line = json.dumps({"ended": time.time(), "order": _order, "readings": sorted(_readings)})
    with open(FOUND, "a") as file:
        file.write(line + "\n")


atexit.register(_write)
threading.setprofile(_on_event)
sys.setprofile(_on_event)
