"""The server of a live page: on this machine alone, for whoever has the token, and read-only."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scoring.views.html import live
from scoring.views.text import printable
from scoring.watch import feed

ADDRESS = "127.0.0.1"
_MOST_CONNECTIONS = 100  # each is a thread
_SILENCE = 30.0  # seconds, after which a client that neither asks nor takes is dropped


@contextlib.contextmanager
def serving(
    directory: Path, port: int = 0, seconds: float = feed.SECONDS, token: str | None = None
) -> Iterator[str]:
    """The time in which a directory can be watched at the address that is given, which holds a
    token.

    Args:
      port: 0 for one that is free.
      seconds: between two looks at the directory.
      token: None for a new one that nobody can guess.
    Raises ValueError where the port is taken.
    """
    with feed.Feed(directory, seconds) as found:
        try:
            server = _Server((ADDRESS, port), _Handler)
        except OSError as error:
            raise ValueError(
                f"port {port} of {ADDRESS} cannot be used ({error.strerror}); give another --port"
            ) from None
        server.feed, server.token = found, token or secrets.token_urlsafe(16)
        server.page = live.render(printable(directory.absolute().name)).encode()
        thread = threading.Thread(target=server.serve_forever, name="watch server", daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/?token={server.token}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    """A thread for each connection; those that are open when it closes end with the feed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    feed: feed.Feed
    token: str
    page: bytes

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.free = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def handle_error(self, *request: Any) -> None:
        """Viewers come and go; that one has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET of two addresses, and refuses all else. No path leads to a file."""

    server: _Server
    server_version, sys_version = "algoperf-lite", ""
    timeout = _SILENCE

    def do_GET(self) -> None:
        """The page, or the events that it asks for."""
        if not self.server.free.acquire(blocking=False):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; close some pages")
            return
        try:
            self._answer()
        finally:
            self.server.free.release()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        if not self._may_see(address.query):
            self._say(
                HTTPStatus.FORBIDDEN,
                "refused: use the whole address that the command printed, with its token",
            )
        elif address.path == "/":
            self._begin(HTTPStatus.OK, "text/html; charset=utf-8", len(self.server.page))
            self.wfile.write(self.server.page)
        elif address.path == "/events":
            self._begin(HTTPStatus.OK, "text/event-stream")
            self._stream()
        else:
            self._say(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _stream(self) -> None:
        """Events until the feed ends, or a viewer has gone, which an error of writing tells."""
        with contextlib.suppress(OSError), contextlib.closing(self.server.feed.events()) as events:
            for event in events:
                self.wfile.write(event)

    def _may_see(self, query: str) -> bool:
        """Whether the token is right, and the address that was asked for is this machine's own: a
        stranger's page may have a name that leads here."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        given = parse_qs(query).get("token", [""])[0].encode("utf-8", "replace")
        is_right = hmac.compare_digest(given, self.server.token.encode())
        return is_right and host in (ADDRESS, "localhost")

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        text = f"{sentence}\n".encode()
        self._begin(status, "text/plain; charset=utf-8", len(text))
        self.wfile.write(text)

    def _begin(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            # The address holds the token, and is to stay here.
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Connection": "close",
        }
        if length is not None:
            headers["Content-Length"] = str(length)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *what: Any) -> None:
        """Nothing: the terminal is somebody's."""
