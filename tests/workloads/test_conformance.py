"""Every workload and every variant through the shipped conformance checks."""

import pytest

import workloads
from algoperf_lite import testing
from scoring import benchmark

FAMILIES = workloads.names()
VARIANTS = [variant for family in FAMILIES for variant in workloads.variants(family)]
FIRST = [variant for family in FAMILIES for variant in workloads.variants(family)[:1]]
QUICK = ("digits", "criteo1tb")  # compile in a second or two


@pytest.mark.parametrize("name", QUICK)
def test_workload_conforms(name):
    testing.check_workload(workloads.load(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        # Half a minute each: of each family one variant, and the others where workloads change.
        pytest.param(name, marks=() if name in (*FAMILIES, *FIRST) else pytest.mark.long)
        for name in [*FAMILIES, *VARIANTS]
        if name not in QUICK
    ],
)
def test_every_other_workload_conforms(name):
    testing.check_workload(workloads.load(name))


def test_the_newest_benchmark_has_a_target_of_every_family_and_variant():
    newest = benchmark.load("lite")
    assert sorted(newest.workloads) == sorted([*FAMILIES, *VARIANTS])
