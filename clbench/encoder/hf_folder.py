"""Reading a Hugging Face folder with distrust: sizes bounded, safetensors only, every weight there, no code run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clbench.errors import UserError
from clbench.schema.backbone import BertShape
from clbench.schema.form import parse

# What a backbone is made of; nothing else is downloaded, read or hashed.
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
_LARGEST = 16 * 2**30


def read_shape(folder: Path, origin: str) -> BertShape:
    """The checked ``config.json`` of a folder; ``origin`` opens the sentence of an error.

    Raises:
        UserError: no configuration, one of another architecture or with code of its own, or sizes out of bounds.
    """
    content = read_json(folder / "config.json", origin)
    if content.get("auto_map"):
        raise UserError(
            f"{origin}: config.json has code of its own (auto_map), which is never run; give a plain BERT checkpoint."
        )
    if content.get("model_type") != "bert":
        raise UserError(
            f"{origin}: config.json should have the model_type 'bert', but has {content.get('model_type')!r}; "
            "other architectures are not supported."
        )
    return parse(content, BertShape, f"{origin}: config.json")


def check_weights(folder: Path, shape: BertShape, origin: str) -> None:
    """Check that ``model.safetensors`` is whole and holds every weight of an encoder of that shape, but for the pooler.

    Raises:
        UserError: no such file (pickled weights are never loaded), a damaged one, a weight missing or of another size.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{origin}: {_instead(folder)}")
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{origin}: model.safetensors is larger than {_LARGEST // 2**30} GiB; give a smaller encoder.")
    try:
        with safe_open(path, "pt") as file:
            found = {_plain(name): tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{origin}: model.safetensors is damaged or cut short ({error}); fetch it again.") from error
    for name, size in expected_weights(shape).items():
        if name not in found:
            raise UserError(f"{origin}: model.safetensors should hold a BERT encoder's '{name}', but lacks it.")
        if found[name] != size:
            raise UserError(
                f"{origin}: '{name}' in model.safetensors should be of shape {size} by config.json, "
                f"but is of shape {found[name]}."
            )


def head_order(folder: Path, label_space: Sequence[str], origin: str) -> list[int]:
    """For each label of ``label_space`` the row of the checkpoint's classification head that is meant for it.

    Raises:
        UserError: the checkpoint has no head and pooler, or a head for other labels.
    """
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    if "classifier.weight" not in found or "bert.pooler.dense.weight" not in found:
        raise UserError(
            f"{origin}: it should hold a classification head (classifier.weight) over a pooler, but is an encoder "
            f"alone; fine-tune it first: --model finetune-12l --backbone {folder}."
        )
    count = found["classifier.weight"][0]
    names = read_json(folder / "config.json", origin).get("id2label") or {}
    said = [_plain_label(str(names.get(str(number), f"LABEL_{number}"))) for number in range(count)]
    wanted = [_plain_label(label) for label in label_space]
    if sorted(said) == sorted(wanted):
        return [said.index(label) for label in wanted]
    if count == len(wanted) and said == [f"label{number}" for number in range(count)]:
        return list(range(count))
    raise UserError(
        f"{origin}: its head should tell {' from '.join(label_space)}, in that order or by these names in id2label, "
        f"but tells {', '.join(str(names.get(str(number), number)) for number in range(count))}."
    )


def _plain_label(label: str) -> str:
    return "".join(letter for letter in label.lower() if letter.isalnum())


def expected_weights(shape: BertShape) -> dict[str, tuple[int, ...]]:
    """Name (without the prefix ``bert.``) and shape of every weight that an encoder cannot do without."""
    width, inner = shape.hidden_size, shape.intermediate_size
    names: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (shape.vocab_size, width),
        "embeddings.position_embeddings.weight": (shape.max_position_embeddings, width),
        "embeddings.token_type_embeddings.weight": (shape.type_vocab_size, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for number in range(shape.num_hidden_layers):
        linears = {
            "attention.self.query": (width, width),
            "attention.self.key": (width, width),
            "attention.self.value": (width, width),
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }
        for part, size in linears.items():
            names[f"encoder.layer.{number}.{part}.weight"] = size
            names[f"encoder.layer.{number}.{part}.bias"] = size[:1]
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            names[f"encoder.layer.{number}.{part}.weight"] = names[f"encoder.layer.{number}.{part}.bias"] = (width,)
    return names


def digest_of(folder: Path) -> str:
    """sha256 over the name and the sha256 of each of :data:`FILES` that is there."""
    digest = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def read_json(path: Path, origin: str) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint folder.

    Raises:
        UserError: no such file, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{origin}: {path.name} is missing; a Hugging Face checkpoint folder is needed.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{origin}: {path.name} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{origin}: {path.name} should hold a JSON object, but holds {type(content).__name__}.")
    return content


def _instead(folder: Path) -> str:
    """Why there are no weights to load, as the end of a sentence."""
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
    if (folder / "model.safetensors.index.json").is_file():
        return "its weights lie in several files; save them as one model.safetensors."
    if pickled:
        return (
            f"only pickled weights are there ({pickled[0]}), and those are never loaded, since they can run code; "
            "convert them to model.safetensors (save_pretrained of transformers writes it)."
        )
    return "model.safetensors is missing; weights are loaded from safetensors only."


def _plain(name: str) -> str:
    """A weight's name without the prefix, and with the names that TensorFlow's BERT left behind turned into torch's."""
    name = name.removeprefix("bert.")
    if name.endswith(("LayerNorm.gamma", "LayerNorm.beta")):
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    return name
