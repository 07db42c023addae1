"""Names and errors in a report come from strangers: they are text, whatever they say."""

import csv
import io
import time

import pytest
from report_pages import INFO, opened, requests, write_page, write_trial

from scoring.views.text import json_block, long_text

NAMES = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)<script>",
    'a"b\'c onfocus=alert(1) autofocus x="',
    "x..%2F..%2F..%2Fetc",
    "{{7*7}}{% raw %}",
    "=cmd|' -C calc'!A0",
    "@SUM(1+1)",
    "line\u2028separator",
    "<!--<script>",
    "${alert(1)}",
    "]]>&lt;b&gt;&amp;",
    "_underscore$x$",
    "no_utf8_\udcff",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A tree whose submissions have such names and whose trial.json files say such things."""
    root = tmp_path_factory.mktemp("hostile")
    evil = "</script><img src=x onerror=alert(1)>"
    info = {
        **INFO,
        "status": "crashed",
        "error": evil,
        "traceback": f"{evil}\n\u2028{evil}",
        "ledger": {evil: 1.0, "eval": "x", "nan": None, "wall": 1.0},
        "fingerprint": {evil: evil, "key": "k"},
        "versions": evil,
    }
    for i, name in enumerate(NAMES):
        for study in (0, 1):
            path = root / name / f"study_{study}" / "alpha_jax" / "trial_1"
            write_trial(path, "alpha", 10.0 + i, 1e-3, info)
    return root


def shown(name):
    """The name as people see it: what cannot be printed is a question mark."""
    return "".join(c if c.isprintable() else "?" for c in name)


def write(logs, folder):
    """Scored on the one workload that was run, so that the fastest, the first name, leads."""
    return write_page(logs, folder / "report.html", only_present=True)


def test_names_are_text(browser, hostile, tmp_path):
    page = write(hostile, tmp_path)
    opened(browser, page)
    chips = [c.get_attribute("textContent") for c in browser.find_elements("css selector", ".chip")]
    assert chips == [shown(name) for name in NAMES]
    for chip in browser.find_elements("css selector", ".chip")[:3]:
        chip.click()  # redraws everything, titles and labels too
    for button in browser.find_elements("css selector", "[data-set], [data-flip]"):
        button.click()
    assert browser.execute_script("return document.images.length") == 0
    assert browser.execute_script("return document.scripts.length") == 2
    assert (
        browser.execute_script("return $$('iframe, object, embed, b > *, [onerror]').length") == 0
    )
    assert browser.get_log("browser") == []  # an alert would have raised by now
    assert requests(browser) == [page.as_uri()]
    text = browser.find_element("id", "statuses").get_attribute("textContent")
    assert "</script><img src=x onerror=alert(1)>" in text


def test_the_policy_stops_what_escaping_would_miss(browser, hostile, tmp_path):
    page = write(hostile, tmp_path)
    opened(browser, page)
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend',"
        " '<img src=http://127.0.0.1:9/ onerror=hit=1>');"
        "document.body.append(Object.assign(document.createElement('script'), {text: 'hit = 1'}))"
    )
    time.sleep(0.3)
    assert browser.execute_script("return typeof hit") == "undefined"
    assert "Content Security Policy" in str(browser.get_log("browser"))


def saved(browser, table, folder):
    """The rows of the CSV file that the button of a table saves."""
    behavior = {"behavior": "allow", "downloadPath": str(folder)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    button = browser.find_element("css selector", f"button[data-table={table}]")
    browser.execute_script("arguments[0].click()", button)
    for _ in range(100):
        files = [path for path in folder.glob("*.csv") if path.stat().st_size]
        if files:
            return list(csv.reader(io.StringIO(files[0].read_text(encoding="utf-8"))))
        time.sleep(0.05)
    raise AssertionError(f"nothing was saved: {browser.get_log('browser')}")


def test_a_saved_table_holds_no_formula(browser, hostile, tmp_path):
    opened(browser, write(hostile, tmp_path))
    header, *rows = saved(browser, "leaderboard-table", tmp_path)
    assert header[:3] == ["#", "submission", "score"]
    names = [row[1] for row in rows]
    assert names == [f"'{name}" if name[0] in "=@" else shown(name) for name in NAMES]
    assert float(rows[0][2]) > 0


def test_every_table_can_be_saved(browser, hostile, tmp_path):
    opened(browser, write(hostile, tmp_path))
    tables = {t.get_attribute("id") for t in browser.find_elements("css selector", "table")}
    buttons = browser.find_elements("css selector", "button[data-table]")
    assert tables == {button.get_attribute("data-table") for button in buttons}
    texts = browser.execute_script("return $$('table').map(csvOf)")
    for text in texts:
        for row in csv.reader(io.StringIO(text)):
            assert not any(cell.strip().startswith(("=", "+", "@")) for cell in row)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("-x", "'-x"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ('a "b", c', '"a ""b"", c"'),
        ("\uff1d1+1", "'\uff1d1+1"),
    ],
)
def test_cells(browser, hostile, tmp_path, text, cell):
    if not browser.current_url.endswith("report.html"):
        opened(browser, write(hostile, tmp_path))
    assert browser.execute_script("return csvCell(arguments[0])", text) == cell


def test_json_block_has_nothing_that_ends_a_script():
    block = json_block({"</script>": "<!--\u2028\u2029&\udcff"})
    assert block == ('{"\\u003c/script\\u003e":"\\u003c!--\\u2028\\u2029\\u0026\\udcff"}')
    with pytest.raises(ValueError):
        json_block(float("nan"))


def test_long_text_keeps_its_end_and_its_lines():
    text = long_text("a\x1b[2Jb\n\tc")
    assert text == "a?[2Jb\n        c"
    assert long_text("x" * 9000 + "\nthe end").endswith("\nthe end")
    assert len(long_text("x" * 9000)) < 6100
