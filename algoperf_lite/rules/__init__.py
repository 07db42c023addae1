"""What a submission may not do. AlgoPerf asks for it in prose; here a machine checks it.

`static` reads a submission's files and never runs them. Imports no JAX.
"""

from algoperf_lite.rules.findings import Finding as Finding
from algoperf_lite.rules.findings import catalogue as catalogue
