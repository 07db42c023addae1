"""Two boards compared as one HTML file that needs no server, no network and no other file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from scoring.stats.fidelity import Fidelity
from scoring.views import fidelity, fidelity_plot
from scoring.views.files import replacing
from scoring.views.html import policy, style_of, template
from scoring.views.palette import METADATA, STYLE
from scoring.views.text import TYPESET

STYLES = ("style", "tables", "fidelity", "media")


def write(found: Fidelity, output: str | Path) -> Path:
    """Write a comparison's page; returns its path. Folders above it are made."""
    path = Path(output)
    with replacing(path) as partial:
        partial.write_text(render(found), encoding="utf-8")
    return path


def render(found: Fidelity) -> str:
    """The page of a comparison as text."""
    from markupsafe import Markup

    style = style_of(STYLES)
    return template("fidelity.html.j2").render(
        heading=fidelity.heading(found),
        answers=list(zip(fidelity.QUESTIONS, fidelity.answers(found), strict=True)),
        points=fidelity.points(found, TYPESET),
        agreements=fidelity.agreements(found, TYPESET),
        workloads=fidelity.workloads(found, TYPESET),
        notes=fidelity.notes(found),
        plot=_picture(found),
        plot_text=f"Scores of {len(found.points)} submissions, A's against B's",
        style=Markup(style),
        policy=policy("", style),
    )


def _picture(found: Fidelity) -> str:
    """The scatter plot as the address of an image that is its own content."""
    import matplotlib

    # An image and not inline SVG: the page's policy would refuse the drawing its style attributes.
    data = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawn = fidelity_plot.figure(found)
        drawn.savefig(data, format="svg", metadata=METADATA[".svg"])
    return f"data:image/svg+xml;base64,{base64.b64encode(data.getvalue()).decode()}"
