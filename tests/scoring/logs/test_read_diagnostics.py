"""Scoring reads the looks that the harness writes, and refuses what are none in a sentence."""

import json

import numpy as np
import pytest
from diagnosed_trials import BAD, FIRST, LOOK

from scoring.logs import diagnostics
from scoring.logs.format import DIAGNOSTICS


@pytest.fixture
def path(tmp_path):
    return tmp_path / DIAGNOSTICS


def test_what_a_look_lacks_is_unknown(path):
    path.write_text(json.dumps(FIRST) + "\n" + json.dumps(LOOK) + "\n")
    found = diagnostics.read(str(path))
    assert found.steps_R.tolist() == [0, 10]
    assert np.isnan(found.losses_R[0]) and found.losses_R[1] == 1.5
    assert found.spikes_R.tolist() == [False, True]
    assert np.isnan(found.clipped_R[0]) and found.clipped_R[1] == 1.0
    assert found.not_finite == (None, "gradient of `a/kernel`")
    assert found.trees["params"]["weight"].tolist() == [3.0, 4.0]
    bias = found.trees["gradient"]["bias"]
    assert bias[0] == 0.25 and np.isnan(bias[1])  # null: it was not finite
    assert found.trees["moved"] == {}


def test_a_torn_end_is_left_out_and_no_file_is_no_looks(path):
    assert diagnostics.read(str(path)) is None
    path.write_text(json.dumps(FIRST) + "\n" + json.dumps(LOOK))
    assert diagnostics.read(str(path)).steps_R.tolist() == [0]
    path.write_text(json.dumps(FIRST))
    with pytest.raises(ValueError, match="no complete look"):
        diagnostics.read(str(path))


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_look_is_refused_in_a_sentence(path, name):
    text = BAD[name]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(
        ValueError, match="^diagnostics.jsonl (is damaged in line|has more)"
    ) as error:
        diagnostics.read(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


def test_a_folder_and_a_flood(path, monkeypatch):
    path.mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        diagnostics.read(str(path))
    path.rmdir()
    monkeypatch.setattr(diagnostics, "_MOST_BYTES", 10)
    path.write_text(json.dumps(FIRST) + "\n")
    with pytest.raises(ValueError, match="has more than"):
        diagnostics.read(str(path))
