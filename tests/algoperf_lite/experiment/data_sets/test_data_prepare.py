"""`data prepare` against a server of this machine: broken connections, wrong files, full disks."""

import dataclasses
import hashlib
import io
import shutil
import tarfile
import zipfile

import file_server
import numpy as np
import pytest

from algoperf_lite.cli import main
from algoperf_lite.data import cifar
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets import (
    download,
    families,
    prepare,
    publications,
    speech,
    unpack,
)

KEYS = RowKeys(0, Stream.TRAIN, 0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_FIRST_WAIT_S", 0.001)
    (tmp_path / "served").mkdir()
    with file_server.serving(tmp_path / "served") as found:
        yield found


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def publish(server, monkeypatch, name, files):
    """Serves files in place of a publication's own, with their true check sums."""
    usual = publications.PUBLICATIONS[name]
    downloads = []
    for one, content in zip(usual.downloads, files, strict=True):
        (server.folder / one.name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        downloads.append(dataclasses.replace(one, num_bytes=len(content), sha256=digest))
    changed = dataclasses.replace(usual, downloads=tuple(downloads))
    monkeypatch.setitem(publications.PUBLICATIONS, name, changed)


def run(name, root, server):
    return prepare.prepare(name, root, server.address, lambda *_: None)


def tar(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def cifar_archive():
    rng = np.random.default_rng(0)
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    records = rng.integers(0, 10, (10, 3073), np.uint8)
    return tar({f"cifar-10-batches-bin/{name}": records.tobytes() for name in names})


def idx_files():
    rng = np.random.default_rng(1)
    return [rng.bytes(5000) for _ in range(4)]


def test_what_is_prepared_is_read(server, root, monkeypatch):
    publish(server, monkeypatch, "cifar", [cifar_archive()])
    folder, was_there = run("cifar", root, server)
    assert (folder, was_there) == (root / "cifar10/cifar-10-batches-bin", False)
    assert families.reader("cifar").missing(root) == []
    assert len(cifar.read(root / "cifar10", "train")[0]) == 50
    assert sorted(path.name for path in (root / ".downloads").iterdir()) == []
    assert run("cifar", root, server) == (folder, True)
    assert len(server.asked) == 1  # nothing is downloaded twice


def test_a_broken_connection_is_gone_on_with(server, root, monkeypatch):
    files = idx_files()
    publish(server, monkeypatch, "mnist", files)
    monkeypatch.setattr(download, "_ATTEMPTS", 2)
    server.breaks = 3
    folder, _ = run("mnist", root, server)
    names = [one.name for one in publications.PUBLICATIONS["mnist"].downloads]
    assert [(folder / name).read_bytes() for name in names] == files
    assert [wanted for name, wanted in server.asked if name == names[0]] == [
        None, "bytes=1000-", "bytes=2000-", "bytes=3000-",
    ]  # fmt: skip


def test_a_server_without_ranges_sends_all_of_it_again(server, root, monkeypatch):
    files = idx_files()
    publish(server, monkeypatch, "mnist", files)
    server.breaks, server.ranges = 1, False
    folder, _ = run("mnist", root, server)
    assert (folder / "train-images-idx3-ubyte.gz").read_bytes() == files[0]


def test_a_server_that_never_sends_more_is_given_up(server, root, monkeypatch):
    publish(server, monkeypatch, "mnist", idx_files())
    server.breaks, server.ranges = 100, False
    with pytest.raises(DataError, match="the last 6 times without a byte more"):
        run("mnist", root, server)
    assert len(server.asked) == download._ATTEMPTS


def test_another_version_of_a_file_is_not_appended(server, root, monkeypatch):
    old, new = idx_files(), [bytes([i]) * 5000 for i in range(4)]
    publish(server, monkeypatch, "mnist", old)
    monkeypatch.setattr(download, "_ATTEMPTS", 1)
    server.breaks = 1
    with pytest.raises(DataError, match="broke off at byte 1000 of 5000.* goes on from there"):
        run("mnist", root, server)
    publish(server, monkeypatch, "mnist", new)
    folder, _ = run("mnist", root, server)
    assert (folder / "train-images-idx3-ubyte.gz").read_bytes() == new[0]


def test_a_command_that_was_killed_goes_on(server, root, monkeypatch):
    files = idx_files()
    publish(server, monkeypatch, "mnist", files)

    def kill(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare("mnist", root, server.address, kill)
    assert not (root / "MNIST").exists()
    run("mnist", root, server)
    assert (root / "MNIST/train-images-idx3-ubyte.gz").read_bytes() == files[0]
    # It was whole when the process was killed.
    assert [name for name, _ in server.asked].count("train-images-idx3-ubyte.gz") == 1


def test_a_wrong_check_sum_is_said_and_the_file_deleted(server, root, monkeypatch):
    publish(server, monkeypatch, "mnist", idx_files())
    (server.folder / "train-images-idx3-ubyte.gz").write_bytes(bytes(5000))
    with pytest.raises(DataError, match="SHA-256 .* was published; it was deleted"):
        run("mnist", root, server)
    assert not list(root.rglob("train-images*"))
    assert not (root / "MNIST").exists()


def test_a_file_that_is_not_there_is_said_at_once(server, root, monkeypatch):
    publish(server, monkeypatch, "mnist", idx_files())
    (server.folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="the server says 404 .*--mirror"):
        run("mnist", root, server)
    assert len(server.asked) == 1


def test_a_full_disk_is_said_before_anything_is_downloaded(server, root, monkeypatch):
    publish(server, monkeypatch, "cifar", [b"x" * 1000])
    usage = shutil.disk_usage(root)._replace(free=2000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"cifar needs .* and its disk has .* left"):
        run("cifar", root, server)
    assert server.asked == []


def test_unpacking_that_was_broken_off_begins_anew(server, root, monkeypatch):
    publish(server, monkeypatch, "cifar", [cifar_archive()])
    pieces = []

    def kill(what, done, total):
        pieces.append(what)
        if pieces.count("unpack cifar-10-binary.tar.gz") == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare("cifar", root, server.address, kill)
    assert list((root / "cifar10").iterdir()) == []
    # What a process leaves that had no time to clear away.
    left = root / "cifar10/.cifar-10-batches-bin.partial"
    left.mkdir()
    (left / "data_batch_1.bin").write_text("half of it")
    folder, _ = run("cifar", root, server)
    assert len(cifar.read(root / "cifar10", "test")[0]) == 10
    assert [path.name for path in (root / "cifar10").iterdir()] == [folder.name]
    assert len(server.asked) == 1


def test_zip_archives_and_class_folders(server, root, monkeypatch):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("pcba/raw/edge.csv.gz", b"1")
        archive.writestr("pcba/split/scaffold/train.csv.gz", b"2")
    publish(server, monkeypatch, "ogbg", [content.getvalue()])
    folder, _ = run("ogbg", root, server)
    assert (folder / "split/scaffold/train.csv.gz").read_bytes() == b"2"
    publish(
        server, monkeypatch, "imagenette", [tar({"imagenette2-160/train/n01440764/a.JPEG": b""})]
    )
    folder, _ = run("imagenette", root, server)
    assert families.reader("imagenet_vit").source(folder, "train").num_examples == 1


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_a_damaged_archive_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match="is damaged .* downloads it again"):
        unpack.unpack(tmp_path / name, "inner", tmp_path / "folder", lambda *_: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path):
    (tmp_path / "a.tgz").write_bytes(tar({"../../out.txt": b"x"}))
    with pytest.raises(DataError, match="damaged"):
        unpack.unpack(tmp_path / "a.tgz", "inner", tmp_path / "folder", lambda *_: None)
    assert not (tmp_path.parent / "out.txt").exists()


# --- speech -------------------------------------------------------------------------------


def flac_archive(part, num_utterances=12):
    soundfile = pytest.importorskip("soundfile", reason="LibriSpeech is published as FLAC")
    rng = np.random.default_rng(2)
    files, audio, lines = {}, {}, []
    for i in range(num_utterances):
        name = f"84-121123-{i:04d}"
        # The last one is longer than AlgoPerf's limit.
        length = 320_001 if i == num_utterances - 1 else 1000 + i
        audio[name] = rng.integers(-30_000, 30_000, length).astype(np.int16)
        flac = io.BytesIO()
        soundfile.write(flac, audio[name], 16_000, format="FLAC", subtype="PCM_16")
        files[f"LibriSpeech/{part}/84/121123/{name}.flac"] = flac.getvalue()
        text = "A" * 300 if i == 0 else f"THE CAT {'SAT ON A MAT ' * i}AND RAN HOME"
        lines.append(f"{name} {text}\n")
    files[f"LibriSpeech/{part}/84/121123/84-121123.trans.txt"] = "".join(lines).encode()
    return tar(files), audio


def test_speech_becomes_what_the_reader_reads(server, root, monkeypatch):
    pytest.importorskip("sentencepiece", reason="sentences become tokens by SentencePiece")
    monkeypatch.setattr(speech, "_VOCAB_SIZE", 18)
    archive, audio = flac_archive("train-clean-100")
    publish(server, monkeypatch, "train-clean-100", [archive])
    run("train-clean-100", root, server)
    source = families.reader("librispeech_conformer").source(root, "eval_train")
    assert source.num_examples == 10  # without the long text and the long recording
    rows = source.rows(np.arange(10), KEYS)
    for i, name in enumerate(sorted(audio)[1:-1]):
        length = rows["input_lengths"][i]
        np.testing.assert_array_equal(rows["inputs"][i, :length], audio[name])
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(
        model_proto=(root / "librispeech/spm_model.vocab").read_bytes()
    )
    tokens = rows["targets"][0]
    assert tokens[tokens != 0][-1] == 2  # the end of a sentence
    assert processor.decode(tokens[: np.flatnonzero(tokens == 2)[0]].tolist()) == (
        "THE CAT SAT ON A MAT AND RAN HOME"
    )
    # With the tokenizer there, other parts can be made.
    publish(server, monkeypatch, "dev-clean", [flac_archive("dev-clean")[0]])
    run("dev-clean", root, server)
    assert not any("dev-clean" in words for words in source_missing(root))


def source_missing(root):
    return families.reader("librispeech_conformer").missing(root)


def test_a_part_without_tokenizer_is_refused_before_the_download(server, root, monkeypatch):
    pytest.importorskip("soundfile", reason="LibriSpeech is published as FLAC")
    publish(server, monkeypatch, "dev-clean", [b""])
    with pytest.raises(DataError, match="no spm_model.vocab.* prepare that part first"):
        run("dev-clean", root, server)
    assert server.asked == []


# --- the command --------------------------------------------------------------------------


def test_the_command_downloads_and_says_where(server, tmp_path, monkeypatch, capsys):
    publish(server, monkeypatch, "mnist", idx_files())
    words = ["data", "prepare", "mnist", f"--data_dir={tmp_path / 'new'}"]
    arguments = main.parser().parse_args([*words, f"--mirror={server.address}/"])
    assert main._dispatch(arguments) == 0
    said = capsys.readouterr().out
    assert f"mnist is in {tmp_path / 'new/MNIST'}" in said
    assert "download train-images-idx3-ubyte.gz: 5,000 of 5,000 bytes" in said


def test_every_publication_can_be_read_and_checked():
    for name, one in publications.PUBLICATIONS.items():
        assert one.num_bytes > 0 and one.folder, name
        for file in one.downloads:
            assert len(file.sha256) == 64 and int(file.sha256, 16), name
            assert file.at("http://here/x/") == f"http://here/x/{file.name}"
