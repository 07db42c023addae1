"""Downloads that go on where they were broken off, and are whole and checked when they are done."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from algoperf_lite.data.source import DataError

Report = Callable[[str, int, int], None]  # what is done, bytes done, bytes in all

_ATTEMPTS = 6  # without a byte more
_FIRST_WAIT_S = 1.0  # doubled after each of them
_SILENCE_S = 60.0  # of a server, before the connection counts as broken
_CHUNK_BYTES = 1 << 20
_LATER = (429, 500, 502, 503, 504)  # codes of servers that will answer again
_PARTIAL, _BEHIND_END = 206, 416


class _BrokenOff(Exception):
    """A connection that ended too early; the next one may go on."""


def fetch(
    address: str, path: Path, num_bytes: int, sha256: str, report: Report = lambda *_: None
) -> None:
    """Downloads a file to `path`, which appears when it is whole and its check sum is right.

    What a broken connection or a killed process has left lies beside it and is gone on with.
    Raises DataError where the server does not have it, ends it again and again, or has another.
    """
    partial = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, -1
    while True:
        try:
            _go_on(address, partial, num_bytes, report)
            break
        except _BrokenOff as error:
            # What brought more bytes was no failure: large files may break off many times.
            failures = 1 if _size(partial) > most else failures + 1
            most = max(most, _size(partial))
            if failures >= _ATTEMPTS:
                raise DataError(
                    f"{address} broke off at byte {most} of {num_bytes}, the last {failures} times "
                    f"without a byte more ({error}); the same command goes on from there"
                ) from error
        time.sleep(_FIRST_WAIT_S * 2 ** (failures - 1))
    _tag_of(partial).unlink(missing_ok=True)
    found = _sha256_of(partial)
    if found != sha256:
        partial.unlink()
        raise DataError(
            f"{address} has the SHA-256 {found}, and {sha256} was published; it was deleted: try "
            "again, or give another server's folder as --mirror"
        )
    partial.replace(path)


def _go_on(address: str, partial: Path, num_bytes: int, report: Report) -> None:
    """Appends to `partial` what it lacks."""
    have = _size(partial)
    if have == num_bytes:
        return  # a process was killed before it could check it
    with _answer(address, partial, have) as response:
        # A server that knows no ranges, or has another file by now, sends all of it.
        if response.status != _PARTIAL:
            have = 0
        total = have + int(response.headers.get("Content-Length") or num_bytes - have)
        _tag_of(partial).write_text(response.headers.get("ETag") or "")
        with partial.open("ab" if have else "wb") as file:
            while chunk := _chunk(response):
                file.write(chunk)
                have += len(chunk)
                report(f"download {address.rpartition('/')[2]}", have, total)
    if have < total:
        raise _BrokenOff("the server closed the connection")


def _answer(address: str, partial: Path, have: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "algoperf-lite"}
    if have:
        headers["Range"] = f"bytes={have}-"
        tag = _tag_of(partial)
        if tag.is_file() and tag.read_text():
            headers["If-Range"] = tag.read_text()
    try:
        request = urllib.request.Request(address, headers=headers)
        return urllib.request.urlopen(request, timeout=_SILENCE_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _BEHIND_END:
                partial.unlink()
                raise _BrokenOff("what is there already is more than its file has") from error
            if error.code in _LATER:
                raise _BrokenOff(f"the server says {error.code}") from error
            raise DataError(
                f"{address} cannot be had: the server says {error.code} {error.reason}; give "
                "another server's folder as --mirror"
            ) from error
    except ValueError as error:
        raise DataError(f"{address!r} is no address ({error}); give one with http://") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(str(getattr(error, "reason", error))) from error


def _chunk(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOff(str(error) or type(error).__name__) from error


def _tag_of(partial: Path) -> Path:
    """The server's name of the version of a file that was begun, so that two are not mixed."""
    return partial.with_name(f"{partial.name}.etag")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
