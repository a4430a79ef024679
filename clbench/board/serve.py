"""The built board on loopback: its own files, and nothing else of the machine."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from clbench.board.render import FILES
from clbench.errors import UserError

_TYPES = {".html": "text/html", ".csv": "text/csv", ".md": "text/plain"}


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 that answers for the files of :func:`~clbench.board.render.build` by their names.

    Args:
        folder: the board's.
        port: 0 for any that is free.

    Raises:
        UserError: the board is not built, or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise UserError(f"{folder} holds no index.html; clbench leaderboard build writes it.")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A name is looked up, never joined to a folder: no path leads anywhere else.
            path = self.path.split("?")[0]
            name = "index.html" if path == "/" else path.removeprefix("/")
            if name not in FILES:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            raw = (folder / name).read_bytes()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{_TYPES[Path(name).suffix]}; charset=utf-8")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not told."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(f"--port {port} cannot be used: {error.strerror}; choose another, or 0 for any.") from error
