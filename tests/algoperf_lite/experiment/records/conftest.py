"""A pack of a real run, and the directory that it was packed from."""

import shutil
from pathlib import Path

import pytest

from algoperf_lite import api
from scoring.logs import pack

# run --submissions=nadamw,nesterov --workloads=digits --num_studies=1 --num_tuning_trials=2
# --rng_seed=7, packed; one of its four trials reached the target.
RECORDED = Path(__file__).with_name("recorded.zip")


@pytest.fixture
def recorded():
    """The file."""
    return RECORDED


@pytest.fixture
def experiment(tmp_path):
    """Its content as a directory."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    pack.read(RECORDED).unpack(folder)
    return folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """A pack of two short trials that were run here, so that the bits are to be the same."""
    folder = tmp_path_factory.mktemp("fresh")
    options = {"tuning_ruleset": "self", "num_studies": 1, "num_workers": 1}
    limits = {"budget_by": "steps", "max_global_steps": 30}
    api.run(["nadamw", "nesterov"], ["digits"], folder / "runs", **options, **limits)
    return api.pack(folder / "runs", folder / "recorded.zip").output


@pytest.fixture
def run_here(fresh, tmp_path):
    """The content of that pack as a directory, the pack beside it."""
    shutil.copy(fresh, tmp_path / "recorded.zip")
    folder = tmp_path / "run_here"
    folder.mkdir()
    pack.read(fresh).unpack(folder)
    return folder
