"""A run's model, or a checkpoint, in a format for devices, compared with itself on every test example."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.errors import UserError
from clbench.record.provenance import versions
from clbench.runs.snapshots import FOLDER as MODELS
from clbench.schema.scenario import open_classes
from clbench.storage.cache import installed_versions
from clbench.storage.writing import cannot_write, check_replaceable, made, replace_folder, unfinished

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData
    from clbench.encoder.tokens import TokenStore
    from clbench.schema.stream import OpenStream

# Describes what lies beside the ONNX file.
ABOUT = "export.json"
_TOKENIZER = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt")


@dataclass(frozen=True)
class Examples:
    """Whose test examples a model is asked.

    Attributes:
        stream: a name or a YAML file; None for the run's, or for the first shipped one that has the model's labels.
        edition: None for the run's, or the stream's usual one.
        data_dir: of real examples.
    """

    stream: str | None = None
    edition: str | None = None
    data_dir: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """A model's folder with the test examples that it is asked.

    Attributes:
        folder: the checkpoint, or the exported model.
        stream, edition: whose they are.
        data: the stream's domains.
        max_length: tokens an example at most.
    """

    folder: Path
    stream: OpenStream
    edition: str
    data: list[DomainData]
    max_length: int

    def tests(self, tokenizer: Any) -> tuple[TokenStore, dict[str, np.ndarray]]:
        """The test examples as tokens, and the rows of each domain's."""
        from clbench.encoder.tokens import join_stores, pack

        parts = [d.splits["test"] for d in self.data]
        cuts = np.cumsum([len(part) for part in parts])
        rows = np.split(np.arange(cuts[-1]), cuts[:-1])
        # Each by itself: a stream may have pairs and single sentences, whose templates differ.
        store = join_stores([pack(tokenizer, part.first, part.second, self.max_length) for part in parts])
        return store, dict(zip((d.name for d in self.data), rows, strict=True))

    def told_apart(self, domain: str) -> np.ndarray:
        """The classes that a model which has met all domains tells apart on one: places in the label space (K,)."""
        every = tuple(range(len(self.stream.form.label_space)))
        classes = {d.name: d.classes or every for d in self.data}
        met = [name for name in classes if not self.stream.is_evaluation_only(name)]
        return np.array(open_classes(self.stream.form.scenario, classes, met, domain))


@dataclass(frozen=True)
class Agreement:
    """How an exported model's predictions on a domain's test examples compare with the model's.

    Attributes:
        examples: how many there are.
        differing: how many are given another class.
        largest: the largest difference between two logits.
        accuracy, exported_accuracy: 0 to 1.
    """

    examples: int
    differing: int
    largest: float
    accuracy: float
    exported_accuracy: float


@dataclass(frozen=True)
class Exported:
    """What has been written.

    Attributes:
        folder: ONNX file, tokenizer, configuration and ``export.json``, which says the rest of this.
        kind: ``onnx`` or ``onnx-int8``.
        opset: of the ONNX file.
        inputs: their names, int64 (batch, length) each; the output is ``logits``, float32 (batch, classes).
        bytes: of the ONNX file with its weights.
        stream, edition: whose test examples were asked.
        domains: by name.
    """

    folder: Path
    kind: str
    opset: int
    inputs: tuple[str, ...]
    bytes: int
    stream: str
    edition: str
    domains: Mapping[str, Agreement] = field(default_factory=dict)

    @property
    def differing(self) -> int:
        """Test examples that are given another class than by the model."""
        return sum(one.differing for one in self.domains.values())

    @property
    def examples(self) -> int:
        return sum(one.examples for one in self.domains.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values; the folder apart."""
        content = {name: value for name, value in asdict(self).items() if name != "folder"}
        shapes = {name: ["batch", "length"] for name in self.inputs} | {"logits": ["batch", "classes"]}
        return {**content, "inputs": list(self.inputs), "shapes": shapes,
                "examples": self.examples, "differing": self.differing}  # fmt: skip


def loaded(path: Path, examples: Examples) -> Loaded:
    """What a user means by ``path``: the folder of a checkpoint, of an exported model, or of a run that kept its model.

    Raises:
        UserError: it is neither, its labels are those of no shipped stream, or its examples cannot be had.
    """
    from clbench.data.load import load
    from clbench.schema.changes import QUICK, quick_stream
    from clbench.schema.stream import read_stream

    folder, run, shift = path, None, 1.0
    if not (path / "config.json").is_file():
        from clbench.record import read_record

        run = read_record(path)
        folder, shift = path / MODELS / "end", run.configuration.shift
        if not (folder / "config.json").is_file():
            raise UserError(f"{path} kept no model; make the run again with --fresh --keep-models end.")
    stream = read_stream(examples.stream or (run.names[1] if run is not None else _stream_of(folder)))
    usual = run.configuration.edition if run is not None else stream.usual_edition(examples.data_dir)
    edition = examples.edition or usual
    if edition.endswith(QUICK):
        stream, edition = quick_stream(stream, edition.removesuffix(QUICK))
    data = load(stream, edition, data_dir=examples.data_dir, shift=shift)
    return Loaded(folder, stream, edition, data, stream.edition(edition).max_length)


def _stream_of(folder: Path) -> str:
    """The first shipped stream whose labels are those of a checkpoint."""
    from clbench.encoder.hf_folder import read_json
    from clbench.schema.shipped import names
    from clbench.schema.stream import read_stream

    told = read_json(folder / "config.json", str(folder)).get("id2label")
    labels = set(map(str, told.values())) if isinstance(told, dict) else set()
    for name in names("stream"):
        if set(read_stream(name).form.label_space) == labels:
            return name
    raise UserError(f"{folder}: its labels are those of no shipped stream; name one with --stream.")


def export(path: Path, kind: str, out: Path, examples: Examples) -> Exported:
    """Write a model as ONNX into ``out``, and ask both of them every test example.

    Args:
        path: see :func:`loaded`; a checkpoint.
        kind: ``onnx`` or ``onnx-int8``.
        out: appears whole or not at all; one that an export has written is replaced.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.onnx import OPSET, check_installed, onnx_logits, write_int8, write_onnx
    from clbench.encoder.onnx_session import FILE

    check_installed("onnx", "onnxscript", "onnxruntime")
    if out.exists() and not (out / ABOUT).is_file():
        raise UserError(f"--out {out} already exists and is no exported model; choose another.")
    check_replaceable(out)
    asked = loaded(path, examples)
    backbone = open_backbone(str(asked.folder))
    model = backbone.trained(asked.stream.form.label_space).eval()
    store, rows = asked.tests(backbone.tokenizer())
    model = model.with_tokens(store)
    try:
        with made(out.parent), unfinished(out.parent) as place:
            place.chmod(0o755)
            inputs = write_onnx(model.hf, place / FILE)
            if kind == "onnx-int8":
                _replace(place, write_int8)
            at_once = 1 if kind == "onnx-int8" else 32
            said = partial(onnx_logits, place / FILE, model.hf, store, at_once=at_once)
            agreement = _agreement(asked, model, store, rows, said)
            size = sum(file.stat().st_size for file in place.iterdir())
            found = Exported(out, kind, OPSET, inputs, size, asked.stream.form.name, asked.edition, agreement)
            for name in _TOKENIZER:
                if (asked.folder / name).is_file() and name != "config.json":
                    shutil.copyfile(asked.folder / name, place / name)
            config = model.hf.config.to_dict()
            config.pop("_name_or_path", None)
            (place / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            used = versions() | installed_versions("onnx", "onnxruntime")
            about = {**found.as_json(), "max_length": asked.max_length, "checkpoint": backbone.digest, "versions": used}
            (place / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            replace_folder(place, out)
    except OSError as error:
        raise cannot_write(out, error) from error
    return found


def _replace(place: Path, write: Any) -> None:
    """Make of the ONNX file in a folder another one."""
    from clbench.encoder.onnx_session import FILE

    wide = place / "wide"
    wide.mkdir()
    for file in list(place.glob(f"{FILE}*")):
        file.rename(wide / file.name)
    write(wide / FILE, place / FILE)
    shutil.rmtree(wide)


def _agreement(
    asked: Loaded, model: Any, store: TokenStore, rows: Mapping[str, np.ndarray], exported: Any
) -> dict[str, Agreement]:
    import torch

    from clbench.encoder.classifier import predict
    from clbench.metrics.scores import accuracy

    found = {}
    for data in asked.data:
        mine, gold = rows[data.name], data.splits["test"].labels
        ours, theirs = predict(model, torch.from_numpy(mine)).numpy(), exported(mine)
        classes = asked.told_apart(data.name)
        one, other = (classes[said[:, classes].argmax(-1)] for said in (ours, theirs))
        found[data.name] = Agreement(
            len(mine), int((one != other).sum()), float(np.abs(ours - theirs).max()), accuracy(gold, one),
            accuracy(gold, other),
        )  # fmt: skip
    return found
