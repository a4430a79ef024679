"""What in a record follows from the rest of it, or from what is shipped: a forgery that needs no run to be seen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clbench.board.budget import budget_problems, within
from clbench.errors import UserError
from clbench.record.effort import life_of
from clbench.record.forms import Record
from clbench.record.parts import EvaluationPoint
from clbench.schema.budget import Bounded
from clbench.schema.shipped import names
from clbench.schema.strategy import Stage, parse_strategy, stages


def life_problems(record: Record, unchecked: list[str]) -> Iterator[str]:
    """That the model met the domains in the stream's order, and was trained and looked at as the strategy says."""
    try:
        form = parse_strategy(record.configuration.strategy, "field 'configuration.strategy'")
    except UserError as error:
        if record.names[2] in names("strategy"):
            yield str(error)
        else:
            besides = ", nor that it kept to its budget" if record.configuration.budget else ""
            unchecked.append(
                f"the order of the experiences: {error} So nor are their steps and training examples{besides}."
            )
            yield from _of_itself(record)
        return
    trained = _trained_on(record)
    planned = stages(form, trained)
    finals = [point for point in record.points if point.final]
    if [point.name for point in finals] != [stage.name for stage in planned]:
        wanted = ", ".join(stage.name for stage in planned)
        yield f"field 'points' should end the experiences {wanted}, in this order."
        return
    bounds = within(record, form)
    if isinstance(bounds, str):
        yield bounds
        return
    yield from _trained(record, bounds, finals, planned)
    yield from budget_problems(record, bounds, finals, planned)
    yield from _of_itself(record)


def _trained_on(record: Record) -> list[str]:
    return [domain.name for domain in record.data if not domain.evaluation_only]


def _of_itself(record: Record) -> Iterator[str]:
    """What holds of a life whatever its strategy is."""
    yield from _evaluated(record)
    yield from _held(record)
    trained = set(_trained_on(record))
    for point in (point for point in record.points if point.final):
        if not set(point.validation) <= trained or not all(0 <= v <= 1 for v in point.validation.values()):
            yield f"field 'points' should say a validation score from 0 to 1 of domains trained on, after {point.name}."


def _trained(
    record: Record, bounds: Bounded, finals: Sequence[EvaluationPoint], planned: Sequence[Stage]
) -> Iterator[str]:
    """Steps and examples, from epochs, batch size, the sizes of what was trained on, and the budget."""
    sizes, form = life_of(record).train, bounds.form
    training = form.training
    steps = seen = 0
    for number, (point, stage) in enumerate(zip(finals, planned, strict=True)):
        if point.met != stage.met:
            yield f"field 'points' should have met {', '.join(stage.met)} at the end of {point.name}."
        if number:
            pairs = form.epoch_pairs(*(sum(sizes[name] for name in some) for some in (stage.trains_on, stage.met)))
            whole, most = math.ceil(pairs / training.batch_size), bounds.steps_of(number)
            of_an_epoch = whole if most is None else min(whole, most)
            seen += training.epochs * min(of_an_epoch * training.batch_size, pairs)
            steps += training.epochs * of_an_epoch
        # How many steps a plug-in's loader makes of them nobody knows here.
        if point.step != steps and record.names[2] in names("strategy"):
            yield f"field 'points' should have taken {steps} steps by the end of {point.name}, but says {point.step}."
        if point.examples < seen or (point.examples > seen and not form.rehearses):
            more = " or more, with those from its memory" if form.rehearses else ""
            yield (
                f"field 'points' should have trained on {seen}{more} examples by the end of {point.name}, but says "
                f"{point.examples}."
            )


def _evaluated(record: Record) -> Iterator[str]:
    """Evaluations inside an experience: every so many of its steps, but for its last, and none where nobody asked."""
    every, begin = record.configuration.eval_every, 0
    inside: list[int] = []
    for point in record.points:
        if not point.final:
            inside.append(point.step - begin)
            continue
        wanted = [] if every is None or point.experience == 0 else list(range(every, point.step - begin, every))
        if inside != wanted:
            asked = "null, so that there are none" if every is None else f"{every}, so that there are {len(wanted)}"
            yield (
                f"field 'points' has {len(inside)} evaluations inside the experience {point.name}, but eval_every is "
                f"{asked}" + (", each so many steps after the other." if wanted and len(inside) == len(wanted) else ".")
            )
        inside, begin = [], point.step


def _held(record: Record) -> Iterator[str]:
    """Bytes that the strategy holds: told of every experience's end or of none, and the most of them."""
    told = [point.held_bytes for point in record.points if point.final and point.held_bytes is not None]
    if any(point.held_bytes is not None for point in record.points if not point.final):
        yield "field 'points' should tell held_bytes at the end of an experience alone."
    if told and record.measured.held_bytes != max(told):
        yield f"field 'measured.held_bytes' should be {max(told)}, the most in 'points'."


def random_problems(record: Record) -> Iterator[str]:
    """That the model with random weights was asked of every domain or of none, as the configuration says."""
    asked = record.configuration.random_baseline
    for number, domain in enumerate(record.data):
        if (domain.random is not None) != asked:
            wanted = "there" if asked else "left out"
            yield f"field 'data.{number}.random' of {domain.name} should be {wanted}, by configuration.random_baseline."


def inception_problems(record: Record) -> Iterator[str]:
    """That inception went through the recipe's steps, and tells as many validation scores as it can have."""
    told = record.configuration.model.get("steps")
    if not isinstance(told, list) or not told:
        return
    wanted = [step.get("step") if isinstance(step, dict) else None for step in told]
    if [step.name for step in record.inception] != wanted:
        yield f"field 'inception' should hold the recipe's steps, {', '.join(map(str, wanted))}."
        return
    for number, step in enumerate(record.inception):
        where = f"field 'inception.{number}"
        if not all(0 <= score <= 1 for score in step.validation):
            yield f"{where}.validation' should hold scores from 0 to 1."
        if step.epochs is not None and len(step.validation) not in (0, 1, step.epochs):
            yield f"{where}.validation' should hold a score for each of {step.epochs} epochs, or for the last."


def reference_problems(record: Record) -> Iterator[str]:
    """That a model without weights but a bias for each class names one class for every example, of those told apart."""
    if record.cost.parameters > len(record.label_space):
        return
    for number, point in enumerate(record.points):
        named: dict[tuple[int, ...], set[int]] = {}
        for name, packed in point.predictions.items():
            opened = record.open_classes(point.met, name)
            named.setdefault(opened, set()).update(np.unique(packed.array()).tolist())
        if any(len(found) > 1 for found in named.values()):
            yield (
                f"field 'points.{number}.predictions' should name one class for every example: "
                f"{record.cost.parameters} "
                "parameters can do nothing else."
            )


def answers_digest(record: Record) -> bytes | None:
    """A hash of the test examples, of the budget, and of what an encoder answers to each example at every point.

    The budget is in it since one that cuts nothing leaves the very run without it, which stands in another track.

    Returns:
        None for a model without an encoder, or one that names one class for every example: others may do so too.
    """
    return _digest(record, record.domains, record.test_pairs)


def _digest(record: Record, domains: Sequence[str], test_pairs: Sequence[tuple[str, str]]) -> bytes | None:
    packed = [point.predictions[name] for point in record.points for name in domains]
    if record.cost.depth == 0 or all(len(np.unique(one.array())) == 1 for one in packed):
        return None
    found = hashlib.sha256(repr((test_pairs, len(record.points), str(record.configuration.budget))).encode())
    for one in packed:
        found.update(one.base64.encode())
    return found.digest()


def copy_problem(seen: dict[bytes, tuple[Path, int]], records: Sequence[Record], folder: Path) -> str | None:
    """A sentence where a record of a submission answers everything as one of another submission does.

    Args:
        seen: folder and seed of the records of before, by :func:`answers_digest`; these are put in.
        records: of the submission.
        folder: its.
    """
    for record in records:
        digest, seed = answers_digest(record), record.configuration.seed
        if digest is None:
            continue
        other, its = seen.setdefault(digest, (folder, seed))
        if other != folder:
            return (
                f"its record of seed {seed} holds the same predictions as that of seed {its} in {other}; "
                "each submission needs runs of its own."
            )
    return None


def seed_problems(records: Sequence[Record]) -> Iterator[str]:
    """That no two seeds of an encoder answer everything alike, unless with one class throughout; nor two orders."""
    seen: dict[bytes, str] = {}
    for record in records:
        if (answers := _digest(record, sorted(record.domains), sorted(record.test_pairs))) is None:
            continue
        seed = f"{record.configuration.seed}{record.other_order}"
        if answers in seen:
            yield f"the records of seeds {seen[answers]} and {seed} hold the same predictions; each needs its own run."
        seen[answers] = seed
