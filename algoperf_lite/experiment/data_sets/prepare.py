"""Data sets downloaded from their publishers and laid out as the workloads read them."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from algoperf_lite import did_you_mean
from algoperf_lite.data.source import DataError
from algoperf_lite.experiment.data_sets import download, publications, speech, unpack
from algoperf_lite.experiment.data_sets.download import Report
from algoperf_lite.experiment.data_sets.publications import Form, Publication

_DOWNLOADS = ".downloads"  # below the root: half of a file is no data set


def prepare(name: str, root: Path, mirror: str | None, report: Report) -> tuple[Path, bool]:
    """Downloads and unpacks a data set of `publications.PUBLICATIONS` below `root`.

    After a kill or a broken connection it goes on where it was.

    Args:
      mirror: address of a folder of another server with the same files.
      report: is told of every piece.
    Returns the folder, and whether it was there already.
    Raises ValueError for an unknown name, and DataError where there is no room, which is said
    before anything is downloaded, or the files cannot be had.
    """
    did_you_mean.require(name, publications.PUBLICATIONS, "data set to download")
    published = publications.PUBLICATIONS[name]
    folder, downloads = root / published.folder, root / _DOWNLOADS / name
    if _is_made(published, folder):
        return folder, True
    if published.form is Form.SPEECH:
        speech.check(folder)
    downloads.mkdir(parents=True, exist_ok=True)
    with _alone(downloads, name):
        _check_room(name, published, downloads)
        for one in published.downloads:
            path = downloads / one.name
            if not path.is_file():
                download.fetch(one.at(mirror), path, one.num_bytes, one.sha256, report)
        _lay_out(published, folder, downloads, report)
        shutil.rmtree(downloads)
    return folder, False


def _is_made(published: Publication, folder: Path) -> bool:
    if published.form is Form.FILES:
        return all((folder / one.name).is_file() for one in published.downloads)
    return folder.is_dir()


def _lay_out(published: Publication, folder: Path, downloads: Path, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if published.form is Form.FILES:
        folder.mkdir(exist_ok=True)
        for one in published.downloads:
            (downloads / one.name).replace(folder / one.name)
        return
    archive = downloads / published.downloads[0].name
    if published.form is Form.SPEECH:
        speech.make(archive, folder, report)
    else:
        unpack.unpack(archive, published.inner, folder, report)


def _check_room(name: str, published: Publication, downloads: Path) -> None:
    have = sum(path.stat().st_size for path in downloads.iterdir())
    # Files are moved; an archive lies beside what is unpacked from it.
    copies = 1.0 if published.form is Form.FILES else 1.0 + published.growth
    needed = max(0, round(published.num_bytes * copies) - have)
    free = shutil.disk_usage(downloads).free
    if needed > free:
        raise DataError(
            f"{name} needs {needed / 1e9:.2f} GB in {downloads.parent.parent} while it is "
            f"prepared, and its disk has {free / 1e9:.2f} GB left; free some, or give another "
            "--data_dir"
        )


@contextlib.contextmanager
def _alone(downloads: Path, name: str) -> Iterator[None]:
    """Keeps a second command from writing into the same files."""
    with (downloads / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{name} is being prepared by another process; wait for it") from None
        yield
