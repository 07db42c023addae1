"""Archives unpacked into a folder that appears when it is whole."""

import contextlib
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets.download import Report


@contextlib.contextmanager
def becoming(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into, renamed to it when the block ends without an error.

    What a process that was killed had written is removed. Raises DataError where `folder` is there.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    if folder.exists():
        raise DataError(f"{folder} is there already; remove it to have it made again")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def unpack(archive: Path, inner: str, folder: Path, report: Report) -> None:
    """Makes `folder` of the folder `inner` of a .zip, .tar.gz or .tgz file.

    Raises DataError where the archive is damaged, or has no such folder.
    """
    with becoming(folder) as partial:
        # Beside what becomes the folder, as it is a folder further down in the archive.
        outer = partial / ".archive"
        with _damage_of(archive):
            if archive.suffix == ".zip":
                _unzip(archive, outer, report)
            else:
                for members, member in tar_members(archive, report):
                    members.extract(member, outer, filter="data")
        if not (outer / inner).is_dir():
            raise DataError(f"{archive} holds no folder {inner!r}; download it again")
        for path in (outer / inner).iterdir():
            path.rename(partial / path.name)
        shutil.rmtree(outer)


def tar_members(archive: Path, report: Report) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of a compressed archive in their order, each to be read before the next."""
    size, what = archive.stat().st_size, f"unpack {archive.name}"
    with (
        _damage_of(archive),
        archive.open("rb") as file,
        tarfile.open(fileobj=file, mode="r|*") as members,
    ):
        for member in members:
            yield members, member
            report(what, file.tell(), size)


def content(archive: Path, members: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """What a file in the archive holds. Raises DataError where it is damaged."""
    with _damage_of(archive):
        file = members.extractfile(member)
        return file.read() if file else b""


def _unzip(archive: Path, folder: Path, report: Report) -> None:
    with zipfile.ZipFile(archive) as members:
        total = sum(member.file_size for member in members.infolist())
        done = 0
        for member in members.infolist():
            # It leaves out what would lead out of the folder, and compares the check sum.
            members.extract(member, folder)
            done += member.file_size
            report(f"unpack {archive.name}", done, total)


@contextlib.contextmanager
def _damage_of(archive: Path) -> Iterator[None]:
    # What the standard library raises for archives that were cut short or changed.
    damages = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)
    try:
        yield
    except damages as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # A bad check sum of gzip is an OSError without a number; a full disk has one.
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(
        f"{archive} is damaged ({error or type(error).__name__}); remove it, and the same command "
        "downloads it again"
    )
