"""Imports as they are read: what is a submission's own, what is a library, what is missing."""

import ast

import pytest

from algoperf_lite.submission import find, missing, reading

PUBLISHED = "submissions.submissions_algorithms_v0_5.external.caspr.jax.helper"
UPDATE = "def update_params(): pass\n"


def _folder(tmp_path, **files):
    for name, text in files.items():
        path = tmp_path / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def _own(name, folder):
    found = reading.own(name, folder / "submission.py", folder)
    return found and (found.name, [file.relative_to(folder).as_posix() for file in found.files])


def test_the_end_of_a_dotted_name_finds_the_file_beside(tmp_path):
    folder = _folder(tmp_path, submission="", helper="", parts__core="", parts__deep__low="")
    assert _own("helper", folder) == ("helper", ["helper.py"])
    assert _own("helper.function", folder) == ("helper", ["helper.py"])
    assert _own(PUBLISHED, folder) == (PUBLISHED, ["helper.py"])
    assert _own(f"{PUBLISHED}.function", folder) == (PUBLISHED, ["helper.py"])
    assert _own("algorithms.x.parts.core", folder) == ("algorithms.x.parts.core", ["parts/core.py"])
    # The longest end that is there.
    assert _own("a.parts.deep.low", folder)[1] == ["parts/deep/low.py"]
    assert _own("a.b.nothing", folder) is None
    assert _own(".parts.core", folder) == ("parts.core", ["parts/core.py"])
    assert _own("..outside", folder) is None


@pytest.mark.parametrize(
    "name",
    [
        "jax.jit",
        "jax.numpy",
        "optax.contrib",
        "time",
        "time.sleep",
        "submissions.nadamw",
        "algoperf.spec",
    ]
    + ["scipy.stats.norm", "numpy", "scoring", "optax._src.base"],
)
def test_what_is_installed_is_no_file_beside(tmp_path, name):
    ends = {part: "" for part in name.split(".")}
    assert _own(name, _folder(tmp_path, **ends)) is None


def test_a_file_beside_comes_before_an_installed_package_of_its_name(tmp_path):
    folder = _folder(tmp_path, yaml="", helper="")
    assert reading.is_installed("yaml") and _own("yaml.load", folder) == ("yaml", ["yaml.py"])


def test_only_statements_of_the_file_itself_are_certain():
    text = "import a\ntry:\n    import b\nexcept ImportError: pass\ndef f():\n    from c import d\n"
    found = reading.imports(ast.parse(f"{text}from . import e\nfrom g.h import *\n"))
    assert {one.name: one.is_certain for one in found} == {
        "a": True,
        "b": False,
        "c.d": False,
        ".e": True,
        "g.h": True,
    }


def test_a_submission_is_made_of_what_it_imports(tmp_path):
    folder = _folder(
        tmp_path,
        mine=f"{UPDATE}from x.y.first import f\n",
        first="def f():\n    from . import second\n",
        second="broken (",
        other="",
    )
    found = reading.files(folder / "mine.py", folder)
    assert [file.path.name for file in found] == ["mine.py", "first.py", "second.py"]
    certain = reading.files(folder / "mine.py", folder, certain=True)
    assert [file.path.name for file in certain] == ["mine.py", "first.py"]
    before = find.source_sha256(folder / "mine.py")
    (folder / "other.py").write_text("1")
    assert find.source_sha256(folder / "mine.py") == before
    for name in ("second.py", "tuning_search_space.json", "requirements.txt"):
        (folder / name).write_text("1")
        assert find.source_sha256(folder / "mine.py") != before
        before = find.source_sha256(folder / "mine.py")


def test_folders_called_jax_take_their_parents_name(tmp_path):
    folder = _folder(tmp_path, adamw__jax__submission=UPDATE, sam__submission="", jax_jit="")
    path = find.locate(str(folder / "adamw"))
    assert path == (folder / "adamw" / "jax" / "submission.py").resolve()
    assert find.name_of(path) == "adamw" and find.folder_of(path) == path.parents[1]
    assert find.name_of(folder / "sam" / "submission.py") == "sam"
    assert find.name_of(folder / "jax_jit.py") == "jax_jit"
    space = find.companion(path, find.SEARCH_SPACE)
    assert space == path.parent / find.SEARCH_SPACE  # where it would be
    (folder / "adamw" / find.SEARCH_SPACE).write_text("{}")
    assert find.companion(path, find.SEARCH_SPACE) == folder / "adamw" / find.SEARCH_SPACE
    space.write_text("{}")
    assert find.companion(path, find.SEARCH_SPACE) == space


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import jax\nimport no_such_a", "imports no_such_a, which is not installed; "
         "run: pip install no_such_a"),
        ("import no_such_a.b\nfrom no_such_a import c\nimport no_such_b", "imports no_such_a and "
         "no_such_b, which are not installed; run: pip install no_such_a no_such_b"),
        ("from algorithms.x.y import z", "imports algorithms.x.y.z, which is no file beside it; "
         "copy it there"),
        ("from submissions.v0.x import y", "imports submissions.v0.x.y, which is no file beside "
         "it; copy it there"),
        ("from . import gone", "imports .gone, which is no file beside it; copy it there"),
        ("from algoperf import data_utils", "imports algoperf.data_utils, which algoperf-lite has "
         "no stand-in for: it has spec and jax_sharding_utils"),
        ("from algorithmic_efficiency import spec", None),
        ("try:\n    import no_such_a\nexcept ImportError: pass", None),
        ("def f():\n    import no_such_a", None),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence(tmp_path, text, said):
    folder = _folder(tmp_path, mine=f"{text}\n{UPDATE}")
    if said is None:
        missing.check(folder / "mine.py")
        return
    with pytest.raises(ValueError) as refused:
        missing.check(folder / "mine.py")
    assert str(refused.value) == f"submission 'mine' {said}"


def test_packages_of_the_extra_are_asked_for_by_its_name(tmp_path):
    found = [
        missing.Missing(tmp_path, 1, name, package=name) for name in ("chex", "haiku", "jraph")
    ]
    assert missing.sentence(found) == (
        "imports chex, haiku and jraph, which are not installed; "
        "run: pip install 'algoperf-lite[algoperf]' haiku"
    )


def test_the_extra_in_the_configuration_is_the_one_that_is_named():
    import configparser
    from pathlib import Path

    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[3] / "setup.cfg")
    lines = setup["options.extras_require"]["algoperf"].split("\n")
    assert tuple(line.partition(" ")[0] for line in lines if line) == missing.EXTRA


def test_packages_may_lie_in_other_folders(tmp_path):
    folder = _folder(tmp_path, mine=f"import no_such_a\n{UPDATE}", packages__no_such_a="")
    missing.check(folder / "mine.py", folders=[folder / "packages"])


def test_a_native_submission_is_one_file(tmp_path):
    native = "import optax\ndef optimizer(workload, hp): return optax.sgd(0.1)\n"
    folder = _folder(tmp_path, mine=f"import helper\n{native}", helper="")
    with pytest.raises(ValueError, match="a file beside it: a native submission is one file"):
        missing.check(folder / "mine.py")
    (folder / "mine.py").write_text(f"from algoperf import spec\n{native}")
    with pytest.raises(ValueError, match="is for submissions in AlgoPerf's form"):
        missing.check(folder / "mine.py")


def test_a_file_that_is_no_python_is_said_with_its_line(tmp_path):
    folder = _folder(tmp_path, mine="x = 1\ndef (\n")
    with pytest.raises(ValueError, match=r"'mine' is no Python: .* \(mine.py, line 2\)"):
        find.steps_in_python(folder / "mine.py")
