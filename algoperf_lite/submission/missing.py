"""Imports of a submission that cannot be resolved on this machine; found by reading, before JAX."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from algoperf_lite.submission import find, reading
from algoperf_lite.submission.reading import Import

# What AlgoPerf's installation brings beside what this harness needs itself: the extra `algoperf`.
EXTRA = ("chex", "clu", "jraph", "ml_collections")
_OFFERED = ("spec", "jax_sharding_utils")  # of AlgoPerf's package
_NO_OFFER = f"algoperf-lite has no stand-in for: it has {' and '.join(_OFFERED)}"
_NATIVE = "is for submissions in AlgoPerf's form, and this one is native"
# A native file is run by itself: its text and its hash in a record are all there is of it.
_BESIDE = "is a file beside it: a native submission is one file, so put its content in there"
# {top-level module: framework}: never loaded here, even where they are installed.
_FRAMEWORKS = {
    "torch": "PyTorch",
    "torchvision": "PyTorch",
    "torchaudio": "PyTorch",
    "tensorflow": "TensorFlow",
    "tensorflow_datasets": "TensorFlow",
    "tensorflow_text": "TensorFlow",
}
# Packages that other people's JAX code imports by another name than pip knows.
_NAMES_FOR_PIP = {
    "haiku": "dm-haiku",
    "sklearn": "scikit-learn",
    "tree": "dm-tree",
    "yaml": "pyyaml",
}
# Folders at the root of AlgoPerf's repositories, by which published files import their helpers.
_ROOTS = ("algorithms", "baselines", "reference_algorithms", "submissions")


@dataclasses.dataclass(frozen=True)
class Missing:
    """An import that cannot be resolved.

    Attributes:
      file, line: where it is.
      module: what was imported; a top-level name where a package is missing.
      why: what is the matter with it, a clause that can follow "imports chex, which".
      package: what pip calls it, where installing it would help; else None.
      framework: "PyTorch" or "TensorFlow" for a module of theirs; else None.
    """

    file: Path
    line: int
    module: str
    why: str = "is not installed"
    package: str | None = None
    framework: str | None = None


def imports(path: Path, folders: Sequence[Path] = ()) -> list[Missing]:
    """Imports of a submission's files that will fail whenever they are loaded; runs none.

    Those in a function or a `try` are left out: the file may do without them.

    Args:
      folders: where packages may be installed beside those of this environment.
    """
    folder, is_native = find.folder_of(path), find.is_native(path)
    found = {}
    for file in reading.files(path, folder, certain=True):
        for one in file.imports:
            missing = _missing(one, file.path, folder, is_native, folders)
            if missing:
                found.setdefault(missing.module, missing)
    return list(found.values())


def check(path: Path, folders: Sequence[Path] = ()) -> None:
    """Raises ValueError with one sentence about imports that will fail; see `imports`."""
    found = imports(path, folders)
    # First, as it is moot what else a file for another framework lacks.
    _refuse_framework(path, found)
    if found:
        raise ValueError(f"submission {find.name_of(path)!r} {sentence(found)}")


def check_framework(path: Path) -> None:
    """Raises ValueError, one sentence, for a submission for PyTorch or TensorFlow."""
    _refuse_framework(path, imports(path))


def _refuse_framework(path: Path, found: Sequence[Missing]) -> None:
    for one in found:
        if one.framework:
            raise ValueError(
                f"submission {find.name_of(path)!r} imports {one.module}: this is a "
                f"{one.framework} submission; algoperf-lite runs JAX submissions, so give the one "
                "in JAX"
            )


def sentence(found: Sequence[Missing]) -> str:
    """What is missing and what to do, to follow the name of a submission."""
    packages = [missing for missing in found if missing.package]
    others = [f"imports {one.module}, which {one.why}" for one in found if not one.package]
    if not packages:
        return "; it ".join(others)
    names = _listed([missing.module for missing in packages])
    which = "which is" if len(packages) == 1 else "which are"
    wanted = [one.package for one in packages if one.module not in EXTRA]
    if len(wanted) < len(packages):
        wanted.insert(0, "'algoperf-lite[algoperf]'")
    said = f"imports {names}, {which} not installed; run: pip install {' '.join(wanted)}"
    return "; it ".join([*others, said])


def _missing(
    one: Import, file: Path, folder: Path, is_native: bool, folders: Sequence[Path]
) -> Missing | None:
    top, _, rest = one.name.partition(".")
    where = (file, one.line)
    if top in _FRAMEWORKS:
        return Missing(*where, top, framework=_FRAMEWORKS[top])
    if top in reading.ALGOPERF:
        part = rest.partition(".")[0]
        is_there = not is_native and part in ("", *_OFFERED)
        return None if is_there else Missing(*where, one.name, _NATIVE if is_native else _NO_OFFER)
    if reading.own(one.name, file, folder):
        return Missing(*where, one.name, _BESIDE) if is_native else None
    is_relative, is_of_repository = not top, top in _ROOTS and rest
    if is_relative or (is_of_repository and not reading.is_installed(one.name.rpartition(".")[0])):
        return Missing(*where, one.name, "is no file beside it; copy it there")
    if is_of_repository or reading.is_installed(top, folders):
        return None
    return Missing(*where, top, package=_NAMES_FOR_PIP.get(top, top))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
