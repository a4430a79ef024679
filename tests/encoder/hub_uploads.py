"""The part of a loopback hub that takes models: what huggingface_hub asks for to create a repository and to commit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# A file of this size or more goes the way of large files.
LARGE = 1024


@dataclass
class Uploads:
    """What the hub knows of who may write what.

    Attributes:
        models: folders by name, those of the hub; a commit puts a new one there.
        place: where the folders of commits are made.
        tokens: the owners under whose names each token may write.
        breaks: a part of a path at which the hub fails, with a status that nobody tries again at once.
    """

    models: dict[str, Path]
    place: Path
    tokens: dict[str, tuple[str, ...]]
    breaks: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    private: dict[str, bool] = field(default_factory=dict)
    batches: int = 0

    def answer(self, method: str, path: str, token: str, body: bytes, endpoint: str) -> tuple[int, Any]:
        """Status and JSON; 404 where there is nothing of the kind."""
        if self.breaks and self.breaks in path:
            return 507, {"error": "the hub is full"}
        if found := re.fullmatch(r"/upload/([0-9a-f]{64})", path):
            if hashlib.sha256(body).hexdigest() != found[1]:
                return 400, {"error": "another content"}
            self.objects[found[1]] = body
            return 200, {}
        if path == "/api/validate-yaml":
            return _judged(json.loads(body)["content"])
        if token not in self.tokens:
            return 401, {"error": "Invalid credentials in Authorization header"}
        if path == "/api/whoami-v2":
            return 200, {"name": self.tokens[token][0], "type": "user", "auth": {"accessToken": {"role": "write"}}}
        if path == "/api/repos/create":
            return self._create(json.loads(body), token, endpoint)
        if found := re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+?)(?:\.git)?/(preupload|commit|info)/(.+)", path):
            name, what, rest = found.groups()
            if name.partition("/")[0] not in self.tokens[token]:
                return 403, {"error": "You do not have write access to this repository"}
            if name not in self.models:
                return 404, {"error": "no such repository"}
            if what == "preupload":
                return 200, {"files": [
                    {"path": file["path"], "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                     "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]}  # fmt: skip
            if what == "info" and rest == "lfs/objects/batch":
                self.batches += 1
                return 200, {"transfer": "basic", "objects": [
                    {**one, "actions": {"upload": {"href": f"{endpoint}/upload/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]}  # fmt: skip
            return self._commit(name, rest, body, endpoint)
        return 404, {"error": f"{method} {path}"}

    def _create(self, asked: dict[str, Any], token: str, endpoint: str) -> tuple[int, Any]:
        owner = asked.get("organization") or self.tokens[token][0]
        name = f"{owner}/{asked['name']}"
        if owner not in self.tokens[token]:
            return 403, {"error": "You don't have the rights to create a model under this namespace"}
        if name in self.models:
            return 409, {"error": "You already created this model repo"}
        folder = self.place / name.replace("/", "--") / "new"
        folder.mkdir(parents=True)
        (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
        self.models[name] = folder
        self.private[name] = asked.get("visibility") == "private" or asked.get("private", False)
        return 200, {"url": f"{endpoint}/{name}"}

    def _commit(self, name: str, revision: str, body: bytes, endpoint: str) -> tuple[int, Any]:
        oid = hashlib.sha1(body).hexdigest()
        folder = self.place / name.replace("/", "--") / oid
        folder.mkdir(parents=True)
        for old in self.models[name].rglob("*"):
            if old.is_file():
                _write(folder / old.relative_to(self.models[name]), old.read_bytes())
        for line in map(json.loads, body.splitlines()):
            told = line["value"]
            if line["key"] == "header":
                self.messages.append(told["summary"])
            elif line["key"] == "file":
                _write(folder / told["path"], base64.b64decode(told["content"]))
            else:
                assert line["key"] == "lfsFile", line
                _write(folder / told["path"], self.objects[told["oid"]])
        self.models[name], self.commits[name] = folder, oid
        return 200, {
            "success": True,
            "commitOid": oid,
            "commitUrl": f"{endpoint}/{name}/commit/{oid}",
            "hookOutput": "",
        }


def _judged(card: str) -> tuple[int, Any]:
    """What the hub says of a card: its head is YAML, and names a licence as the hub does, or another by a name."""
    head = yaml.safe_load(card.split("---\n")[1]) if card.startswith("---\n") else {}
    known = {"apache-2.0", "mit", "cc-by-sa-4.0", "unknown", "other"}
    named = re.fullmatch(r"[a-z0-9.+-]+", head.get("license_name", "x"))
    if head.get("license") not in known or not named:
        return 400, {"errors": [{"message": '"license" must be one of [apache-2.0, mit, ..]'}], "warnings": []}
    return 200, {"errors": [], "warnings": []}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
