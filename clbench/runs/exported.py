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
from clbench.runs.folders import is_empty
from clbench.runs.snapshots import FOLDER as MODELS
from clbench.runs.snapshots import SPEC, kept_at_end, read_spec
from clbench.schema.form import Frozen, parse
from clbench.schema.scenario import open_classes
from clbench.schema.shipped import is_path, is_shipped, names
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
        data_dir, shift: where the examples are from.
    """

    folder: Path
    stream: OpenStream
    edition: str
    data: list[DomainData]
    max_length: int
    data_dir: Path | None = None
    shift: float = 1.0

    @property
    def source(self) -> Source:
        """Where to have the same examples again, from wherever one stands."""
        shipped = is_shipped("stream", self.stream.path)
        return Source(
            stream=self.stream.form.name if shipped else str(self.stream.path.resolve()), edition=self.edition,
            data_dir=self.data_dir and self.data_dir.resolve(), shift=self.shift,
        )  # fmt: skip

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


class Source(Frozen):
    """Whose test examples a model is asked where nobody says otherwise; a field of ``export.json``.

    Attributes:
        stream: a shipped name, or a file's path.
        edition: None for the stream's usual one.
        data_dir, shift: as the run, or the export, had them.
    """

    stream: str
    edition: str | None = None
    data_dir: Path | None = None
    shift: float = 1.0


def loaded(path: Path, examples: Examples) -> Loaded:
    """What a user means by ``path``: the folder of a checkpoint, of an exported model, or of a run that kept its model;
    of the seeds of such a run the first that kept it.

    Raises:
        UserError: it is neither, its labels are those of no shipped stream, or its examples cannot be had.
    """
    from clbench.data.load import load
    from clbench.schema.changes import QUICK, quick_stream
    from clbench.schema.stream import read_stream

    if not path.exists():
        raise UserError(f"{path} does not exist; give the folder of a run, of an exported model or of a checkpoint.")
    folder = path if (path / "config.json").is_file() else kept_at_end(path)[0]
    source, stream = _told(folder, examples.stream is None)
    if stream is None:
        stream = read_stream(examples.stream or source.stream)
    data_dir = examples.data_dir
    edition = examples.edition or source.edition or stream.usual_edition(data_dir)
    if edition.endswith(QUICK):
        stream, edition = quick_stream(stream, edition.removesuffix(QUICK))
    if data_dir is None and examples.stream is None and not stream.edition(edition).generated:
        data_dir = source.data_dir
    # Another edition than the run's may be real, and has no shift.
    shift = source.shift if stream.edition(edition).generated else 1.0
    data = load(stream, edition, data_dir=data_dir, shift=shift)
    return Loaded(folder, stream, edition, data, stream.edition(edition).max_length, data_dir, shift)


def _told(folder: Path, whole: bool) -> tuple[Source, OpenStream | None]:
    """What the run that kept the model in ``folder``, or its ``export.json``, says of its examples; for any other
    checkpoint a shipped stream that has its labels.

    Args:
        whole: the stream as well, which is opened; a user may name another.

    Raises:
        UserError: the stream is not there any more, or is another.
    """
    from clbench.encoder.hf_folder import read_json
    from clbench.record import RECORD_NAME, read_record
    from clbench.schema.stream import read_stream

    models = folder.resolve().parent
    if models.name == MODELS and (models.parent / RECORD_NAME).is_file():
        record, spec, file = read_record(models.parent), read_spec(models.parent), models / SPEC
        told = {"edition": record.configuration.edition, "shift": record.configuration.shift}
        named = record.names[1]
        source = Source(stream=named if spec is None else spec.stream, **told, data_dir=spec and spec.data_dir)
    elif not whole:
        return Source(stream=""), None
    elif (folder / ABOUT).is_file():
        file = folder / ABOUT
        content = read_json(file, str(folder))
        named = str(content.get("stream"))
        old = {"stream": named, "edition": content.get("edition")}  # before it said where the examples are from
        source = parse(content.get("source", old), Source, f"{file}: field 'source'")
    else:
        source = Source(stream=_stream_of(folder))
        return source, read_stream(source.stream)
    if not whole:
        return source, None
    where = source.stream
    if where not in names("stream") and not (is_path(where) and Path(where).is_file()):
        lost = "which does not come with clbench" if where == named else f"whose file {where} is not here"
        raise UserError(f"{file}: the examples are those of the stream '{named}', {lost}; name its file with --stream.")
    stream = read_stream(where)
    if stream.form.name != named:
        raise UserError(f"{file}: the examples are those of the stream '{named}', but {where} now is the stream "
                        f"'{stream.form.name}'; name the file of {named} with --stream.")  # fmt: skip
    return source, stream


def _stream_of(folder: Path) -> str:
    """The first shipped stream whose labels are those of a checkpoint."""
    from clbench.encoder.hf_folder import read_json
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
        out: appears whole or not at all; one that an export has written, or an empty one, is replaced.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.onnx import OPSET, check_installed, onnx_logits, write_int8, write_onnx
    from clbench.encoder.onnx_session import FILE

    check_installed("onnx", "onnxscript", "onnxruntime")
    if out.exists() and not (out / ABOUT).is_file() and not is_empty(out):
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
            about = {
                **found.as_json(), "max_length": asked.max_length, "checkpoint": backbone.digest, "versions": used,
                "source": asked.source.model_dump(mode="json"),
            }  # fmt: skip
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
