"""Importance of hyperparameters as people see it: the terminal, the page, and words."""

import dataclasses
import io
import re

import pytest
from report_pages import (
    BENCHMARK,
    INFO,
    assert_fits,
    opened,
    requests,
    write_page,
    write_trial,
)
from rich.console import Console

import scoring
from scoring.benchmark import Ruleset
from scoring.views import importance, terminal

RATES = [10.0 ** (-4 + i / 7) for i in range(15)]


def board_of(trial_of, benchmark_of, name="s", num=15, strange=False, **protocol):
    """Trials that are faster for a larger learning rate, and depend on nothing else."""
    trials = []
    for i in range(num):
        point = {"lr": RATES[i], "b1": (7 * i % 15) / 20, "nesterov": i % 2 == 0, "eps": 1e-8}
        if strange:
            point["[bold]kind\x1b"] = f"kind{i}"
        info = {"hyperparameters": point}
        trials.append(trial_of(name, i % 3, "toy", i // 3 + 1, 100.0 - i, info=info))
    return scoring.score_trials(trials, benchmark_of(), scoring.Protocol(**protocol))


def text_of(board, width=100):
    out = io.StringIO()
    terminal.render_importance(board, Console(file=out, width=width))
    return out.getvalue()


def test_a_table_and_sentences(trial_of, benchmark_of):
    text = text_of(board_of(trial_of, benchmark_of))
    assert "s: 15 points on 1 workload" in text
    lines = [line.split() for line in text.splitlines()]
    [row] = [line for line in lines if line[:2] == ["lr", "0.0001"]]
    assert row[3:5] == ["0.01", "+1.00"] and row[-1] == "larger"
    assert re.search(r"lr: larger is better; rho \+1\.00 \(\+0\.\d\d to \+1\.00\)\.", text)
    assert re.search(
        r"15 points cannot tell of the others: a \|rho\| below about 0\.[67]\d may be", text
    )
    [flag] = [line for line in lines if line[:1] == ["nesterov"]]
    assert flag[-4:] == ["-", "-", "not", "told"]  # there is no middle between no and yes


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_it_fits_a_narrow_terminal(trial_of, benchmark_of, width):
    name = "[bold]a_submission_with_a_rather_long_name\x1b"
    text = text_of(board_of(trial_of, benchmark_of, name=name, strange=True), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text and "[bold]kind?" in " ".join(text.split())


@pytest.mark.parametrize("num", [1, 2, 3, 4])
def test_few_points_cannot_tell(trial_of, benchmark_of, num):
    text = " ".join(text_of(board_of(trial_of, benchmark_of, num=num)).split())
    assert f"{num} point{'s' * (num > 1)} cannot tell" in text
    assert "is better" not in text


def test_without_a_search_or_points_it_says_so(trial_of, benchmark_of):
    alone = board_of(trial_of, benchmark_of, ruleset="self")
    [line] = " ".join(text_of(alone, 400).split()).split("\n")
    assert line.startswith("Importance needs a search: under ruleset self")
    bare = scoring.score_trials([trial_of("s", 0, "toy", 1, 5.0)], benchmark_of())
    assert "no trial that counts tells its own" in text_of(bare)


def test_what_the_points_cannot_tell_and_how_many_would(trial_of, benchmark_of):
    trials = [
        trial_of("s", i % 3, "toy", i // 3, time, info={"hyperparameters": {"lr": float(i)}})
        for i, time in enumerate((3, 9, 4, 15, 8, 2, 11, 6, 1, 5, 14, 7, 13, 12, 10.0))
    ]
    [found] = scoring.score_trials(trials, benchmark_of()).importance
    [line] = importance.sentences(found)
    assert line.startswith("15 points cannot tell which hyperparameter matters: a |rho| below")
    assert re.search(r"about \d+ more would tell it, if it is what it looks like\.$", line)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    for name, sign in (("rising", 1), ("<b>falling", -1)):
        for i, rate in enumerate(RATES):
            point = {"learning_rate": rate, "<i>b1</i>": i % 4 / 10, "kind": "x"}
            path = root / name / f"study_{i % 3}" / "alpha_jax" / f"trial_{i // 3 + 1}"
            info = {**INFO, "hyperparameters": point}
            write_trial(path, "alpha", 50.0 - 2 * sign * i, rate, info)
    return root


def test_the_page_has_a_chart_for_each(browser, logs, tmp_path):
    page = write_page(logs, tmp_path / "report.html", only_present=True)
    opened(browser, page)
    assert browser.get_log("browser") == [] and requests(browser) == [page.as_uri()]
    charts = browser.find_elements("css selector", "#importance .canvas svg")
    assert len(charts) == 4
    dots = browser.find_elements("css selector", "#importance .canvas circle")
    assert len(dots) == 4 * len(RATES)
    text = browser.find_element("id", "importance").text
    assert "larger is better" in text and "smaller is better" in text and "<i>b1</i>" in text
    # Who is left out takes the section's part along, and who folds it up gets it drawn anew.
    [chip] = [c for c in browser.find_elements("css selector", ".chip") if c.text == "rising"]
    chip.click()
    shown = [d for d in browser.find_elements("css selector", "#importance details")]
    assert sorted(d.is_displayed() for d in shown) == [False, True]
    for width in (1280, 390):
        assert_fits(browser, page, width)


def test_a_page_without_a_search_has_no_such_section(browser, logs, tmp_path):
    rulesets = {**BENCHMARK.rulesets, "self": Ruleset(2, 1, 1.5)}
    benchmark = dataclasses.replace(BENCHMARK, rulesets=rulesets)
    page = write_page(logs, tmp_path / "report.html", benchmark, only_present=True, ruleset="self")
    opened(browser, page)
    assert browser.get_log("browser") == []
    assert not browser.find_elements("css selector", "#importance, a[href='#importance']")
