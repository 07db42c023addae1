"""One accelerator, measured: full workloads, lite workloads in every mode, populations, trials.

    python -m studies.accelerator --budget=540

Prints tables, and keeps all findings in a JSON file that is whole after each of them. Sections:
"card", what the device is and can; "full", a step of the nine workloads at AlgoPerf's batch and at
a quarter of it, beside AlgoPerf's published times; "lite", every mode of stepping against bare
loops; "populations", members that train as one program; "trials", experiments as users run them.
--tiny tries all paths on a CPU.
"""

from studies.accelerator.study import SMOKE, add_flags, run

__all__ = ["SMOKE", "add_flags", "run"]
