"""The board over HTTP, for this machine alone."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clbench.board.render import CSV_NAME, PAGE_NAME, README_NAME
from clbench.errors import UserError

LOOPBACK = "127.0.0.1"
# All that is served: the address's path, the file, its type. Nothing is looked up by what a client asks for.
_FILES = {
    "/": (PAGE_NAME, "text/html"),
    f"/{PAGE_NAME}": (PAGE_NAME, "text/html"),
    f"/{CSV_NAME}": (CSV_NAME, "text/csv"),
    f"/{README_NAME}": (README_NAME, "text/markdown"),
}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing for a client that went away, at whatever moment; the usual traceback for a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the board's own files in ``folder``, bound to the loopback address and not yet running.

    Args:
        folder: where ``clbench leaderboard build`` wrote them.
        port: 0 for any that is free.

    Raises:
        UserError: there is no board, or the port is taken.
    """
    if not (folder / PAGE_NAME).is_file():
        raise UserError(f"{folder / PAGE_NAME} does not exist; clbench leaderboard build writes it.")

    class Handler(BaseHTTPRequestHandler):
        server_version = "clbench"
        sys_version = ""
        timeout = 60  # seconds, for a client that neither speaks nor listens

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, with_body: bool) -> None:
            name, kind = _FILES.get(self.path.partition("?")[0], (None, ""))
            try:
                body = (folder / name).read_bytes() if name else None
            except OSError:
                body = None
            if body is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cache-Control", "no-store")  # the board may be built again meanwhile
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what a client asks for may hold terminal escapes."""

    try:
        return _Server((LOOPBACK, port), Handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "ports end at 65535"
        raise UserError(f"--port {port} cannot be used: {reason}; choose another, or 0 for any.") from error
