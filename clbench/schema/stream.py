"""Streams: ordered domains that share one label space, in several sizes (``benchmarks/streams/*.yaml``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from clbench.errors import UserError, nearest
from clbench.schema.domain import Domain
from clbench.schema.form import Form, read_yaml
from clbench.schema.shipped import find

# Strict: a ``true`` or a quoted number in YAML is a mistake, not a 1.
Count = Annotated[int, Field(strict=True, ge=1)]


class Edition(Form):
    """A stream at one size. Scores of two editions are never mixed.

    Attributes:
        source: ``generated`` (offline, by the domains' generators) or ``real`` (the hub or ``--data-dir``).
        train, validation, test: pairs a domain; of real data at most so many, null for all.
        max_length: tokens a pair, special tokens included; longer pairs are cut.
        backbone: what a run starts from unless told otherwise.
    """

    source: Literal["generated", "real"]
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    max_length: int = Field(strict=True, ge=8, le=8192)
    backbone: str

    @model_validator(mode="after")
    def _generated_sizes(self) -> Edition:
        if self.source == "generated" and None in (self.train, self.validation, self.test):
            raise ValueError("a generated edition should say how many train, validation and test pairs it has")
        return self

    def caps(self) -> dict[str, int | None]:
        """Pairs a domain by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Stream(Form):
    """An ordered list of domains that share one label space.

    Attributes:
        name: what ``--stream`` is given.
        title: one line for people; empty for none.
        description: a paragraph for people; empty for none.
        label_space: the classes' names; a label's number is its place.
        domains: names or paths of domains in order; the model is compressed on the first.
        evaluation_only: domains that are evaluated on and never trained on.
        editions: the stream's sizes by name.
    """

    name: str
    title: str = ""
    description: str = ""
    label_space: tuple[str, ...] = Field(min_length=2)
    domains: tuple[str, ...] = Field(min_length=1)
    evaluation_only: tuple[str, ...] = ()
    editions: dict[str, Edition] = Field(min_length=1)

    @field_validator("label_space")
    @classmethod
    def _distinct(cls, label_space: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(label_space)) < len(label_space):
            raise ValueError("a class is named twice")
        return label_space


@dataclass(frozen=True)
class OpenStream:
    """A stream with its domains.

    Attributes:
        form: what the stream's file says.
        domains: in the stream's order, those for evaluation only last.
        path: the stream's file.
    """

    form: Stream
    domains: tuple[Domain, ...]
    path: Path

    def is_evaluation_only(self, name: str) -> bool:
        """Whether the domain called ``name`` is never trained on."""
        return name in {domain.name for domain in self.domains[len(self.form.domains) :]}

    def edition(self, name: str) -> Edition:
        """The edition called ``name``.

        Raises:
            UserError: the stream has none of that name; the sentence offers the nearest.
        """
        if name not in self.form.editions:
            raise UserError(f"stream '{self.form.name}' has no edition '{name}'; {nearest(name, self.form.editions)}")
        return self.form.editions[name]


def read_stream(name: str) -> OpenStream:
    """The stream that a user means by ``name``: a shipped name, or the path of a YAML file.

    A domain that the file names is looked for beside the file, then in ``../domains``, then among those shipped.

    Raises:
        UserError: no such stream or domain, a file that breaks its form, a domain that comes twice, or a domain whose
            label map names a class that is not in the stream's label space.
    """
    path = find("stream", name)
    form = read_yaml(path, Stream)
    domains: list[Domain] = []
    for wanted in (*form.domains, *form.evaluation_only):
        domain_path = _find_domain(wanted, path)
        domain = read_yaml(domain_path, Domain)
        if domain.name in {other.name for other in domains}:
            raise UserError(f"{path}: domain '{domain.name}' should come once, but comes twice.")
        _check_classes(domain, domain_path, form, path)
        domains.append(domain)
    return OpenStream(form, tuple(domains), path)


def _find_domain(wanted: str, stream: Path) -> Path:
    beside = stream.parent
    neighbours = beside.parent / "domains"
    is_name = "/" not in wanted and not wanted.endswith((".yaml", ".yml"))
    if is_name and not (beside / f"{wanted}.yaml").is_file() and (neighbours / f"{wanted}.yaml").is_file():
        return neighbours / f"{wanted}.yaml"
    try:
        return find("domain", wanted, beside)
    except UserError as error:
        raise UserError(f"{stream}: {error}") from error


def _check_classes(domain: Domain, domain_path: Path, form: Stream, path: Path) -> None:
    for field, classes in domain.classes().items():
        for label in sorted(classes - set(form.label_space)):
            raise UserError(
                f"{domain_path}: field '{field}' names the class '{label}', which is not in the label space of "
                f"{path}; {nearest(label, form.label_space)}"
            )
