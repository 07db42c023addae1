"""Bytes of a fixed list of standard-library sources: real text that comes with every Python.

All these files exist in CPython 3.11, 3.12 and 3.13. Those of validation and test are the same
bytes in all three, so that a perplexity means the same; those of train differ in few lines.
"""

import functools
import sysconfig
from pathlib import Path

import numpy as np

_MODULES = {
    "train": (
        "_collections_abc _pydecimal _pyio _strptime argparse ast asyncio/base_events "
        "asyncio/events asyncio/proactor_events asyncio/selector_events asyncio/sslproto "
        "asyncio/streams asyncio/unix_events asyncio/windows_events base64 bdb calendar codecs "
        "collections/__init__ compileall concurrent/futures/process contextlib doctest "
        "email/_header_value_parser email/_parseaddr email/_policybase email/charset "
        "email/feedparser email/generator email/message fileinput ftplib functools gettext gzip "
        "html/parser http/client http/cookies http/server imaplib inspect ipaddress json/encoder "
        "logging/__init__ logging/handlers mailbox mimetypes modulefinder "
        "multiprocessing/managers multiprocessing/shared_memory pickle pickletools plistlib "
        "poplib pprint profile pydoc re/_compiler re/_parser selectors smtplib socket ssl "
        "subprocess tarfile tempfile trace turtle unittest/case unittest/mock "
        "urllib/parse urllib/request uuid wave wsgiref/handlers xml/etree/ElementTree "
        "xml/sax/expatreader xmlrpc/client"
    ),
    "validation": (
        "concurrent/futures/_base difflib email/contentmanager email/headerregistry graphlib heapq "
        "json/__init__ multiprocessing/heap unittest/suite xml/dom/pulldom xml/etree/ElementPath"
    ),
    "test": (
        "_markupbase asyncio/protocols email/quoprimime multiprocessing/reduction optparse pyclbr "
        "tomllib/_parser tracemalloc urllib/robotparser weakref wsgiref/headers xml/dom/xmlbuilder "
        "xml/sax/handler xml/sax/saxutils"
    ),
}
FILES = {split: tuple(modules.split()) for split, modules in _MODULES.items()}


@functools.cache
def splits(seq_len: int, num_eval: int) -> dict[str, dict[str, np.ndarray]]:
    """Disjoint splits of {'inputs', 'targets'}: (n, seq_len) int32 bytes, targets one byte ahead.

    Args:
      num_eval: sequences of validation and of test, spread evenly over all their windows.
    """
    return {split: _examples(windows(split, seq_len), split, num_eval) for split in FILES}


def windows(split: str, seq_len: int) -> np.ndarray:
    """All non-overlapping windows (n, seq_len + 1) uint8 of a split's files, tails dropped."""
    return np.concatenate(_by_file(split, seq_len))


@functools.cache
def file_numbers(seq_len: int) -> np.ndarray:
    """Which file each window of train is from, (n,), counted in alphabetical order."""
    sizes = [len(part) for part in _by_file("train", seq_len)]
    return np.repeat(np.arange(len(sizes)), sizes)


def _by_file(split: str, seq_len: int) -> list[np.ndarray]:
    """The windows of each file, in alphabetical order."""
    width = seq_len + 1
    texts = (np.frombuffer(_read(module), np.uint8) for module in sorted(FILES[split]))
    return [text[: len(text) // width * width].reshape(-1, width) for text in texts]


def _examples(all_windows: np.ndarray, split: str, num_eval: int) -> dict[str, np.ndarray]:
    # Spread over all files, since neighbouring windows are alike.
    if split != "train":
        picked = np.arange(num_eval) * len(all_windows) // num_eval
        all_windows = all_windows[picked]
    tokens = all_windows.astype(np.int32)
    return {
        "inputs": np.ascontiguousarray(tokens[:, :-1]),
        "targets": np.ascontiguousarray(tokens[:, 1:]),
    }


def _read(module: str) -> bytes:
    path = Path(sysconfig.get_path("stdlib"), f"{module}.py")
    if not path.is_file():
        raise ValueError(
            f"workload 'finewebedu_lm' reads the source of the standard library, and {path} is "
            "not there; use a CPython 3.11 or later that ships its sources"
        )
    return path.read_bytes().replace(b"\r\n", b"\n")  # Windows installers may write CRLF
