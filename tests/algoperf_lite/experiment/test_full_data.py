"""Data at full scale: what is said where they are not, before anything starts."""

import subprocess
import sys

import pytest

from algoperf_lite.data import folders
from algoperf_lite.experiment import full_data

CLI = [sys.executable, "-m", "algoperf_lite", "run", "--submissions=nadamw", "--scale=full"]


def test_a_folder_is_given_or_the_variables(tmp_path, monkeypatch):
    monkeypatch.delenv(folders.VARIABLE, raising=False)
    assert folders.given(None) is None
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path))
    assert folders.given(None) == str(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert folders.given("data") == str(tmp_path / "data")


def test_what_is_missing_is_named_by_family_and_file(tmp_path):
    with pytest.raises(ValueError, match="nobody has named their folder; give --data_dir, or set"):
        full_data.check(["ogbg"], None)
    with pytest.raises(ValueError, match=f"--data_dir={tmp_path}/x is no folder; "):
        full_data.check(["ogbg"], str(tmp_path / "x"))
    with pytest.raises(ValueError, match=f"data of wmt are missing in {tmp_path}: .* and 3 more; "):
        full_data.check(["wmt"], str(tmp_path))
    with pytest.raises(ValueError, match="data of wmt are missing .*, and so are data of ogbg; "):
        full_data.check(["wmt", "ogbg_gelu", "ogbg"], str(tmp_path))
    with pytest.raises(ValueError, match=", and 2 other workloads' data are incomplete too; "):
        full_data.check(["wmt", "ogbg", "mnist"], str(tmp_path))


def test_other_machines_look_at_their_own_disks(tmp_path):
    full_data.check(["ogbg"], str(tmp_path / "x"), is_here=False)


def test_workloads_that_read_nothing_need_no_folder():
    full_data.check(["digits"], None)


@pytest.mark.slow
def test_a_run_without_data_ends_in_one_sentence_and_leaves_no_trace(tmp_path):
    output = tmp_path / "out"
    done = subprocess.run(
        [*CLI, "--workloads=ogbg,wmt", f"--data_dir={tmp_path}", f"--output_dir={output}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "data of ogbg are missing in" in done.stderr
    assert not output.exists()
