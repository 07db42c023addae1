"""Documents: what they link to and name exists, and they stay short enough to be read."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Folders that documents name by their path in the repository.
TOP = ("algoperf_lite", "docs", "scoring", "studies", "submissions", "tests", "workloads")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


def _documents() -> list[Path]:
    """All Markdown files of the repository, new ones included and ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError):  # a copy without its history
        return sorted(path for path in ROOT.rglob("*.md") if ".venv" not in path.parts)
    return [ROOT / line for line in found.stdout.splitlines() if (ROOT / line).is_file()]


DOCUMENTS = _documents()
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def _anchors(path: Path) -> set[str]:
    """Anchors that GitHub gives to a page's headings."""
    text = _FENCED.sub("", path.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@each_document
def test_links_lead_somewhere(path):
    broken = []
    for target in _LINK.findall(_FENCED.sub("", path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue  # another site: no test looks there
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken, f"{path.relative_to(ROOT)} links to {broken}, which are not there"


@each_document
def test_named_files_exist(path):
    """A path in backticks that begins with a folder of ours is one of a file or folder there."""
    missing = []
    for code in _CODE.findall(_FENCED.sub("", path.read_text())):
        is_path = re.fullmatch(r"[\w./\-]+", code) and code.partition("/")[0] in TOP
        if is_path and "/" in code and not (ROOT / code).exists():
            missing.append(code)
    assert not missing, f"{path.relative_to(ROOT)} names {missing}, which are not there"


def test_there_are_documents_to_look_at():
    assert ROOT / "README.md" in DOCUMENTS
    assert len([path for path in DOCUMENTS if path.parent == ROOT / "docs"]) >= 10


def test_the_readme_fits_and_its_first_screen_holds_table_and_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 110
    screen = "\n".join(lines[:40])
    assert "| --- |" in screen or "| ---: |" in screen
    for command in ("make quickstart", "make test", "algoperf-lite run", "algoperf-lite score"):
        assert command in screen


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_pages_are_short(path):
    assert len(path.read_text().splitlines()) <= 150


def test_the_readme_leads_to_every_page():
    readme = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme, f"neither README nor CONTRIBUTING links {page.name}"


def test_the_plan_of_the_house_names_its_rooms():
    """The table of docs/architecture.md has each room of the harness once, and no other."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("## The rooms")[2].partition("\n## ")[0]
    rooms = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    there = {
        path.stem
        for path in (ROOT / "algoperf_lite").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and not path.stem.startswith("__")
    }
    assert sorted(rooms) == sorted(there)
