"""Every workload through the shipped conformance checks."""

import pytest

import workloads
from algoperf_lite import testing


@pytest.mark.parametrize("name", workloads.names())
def test_workload_conforms(name):
    testing.check_workload(workloads.load(name))
