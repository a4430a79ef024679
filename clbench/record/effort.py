"""What a strategy costs in each experience: the bytes that it holds and the arithmetic of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clbench.errors import UserError
from clbench.schema.budget import Life, bounded, naive_epochs
from clbench.schema.changes import is_quick
from clbench.schema.strategy import Strategy, Work, parse_strategy, stages

if TYPE_CHECKING:
    from clbench.record.forms import Record


@dataclass(frozen=True)
class Effort:
    """One experience under a strategy.

    Attributes:
        experience, name: its number, 0 at inception, and the domain that it trained on.
        examples: that its steps trained on, those from a memory included.
        gradients: examples whose gradient it took, those of Fisher information and the like included, see
            :meth:`clbench.schema.strategy.Strategy.gradients`; None as training_flops.
        training_flops: floating-point operations of its training, see :func:`efforts`; None where the strategy is of a
            plug-in that is not installed.
        held_bytes: what the strategy held when it was over; None where the record does not tell it.
    """

    experience: int
    name: str
    examples: int
    gradients: int | None
    training_flops: int | None
    held_bytes: int | None


def efforts(record: Record) -> list[Effort]:
    """Of every experience, in order.

    Training takes F (S E + P) floating-point operations: F those of one forward pass over an example
    (``cost.flops_per_pair``, of a test example of mean length), E the examples that the steps trained on, S the passes
    that each takes, 3 (forward, and about twice that backward) or 2 where adapters alone are trained, and P the passes
    that the method adds, see :meth:`clbench.schema.strategy.Strategy.passes`. Validation and evaluation are left out,
    and at inception so is the recipe, which is no part of the strategy.
    """
    form = _form(record)
    sizes = {d.name: d.splits["train"].size for d in record.data if not d.evaluation_only and "train" in d.splits}
    planned = [] if form is None else stages(form, [d.name for d in record.data if not d.evaluation_only])
    finals = [point for point in record.points if point.final]
    found, steps, examples = [], 0, 0
    for number, point in enumerate(finals):
        flops = taken = None
        if form is not None and number < len(planned):
            pairs = sum(sizes.get(name, 0) for name in planned[number].trains_on)
            past = tuple(sizes.get(stage.name, 0) for stage in planned[:number])
            work = Work(number, pairs, point.examples - examples, point.step - steps, past)
            taken = work.examples + round(form.gradients(work))
            flops = round(record.cost.flops_per_pair * (form.step_passes * work.examples + form.passes(work)))
        found.append(Effort(number, point.name, point.examples - examples, taken, flops, point.held_bytes))
        steps, examples = point.step, point.examples
    return found


def training_flops(record: Record) -> int | None:
    """Of all experiences together; None where one of them is not known."""
    found = [one.training_flops for one in efforts(record)]
    return None if None in found else sum(one for one in found if one is not None)


def keeps_every_example(record: Record) -> bool | None:
    """Whether the strategy comes back to every example of domains seen before, as joint and cumulative training do,
    whatever bytes it holds; None where it is of a plug-in that is not installed."""
    form = _form(record)
    return None if form is None else form.trains_on != "new"


def life_of(record: Record) -> Life:
    """The sizes that a budget asks for."""
    trained = [domain for domain in record.data if not domain.evaluation_only]
    sizes = {domain.name: domain.splits["train"].size if "train" in domain.splits else 0 for domain in trained}
    told = record.configuration
    return Life(
        record.cost.parameters, len(record.label_space), told.max_length, sizes, naive_epochs(is_quick(told.edition))
    )


def _form(record: Record) -> Strategy | None:
    """The strategy as its budget lets it be; None where it cannot keep to it, or is of a plug-in not installed."""
    told = record.configuration
    try:
        form = parse_strategy(told.strategy, "field 'configuration.strategy'")
        return bounded(form, told.budget, life_of(record)).form
    except UserError:
        return None
