"""Pictures of schedules."""

import matplotlib
import pytest

from algoperf_lite.schedules import plot
from algoperf_lite.schedules.text import parse


def test_a_picture_names_every_schedule_and_is_the_same_twice(tmp_path):
    specs = [parse(text) for text in ("cosine", "uba:phi=5", "power:decay=0.1")]
    settings = dict(matplotlib.rcParams)
    first, second = (
        plot.draw(specs, tmp_path / folder / "a.svg", num_steps=50, peak=0.1) for folder in "ab"
    )
    assert first.read_bytes() == second.read_bytes()
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # letters as text
        words = plot.draw(specs, tmp_path / "words.svg", num_steps=50).read_text()
    for word in ("cosine", "uba(phi=5)", "power(decay=0.1)", "step", "learning rate"):
        assert f">{word}<" in words
    assert dict(matplotlib.rcParams) == settings


def test_a_suffix_chooses_the_kind_of_picture(tmp_path):
    path = plot.draw([parse("linear")], str(tmp_path / "a.png"), num_steps=10)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="unknown kind of picture '.pgn'; did you mean '.png'"):
        plot.draw([parse("linear")], tmp_path / "a.pgn")
