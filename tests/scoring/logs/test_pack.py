"""Packs: what is written is read again, and what else a stranger may send is refused."""

import json
import random
import stat
import zipfile
import zlib

import pytest

from scoring.logs import pack

FILES = {"a/study_0/toy_jax/trial_1/trial.json": b"{}", "experiment.json": b'{"settings": 1}\n' * 9}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "one.zip"
    pack.write(path, {"benchmark": "lite_v1"}, FILES)
    return path


def remade(path, files, manifest=None, change=lambda entry: None, hashes=None):
    """A zip file of (name, content) pairs that no `pack.write` would make."""
    listed = {name: pack._hashed(content) for name, content in files}
    about = {"format": pack.FORMAT, "files": listed if hashes is None else hashes}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        pairs = [(pack.MANIFEST, json.dumps(about if manifest is None else manifest)), *files]
        for name, content in pairs:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, content)
    return path


def refusal(path):
    with pytest.raises(ValueError) as caught:
        pack.read(path)
    sentence = str(caught.value)
    assert "\n" not in sentence and str(path) in sentence
    return sentence


def test_what_is_written_is_read_and_unpacked(written, tmp_path):
    found = pack.read(written)
    assert found.files == FILES and found.about == {"benchmark": "lite_v1"}
    found.unpack(tmp_path / "out")
    there = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert {f.relative_to(tmp_path / "out").as_posix(): f.read_bytes() for f in there} == FILES


def test_the_same_files_give_the_same_bytes_whatever_their_order(written, tmp_path):
    pack.write(tmp_path / "two.zip", {"benchmark": "lite_v1"}, dict(reversed(FILES.items())))
    assert (tmp_path / "two.zip").read_bytes() == written.read_bytes()


def test_no_pack_is_ever_replaced_and_a_refused_one_leaves_nothing(written, tmp_path, monkeypatch):
    before = written.read_bytes()
    with pytest.raises(ValueError, match="is there already"):
        pack.write(written, {}, {})
    assert written.read_bytes() == before
    with pytest.raises(ValueError, match="no path within"):
        pack.write(tmp_path / "two.zip", {}, {"../x": b""})
    monkeypatch.setattr(pack, "MOST_BYTES_OF_ZIP", 10)
    with pytest.raises(ValueError, match="MiB"):
        pack.write(tmp_path / "two.zip", {}, FILES)
    assert not (tmp_path / "two.zip").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "a\\..\\b", "C:/x", "a\nb"),
        *("", "x" * 500, "/".join("a" * 20), "a\x00b"),
    ],
)
def test_a_path_that_is_not_plainly_inside_is_refused(tmp_path, name):
    refusal(remade(tmp_path / "bad.zip", [(name, b"x")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([("a", b"1"), ("a", b"2")], "holds 'a' twice"),
        ([("a", b"1"), ("a/b", b"2")], "both a file and a folder"),
        ([("a/b/c", b"1"), ("a", b"2")], "both a file and a folder"),
    ],
)
def test_a_name_that_is_there_twice_is_refused(tmp_path, files, sentence):
    assert sentence in refusal(remade(tmp_path / "bad.zip", files))


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ({"format": 2, "files": {}}, "is not of format 1"),
        ({"files": {}}, "is not of format 1"),
        ([1], "is not of format 1"),
        ({"format": 1}, "not those that its pack.json lists"),
        ({"format": 1, "files": {"a": {}, "b": {}}}, "not those that its pack.json lists"),
        ({"format": 1, "files": {"a": {"bytes": 1, "sha256": "0"}}}, "its hash does not fit"),
        ({"format": 1, "files": {"a": 7}}, "its hash does not fit"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, manifest, sentence):
    assert sentence in refusal(remade(tmp_path / "bad.zip", [("a", b"x")], manifest))


def test_links_devices_folders_encryption_and_other_compression_are_refused(tmp_path):
    def mode(kind):
        return lambda e: setattr(e, "external_attr", (kind | 0o644) << 16)

    for kind in (stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR):
        assert "no plain file" in refusal(
            remade(tmp_path / "bad.zip", [("a", b"/etc/passwd")], change=mode(kind))
        )
    lzma = remade(
        tmp_path / "bad.zip",
        [("a", b"x" * 99)],
        change=lambda e: setattr(e, "compress_type", zipfile.ZIP_LZMA),
    )
    assert "compressed in a way" in refusal(lzma)
    path = remade(tmp_path / "bad.zip", [("a", b"x")])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)


def test_a_bomb_is_refused_by_what_it_says_and_by_what_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MOST_BYTES", 2**20)
    path = remade(tmp_path / "bomb.zip", [("a", b"\0" * 2**22)])
    assert "unpacks to more than 1 MiB" in refusal(path)
    # The same with sizes that lie.
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = data.rindex(mark) + at
        data[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    refusal(path)


def test_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MOST_FILES", 50)
    files = [(f"f{i}", b"") for i in range(60)]
    assert "61 files" in refusal(remade(tmp_path / "many.zip", files))
    # Twice as many are not even listed.
    files = [(f"f{i}", b"") for i in range(120)]
    assert "more than 50 files" in refusal(remade(tmp_path / "many.zip", files))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip file at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_file_is_refused(tmp_path, content):
    (tmp_path / "bad.zip").write_bytes(content)
    refusal(tmp_path / "bad.zip")
    with pytest.raises(ValueError, match="cannot be read as a pack"):
        pack.read(tmp_path / "nowhere.zip")


def test_json_that_is_nested_without_end_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr(pack.MANIFEST, "[" * 200_000)
    refusal(tmp_path / "deep.zip")


def mutated(rng, data):
    """A zip file with a few bytes changed, cut, repeated or put elsewhere."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at, other = rng.randrange(len(data)), rng.randrange(len(data))
        size = rng.randrange(1, 40)
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at : at + size] = rng.randbytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[other : other + size]
            case _:  # the table at the end is where lies are told
                place = max(0, len(data) - rng.randrange(1, 400))
                data[place : place + 2] = rng.choice(
                    [b"\xff\xff", b"\0\0", b"\x01\0", b"..", b"//"]
                )
        data = data or bytearray(b"x")
    return bytes(data)


def test_mutated_packs_are_read_as_they_were_or_refused(written, tmp_path):
    """A reader writes nothing, so nothing lies outside; what is read is what was packed."""
    original, path = written.read_bytes(), tmp_path / "mutated.zip"
    outcomes = set()
    for seed in range(500):
        path.write_bytes(mutated(random.Random(seed), original))
        try:
            found = pack.read(path)
        except ValueError as error:
            assert "\n" not in str(error), seed
            outcomes.add("refused")
            continue
        # A byte that nobody reads, such as one of a time stamp, may change.
        assert found.files == FILES, seed
        outcomes.add("read")
    assert outcomes == {"refused", "read"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mutated.zip", "one.zip"]
    assert zlib.crc32(written.read_bytes()) == zlib.crc32(original)
