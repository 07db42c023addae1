"""Diagnostics in the report: their charts in a real browser, and damaged files."""

import pytest
from diagnosed_trials import BAD, looks, write_diagnosed
from report_pages import (
    INFO,
    assert_fits,
    opened,
    requests,
    write_page,
    write_tree,
)

from scoring.logs.format import DIAGNOSTICS
from scoring.views.html import diagnostics

DIVERGED = {**INFO, "status": "diverged", "error": "parameters are not finite after step 110"}
FAILED = {"loss": None, "spike": True, "not_finite": "parameter `a/kernel`"}
EVIL = "</script><img src=x onerror=alert(1)>"


def page_of(logs, folder):
    return write_page(logs, folder / "report.html")


def blocks(browser):
    return browser.find_elements("css selector", "#diagnostics details")


def test_without_diagnostics_there_is_no_such_section(browser, tmp_path):
    opened(browser, page_of(write_tree(tmp_path / "logs", ["fast"]), tmp_path))
    assert not browser.find_elements("css selector", "#diagnostics, a[href='#diagnostics']")
    assert not browser.get_log("browser")


def test_every_chart_of_a_trial_and_what_the_numbers_come_to(browser, tmp_path):
    logs = write_tree(tmp_path / "logs", ["fast"])
    write_diagnosed(logs, looks(), info=INFO)
    write_diagnosed(logs, looks(**FAILED), study=1, info=DIVERGED)
    opened(browser, page_of(logs, tmp_path))
    assert browser.get_log("browser") == [] and len(requests(browser)) == 1
    assert browser.find_element("css selector", "nav a[href='#diagnostics']")
    failed, well = blocks(browser)  # what failed comes first
    assert "study 1" in failed.text and "study 0" in well.text
    says = failed.find_element("css selector", ".note-line").text
    assert says.startswith("Diverged: parameters are not finite after step 110. 12 looks. ")
    assert "1 loss spike, the first by step 110. 50% of gradients were longer" in says
    assert says.endswith("not finite is after step 110: parameter `a/kernel`.")
    assert "spike" not in well.find_element("css selector", ".note-line").text
    titles = [f.text for f in failed.find_elements("css selector", "figcaption")]
    assert titles == ["Training loss", "Gradient norm", "Update to weight", "Parameter norm"]
    for block, num_marks in ((failed, 4), (well, 0)):
        drawn = block.find_elements("css selector", ".canvas > svg")
        assert [len(svg.find_elements("css selector", "path.line")) for svg in drawn] == [
            1,
            2,
            2,
            2,
        ]
        assert len(block.find_elements("css selector", "line.target")) == num_marks
        assert "NaN" not in block.get_attribute("innerHTML")
    kinds = [item.text for item in well.find_elements("css selector", ".accounts li")]
    assert kinds == ["weight", "bias"]
    assert well.find_elements("css selector", ".accounts svg.swatch")


def test_a_spike_is_a_dot(browser, tmp_path):
    logs = tmp_path / "logs"
    write_diagnosed(logs, looks(spike=True, loss=9.0), info=INFO)
    opened(browser, page_of(logs, tmp_path))
    (dot,) = browser.find_elements("css selector", "#diagnostics .canvas .dot")
    assert "spike by step 110" in dot.get_attribute("innerHTML")


def test_of_algoperfs_form_there_is_what_is_known(browser, tmp_path):
    logs = tmp_path / "logs"
    known = [
        {"step": step, "not_finite": None, "params": {"weight": 1.0}, "moved": {"weight": moved}}
        for step, moved in ((1, 0.1), (10, 0.0), (20, 0.2))
    ]
    write_diagnosed(logs, known, info=INFO)
    opened(browser, page_of(logs, tmp_path))
    (block,) = blocks(browser)
    titles = [f.text for f in block.find_elements("css selector", "figcaption")]
    assert titles == ["Parameter norm", "Moved since the last look"]
    assert len(block.find_elements("css selector", ".canvas > svg")) == 2
    assert "NaN" not in block.get_attribute("innerHTML") and not browser.get_log("browser")


def test_many_are_folded_and_drawn_when_they_open(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(diagnostics, "MOST_TRIALS", 5)
    logs = tmp_path / "logs"
    for study in range(6):
        write_diagnosed(logs, looks(), study=study, info=INFO)
    opened(browser, page_of(logs, tmp_path))
    found = blocks(browser)
    assert [block.get_attribute("open") is not None for block in found] == [True] * 4 + [False]
    assert "and 1 more trial." in browser.find_element("css selector", "#diagnostics").text
    assert not found[4].find_elements("css selector", ".canvas svg")
    found[4].find_element("css selector", "summary").click()
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    assert len(found[4].find_elements("css selector", ".canvas svg")) == 4


def test_damage_and_hostile_names_cost_a_sentence_and_nothing_else(browser, tmp_path):
    logs = write_tree(tmp_path / "logs", ["fast"])
    evil = looks(kinds=(EVIL, "\u2028\udcff"), not_finite=EVIL * 9, params={EVIL: 1e99})
    evil[0]["params"] = {EVIL: 1e-300}
    evil[1]["params"] = {EVIL: 1e-99}
    write_diagnosed(logs, evil, info={**DIVERGED, "error": EVIL})
    for place, text in enumerate(BAD.values()):
        path = write_diagnosed(logs, [], name="bad", study=place, info=INFO)
        (path / DIAGNOSTICS).write_bytes(text if isinstance(text, bytes) else text.encode())
    page = opened(browser, page_of(logs, tmp_path))
    found = blocks(browser)
    assert len(found) == 1 + len(BAD)
    for block in found:
        browser.execute_script("arguments[0].open = true", block)
        bad = "bad" in block.find_element("css selector", "summary").text
        assert len(block.find_elements("css selector", ".empty")) == bad
        assert bool(block.find_elements("css selector", "figure")) != bad
        assert "NaN" not in block.get_attribute("innerHTML")
    assert EVIL in found[0].text and "??" in found[0].text
    assert page.execute_script("return document.images.length") == 0
    assert not page.get_log("browser") and len(requests(browser)) == 1


def test_long_files_keep_the_page_small(tmp_path):
    logs = tmp_path / "logs"
    write_diagnosed(logs, looks(5000, kinds=[f"type {i}" for i in range(15)]), info=INFO)
    assert page_of(logs, tmp_path).stat().st_size < 250_000


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_only_boxes_scroll_sideways(browser, tmp_path, width):
    logs = tmp_path / "logs"
    write_diagnosed(logs, looks(kinds=["a_long_type_of_parameters " * 4, "b"]), info=DIVERGED)
    assert_fits(browser, page_of(logs, tmp_path), width)
