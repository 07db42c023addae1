"""A few of the cases of `kill_resume`, one for each kind of trial."""

import random

import pytest

from tests.faults import kill_resume

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", kill_resume.KINDS)
def test_killed_at_random_moments_it_ends_as_if_nothing_had_been(kind, tmp_path):
    whole = kill_resume.undisturbed(kind, tmp_path / "whole")
    rng = random.Random(kind)
    # Each death costs a process; those of one kind die of all in `kill_resume` itself.
    moments = rng.sample(kill_resume.MOMENTS, 2 if kind in ("native", "population") else 1)
    deaths = [kill_resume.Kill(moment, rng.randrange(4), rng.random()) for moment in moments]
    assert not kill_resume.run_case(kind, deaths, tmp_path / "killed", whole)


def test_a_difference_would_be_told(tmp_path):
    whole, seconds = kill_resume.undisturbed("native", tmp_path)
    good = whole._replace(record={**whole.record, "directory": str(tmp_path / "second")})
    assert not kill_resume.problems(good, whole, 1, seconds)
    assert "ledger" in kill_resume.problems(good, whole, 1, seconds + 10.0)[0]
    rows = {name: rows[:5] + rows[6:] for name, rows in whole.rows.items()}
    assert "differs" in kill_resume.problems(good._replace(rows=rows), whole, 1, seconds)[0]
