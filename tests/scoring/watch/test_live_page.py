"""The live page in a real browser: it fills itself, it follows, and names are text."""

import json

import pytest
from report_pages import requests
from running_trees import add_row, end, write_experiment, write_running
from selenium.webdriver.support.ui import WebDriverWait

from scoring.watch import server

NAMES = ("<img src=x onerror=alert(1)>", "{{7*7}}", "line\u2028separator", "no_utf8_\udcff")


@pytest.fixture
def logs(tmp_path):
    write_experiment(tmp_path / "logs <b>x")
    for name in NAMES:
        write_running(tmp_path / "logs <b>x", name, rows=6)
    return tmp_path / "logs <b>x"


def until(browser, is_so):
    """Waits until something is so on the page; a machine may be busy."""
    return WebDriverWait(browser, 60, poll_frequency=0.1).until(lambda _: is_so())


def text(browser, selector):
    # In one go: the page is made anew every tenth of a second, and its elements with it.
    script = "return document.querySelector(arguments[0]).textContent"
    return browser.execute_script(script, selector)


def opened(browser, address):
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(address)
    until(browser, lambda: "not finished" in text(browser, "#ended"))


def test_it_fills_itself_and_follows(browser, logs):
    with server.serving(logs, seconds=0.1) as address:
        opened(browser, address)
        assert text(browser, "#ended") == "0 of 6 trials ended, 4 not finished."
        names = browser.execute_script("return $$('.chip').map((chip) => chip.textContent)")
        assert names == sorted("".join(c if c.isprintable() else "?" for c in n) for n in NAMES)
        assert len(browser.find_elements("css selector", "#running tbody tr")) == 4
        assert browser.find_elements("css selector", "#curves svg path.line")
        assert browser.find_elements("css selector", "#machine svg path.line")
        folder = logs / NAMES[1] / "study_0" / "alpha_jax" / "trial_1"
        add_row(folder)
        until(
            browser, lambda: "110" in text(browser, "#running tbody tr")
        )  # the newest comes first
        end(folder, status="crashed", error="ValueError: <script>alert(1)</script>")
        until(browser, lambda: text(browser, "#ended").startswith("1 of 6 trials ended, 3 not"))
        assert "<script>alert(1)</script>" in text(browser, "#failures")
        assert browser.find_elements("css selector", "#ledger svg rect.a0")
        for button in browser.find_elements("css selector", "button"):
            browser.execute_script("arguments[0].click()", button)
        assert "NaN" not in browser.find_element("css selector", "main").get_attribute("innerHTML")
        what = "document.images, document.scripts, $$('b > *, [onerror]')"
        assert browser.execute_script(f"return [{what}].map((l) => l.length)") == [0, 2, 0]
        assert browser.get_log("browser") == []
        where = address.partition("?")[0]
        assert all(url.startswith(where) for url in requests(browser))
    until(browser, lambda: text(browser, "#connection").startswith("not connected"))


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_only_boxes_scroll_sideways(browser, logs, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        with server.serving(logs, seconds=0.1) as address:
            opened(browser, address)
            wide, room = browser.execute_script(
                "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
            )
            assert wide == room <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_has_nothing_of_its_own(logs):
    from scoring.views.html import live

    page = live.render("</script><b>")
    assert "</script><b>" not in page and "&lt;/script&gt;&lt;b&gt;" in page
    data = page.partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(data)["submissions"] == []
