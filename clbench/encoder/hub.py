"""A checkpoint's files from the Hugging Face hub, or from its cache on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from clbench.encoder.hf_folder import FILES, PICKLED
from clbench.errors import UserError, first_line
from clbench.storage.writing import UNWRITABLE, cannot_write


def fetch(hub_id: str, revision: str | None) -> tuple[Path, str]:
    """Download what a backbone is made of (no code, no pickles where there are safetensors); its folder and the commit.

    ``HF_ENDPOINT``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` are respected; what the cache holds is not downloaded again.

    Raises:
        UserError: no such model or revision, one that asks for a licence or login, or no network and no cached copy.
    """
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    asked = f"hub model {hub_id}" + (f" at {revision}" if revision else "")
    offline = (
        "with HF_HUB_OFFLINE=1 it has to lie in the cache already" if offline_mode() else "the hub cannot be reached"
    )
    try:
        with quiet():
            folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(FILES)))
            if not (folder / "model.safetensors").exists():
                hf_hub_download(hub_id, PICKLED, revision=folder.name)
    except GatedRepoError as error:
        raise UserError(f"{asked} asks for consent: accept its terms on the hub and set HF_TOKEN.") from error
    except RevisionNotFoundError as error:
        raise UserError(f"{asked}: the hub knows no such revision; give a commit, branch or tag of it.") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UserError(
            f"{asked} is not known to the hub; check its spelling, or set HF_TOKEN if it is private."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{asked} is not in the cache, and {offline}; go on with a copy in HF_HOME and HF_HUB_OFFLINE=1, "
            "or name a local folder."
        ) from error
    except EntryNotFoundError as error:
        raise UserError(f"{asked} has neither model.safetensors nor {PICKLED}; give one that has.") from error
    except (HfHubHTTPError, transport_error(), OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise cannot_write("the hub's cache", error, "name another folder in HF_HOME") from error
        # The last is what huggingface_hub makes of a large file that broke off.
        raise UserError(f"{asked} could not be downloaded ({first_line(error)}); try again later.") from error
    return folder, folder.name


def transport_error() -> type[Exception]:
    """What huggingface_hub's HTTP client raises, which is another library from one version to the next."""
    from huggingface_hub.errors import HfHubHTTPError

    found: type[Exception] = next(base for base in HfHubHTTPError.__bases__ if base is not OSError)
    return found


def cached_folder(hub_id: str, revision: str | None) -> Path | None:
    """The folder of a checkpoint's files in the hub's cache on this machine, if its configuration is there; nothing is
    downloaded.

    Raises:
        UserError: no id that the hub could know.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub_id, "config.json", revision=revision)
    except HFValidationError as error:
        raise UserError(f"hub model {hub_id} is not known to the hub; check its spelling.") from error
    return Path(found).parent if isinstance(found, str) else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Progress bars for a person at a terminal only; and no word of what is tried once more."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    level, bars = logging.get_verbosity(), not (sys.stderr.isatty() or are_progress_bars_disabled())
    logging.set_verbosity_error()
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            enable_progress_bars()


def offline_mode() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
