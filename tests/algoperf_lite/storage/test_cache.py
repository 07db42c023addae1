"""Generated data: kept, made again when damaged, never trusted blindly."""

import numpy as np
import pytest

from algoperf_lite.storage import cache


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The names of everything that was generated, in order."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(cache.NO_CACHE, raising=False)
    return []


def _get(made, name="things-1"):
    def generate():
        made.append(name)
        return {"x": np.arange(1000, dtype=np.int16), "y": np.full(3, np.nan, np.float32)}

    return cache.arrays(name, generate)


def _file():
    (path,) = (cache.folder() / "data").glob("*.npz")
    return path


def test_a_second_process_reads_what_the_first_made(made):
    first, second = _get(made), _get(made)
    assert made == ["things-1"]
    for name, values in first.items():
        assert second[name].dtype == values.dtype
        np.testing.assert_array_equal(second[name], values)
    _get(made, "things-2")
    assert made == ["things-1", "things-2"], "another version of the generator is another file"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "no_hash", "text"])
def test_a_damaged_file_is_made_again_and_said(made, capsys, damage):
    expected = _get(made)
    content = _file().read_bytes()
    middle = len(content) // 2
    _file().write_bytes(
        {
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "cut": content[:middle],
            "empty": b"",
            "no_hash": content.partition(b"\n")[2],
            "text": b"not\nan archive",
        }[damage]
    )
    found = _get(made)
    assert len(made) == 2
    np.testing.assert_array_equal(found["x"], expected["x"])
    message = capsys.readouterr().err
    assert str(_file()) in message
    assert "damaged" in message
    _get(made)
    assert len(made) == 2, "the repaired file is used again"


def test_no_cache_keeps_nothing(made, monkeypatch):
    monkeypatch.setenv(cache.NO_CACHE, "1")
    _get(made)
    _get(made)
    assert len(made) == 2
    assert not cache.folder().exists()


def test_a_folder_that_cannot_be_written_costs_time_only(made, monkeypatch, tmp_path, capsys):
    (tmp_path / "algoperf_lite").write_text("a file where the folder should be")
    assert len(_get(made)["x"]) == 1000
    assert "cannot keep" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["algoperf_lite"]
