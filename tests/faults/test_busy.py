"""A few of the trials of `busy`: a busy machine makes no honest trial invalid."""

import pytest

from tests.faults import busy


@pytest.mark.slow
def test_trials_beside_busy_loops_end_as_they_should(tmp_path):
    ends = busy.run(num_trials=10, num_loops=6, folder=tmp_path)
    assert not ends.wrong
    assert len(ends.records) == 10 and set(ends.expected.values()) == {"not_reached", "crashed"}


def test_a_trial_that_ends_otherwise_is_told():
    records = {"a": {"status": "invalid", "error": "why"}, "b": {"status": "crashed"}}
    ends = busy.Ends(records, {"a": "not_reached", "b": "crashed"})
    assert ends.wrong == ["a: invalid (why)"]
