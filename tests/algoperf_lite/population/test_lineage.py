"""A lineage on disk: every digit survives, a torn end is left out, anything else is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf_lite.population import evolution, lineage
from algoperf_lite.population.config import PopulationConfig
from algoperf_lite.population.evolution import Generation

SPACE = {
    "learning_rate": {"min": 1e-4, "max": 1e-1, "scaling": "log"},
    "layers": {"feasible_points": [1, 2, 4]},
}
RULES = PopulationConfig(4, 10)


def evolved(num_generations, seed=0):
    """Generations whose third member diverges now and then."""
    found, rng = [evolution.initial(SPACE, RULES, seed)], np.random.default_rng(seed)
    for number in range(1, num_generations):
        losses = rng.normal(size=4).astype(np.float32)
        losses[2] = np.nan if number % 3 == 1 else losses[2]
        found.append(evolution.generation(found, 10 * number, losses, SPACE, RULES, seed))
    return tuple(found)


@pytest.fixture
def path(tmp_path):
    return tmp_path / lineage.FILE


def test_perturbed_values_survive_save_and_restore_exactly(path):
    whole = evolved(30)
    for generation in whole:
        lineage.append(path, generation)
    assert lineage.read(path) == whole
    kinds = [{type(point["layers"]) for point in g.points} for g in lineage.read(path)]
    assert set.union(*kinds) == {int}


@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    loss=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_number_survives(tmp_path_factory, value, loss):
    path = tmp_path_factory.mktemp("lineage") / lineage.FILE
    one = Generation(0, 0, (loss, None), (1, 0), ({"x": value}, {"x": 3}))
    lineage.write(path, [one])
    assert lineage.read(path) == (one,)


def test_resuming_anywhere_gives_the_same_file(tmp_path):
    whole = evolved(12)
    lineage.write(tmp_path / "whole", whole)
    for kept in range(1, 12):
        path = tmp_path / f"resumed_{kept}"
        lineage.write(path, whole[: min(kept + 2, 12)])  # the logs may be ahead of a checkpoint
        with path.open("a") as file:
            file.write('{"generation": 12, "st')
        found = lineage.read(path)[:kept]
        lineage.write(path, found)
        for past in whole[kept:]:
            again = evolution.generation(found, past.step, past.fitness, SPACE, RULES, 0)
            lineage.append(path, again)
            found = (*found, again)
        assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_torn_end_is_left_out(path):
    whole = evolved(3)
    lineage.write(path, whole)
    data = path.read_bytes()
    start_of_last = data[:-1].rindex(b"\n") + 1
    for length in range(start_of_last, len(data)):
        path.write_bytes(data[:length])
        assert lineage.read(path) == whole[:2]


GOOD = (
    '{"generation": 0, "step": 0, "fitness": [null, 1.5], "parents": [0, 1], '
    '"hyperparameters": {"x": [1.0, 2.0]}}\n'
)


@pytest.mark.parametrize(
    "text",
    [
        "step,loss\n1,2\n",
        "[]\n",
        "3\n",
        "{}\n",
        "[" * 100_000 + "\n",
        GOOD + GOOD,  # a second generation 0
        GOOD.replace('"step": 0', '"step": "0"'),
        GOOD.replace("[0, 1]", "[0, 2]"),
        GOOD.replace("[0, 1]", "[0, 1.0]"),
        GOOD.replace("[0, 1]", "[]"),
        GOOD.replace("[1.0, 2.0]", "[1.0]"),
        GOOD.replace("2.0", "NaN"),
        GOOD.replace("2.0", "1e999"),
        GOOD.replace("2.0", "1" + "0" * 400),
        GOOD.replace("2.0", "null"),
        GOOD.replace("1.5", '"1.5"'),
        GOOD.replace("1.5", "Infinity"),
        GOOD
        + GOOD.replace('"generation": 0', '"generation": 1')
        .replace("[0, 1]", "[0]")
        .replace("[null, 1.5]", "[1.5]")
        .replace("[1.0, 2.0]", "[1.0]"),
    ],
)
def test_what_is_no_lineage_is_refused_in_a_sentence(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a lineage: line [12] is no generation") as error:
        lineage.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_nothing_to_read(path):
    with pytest.raises(ValueError, match="cannot read the lineage .*: No such file"):
        lineage.read(path)
    path.write_text(GOOD.rstrip("\n"))
    with pytest.raises(ValueError, match="no complete generation"):
        lineage.read(path)
    path.write_text(GOOD)
    assert lineage.read(path)[0].fitness == (None, 1.5)


def past(number, fitness, parents, values):
    points = tuple({"x": value} for value in values)
    return Generation(number, 10 * number, fitness, parents, points)


# Who goes on from whom, and with which x:   0   1   2
FAMILY = (
    past(0, (None, None, None), (0, 1, 2), (1.0, 2.0, 3.0)),
    past(1, (0.5, 0.4, 0.6), (0, 1, 1), (1.0, 2.0, 2.5)),
    past(2, (0.5, 0.4, 0.3), (2, 1, 2), (3.5, 2.0, 2.5)),
    past(3, (0.2, 0.4, None), (0, 1, 0), (3.5, 2.0, 4.5)),
)


def test_the_winner_is_the_best_of_the_last_generation():
    assert lineage.winner(FAMILY) == 0
    assert [lineage.winner(FAMILY[:length]) for length in (2, 3)] == [1, 2]
    assert lineage.winner([past(0, (0.1, None, 0.1), (0, 1, 2), (1, 1, 1))]) == 0
    with pytest.raises(ValueError, match="no member of generation 0 has a fitness"):
        lineage.winner(FAMILY[:1])


def test_ancestry_is_what_the_weights_went_through():
    # Member 0 at the end went on from 2, which had gone on from 1.
    assert lineage.ancestry(FAMILY, 0) == ((0, {"x": 2.0}), (10, {"x": 2.5}), (20, {"x": 3.5}))
    assert lineage.ancestry(FAMILY, 1) == ((0, {"x": 2.0}),)
    assert lineage.ancestry(FAMILY, 2) == ((0, {"x": 2.0}), (10, {"x": 2.5}))
    assert lineage.ancestry(FAMILY[:1], 2) == ((0, {"x": 3.0}),)
