"""A server of files at this machine's own address, which breaks off when it is told to."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path


class FileServer:
    """The files of a folder, whole or from a byte on.

    Attributes:
      breaks: connections that are still to end early.
      after: bytes of an answer before it does.
      ranges: whether a part can be asked for.
      asked: (path, the range asked for) of each request.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.breaks, self.after = 0, 1000
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = self.folder / request.path.rpartition("/")[2]
        wanted = request.headers.get("Range")
        self.asked.append((path.name, wanted))
        if not path.is_file():
            request.send_error(404)
            return
        content = path.read_bytes()
        tag = f'"{hash(content)}"'
        is_same = request.headers.get("If-Range") in (None, tag)
        start = (
            int(wanted[len("bytes=") :].rstrip("-")) if wanted and self.ranges and is_same else 0
        )
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", tag)
        request.end_headers()
        body = content[start:]
        if self.breaks:
            self.breaks -= 1
            body = body[: self.after]
            request.close_connection = True
        request.wfile.write(body)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """A server of `folder` while the block runs."""
    server = FileServer(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_port}/files"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
