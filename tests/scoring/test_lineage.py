"""Scoring reads the lineage that the harness writes, and refuses what is none in a sentence."""

import numpy as np
import pytest
from population_trees import SPACE, evolved

import algoperf_lite.lineage
from scoring import lineage

GOOD = (
    '{"generation": 0, "step": 0, "fitness": [null, null], "parents": [0, 1], '
    '"hyperparameters": {"x": [1.0, 2]}}\n'
)
NEXT = (
    '{"generation": 1, "step": 10, "fitness": [0.5, null], "parents": [0, 0], '
    '"hyperparameters": {"x": [1.0, 1.25]}}\n'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / lineage.FILE


@pytest.mark.parametrize("seed", range(5))
def test_both_readers_tell_the_same_ancestry(path, seed):
    found = evolved(num_generations=12, seed=seed)
    algoperf_lite.lineage.write(path, found)
    own = lineage.read(str(path))
    winner = algoperf_lite.lineage.winner(found)
    assert own.winner == winner
    for member in (winner, 3, 15):
        stretches = dict(algoperf_lite.lineage.ancestry(found, member))
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


BAD = {
    "text": "step,loss\n",
    "a number": "3\n",
    "a list": "[1]\n",
    "empty": "{}\n",
    "deep": "[" * 100_000 + "\n",
    "twice": GOOD + GOOD,
    "no later step": GOOD + NEXT.replace("10", "0"),
    "negative step": GOOD.replace('"step": 0', '"step": -1'),
    "huge step": GOOD.replace('"step": 0', '"step": 1e300'),
    "no members": GOOD.replace("[0, 1]", "[]"),
    "no such parent": GOOD.replace("[0, 1]", "[0, -1]"),
    "parent is text": GOOD.replace("[0, 1]", '[0, "1"]'),
    "nan": GOOD.replace("2]", "NaN]"),
    "infinite": GOOD.replace("2]", "1e999]"),
    "huge": GOOD.replace("2]", "1e200]"),
    "huge integer": GOOD.replace("2]", "1" + "0" * 4000 + "]"),
    "value is text": GOOD.replace("2]", '"<script>alert(1)</script>"]'),
    "true": GOOD.replace("2]", "true]"),
    "null": GOOD.replace("2]", "null]"),
    "too few": GOOD.replace(", 2]", "]"),
    "values are no list": GOOD.replace("[1.0, 2]", "7"),
    "fitness is text": GOOD.replace("null]", '"x"]'),
    "other names": GOOD + NEXT.replace('"x"', '"y"'),
    "members left": GOOD
    + NEXT.replace("[0.5, null]", "[0.5]").replace("[0, 0]", "[0]").replace("[1.0, 1.25]", "[1]"),
    "not utf-8": b"\xff\xfe\n",
}


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
