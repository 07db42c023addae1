"""Sources that an experiment keeps: which files, under which name, and never somebody else's."""

import json

import pytest

from algoperf_lite.experiment import sources
from algoperf_lite.submission import find

NATIVE = "import optax\n\n\ndef optimizer(workload, hyperparameters):\n    return optax.sgd(0.1)\n"
FOREIGN = "import helper\n\n\ndef update_params(workload):\n    pass\n"


@pytest.fixture
def files(tmp_path):
    """A native file among others, and a folder in AlgoPerf's layout with its space one level up."""
    native = tmp_path / "mine" / "native.py"
    native.parent.mkdir()
    native.write_text(NATIVE)
    native.with_name("other.py").write_text("no part of it")
    inner = tmp_path / "lion" / "jax"
    inner.mkdir(parents=True)
    (inner / "submission.py").write_text(FOREIGN)
    (inner / "helper.py").write_text("x = 1\n")
    (inner.parent / "tuning_search_space.json").write_text("[{}]")
    return native, inner / "submission.py"


def test_the_kept_files_are_those_that_the_hash_is_of(files, tmp_path):
    out = tmp_path / "out"
    sources.keep(out, map(str, files))
    found = sources.find_all(out)
    assert found.keys() == {"native", "lion"}
    for path in files:
        kept = found[find.name_of(path)]
        assert find.source_sha256(kept.path) == kept.sha256 == find.source_sha256(path)
        assert find.name_of(kept.path) == find.name_of(path)
    assert [file.name for file in found["native"].files] == ["native.py"]
    names = [file.name for file in found["lion"].files]
    assert names == ["helper.py", "submission.py", "tuning_search_space.json"]
    # Another text takes its place, with the verdict that was of the first.
    sources.judge(out, lambda path: {"violations": len(path.read_text())})
    about = out / "sources" / "native.json"
    assert json.loads(about.read_text())["check"] == {"violations": len(NATIVE)}
    files[0].write_text(NATIVE + "# changed\n")
    sources.keep(out, [str(files[0])])
    assert "check" not in json.loads(about.read_text())
    assert sources.find_all(out)["native"].path.read_text().endswith("# changed\n")


def test_a_source_is_found_by_what_logs_call_it(files, tmp_path):
    sources.keep(tmp_path / "out", map(str, files))
    found = sources.find_all(tmp_path / "out")
    assert sources.of(found, "lion+uba(phi=5)@0.5").name == "lion"
    assert sources.of(found, "lion@0.5").name == "lion"
    assert sources.of(found, "lion") is found["lion"]
    assert sources.of(found, "lions") is None


@pytest.mark.parametrize("file", ["../../secret.py", "/etc/hostname", "nowhere.py", 7, None])
def test_a_description_leads_nowhere_else(tmp_path, file):
    (tmp_path / "secret.py").write_text("")
    folder = tmp_path / "out" / "sources" / "bad"
    folder.mkdir(parents=True)
    about = {"file": file, "sha256": "0" * 64}
    folder.with_suffix(".json").write_text(json.dumps(about))
    assert sources.find_all(tmp_path / "out") == {}
