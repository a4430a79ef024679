"""Streams: ordered domains, in several sizes, and how their classes come (``benchmarks/streams/*.yaml``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from clbench.errors import UserError, nearest, short
from clbench.schema.backbone import backbone_from
from clbench.schema.domain import Domain
from clbench.schema.form import Form, Name, read_yaml, shown
from clbench.schema.order import Order, orders_in
from clbench.schema.part import MOST_CLASSES
from clbench.schema.scenario import CLASS, DOMAIN, TASK, Scenario
from clbench.schema.shipped import add_streams, expanded, find, is_path, names

# Strict: a ``true`` or a quoted number in YAML is a mistake, not a 1.
Count = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
# The end of the name of an edition that --quick has made small, so that its records meet no others.
QUICK = "-quick"
# Examples of one part that are generated, one by one, before a run begins.
_GENERATED = 1_000_000
_Wanted = Annotated[tuple[str, ...], Field(max_length=100)]


def _label(text: str) -> str:
    # As a record has it.
    if not text.isprintable() or not 0 < len(text) <= 300:
        raise ValueError(f"a class should be 1 to 300 printable characters, but is {shown(text)}")
    return text


Label = Annotated[str, AfterValidator(_label)]


class Edition(Form):
    """A stream at one size. Scores of two editions are never mixed.

    Attributes:
        source: ``generated`` (offline, by the domains' generators) or ``real`` (the hub or ``--data-dir``).
        train, validation, test: examples a domain; of real data at most so many, null for all.
        max_length: tokens an example, special tokens included; longer examples are cut.
        backbone: what a run starts from unless told otherwise; a path from the stream's file.
    """

    source: Literal["generated", "real"]
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    max_length: int = Field(strict=True, ge=8, le=8192)
    backbone: str

    @model_validator(mode="after")
    def _generated_sizes(self) -> Edition:
        if self.generated and None in (self.train, self.validation, self.test):
            raise ValueError("a generated edition should say how many train, validation and test examples it has")
        for part, count in self.caps().items():
            if self.generated and count is not None and count > _GENERATED:
                raise ValueError(f"a generated edition has at most {_GENERATED:,} {part} examples, not {count:,}")
        return self

    @property
    def generated(self) -> bool:
        """Whether its examples are made, not published ones."""
        return self.source == "generated"

    def caps(self) -> dict[str, int | None]:
        """Examples a domain by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Stream(Form):
    """An ordered list of domains.

    Attributes:
        name: what ``--stream`` is given.
        title: one line for people; empty for none.
        description: a paragraph for people; empty for none.
        scenario: which classes are told apart, and when, see :mod:`clbench.schema.scenario`.
        label_space: the classes' names; a label's number is its place. Of a task-incremental stream it follows from
            ``heads``: ``DOMAIN/CLASS``, head by head.
        heads: of a task-incremental stream: each domain's classes, which its head tells apart.
        domains: names or paths of domains in order; the model is compressed on the first.
        evaluation_only: domains that are evaluated on and never trained on.
        orders: further orders of ``domains`` that ``--order 1`` and so on mean; 0 is the order of ``domains``. A record
            does not hold them: its ``domains`` stand in the order of its run.
        editions: the stream's sizes by name.
    """

    name: Name
    title: str = ""
    description: str = ""
    scenario: Scenario = Field(default=DOMAIN, exclude_if=lambda told: told == DOMAIN)
    label_space: tuple[Label, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    heads: dict[Name, Annotated[tuple[Label, ...], Field(min_length=2)]] = Field(
        default={}, max_length=100, exclude_if=lambda told: not told
    )
    domains: _Wanted = Field(min_length=1)
    evaluation_only: _Wanted = ()
    orders: tuple[_Wanted, ...] = Field(default=(), max_length=100, exclude=True)
    editions: dict[Name, Edition] = Field(min_length=1, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _space_of_heads(cls, content: Any) -> Any:
        heads = content.get("heads") if isinstance(content, dict) else None
        if not isinstance(heads, dict) or not all(isinstance(one, list | tuple) for one in heads.values()):
            return content
        space = tuple(f"{domain}/{label}" for domain, labels in heads.items() for label in labels)
        return content if "label_space" in content else content | {"label_space": space}

    @model_validator(mode="after")
    def _heads_of_tasks(self) -> Stream:
        if (self.scenario == TASK) != bool(self.heads):
            raise ValueError("heads and scenario: task-incremental go together: give both or neither")
        space = tuple(f"{domain}/{label}" for domain, labels in self.heads.items() for label in labels)
        if self.heads and self.label_space != space:
            raise ValueError("label_space of a task-incremental stream follows from its heads; leave it out")
        if self.heads and self.evaluation_only:
            raise ValueError(
                "evaluation_only should be left out of a task-incremental stream: no head is there to answer"
            )
        return self

    @field_validator("label_space")
    @classmethod
    def _distinct(cls, label_space: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(label_space)) < len(label_space):
            raise ValueError("a class is named twice")
        return label_space

    @field_validator("editions")
    @classmethod
    def _not_quick(cls, editions: dict[str, Edition]) -> dict[str, Edition]:
        for name in editions:
            if name.endswith(QUICK):
                raise ValueError(f"the name {name} should not end in {QUICK}, which --quick adds to an edition's")
        return editions


@dataclass(frozen=True)
class OpenStream:
    """A stream with its domains.

    Attributes:
        form: what the stream's file says.
        domains: in the stream's order, those for evaluation only last.
        path: the stream's file.
        files: the file of each domain by the domain's name.
        orders: every order of the file by the domains' names, the file's own first; empty for a stream of no file.
    """

    form: Stream
    domains: tuple[Domain, ...]
    path: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()

    @property
    def order(self) -> Order:
        """Names of the domains that are trained on, as they are met."""
        return tuple(domain.name for domain in self.domains[: len(self.form.domains)])

    @property
    def file_order(self) -> Order:
        """The same in the order of the file, where that is another; else empty."""
        return self.orders[0] if self.orders and self.orders[0] != self.order else ()

    def own_space(self, domain: str) -> tuple[tuple[str, ...], int]:
        """The classes that a domain's file names, and where they begin in the label space: all of it, or the domain's
        head."""
        if not self.form.heads:
            return self.form.label_space, 0
        before = 0
        for name, labels in self.form.heads.items():
            if name == domain:
                return labels, before
            before += len(labels)
        raise KeyError(domain)  # read_stream has seen to it

    def is_evaluation_only(self, name: str) -> bool:
        """Whether the domain called ``name`` is never trained on."""
        return name in {domain.name for domain in self.domains[len(self.form.domains) :]}

    def edition(self, name: str) -> Edition:
        """The edition called ``name``, its backbone as :func:`backbone_from` tells it.

        Raises:
            UserError: the stream has none of that name; the sentence offers the nearest.
        """
        if name not in self.form.editions:
            raise UserError(
                f"stream '{self.form.name}' has no edition '{short(name)}'; {nearest(name, self.form.editions)}"
            )
        found = self.form.editions[name]
        if name.endswith(QUICK):  # a copy of what this has returned
            return found
        seen = backbone_from(self.path, found.backbone)
        # A record names it as its file does where that is the same place.
        same = os.path.abspath(seen) == os.path.abspath(expanded(found.backbone))
        return found if same else found.model_copy(update={"backbone": seen})

    def field(self, edition: str, name: str) -> str:
        """The stream's file and a field of one of its editions, as a sentence begins with them."""
        return f"{self.path}: field 'editions.{edition.removesuffix(QUICK)}.{name}'"

    def usual_edition(self, data_dir: Path | None = None) -> str:
        """The edition that is meant where none is named: the first real one for a ``data_dir``, else ``embedded`` if
        there is one, else the first.

        Raises:
            UserError: a ``data_dir``, and no edition that reads one.
        """
        editions = self.form.editions
        if data_dir is not None:
            real = [name for name, edition in editions.items() if not edition.generated]
            if not real:
                raise UserError(f"stream '{self.form.name}' has no real edition that would read --data-dir.")
            return real[0]
        return "embedded" if "embedded" in editions else next(iter(editions))


def read_stream(name: str | Path) -> OpenStream:
    """The stream that a user means by ``name``: a shipped name, or the path of a YAML file.

    A domain that the file names is looked for beside the file, then in ``../domains``, then among those shipped.

    Raises:
        UserError: no such stream or domain, a file that breaks its form, a domain that comes twice, or a domain whose
            label map names a class that is not in the stream's label space.
    """
    path = find("stream", name)
    form = read_yaml(path, Stream)
    domains: list[Domain] = []
    files: dict[str, Path] = {}
    for wanted in (*form.domains, *form.evaluation_only):
        domain_path = _find_domain(wanted, path)
        domain = read_yaml(domain_path, Domain)
        if domain.name in {other.name for other in domains}:
            raise UserError(f"{path}: domain '{domain.name}' should come once, but comes twice.")
        domains.append(domain)
        files[domain.name] = domain_path
    trained = [domain.name for domain in domains[: len(form.domains)]]
    stream = OpenStream(form, tuple(domains), path, files, orders_in(form, trained, path))
    if form.heads and set(form.heads) != set(files):
        raise UserError(
            f"{path}: field 'heads' should name the classes of {', '.join(files)}, but names those of "
            f"{', '.join(form.heads)}."
        )
    for domain in domains:
        _check_classes(domain, files[domain.name], stream)
    if form.scenario == CLASS:
        _check_answerable(stream)
    return stream


def read_alone(domain: str, stream: str | None = None) -> OpenStream:
    """A stream that holds one domain alone, to be trained on: what a recipe's model is made on by itself.

    Args:
        domain: the name of a domain of ``stream``, or of one that a shipped stream has; or the path of a YAML file.
        stream: a stream's name or the path of its YAML file. Without it, a domain that is named is taken from the
            first shipped stream that trains on it, else from one that evaluates on it; one that is given by its file
            gets the label space of the first shipped stream that has all of its classes, else a label space of its own
            classes in the order in which the file names them.

    Raises:
        UserError: no such stream or domain, or a file that breaks its form.
    """
    known = [read_stream(stream)] if stream is not None else [read_stream(shipped) for shipped in names("stream")]
    if "/" in domain or domain.endswith((".yaml", ".yml")):
        path = find("domain", domain)
        form = read_yaml(path, Domain)
        if stream is not None:
            heads = known[0].form.heads
            if heads and form.name not in heads:
                raise UserError(
                    f"{path}: stream '{stream}' has no head for domain '{form.name}'; {nearest(form.name, heads)}"
                )
            _check_classes(form, path, known[0])
        classes = set().union(*form.classes().values())
        # One that names no class has its labels from elsewhere, and no label space can be told for it.
        fits = [one for one in known if stream is not None or (classes and classes <= set(one.form.label_space))]
        opened = fits[0] if fits else _with_classes(known[0], form, path)
        return _alone(replace(opened, files={form.name: path}), form)
    found = [(one, form) for one in known for form in one.domains if form.name == domain]
    if not found:
        where = "no domain is called" if stream is None else f"stream '{known[0].form.name}' has no domain"
        raise UserError(f"{where} '{domain}'; {nearest(domain, {form.name for one in known for form in one.domains})}")

    def distance(pair: tuple[OpenStream, Domain]) -> tuple[bool, bool]:
        return pair[0].form.scenario != DOMAIN, pair[0].is_evaluation_only(domain)

    return _alone(*min(found, key=distance))


def _alone(stream: OpenStream, domain: Domain) -> OpenStream:
    """The stream with this domain alone, its own classes, and those of its editions that can have it."""
    if stream.form.scenario != DOMAIN:
        space = stream.form.heads.get(domain.name, stream.form.label_space)
        named = set().union(*domain.classes().values())
        own = tuple(label for label in space if not named or label in named)
        plain: dict[str, Any] = {"scenario": DOMAIN, "heads": {}, "label_space": own}
        stream = replace(stream, form=stream.form.model_copy(update=plain))
    editions = {
        name: edition for name, edition in stream.form.editions.items()
        if not edition.generated or domain.source_for(generated=True, data_dir=False) is not None
    }  # fmt: skip
    changed = {
        "domains": (domain.name,), "evaluation_only": (), "orders": (), "editions": editions or stream.form.editions,
    }  # fmt: skip
    return replace(stream, form=stream.form.model_copy(update=changed), domains=(domain,), orders=())


def _with_classes(stream: OpenStream, domain: Domain, path: Path) -> OpenStream:
    """The stream with the domain's own classes as its label space."""
    ordered = sorted(domain.sources().values(), key=lambda source: (not source.generated, not source.reads_data_dir))
    named = [label for source in ordered for classes in source.named_classes().values() for label in classes]
    space = tuple(dict.fromkeys(named))
    if len(space) < 2:
        found = ", ".join(space) or "none; give a --stream"
        raise UserError(f"{path}: the domain's labels should name two classes or more, but name {found}.")
    own: dict[str, Any] = {"scenario": DOMAIN, "heads": {}, "label_space": space}
    return replace(stream, form=stream.form.model_copy(update=own))


def _find_domain(wanted: str, stream: Path) -> Path:
    beside = stream.parent
    neighbour = beside.parent / "domains" / f"{wanted}.yaml"
    # os.path's answers no to whatever the system would refuse, such as a name that is too long.
    if not is_path(wanted) and not os.path.isfile(beside / f"{wanted}.yaml") and os.path.isfile(neighbour):
        return neighbour
    try:
        return find("domain", wanted, beside)
    except UserError as error:
        raise UserError(f"{stream}: {error}") from error


def _check_classes(domain: Domain, domain_path: Path, stream: OpenStream) -> None:
    space = stream.own_space(domain.name)[0]
    where = f"the domain's head in {stream.path}" if stream.form.heads else f"the label space of {stream.path}"
    for place, classes in domain.classes().items():
        for label in sorted(classes - set(space)):
            raise UserError(
                f"{domain_path}: field '{place}' names the class '{short(label)}', which is not in {where}; "
                f"{nearest(label, space)}"
            )


def _check_answerable(stream: OpenStream) -> None:
    """Raise where a class-incremental stream asks for a class that no domain opens, so that no model could name it."""
    trained = len(stream.form.domains)
    taught = [set().union(*domain.classes().values()) for domain in stream.domains[:trained]]
    if not all(taught):
        return  # one names no class: its labels come from elsewhere
    for domain in stream.domains[trained:]:
        asked = set().union(*domain.classes().values())
        if unknown := [label for label in stream.form.label_space if label in asked.difference(*taught)]:
            raise UserError(
                f"{stream.path}: field 'evaluation_only' should name domains whose classes are trained on, but none of "
                f"field 'domains' has the class '{short(unknown[0])}' of {domain.name}, which no model could answer."
            )


def add_own(files: Sequence[str | Path]) -> None:
    """Let a board have the streams of these files beside the shipped ones, known by name from then on.

    Raises:
        UserError: a file is no stream's, or has a shipped stream's name.
    """
    streams = [read_stream(file) for file in files]
    add_streams({stream.form.name: stream.path for stream in streams})
