"""Stamps of events: the child's word on when something happened, as far as it can be true."""

import math

import pytest

from algoperf_lite.executors.stamps import Stamps

BEGAN = 1000.0


def test_a_parent_that_hears_late_goes_by_the_childs_stamps():
    stamps = Stamps(BEGAN)
    for name, at in (("beat", 1001.0), ("closing", 1003.0), ("closed", 1008.0), ("result", 1009.0)):
        stamps.take(name, at, heard=2000.0)
    assert (stamps.closing, stamps.closed, stamps.finding) == (1003.0, 1008.0, "")


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        (999.9, "is stamped 1.100 s before what came ahead of it"),
        (1000.9, "is stamped 0.100 s before what came ahead of it"),
        (1005.5, "is stamped 0.500 s after it was heard of"),
        (None, "has the time None, which is none"),
        (math.nan, "has the time nan, which is none"),
        ("1002.0", "has the time '1002.0', which is none"),
        (True, "has the time True, which is none"),
    ],
)
def test_a_stamp_that_cannot_be_true_is_a_finding_and_is_not_used(at, sentence):
    stamps = Stamps(BEGAN)
    stamps.take("beat", 1001.0, heard=1001.5)
    stamps.take("closed", at, heard=1005.0)
    assert stamps.finding == f"the event 'closed' of its process {sentence}"
    assert stamps.closed == 1005.0
    stamps.take("result", 1006.0, heard=1006.0)
    assert "'closed'" in stamps.finding  # the first one stays


def test_an_event_that_a_submission_writes_is_replaced_by_the_harness_s_own():
    """It may stamp what it writes as it likes, but never so that it gains by it."""
    stamps = Stamps(BEGAN)
    stamps.take("closing", 1000.5, heard=1001.0)
    stamps.take("closed", 1000.5, heard=1001.0)
    for name in ("closing", "closed"):
        stamps.take(name, 1010.0, heard=1011.0)
    assert (stamps.closing, stamps.closed, stamps.finding) == (1010.0, 1010.0, "")
