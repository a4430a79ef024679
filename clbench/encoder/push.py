"""Sending a checkpoint's files to the Hugging Face hub, as one commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.encoder.hf_folder import FILES, check_files, read_json
from clbench.encoder.hub import offline_mode, quiet, transport_error
from clbench.errors import UserError, first_line

# What may be sent: weights, settings, tokenizers, the card, records. No code, no pickles, no texts.
CARD, RECORDS = "README.md", "records"
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Target:
    """Where files go.

    Attributes:
        name: the repository, ``OWNER/NAME``.
        private: whether it is made private, where it is new.
        revision: the branch; None for the main one.
        message: the commit's.
        update: whether a repository that holds files already may get others.
    """

    name: str
    private: bool = False
    revision: str | None = None
    message: str | None = None
    update: bool = False

    def check(self) -> None:
        """Raises:
        UserError: the name is none that the hub could have.
        """
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id

        try:
            validate_repo_id(self.name)
        except HFValidationError as error:
            raise UserError(f"push {self.name}: {first_line(error)}; give OWNER/NAME.") from error
        if "/" not in self.name:
            raise UserError(f"push {self.name}: give OWNER/NAME, the owner being you or an organisation of yours.")


@dataclass(frozen=True)
class Sent:
    """What has been sent.

    Attributes:
        url: the repository's page.
        commit: by which ``--model hub:OWNER/NAME@COMMIT`` brings it back.
    """

    url: str
    commit: str


def checkpoint_files(folder: Path) -> dict[str, Path]:
    """The files of a checkpoint that may be sent, by their names: those that a backbone is made of.

    Raises:
        UserError: it has no configuration or no safetensors, or a file is not what its name says.
    """
    origin = str(folder)
    check_files(folder, origin)
    found = {name: folder / name for name in FILES if (folder / name).is_file()}
    for needed in ("config.json", "model.safetensors"):
        if needed not in found:
            raise UserError(f"{origin}: {needed} is missing; give the folder of a checkpoint with safetensors.")
    for path in found.values():
        if path.suffix == ".json":
            read_json(path, origin)
    if read_json(found["config.json"], origin).get("auto_map"):
        raise UserError(f"{origin}: config.json names code of its own (auto_map), which is not sent; take it out.")
    _check_safetensors(found["model.safetensors"], origin)
    return found


def _check_safetensors(path: Path, origin: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except (SafetensorError, OSError) as error:
        raise UserError(f"{origin}: {path.name} is not in the format safetensors ({first_line(error)}).") from error


def described(files: Mapping[str, Path | bytes]) -> list[dict[str, str | int]]:
    """Each file's name, size in bytes and sha256."""
    found: list[dict[str, str | int]] = []
    for name, content in files.items():
        if isinstance(content, bytes):
            size, digest = len(content), hashlib.sha256(content).hexdigest()
        else:
            with content.open("rb") as file:
                size, digest = content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
        found.append({"path": name, "bytes": size, "sha256": digest})
    return found


def check_access(target: Target) -> None:
    """See to it, before anything costs time, that there is a token which the hub knows, and that the name is free.

    Raises:
        UserError: there is none, it is not valid, the name is taken, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, get_token

    target.check()
    if get_token() is None:
        raise UserError(f"push {target.name} needs a token of the hub; {_LOG_IN}.")
    with _told(target), quiet():
        api = HfApi()
        api.whoami()
        _there(api, target)


def send(target: Target, files: Mapping[str, Path | bytes]) -> Sent:
    """Send files as one commit; the repository is made where it is not there.

    Args:
        target: where to.
        files: by their paths in the repository, of kinds that :func:`checkpoint_files` names, the card, and records.

    Raises:
        UserError: as :func:`check_access`; or the token may not write there.
        ValueError: a file is of no kind that may be sent.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, ModelCard

    for path in files:
        if path not in (*FILES, CARD) and not (path.startswith(f"{RECORDS}/") and path.endswith(".json")):
            raise ValueError(f"{path} is not sent")
    check_access(target)
    with _told(target), quiet():
        api = HfApi()
        if (card := files.get(CARD)) is not None:
            # Before the repository is made: an empty one should not stay behind.
            text = card.decode() if isinstance(card, bytes) else card.read_text(encoding="utf-8")
            try:
                ModelCard(text, ignore_metadata_errors=True).validate()
            except ValueError as error:
                told = f"the hub refuses the head of {CARD} ({_complaints(str(error))})"
                raise UserError(f"push {target.name}: {told}; mend it.") from error
        if not _there(api, target):
            api.create_repo(target.name, private=target.private)
        if target.revision is not None:
            api.create_branch(target.name, branch=target.revision, exist_ok=True)
        operations = [
            CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
            for path, content in files.items()
        ]
        message = target.message or "Upload a model made by clbench"
        done = api.create_commit(target.name, operations, commit_message=message, revision=target.revision)
    return Sent(f"{api.endpoint}/{target.name}", str(done.oid))


def _there(api: Any, target: Target) -> bool:
    """Whether the repository is there, so that it need not be made.

    Raises:
        UserError: it holds files, and is not to be updated.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = api.model_info(target.name)
    except RepositoryNotFoundError:
        return False
    held = [one.rfilename for one in found.siblings or () if one.rfilename != ".gitattributes"]
    if held and not target.update:
        raise UserError(
            f"push {target.name}: the hub has a model of that name, with {len(held)} files; choose another name, or "
            "give --update to commit onto it."
        )
    return True


@contextmanager
def _told(target: Target) -> Iterator[None]:
    """What the hub, or the way to it, refuses, in a sentence."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UserError(f"push {target.name}: HF_HUB_OFFLINE is set; unset it to send anything.") from error
    except HfHubHTTPError as error:
        raise UserError(f"push {target.name}: {_refusal(error)}.") from error
    except (transport_error(), OSError) as error:
        where = "with HF_HUB_OFFLINE=1" if offline_mode() else "the hub cannot be reached"
        raise UserError(f"push {target.name}: {where} ({first_line(error)}); try again later.") from error
    except RuntimeError as error:
        # What huggingface_hub makes of a large file's upload that was broken off.
        cause = error.__cause__ or error
        raise UserError(f"push {target.name}: {first_line(error)} ({first_line(cause)}); try again.") from error


def _complaints(answer: str) -> str:
    """What the hub says is wrong with a card, which it answers as JSON."""
    try:
        return "; ".join(str(one["message"]) for one in json.loads(answer)["errors"])
    except (ValueError, KeyError, TypeError):
        return " ".join(answer.split())


def _refusal(error: Any) -> str:
    status = getattr(error.response, "status_code", None)
    if status == 401:
        return f"the hub does not know the token; {_LOG_IN}"
    if status == 403:
        return "the token may not write there; give one with the role write, or a name of your own"
    if status == 409:
        return "the hub has a repository of that name already; choose another, or give --update to commit onto it"
    if status == 413:
        return "the hub takes no file of this size"
    return f"the hub refuses ({first_line(error)}); try again later"
