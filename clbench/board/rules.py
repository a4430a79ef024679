"""What a record has to be to stand in a track: the shipped stream, strategy and examples."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clbench.board.edition import EditionFacts
from clbench.board.rerun import shipped_recipe, shipped_strategy
from clbench.errors import UserError, listed
from clbench.record.forms import Record
from clbench.record.parts import Domain, Plugin
from clbench.schema.shipped import names
from clbench.schema.source import data_source
from clbench.schema.strategy import STRATEGIES
from clbench.schema.stream import OpenStream

# The last digit of a double, and a few of its neighbours: another machine may sum the same numbers in another order.
_LAST_DIGIT = 4e-15
# An interval's ends go through Student's quantile, which libraries compute to about so many digits.
QUANTILE = 1e-10
# A baseline is fitted, and the fit may name another class for an example in a thousand on another machine.
_FITTED = 0.002
_ABSENT = "absent"


def same(one: float | None, other: float | None, tolerance: float = _LAST_DIGIT) -> bool:
    """Whether two figures are equal but for ``tolerance``, or both not defined."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def of_an_example(gold: np.ndarray) -> tuple[float, float]:
    """Half more than one test example counts for: in accuracy, and in balanced accuracy at most.

    Args:
        gold: the reference labels, int (N,).
    """
    counts = np.bincount(gold)
    found = counts[counts > 0]
    return 1.5 / len(gold), 1.5 / (len(found) * int(found.min()))


def configuration_problems(record: Record, stream: OpenStream) -> Iterator[str]:
    """That stream, edition, strategy and recipe are those that are shipped under their names.

    Args:
        stream: the shipped one.
    """
    told, form = record.configuration, stream.form
    try:
        edition = stream.edition(told.edition)
    except UserError as error:
        yield f"field 'configuration.edition': {error}"
        return
    shipped = form.model_dump(mode="json")
    if sorted(record.order) == sorted(stream.order):
        # In which order the domains were met is the run's own business, if it says so.
        named = dict(zip(stream.order, form.domains, strict=True))
        shipped["domains"] = [named[name] for name in record.order]
        file_order = stream.order if record.order != stream.order else ()
        if told.file_order != file_order:
            yield f"field 'configuration.file_order' should be {list(file_order)}, but is {list(told.file_order)}."
    if apart_in(shipped, told.stream):
        field, apart = _first_field(shipped, told.stream), first_difference(shipped, told.stream)
        yield f"field 'configuration.stream.{field}' should be as {form.name} is shipped; {apart}"
    if list(record.label_space) != list(form.label_space):
        yield f"field 'label_space' should be {listed(map(repr, form.label_space))}."
    if told.max_length != edition.max_length:
        yield f"field 'configuration.max_length' should be {edition.max_length}, but is {told.max_length}."
    if told.shift != 1.0:
        yield f"field 'configuration.shift' should be 1.0, but is {told.shift}."
    if (told.data_source == "generated") != edition.generated:
        yield f"field 'configuration.data_source' is {told.data_source!r}, but the edition is {edition.source}."
    strategy = record.names[2]
    if foreign_strategy(record) is not None:
        pass  # a track of its own
    elif strategy not in names("strategy"):
        yield f"field 'configuration.strategy.name' should be one of {', '.join(names('strategy'))}."
    else:
        # The learning rate is the model's own business; all else belongs to the track.
        wanted = shipped_strategy(strategy).model_dump(mode="json")
        found: dict[str, Any] = copy.deepcopy(told.strategy)
        for form_ in (wanted, found):
            if isinstance(form_.get("training"), dict):
                form_["training"].pop("learning_rate", None)
        if apart_in(wanted, found):
            apart = first_difference(wanted, found)
            yield f"field 'configuration.strategy' should be {strategy} as it is shipped; {apart}"
    model = record.names[0]
    if model in names("model"):
        described = shipped_recipe(model).describe()
        if apart_in(described, told.model):
            yield (
                f"field 'configuration.model' should be {model} as it is shipped; "
                f"{first_difference(described, told.model)} "
                "A recipe of one's own needs a name of its own."
            )


def foreign_strategy(record: Record) -> Plugin | None:
    """The plug-in that a record's strategy is of, where it bears no shipped name: its settings are nowhere shipped."""
    method, known = record.configuration.strategy.get("method"), STRATEGIES.all()
    if record.names[2] in names("strategy") or (method in known and STRATEGIES.origin(str(method)) is None):
        return None
    return next((one for one in record.plugins if one.kind == "strategy" and one.piece == method), None)


def _first_field(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first field in which two mappings differ."""
    return next(key for key in [*wanted, *found] if apart_in(wanted.get(key, _ABSENT), found.get(key, _ABSENT)))


def apart_in(wanted: Any, found: Any) -> bool:
    """Whether two JSON values are not the same; to Python true is 1, and 4 is 4.0."""
    one, other = (json.dumps(value, sort_keys=True) for value in (wanted, found))
    return one != other


def first_difference(wanted: Any, found: Any, at: str = "") -> str:
    """The first field in which two forms differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            if key not in found or key not in wanted or apart_in(wanted[key], found[key]):
                return first_difference(
                    wanted.get(key, _ABSENT), found.get(key, _ABSENT), f"{at}.{key}" if at else str(key)
                )
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        place = next(p for p, (one, other) in enumerate(zip(wanted, found, strict=True)) if apart_in(one, other))
        return first_difference(wanted[place], found[place], f"{at}.{place}")
    return f"its {at or 'form'} should be {str(wanted)[:200]}, but is {str(found)[:200]}."


def data_problems(record: Record, facts: EditionFacts) -> Iterator[str]:
    """That the domains are the edition's, example for example."""
    form = facts.stream.form
    expected = [domain.name for domain in facts.stream.domains]
    named = data_source(str(domain.source.get("kind")) for domain in record.data)
    if record.configuration.data_source != named:
        yield f"field 'configuration.data_source' should be {named}, by the domains' sources."
    if list(record.domains) != expected:
        yield f"field 'data' should hold the domains {', '.join(expected)}, in this order."
        return
    for number, domain in enumerate(record.data):
        where = f"field 'data.{number}"
        only = facts.stream.is_evaluation_only(domain.name)
        if domain.evaluation_only != only:
            yield f"{where}.evaluation_only' of {domain.name} should be {only}."
        if set(domain.splits) != set(facts.splits[domain.name]):
            yield f"{where}.splits' of {domain.name} should be {', '.join(facts.splits[domain.name])}."
            continue
        for split, (digest, size) in facts.splits[domain.name].items():
            told = domain.splits[split]
            if (told.digest, told.size) != (digest, size):
                yield (
                    f"{where}.splits.{split}' of {domain.name} should be {size} examples of digest {digest[:12]}.., "
                    f"the {facts.edition} edition's, but is {told.size} of {told.digest[:12]}..: other examples."
                )
        yield from _told_of_pairs(domain, facts, where)
        gold = facts.gold[domain.name]
        if domain.gold.count != len(gold) or not np.array_equal(domain.gold.array(), gold):
            yield f"{where}.gold' of {domain.name} should be the reference labels of the {facts.edition} edition."
            continue
        shares = np.bincount(gold, minlength=len(form.label_space)) / len(gold)
        if not all(same(a, b) for a, b in zip(domain.label_shares, shares.tolist(), strict=True)):
            yield f"{where}.label_shares' of {domain.name} should be {shares.tolist()}."
        yield from _told_of_kind(domain, facts, where)


def _told_of_kind(domain: Domain, facts: EditionFacts, where: str) -> Iterator[str]:
    """What an example is, which classes there are, and what baselines reach."""
    task_type, classes = facts.kinds[domain.name]
    if domain.task_type != task_type:
        yield f"{where}.task_type' of {domain.name} should be {task_type}."
    if domain.classes != classes:
        yield f"{where}.classes' of {domain.name} should be {list(classes) or 'left out'}."
    told, known = domain.all_baselines(), facts.baselines[domain.name]
    if set(told) != set(known):
        yield f"{where}' of {domain.name} should have the baselines {', '.join(known)}, but has {', '.join(told)}."
        return
    # Of few examples, or of a rare class, one counts for more than a fit may move.
    fitted = [max(_FITTED, share) for share in of_an_example(facts.gold[domain.name])]
    for name, score in known.items():
        most, said = [_LAST_DIGIT] * 2 if name == "majority" else fitted, told[name]
        if not (same(said.accuracy, score[0], most[0]) and same(said.balanced_accuracy, score[1], most[1])):
            field = f"baselines.{name}" if name in domain.baselines else name
            yield f"{where}.{field}' of {domain.name} should be {score[0]:.6f} and {score[1]:.6f} (balanced)."


def _told_of_pairs(domain: Domain, facts: EditionFacts, where: str) -> Iterator[str]:
    """Where the examples came from, and where each test example stood in its file."""
    source = facts.sources[domain.name]
    if facts.stream.edition(facts.edition).generated:
        wanted = dict(source)
        if domain.places is not None:
            yield f"{where}.places' of {domain.name} should be left out: generated examples stand in no file."
    else:
        # From which files or commit is the submitter's business; how many were met before follows from the examples.
        met = "test_pairs_met_before"
        wanted = {**domain.source, **({met: source[met]} if met in source and met in domain.source else {})}
    if apart_in(wanted, domain.source):
        apart = first_difference(wanted, domain.source)
        yield f"{where}.source' of {domain.name} should be the {facts.edition} edition's; {apart}"


# What these say follows from the edition's examples.
_OF_PAIRS = ("met_in_training", "one_class", "empty_texts", "label_conflict")


def warning_problems(record: Record, facts: EditionFacts) -> Iterator[str]:
    """That what a record warns of is so, where the examples or the predictions say it."""
    known = [*facts.warnings, *(one for one in record.warnings_again() if one.kind == "predicts_one_class")]
    for number, told in enumerate(record.warnings):
        if told.domain is not None and told.domain not in record.domains:
            yield f"field 'warnings.{number}.domain' should be one of {', '.join(record.domains)}."
        elif told.kind in (*_OF_PAIRS, "predicts_one_class") and told not in known:
            yield f"field 'warnings.{number}' is {told.kind}, which neither examples nor predictions bear out as it is."
