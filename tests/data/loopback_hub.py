"""A Hugging Face hub on the loopback interface: the endpoints that huggingface_hub and datasets read from.

    with serve([Repository("someone/pairs", {"main": {"README.md": b"..."}})]) as hub:
        environment = {**os.environ, **hub.environment(tmp_path)}

Those libraries read their environment when they are imported, so what uses the hub runs in a subprocess.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Repository:
    """A repository: its files by revision (a branch, or a reference such as ``refs/convert/parquet``).

    Attributes:
        id: ``owner/name``.
        revisions: revision -> path -> content.
        kind: ``datasets`` or ``models``.
    """

    id: str
    revisions: dict[str, dict[str, bytes]]
    kind: str = "datasets"

    def commit(self, revision: str) -> str:
        """The 40 hexadecimal digits of a revision's content."""
        digest = hashlib.sha1(f"{self.kind}/{self.id}".encode())
        for path, content in sorted(self.revisions[revision].items()):
            digest.update(path.encode() + b"\0" + hashlib.sha1(content).digest())
        return digest.hexdigest()

    def resolve(self, asked: str) -> str | None:
        """The revision that a branch, a reference or a commit means."""
        return next((name for name in self.revisions if asked in (name, self.commit(name))), None)


@dataclass
class Hub:
    """A hub that is being served.

    Attributes:
        endpoint: for ``HF_ENDPOINT``.
        requests: ``METHOD path`` of everything that was asked for, in order.
    """

    endpoint: str
    requests: list[str] = field(default_factory=list)

    def environment(self, home: Path) -> dict[str, str]:
        """What a process needs to use this hub with its own, fresh cache in ``home``."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def serve(repositories: list[Repository]) -> Iterator[Hub]:
    """Serve repositories from a thread, on a free port of 127.0.0.1, until the block ends."""
    by_id = {(repository.kind, repository.id): repository for repository in repositories}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(by_id))
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/(.+))?")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def _handler(by_id: dict[tuple[str, str], Repository]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing on stderr."""

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            self.server.hub.requests.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            # A revision's slashes are encoded, so the path is taken apart before it is decoded.
            path = urlsplit(self.path).path
            if match := _API.fullmatch(path):
                self._api(*match.groups(), body)
            elif match := _FILE.fullmatch(path):
                self._file(match[1] or "models", *match.groups()[1:])
            else:
                self._fail("EntryNotFound")

        def _api(self, kind: str, repo: str, verb: str | None, rest: str | None, body: bytes) -> None:
            repository = by_id.get((kind, repo))
            if repository is None:
                return self._fail("RepoNotFound")
            asked, _, folder = (rest or "main").partition("/")
            revision = repository.resolve(unquote(asked))
            if revision is None:
                return self._fail("RevisionNotFound")
            files = repository.revisions[revision]
            if verb in (None, "revision"):
                siblings = [{"rfilename": name} for name in sorted(files)]
                about = {"id": repo, "sha": repository.commit(revision), "private": False, "gated": False}
                return self._json({**about, "disabled": False, "tags": [], "downloads": 0, "siblings": siblings})
            if verb == "tree":
                recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() == "true"
                entries = _tree(files, unquote(folder), recursive)
                return self._fail("EntryNotFound") if folder and not entries else self._json(entries)
            wanted = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode()).get("paths", [])
            return self._json([entry for entry in _tree(files, "", True) if entry["path"] in wanted])

        def _file(self, kind: str, repo: str, asked: str, path: str) -> None:
            repository = by_id.get((kind, repo))
            if repository is None:
                return self._fail("RepoNotFound")
            revision = repository.resolve(unquote(asked))
            if revision is None:
                return self._fail("RevisionNotFound")
            content = repository.revisions[revision].get(unquote(path))
            headers = {"X-Repo-Commit": repository.commit(revision)}
            if content is None:
                return self._fail("EntryNotFound", headers)
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            headers |= {
                "ETag": etag,
                "X-Linked-Etag": etag,
                "X-Linked-Size": str(len(content)),
                "Accept-Ranges": "bytes",
            }
            status, whole = HTTPStatus.OK, len(content)
            if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
                start, end = int(match[1]), min(int(match[2] or whole - 1), whole - 1)
                status, content = HTTPStatus.PARTIAL_CONTENT, content[start : end + 1]
                headers["Content-Range"] = f"bytes {start}-{end}/{whole}"
            return self._send(status, content, "application/octet-stream", headers)

        def _json(self, value: object) -> None:
            self._send(HTTPStatus.OK, json.dumps(value).encode(), "application/json", {})

        def _fail(self, code: str, headers: dict[str, str] | None = None) -> None:
            self._send(HTTPStatus.NOT_FOUND, b"{}", "application/json", {**(headers or {}), "X-Error-Code": code})

        def _send(self, status: HTTPStatus, content: bytes, kind: str, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


def _tree(files: dict[str, bytes], folder: str, recursive: bool) -> list[dict[str, object]]:
    """Files and folders below ``folder``, as the tree endpoint lists them."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, object]] = {}
    for path, content in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts)):
            name = prefix + "/".join(parts[:depth])
            if recursive or depth == 1:
                entries[name] = {
                    "type": "directory",
                    "path": name,
                    "oid": hashlib.sha1(name.encode()).hexdigest(),
                    "size": 0,
                }
        if recursive or len(parts) == 1:
            oid = hashlib.sha1(content).hexdigest()
            entries[path] = {"type": "file", "path": path, "oid": oid, "size": len(content)}
    return list(entries.values())
