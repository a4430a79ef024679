"""Budgets: what a strategy may hold, and how many gradients it may take, relative to naive training.

``--budget memory=BYTES`` caps what a strategy holds between two experiences: the bytes of its tensors, and for each
remembered example the tokens that an encoder needs of it, ``max_length`` of them, :data:`TOKEN_BYTES` each, as a memory
of fixed places has them. A memory is made as small as that asks for.

``--budget compute=TIMES`` caps the examples whose gradient is taken from inception to the end of any experience, at so
many times what the shipped ``naive`` takes on the same domains: the examples of the steps, those from a memory
included, and what the method takes besides (Fisher information, reference gradients). Where a strategy would take more,
its epochs are cut short: fewer steps, each as it is, and so only a part of the new examples an epoch, drawn anew each
time.

A strategy that cannot keep to it is refused before it trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from clbench.errors import UserError, nearest, short
from clbench.schema.form import Frozen, parse
from clbench.schema.strategy import Means, Stage, Strategy, Work, read_strategy, stages

if TYPE_CHECKING:
    from torch import Tensor

# Of a token that a remembered example has: an id in 32 bits.
TOKEN_BYTES = 4


class Budget(Frozen):
    """Attributes:
    memory: bytes that a strategy may hold between two experiences; None for no limit.
    compute: examples whose gradient it may take, relative to naive training; None for no limit.
    """

    memory: int | None = Field(default=None, ge=0, le=10**15, exclude_if=lambda told: told is None)
    compute: float | None = Field(default=None, gt=0, le=10**6, exclude_if=lambda told: told is None)

    def __bool__(self) -> bool:
        return self.memory is not None or self.compute is not None

    def __str__(self) -> str:
        """As folders and tracks have it, such as ``memory=1000000+compute=1``; empty for no limit."""
        return "+".join(self.assignments())

    def assignments(self) -> list[str]:
        """As ``--budget`` takes them."""
        found = [] if self.memory is None else [f"memory={self.memory}"]
        return found + ([] if self.compute is None else [f"compute={self.compute!r}".removesuffix(".0")])


NO_BUDGET = Budget()


def read_budget(assignments: Sequence[str]) -> Budget:
    """What ``--budget NAME=VALUE`` says.

    Raises:
        UserError: a name that no budget has, one that comes twice, or a value that it refuses.
    """
    found: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or name not in Budget.model_fields:
            hint = nearest(name, Budget.model_fields)
            raise UserError(f"--budget should be memory=BYTES or compute=TIMES, but is {short(text)}; {hint}")
        if name in found:
            raise UserError(f"--budget {name} should be given once.")
        found[name] = value
    return parse(found, Budget, "--budget")


@dataclass(frozen=True)
class Life:
    """The sizes that a budget asks for.

    Attributes:
        parameters: of the model.
        classes: that its head tells apart.
        max_length: tokens an example at most.
        train: training examples of each domain that is trained on, by its name, in order.
        naive_epochs: that the shipped ``naive`` takes.
        adapted: inputs and outputs of all matrices that low-rank adapters go on, at most; 0 where nobody has looked, so
            that no bytes are reserved for adapters, and what is held tells.
    """

    parameters: int
    classes: int
    max_length: int
    train: Mapping[str, int]
    naive_epochs: int
    adapted: tuple[int, int] = (0, 0)

    @property
    def pair_bytes(self) -> int:
        """What a remembered example's tokens count."""
        return TOKEN_BYTES * self.max_length


@cache
def naive_epochs(quick: bool) -> int:
    """Epochs that the shipped ``naive`` takes."""
    form = read_strategy("naive")
    return (form.quick() if quick else form).training.epochs


@dataclass(frozen=True)
class Bounded:
    """A strategy as a budget lets it be.

    Attributes:
        form: the strategy, with a memory that fits.
        most_steps: of an epoch, for each experience; empty for no limit.
        memory: bytes that it may hold; None for no limit.
        pair_bytes: what the tokens of a remembered example count.
    """

    form: Strategy
    most_steps: tuple[int, ...] = ()
    memory: int | None = None
    pair_bytes: int = 0

    def steps_of(self, experience: int) -> int | None:
        """The most of an epoch; None for no limit."""
        return self.most_steps[experience] if self.most_steps else None

    def check_held(self, held_bytes: int, pairs: int) -> None:
        """Raise unless what is held is within the budget.

        Raises:
            UserError: more is held than the strategy said it would.
        """
        found = held_bytes + pairs * self.pair_bytes
        if self.memory is not None and found > self.memory:
            raise UserError(
                f"strategy '{self.form.name}' holds {found:,} bytes, more than the budget of {self.memory:,} and than "
                "it says; its means() should be mended."
            )


def bounded(form: Strategy, budget: Budget, life: Life) -> Bounded:
    """The strategy within a budget.

    Raises:
        UserError: it cannot keep to it.
    """
    if not budget:
        return Bounded(form)
    means = form.means(len(life.train), life.classes)
    if means is None:
        raise UserError(
            f"--budget {budget}: strategy '{form.name}' ({form.method}) does not say what it needs; its means() would."
        )
    if budget.memory is not None:
        form = _within_memory(form, means, budget.memory, life)
    steps = () if budget.compute is None else _within_compute(form, budget.compute, life)
    return Bounded(form, steps, budget.memory, life.pair_bytes)


def _within_memory(form: Strategy, means: Means, memory: int, life: Life) -> Strategy:
    refused = f"--budget memory={memory}: strategy '{form.name}' ({form.method})"
    if form.trains_on != "new":
        raise UserError(f"{refused} keeps all examples of earlier domains, and is a reference that no budget fits.")
    fixed, adapters = means.fixed_bytes(life.parameters, life.adapted), means.adapter_numbers(life.adapted)
    each, least = means.pair_bytes + life.pair_bytes, len(life.train) if means.pairs else 0
    room = (memory - fixed) // each if memory >= fixed else -1
    if room < least:
        pairs = f" and {least} examples of {each:,} bytes, one a domain" if least else ""
        numbers = f"{means.copies} number{'s' * (means.copies != 1)} a parameter of {life.parameters:,}"
        numbers = f"{adapters:,} numbers of adapters" if adapters and not means.copies else numbers
        raise UserError(
            f"{refused} needs {fixed + least * each:,} bytes or more, for {numbers}{pairs}; give as much, or another "
            "strategy."
        )
    return form.remembering(room, len(life.train)) if means.pairs > room else form


def _within_compute(form: Strategy, compute: float, life: Life) -> tuple[int, ...]:
    """The most steps of an epoch, an experience each: as many as fit, and no more than there are."""
    means = form.means(len(life.train), life.classes)
    assert means is not None  # asked before
    sizes = life.train
    planned = stages(form, list(sizes))
    first = sizes[planned[0].name]
    spent, allowed = form.gradients(Work(0, first, 0, 0, ())), 0.0
    found = [0]
    batch, epochs = form.training.batch_size, form.training.epochs
    for number, stage in enumerate(planned[1:], start=1):
        allowed += compute * naive_pairs(stage, planned[number - 1], life)
        pairs = form.epoch_pairs(sum(sizes[n] for n in stage.trains_on), sum(sizes[n] for n in stage.met))
        new = sum(sizes[n] for n in stage.trains_on)
        past = tuple(sizes[earlier.name] for earlier in planned[:number])

        def cost(steps: int, pairs: int = pairs, new: int = new, past: tuple[int, ...] = past) -> float:
            trained = epochs * (min(steps * batch, pairs) + steps * (means.step_pairs - batch))
            return trained + form.gradients(Work(len(past), new, trained, epochs * steps, past))

        low, high = 0, -(-pairs // batch)
        while low < high:  # the most steps whose cost is within what is left
            middle = (low + high + 1) // 2
            low, high = (middle, high) if spent + cost(middle) <= allowed else (low, middle - 1)
        if low == 0:
            raise UserError(
                f"--budget compute={compute:g}: strategy '{form.name}' ({form.method}) takes {spent + cost(1):,.0f} "
                f"gradients by the end of {stage.name} with one step an epoch, but may take {allowed:,.0f}; give more, "
                "or another strategy."
            )
        spent += cost(low)
        found.append(low)
    return tuple(found)


def naive_pairs(stage: Stage, before: Stage, life: Life) -> int:
    """Examples whose gradient naive training takes while ``stage`` comes to what had not been met ``before``: a domain,
    or all of them in joint training's experience, whose name one of them may have."""
    return life.naive_epochs * sum(life.train[name] for name in stage.met[len(before.met) :])


def remembered_pairs(state: Mapping[str, Tensor]) -> int:
    """Examples of which a strategy's state holds the row: entries of its tensors called ``rows`` or ``../rows``."""
    return sum(len(value) for name, value in state.items() if name.rpartition("/")[2] == "rows")
