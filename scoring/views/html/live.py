"""The page of an experiment that runs: empty at first, it fills itself from a stream of events."""

from __future__ import annotations

from scoring.logs.format import ACCOUNTS
from scoring.views.html import policy, script_of, style_of, template
from scoring.views.text import json_block

# The charts are the report's own, so what they draw has the names that it has there.
SCRIPTS = ("dom", "chart", "curves", "ledger", "controls", "live_data", "live")
STYLES = ("style", "tables", "charts", "live", "media")
_EMPTY = {
    "by": "time",
    "unit": "seconds",
    **{name: [] for name in ("submissions", "workloads", "targets", "curves", "times")},
    "learningRates": [],
    "ledger": {"accounts": list(ACCOUNTS), "rows": []},
}


def render(name: str) -> str:
    """The page for a directory of that name, as text; it asks for `events` beside itself."""
    from markupsafe import Markup

    script, style = script_of(SCRIPTS), style_of(STYLES)
    return template("live.html.j2").render(
        name=name,
        data=Markup(json_block(_EMPTY)),
        script=Markup(script),
        style=Markup(style),
        policy=f"{policy(script, style)}; connect-src 'self'",
    )
