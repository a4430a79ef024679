"""From paths to models: which records are seeds of one, what each is called, and whether they may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clbench.board import SUBMISSION_NAME, find_submissions, read_submission
from clbench.comparison.orders import InOrder, in_common, of_one_model
from clbench.errors import UserError, listed, printable
from clbench.record import Record, grouped, read_record
from clbench.record.groups import computed_in
from clbench.runs.folders import finished_runs

# A setting's value as part of a name: longer ones are told apart well enough by their beginning.
_LONGEST = 40


@dataclass(frozen=True)
class Model:
    """One of the models that are compared.

    Attributes:
        name: the recipe's name, and what tells it apart where others share it; unique, printable.
        records: one or more, which differ only in their seed; seeds ascending.
        files: of the records.
        orders: where all models have lived through the stream in several orders, its lives in each of these, with the
            same seeds; the first is that of ``records``. Else empty.
        left_out: a sentence for each of its orders and seeds that is not compared.
    """

    name: str
    records: tuple[Record, ...]
    files: tuple[Path, ...]
    orders: tuple[InOrder, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending, each once."""
        return tuple(record.configuration.seed for record in self.records)


@dataclass(frozen=True)
class _Found:
    """A model before it has a name; ``place`` is where it lies, as far as the user needs to know it again."""

    place: str
    orders: tuple[InOrder, ...]
    left_out: tuple[str, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        return self.orders[0].records


def read_models(paths: Sequence[Path | Record], check: bool = True) -> list[Model]:
    """The models that a user means by ``paths``, in their order.

    Args:
        paths: runs' folders or their record.json, folders of runs, submissions' folders, or folders of submissions; or
            records themselves, whose ``files`` are then what they tell of, not where they lie.
        check: compute every figure again on the way, see :func:`clbench.record.read_record`.

    Raises:
        UserError: nothing is there, or it is damaged or forged; fewer than two models, and no model in two orders; or
            two that were not tested on the same examples after the same experiences. The sentence says which, and why.
    """
    # dict, not set: what is named twice is read once, in the order given.
    files: dict[Path, None] = {}
    found: list[_Found] = []
    submissions: dict[Path, None] = {}
    given: dict[Path, Record] = {}
    for path in paths:
        if isinstance(path, Record):
            model, _, strategy = path.names
            given[Path(f"{model}, {strategy}", f"seed-{path.configuration.seed}", str(len(given)))] = path
        elif _is_submission(path):
            submissions |= dict.fromkeys([path.resolve()])
        elif _holds_submissions(path):
            submissions |= dict.fromkeys(one.resolve() for one in find_submissions(path))
        else:
            files |= dict.fromkeys(finished_runs([path]))
    records = [*(read_record(file, check=check) for file in files), *given.values()]
    places = [*files, *given]
    lives = [_life([records[i] for i in group], [places[i] for i in group]) for group in grouped(records)]
    found += [_Found(_place(orders[0]), orders) for orders in of_one_model(lives)]
    found += [_submitted(folder, check) for folder in submissions]
    if not found:
        raise UserError("there is nothing to compare; give runs, submissions, or folders of them.")
    if len(found) < 2 and len(found[0].orders) < 2:
        seeds = len(found[0].records)
        told = f"{seeds} seeds of one model" if seeds > 1 else "one model"
        asked = [str(one) if isinstance(one, Path) else " on ".join(one.names[:2]) for one in paths]
        raise UserError(f"{', '.join(asked)}: this is {told}; give two models or more to compare.")
    kept = in_common([(one.place, one.orders) for one in found])
    found = [replace(one, orders=orders, left_out=told) for one, (orders, told) in zip(found, kept, strict=True)]
    for other in found[1:]:
        for here, there in zip(found[0].orders, other.orders, strict=False):
            _may_be_compared(replace(found[0], orders=(here,)), replace(other, orders=(there,)))
    names = distinct_names([one.records[0].names[0] for one in found], [(one.place, one.records[0]) for one in found])
    return [
        Model(name, first.records, first.files, one.orders if len(one.orders) > 1 else (), one.left_out)
        for name, one in zip(names, found, strict=True)
        for first in one.orders[:1]
    ]


def _is_submission(path: Path) -> bool:
    return (path / SUBMISSION_NAME).exists()


def _holds_submissions(path: Path) -> bool:
    return path.is_dir() and any(path.glob(f"*/{SUBMISSION_NAME}"))


def _life(records: Sequence[Record], files: Sequence[Path]) -> InOrder:
    order = sorted(range(len(records)), key=lambda i: records[i].configuration.seed)
    return InOrder(tuple(records[i] for i in order), tuple(files[i] for i in order))


def _place(life: InOrder) -> str:
    # seed-0/record.json lies in the folder of the model, which is what tells it apart.
    folder = life.files[0].parent
    return str(folder.parent if folder.name == f"seed-{life.seeds[0]}" else folder)


def _submitted(folder: Path, check: bool) -> _Found:
    entry = read_submission(folder, check=check)
    files = [folder / name for name in entry.submission.records]
    records = entry.all_records
    models = of_one_model([_life([records[i] for i in group], [files[i] for i in group]) for group in grouped(records)])
    if len(models) > 1:
        raise UserError(f"{folder}: its records are not seeds of one run; clbench verify says more.")
    return _Found(f"submission {entry.submission.name}", models[0])


def _may_be_compared(first: _Found, other: _Found) -> None:
    """Raise unless both were tested on the same examples after the same experiences."""
    why = why_not_comparable(first.records[0], other.records[0])
    if why is not None:
        raise UserError(f"{other.place} cannot be compared with {first.place}: {why}.")


def why_not_comparable(one: Record, two: Record) -> str | None:
    """Why the second cannot be held against the first, as its test examples or experiences are others; None where it
    can."""
    if one.names[1] != two.names[1] and one.domains != two.domains:
        return f"it lived through {two.names[1]}, the other through {one.names[1]}"
    if one.domains != two.domains:
        return f"its domains are {', '.join(two.domains)}, the other's {', '.join(one.domains)}"
    if one.label_space != two.label_space:
        return f"its classes are {listed(two.label_space)}, the other's {listed(one.label_space)}"
    for here, there in zip(one.data, two.data, strict=True):
        if here.splits["test"].digest != there.splits["test"].digest or here.gold != there.gold:
            editions = {one.configuration.edition, two.configuration.edition}
            why = f" (editions {' and '.join(sorted(editions))})" if len(editions) > 1 else ""
            return f"the two were tested on different examples of {there.name}{why}"
    if one.scenario != two.scenario:
        return f"its stream is {two.scenario}, the other's {one.scenario}"
    for here, there in zip(one.data, two.data, strict=True):
        if here.classes != there.classes:
            return f"its domain {there.name} tells other classes apart"
    mine, theirs = _experiences(one), _experiences(two)
    if mine != theirs:
        told = [", ".join(name for name, _ in lived) for lived in (theirs, mine)]
        if told[0] == told[1]:
            return "the domains that it had met by the end of an experience are others"
        return f"its experiences are {told[0]}, the other's {told[1]}"
    return None


def _experiences(record: Record) -> list[tuple[str, frozenset[str]]]:
    return [(point.name, frozenset(point.met)) for point in record.points if point.final]


def distinct_names(plain: Sequence[str], lives: Sequence[tuple[str, Record]]) -> list[str]:
    """A name for each life: its plain one; where several share that, with the settings that differ among them, and
    last where they lie.

    Args:
        plain: for each, what it is called where nothing else is called so.
        lives: for each where it lies, and its record.
    """
    names = list(plain)
    for shared in dict.fromkeys(plain):
        same = [i for i, name in enumerate(plain) if name == shared]
        if len(same) == 1:
            continue
        described = [dict(_settings(lives[i][1])) for i in same]
        told: list[list[str]] = [[] for _ in same]
        for key in dict.fromkeys(key for settings in described for key in settings):
            if len(set(map(tuple, told))) == len(same):
                break
            known = key in ("strategy.name", "edition", "backbone.name")
            said = "" if known else f"{key.removeprefix('strategy.')} "
            # A strategy that has no such setting says nothing of it.
            values = [f"{said}{settings[key]}" if key in settings else "" for settings in described]
            with_it = [[*parts, value] for parts, value in zip(told, values, strict=True)]
            if len(set(map(tuple, with_it))) > len(set(map(tuple, told))):
                told = with_it
        if len(set(map(tuple, told))) < len(same):
            for parts, place in zip(told, _short([lives[i][0] for i in same]), strict=True):
                parts.append(place)
        for parts, i in zip(told, same, strict=True):
            names[i] = f"{shared} ({', '.join(filter(None, parts))})"
    # Long values are cut, and a stranger may call a recipe what another one is called here.
    unique: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name} #{number}"
        unique.append(candidate)
    return unique


def _short(places: Sequence[str]) -> list[str]:
    """As many of the last folders of each as tell them apart."""
    split = [Path(place).parts for place in places]
    depth = next((n for n in range(1, max(map(len, split))) if len({p[-n:] for p in split}) == len(split)), 0)
    return [str(Path(*parts[-depth:])) for parts in split]


def _settings(record: Record) -> Iterator[tuple[str, str]]:
    """All that determines the run but its seed, as (key, value), what people care about most first."""
    content = record.configuration.model_dump(mode="json", exclude={"seed", "fingerprint"})
    content["backbone"].pop("learning_rate", None)  # not every version of clbench has told it
    hardware = record.measured.hardware
    computed = {"precision": computed_in(record), "device": hardware.device or "cpu"}
    first = ("strategy.name", "edition", "backbone.name", *computed, "eval_every", "shift")
    # What describes a run decides nothing of it.
    described = ("model.name", "model.title", "model.citation", "strategy.title", "strategy.citation", "stream.title",
                 "stream.description")  # fmt: skip
    leaves = computed | {key: value for key, value in _leaves(content) if key not in described}
    last = ("strategy.method",)  # its settings say more
    between = [key for key in leaves if key not in first + last]
    for key in (key for key in (*first, *between, *last) if key in leaves):
        text = printable(leaves[key])
        yield key, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _leaves(value, f"{key}.{printable(str(name), 40)}" if key else printable(str(name), 40))
    else:
        yield key, content if isinstance(content, str) else repr(content)
