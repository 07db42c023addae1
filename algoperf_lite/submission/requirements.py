"""Requirements of a submission: the lines of its requirements.txt against what is installed.

Only distributions' metadata is read: nothing is imported, and nothing is installed here. Source of
the file's format: pip's documentation, "Requirements File Format".
"""

import dataclasses
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from algoperf_lite.submission import find

# The harness stands in for these itself, see `algoperf_shim`; nobody has to install them.
_STOOD_IN_FOR = ("algoperf", "algorithmic-efficiency")
_COMMENT = re.compile(r"(^|\s)#.*$")  # not the "#egg=" of an address
_NAME_IN_ADDRESS = re.compile(r"[#&]egg=([\w.-]+)")
_OPTION_OF_A_LINE = re.compile(r"\s--[a-z].*$")  # as in "numpy==2.0 --hash=sha256:..."
_FURTHER_FILE = re.compile(r"(-r|--requirement|-c|--constraint)[\s=]*(\S+)$")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One line of a requirements.txt, and what is installed.

    Attributes:
      line: as the file has it, without comments and options of pip.
      name: of the package; None for an address that does not say.
      installed: its version here; None where there is none, or no name to look for.
      is_met: whether that version is one the line asks for.
    """

    line: str
    name: str | None
    installed: str | None
    is_met: bool

    @property
    def is_missing(self) -> bool:
        """Whether no version of the package is installed."""
        return self.name is not None and self.installed is None


def file_of(submission: Path) -> Path | None:
    """The requirements.txt of a submission's file; None where it has none.

    A native file that lies among others has none: what lies beside it is not about it.
    """
    if submission.name != find.FILE_OF_A_FOLDER and not find.steps_in_python(submission):
        return None
    file = find.companion(submission, find.REQUIREMENTS)
    return file if file.is_file() else None


def wanted(submission: Path) -> tuple[Wanted, ...]:
    """What a submission asks for, against what is installed for the process that asks.

    Lines that are for other machines (`; python_version < "3.10"`) are left out. Raises ValueError
    for a line that is no requirement.
    """
    file = file_of(submission)
    if file is None:
        return ()
    found = (_wanted(line, path) for path, line in _lines(file))
    return tuple(one for one in found if one is not None)


def facts(submission: Path) -> list[dict[str, str | None]]:
    """The same as `trial.json` keeps it."""
    return [{"wanted": one.line, "installed": one.installed} for one in wanted(submission)]


def text(file: Path) -> str:
    """The file with those that it includes: all that decides what pip installs."""
    return "\n".join(line for _, line in _lines(file, all_of_them=True))


def _require_installed(submission: Path) -> None:
    """Raises ValueError, with pip's command, where a package is not installed at all."""
    missing = [one.line for one in wanted(submission) if one.is_missing]
    if missing:
        command = " ".join(repr(line) for line in missing)
        raise ValueError(
            f"submission {find.name_of(submission)!r} requires {', '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed; run: pip install {command}, "
            "or use --requirements=isolated"
        )


def check(submission: Path, strict: bool) -> str | None:
    """A remark where other versions are installed than a submission asks for; None without any.

    Raises ValueError where a package is not installed, and under `strict` for every mismatch.
    """
    _require_installed(submission)
    unmet = [one for one in wanted(submission) if not one.is_met]
    if not unmet:
        return None
    name = find.name_of(submission)
    what = f"submission {name!r} requires {'; '.join(map(_against, unmet))}"
    if strict:
        raise ValueError(
            f"{what}; install that, or leave --requirements=strict out, or use "
            "--requirements=isolated, which gives it an environment of its own"
        )
    return f"{what}; going on with what is installed (see --requirements)"


def _against(one: Wanted) -> str:
    if one.name is None:
        return f"{one.line}, which has no name to compare by"
    return f"{one.line}, but {one.installed} is installed"


def _wanted(line: str, file: Path) -> Wanted | None:
    """A line against what is installed; None where it is not for this machine, or met by us."""
    if "://" in line and " @ " not in line or line.startswith((".", "/")):
        named = _NAME_IN_ADDRESS.search(line)
        installed = named and _version(named[1])
        # Which version an address leads to, only pip can tell.
        return Wanted(line, named and named[1], installed, installed is not None)
    try:
        asked = Requirement(line)
    except InvalidRequirement:
        raise ValueError(f"{file} has the line {line!r}, which is no requirement") from None
    is_elsewhere = asked.marker is not None and not asked.marker.evaluate({"extra": ""})
    if is_elsewhere or canonicalize_name(asked.name) in _STOOD_IN_FOR:
        return None
    found = _version(asked.name)
    is_met = found is not None and asked.specifier.contains(found, prereleases=True)
    return Wanted(line, asked.name, found, is_met)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lines(
    file: Path, all_of_them: bool = False, above: tuple[Path, ...] = ()
) -> Iterator[tuple[Path, str]]:
    """(file, requirement) of each line, files that it includes by `-r` in their places.

    `all_of_them` yields constraints and options too, such as `--index-url`, which are pip's
    business alone. Raises ValueError for a file that cannot be read, or that includes itself.
    """
    if file in above:
        raise ValueError(f"{file} includes itself; take its -r out")
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read ({error}); mend it or take it away") from None
    # A backslash joins lines before comments are looked for, as in pip.
    for raw in content.removeprefix("\ufeff").replace("\\\n", " ").splitlines():
        line = _COMMENT.sub("", raw).strip()
        further = _FURTHER_FILE.match(line)
        if further and (all_of_them or further[1] in ("-r", "--requirement")):
            yield from _lines(file.parent / further[2], all_of_them, (*above, file))
        elif line and all_of_them:
            yield file, line
        elif line and not line.startswith("-"):
            yield file, _OPTION_OF_A_LINE.sub("", line).strip()
