"""The feed of a live page: one thread reads what has changed, and all viewers are told of it."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from scoring.watch.machine import Machine
from scoring.watch.trials import Tree

SECONDS = 2.0  # between two looks at the least
_SHARE = 0.004  # of a core, that looking may take: long trees are looked at less often
_LONGEST_REST = 60.0  # seconds: the first look reads everything, and is no measure of the next ones
_MOST_SAMPLES = 300  # of the machine, for the chart
_LONGEST_WAIT = 15.0  # seconds without a word, after which one is sent: is the viewer still there?


def rest(spent: float, seconds: float) -> float:
    """Seconds until the next look, after one that took so much of a core's time.

    By processor time, so that a busy machine does not make it look more seldom.
    """
    return max(seconds, min(spent / _SHARE, _LONGEST_REST))


class Feed:
    """The newest state of an experiment as events; nothing is read while nobody looks."""

    def __init__(self, directory: Path, seconds: float = SECONDS):
        self._tree, self._machine, self._seconds = Tree(directory), Machine(directory), seconds
        self._changed = threading.Condition()
        # The version at which it changed last, and its JSON, which is made once for all viewers.
        self._trials: dict[str, tuple[int, str]] = {}
        self._samples: deque[tuple[int, str]] = deque(maxlen=_MOST_SAMPLES)
        self._experiment: tuple[int, str] = (0, "{}")
        self._version = self._num_viewers = 0
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        self._thread.join()

    def events(self) -> Iterator[bytes]:
        """Server-sent events: first all that is known, then what is new, until the feed ends."""
        with self._changed:
            self._num_viewers += 1
            self._changed.notify_all()  # the thread may be waiting for somebody
        known = 0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(
                        lambda seen=known: self._version > seen or self._has_ended, _LONGEST_WAIT
                    )
                    if self._has_ended:
                        return
                    text, known = self._since(known), self._version
                # A comment, to a browser; writing it fails where the viewer has gone.
                yield text.encode() or b":\n\n"
        finally:
            with self._changed:
                self._num_viewers -= 1

    def _since(self, known: int) -> str:
        """Events of all that changed after a version."""
        lists = (
            ("trials", [text for version, text in self._trials.values() if version > known]),
            ("machine", [text for version, text in self._samples if version > known]),
        )
        parts = [f"event: {name}\ndata: [{','.join(texts)}]\n\n" for name, texts in lists if texts]
        if self._experiment[0] > known:
            parts.insert(0, f"event: experiment\ndata: {self._experiment[1]}\n\n")
        return "".join(parts)

    def _end(self) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        """Looks until the end; whatever stops it, viewers do not wait for ever."""
        try:
            self._look()
        finally:
            self._end()

    def _look(self) -> None:
        """Looks again and again while there are viewers."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._num_viewers or self._has_ended)
                if self._has_ended:
                    return
            began = time.thread_time()
            self._update()
            pause = rest(time.thread_time() - began, self._seconds)
            with self._changed:
                if self._changed.wait_for(lambda: self._has_ended, pause):
                    return

    def _update(self) -> None:
        """Takes in what has changed; the files are read before viewers have to wait."""
        changed, gone = self._tree.poll()
        texts = {path: _text(self._tree.trials[path].to_json()) for path in changed}
        texts |= {path: _text({"path": path, "status": None}) for path in gone}
        sample = _text(self._machine.sample().to_json())
        experiment = _text({"numTrials": self._tree.num_trials})
        with self._changed:
            self._version += 1
            self._trials |= {path: (self._version, text) for path, text in texts.items()}
            self._samples.append((self._version, sample))
            if experiment != self._experiment[1]:
                self._experiment = (self._version, experiment)
            self._changed.notify_all()


def _text(value: object) -> str:
    # Pure ASCII without line ends, which would end the event.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
