"""A stream's edition as examples, from wherever its domains say, see :mod:`clbench.schema.source`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from clbench.data.baselines import fittable
from clbench.data.pairs import SPLITS, DomainData, Pairs
from clbench.data.subsets import cap
from clbench.errors import UserError, type_of
from clbench.runtime import events
from clbench.schema.domain import Domain, Reading
from clbench.schema.scenario import CLASS
from clbench.schema.source import Request, Source
from clbench.schema.stream import OpenStream, read_alone
from clbench.schema.task_type import TASK_TYPES


def check_asked(stream: OpenStream, edition: str, *, data_dir: Path | None = None, shift: float = 1.0) -> None:
    """What :func:`load` is asked for, before anything is read.

    Raises:
        UserError: the edition is unknown, does not go with the folder or the shift, or the folder is none.
    """
    form = stream.edition(edition)
    if form.generated and data_dir is not None:
        real = [name for name, other in stream.form.editions.items() if not other.generated]
        raise UserError(
            f"edition '{edition}' of {stream.form.name} is generated and reads no --data-dir; "
            f"its real editions are {', '.join(real) or 'none'}."
        )
    if not form.generated and shift != 1.0:
        raise UserError(f"edition '{edition}' of {stream.form.name} is real data; --shift needs a generated edition.")
    if not 0 <= shift <= 1:
        raise UserError(f"the shift should be from 0 to 1, but is {shift:g}.")
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is not a folder; it should hold a folder a domain.")


def load(
    stream: OpenStream,
    edition: str,
    *,
    data_dir: Path | None = None,
    shift: float = 1.0,
) -> list[DomainData]:
    """Every domain of a stream's edition, in the stream's order, those for evaluation only (without ``train``) last.

    The same edition of the same sources gives the same examples for every run and seed.

    Args:
        stream: the stream.
        edition: the edition's name.
        data_dir: real editions only: a folder with ``<domain>/{train,validation,test}`` files instead of the hub.
        shift: generated editions only: 0 (all domains speak like the first) to 1 (as their real counterparts differ).

    Raises:
        UserError: an unknown edition, examples that cannot be had, or examples that break the domain's form.
    """
    form = stream.edition(edition)
    check_asked(stream, edition, data_dir=data_dir, shift=shift)
    sources = [_source(domain, form.generated, data_dir is not None) for domain in stream.domains]
    if data_dir is not None and not any(source.reads_data_dir for source in sources):
        raise UserError(f"no domain of {stream.form.name} reads files; leave --data-dir {data_dir} out.")
    first = stream.domains[0].name
    if len(_classes(sources[0], stream, first)) < 2:
        raise UserError(
            f"domain '{first}' names a single class, and {stream.form.name} begins with it: a model has to tell two or "
            "more apart; begin with another domain."
        )
    loaded = []
    task, count = "read the domains", len(stream.domains)
    for number, (domain, source) in enumerate(zip(stream.domains, sources, strict=True)):
        events.advance(task, number, count, "domains", domain.name)
        folder = data_dir / domain.name if data_dir is not None and source.reads_data_dir else None
        request = _request(stream, edition, domain, shift, folder)
        loaded.append(_placed(_finish(source, source.load(request), request), source, stream))
    events.advance(task, count, count, "domains")
    events.end(task)
    fittable(loaded)  # what nothing can be fitted for is told before anything is trained
    return loaded


def draw_anew(
    stream: OpenStream, edition: str, seed: int, known: Sequence[DomainData], shift: float = 1.0
) -> dict[str, Pairs]:
    """Test examples of every domain that nobody can have seen: a generated edition's, drawn from another seed.

    Args:
        stream, edition, shift: as :func:`load` has them.
        seed: 0 to 2^63 - 1, of all domains; known to nobody before there is a model to be judged.
        known: what :func:`load` gave; none of its examples comes again.

    Returns:
        By domain, as many as the edition's test part has.

    Raises:
        UserError: the edition is not generated, or a source draws no examples anew, or not those that are asked for.
    """
    form = stream.edition(edition)
    if not form.generated:
        raise UserError(f"edition '{edition}' of {stream.form.name} is real: no examples of it can be drawn anew.")
    found = {}
    task = "draw test examples"
    for number, (domain, data) in enumerate(zip(stream.domains, known, strict=True)):
        events.advance(task, number, len(known), "domains", domain.name)
        request = _request(stream, edition, domain, shift)
        start = stream.own_space(domain.name)[1]
        source = _source(domain, True, False)
        drawn = source.draw_anew(request, seed, data)
        _check_anew(source, drawn, data, request)
        found[domain.name] = _moved(drawn, start)
    events.advance(task, len(known), len(known), "domains")
    events.end(task)
    return found


def load_domain(name: str, edition: str, *, data_dir: Path | None = None) -> tuple[OpenStream, DomainData]:
    """One domain by itself, to be trained on, and the first shipped stream that has it, with no other domain.

    Raises:
        UserError: no stream has it, or as :func:`load`.
    """
    alone = read_alone(name)
    return alone, load(alone, edition, data_dir=data_dir)[0]


def _request(stream: OpenStream, edition: str, domain: Domain, shift: float, folder: Path | None = None) -> Request:
    """What an edition wants of a domain's source."""
    return Request(
        domain=domain.name, label_space=stream.own_space(domain.name)[0],
        trained_on=not stream.is_evaluation_only(domain.name), sizes=stream.edition(edition).caps(),
        beside=stream.files.get(domain.name, stream.path).parent, shift=shift, folder=folder,
    )  # fmt: skip


def _source(domain: Domain, generated: bool, data_dir: bool) -> Source:
    """Where the domain's examples come from in such an edition, with or without ``--data-dir``.

    Raises:
        UserError: from nowhere.
    """
    found = domain.source_for(generated=generated, data_dir=data_dir)
    if found is not None:
        return found
    if generated:
        raise UserError(f"domain '{domain.name}' has no generator, so it cannot be part of a generated edition.")
    if data_dir:
        raise UserError(f"domain '{domain.name}' says neither under 'folder' nor under 'hub' how its files are read.")
    how = f" {domain.obtain.strip()}" if domain.obtain else ""
    raise UserError(f"domain '{domain.name}' is not on the hub; give its files with --data-dir.{how}")


def _finish(form: Source, data: DomainData, request: Request) -> DomainData:
    """Caps, no ``train`` where it must not be trained on, and no empty part; the record's ``source`` says the kind."""
    if not isinstance(data, DomainData):
        raise UserError(
            f"domain '{request.domain}': load() of its source {form.kind} should return a DomainData, but returns "
            f"{type_of(data)}."
        )
    _check(form, data.splits, request)
    name = request.domain
    splits = {}
    for split in SPLITS:
        if split in data.splits and (request.trained_on or split != "train"):
            splits[split] = cap(data.splits[split], request.sizes[split], f"{name}/{split}/cap")
            if not len(splits[split]):
                raise UserError(f"domain '{name}' has no example in its {split} part; every part needs some.")
    source = {"kind": form.kind} | data.source | {"kind": form.kind}
    if not form.generated:
        source["test_pairs_met_before"] = _met_before(splits)
    single = data.task_type == "pair" and all(pairs.second is None for pairs in splits.values())
    task_type = form.task_type.name if isinstance(form, Reading) else "single" if single else data.task_type
    TASK_TYPES.get(task_type)  # an unknown one is told before anything is trained
    return replace(data, name=name, splits=splits, source=source, task_type=task_type)


def first_labels(stream: OpenStream, edition: str, *, data_dir: bool) -> tuple[str, ...]:
    """The names of the classes that a stream's first domain can give: those of the model at inception.

    Args:
        stream: the stream.
        edition: the edition's name.
        data_dir: whether the examples come from a folder of files.
    """
    domain = stream.domains[0]
    space, start = stream.own_space(domain.name)
    source = _source(domain, stream.edition(edition).generated, data_dir)
    return tuple(space[place - start] for place in _classes(source, stream, domain.name))


def _classes(form: Source, stream: OpenStream, domain: str) -> tuple[int, ...]:
    """The classes that a domain's source can give, as places in the label space, ascending.

    A source that names no class may give any. So may one that names a single class, unless the classes come with their
    domains: the model has to choose among two or more.
    """
    space, start = stream.own_space(domain)
    named = {label for labels in form.named_classes().values() for label in labels}
    any_of_them = not named or (len(named) == 1 and stream.form.scenario != CLASS)
    return tuple(start + place for place, label in enumerate(space) if any_of_them or label in named)


def _placed(data: DomainData, form: Source, stream: OpenStream) -> DomainData:
    """The domain with its labels in the stream's label space, and the classes that its source can give."""
    start, classes = stream.own_space(data.name)[1], _classes(form, stream, data.name)
    splits = {split: _moved(pairs, start) for split, pairs in data.splits.items()}
    given = {label for pairs in splits.values() for label in pairs.labels.tolist()}
    if strange := sorted(given - set(classes)):
        others, own = (", ".join(stream.form.label_space[place] for place in part) for part in (strange, classes))
        raise UserError(
            f"domain '{data.name}': its source {form.kind} gave examples of {others}, but says that it has {own} alone."
        )
    whole = len(classes) == len(stream.form.label_space)
    return replace(data, splits=splits, classes=() if whole else classes)


def _moved(pairs: Pairs, by: int) -> Pairs:
    return replace(pairs, labels=pairs.labels + by) if by else pairs


def _check(form: Source, splits: Mapping[str, Pairs], request: Request) -> None:
    """That a source gave what :meth:`Source.load` promises, which a stranger's may not."""
    gave = f"domain '{request.domain}': its source {form.kind} gave"
    for split in splits:
        if split not in SPLITS:
            raise UserError(f"{gave} a part called '{split}'; parts are {', '.join(SPLITS)}.")
    for split in SPLITS if request.trained_on else ("test",):
        if split not in splits:
            raise UserError(f"{gave} no {split} part.")
    classes = len(request.label_space)
    for split, pairs in splits.items():
        if not isinstance(pairs, Pairs):
            raise UserError(f"{gave} {type_of(pairs)} as its {split} part; it should be Pairs.")
        if pairs.labels.dtype.kind not in "iu":
            raise UserError(
                f"{gave} labels of the type {pairs.labels.dtype} in its {split} part; they should be int64."
            )
        if len(pairs) and not 0 <= pairs.labels.min() <= pairs.labels.max() < classes:
            raise UserError(
                f"{gave} labels from {pairs.labels.min()} to {pairs.labels.max()} in its {split} part; they should be "
                f"from 0 to {classes - 1}, places in the label space."
            )
        for text in chain.from_iterable(pairs.texts()):
            if not isinstance(text, str):
                raise UserError(f"{gave} {type_of(text)} in its {split} part where text should be.")
        wanted = request.sizes[split]
        if form.generated and len(pairs) != wanted:
            raise UserError(f"{gave} {len(pairs):,} {split} examples, where {wanted:,} are asked for.")


def _check_anew(form: Source, drawn: Pairs, known: DomainData, request: Request) -> None:
    """That a source drew what :meth:`Source.draw_anew` promises."""
    size = len(known.splits["test"])
    _check(form, {"test": drawn}, replace(request, trained_on=False, sizes={"test": size}))
    for split, pairs in known.splits.items():
        there = set(pairs.texts())
        if common := sum(texts in there for texts in drawn.texts()):
            raise UserError(
                f"domain '{request.domain}': its source {form.kind} drew {common:,} of {size:,} examples anew that "
                f"stand in its {split} part; it should draw such as nobody has seen."
            )


def _met_before(splits: dict[str, Pairs]) -> int:
    """Test examples that stand in another part as well: kept, since they are published so, but counted."""
    others = {texts for split in ("train", "validation") if split in splits for texts in splits[split].texts()}
    return sum(texts in others for texts in splits["test"].texts())
