"""Training steps compile for an H100 that is not there, and cost there what the table says."""

import subprocess

import pytest

import workloads
from algoperf_lite.training.modes import modes_on
from tests.device_less import environment, programs
from tests.device_less.__main__ import UNABLE

pytestmark = [pytest.mark.slow, pytest.mark.device_less]


# A few programs of all that `make device-less` compiles, since each takes tens of seconds: many
# steps a dispatch have the kernels of one step, and a loop whose length must be known.
@pytest.mark.parametrize("family", workloads.names())
def test_steps_cost_an_h100_what_the_table_says(family):
    chosen = environment.python()
    if chosen is None:
        pytest.skip(environment.wanting())
    only = programs.Program(family, kind=modes_on("gpu")[0]).name
    done = subprocess.run(
        [chosen, "-m", "tests.device_less", "check", f"--only={only}"],
        capture_output=True,
        text=True,
        env=environment.variables(),
        cwd=environment.ROOT,
    )
    if done.returncode == UNABLE:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert only in done.stdout
