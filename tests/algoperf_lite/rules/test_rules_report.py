"""Findings as text, as JSON and as an exit code."""

import json

from algoperf_lite.rules import report
from algoperf_lite.rules.findings import NEEDS_REVIEW, finding, in_order

VIOLATION = finding("clock-access", "mine.py:12", "import of `time`")
REVIEW = finding("host-callback", "mine.py:3", "`jax.[debug].callback`", NEEDS_REVIEW)


def test_text_says_what_where_why_and_how_to_fix():
    text = report.render([VIOLATION, REVIEW], "mine").plain
    assert text.index("mine.py:3") < text.index("mine.py:12")  # by line, not by letters
    assert "`jax.[debug].callback`: static reading" in text  # no markup of rich's
    assert "violation  clock-access  mine.py:12\n  import of `time`: a submission" in text
    assert f"To fix: {VIOLATION.fix}" in text
    assert text.endswith("\nmine: 1 violation and 1 place that a person must read")


def test_the_last_line_is_the_verdict():
    assert report.render([], "mine").plain == "mine: no finding"
    verdict = report.verdict([REVIEW, finding("syntax", "a.py:1", "x", NEEDS_REVIEW)], "mine")
    assert verdict == "mine: 2 places that a person must read; no violation"


def test_only_violations_fail():
    assert report.exit_code([]) == report.exit_code([REVIEW]) == 0
    assert report.exit_code([REVIEW, VIOLATION]) == 1


def test_json_holds_all_of_it():
    found = json.loads(json.dumps(report.to_json([VIOLATION, REVIEW, REVIEW], "mine")))
    assert (found["submission"], found["violations"], found["needs_review"]) == ("mine", 1, 1)
    assert found["findings"][1] == {
        "rule": "clock-access",
        "severity": "violation",
        "place": "mine.py:12",
        "why": VIOLATION.why,
        "fix": VIOLATION.fix,
    }


def test_order_is_by_file_and_line_and_each_once():
    places = ["b.py:2", "a.py:10", "a.py:9", "a.py:9"]
    found = in_order(finding("api", place, "x") for place in places)
    assert [f.place for f in found] == ["a.py:9", "a.py:10", "b.py:2"]
