"""Colours and dashes of all figures; the page has the same ones in style.css and charts.css."""

from __future__ import annotations

# Okabe & Ito's palette: told apart also by the colour-blind. Beyond seven, dashes join in.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))
MARK = "#444444"  # of a target, and of the reference

# On the submission's clock in blue, everything beside it in other colours.
ACCOUNT_COLOURS = {
    "update_params": "#0072B2",
    "data_selection": "#4AA5D8",
    "prepare_for_eval": "#8FCBEB",
    "fitness": "#173F5F",
    "init": "#C3E3F4",
    "compile": "#D55E00",
    "eval": "#009E73",
    "diagnostics": "#7FCFB0",
    "checkpoint": "#CC79A7",
    "log": "#E6B94D",
    "setup": "#B9BBB5",
    "lost": "#85888D",
}
OTHER_ACCOUNT = "#85888D"  # of a ledger that was not written by our harness

# Fixed salt, no dates, TrueType: the same leaderboard gives the same bytes, in fonts that print.
STYLE = {
    "svg.hashsalt": "algoperf-lite",
    "pdf.fonttype": 42,
    "font.size": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e0",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 7.0,
    "legend.handlelength": 1.7,
    "legend.columnspacing": 1.2,
    "text.parse_math": False,  # a "$" in a folder's name is a "$"
}
METADATA = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


def line_style(place: int) -> dict:
    """Colour and dashes, as matplotlib takes them, of the submission at a place from 0."""
    dashes = DASHES[place // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": dashes}
