"""docs/your-encoder.md: its table is the families that are registered."""

from __future__ import annotations

import re
from pathlib import Path

from clbench.encoder.family import FAMILIES

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "your-encoder.md").read_text(encoding="utf-8")


def test_the_table_is_the_registry() -> None:
    told = {}
    for types, title, tokens in re.findall(r"^\| (`.*`) \| (.*) \| (packed|padded) \|$", TEXT, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`([^`]+)`", types), (title, tokens == "packed"))
    assert told == {name: (family.title, family.flat) for name, family in FAMILIES.all().items()}
