"""A sweep that takes seconds: real recipes, streams and strategies, few examples, a small BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

QUICK = {"training.epochs": 1}


def write_sweep(folder: Path, stream: Path, backbone: Path, **changes: Any) -> Path:
    """A file with one recipe, its teacher, three strategies and one seed."""
    content: dict[str, Any] = {
        "name": "mine",
        "recipes": ["pkd-skip-6l", "finetune-12l"],
        "streams": [str(stream)],
        "strategies": ["naive", "replay", "si"],
        "settings": {"naive": QUICK, "replay": QUICK | {"memory_size": 60}, "si": QUICK},
        "seeds": "0",
        "backbone": str(backbone),
    }
    content |= changes
    content["settings"] = {name: value for name, value in content["settings"].items() if name in content["strategies"]}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
