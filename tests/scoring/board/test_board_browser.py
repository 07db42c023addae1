"""The site of a board in a real browser: it fits a phone, loads nothing, complains of nothing."""

from report_pages import assert_fits, opened, requests

from scoring.board import site
from studies.measurements import board_site


def test_pages_fit_a_desktop_and_a_phone_and_ask_for_nothing(browser, tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "board.toml").write_text(board_site.SETTINGS)
    for seed in range(3):
        name = f"<b>submission_{seed}</b>_with_a_name_that_is_long".replace("/", "")
        board_site.add(folder, board_site.files(name, ("digits", "wmt"), 2, seed))
    site.board_build(folder, tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 5
    for page in pages:
        for width in (1280, 390):
            assert_fits(browser, page, width)
        opened(browser, page)
        assert requests(browser) == [page.as_uri()]
        assert browser.get_log("browser") == []
    opened(browser, tmp_path / "site" / "index.html")
    browser.find_element("link text", "Its report").click()
    assert browser.title == "lite_v2: algoperf-lite report"
