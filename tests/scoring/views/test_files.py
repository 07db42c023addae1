"""Files are whole or not there."""

import pytest

from scoring.views.files import replacing


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "deep" / "page.html"
    with replacing(path) as partial:
        partial.write_text("first")
        assert not path.exists() and partial.suffix == ".html"
    with pytest.raises(OSError, match="disk"), replacing(path) as partial:
        partial.write_text("half")
        raise OSError("no room on the disk")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]
