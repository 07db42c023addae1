"""A pack: the records of an experiment as one zip file, which a stranger may have made.

`pack.json` in it has the "format", what the pack is about, and the size and hash of every other
file. `read` believes nothing: whatever does not fit is refused in one sentence, before a byte is
written anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "pack.json"
FORMAT = 1
# A board of 50 submissions on 20 workloads in 3 studies of 5 trials has 15,000 trials of about
# 15 kB; what a pack may hold is a multiple of what one entry of such a board does.
MOST_FILES = 50_000
MOST_BYTES = 2**28  # unpacked, all files together
MOST_BYTES_OF_ZIP = 2**26
MOST_PARTS = 12  # of a path
_MOST_LETTERS = 400  # of a path
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell
_MODE = stat.S_IFREG | 0o644
_UNIX = 3  # by PKWARE's note: whose modes the attributes are
_ENTRY = b"PK\x01\x02"  # begins the entry of each file in a zip file's table
# What a damaged zip file, or one made to do damage, makes the library raise.
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError),
    *(RuntimeError, ValueError, OverflowError, LookupError, TypeError),
)


@dataclass(frozen=True)
class Pack:
    """A pack whose files are what its manifest says.

    Attributes:
      about: content of `pack.json`, but for "format" and "files".
      files: content by path, `/` between the parts, without `pack.json`.
    """

    about: Mapping[str, object]
    files: Mapping[str, bytes] = field(repr=False)

    def unpack(self, folder: str | Path) -> None:
        """Writes the files into an empty folder."""
        # Each folder once: of a board with thousands of trials this is most of the time.
        for above in sorted({name.rpartition("/")[0] for name in self.files}):
            os.makedirs(os.path.join(folder, above), exist_ok=True)
        for name, content in self.files.items():
            with open(os.path.join(folder, name), "xb") as file:
                file.write(content)


def write(output: str | Path, about: Mapping[str, object], files: Mapping[str, bytes]) -> None:
    """Writes a pack; the same files give the same bytes, where zlib is the same.

    Raises ValueError for what `read` would refuse, and where there is a file already.
    """
    for name in files:
        _check_name(name)
    _check_names([MANIFEST, *files])
    _check_sizes(len(files), sum(map(len, files.values())))
    hashes = {name: _hashed(content) for name, content in files.items()}
    manifest = {**about, "format": FORMAT, "files": hashes}
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"
    # Exclusively, so that no pack is ever replaced; and what failed half way is none.
    try:
        file = open(output, "xb")  # noqa: SIM115
    except FileExistsError:
        raise ValueError(f"{str(output)!r} is there already; give another --output") from None
    try:
        with file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in [(MANIFEST, text.encode()), *sorted(files.items())]:
                archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED, compresslevel=9)
        _check_size_of_zip(output)
    except BaseException:
        os.unlink(output)
        raise


def read(path: str | Path) -> Pack:
    """A pack, all of it checked; writes nothing.

    Raises ValueError, one sentence, for what is no pack, is damaged, or tries anything.
    """
    try:
        _check_size_of_zip(path)
        if Path(path).read_bytes().count(_ENTRY) > 2 * MOST_FILES:  # before a table is made of it
            raise ValueError(f"it lists more than {MOST_FILES} files")
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{str(path)!r} cannot be read as a pack ({reason})") from None
    # RecursionError, one of RuntimeError's, is what JSON nested a thousand deep raises.
    except _DAMAGE as error:
        raise ValueError(f"{str(path)!r} is no sound pack: {_sentence(error)}") from None


def _read(archive: zipfile.ZipFile) -> Pack:
    """The pack in an open zip file. Raises one of `_DAMAGE` for what does not fit."""
    entries = archive.infolist()
    for entry in entries:
        _check_entry(entry)
    _check_names([entry.filename for entry in entries])
    _check_sizes(len(entries), sum(entry.file_size for entry in entries))
    left, contents = MOST_BYTES, {}
    for entry in entries:
        # The declared sizes may be lies: what really comes out is counted.
        with archive.open(entry) as file:
            contents[entry.filename] = file.read(left + 1)
        left -= len(contents[entry.filename])
        _check_sizes(0, MOST_BYTES - left)
    if MANIFEST not in contents:
        raise ValueError(f"it has no {MANIFEST}")
    about = json.loads(contents.pop(MANIFEST))
    if not isinstance(about, dict) or about.pop("format", None) != FORMAT:
        raise ValueError(f"its {MANIFEST} is not of format {FORMAT}; use another version for it")
    hashes = about.pop("files", None)
    if not isinstance(hashes, dict) or hashes.keys() != contents.keys():
        raise ValueError(f"its files are not those that its {MANIFEST} lists")
    for name, content in contents.items():
        if hashes[name] != _hashed(content):
            raise ValueError(f"{name!r} is not the file that was packed: its hash does not fit")
    return Pack(about, contents)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Raises ValueError for what is no plain file under a plain path."""
    # The library cuts a name at its first zero byte.
    _check_name(entry.orig_filename)
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise ValueError(f"{entry.filename!r} is no plain file")
    if entry.flag_bits & 0x1:
        raise ValueError(f"{entry.filename!r} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename!r} is compressed in a way that no pack is")


def _check_name(name: str) -> None:
    """Raises ValueError for a path that is not plainly below the folder it is unpacked into."""
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or ":" in parts[0] or not name.isprintable():
        raise ValueError(f"{name[:80]!r} is no path within a pack")
    if len(parts) > MOST_PARTS or len(name.encode("utf-8", "replace")) > _MOST_LETTERS:
        raise ValueError(f"the path {name[:80]!r}... is too long")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise ValueError(f"{name[:80]!r} is no name of a file here") from None


def _check_names(names: Iterable[str]) -> None:
    """Raises ValueError where a name is there twice, or is a file and a folder."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"it holds {name!r} twice")
        seen.add(name)
    for name in seen:
        above = name.rpartition("/")[0]
        while above:
            if above in seen:
                raise ValueError(f"{above!r} is both a file and a folder")
            above = above.rpartition("/")[0]


def _check_sizes(num_files: int, num_bytes: int) -> None:
    if num_files > MOST_FILES + 1:
        raise ValueError(f"it holds {num_files} files, more than {MOST_FILES}")
    if num_bytes > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES // 2**20} MiB")


def _check_size_of_zip(path: str | Path) -> None:
    if os.path.getsize(path) > MOST_BYTES_OF_ZIP:
        raise ValueError(f"it has more than {MOST_BYTES_OF_ZIP // 2**20} MiB")


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry that says nothing of when and where it was written."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system, entry.external_attr = _UNIX, _MODE << 16
    return entry


def _hashed(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _sentence(error: Exception) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return str(error).partition("\n")[0][:300] or type(error).__name__
