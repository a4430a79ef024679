"""What a model costs, from its shapes alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# The tables of words, positions and token types, EuroBERT's of words, MPNet's of relative positions.
_TABLES = ("_embeddings.weight", "embed_tokens.weight", "relative_attention_bias.weight")

# Bytes of a number, by safetensors' name of its type.
_WIDTHS = {"I8": 1, "F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8}


def parameters(shapes: Mapping[str, Sequence[int]]) -> int:
    """Number of parameters: the sum of the products of the shapes.

    >>> parameters({"w": (2, 3), "b": (3,)})
    9
    """
    return sum(math.prod(shape) for shape in shapes.values())


def parameters_without_embeddings(shapes: Mapping[str, Sequence[int]]) -> int:
    """The same without the embedding tables (words, positions, token types), which cost memory but no products.

    Tables are known by Hugging Face's names, ``..._embeddings.weight`` in nearly all families; the embeddings'
    LayerNorm is counted.
    """
    return parameters({name: shape for name, shape in shapes.items() if not name.endswith(_TABLES)})


def pair_flops(layers: int, hidden: int, intermediate: int, length: int, classes: int) -> int:
    """Floating-point operations of one forward pass of a BERT classifier over one example, matrix products only.

    A product of (m, k) by (k, n) counts 2 m k n, as everywhere in the field; embeddings, softmax, LayerNorm and
    activations are left out (under 1% at BERT's sizes). A layer has four projections, 4 * 2 L H^2, scores and mixing,
    2 * 2 L^2 H (over all heads together), and two feed-forward products, 2 * 2 L H I; then the pooler, 2 H^2, and the
    head, 2 H C.

    Args:
        layers: number of transformer layers.
        hidden: H, the hidden width.
        intermediate: I, the feed-forward width.
        length: L, tokens of the example, special ones included.
        classes: C.

    >>> pair_flops(12, 768, 3072, 128, 2) / 1e9  # BERT-base on 128 tokens: about 22 GFLOPs
    22.348434432
    """
    attention = 4 * 2 * length * hidden**2 + 2 * 2 * length**2 * hidden
    feed_forward = 2 * 2 * length * hidden * intermediate
    return layers * (attention + feed_forward) + 2 * hidden**2 + 2 * hidden * classes


def linear_flops(features: float, classes: int) -> int:
    """Floating-point operations of a linear classifier over one example with so many active features: 2 F C, rounded.

    It is the product of (1, F) by (F, C); looking features up is left out, as everywhere.

    >>> linear_flops(200, 2)
    800
    """
    return round(2 * features * classes)


def safetensors_bytes(tensors: Iterable[tuple[str, str, Sequence[int]]]) -> int:
    """Size of the safetensors file that transformers' ``save_pretrained`` writes of these tensors.

    A header (the length of what follows, eight bytes; JSON, filled with spaces to a multiple of eight) says of each
    tensor its type, its shape and where its bytes lie: those of wide numbers first, then by name.

    Args:
        tensors: name, type as safetensors spells it (``F32``), and shape of each.

    >>> safetensors_bytes([("w", "F32", (2, 3)), ("b", "F32", (3,))])
    188
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, dtype, shape in sorted(tensors, key=lambda one: (-_WIDTHS[one[1]], one[0])):
        begin, end = end, end + math.prod(shape) * _WIDTHS[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    size = len(json.dumps(header, separators=(",", ":")))
    return 8 + -(-size // 8) * 8 + end
