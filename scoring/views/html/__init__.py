"""One leaderboard as one HTML file that needs no server, no network and no other file.

Its figures are inline SVG drawn by a few hundred lines of our own JavaScript: plotly would add
megabytes to every page and uPlot has no step profiles and no print, and a reader can review ours.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from scoring.benchmark import Benchmark
from scoring.leaderboard import Leaderboard, score
from scoring.views.html.page import context

FOLDER = Path(__file__).parent
SCRIPTS = (
    *("dom", "chart", "score", "profile", "curves", "populations"),
    *("speedups", "ledger", "tables", "page"),
)
STYLES = ("style", "tables", "charts", "populations", "media")


def write(
    directory: str | Path,
    output: str | Path,
    *,
    benchmark: str | Path | Benchmark = "lite",
    ruleset: str = "external",
    mode: str = "exact",
    by: str = "time",
    figures: str | Path | None = None,
    only_present: bool = False,
    strict: bool = False,
    allow_mixed_hardware: bool = False,
    allow_mixed_timing: bool = False,
    reference: str | None = None,
) -> Path:
    """Write the report of every submission logged under a directory; returns its path.

    Args:
      output: the HTML file; folders above it are made.
      figures: folder for the same figures as SVG and PDF files, see `scoring.views.figures.write`.
      others: as for `scoring.score`, which also says what is raised.
    """
    board = score(
        *(directory, benchmark, ruleset, mode, by),
        only_present=only_present,
        strict=strict,
        allow_mixed_hardware=allow_mixed_hardware,
        allow_mixed_timing=allow_mixed_timing,
        reference=reference,
    )
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    partial.write_text(render(board, directory), encoding="utf-8")
    partial.replace(path)
    if figures is not None:
        from scoring.views.figures import write as write_figures

        write_figures(board, figures)
    return path


def render(board: Leaderboard, root: str | Path) -> str:
    """The page of a leaderboard as text; `root` is where the trials' paths start."""
    # Here and not at the top: only reports need jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = "".join(["'use strict';\n", *(_asset(f"{name}.js") for name in SCRIPTS)])
    style = "".join(_asset(f"{name}.css") for name in STYLES)
    found = context(board, Path(root))
    return environment.get_template("page.html.j2").render(
        **{**found, "data": Markup(found["data"])},
        script=Markup(script),
        style=Markup(style),
        policy=_policy(script, style),
    )


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """A content security policy: our script and our style, and nothing from anywhere else."""

    def source(text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    return (
        f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
