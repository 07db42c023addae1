"""Scoring reads the lineage that the harness writes, and refuses what is none in a sentence."""

import numpy as np
import pytest
from population_trees import BAD, GOOD, NEXT, SPACE, evolved

from algoperf_lite.population import lineage as harness_lineage
from scoring.logs import lineage
from scoring.logs.format import LINEAGE


@pytest.fixture
def path(tmp_path):
    return tmp_path / LINEAGE


@pytest.mark.parametrize("seed", range(5))
def test_both_readers_tell_the_same_ancestry(path, seed):
    found = evolved(num_generations=12, seed=seed)
    harness_lineage.write(path, found)
    own = lineage.read(str(path))
    winner = harness_lineage.winner(found)
    assert own.winner == winner
    for member in (winner, 3, 15):
        stretches = dict(harness_lineage.ancestry(found, member))
        for name in SPACE:
            course = own.course(name, member)
            held = None
            for step, value in zip(own.steps_G, course, strict=True):
                held = stretches.get(step, held)
                assert value == held[name]


def test_a_line_and_its_course_by_hand(path):
    last = NEXT.replace(": 1,", ": 2,").replace(": 10,", ": 20,").replace("0.5, null", "0.5, 0.4")
    path.write_text(GOOD + NEXT + last.replace("1.25", "4.0"))
    own = lineage.read(str(path))
    assert own.winner == 1
    assert own.line(1).tolist() == [0, 0, 1] and own.line(0).tolist() == [0, 0, 0]
    # The winner copied member 0 at step 10; what it copied at 20 it never trained with.
    assert own.course("x", 1).tolist() == [1.0, 1.25, 1.25]
    assert np.isnan(own.fitness_GxM[1, 1])


def test_the_start_alone(path):
    path.write_text(GOOD)
    own = lineage.read(str(path))
    assert own.winner is None and own.course("x", 1).tolist() == [2.0]


def test_a_torn_end_is_left_out_and_no_file_is_no_lineage(path):
    assert lineage.read(str(path)) is None
    path.write_text(GOOD + NEXT[:-1])
    assert lineage.read(str(path)).steps_G.tolist() == [0]
    path.write_text(GOOD[:-1])
    with pytest.raises(ValueError, match="no complete generation"):
        lineage.read(str(path))


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_lineage_is_refused_in_a_sentence(path, name):
    text = BAD[name]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="lineage.jsonl is damaged in line [12] ") as error:
        lineage.read(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


def test_a_folder_and_a_flood(path, monkeypatch):
    path.mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        lineage.read(str(path))
    path.rmdir()
    monkeypatch.setattr(lineage, "_MOST_BYTES", 100)
    path.write_text(GOOD)
    with pytest.raises(ValueError, match="has more than"):
        lineage.read(str(path))
