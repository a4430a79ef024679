"""Generated examples: a generator stands in for the domain, offline."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clbench.errors import UserError
from clbench.schema.source import Request, Source

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData, Pairs

# Generated examples are one fixed data set, not a draw a run: runs are compared on the same examples.
SEED = 0


# Two streams' domains: whoever makes one run after another in a process draws its examples once.
@lru_cache(maxsize=16)
def _drawn(name: str, shift: float, sizes: tuple[tuple[str, int], ...]) -> dict[str, Pairs]:
    from clbench.data.generators import generate

    return generate(name, SEED, shift, dict(sizes))


class Generator(Source):
    """What stands in for the domain in generated editions.

    Attributes:
        name: the generator, one of ``clbench/data/generators/``.
        classes: what its labels 0, 1, 2 ... are in the stream's label space, each of them; two labels may be one class.
    """

    generated: ClassVar[bool] = True
    phrase: ClassVar[str] = "the generator"

    kind: Literal["generator"] = "generator"
    name: str
    classes: tuple[str, ...] = Field(min_length=2)

    @property
    def shifts(self) -> bool:
        """Whether another shift gives other examples: towards itself, the first domain of a stream cannot move."""
        from clbench.data.generators import find

        return find(self.name).first is not None

    def load(self, request: Request) -> DomainData:
        """As many examples a part as the edition says, with its shift."""

        from clbench.data.pairs import DomainData

        self._check_classes(request)

        wanted = tuple((split, size) for split, size in request.sizes.items() if size is not None)
        drawn = _drawn(self.name, request.shift, wanted)
        splits = {split: self._labelled(pairs, request) for split, pairs in drawn.items()}
        return DomainData(request.domain, splits, {"generator": self.name, "seed": SEED, "shift": request.shift})

    def draw_anew(self, request: Request, seed: int, known: DomainData) -> Pairs:
        """As many test examples as the edition has, from another seed; none that stands in any of its parts."""

        from clbench.data.generators import draw_anew

        self._check_classes(request)
        size = len(known.splits["test"])
        return self._labelled(draw_anew(self.name, seed, request.shift, size, known.splits.values()), request)

    def _check_classes(self, request: Request) -> None:
        from clbench.data.generators import find

        labels = len(find(self.name).shares)
        if len(self.classes) != labels:
            raise UserError(
                f"domain '{request.domain}': field 'classes' should name a class for each of the {labels} labels of "
                f"generator '{self.name}', but names {len(self.classes)}."
            )

    def _labelled(self, pairs: Pairs, request: Request) -> Pairs:
        """Its labels as numbers of the label space."""
        import numpy as np

        number = np.array([request.label_space.index(name) for name in self.classes], dtype=np.int64)
        return replace(pairs, labels=number[pairs.labels])

    def named_classes(self) -> dict[str, tuple[str, ...]]:
        """The classes of its labels."""
        return {"classes": self.classes}

    def origin(self) -> str:
        """The generator's name."""
        return self.name
