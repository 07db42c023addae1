"""The lines of a requirements.txt against what is installed, and what is said of a difference."""

import importlib.metadata

import pytest

from algoperf_lite.submission import requirements

OPTAX = importlib.metadata.version("optax")


@pytest.fixture
def asking(tmp_path):
    """A submission in AlgoPerf's form whose requirements.txt has the text that is given."""

    def asking(text):
        path = tmp_path / "mine" / "submission.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("def update_params(): pass\n")
        (path.parent / "requirements.txt").write_text(text)
        return path

    return asking


def _lines(submission):
    return [(one.line, one.installed, one.is_met) for one in requirements.wanted(submission)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("# none\n\n   \n", []),
        ("optax >= 0.1  # usual", [("optax >= 0.1", OPTAX, True)]),
        ("optax>=99", [("optax>=99", OPTAX, False)]),
        ("Optax[extra]==99", [("Optax[extra]==99", OPTAX, False)]),
        ("no-such-package==1", [("no-such-package==1", None, False)]),
        ('optax==99; python_version < "3"', []),
        ('optax==99; extra == "tests"', []),
        ("optax \\\n  >=0.1", [("optax    >=0.1", OPTAX, True)]),
        ("optax>=0.1 --hash=sha256:00", [("optax>=0.1", OPTAX, True)]),
        ("--index-url there\n-c limits.txt\noptax", [("optax", OPTAX, True)]),
        ("git+https://x.org/y.git#egg=optax", [("git+https://x.org/y.git#egg=optax", OPTAX, True)]),
        ("https://x.org/y.whl", [("https://x.org/y.whl", None, False)]),
        ("optax @ https://x.org/y.whl", [("optax @ https://x.org/y.whl", OPTAX, True)]),
        ("algoperf\nalgorithmic_efficiency", []),  # the harness stands in for them
        ("\ufeffoptax\r\n", [("optax", OPTAX, True)]),
    ],
)
def test_lines_are_read_as_pip_reads_them(asking, text, lines):
    assert _lines(asking(text)) == lines


def test_files_that_it_includes_are_read_in_their_places(asking, tmp_path):
    submission = asking("-r more.txt\n--requirement=further.txt\nnumpy\n")
    (tmp_path / "mine" / "more.txt").write_text("optax\n")
    (tmp_path / "mine" / "further.txt").write_text("jax\n")
    assert [line for line, _, _ in _lines(submission)] == ["optax", "jax", "numpy"]
    assert requirements.text(tmp_path / "mine" / "requirements.txt") == "optax\njax\nnumpy"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a b c", "has the line 'a b c', which is no requirement"),
        ("-r nowhere.txt", "nowhere.txt cannot be read"),
        ("-r requirements.txt", "includes itself"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(asking, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        requirements.wanted(asking(text))


def test_other_versions_are_said_and_refused_only_where_asked(asking):
    assert requirements.check(asking("optax>=0.1\n"), strict=True) is None
    unmet = asking("optax==99\nnumpy<1\nhttps://x.org/y.whl\njax\n")
    remark = requirements.check(unmet, strict=False)
    assert f"'mine' requires optax==99, but {OPTAX} is installed; numpy<1, but" in remark
    assert "y.whl, which has no name to compare by; going on" in remark
    assert len(remark.splitlines()) == 1
    with pytest.raises(ValueError, match=f"requires optax==99, but {OPTAX} is installed"):
        requirements.check(unmet, strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_a_package_that_is_missing_is_said_with_pips_command(asking, strict):
    submission = asking("optax\nno-such-a==1\nno-such-b>2\n")
    with pytest.raises(ValueError, match="requires no-such-a==1, no-such-b>2, which are not") as e:
        requirements.check(submission, strict)
    assert "run: pip install 'no-such-a==1' 'no-such-b>2'" in str(e.value)


def test_what_is_recorded(asking):
    found = requirements.facts(asking("optax==99\nhttps://x.org/y.whl\n"))
    assert found == [
        {"wanted": "optax==99", "installed": OPTAX},
        {"wanted": "https://x.org/y.whl", "installed": None},
    ]


def test_a_file_is_one_levels_up_where_the_folder_is_a_frameworks(tmp_path):
    path = tmp_path / "adamw" / "jax" / "submission.py"
    path.parent.mkdir(parents=True)
    path.write_text("")
    above = tmp_path / "adamw" / "requirements.txt"
    above.write_text("optax\n")
    assert requirements.file_of(path) == above
    (path.parent / "requirements.txt").write_text("jax\n")
    assert requirements.file_of(path) == path.parent / "requirements.txt"


def test_a_native_file_among_others_has_no_requirements(tmp_path):
    (tmp_path / "requirements.txt").write_text("no-such-package\n")
    (tmp_path / "mine.py").write_text("def optimizer(workload, hyperparameters): pass\n")
    assert requirements.wanted(tmp_path / "mine.py") == ()
