"""Variants drawn by a seed: one of each base, always the same, and they gate their base."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scoring
from scoring import benchmark as benchmarks
from scoring.benchmark import Benchmark, Target

TARGET = Target("accuracy", 0.5, 100)
BASES = ("a", "b", "b_c", "d")
VARIANTS = ("a_x", "a_y", "a_z", "b_x", "b_y", "b_c_x", "b_c_y")
BENCH = Benchmark("b", BASES, (), dict.fromkeys((*BASES, *VARIANTS), TARGET), {})


@given(st.integers(0, 2**40))
def test_a_seed_draws_one_variant_of_each_base_that_has_some(seed):
    drawn = BENCH.with_held_out(seed).held_out_workloads
    assert [BENCH.base_of(variant) for variant in drawn] == ["a", "b", "b_c"]
    assert drawn == BENCH.with_held_out(seed).held_out_workloads
    fewer = dataclasses.replace(BENCH, base_workloads=("b", "b_c"))
    assert fewer.with_held_out(seed).held_out_workloads == drawn[1:], "bases are independent"


def test_every_variant_can_be_drawn():
    drawn = {v for seed in range(60) for v in BENCH.with_held_out(seed).held_out_workloads}
    assert drawn == set(VARIANTS)


def test_without_variants_there_is_nothing_to_draw():
    bare = Benchmark("bare", ("a",), (), {"a": TARGET}, {})
    with pytest.raises(ValueError, match="'bare' has targets for no variants"):
        bare.with_held_out(0)


def test_a_drawn_variant_that_was_missed_takes_the_credit_of_its_base(trial_of):
    drawn = BENCH.with_held_out(0)
    (gate,) = [v for v in drawn.held_out_workloads if v.startswith("a_")]
    times = {
        "steady": dict.fromkeys((*BASES, *drawn.held_out_workloads), 10.0),
        "narrow": dict.fromkeys((*BASES, *drawn.held_out_workloads), 10.0) | {gate: None},
    }
    trials = [
        trial_of(name, 1, workload, trial=1, time=time)
        for name, row in times.items()
        for workload, time in row.items()
    ]
    scores = {e.submission: e.score for e in scoring.score_trials(trials, drawn).rows}
    assert scores == {"steady": 1.0, "narrow": 0.75}
    ungated = {e.submission: e.score for e in scoring.score_trials(trials, BENCH).rows}
    assert ungated == {"steady": 1.0, "narrow": 1.0}


def test_the_shipped_variants_belong_to_their_families():
    lite = benchmarks.load("lite")
    for name in set(lite.workloads) - set(lite.base_workloads):
        assert name in lite.variants_of(lite.base_of(name))
