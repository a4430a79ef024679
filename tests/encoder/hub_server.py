"""A loopback hub: as much of the Hugging Face hub's HTTP interface as huggingface_hub asks for to fetch a model, and,
with :class:`hub_uploads.Uploads`, to send one."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub_uploads import Uploads

COMMIT = "c0ffee" * 6 + "abcd"


@contextmanager
def serve(models: dict[str, Path], uploads: Uploads | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve folders as models, all at one commit named ``main``; yields the endpoint and the requests made so far.

    Args:
        models: by their names.
        uploads: takes others, and has their commits.
    """
    asked: list[str] = []

    def commit(name: str) -> str:
        return COMMIT if uploads is None else uploads.commits.get(name, COMMIT)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            asked.append(f"{self.command} {self.path}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if uploads is None:
                self._send(404, b"{}", {})
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            endpoint = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            path = unquote(urlsplit(self.path).path)
            status, told = uploads.answer(self.command, path, token, body, endpoint)
            self._send(status, json.dumps(told).encode(), {"Content-Type": "application/json"})

        do_PUT = do_POST

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if uploads is not None and path == "/api/whoami-v2":
                self.do_POST()
                return
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+?|[^/]+)(?:/(revision|tree)/([^/]+))?", path):
                self._api(*found.groups())
            elif found := re.fullmatch(r"/([^/]+/[^/]+|[^/]+)/resolve/([^/]+)/(.+)", path):
                self._file(*found.groups())
            else:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

        def _api(self, name: str, kind: str | None, revision: str | None) -> None:
            if name not in models:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            if revision not in (None, "main", commit(name)):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                return
            files = sorted(path for path in models[name].rglob("*") if path.is_file())
            names = [path.relative_to(models[name]).as_posix() for path in files]
            if kind == "tree":
                content: object = [
                    {"type": "file", "path": file, "size": path.stat().st_size, "oid": _oid(path)}
                    for file, path in zip(names, files, strict=True)
                ]
            else:
                siblings = [
                    {"rfilename": file, "size": path.stat().st_size, "blobId": _oid(path)}
                    for file, path in zip(names, files, strict=True)
                ]
                content = {
                    "_id": "1",
                    "id": name,
                    "modelId": name,
                    "sha": commit(name),
                    "private": False,
                    "siblings": siblings,
                }
            self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _file(self, name: str, revision: str, file: str) -> None:
            path = models.get(name, Path("/nonexistent")) / file
            if revision not in ("main", commit(name)) or not path.is_file():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            self._send(200, path.read_bytes(), {"ETag": f'"{_oid(path)}"', "X-Repo-Commit": commit(name)})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _oid(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
