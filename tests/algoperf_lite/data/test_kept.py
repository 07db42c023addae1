"""Arrays derived from files: made once, anew where a file changed, and never half."""

import os
import shutil
import threading
import time

import numpy as np
import pytest

from algoperf_lite.data import folders, kept, needed, packing
from algoperf_lite.data.source import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "algoperf_lite" / "full"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data" / "numbers.txt"
    path.parent.mkdir()
    path.write_text("1 2 3")
    return path


def doubled(file):
    def make(out):
        np.save(out / "doubled.npy", 2 * np.fromstring(file.read_text(), sep=" "))

    return make


def test_arrays_are_made_once_and_anew_for_a_file_that_changed(file, cache):
    found = kept.arrays("doubled-1", [file], doubled(file))
    np.testing.assert_array_equal(found["doubled"], [2, 4, 6])
    assert isinstance(found["doubled"], np.memmap) and not found["doubled"].flags.writeable
    again = kept.arrays("doubled-1", [file], lambda out: pytest.fail("made twice"))
    np.testing.assert_array_equal(again["doubled"], [2, 4, 6])
    # The same data in another place are the same data.
    moved = file.parent.parent / "elsewhere" / "data"
    shutil.copytree(file.parent, moved)
    kept.arrays("doubled-1", [moved / file.name], lambda out: pytest.fail("made twice"))
    file.write_text("5")
    assert kept.arrays("doubled-1", [file], doubled(file))["doubled"] == [10]
    assert kept.arrays("doubled-2", [file], doubled(file))["doubled"] == [10]
    assert len(list(cache.iterdir())) == 3


def test_what_fails_leaves_nothing_behind(file, cache):
    def make(out):
        np.save(out / "doubled.npy", np.zeros(3))
        raise DataError("numbers.txt is damaged")

    with pytest.raises(DataError, match="is damaged"):
        kept.arrays("doubled-1", [file], make)
    assert list(cache.iterdir()) == []
    assert kept.arrays("doubled-1", [file], doubled(file))["doubled"][0] == 2


def test_what_is_damaged_is_made_again(file, cache, capsys):
    kept.arrays("doubled-1", [file], doubled(file))
    (path,) = cache.glob("*/doubled.npy")
    path.write_bytes(path.read_bytes()[:-9])
    found = kept.arrays("doubled-1", [file], doubled(file))
    np.testing.assert_array_equal(found["doubled"], [2, 4, 6])
    assert "is damaged" in capsys.readouterr().err


def test_what_was_begun_long_ago_is_cleared_away(file, cache):
    for name, age in ((".doubled-1-aa.old", 3), (".doubled-1-aa.new", 1)):
        (cache / name).mkdir(parents=True)
        (cache / name / "half.npy").touch()
        day = 24 * 3600
        os.utime(cache / name, (time.time() - age * day,) * 2)
    kept.arrays("doubled-1", [file], doubled(file))
    assert [path.name for path in cache.glob(".*")] == [".doubled-1-aa.new"]


def test_two_who_make_the_same_at_once_both_get_it(file, cache):
    both_began = threading.Barrier(2, timeout=60)

    def make(out):
        both_began.wait()
        doubled(file)(out)

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(kept.arrays("doubled-1", [file], make)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [arrays["doubled"].tolist() for arrays in found] == [[2, 4, 6]] * 2
    assert len(list(cache.iterdir())) == 1


def test_what_has_no_room_is_refused_before_it_is_made(file, cache):
    with pytest.raises(DataError, match="would take 1000000000.0 GB and its disk has .* GB left"):
        kept.arrays("doubled-1", [file], lambda out: pytest.fail("was made"), int(1e18))
    with pytest.raises(DataError, match="cannot read .*absent: No such file"):
        kept.arrays("doubled-1", [file.with_name("absent")], doubled(file))


def test_a_folder_that_cannot_be_written_is_named(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    with pytest.raises(DataError, match="set XDG_CACHE_HOME to a folder that can be written"):
        kept.arrays("doubled-1", [file], doubled(file))
    assert "cannot keep anything" in capsys.readouterr().err


def test_a_missing_package_is_one_sentence_with_its_command():
    with (
        pytest.raises(ValueError, match="reading x needs the package 'no-such'.*`pip install no-"),
        needed.package("no-such", "reading x"),
    ):
        import algoperf_lite.no_such_module  # noqa: F401


def test_a_data_sets_own_folder_or_the_root_of_all(tmp_path):
    assert folders.own(tmp_path, "ogbg", "graphs") == tmp_path
    os.mkdir(tmp_path / "graphs")
    assert folders.own(tmp_path, "ogbg", "graphs") == tmp_path / "graphs"


def test_ranges_and_starts_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    begin, sizes = rng.integers(0, 99, 20), rng.integers(0, 4, 20)
    expected = [begin[i] + j for i in range(20) for j in range(sizes[i])]
    np.testing.assert_array_equal(packing.ranges(begin, sizes), expected)
    np.testing.assert_array_equal(packing.starts([3, 0, 4]), [0, 3, 3, 7])
    assert packing.ranges(begin[:0], sizes[:0]).shape == (0,)


def test_what_is_only_looked_for_is_not_made(file, cache):
    with kept.only_looking(), pytest.raises(kept.NotKept) as refused:
        kept.arrays("doubled-1", [file], doubled(file), num_bytes=7)
    assert refused.value.num_bytes == 7 and not list(cache.iterdir())
    kept.arrays("doubled-1", [file], doubled(file))
    with kept.only_looking():
        assert kept.arrays("doubled-1", [file], doubled(file))["doubled"].size == 3
    os.utime(file, ns=(1, 1))
    with kept.only_looking(), pytest.raises(kept.NotKept):
        kept.arrays("doubled-1", [file], doubled(file))
