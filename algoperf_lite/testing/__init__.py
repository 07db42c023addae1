"""Conformance checks for workloads and native submissions, yours as well as ours.

Call them from a test; each raises AssertionError with a sentence on what does not conform.
"""

from algoperf_lite.testing.submissions import check_submission as check_submission
from algoperf_lite.testing.submissions import digest as digest
from algoperf_lite.testing.workloads import check_workload as check_workload
