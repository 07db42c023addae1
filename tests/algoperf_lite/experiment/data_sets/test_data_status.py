"""`data status`, `index` and `verify` on small data sets in AlgoPerf's layouts."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import workloads
from algoperf_lite.cli import main
from algoperf_lite.data import folders, kept
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets import families, indexing, rates, status, verify
from algoperf_lite.training import calibration

ROOT = Path(__file__).parents[4]
pytest.importorskip("google_crc32c", reason="records are checked by google-crc32c")
pytest.importorskip("h5py", reason="volumes are HDF5 files")
pytest.importorskip("pyarrow", reason="the click log is parsed by pyarrow")
pytest.importorskip("sentencepiece", reason="sentences are made by SentencePiece")
pytest.importorskip("simplejpeg", reason="pictures are decoded by simplejpeg")

# Behind the packages that they need.
from tests.workloads.full import (  # noqa: E402
    criteo1tb_files,
    fastmri_files,
    imagenet_files,
    librispeech_files,
    tfds_folders,
)

WRITTEN = ("criteo1tb", "fastmri", "imagenet_resnet", "librispeech_conformer", "ogbg")


def graphs(size):
    rng = np.random.default_rng(3)
    for _ in range(size):
        nodes, edges = int(rng.integers(2, 20)), int(rng.integers(1, 30))
        yield {
            "num_nodes": [nodes],
            "node_feat": rng.integers(0, 9, (nodes, 9)).astype(np.float32),
            "num_edges": [edges],
            "edge_feat": rng.integers(0, 3, (edges, 3)).astype(np.float32),
            "edge_index": rng.integers(0, nodes, (edges, 2)),
            "labels": rng.integers(0, 2, 128).astype(np.float32),
        }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    criteo1tb_files.write(root / "criteo1tb")
    fastmri_files.write(root / "fastmri")
    imagenet_files.write_tfds(root / "imagenet" / "jax")
    librispeech_files.write(root / "librispeech")
    shards = [list(graphs(9)), list(graphs(4))]
    splits = dict.fromkeys(("train", "validation", "test"), shards)
    tfds_folders.write(root / "ogbg/ogbg_molpcba/0.1.3", "ogbg_molpcba", splits, version="0.1.3")
    return root


@pytest.fixture
def root(written, tmp_path, monkeypatch):
    """A copy to damage, and a cache in which nothing is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(rates, "MEASURED_SECONDS", 0.05)
    return Path(shutil.copytree(written, tmp_path / "data"))


def as_published(monkeypatch, data_sets):
    """Declares what the data sets hold to be what was published."""
    for one in data_sets:
        found = {split: one.num_found(split) for split in one.reader.NUM_EXAMPLES}
        monkeypatch.setattr(one.reader, "NUM_EXAMPLES", found)


def command(*words):
    return main._dispatch(main.parser().parse_args(["data", *words]))


def look(root, names, **options):
    found = families.find(root, names)
    return {row.family: row for one in found for row in status.look(one, **options)}


# --- status and index ---------------------------------------------------------------------


def test_status_counts_what_is_cheap_and_makes_nothing(root):
    rows = look(root, None)
    assert set(rows) == set(families.names())
    assert rows["imagenet_vit"].found == {"train": 6, "validation": 5, "test": 3}
    assert rows["librispeech_deepspeech"].found["train"] == 11
    assert (rows["criteo1tb"].index, rows["criteo1tb"].found) == ("to be made", {})
    assert rows["ogbg"].num_bytes == sum(p.stat().st_size for p in root.glob("ogbg/**/*-of-*"))
    assert any("wmt_sentencepiece_model" in words for words in rows["wmt"].missing)
    assert not list(kept.disk().iterdir())


def test_index_makes_all_that_status_misses_and_a_run_needs(root):
    data_sets = families.find(root, WRITTEN)
    assert indexing.check_room(data_sets) > 0
    last = {(at.data_set, at.split): at for at in indexing.make(data_sets)}
    assert len(last) == 4 * len(WRITTEN)
    assert all(at.done == at.total for at in last.values())
    assert last["ogbg", "train"].done == 13
    rows = look(root, WRITTEN)
    assert {row.index for row in rows.values()} == {"made"}
    assert rows["fastmri"].found == {"train": 6, "validation": 199, "test": 5}
    made = {path: path.stat().st_mtime_ns for path in kept.disk().rglob("*")}
    assert indexing.check_room(data_sets) == 0
    list(indexing.make(data_sets))
    assert {path: path.stat().st_mtime_ns for path in kept.disk().rglob("*")} == made


def test_no_room_for_an_index_is_said_before_it_is_made(root, monkeypatch):
    usage = shutil.disk_usage(root)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="would take .* has 0.0 GB left; free some, set XDG_CACHE"):
        indexing.check_room(families.find(root, ["ogbg"]))


def test_cores_are_what_is_needed_by_what_one_reads(root):
    row = look(root, ["librispeech_conformer"], measure=True)["librispeech_conformer"]
    assert row.needed == 256 / 0.418
    assert row.per_core > 0 and row.cores == row.needed / row.per_core
    before = look(root, ["ogbg"], measure=True)["ogbg"]
    assert before.per_core is None
    list(indexing.make(families.find(root, ["ogbg"])))
    assert look(root, ["ogbg"], measure=True)["ogbg"].per_core > 0


def test_what_this_machine_needs_comes_from_its_newest_calibration(root, tmp_path):
    assert look(root, ["ogbg"])["ogbg"].needed_here is None
    folder = tmp_path / "cache/algoperf_lite/calibration/key"
    folder.mkdir(parents=True)

    def calibrated(scale, seconds_by_mode):
        found = {"seconds_per_step": seconds_by_mode["single"], "seconds_by_mode": seconds_by_mode}
        (folder / f"ogbg_{scale}_12345678.json").write_text(json.dumps(found))

    calibrated("full", {"single": 0.5})
    calibrated("lite", {"single": 0.1})
    assert look(root, ["ogbg"])["ogbg"].needed_here == 512 / 0.5
    # Steps that waited for their data would say that what came is enough.
    calibrated("full", {"single": 0.5, calibration.WITHOUT_WAITING: 0.2})
    assert look(root, ["ogbg"])["ogbg"].needed_here == 512 / 0.2


def test_the_published_steps_have_the_batch_sizes_of_the_workloads():
    assert set(rates.ALGOPERF) == set(families.names()) & set(workloads.names())
    for family, step in rates.ALGOPERF.items():
        assert workloads.load(family, "full").batch_size == step.batch_size, family


# --- verify -------------------------------------------------------------------------------


def damages(root, names):
    found = verify.verify(families.find(root, names), num_workers=2)
    return [sentence for one in found for sentence in one.damages]


def test_nothing_is_found_where_nothing_is_damaged(root, monkeypatch):
    data_sets = families.find(root, WRITTEN)
    as_published(monkeypatch, data_sets)
    found = list(verify.verify(data_sets, num_workers=2))
    assert [one.damages for one in found if one.damages] == []
    assert sum(one.num_bytes for one in found) == verify.num_bytes(data_sets) > 0
    assert len(found) > 100  # files, most of them volumes


def test_every_damage_names_its_file_and_place(root, monkeypatch):
    as_published(monkeypatch, families.find(root, WRITTEN))
    shard = next((root / "ogbg").rglob("*train.tfrecord-00000*"))
    content = bytearray(shard.read_bytes())
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + 16 + struct.unpack_from("<Q", content, starts[-1])[0])
    for record in (2, 5):
        content[starts[record] + 40] ^= 1
    shard.write_bytes(content)
    day = root / "criteo1tb/day_3_00"
    lines = day.read_text().splitlines(keepends=True)
    day.write_text("".join([*lines[:7], "1\t2\n", *lines[8:]]))
    recording = sorted((root / "librispeech/dev-clean").glob("*_audio.npy"))[1]
    recording.write_bytes(recording.read_bytes()[:-9])
    volume = root / "fastmri/knee_singlecoil_train/file1000001.h5"
    volume.write_bytes(volume.read_bytes()[:2000])
    picture = next((root / "imagenet").rglob("imagenet2012-validation*-00001-of*"))
    picture.write_bytes(picture.read_bytes()[:-5])

    found = damages(root, WRITTEN)
    for path, words in (
        (shard, f"in the record at byte {starts[2]}:"),
        (shard, f"in the record at byte {starts[5]}:"),
        (day, "line 8: 2 fields, 40 expected"),
        (recording, "cannot read"),
        (volume, "cannot read"),
        (picture, "ends within the record at byte"),
    ):
        of_it = [one for one in found if str(path) in one and words in one]
        assert len(of_it) == 1, (path, found)
    assert all("\n" not in one for one in found)


def test_another_number_of_examples_and_parts_are_faults(root, monkeypatch):
    data_sets = families.find(root, ["librispeech_conformer"])
    as_published(monkeypatch, data_sets)
    table = root / "librispeech/test-clean.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    shutil.rmtree(root / "librispeech/dev-other")
    found = damages(root, ["librispeech_conformer"])
    assert "librispeech_conformer: split 'test' has 3 examples and AlgoPerf's has 4" in found
    assert any("missing: dev-other" in one for one in found)
    assert len(found) == 2


def test_the_command_ends_with_1_where_anything_is_wrong(root, monkeypatch, capsys):
    as_published(monkeypatch, families.find(root, ["ogbg"]))
    words = [f"--data_dir={root}", "--workloads=ogbg"]
    assert command("verify", *words) == 0
    shard = next((root / "ogbg").rglob("*test.tfrecord-00001*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert command("verify", *words) == 1
    said = capsys.readouterr().out
    assert f"{shard} ends within the record" in said and "faults were found" in said


# --- the command --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status"], "no folder of data is given; use --data_dir=DIR, or set the variable"),
        (["status", "--data_dir=/nowhere"], "there is no folder /nowhere"),
        (["index", "--data_dir=/nowhere"], "there is no folder /nowhere"),
        (["status", "--data_dir=/", "--workloads=ogb"], "did you mean 'ogbg'?"),
        (["verify", "--data_dir=/bin", "--workloads=ogbg"], "/bin has no data of ogbg: missing"),
        (["verify", "--data_dir=/bin"], "/bin has no data of"),
        (["prepare", "minst", "--data_dir=/"], "did you mean 'mnist'?"),
        (["prepare", "mnist", "--data_dir=/no/where"], "there is no folder /no, so"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, monkeypatch, capsys):
    monkeypatch.delenv(folders.VARIABLE, raising=False)
    assert command(*words) == main.BAD_INPUT
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_an_unknown_action_is_one_sentence(capsys):
    with pytest.raises(SystemExit):
        main.parser().parse_args(["data", "statsu"])
    assert "unknown command 'statsu'; did you mean 'status'?" in capsys.readouterr().err


def test_the_variable_names_the_folder_and_json_is_whole(root, monkeypatch, capsys):
    monkeypatch.setenv(folders.VARIABLE, str(root))
    assert command("index", "--workloads=ogbg") == 0
    capsys.readouterr()
    assert command("status", "--json", "--workloads=ogbg,wmt") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ogbg"]["found"]["train"] == 13 and found["ogbg"]["index"] == "made"
    assert found["wmt"]["missing"]
    assert command("status", "--workloads=ogbg,wmt") == 0
    said = capsys.readouterr().out
    assert "train 13 of 350,343" in said and "wmt: missing:" in said
    assert command("status", "--workloads=cifar,imagenet_vit,imagenet_resnet,ogbg") == 0
    said = capsys.readouterr().out
    assert "cifar: missing:" in said and "`algoperf-lite data prepare cifar` downloads it" in said
    shutil.rmtree(root / "imagenet")
    assert command("status", "--workloads=imagenet_vit,imagenet_resnet") == 0
    assert "imagenet_vit, imagenet_resnet: missing: train:" in capsys.readouterr().out


def test_the_command_loads_neither_jax_nor_tensorflow(root):
    program = f"""
import sys
from algoperf_lite.cli import main
from algoperf_lite.experiment.data_sets import rates
rates.MEASURED_SECONDS = 0.05
main._dispatch(main.parser().parse_args(["data", "status", "--data_dir={root}", "--measure"]))
heavy = ("jax", "flax", "tensorflow", "tensorflow_datasets", "torch")
sys.exit(", ".join(name for name in heavy if name in sys.modules) or None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
