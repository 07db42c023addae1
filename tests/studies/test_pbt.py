"""Ways to search at equal steps: what each spends, whom halving keeps, and what the table says."""

import pytest

import workloads
from algoperf_lite.submission import find
from studies import grid, pbt, ways

pytestmark = pytest.mark.slow
WORKLOAD = workloads.load("digits", "lite")


def search(way, members=8):
    payload = {
        "way": list(way),
        "submission": str(find.locate("nadamw")),
        "members": members,
        "seed": 3,
        "target": 0.98,
    }
    return ways.Search(WORKLOAD, payload, lambda: None)


def steps(way, members=8):
    """Of all members, without training any."""
    made = search(way, members)
    active, spent, step = [True] * made.rules.size, 0, 0
    for stop in made.looks():
        spent += (stop - step) * sum(active)
        step = stop
        if way.rule == "halving":
            losses = [float(i) for i in range(len(active))]
            active = made.halved(active, losses, step)
    return spent, active


@pytest.mark.parametrize("way", ways.WAYS, ids=lambda way: way.name)
def test_each_way_spends_the_steps_of_as_many_whole_runs(way):
    spent, _ = steps(way)
    assert 0.85 * 8 * WORKLOAD.step_hint <= spent <= 8 * WORKLOAD.step_hint


def test_halving_keeps_the_better_half_at_each_rung_and_never_who_diverged():
    halving = next(way for way in ways.WAYS if way.rule == "halving")
    made = search(halving)
    _, active = steps(halving)
    size = made.rules.size
    assert size == 25 and [i for i, kept in enumerate(active) if kept] == [0, 1, 2]
    first = next(stop for stop in made.looks() if stop >= ways.RUNGS[0] * WORKLOAD.step_hint)
    losses = [None] * 20 + [0.5, 0.1, 0.2, 0.3, 0.4]
    kept = made.halved([True] * size, losses, first)
    assert sum(kept) == 12 and all(kept[20:])
    assert made.halved([True] * size, losses, 1) == [True] * size


def test_ways_begin_with_the_same_points_and_the_own_point_is_everybody_s():
    own, random, constant, _, population, _ = (search(way, 4).initial().points for way in ways.WAYS)
    assert random == constant == population and len({p["learning_rate"] for p in random}) == 4
    assert len({p["learning_rate"] for p in own}) == 1
    assert {p["horizon"] for p in (*own, *random)} == {1.0}


def test_the_table_compares_with_random_search_by_seed():
    found = {
        ("digits", way, seed): ways.Course(
            0.9, 0.8 + 0.1 * (way.rule == "pbt") + 0.01 * seed, 90 if seed else None, 100
        )
        for way in ways.WAYS
        for seed in range(2)
    }
    lines = list(pbt.table(found, "digits", "accuracy"))
    row = next(line for line in lines if line.startswith("| population |"))
    assert row == (
        "| population | 100 | 0.9 (0.9-0.9) | 0.905 (0.9-0.91) | -0.1 (-0.1 to -0.1) | 1/2, 90 |"
    )
    found["digits", pbt.BASELINE, 1] = ways.Course(None, None, None, 100)
    row = next(x for x in pbt.table(found, "digits", "accuracy") if x.startswith("| random"))
    assert "diverged in 1 of 2" in row


def test_a_course_is_trained_once_and_then_recalled(tmp_path):
    def trained():
        payload = {
            "submission": str(find.locate("nadamw")),
            "workload": "digits",
            "target": 0.3,
            "way": list(ways.WAYS[-1]),
            "members": 2,
            "budget": 0.1,
            "seed": 5,
        }
        return grid.conduct("studies.pbt", {tmp_path / "one.json": payload})[0]

    found = trained()
    assert found["steps"] == 120 and found["steps_to_target"] % 2 == 0
    assert 0.3 <= found["validation"] <= 1 and 0 < found["test"] <= 1
    assert found["runs"] == 2 and 0 < found["training_seconds"] < found["wall_seconds"]
    assert trained() == found
