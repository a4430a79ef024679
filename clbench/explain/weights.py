"""How far weights have moved, by layer and by kind of matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clbench.encoder.classifier import Classifier
    from clbench.encoder.family import Family

# In the order in which a layer is gone through; one matrix may make queries, keys and values at once.
KINDS = (
    "query", "key", "value", "query, key and value", "attention output", "feed-forward in", "feed-forward out", "norm",
    "other",
)  # fmt: skip
# Of what is in no layer: a pooler is the head's; other is a norm behind the last layer, say.
OUTSIDE = ("embeddings", "head", "other")


@dataclass(frozen=True)
class Place:
    """Where a parameter stands.

    Attributes:
        layer: counted from 1; 0 for what is in no layer.
        kind: one of :data:`KINDS`, or of :data:`OUTSIDE` where ``layer`` is 0.
    """

    layer: int
    kind: str


def places(model: Classifier) -> dict[str, Place]:
    """Where each of the parameters of ``model.hf`` stands, by its name there; a matrix's bias stands with it.

    The kinds are read as the encoder's family reads its layers, so that they are known of every family; what cannot be
    read is ``other``.
    """
    prefix = f"{model.layers_path.removeprefix('hf.')}."
    kinds: list[dict[str, str]] = [_kinds(model.family, layer) for layer in model.layers]
    found = {}
    for name, _ in model.hf.named_parameters():
        if name.startswith(prefix):
            number, _, own = name.removeprefix(prefix).partition(".")
            module = own.rpartition(".")[0]
            found[name] = Place(int(number) + 1, kinds[int(number)].get(module, "other"))
        else:
            found[name] = Place(0, _outside(model, name))
    return found


def _kinds(family: Family, layer: nn.Module) -> dict[str, str]:
    """The kind of each module of a layer that has parameters of its own, by its name."""
    found = {name: "norm" for name, module in layer.named_modules() if "norm" in type(module).__name__.lower()}
    try:
        parts = family.attention(layer)
        if parts.fused:
            found[parts.query] = "query, key and value"
        else:
            found |= {parts.query: "query", parts.key: "key", parts.value: "value"}
        found[parts.output] = "attention output"
    except UserError:
        pass  # of a family whose attention has no such matrices
    try:
        feed = family.feed_forward(layer)
        found |= dict.fromkeys(feed.inner, "feed-forward in") | dict.fromkeys(feed.outer, "feed-forward out")
    except UserError:
        pass
    return found


def _outside(model: Classifier, name: str) -> str:
    base = f"{model.hf.base_model_prefix}."
    if not name.startswith(base) or "pooler" in name:
        return "head"
    return "embeddings" if "embed" in name.removeprefix(base) else "other"


def distances(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], placed: Mapping[str, Place]
) -> dict[Place, float]:
    """How far the weights of each place have moved, of their size before: ||W' - W||_F / ||W||_F over its parameters.

    Args:
        before, after: the weights, by name.
        placed: where each of them stands; of a parameter that is given under two names, one is enough.

    Returns:
        By place, and for each layer as a whole under the kind ``all``; inf of weights that were all zero and no longer
        are.
    """
    moved: dict[Place, float] = {}
    size: dict[Place, float] = {}
    for name, place in placed.items():
        old, new = before[name].double(), after[name].double()
        apart, whole = float((new - old).square().sum()), float(old.square().sum())
        for one in (place, Place(place.layer, "all")):
            moved[one] = moved.get(one, 0.0) + apart
            size[one] = size.get(one, 0.0) + whole
    return {
        place: (apart / size[place]) ** 0.5 if size[place] else (float("inf") if apart else 0.0)
        for place, apart in moved.items()
    }
