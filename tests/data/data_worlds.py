"""Small made-up data sets for the tests of this room."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import yaml

from clbench.schema.stream import OpenStream, read_stream

COLUMNS = {"first": "premise", "second": "hypothesis", "label": "label"}
LABELS = {"yes": "same", "no": "other", "unsure": None}

NOUNS = ("cat", "river", "tower", "letter", "garden", "train", "window")


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """``count`` made-up rows, all different, of every label of ``LABELS``."""
    return [
        {
            "premise": f"A {NOUNS[i % 7]} stands near house {i}.",
            "hypothesis": f"Something is near house {i}.",
            "label": ("yes", "no", "no", "unsure")[i % 4],
        }
        for i in range(start, start + count)
    ]


def write_rows(path: Path, content: list[dict[str, Any]]) -> Path:
    """``content`` as the file kind that the path's name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        path.write_bytes(parquet(content))
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    elif path.suffix == ".tsv":
        lines = [list(content[0]), *(row.values() for row in content)]
        path.write_text("".join("\t".join(map(str, fields)) + "\n" for fields in lines), encoding="utf-8")
    else:
        text = "".join(json.dumps(row) + "\n" for row in content).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def parquet(content: list[dict[str, Any]]) -> bytes:
    """``content`` as a Parquet file."""
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), file)
    return file.getvalue()


def class_labels(content: list[dict[str, Any]], names: list[str]) -> bytes:
    """``content`` as a Parquet file whose column ``label`` holds places in ``names``, as ``datasets`` writes it."""
    file = io.BytesIO()
    table = pyarrow.Table.from_pylist(content)
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    written = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(written), file)
    return file.getvalue()


def domain(name: str, **fields: Any) -> dict[str, Any]:
    """A domain's form that is read from a folder, with some fields changed."""
    return {
        "name": name,
        "title": f"The domain {name}",
        "licence": "CC0",
        "citation": "made up for a test",
        "folder": {"columns": COLUMNS, "labels": LABELS},
        **fields,
    }


def stream(
    folder: Path, domains: list[dict[str, Any]], evaluation_only: tuple[dict[str, Any], ...] = (), **caps: int
) -> OpenStream:
    """A stream file in ``folder`` with its domains beside it: editions ``real``, ``generated``, and ``capped``."""
    folder.mkdir(parents=True, exist_ok=True)
    for content in (*domains, *evaluation_only):
        (folder / f"{content['name']}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    common = {"max_length": 32, "backbone": "none"}
    sizes = {"train": 40, "validation": 12, "test": 20}
    content = {
        "name": "a-stream",
        "title": "A stream",
        "description": "For a test.",
        "label_space": ["other", "same"],
        "domains": [d["name"] for d in domains],
        "evaluation_only": [d["name"] for d in evaluation_only],
        "editions": {
            "generated": {"source": "generated", **common, **sizes},
            "real": {"source": "real", **common},
            "capped": {"source": "real", **common, **caps},
        },
    }
    path = folder / "a-stream.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return read_stream(str(path))
