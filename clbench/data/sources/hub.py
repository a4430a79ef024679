"""Examples from the Hugging Face hub, or from the cache that an earlier visit left."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from clbench.data.sources.folder import Folder
from clbench.errors import UserError, nearest
from clbench.schema.domain import Parts, Reading
from clbench.schema.source import Request, Source

if TYPE_CHECKING:
    from clbench.data.labels import Rows
    from clbench.data.pairs import DomainData, Pairs

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Hub(Reading, Source):
    """A data set on the Hugging Face hub.

    Attributes:
        id: ``owner/name``.
        config: the configuration, or null for the only one.
        data_dir: the folder of the repository that is read, where its configurations are plain folders (so on the
            parquet conversion, revision ``refs/convert/parquet``).
        revision: a commit, branch or reference; null for the newest. The commit that it led to goes into the record.
        parts: which published split each use is made of.
    """

    needs_network: ClassVar[bool] = True
    phrase: ClassVar[str] = "the hub"

    kind: Literal["hub"] = "hub"
    id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    config: str | None = None
    data_dir: str | None = None
    revision: str | None = None
    parts: Parts

    @model_validator(mode="after")
    def _one_way(self) -> Hub:
        if self.config is not None and self.data_dir is not None:
            raise ValueError("config and data_dir both say what is read; give one of them")
        return self

    def load(self, request: Request) -> DomainData:
        """The examples of the published splits, or of the parts of them that the uses are made of."""
        from clbench.data.labels import PLACES, check_names, labelled, no_gold_warnings
        from clbench.data.pairs import DomainData
        from clbench.data.subsets import carve

        parts = {"train": self.parts.train, "validation": self.parts.validation, "test": self.parts.test}
        if parts["train"] is None and request.trained_on:
            raise UserError(
                f"domain '{request.domain}' has no train part, so a stream can only name it as evaluation_only."
            )
        uses = {use: part for use, part in parts.items() if part is not None}
        fetched, source = fetch(request.domain, self, sorted({part.split for part in uses.values()}))
        splits: dict[str, Pairs] = {}
        check_names(list(fetched.values()), self)
        found = {split: labelled(rows, self, request.label_space) for split, rows in fetched.items()}
        for split, read in found.items():
            of_split = {use: part.share for use, part in uses.items() if part.split == split}
            carved = carve(read.pairs, list(of_split.values()), f"{request.domain}/{split}/carve")
            splits.update(zip(of_split, carved, strict=True))
        source["dropped"] = sum(read.dropped for read in found.values())
        dropped = tuple(place for read in found.values() for place in read.dropped_places)[:PLACES]
        warnings = tuple(no_gold_warnings(request.domain, found.values()))
        return DomainData(request.domain, splits, source, warnings, dropped_places=dropped)

    def as_files(self) -> Folder:
        """Files with the hub's columns and labels."""
        return Folder(columns=self.columns, labels=self.labels, bands=self.bands)

    def origin(self) -> str:
        """The id."""
        return self.id


def fetch(name: str, hub: Hub, splits: Sequence[str]) -> tuple[dict[str, Rows], dict[str, str | int | float]]:
    """The rows of some published splits, and where they came from, with the commit that was resolved.

    ``HF_ENDPOINT``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` count as they do for every Hugging Face library.

    Args:
        name: the domain's name, for error sentences.
        hub: where the set lies.
        splits: names of published splits.

    Raises:
        UserError: no network, no cache, an unknown set, configuration, revision, split or column.
    """
    from clbench.data.files import check_columns, table_rows

    loaded, commit = _load(name, hub)
    found: dict[str, Rows] = {}
    for split in splits:
        if split not in loaded:
            raise UserError(f"domain '{name}': {_called(hub)} has no split '{split}'; {nearest(split, loaded)}")
        data = loaded[split]
        origin = f"{_called(hub)}, split {split}"
        check_columns(f"domain '{name}': {origin}", hub.wanted, data.column_names)
        table = data.with_format("arrow")[:]
        found[split] = table_rows(table, hub.wanted, origin, f"domain '{name}': {origin}")
    source: dict[str, str | int | float] = {"id": hub.id, "commit": commit}
    for field in ("config", "data_dir", "revision"):
        if getattr(hub, field) is not None:
            source[field] = getattr(hub, field)
    return found, source


def _load(name: str, hub: Hub) -> tuple[Any, str]:
    """All splits of the set's configuration, as a DatasetDict, and the commit that they come from."""
    import datasets
    from datasets import exceptions
    from huggingface_hub import constants, errors, logging, utils

    from clbench.data.hub_csv import load_dataset

    utils.disable_progress_bars()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    logging.set_verbosity_error()
    if not _reachable():
        raise _unreachable(name, hub)
    try:
        if hub.data_dir is not None:
            snapshot = _snapshot(hub)
            return load_dataset(str(snapshot / hub.data_dir), None, None, hub.wanted), snapshot.name
        if Path(hub.id).is_dir():  # which datasets takes first
            raise UserError(
                f"domain '{name}': a folder {hub.id} lies in the working directory and would be read in place of the "
                "hub's data set of that name; run clbench elsewhere, or give its files with --data-dir."
            )
        loaded = load_dataset(hub.id, hub.config, hub.revision, hub.wanted)
        return loaded, _commit(name, hub, loaded)
    except (exceptions.DatasetNotFoundError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        is_revision = isinstance(error, errors.RevisionNotFoundError) or str(error).startswith("Revision")
        what = f"revision '{hub.revision}' of {hub.id}" if is_revision else f"data set {hub.id}"
        raise UserError(
            f"domain '{name}': the hub has no {what}, or you have no access to it; "
            "fix its 'hub' field, or give its files with --data-dir."
        ) from error
    except (ConnectionError, errors.HTTPError, errors.LocalEntryNotFoundError) as error:
        raise _unreachable(name, hub) from error
    except exceptions.DatasetGenerationError as error:
        raise _unreadable(name, hub, error.__cause__ or error) from error
    except (FileNotFoundError, exceptions.DatasetsError) as error:
        if constants.HF_HUB_OFFLINE:
            raise _unreachable(name, hub) from error
        raise UserError(
            f"domain '{name}': {_called(hub)} holds no data files that can be read; fix its 'hub' field."
        ) from error
    except (EOFError, zlib.error) as error:
        raise _unreadable(name, hub, error) from error
    except ValueError as error:
        raise _no_configuration(name, hub, error) from error


def _snapshot(hub: Hub) -> Path:
    """The local copy of a repository's folder. datasets itself finds no such folder in its cache without a network."""
    from huggingface_hub import snapshot_download

    patterns = [f"{hub.data_dir}/*"]
    return Path(snapshot_download(hub.id, repo_type="dataset", revision=hub.revision, allow_patterns=patterns))


def _reachable() -> bool:
    """Whether the hub answers at all, or need not (offline). Asked once here: the libraries try for half a minute."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return True
    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:  # of the HTTP library that huggingface_hub happens to use, which changes with its version
        return False
    return True


def _unreachable(name: str, hub: Hub) -> UserError:
    from huggingface_hub import constants

    otherwise = "give its files with --data-dir, or use a generated edition (--edition embedded)"
    if constants.HF_HUB_OFFLINE:
        return UserError(
            f"domain '{name}': HF_HUB_OFFLINE is set and {_called(hub)} is not in the cache; "
            f"fetch it once with a network, {otherwise}."
        )
    return UserError(
        f"domain '{name}': the hub at {constants.ENDPOINT} cannot be reached for {_called(hub)}; {otherwise}, "
        "or set HF_HUB_OFFLINE=1 where an earlier visit has filled the cache."
    )


def _no_configuration(name: str, hub: Hub, error: ValueError) -> UserError:
    from huggingface_hub import constants

    text = str(error)
    if constants.HF_HUB_OFFLINE:
        return _unreachable(name, hub)
    if "BuilderConfig" in text or "Config name" in text:
        # An example of its use may follow the list.
        known = re.findall(r"'([^']*)'", text.partition("vailable")[2].partition("]")[0])
        wrong = f"has no configuration '{hub.config}'" if hub.config else "has several configurations"
        return UserError(f"domain '{name}': {hub.id} {wrong}; {nearest(hub.config or '', known)}")
    return _unreadable(name, hub, error)


def _unreadable(name: str, hub: Hub, error: BaseException) -> UserError:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return UserError(f"domain '{name}': {_called(hub)} cannot be read: {first_line}.")


def _commit(name: str, hub: Hub, loaded: Any) -> str:
    """The commit that the examples come from: the cache keeps them in a folder of its name, also without a network.

    Raises:
        UserError: it is not the one that the revision means: without a network, and where the hub falls over, datasets
            takes what it has prepared last.
    """
    files = [file["filename"] for data in loaded.values() for file in data.cache_files]
    commit = next((Path(file).parent.name for file in files if _COMMIT.fullmatch(Path(file).parent.name)), "unknown")
    if hub.revision is None:
        return commit
    wanted = hub.revision if _COMMIT.fullmatch(hub.revision) else _resolved(hub)
    if wanted is None:
        raise UserError(
            f"domain '{name}': the cache does not say which commit of {hub.id} revision '{hub.revision}' is; "
            "fetch it once with a network, or name the commit."
        )
    if commit != wanted:
        asked = wanted if wanted == hub.revision else f"{wanted}, which is revision '{hub.revision}'"
        raise UserError(
            f"domain '{name}': the cache holds commit {commit} of {hub.id}, not {asked}; fetch that one with a network."
        )
    return commit


def _resolved(hub: Hub) -> str | None:
    """The commit that a branch, tag or reference leads to: the hub says it, or without a network what an earlier visit
    has noted; None where it noted nothing."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name

    assert hub.revision is not None
    if not constants.HF_HUB_OFFLINE:
        return HfApi().dataset_info(hub.id, revision=hub.revision).sha
    noted = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=hub.id, repo_type="dataset"), "refs", hub.revision)
    return noted.read_text(encoding="utf-8").strip() if noted.is_file() else None


def _called(hub: Hub) -> str:
    part = hub.config or hub.data_dir
    return f"{hub.id} ({part})" if part else hub.id
