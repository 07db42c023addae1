"""The rules for submissions. AlgoPerf gives them in prose; here a machine checks them.

`static` reads a submission's files and never runs them; `dry_run` runs it, in a process of its own.
"""

from algoperf_lite.rules.findings import Finding as Finding
from algoperf_lite.rules.rulebook import RULES as RULES
