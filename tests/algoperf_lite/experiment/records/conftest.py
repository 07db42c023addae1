"""A pack of a real run, and the directory that it was packed from."""

from pathlib import Path

import pytest

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
