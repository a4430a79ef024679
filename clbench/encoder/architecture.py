"""Opening an encoder of any family with distrust: configuration bounded, weights whole, its forward pass tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench import __version__
from clbench.encoder.family import FAMILIES, family_of
from clbench.encoder.hf_folder import read_json, silence
from clbench.encoder.outline import outline_of
from clbench.encoder.trial import check_forward
from clbench.encoder.weights import stored_numbers
from clbench.errors import UserError, first_line
from clbench.runtime import torchvision_ops
from clbench.schema.backbone import EncoderShape
from clbench.schema.form import shown
from clbench.schema.step import Shape
from clbench.storage.cache import cached, installed_versions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# What a stranger's configuration may ask for, so that it cannot fill the memory before a weight has been read.
_BOUNDS = {
    "num_hidden_layers": 96, "hidden_size": 8192, "intermediate_size": 65_536, "num_attention_heads": 256,
    "vocab_size": 2_000_000, "type_vocab_size": 64, "max_position_embeddings": 1_000_000,
}  # fmt: skip
# Raised where encoders are read or tried otherwise than before.
_TRIAL = "2"


def read_architecture(folder: Path, digest: str, origin: str) -> EncoderShape:
    """What an encoder is, after its weights have been read and its forward pass tried.

    That takes transformers' import and some seconds, so that what has passed is kept in the cache.

    Args:
        folder: a checkpoint's, its files checked to be ordinary ones.
        digest: of its files.
        origin: opens the sentence of an error.

    Raises:
        UserError: code of its own, quantised, no encoder that classifies, a decoder, sizes out of bounds, weights that
            are missing or of another shape or type, or no way to read its layers.
    """

    def build(entry: Path) -> None:
        shape = _tried(folder, origin)
        (entry / "shape.json").write_text(shape.model_dump_json(), encoding="utf-8")

    model_type = str(read_json(folder / "config.json", origin).get("model_type"))
    content = {
        "clbench": __version__, "trial": _TRIAL, "backbone": digest,
        "versions": installed_versions("torch", "transformers"), **FAMILIES.code(model_type),
    }  # fmt: skip
    found = (cached("encoders", content, build) / "shape.json").read_text("utf-8")
    return EncoderShape.model_validate(json.loads(found))


def load_model(folder: Path, origin: str, *, seed: int, with_head: bool = False, **fields: Any) -> PreTrainedModel:
    """A checkpoint's model for classifying sequences, float32, in evaluation mode, on the CPU; safetensors only.

    What the checkpoint lacks (the head, of one that has none, and the pooler) is drawn as transformers does it, from
    ``seed`` alone: torch's global generator is left as it was.

    Args:
        folder: the checkpoint.
        origin: opens the sentence of an error.
        seed: of what is drawn.
        with_head: whether nothing may be drawn: head and pooler are the checkpoint's own.
        fields: of the configuration, such as ``num_labels``.

    Raises:
        UserError: a weight of the encoder, or with its head of the model, is missing or of another shape; or the
            checkpoint cannot be read.
    """
    import torch

    kind, config = _kind_and_config(folder, origin)
    for name, value in fields.items():
        setattr(config, name, value)
    with silence(), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        try:
            model, told = kind.from_pretrained(
                folder, config=config, dtype=torch.float32, local_files_only=True, trust_remote_code=False,
                use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True,
                key_mapping=dict(family_of(config.model_type).renamed) or None,
            )  # fmt: skip
        except Exception as error:
            raise UserError(f"{origin}: transformers cannot read the weights ({first_line(error)}).") from error
    _check_loaded(model, told, origin, with_head)
    return model.eval()


def read_config(folder: Path, origin: str) -> PreTrainedConfig:
    """The checked configuration of a folder.

    Raises:
        UserError: it is that of no encoder which classifies, or out of bounds.
    """
    return _kind_and_config(folder, origin)[1]


def fresh_head(model: PreTrainedModel, seed: int) -> None:
    """Draw everything but the encoder anew, as transformers does it, from ``seed`` alone."""
    import torch

    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.manual_seed(seed)
        for name, module in model.named_children():
            if name != model.base_model_prefix:
                for part in module.modules():
                    part._is_hf_initialized = False
                    for parameter in part.parameters(recurse=False):
                        parameter._is_hf_initialized = False
                module.apply(model._init_weights)
        # What a family draws of the model as a whole, as ModernBERT its classifier, comes last in transformers too.
        for parameter in model.base_model.parameters():
            parameter._is_hf_initialized = True
        model._init_weights(model)


def head_of(model: PreTrainedModel) -> str:
    """The name of the last matrix of a classification head: the last one outside the encoder."""
    from torch import nn

    prefix = f"{model.base_model_prefix}."
    return [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear) and not name.startswith(prefix)
    ][-1]


def _kind_and_config(folder: Path, origin: str) -> tuple[Any, PreTrainedConfig]:
    """The class for classifying sequences, and the checked configuration."""
    content = read_json(folder / "config.json", origin)
    model_type = content.get("model_type")
    family = family_of(str(model_type))
    if content.get("auto_map") and not family.taken_in:
        raise UserError(
            f"{origin}: config.json has code of its own (auto_map), which is never run; give a checkpoint of an "
            "architecture that transformers has."
        )
    if content.get("quantization_config"):
        raise UserError(
            f"{origin}: config.json says that the weights are quantised (quantization_config), which is not read; "
            "give the checkpoint in floating point."
        )
    if str(found := content.get("position_embedding_type", "absolute")).startswith("relative_key"):
        raise UserError(
            f"{origin}: config.json: field 'position_embedding_type' should be 'absolute', as in transformers' "
            f"encoders, but is {shown(found)}."
        )
    settings = family.settings(content, origin)
    config = _config_of(folder, content, settings, origin)
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    for name, most in _BOUNDS.items():
        value = getattr(config, name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most):
            raise UserError(f"{origin}: config.json: '{name}' should be at most {most:,}, but is {shown(value)}.")
    for name in ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"):
        if not getattr(config, name, None):
            raise UserError(f"{origin}: config.json: '{name}' is missing, which an encoder has.")
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "is_decoder", False):
        raise UserError(f"{origin}: config.json describes a decoder, which is not supported; give an encoder.")
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise UserError(
            f"{origin}: transformers has no model of the model_type {shown(model_type)} that classifies sequences; "
            "give another encoder."
        )
    return MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)], config


def _config_of(folder: Path, content: dict[str, Any], settings: dict[str, Any], origin: str) -> PreTrainedConfig:
    """The configuration, without what a checkpoint has to leave to whoever uses it: how attention is computed on this
    machine, what a model returns, and which loss its head is for, since one of clbench's tells classes apart.

    Args:
        folder: the checkpoint.
        content: of its config.json.
        settings: what the family makes of it; the same object where it is to be read as it is.
        origin: opens the sentence of an error.
    """
    torchvision_ops.define()
    from transformers import CONFIG_MAPPING, AutoConfig

    model_type = content.get("model_type")
    try:
        with silence():
            if settings is content:
                config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            else:
                config = CONFIG_MAPPING[str(model_type)].from_dict(settings)
    except Exception as error:
        raise UserError(
            f"{origin}: config.json should describe an encoder of transformers, but has the model_type "
            f"{shown(model_type)} ({first_line(error)[:200]})."
        ) from error
    config._attn_implementation = None
    config.return_dict = True
    config.problem_type = single_label(config.problem_type)
    return config


def single_label(problem_type: str | None) -> str | None:
    """The ``problem_type`` of a head that names one class of several: one for which transformers takes the softmax."""
    return problem_type if problem_type == "single_label_classification" else None


def _check_loaded(model: PreTrainedModel, told: dict[str, Any], origin: str, with_head: bool) -> None:
    """What the checkpoint lacks may be the head and the pooler, where these are drawn anew, and nothing else."""
    prefix = f"{model.base_model_prefix}."
    for name in sorted(told["missing_keys"]):
        if with_head or (name.startswith(prefix) and "pooler" not in name):
            raise UserError(f"{origin}: model.safetensors should hold a weight called '{name}', but lacks it.")
    for name, *sizes in sorted(told["mismatched_keys"]):
        if with_head or name.startswith(prefix):
            found, wanted = (tuple(size) for size in sizes)
            raise UserError(
                f"{origin}: '{name}' in model.safetensors should be of shape {wanted} by config.json, but is of shape "
                f"{found}."
            )
    layers = family_of(model.config.model_type).layers_path(model.base_model) + "."
    for name in sorted(told["unexpected_keys"]):
        # A checkpoint of the encoder alone has its names without the prefix.
        if name.removeprefix(prefix).startswith(layers):
            raise UserError(
                f"{origin}: model.safetensors holds '{name}', which config.json does not speak of; correct whichever "
                "is wrong."
            )


def outlined(folder: Path, origin: str) -> PreTrainedModel:
    """The model that config.json describes, without numbers; its weights are not read.

    Raises:
        UserError: as :func:`read_config`, or it contradicts itself.
    """
    return outline_of(*_kind_and_config(folder, origin), origin)


def outlined_positions(folder: Path, origin: str) -> int:
    """Tokens that a row may have, by the model that config.json describes; its weights are not read.

    Raises:
        UserError: as :func:`outlined`.
    """
    return _positions(outlined(folder, origin).base_model)


def _tried(folder: Path, origin: str) -> EncoderShape:
    outline = outlined(folder, origin)
    needed = sum(p.numel() for name, p in outline.base_model.named_parameters() if "pooler" not in name)
    if stored_numbers(folder, origin) < needed:
        raise UserError(
            f"{origin}: model.safetensors holds {stored_numbers(folder, origin):,} numbers, but the encoder of "
            f"config.json has {needed:,}; fetch it again, or correct config.json."
        )
    model = load_model(folder, origin, seed=0)
    return _shape_of(model, origin)


def _shape_of(model: PreTrainedModel, origin: str) -> EncoderShape:
    config, base = model.config, model.base_model
    family = family_of(config.model_type)
    try:
        layers = family.layers(base)
    except (UserError, AttributeError) as error:
        raise UserError(f"{origin}: {first_line(error)}.") from error
    sizes = {
        "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "intermediate_size": getattr(config, "intermediate_size", None)
        or getattr(config, "hidden_dim", None) or 4 * config.hidden_size,
        "vocab_size": config.vocab_size, "type_vocab_size": getattr(config, "type_vocab_size", None) or 0,
        "max_position_embeddings": _positions(base),
    }  # fmt: skip
    packed = check_forward(model, sizes["max_position_embeddings"], origin)
    plain = EncoderShape(
        model_type=config.model_type, num_attention_heads=config.num_attention_heads, head=head_of(model),
        head_width=model.get_submodule(head_of(model)).in_features, packed=packed, more_by_layer=0, more_besides=0,
        head_besides=0, **sizes,
    )  # fmt: skip
    counted = sum(p.numel() for p in base.parameters())
    # The last layer: ModernBERT's first one lacks a norm, and whichever is first does.
    by_layer = 0 if family.shares_layers else sum(p.numel() for p in layers[-1].parameters())
    shape = Shape.of(plain)
    one = (shape.parameters - Shape.of(plain.model_copy(update={"num_hidden_layers": 0})).parameters) // shape.layers
    more = by_layer - one
    besides = counted - (shape.parameters + shape.layers * more)
    head = model.num_parameters() - counted - config.num_labels * (plain.head_width + 1)
    return plain.model_copy(update={"more_by_layer": more, "more_besides": besides, "head_besides": head})


def _positions(base: PreTrainedModel) -> int:
    """Tokens that a row may have: rows of the table of positions from the first one on, or what config.json says."""
    from clbench.encoder.forward import first_position, position_table

    most = getattr(base.config, "max_position_embeddings", None) or _BOUNDS["max_position_embeddings"]
    table: Any = position_table(base)
    if table is not None:
        most = len(table.weight)
    return int(most) - first_position(base)
