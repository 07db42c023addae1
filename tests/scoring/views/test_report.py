"""The report in a real browser: what is on the page, and what a press does."""

import pytest
from report_pages import (
    BENCHMARK,
    TIMES,
    assert_fits,
    opened,
    requests,
    write_page,
    write_tree,
)

import scoring

SECTIONS = (
    *("leaderboard", "profile", "time-to-target", "curves", "learning-rate", "budgets"),
    *("speedups", "ranks", "ledger", "hardware", "statuses"),
)
TAUS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("logs"))


def press(browser, *names):
    for chip in browser.find_elements("css selector", ".chip"):
        if chip.text in names:
            chip.click()


def shown_scores(browser):
    """{submission: (place, score)} of the rows that are not hidden, all digits."""
    return dict(
        browser.execute_script(
            "return $$('#leaderboard tbody tr').filter((r) => !r.hidden).map((r) => ["
            "DATA.submissions[r.dataset.submission],"
            "['place', 'score'].map((f) => Number($(`[data-field=${f}]`, r).dataset.value))])"
        )
    )


def shown_profile(browser):
    """{submission: shares solved within each tau of the table}."""
    return dict(
        browser.execute_script(
            "return $$('#profile tbody tr').filter((r) => !r.hidden).map((r) => ["
            "DATA.submissions[r.dataset.submission],"
            "$$('td', r).map((c) => Number(c.dataset.value))])"
        )
    )


def test_every_section_is_there_and_nothing_is_loaded(browser, logs, tmp_path):
    page = write_page(logs, tmp_path / "deep" / "report.html")
    opened(browser, page)
    assert browser.get_log("browser") == []
    assert requests(browser) == [page.as_uri()]
    for section in SECTIONS:
        box = browser.find_element("id", section)
        assert box.find_element("css selector", "h2").text
        assert not box.find_elements("css selector", ".empty"), section
    for section in ("profile", "curves", "learning-rate", "speedups", "ledger"):
        drawn = browser.find_elements("css selector", f"#{section} .canvas svg")
        assert drawn and all(svg.find_element("css selector", "title") for svg in drawn)
    assert "1 crashed" in browser.find_element("css selector", "details.failure").text
    trace = browser.find_element("css selector", "details.failure pre")
    assert trace.get_attribute("textContent") == "Traceback:\n  x < y & z\nValueError"
    assert "A <fast> CPU" in browser.find_element("id", "hardware-table").text


@pytest.mark.parametrize(
    ("mode", "by", "only_present"),
    [("exact", "time", False), ("official", "time", False), ("exact", "steps", True)],
)
@pytest.mark.parametrize("away", [(), ("fast",), ("middling",), ("fast", "slow_start")])
def test_leaving_submissions_out_gives_the_scores_of_the_rest(
    browser, logs, tmp_path, mode, by, only_present, away
):
    options = {"mode": mode, "by": by, "only_present": only_present}
    page = write_page(logs, tmp_path / "report.html", **options)
    opened(browser, page)
    before = browser.find_element("css selector", "#profile svg").get_attribute("outerHTML")
    press(browser, *away)
    rest = write_tree(tmp_path / "rest", [name for name in TIMES if name not in away])
    board = scoring.score(rest, BENCHMARK, **options)
    scores = shown_scores(browser)
    assert list(scores) == [entry.submission for entry in board.rows]
    assert [place for place, _ in scores.values()] == list(range(1, len(board.rows) + 1))
    profile = shown_profile(browser)
    for entry in board.rows:
        assert scores[entry.submission][1] == pytest.approx(entry.score, abs=1e-12)
        ratios = list(entry.ratio_to_best.values())
        expected = [sum(r <= tau for r in ratios) / len(ratios) for tau in TAUS]
        assert profile[entry.submission] == pytest.approx(expected, abs=1e-12)
    after = browser.find_element("css selector", "#profile svg").get_attribute("outerHTML")
    assert bool(away) == (before != after)
    assert not browser.get_log("browser")


def test_the_case_is_not_trivial(logs):
    """Without "fast", "last" comes within four times the fastest: more than its row goes away."""
    whole = scoring.score(logs, BENCHMARK)
    assert len({entry.score for entry in whole.rows}) == 4
    assert any(0 < e.score < 1 for e in whole.rows)
    gated = {e.submission: e.gated for e in whole.rows}["last"]
    assert gated["alpha"] == float("inf")


def test_the_last_one_to_go_brings_all_back_and_so_does_show_all(browser, logs, tmp_path):
    opened(browser, write_page(logs, tmp_path / "report.html"))
    whole = shown_scores(browser)
    press(browser, *TIMES)
    assert shown_scores(browser) == whole
    press(browser, "fast", "last")
    assert len(shown_scores(browser)) == 2
    assert browser.find_element("id", "field-note").is_displayed()
    browser.find_element("id", "show-all").click()
    assert shown_scores(browser) == whole
    assert not browser.find_element("id", "field-note").is_displayed()


def test_intervals_are_not_shown_for_a_field_they_do_not_hold_for(browser, logs, tmp_path):
    opened(browser, write_page(logs, tmp_path / "report.html"))
    cells = browser.find_elements("css selector", "#leaderboard [data-field=interval]")
    whole = [cell.text for cell in cells]
    assert all(" to " in text for text in whole)
    press(browser, "fast")
    cells = browser.find_elements(
        "css selector", "#leaderboard tr:not([hidden]) [data-field=interval]"
    )
    assert {cell.text for cell in cells} == {"–"}
    press(browser, "fast")
    cells = browser.find_elements("css selector", "#leaderboard [data-field=interval]")
    assert [cell.text for cell in cells] == whole


def test_toggles_work_from_the_keyboard_and_say_so(browser, logs, tmp_path):
    from selenium.webdriver.common.keys import Keys

    opened(browser, write_page(logs, tmp_path / "report.html"))
    chip = browser.find_element("css selector", ".chip")
    assert chip.get_attribute("aria-pressed") == "true"
    chip.send_keys(Keys.SPACE)
    assert chip.get_attribute("aria-pressed") == "false"
    assert len(shown_scores(browser)) == 3
    steps = browser.find_element("css selector", "[data-set='axis:steps']")
    before = browser.find_element("css selector", "#curves svg").get_attribute("outerHTML")
    steps.send_keys(Keys.ENTER)
    assert steps.get_attribute("aria-pressed") == "true"
    curves = browser.find_element("css selector", "#curves svg")
    assert "steps" in curves.get_attribute("aria-label")
    assert curves.get_attribute("outerHTML") != before
    for name in ("spread:each", "spread:anytime", "ledgerBy:workload", "share:25%"):
        browser.find_element("css selector", f"[data-set='{name}']").send_keys(Keys.ENTER)
    for name in ("logX", "logY"):
        browser.find_element("css selector", f"[data-flip={name}]").send_keys(Keys.ENTER)
    for box in browser.find_elements("css selector", "#curves .canvas, #ledger .canvas"):
        assert "NaN" not in box.get_attribute("innerHTML")
    assert not browser.get_log("browser")


def test_both_themes_have_their_own_paper(browser, logs, tmp_path):
    opened(browser, write_page(logs, tmp_path / "report.html"))
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(paper)
    browser.find_element("id", "theme").click()
    assert browser.execute_script(paper) != before
    browser.find_element("id", "theme").click()
    assert browser.execute_script(paper) == before


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_only_boxes_scroll_sideways(browser, logs, tmp_path, width):
    page = write_page(logs, tmp_path / "report.html")
    assert_fits(browser, page, width)


def test_logs_of_others_say_what_they_lack(browser, tmp_path):
    logs = write_tree(tmp_path / "logs", ["fast"], info=None)
    for path in logs.glob("*/*/*/*/eval_measurements.csv"):
        path.write_text(path.read_text().replace("learning_rate", "loss"))
    opened(browser, write_page(logs, tmp_path / "report.html"))
    empty = browser.find_elements("css selector", ".empty")
    said = {e.find_element("xpath", "./ancestor::section").get_attribute("id") for e in empty}
    assert said == {"learning-rate", "speedups", "ranks", "ledger", "hardware"}
    assert not browser.get_log("browser")
