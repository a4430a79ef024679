"""Step ``prune_layers``: whole layers removed.

Before training on the task as in Sajjad et al. 2020 (arXiv:2004.03844), or with no training after it as in LayerDrop
(Fan, Grave and Joulin 2020, arXiv:1909.11556), whose pruning rule "every other" is ``alternate`` here.
"""

from __future__ import annotations

from clbench.errors import UserError
from clbench.schema.recipe import PruneLayers


def kept_layers(step: PruneLayers, layers: int, origin: str) -> list[int]:
    """The 1-based layers that stay, ascending.

    ``top`` keeps 1..d and ``bottom`` N-d+1..N. ``alternate`` removes every other layer, the first one included: at
    d = N/2 the even ones stay (2, 4, .., N); in general those at j N / d, rounded down, for j = 1..d: the last stays.

    >>> kept_layers(PruneLayers(step="prune_layers", drop="alternate", depth="N/2"), 12, "x.yaml")
    [2, 4, 6, 8, 10, 12]

    Args:
        step: the rule.
        layers: N, the layers that there are.
        origin: the recipe's file, which opens the sentence of an error.

    Raises:
        UserError: more layers are to stay, or others to go, than there are.
    """
    if not isinstance(step.drop, str):
        if max(step.drop) > layers or len(set(step.drop)) >= layers:
            raise UserError(
                f"{origin}: field 'drop' should list some, but not all, of layers 1 to {layers}, but is "
                f"{list(step.drop)}."
            )
        return [layer for layer in range(1, layers + 1) if layer not in step.drop]
    depth = {"N/2": layers // 2, "N/4": layers // 4}.get(str(step.depth), step.depth)
    if not isinstance(depth, int) or not 1 <= depth <= layers:
        raise UserError(
            f"{origin}: field 'depth' should leave 1 to {layers} layers of the backbone, but is {step.depth}."
        )
    if step.drop == "top":
        return list(range(1, depth + 1))
    if step.drop == "bottom":
        return list(range(layers - depth + 1, layers + 1))
    return [number * layers // depth for number in range(1, depth + 1)]


def layerdrop_rate(kept: int, layers: int) -> float:
    """p* = 1 - r / N, with which a batch goes through r of N layers in the mean (Fan et al. 2020, section 3.2).

    >>> layerdrop_rate(6, 12)
    0.5
    """
    return 1 - kept / layers
