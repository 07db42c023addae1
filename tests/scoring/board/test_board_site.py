"""The site of a board: the same bytes each time, text from strangers as text, nothing replaced."""

import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scoring.board import entries, readme, site, standings
from studies.measurements import board_site

ATOM = "{http://www.w3.org/2005/Atom}"
WORKLOADS = ("digits", "wmt")
EVIL = "</title><img src=x onerror=alert(1)> {{7*7}} & \"'] www.example.org @all | `x`"
NAMES = (
    "<img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "=cmd|' -C calc'!A0",
    "a|b`c [x](#x) @all www.example.org",
    "]]>&lt;b&gt;<!--",
    "-rf ..; $(touch x)",
)


@pytest.fixture
def board(tmp_path):
    """A board of three entries: two of one submission, on two machines, and another's."""
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "board.toml").write_text(board_site.SETTINGS)
    _add(folder, "one", 0)
    _add(folder, "two", 1)
    _add(folder, "one", 2, key="f" * 16, cpu="other")
    return folder


def _add(folder, name, seed, machine=None, **facts):
    machine = machine or {**board_site.MACHINE, **facts}
    made = board_site.files(name, WORKLOADS, 2, seed)
    for path in [path for path in made if path.endswith("trial.json")]:
        made[path] = json.dumps({**json.loads(made[path]), "fingerprint": machine}).encode()
    return board_site.add(folder, made, fingerprints={machine["key"]: machine})


def _content(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


class Page(HTMLParser):
    """Links and other references of a page, its ids and tags, and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.tags, self.text = [], set(), set(), ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            self.links += [value] if name in ("href", "src", "action", "data", "srcset") else []
            self.ids |= {value} if name == "id" else set()
            assert not name.startswith("on") and name != "style"

    def handle_data(self, data):
        self.text += data


# --- what is built ------------------------------------------------------------------------------


def test_the_same_board_gives_the_same_bytes(board, tmp_path):
    found = site.board_build(board, tmp_path / "a")
    first = _content(tmp_path / "a")
    elsewhere = shutil.copytree(board, tmp_path / "elsewhere")
    site.board_build(elsewhere, tmp_path / "b")
    site.board_build(board, tmp_path / "a")  # takes the place of the first
    assert first == _content(tmp_path / "a") == _content(tmp_path / "b")
    assert (found.num_entries, found.num_files) == (3, len(first) - 1)


def test_pages_refer_to_nothing_outside_and_every_link_leads_somewhere(board, tmp_path):
    site.board_build(board, tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 1 + 3 + 2
    for path in pages:
        text = path.read_text()
        assert (
            "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text
        )
        assert not re.search(r"\burl\((?!#)", text) and "@import" not in text
        for link in Page(path).links:
            assert not re.match(r"\w+:|//", link) or link == "data:,"
            target, _, anchor = link.partition("#")
            target = path if not target else path.parent / target
            if link != "data:,":
                assert target.resolve().is_file(), link
                assert not anchor or anchor in Page(target).ids, link


def test_machines_of_unlike_classes_are_apart_and_those_of_one_class_together(board):
    found = standings.every(entries.load(board))
    names = [{line.submission for line in one.lines} for one in found]
    assert names == [{"one", "two"}, {"one"}]
    assert found[0].heading == "lite_v2, self ruleset: One machine"
    text = board_site.SETTINGS.replace("facts =", f'keys = ["{"f" * 16}"]\nfacts =')
    (board / "board.toml").write_text(text)
    [whole] = standings.every(entries.load(board))
    line = whole.line_of("one")
    assert len(line.entries) == 2 and line.standing.num_studies == 2


def test_an_entry_has_a_page_for_good_with_its_history_and_level(board, tmp_path):
    first, _, other = entries.load(board).entries
    settings = (board / "board.toml").read_text()
    (board / "board.toml").write_text(
        f'{settings}\n[entries."{first.name}"]\nlevel = "L1"\ndate = 2026-02-03\n'
    )
    site.board_build(board, tmp_path / "site")
    page = Page(tmp_path / "site" / "entries" / f"{first.sha256}.html")
    assert f"../entries/{other.sha256}.html" in page.links
    assert "L1: replayed here" in page.text and "2026-02-03" in page.text
    packed = tmp_path / "site" / "entries" / f"{first.name}.zip"
    assert packed.read_bytes() == first.path.read_bytes()
    index = Page(tmp_path / "site" / "index.html")
    assert f"entries/{first.sha256}.html" in index.links


def test_dates_of_the_feed_are_those_of_packs(board, tmp_path):
    site.board_build(board, tmp_path / "site")
    feed = ElementTree.parse(tmp_path / "site" / "feed.xml").getroot()
    dates = [entry.find(f"{ATOM}updated").text for entry in feed.findall(f"{ATOM}entry")]
    # 1.8e9 seconds and a day each, as the study has it.
    assert dates == [f"2027-01-{day}T00:00:00Z" for day in (17, 16, 15)]
    assert feed.find(f"{ATOM}updated").text == dates[0]
    ids = [found.text for found in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == 4


def test_a_board_without_entries_has_a_page(tmp_path):
    (tmp_path / "board.toml").write_text(board_site.SETTINGS)
    found = site.board_build(tmp_path, tmp_path / "site")
    assert "No entries yet" in Page(found.folder / "index.html").text
    feed = ElementTree.parse(found.folder / "feed.xml").getroot()
    assert feed.find(f"{ATOM}updated").text == "2026-01-01T00:00:00Z"


def test_downloads_are_the_leaderboard(board, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    site.board_build(board, tmp_path / "site")
    stem = tmp_path / "site" / "boards" / "lite_v2-self-one"
    rows = list(csv.DictReader(io.StringIO(Path(f"{stem}.csv").read_text())))
    whole = json.loads(Path(f"{stem}.json").read_text())
    scores = whole["leaderboard"]["scores"]
    assert {row["submission"]: float(row["score"]) for row in rows} == {
        name: found["score"] for name, found in scores.items()
    }
    table = parquet.read_table(f"{stem}.parquet").to_pylist()
    assert [row["score"] for row in table] == [float(row["score"]) for row in rows]
    times = parquet.read_table(f"{stem}-workloads.parquet").to_pylist()
    expected = whole["leaderboard"]["time_to_target"]
    assert len(times) == 4
    assert all(
        row["time_to_target"] == expected[row["submission"]][row["workload"]] for row in times
    )


# --- strangers ----------------------------------------------------------------------------------


def test_names_and_texts_of_strangers_stay_text(tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    settings = board_site.SETTINGS.replace("A board that was made up", "A <b>board</b>")
    (folder / "board.toml").write_text(settings)
    machine = {"key": EVIL, "cpu": EVIL, EVIL: {EVIL: [EVIL]}}
    for seed, name in enumerate(NAMES):
        _add(folder, name, seed, machine)
    found = site.board_build(folder, tmp_path / "site")
    for path in found.folder.rglob("*"):
        assert re.fullmatch(r"[a-z0-9_.-]+", path.name), path.name
    names = {path.name for path in folder.rglob("*")}
    assert all(re.fullmatch(r"[a-z0-9_.-]+", name) for name in names)
    for path in [found.folder / "index.html", *(found.folder / "entries").glob("*.html")]:
        page = Page(path)
        assert not page.tags & {"img", "b", "script"}, path
        assert "{{7*7}}" in page.text
    index = Page(found.folder / "index.html")
    assert all(name in index.text for name in NAMES) and "A <b>board</b>" in index.text
    feed = ElementTree.parse(found.folder / "feed.xml").getroot()
    titles = [title.text for title in feed.iter(f"{ATOM}title")]
    assert any(title.startswith("<img src=x onerror=alert(1)>:") for title in titles)
    [table] = (found.folder / "boards").glob("*-machine-????????.csv")
    cells = [row["submission"] for row in csv.DictReader(io.StringIO(table.read_text()))]
    assert not [cell for cell in cells if cell[0] in "=-@+"]


def test_a_readme_shows_names_as_code(tmp_path):
    (tmp_path / "board.toml").write_text(board_site.SETTINGS)
    (tmp_path / "README.md").write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    for seed, name in enumerate(NAMES):
        _add(tmp_path, name, seed)
    text = readme.text(tmp_path, standings.every(entries.load(tmp_path)))
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == len(NAMES)
    for row in rows:
        # Seven cells, of which the second is one span of code and nothing else is a stranger's.
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 7 and re.fullmatch(r" `[^`]+` ", cells[1])


# --- what does not fit --------------------------------------------------------------------------


def _refused(board, tmp_path, match):
    with pytest.raises(ValueError, match=match) as refused:
        site.board_build(board, tmp_path / "site")
    assert "\n" not in str(refused.value) and not (tmp_path / "site").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"board", "part.zip"}


def test_two_texts_of_one_name_are_refused(board, tmp_path):
    made = board_site.files("two", WORKLOADS, 2, 9)
    board_site.add(board, made, submissions={"two": "0" * 64})
    _refused(board, tmp_path, "have different texts of 'two'; give one another name")


def test_one_text_of_two_names_is_refused(board, tmp_path):
    [text] = entries.load(board).entries[1].submissions.values()
    made = board_site.files("three", WORKLOADS, 2, 9)
    board_site.add(board, made, submissions={"three": text})
    _refused(board, tmp_path, "one text as '(two|three)' and '(two|three)'; use one name")


def test_the_same_rows_are_refused(board, tmp_path):
    made = board_site.files("two", WORKLOADS, 2, 1)
    board_site.add(board, {**made, "experiment.json": b"{}"})
    _refused(board, tmp_path, "hold the same rows .*; keep one")


@pytest.mark.parametrize(
    ("about", "match"),
    [
        ({"benchmark": "lite_v1"}, "is of benchmark 'lite_v1'; this board takes lite_v2"),
        ({"ruleset": "external"}, "is of ruleset 'external'; this board takes self"),
        ({"submissions": {"new": 3}}, "does not say what it is of; pack it anew"),
        ({"fingerprints": {"k": "cpu"}}, "does not say what it is of; pack it anew"),
        ({"fingerprints": {"k": json.loads('{"a":' * 500 + "1" + "}" * 500)}}, "does not say"),
        ({"fingerprints": ["k"]}, "does not say what it is of; pack it anew"),
    ],
)
def test_what_is_of_another_kind_is_refused(about, match, board, tmp_path):
    made = board_site.files("new", WORKLOADS, 2, 9)
    if "does not say" in match:
        with pytest.raises(ValueError, match=match):
            board_site.add(board, made, **about)
        (board / "entries" / "new.zip").rename(board / "entries" / "new-0.zip")
    else:
        board_site.add(board, made, **about)
    _refused(board, tmp_path, match)


def test_too_few_studies_are_refused(board, tmp_path):
    text = (board / "board.toml").read_text()
    (board / "board.toml").write_text(
        text.replace("[hardware", "[rules]\nnum_studies = 3\n[hardware", 1)
    )
    _refused(board, tmp_path, "has 2 studies of a submission on a workload; this board takes 3")


def test_a_pack_under_another_name_is_refused(board, tmp_path):
    one = entries.load(board).entries[0].path
    one.rename(one.with_name("mine.zip"))
    _refused(board, tmp_path, r"is not under the name .* one-\w+.zip; .* use `board add`")


def test_a_damaged_pack_and_a_link_are_refused(board, tmp_path):
    one = entries.load(board).entries[0].path
    whole = one.read_bytes()
    one.write_bytes(whole[:-30])
    _refused(board, tmp_path, "is no sound pack")
    (tmp_path / "part.zip").write_bytes(whole)
    one.unlink()
    one.symlink_to(tmp_path / "part.zip")
    _refused(board, tmp_path, "is not under the name")


def test_only_a_site_is_replaced(board, tmp_path):
    target = tmp_path / "site"
    target.mkdir()
    (target / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="holds 'index.html', which `board build` did not put"):
        site.board_build(board, target)
    assert _content(target) == {"index.html": b"mine"}
    (target / "index.html").unlink()
    site.board_build(board, target)  # an empty folder is as good as none
    (target / "entries" / "notes.txt").write_text("mine")
    before = _content(target)
    with pytest.raises(ValueError, match="holds 'entries/notes.txt'"):
        site.board_build(board, target)
    assert _content(target) == before
    (tmp_path / "link").symlink_to(target, target_is_directory=True)
    with pytest.raises(ValueError, match="is there already and no folder"):
        site.board_build(board, tmp_path / "link")
    with pytest.raises(ValueError, match="holds 'board.toml'"):
        site.board_build(board, board)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("title = ", "titel = ", "setting 'titel' not found; did you mean 'title'"),
        ('["lite_v2"]', '["lite_v9"]', "benchmark 'lite_v9' not found"),
        ('["lite_v2"]', "[]", "names no benchmark or no ruleset"),
        ('["self"]', '["selfish"]', "ruleset 'selfish' not found; did you mean 'self'"),
        ("2026-01-01", '"today"', "began is 'today', expected a date such as"),
        ("[hardware.one]", '[hardware."../x"]', "is no name of small letters"),
        ("facts = ", "fact = ", "did you mean 'facts'"),
        ("began", 'link = "javascript:alert(1)"\nbegan', "is no plain address that ends in /"),
        ("began", 'entries.x.level = "L9"\nbegan', "level of entry 'x' 'L9' not found"),
        ("began", "][", "cannot be used"),
    ],
)
def test_settings_that_are_wrong_are_refused(old, new, match, tmp_path):
    assert old in board_site.SETTINGS
    (tmp_path / "board.toml").write_text(board_site.SETTINGS.replace(old, new, 1))
    with pytest.raises(ValueError, match=match) as refused:
        entries.load(tmp_path)
    assert "board.toml" in str(refused.value)


def test_a_folder_without_settings_is_no_board(tmp_path):
    with pytest.raises(ValueError, match=r"has no board.toml, so it is no board; `board init`"):
        entries.load(tmp_path)
