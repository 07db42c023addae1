"""Every submission through the shipped conformance checks; equal numbers in any process."""

import subprocess
import sys

import pytest

import workloads
from algoperf_lite import submission, testing


@pytest.mark.parametrize("name", submission.names())
def test_submission_conforms(name):
    testing.check_submission(submission.load(name), workloads.load("digits"))


@pytest.mark.parametrize("name", [name for name in workloads.names() if name != "digits"])
def test_the_reference_conforms_on_every_workload(name):
    testing.check_submission(submission.load("nadamw"), workloads.load(name))


@pytest.mark.parametrize("name", submission.names())
def test_submission_is_short_and_complete(name):
    entry = submission.load(name)
    lines = [line for line in entry.source.splitlines() if line.strip()]
    assert len(lines) <= 22
    assert set(entry.search_space) == set(entry.self_tuning_point)


@pytest.mark.parametrize("name", workloads.names())
def test_two_processes_compute_the_same_bits(name):
    code = (
        "import workloads\nfrom algoperf_lite import submission, testing\n"
        f"print(testing.digest(workloads.load({name!r}), submission.load('nadamw')))"
    )
    command = [sys.executable, "-c", code]
    found = {
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    }
    assert len(found) == 1
    assert len(found.pop()) == 64
