"""Every workload and every variant through the shipped conformance checks."""

import pytest

import workloads
from algoperf_lite import testing

FAMILIES = workloads.names()
VARIANTS = [variant for family in FAMILIES for variant in workloads.variants(family)]


@pytest.mark.parametrize("name", [*FAMILIES, *VARIANTS])
def test_workload_conforms(name):
    testing.check_workload(workloads.load(name))
