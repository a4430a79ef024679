"""Layer map ``search``: the best of some maps by short trainings, half of them left out at a time."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from clbench.compression.layer_maps.skip import evenly_spaced
from clbench.schema.layer_map import LayerMap

if TYPE_CHECKING:
    import numpy as np

    from clbench.compression.matching import Choice


class Search(LayerMap):
    """Successive halving (Jamieson & Talwalkar 2016, arXiv:1502.07943) over rising maps.

    Each map trains the student anew on ``share`` of the examples; the better half goes on, anew, on twice as many; and
    so on until one is left. Better is a higher balanced accuracy on the validation examples, then a lower
    cross-entropy, then the earlier one. ELM searches such maps by a genetic algorithm (Jiao et al. 2021,
    arXiv:2012.06153); the teacher's cached answers make each trial a training of the student alone.

    Attributes:
        maps: that are tried: those of ``first``, ``skip`` and ``last``, and others drawn; all that there are, where
            these are fewer.
        share: of the training examples, in the first round.
        epochs: of each trial; null for as many as the step has. With fewer, a small encoder on a share of the examples
            has learned nothing yet that could tell maps apart.
    """

    rises: ClassVar[bool] = True
    # With the settings as they are, the trials come to three times the training itself.
    trainings: ClassVar[int] = 4

    rule: Literal["search"]
    maps: int = Field(default=8, ge=2, le=256)
    share: float = Field(default=0.125, gt=0, le=1)
    epochs: int | None = Field(default=None, ge=1, le=100)

    def quick(self) -> Self:
        return self.model_copy(update={"maps": 2})

    def choose(self, choice: Choice) -> list[int]:
        epochs = choice.epochs if self.epochs is None else self.epochs
        left, share, trials = candidates(choice.draw, choice.student, choice.teacher, self.maps), self.share, []
        while len(left) > 1:
            places = choice.sample(max(1, round(min(1.0, share) * choice.pairs)))
            scored = []
            for number, layers in enumerate(left):
                accuracy, loss = choice.trial(layers, places, epochs)
                scored.append((-accuracy, loss, number))
                trials.append({"layers": list(layers), "pairs": len(places), "balanced_accuracy": accuracy})
            best = sorted(scored)[: (len(left) + 1) // 2]
            left = [left[number] for number in sorted(number for _, _, number in best)]
            share *= 2
        choice.tell(trials=trials)
        return left[0]


def candidates(draw: np.random.Generator, student: int, teacher: int, maps: int) -> list[list[int]]:
    """Rising maps of m of n layers, each once: those of ``first``, ``skip`` and ``last``, and others drawn.

    Args:
        draw: of the others.
        student, teacher: m and n, the layers that are matched.
        maps: how many; all C(n, m) where these are fewer.
    """
    first, last = list(range(1, student + 1)), list(range(teacher - student + 1, teacher + 1))
    found = [first, evenly_spaced(student + 1, teacher + 1), last]
    found = [one for number, one in enumerate(found) if one not in found[:number]][:maps]
    while len(found) < min(maps, comb(teacher, student)):
        one = sorted(int(layer) + 1 for layer in draw.permutation(teacher)[:student])
        if one not in found:
            found.append(one)
    return found
