"""Populations in the report: their figures in a real browser, and damaged lineages."""

import pytest
from population_trees import BAD, GOOD, SPACE, evolved, write_population
from report_pages import (
    INFO,
    assert_fits,
    opened,
    requests,
    write_page,
    write_tree,
)

from scoring.logs.format import LINEAGE
from scoring.views.html import populations


def page_of(logs, folder):
    return write_page(logs, folder / "report.html")


def blocks(browser):
    return browser.find_elements("css selector", "#populations details")


def test_without_populations_there_is_no_such_section(browser, tmp_path):
    opened(browser, page_of(write_tree(tmp_path / "logs", ["fast"]), tmp_path))
    assert not browser.find_elements("css selector", "#populations, a[href='#populations']")
    assert not browser.get_log("browser")


def test_every_figure_of_a_population(browser, tmp_path):
    logs = write_tree(tmp_path / "logs")
    write_population(logs, info=INFO)
    page = opened(browser, page_of(logs, tmp_path))
    assert browser.get_log("browser") == [] and len(requests(browser)) == 1
    assert browser.find_element("css selector", "nav a[href='#populations']")
    (block,) = blocks(browser)
    names = [f.text for f in block.find_elements("css selector", "figcaption strong")]
    assert names[0] == "learning_rate" and set(names) == {*SPACE, "Family tree"}
    drawn = block.find_elements("css selector", ".canvas > svg")
    assert len(drawn) == 6
    labels = [svg.get_attribute("aria-label") for svg in drawn]
    assert labels[0] == "nadamw+pbt(16) on alpha: learning_rate by steps"
    assert labels[-1] == "nadamw+pbt(16) on alpha: family tree of 16 members over 20 generations"
    says = [svg.find_element("css selector", "desc").get_attribute("textContent") for svg in drawn]
    assert "the winner's goes from" in says[0] and "on the winner's line" in says[-1]
    assert all(len(svg.find_elements("css selector", ".winner")) == 1 for svg in drawn[:-1])
    tree = drawn[-1]
    dots = tree.find_elements("css selector", ".member, .gone")
    assert len(dots) == 16 * 21
    fitness = [v for g in evolved()[1:] for v in g.fitness]
    assert len(tree.find_elements("css selector", ".gone")) == fitness.count(None)
    winner_line = tree.find_element("css selector", ".won").get_attribute("d")
    assert winner_line.count("M") == 20
    assert "NaN" not in block.get_attribute("innerHTML")
    browser.find_element("css selector", "[data-submission]").click()
    assert not page.get_log("browser")


def test_many_are_folded_and_drawn_when_they_open(browser, tmp_path):
    logs = tmp_path / "logs"
    for study in range(6):
        write_population(logs, study=study, found=evolved(4, 3, seed=study), info=INFO)
    opened(browser, page_of(logs, tmp_path))
    found = blocks(browser)
    assert [block.get_attribute("open") is not None for block in found] == [True] * 4 + [False] * 2
    assert not found[5].find_elements("css selector", ".canvas svg")
    found[5].find_element("css selector", "summary").click()
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    assert len(found[5].find_elements("css selector", ".canvas svg")) == 6


def test_damaged_lineages_cost_a_sentence_and_nothing_else(browser, tmp_path):
    logs = write_tree(tmp_path / "logs", ["fast"])
    write_population(logs, info=INFO)
    for place, text in enumerate(BAD.values()):
        path = write_population(logs, name="bad", study=place, info=INFO)
        (path / LINEAGE).write_bytes(text if isinstance(text, bytes) else text.encode())
    page = opened(browser, page_of(logs, tmp_path))
    found = blocks(browser)
    assert len(found) == 1 + len(BAD)
    for block in found:
        browser.execute_script("arguments[0].open = true", block)
        bad = "bad" in block.find_element("css selector", "summary").text
        assert len(block.find_elements("css selector", ".empty")) == bad
        assert bool(block.find_elements("css selector", "figure")) != bad
    assert browser.execute_script("return document.scripts.length") == 2
    assert not page.get_log("browser")


def test_names_of_hyperparameters_are_text(browser, tmp_path):
    evil = "</script><img src=x onerror=alert(1)>"
    logs = tmp_path / "logs"
    path = write_population(logs, info=INFO)
    text = GOOD.replace('"x": [1.0, 2]', f'"{evil}": [1e-99, 1e99], "\\u2028\\udcff": [-1e99, 3]')
    (path / LINEAGE).write_text(
        text + text.replace(": 0,", ": 1,").replace("null, null", "1e99, -1")
    )
    page = opened(browser, page_of(logs, tmp_path))
    assert page.execute_script("return document.images.length") == 0
    names = [f.text for f in browser.find_elements("css selector", "#populations figcaption")]
    assert evil in names and "??" in names
    assert "NaN" not in blocks(browser)[0].get_attribute("innerHTML")
    assert not page.get_log("browser") and len(requests(browser)) == 1


def test_the_start_alone_and_a_population_that_died(browser, tmp_path):
    logs = tmp_path / "logs"
    whole = evolved(4, 3)
    write_population(logs, found=whole[:1], info=INFO)
    path = write_population(logs, study=1, found=whole[:1], info=INFO)
    (path / LINEAGE).write_text(GOOD + GOOD.replace(": 0,", ": 1,"))
    opened(browser, page_of(logs, tmp_path))
    start, dead = blocks(browser)
    assert "Nobody was measured yet" in start.text
    assert "none won" in dead.text and "2 of 2 had diverged" in dead.text
    assert len(dead.find_elements("css selector", ".gone")) == 2 + 1  # and one in the legend
    assert not browser.get_log("browser")


def test_a_large_population_keeps_the_page_small(tmp_path, monkeypatch):
    logs = tmp_path / "logs"
    write_population(logs, found=evolved(100, 90), info=INFO)
    page = page_of(logs, tmp_path)
    assert "100 members over 90 generations are too many to draw a family tree" in page.read_text()
    monkeypatch.setattr(populations, "MOST_GENERATIONS", 20)
    assert page_of(logs, tmp_path).stat().st_size < 200_000


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_only_boxes_scroll_sideways(browser, tmp_path, width):
    logs = tmp_path / "logs"
    write_population(logs, info=INFO)
    page = page_of(logs, tmp_path)
    assert_fits(browser, page, width)
