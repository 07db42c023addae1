"""`data sample`: every family's examples, as files that other programs open."""

import filecmp
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algoperf_lite.cli import main
from algoperf_lite.data import look
from algoperf_lite.data.feed import Feed, Order
from algoperf_lite.data.keys import RowKeys, Stream
from algoperf_lite.data.source import InMemory
from algoperf_lite.experiment.data_sets import families, rates, sample
from tests.workloads.full import small_families

KEYS = RowKeys(0, Stream.EVAL, step=0)
# What shows an example, and by whom; `families.names` decides whether all are here.
PARTS = {
    **dict.fromkeys(("cifar", "fashion_mnist", "mnist"), {"picture.png", "label.txt"}),
    **dict.fromkeys(("imagenet_resnet", "imagenet_vit"), {"stored.png", "model.png", "label.txt"}),
    **dict.fromkeys(("librispeech_conformer", "librispeech_deepspeech"), {"sound.wav", "text.txt"}),
    **dict.fromkeys(("finewebedu_lm", "ogbg", "wmt"), {"text.txt"}),
    "criteo1tb": {"row.txt"},
    "fastmri": {
        *("stored_kspace.png", "stored_image.png", "model_input.png", "model_target.png"),
        "numbers.txt",
    },
}


@pytest.fixture(scope="module", params=sorted(small_families.FAMILIES))
def written(request, tmp_path_factory):
    """(a family, the root of its small data set, what the command has written)."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        root = small_families.prepare(request.param, folder / "data")
        assert command(root, request.param, folder / "out") == 0
        yield request.param, root, folder / "out" / request.param


def command(root: Path, family: str, output: Path, *more: str) -> int:
    words = ["sample", f"--data_dir={root}", f"--workloads={family}", f"--output={output}"]
    return main._dispatch(main.parser().parse_args(["data", *words, "--num_examples=2", *more]))


def test_all_families_are_shown():
    assert set(PARTS) == set(families.names())


def test_each_split_has_its_examples_in_files_that_open(written):
    family, _, folder = written
    splits = families.reader(family).NUM_EXAMPLES
    assert {path.name for path in folder.iterdir()} == set(splits)
    for split in splits:
        names = {path.name for path in (folder / split).iterdir()}
        shown = {name.partition("_")[0] for name in names}
        assert shown in ({"0"}, {"0", "1"})  # ogbg's small splits fill one bin
        assert names == {f"{i}_{part}" for i in shown for part in PARTS[family]}
        for path in (folder / split).iterdir():
            _open(path)


def _open(path: Path) -> None:
    if path.suffix == ".png":
        assert len(np.unique(np.asarray(Image.open(path)))) > 1, path
    elif path.suffix == ".wav":
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 16_000)
            assert file.getnframes() > 1000
    else:
        assert len(path.read_text(encoding="utf-8").strip()) > 5, path


def test_the_same_command_writes_the_same_files_and_another_seed_others(written, tmp_path):
    family, root, folder = written
    command(root, family, tmp_path, "--splits=train")
    names = [path.name for path in (folder / "train").iterdir()]
    again = folder / "train", tmp_path / family / "train"
    assert filecmp.cmpfiles(*again, names, shallow=False) == (names, [], [])
    command(root, family, tmp_path / "other", "--splits=train", "--rng_seed=1")
    other = folder / "train", tmp_path / "other" / family / "train"
    assert filecmp.cmpfiles(*other, names, shallow=False)[1]


@pytest.mark.parametrize("written", ["imagenet_resnet", "imagenet_vit"], indirect=True)
def test_a_model_s_picture_is_the_one_that_a_trial_of_the_seed_trains_on(written):
    family, root, folder = written
    source = families.reader(family).source(root, "train")
    size = rates.batch_size(family, source)
    with Feed(source, Order.of_training(source, size, seed=0), num_workers=3) as feed:
        batch = feed.get(0)
    for row in range(2):
        shown = np.asarray(Image.open(folder / "train" / f"{row}_model.png"))
        np.testing.assert_array_equal(shown, batch["inputs"][row])
    assert f"class {batch['targets'][1]}\n" in (folder / "train/1_label.txt").read_text()


def test_texts_say_what_is_stored_and_what_the_model_gets(written):
    family, root, folder = written
    said = next((folder / "train").glob("0_*.txt")).read_text()
    source = families.reader(family).source(root, "train")
    picks = source.plan(0, rates.batch_size(family, source)).picks(0)[:1]
    row = {name: values[0] for name, values in source.rows(picks, KEYS).items()}
    if family == "criteo1tb":
        columns = [line.split()[-1] for line in said.splitlines()[2:]]
        assert list(map(float, columns)) == [row["targets"], *row["inputs"]]
    elif family == "wmt":
        tokenizer = families.reader(family).tokenizer(root)
        first = row["inputs"][row["inputs_segmentation"] == 1]
        assert f"\nde: {tokenizer.text(first)}\n" in said
        assert f"{row['targets_segmentation'].max()} pairs" in said
    elif family == "ogbg":
        edges = row["n_edge"][0]
        pairs = zip(row["senders"][:edges], row["receivers"][:edges], strict=True)
        assert " ".join(f"{a}-{b}" for a, b in pairs) in said
    elif family == "finewebedu_lm":
        assert " ".join(map(str, row["inputs"][:8])) in said
        assert "copy GPT-2's vocab.json" in said  # nobody has put it there
    elif family.startswith("librispeech"):
        assert f"{320_000 - row['input_lengths']:,} zeros behind" in said
        with wave.open(str(folder / "train/0_sound.wav")) as file:
            heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        np.testing.assert_array_equal(heard, row["inputs"][: len(heard)])
        assert len(heard) == row["input_lengths"]


def test_examples_of_an_evaluation_lie_evenly_and_none_is_padding():
    source = InMemory({"x": np.arange(10)})
    found = [source.eval_plan(4).picks(t)[row] for t, row in sample._places(source.eval_plan(4), 5)]
    assert found == [0, 2, 4, 6, 8]
    assert len(sample._places(source.eval_plan(4), 99)) == 10
    assert sample._places(source.plan(0, 4), 99) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_small_pictures_are_enlarged_pixel_by_pixel(tmp_path):
    pixels = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28, 1)
    shown = np.asarray(Image.open(look.Picture(pixels).save(tmp_path / "a")))
    assert shown.shape == (224, 224)
    np.testing.assert_array_equal(shown[::8, ::8], pixels[..., 0])
    wide = look.grey(np.array([[0.0, 1.0, 5.0]]), 0.0, 2.0).pixels
    assert wide.tolist() == [[0, 128, 255]]
    assert look.grey(np.full((2, 2), 3.0), 3.0, 3.0).pixels.max() == 0


def test_a_source_that_says_nothing_of_its_looks_is_shown_in_words():
    source = InMemory({"inputs": np.arange(40.0).reshape(2, 20), "targets": np.array([7, 8])})
    [one] = source.part(1).looks(np.zeros(1, np.int64), KEYS)
    [first, *lines] = one["model"].lines
    assert first in ("example 0", "example 1")
    assert lines[0].startswith("inputs: float64 (20,), ") and lines[0].endswith(" ...")
    assert lines[1] in ("targets: 7", "targets: 8")


@pytest.mark.parametrize("written", ["ogbg"], indirect=True)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--splits=tain"], "unknown split of ogbg 'tain'; did you mean 'train'?"),
        (["--num_examples=0"], "expected a whole number >= 1"),
        (["--output=/bin/sh"], "cannot use '/bin/sh"),
    ],
)
def test_bad_input_is_one_sentence(written, words, sentence, capsys):
    _, root, _ = written
    given = ["data", "sample", f"--data_dir={root}", "--workloads=ogbg", *words]
    try:
        code = main._dispatch(main.parser().parse_args(given))
    except SystemExit as refused:
        code = refused.code
    said = capsys.readouterr().err
    assert code == main.BAD_INPUT and sentence in said and said.count("\n") == 1


@pytest.mark.parametrize("written", ["librispeech_conformer"], indirect=True)
def test_a_split_that_is_not_there_is_named(written, capsys):
    family, root, _ = written
    (root / "librispeech/test-clean.csv").rename(root / "librispeech/test-clean.gone")
    try:
        assert command(root, family, root / "out", "--splits=test") == main.BAD_INPUT
    finally:
        (root / "librispeech/test-clean.gone").rename(root / "librispeech/test-clean.csv")
    said = capsys.readouterr().err
    assert "does not have the split 'test' of librispeech_conformer" in said
