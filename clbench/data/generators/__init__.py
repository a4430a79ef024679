"""Generated stand-ins for the real domains: offline, deterministic, right by construction.

A generator is one function that draws one example of a given label, in a module of this folder, where it is found by
itself; this module turns it into three disjoint splits.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from clbench.data.pairs import SPLITS, Pairs
from clbench.errors import UserError, nearest

SIZES = {"train": 2000, "validation": 400, "test": 1000}


@dataclass(frozen=True)
class Example:
    """One generated pair, or a single sentence, which has no second; ``pattern`` names what made it."""

    first: str
    second: str | None
    pattern: str

    @property
    def texts(self) -> tuple[str, ...]:
        """One or two."""
        return (self.first,) if self.second is None else (self.first, self.second)


# draw(rng, label, shift) -> Example; :func:`examples` deals with the shift, a generator may do more with it.
Draw = Callable[[random.Random, int, float], Example]


@dataclass(frozen=True)
class Generator:
    """A domain's generator: how it draws, and the labels that it is asked for.

    Attributes:
        draw: draws an example of a label, 0 to n - 1.
        shares: of each of the n labels, in sum 1.
        first: the first domain of its stream, towards which a smaller shift moves it; None where it has none.
    """

    draw: Draw
    shares: tuple[float, ...]
    first: str | None = None

    def label(self, rng: random.Random) -> int:
        """A label by its share."""
        place = rng.random()
        # From the last label on, so that of two the second is drawn where the number is below its share.
        sums = accumulate(reversed(self.shares[1:]))
        return next((len(self.shares) - 1 - rank for rank, end in enumerate(sums) if place < end), 0)


GENERATORS: dict[str, Generator] = {}


def generator(
    name: str, positives: float | None = None, *, shares: tuple[float, ...] = (), first: str | None = None
) -> Callable[[Draw], Draw]:
    """Register a drawing function under a domain's name.

    Args:
        name: what ``generator: {name: ..}`` in a domain's file says.
        positives: of two labels, the share of label 1 in the real domain.
        shares: instead, the shares of n labels in the real domain, in sum 1.
        first: the generator towards which a smaller shift moves this one.
    """
    if positives is not None:
        shares = (1 - positives, positives)
    if len(shares) < 2 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"the shares of generator {name} should be two or more, in sum 1, but are {shares}")

    def register(draw: Draw) -> Draw:
        GENERATORS[name] = Generator(draw, shares, first)
        return draw

    return register


def known() -> dict[str, Generator]:
    """All generators of this folder's modules by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return GENERATORS


def find(name: str) -> Generator:
    """The generator called ``name``.

    Raises:
        UserError: there is none.
    """
    found = known()
    if name not in found:
        raise UserError(f"no generator is called '{name}'; {nearest(name, found)}")
    return found[name]


def examples(
    name: str, seed: int = 0, shift: float = 1.0, besides: Iterable[Pairs] = ()
) -> Iterator[tuple[Example, int]]:
    """An endless stream of distinct (example, label), no sentence pair twice in either order.

    Args:
        name: a domain with a generator.
        seed: another seed, other pairs.
        shift: chance, 0 to 1, that a pair is the domain's own and not one of its stream's first domain.
        besides: pairs that are not drawn again.

    Raises:
        UserError: there is no such generator, or its distinct pairs have run out.
    """
    chosen = find(name)
    first = chosen if chosen.first is None else find(chosen.first)
    # crc32, not hash(): the same numbers in every process.
    rng = random.Random(zlib.crc32(name.encode()) ^ (seed * 0x9E3779B1))
    seen = {_key(*texts) for pairs in besides for texts in pairs.texts()}
    while True:
        label = chosen.label(rng)
        # The label is kept, so that a smaller shift changes how a domain speaks and not how often it says yes.
        speaker = chosen if chosen is first or rng.random() < shift else first
        for _ in range(1000):
            example = speaker.draw(rng, label, shift)
            key = _key(*example.texts)
            if key not in seen:
                seen.add(key)
                yield example, label
                break
        else:
            raise UserError(f"generator '{name}' has run out of distinct pairs; ask for fewer.")


def _key(*texts: str) -> frozenset[str]:
    """What two examples have in common that count as one."""
    return frozenset(text.lower() for text in texts)


def generate(name: str, seed: int = 0, shift: float = 1.0, sizes: dict[str, int] | None = None) -> dict[str, Pairs]:
    """The three splits of a generated domain.

    Args:
        name: a domain with a generator.
        seed: another seed, other pairs.
        shift: 0 to 1, how far the domain stands from its stream's first one; see :func:`examples`.
        sizes: pairs a split; ``SIZES`` unless given.
    """
    stream = examples(name, seed, shift)
    splits = {}
    for split in SPLITS:
        splits[split] = _next(stream, (sizes or SIZES)[split])
    return splits


def draw_anew(name: str, seed: int, shift: float, size: int, besides: Iterable[Pairs]) -> Pairs:
    """More pairs of a generated domain, none of which stands in ``besides``.

    Args:
        name: a domain with a generator.
        seed: another seed, other pairs.
        shift: as :func:`generate` has it.
        size: how many.
        besides: the pairs that are known already, in whichever order their sentences stand.
    """
    return _next(examples(name, seed, shift, besides), size)


def _next(stream: Iterator[tuple[Example, int]], size: int) -> Pairs:
    """So many of a stream's next pairs."""
    drawn = [next(stream) for _ in range(size)]
    second = [e.second for e, _ in drawn if e.second is not None]
    return Pairs.of((e.first for e, _ in drawn), second or None, (label for _, label in drawn))
