"""That a record's strategy kept to its budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clbench.errors import UserError
from clbench.record.effort import life_of
from clbench.record.forms import Record
from clbench.record.parts import EvaluationPoint
from clbench.schema.budget import Bounded, bounded, naive_pairs
from clbench.schema.strategy import Stage, Strategy, Work


def within(record: Record, form: Strategy) -> Bounded | str:
    """The strategy as its budget lets it be, or a sentence that says why it cannot keep to it."""
    try:
        return bounded(form, record.configuration.budget, life_of(record))
    except UserError as error:
        return f"field 'configuration.budget' should be one that the strategy can keep to: {error}"


def budget_problems(
    record: Record, bounds: Bounded, finals: Sequence[EvaluationPoint], planned: Sequence[Stage]
) -> Iterator[str]:
    """What was held and computed, against the budget; remembered examples are told where it has a memory alone."""
    budget = record.configuration.budget
    for point in record.points:
        told = point.final and budget.memory is not None
        if (point.remembered_pairs is not None) != told:
            yield (
                "field 'points' should tell remembered_pairs at the end of an experience within a budget of memory, "
                f"and nowhere else, but {'tells' if point.remembered_pairs is not None else 'lacks'} them at step "
                f"{point.step}."
            )
            return
    if budget.memory is not None:
        yield from _memory(bounds, finals, budget.memory)
    if budget.compute is not None:
        yield from _compute(record, bounds.form, finals, planned, budget.compute)


def _memory(bounds: Bounded, finals: Sequence[EvaluationPoint], memory: int) -> Iterator[str]:
    for point in finals:
        if point.held_bytes is None:
            yield f"field 'points' should tell held_bytes after {point.name}, by configuration.budget."
            continue
        found = point.held_bytes + (point.remembered_pairs or 0) * bounds.pair_bytes
        if found > memory:
            yield (
                f"field 'points' holds {found} bytes after {point.name}, each remembered example counted with "
                f"{bounds.pair_bytes} for its tokens, more than configuration.budget.memory of {memory}."
            )


def _compute(
    record: Record, form: Strategy, finals: Sequence[EvaluationPoint], planned: Sequence[Stage], compute: float
) -> Iterator[str]:
    life, besides, allowed, steps, examples = life_of(record), 0.0, 0.0, 0, 0
    for number, (point, stage) in enumerate(zip(finals, planned, strict=True)):
        pairs = sum(life.train[name] for name in stage.trains_on)
        past = tuple(life.train[earlier.name] for earlier in planned[:number])
        # A point counts from inception on, and a strategy is asked of one experience.
        besides += form.gradients(Work(number, pairs, point.examples - examples, point.step - steps, past))
        steps, examples = point.step, point.examples
        if not number:
            continue
        allowed += compute * naive_pairs(stage, planned[number - 1], life)
        if (taken := point.examples + besides) > allowed:
            yield (
                f"field 'points' takes {taken:.0f} gradients by the end of {point.name}, more than the {allowed:.0f} "
                f"of configuration.budget.compute {compute:g}."
            )
