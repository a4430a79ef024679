"""The one thing that stands between a CPU torch and the libraries that import torchvision without needing it.

A torchvision built for another torch (the CUDA build beside a CPU torch, say) cannot load its compiled operators, and
then ``import torchvision`` itself fails, because it registers fake kernels for operators that nobody has defined.
Avalanche and transformers import torchvision; clbench uses none of it. Naming the operators' schemas beforehand is
enough for the import to pass; whoever *called* one of them would still get torch's error that it has no kernel.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# torch forgets a library's definitions when the object dies.
_library: torch.library.Library | None = None


def define() -> None:
    """Make ``import torchvision`` possible; to be called before anything that imports it. Does nothing twice.

    Where torchvision's own operators load, they are left alone; where there is no torchvision, nothing happens.
    torchao, which transformers imports where it is installed, is kept from telling of every kernel that it lacks.
    """
    global _library
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if _library is not None or _own_operators_load():
        return
    import torch

    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            _library.define(schema)


def _own_operators_load() -> bool:
    """Whether torchvision's compiled operators can be loaded (True as well where there is no torchvision to mend)."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).glob("_C*")):
            try:
                torch.ops.load_library(str(path))
            except (ImportError, OSError):
                continue
            return True
    return False
