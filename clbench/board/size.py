"""What a record says of the model's size, against what is shipped and against a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from clbench.board.edition import EditionFacts
from clbench.board.shipped import plan_of, reference_table
from clbench.errors import UserError
from clbench.record.forms import Record
from clbench.schema.backbone import BertShape
from clbench.schema.shipped import names


def cost_problems(record: Record, known: EditionFacts | None, unchecked: list[str]) -> Iterator[str]:
    """That the claimed size is possible, and that of the recipe where its steps and the encoder are clbench's own.

    Args:
        known: what the edition is; None where it cannot be had.
    """
    cost = record.cost
    if not 0 < cost.parameters_without_embeddings <= cost.parameters:
        yield "field 'cost.parameters_without_embeddings' should be above 0 and at most cost.parameters."
    # A byte a weight at least: nothing that clbench measures is stored in fewer bits.
    if cost.disk_bytes < cost.parameters:
        yield f"field 'cost.disk_bytes' should be at least a byte for each of {cost.parameters} parameters."
    from clbench.encoder.weights import classifier_weights
    from clbench.metrics.cost import linear_flops, pair_flops

    try:
        made = plan_of(record)
    except UserError as error:
        if record.names[0] in names("model"):
            unchecked.append(f"the model's size: {error}")
        else:
            yield f"field 'configuration.model' should be a recipe for its encoder: {error}"
        return
    table = reference_table(record)
    if table is not None:
        yield from _reference_problems(record, table)
    if made is None:
        unchecked.append("the model's size follows from no shipped recipe and backbone; give --checkpoint.")
        return
    backbone, expected = made.backbone, made.shape
    if record.configuration.backbone.digest != backbone.digest:
        yield from _other_files(record, backbone.name, backbone.digest)
        return
    shape, classes = backbone.shape, len(record.label_space)
    if cost.depth != expected.layers:
        left = f"{expected.layers}, what {made.recipe.form.name} leaves"
        yield f"field 'cost.depth' should be {left}, but is {cost.depth}."
        return
    if table is None:
        parameters = expected.parameters + shape.head_besides + classes * (shape.head_width + 1)
        if cost.parameters != parameters:
            yield f"field 'cost.parameters' should be {parameters}, but is {cost.parameters}."
        if not isinstance(shape, BertShape):
            unchecked.append(f"the FLOPs of a {shape.model_type}, which follow from a forward pass.")
            return
        tables = (shape.vocab_size + shape.max_position_embeddings + shape.type_vocab_size) * shape.hidden_size
        int8 = any(step.step == "quantize" for step in made.recipe.form.steps)
        yield from _size_problems(
            record, parameters - tables, classifier_weights(shape, expected.layers, classes), int8
        )
    if known is not None:
        length = known.mean_length(backbone)
        if cost.flops_length != length:
            yield f"field 'cost.flops_length' should be {length}, the test examples' mean, but is {cost.flops_length}."
            return
    if table is None:
        flops = pair_flops(cost.depth, shape.hidden_size, shape.intermediate_size, cost.flops_length, classes)
    elif known is not None:
        # A reference's products depend on how many words its examples have.
        flops = linear_flops(known.mean_features(backbone, table), classes) if table else 0
    else:
        return
    if cost.flops_per_pair != flops:
        yield f"field 'cost.flops_per_pair' should be {flops}, but is {cost.flops_per_pair}."


def _other_files(record: Record, backbone: str, digest: str) -> Iterator[str]:
    """That the recipe's encoder has other files; where the record names that encoder, the name's check has said so."""
    if record.configuration.backbone.name != backbone:
        yield f"field 'configuration.backbone.digest' should be {digest}, as {backbone} has."


def _reference_problems(record: Record, table: int) -> Iterator[str]:
    """The size of a model without an encoder, whatever encoder's tokens it reads."""
    cost, classes = record.cost, len(record.label_space)
    for field, told, found in (("depth", cost.depth, 0), ("parameters", cost.parameters, classes * (table + 1))):
        if told != found:
            yield f"field 'cost.{field}' should be {found}, but is {told}."
    weights: dict[str, tuple[int, ...]] = {"bias": (classes,)}
    weights |= {"pair_embeddings.weight": (table, classes)} if table else {}
    yield from _size_problems(record, classes, weights, False)


def _size_problems(record: Record, without: int, weights: Mapping[str, tuple[int, ...]], int8: bool) -> Iterator[str]:
    """That so many parameters are left without tables, and that the file has the size of the weights: names, shapes
    and types alone decide it."""
    from clbench.metrics.cost import safetensors_bytes

    cost = record.cost
    if cost.parameters_without_embeddings != without:
        told = cost.parameters_without_embeddings
        yield f"field 'cost.parameters_without_embeddings' should be {without}, but is {told}."
    stored: list[tuple[str, str, tuple[int, ...]]] = []
    for name, size in weights.items():
        # In int8 stand the matrices of linear layers, with a scale an output channel; tables of embeddings do not.
        narrow = int8 and len(size) == 2 and "embeddings" not in name
        stored.append((name, "I8" if narrow else "F32", size))
        if narrow:
            stored.append((f"{name}_scale", "F32", size[:1]))
    found = safetensors_bytes(stored)
    if cost.disk_bytes != found:
        yield f"field 'cost.disk_bytes' should be {found}, but is {cost.disk_bytes}."


def checkpoint_problems(record: Record, folder: Path) -> Iterator[str]:
    """The claimed cost against the header of the checkpoint's safetensors; no weight is read and nothing is run."""
    from safetensors import SafetensorError, safe_open

    from clbench.metrics.cost import parameters, parameters_without_embeddings

    file = folder / "model.safetensors" if folder.is_dir() else folder
    try:
        with safe_open(file, framework="np") as opened:
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        yield f"--checkpoint {file} cannot be read as safetensors: {error}."
        return
    layers = {int(match[1]) for name in shapes if (match := re.search(r"\.layers?\.(\d{1,4})\.", name))}
    for field, told, found in (
        ("depth", record.cost.depth, len(layers)),
        ("parameters", record.cost.parameters, parameters(shapes)),
        (
            "parameters_without_embeddings",
            record.cost.parameters_without_embeddings,
            parameters_without_embeddings(shapes),
        ),
    ):
        if told != found:
            yield f"field 'cost.{field}' is {told:,}, but {file} has {found:,}."
