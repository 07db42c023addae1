"""One leaderboard as one HTML file that needs no server, no network and no other file.

Its figures are inline SVG drawn by a few hundred lines of our own JavaScript: plotly would add
megabytes to every page and uPlot has no step profiles and no print, and a reader can review ours.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.leaderboard import Leaderboard
from scoring.views.files import replacing
from scoring.views.html.page import context

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent
# Concatenated in this order, so that each finds what it uses above it.
SCRIPTS = (
    *("dom", "chart", "score", "profile", "curves", "populations", "diagnostics"),
    *("speedups", "importance", "ledger", "tables", "controls", "page"),
)
STYLES = ("style", "tables", "charts", "populations", "media")


def write(board: Leaderboard, root: str | Path, output: str | Path) -> Path:
    """Write a leaderboard's page; returns its path.

    Args:
      root: the directory of logs that the leaderboard is of.
      output: the HTML file; folders above it are made.
    """
    path = Path(output)
    with replacing(path) as partial:
        partial.write_text(render(board, root), encoding="utf-8")
    return path


def render(board: Leaderboard, root: str | Path) -> str:
    """The page of a leaderboard as text; `root` is where the trials' paths start."""
    from markupsafe import Markup

    script, style = script_of(SCRIPTS), style_of(STYLES)
    found = context(board, Path(root))
    return template("page.html.j2").render(
        **{**found, "data": Markup(found["data"])},
        script=Markup(script),
        style=Markup(style),
        policy=policy(script, style),
    )


@functools.cache  # a site has a hundred pages of one template
def template(name: str, folder: Path = FOLDER) -> Template:
    """A template of this folder, or of another one."""
    # Here and not at the top: only reports need jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Everything is escaped: names and errors come from strangers. An undefined name in a template
    # raises here, and does not become an empty cell.
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def script_of(names: Iterable[str]) -> str:
    """Scripts of this folder as one text."""
    return "".join(["'use strict';\n", *(_asset(f"{name}.js") for name in names)])


def style_of(names: Iterable[str]) -> str:
    """Style sheets of this folder as one text."""
    return "".join(_asset(f"{name}.css") for name in names)


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def policy(script: str, style: str) -> str:
    """A content security policy: our script and our style, and nothing from anywhere else."""

    # By hash, so that markup that slipped through could still run no script of its own.
    def source(text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    return (
        f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
