"""Levels beyond training again: probing, and variants that are drawn when a pack is verified."""

import dataclasses

import pytest

from algoperf_lite import api, tuning
from algoperf_lite.experiment import jobs, sources
from algoperf_lite.experiment.records import (
    pack_checks,
    replaying,
    secret_variants,
    verification,
)
from algoperf_lite.experiment.records.verdict import OnVariant, Problem, Replayed
from scoring import benchmark

LITE = benchmark.load("lite")
AGAIN = Replayed("x/study_0/digits_jax/trial_1", 30, True, True, 0.0, 1.0)
CLEAN = {"findings": []}


@pytest.fixture
def reached(experiment, monkeypatch):
    """Cases whose workload is said to be fastmri, which has variants; each reached its target."""
    monkeypatch.setattr(secret_variants, "hindrance", lambda case, source: None)
    cases = []
    for case in pack_checks.cases(experiment):
        spec = dataclasses.replace(
            case.spec,
            workload="fastmri",
            config=dataclasses.replace(
                case.spec.config, ruleset=tuning.Ruleset("self", 1, 1, 1.5), budget_by="steps"
            ),
        )
        case = dataclasses.replace(case, workload="fastmri")
        # Cached properties: what the files say is replaced by what is set.
        vars(case).update(spec=spec, record={**case.record, "time_to_target": 1.0})
        cases.append(case)
    return cases


def _tried(cases, experiment, tmp_path, monkeypatch, seed=1, status="reached"):
    specs = []

    def run(given, executor, limits):
        specs.extend(given)
        return [(spec, {"status": status, "steps": 7, "error": None}) for spec in given]

    monkeypatch.setattr(jobs, "run", run)
    kept = sources.find_all(experiment)
    said = list(secret_variants.on_variants(seed, cases, kept, LITE, tmp_path))
    return said, specs


def test_each_submission_is_trained_on_the_drawn_variant(
    reached, experiment, tmp_path, monkeypatch
):
    said, specs = _tried(reached, experiment, tmp_path, monkeypatch)
    variant = next(
        v for v in LITE.with_held_out(1).held_out_workloads if LITE.base_of(v) == "fastmri"
    )
    steps = round(1.5 * LITE.workloads["fastmri"].step_hint)
    assert [one.submission for one in said] == ["nadamw", "nesterov"]
    assert {(one.variant, one.is_reached, one.max_steps) for one in said} == {
        (variant, True, steps)
    }
    for spec in specs:
        assert spec.workload == variant and spec.target == LITE.workloads[variant].value
        assert (spec.max_seconds, spec.max_global_steps) == (None, steps)
    drawn = {
        one.variant
        for seed in range(20)
        for one in _tried(reached, experiment, tmp_path, monkeypatch, seed)[0]
    }
    assert drawn == set(LITE.variants_of("fastmri"))


def test_what_cannot_be_tried_is_a_remark(experiment, reached, tmp_path, monkeypatch):
    own = pack_checks.cases(experiment)  # on digits, which has no variants
    said, _ = _tried(own, experiment, tmp_path, monkeypatch)
    assert said == [
        f"{name} reached no workload that has a variant, so it was tried on none"
        for name in ("nadamw", "nesterov")
    ]
    said, _ = _tried(reached, experiment, tmp_path, monkeypatch, status="crashed")
    assert all("could not be trained: crashed" in one for one in said)
    monkeypatch.setattr(secret_variants, "hindrance", lambda case, source: "of a reason")
    said, _ = _tried(reached, experiment, tmp_path, monkeypatch)
    assert said[0] == "nadamw was not tried on a variant: of a reason"


def test_a_machine_with_other_interfaces_than_its_own_is_not_cut_off(tmp_path):
    assert not secret_variants.is_cut_off(tmp_path / "nowhere")
    (tmp_path / "lo").mkdir()
    assert secret_variants.is_cut_off(tmp_path)
    (tmp_path / "eth0").mkdir()
    assert not secret_variants.is_cut_off(tmp_path)


def _verdict(monkeypatch, recorded, probe=lambda path: CLEAN, tried=(), cut_off=True):
    monkeypatch.setattr(verification, "replay", lambda *given: [AGAIN])
    monkeypatch.setattr(verification, "on_variants", lambda *given: tried)
    monkeypatch.setattr(verification, "is_cut_off", lambda: cut_off)
    options = {"steps": 30, "probe": probe, "held_out_seed": 1}
    return verification.verify(recorded, api._verdict, **options)


def _on_variant(name, is_reached=True):
    return OnVariant(name, "fastmri_tanh", is_reached, 100, 200)


def test_levels_ask_for_each_other(recorded, monkeypatch):
    both = [_on_variant("nadamw"), _on_variant("nesterov")]
    assert _verdict(monkeypatch, recorded, tried=both).level == "L3"
    assert _verdict(monkeypatch, recorded, tried=both, cut_off=False).level == "L2"
    assert _verdict(monkeypatch, recorded, tried=both[:1]).level == "L2"
    assert _verdict(monkeypatch, recorded, probe=None, tried=both).level == "L1"
    missed = [both[0], _on_variant("nesterov", is_reached=False)]
    found = _verdict(monkeypatch, recorded, tried=missed)
    assert found.level == "L2" and found.on_variants == tuple(missed)
    assert "nadamw reaches the target of the drawn fastmri_tanh after 100 of 200 steps" in (
        found.confirmed
    )
    assert "nesterov does not reach the target of the drawn fastmri_tanh in 100 of 200 steps" in (
        found.remarks
    )


def test_what_probing_finds_is_a_problem_and_nothing_is_trained(recorded, monkeypatch):
    def probe(path):
        finding = {"place": f"{path.name}:3", "rule": "name-dependent", "severity": "violation"}
        return {"findings": [finding]}

    monkeypatch.setattr(verification, "replay", lambda *given: pytest.fail("it was trained"))
    found = verification.verify(recorded, api._verdict, steps=30, probe=probe)
    assert found.level is None
    assert {problem.kind for problem in found.rows} == {"rules"}
    assert Problem("rules", "nadamw", "nadamw.py:3: name-dependent, which is a violation") in (
        found.rows
    )


@pytest.mark.parametrize("option", [{"probe": True}, {"held_out_seed": 3}])
def test_more_than_reading_needs_steps(recorded, option):
    with pytest.raises(ValueError, match="goes with training again; give --steps too"):
        api.verify(recorded, **option)


@pytest.mark.slow
def test_an_honest_pack_is_probed(run_here, tmp_path):
    found = api.verify(
        api.pack(run_here, tmp_path / "a.zip").output, steps=30, trials=1, probe=True
    )
    assert (found.level, found.rows) == ("L2", ())


@pytest.mark.slow
def test_a_submission_trains_on_a_variant_to_its_target(experiment, reached, tmp_path):
    # A target that is soon reached: what is looked at is the way there.
    easy = {
        name: dataclasses.replace(target, value=0.4) if name.startswith("fastmri_") else target
        for name, target in LITE.workloads.items()
    }
    goal = dataclasses.replace(LITE, workloads=easy)
    kept, one = sources.find_all(experiment), [c for c in reached if c.submission == "nadamw"][:1]
    [said] = secret_variants.on_variants(1, one, kept, goal, tmp_path)
    assert said.is_reached and 0 < said.steps < said.max_steps
    assert replaying.hindrance(one[0], None) is not None
