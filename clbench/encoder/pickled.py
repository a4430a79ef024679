"""Weights that a checkpoint has pickled alone, read without running any code and kept as safetensors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from clbench.encoder.hf_folder import FILES, PICKLED, check_files
from clbench.errors import UserError, first_line
from clbench.storage.cache import cached, sha256_of


def as_safetensors(folder: Path, origin: str) -> Path:
    """The folder itself, or, where its weights lie in :data:`~clbench.encoder.hf_folder.PICKLED` alone, a copy in the
    cache with the same weights as ``model.safetensors``.

    torch's unpickler is held to tensors and what they are made of (``weights_only``): no code of the file's runs.

    Args:
        folder: a checkpoint's.
        origin: opens the sentence of an error.

    Raises:
        UserError: the file holds something else than tensors by name, or is damaged.
    """
    if (folder / "model.safetensors").exists() or not (folder / PICKLED).exists():
        return folder
    check_files(folder, origin, (PICKLED,))
    content = {name: sha256_of(folder / name) for name in (*FILES, PICKLED) if (folder / name).is_file()}

    def convert(entry: Path) -> None:
        from safetensors.torch import save_file

        weights = _read(folder / PICKLED, origin)
        # Tied weights share their memory, which safetensors has no way to say.
        save_file(
            {name: value.contiguous().clone() for name, value in weights.items()},
            entry / "model.safetensors", metadata={"format": "pt"},
        )  # fmt: skip
        for name in content:
            if name != PICKLED:
                shutil.copyfile(folder / name, entry / name)

    return cached("converted", {"files": content}, convert)


def _read(path: Path, origin: str) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the unpickler met
        raise UserError(
            f"{origin}: {path.name} cannot be read without running code of its own, or is damaged "
            f"({first_line(error)[:200]}); fetch it again, or save it as model.safetensors."
        ) from error
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
        raise UserError(f"{origin}: {path.name} should hold tensors by name, as save_pretrained writes them.")
    other = next((name for name, value in found.items() if type(value) is not torch.Tensor), None)
    if other is not None:
        raise UserError(
            f"{origin}: {path.name} should hold tensors alone, but '{other[:80]}' is a {type(found[other]).__name__}."
        )
    return found
