"""Domains: where a data set's examples come from and what its labels mean (``benchmarks/domains/*.yaml``)."""

from __future__ import annotations

import math
import re
from itertools import combinations, pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from clbench.schema.form import Form, shown
from clbench.schema.registry import Chosen
from clbench.schema.source import SOURCES, Source
from clbench.schema.task_type import LABEL, TaskType, task_type_of

Key = str | int | bool
Quoting = Literal["minimal", "none"]
# As spreadsheets and data frames write a whole number in a column of numbers; bounded, since a label is no long number.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}\.0+")


def label_key(value: Any) -> str:
    """One spelling for a label however its file types it: 1, 1.0, "1" and "1.0" are one label, as are true, "true" and
    "True", and null, NaN and "".

    A CSV file holds text only, JSON numbers may carry a point, and the hub's class labels are integers; the label map
    is written once for all of them.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if _WHOLE.fullmatch(text):
        return str(int(text.partition(".")[0]))
    return text.lower() if text in ("True", "TRUE", "False", "FALSE") else text


class Band(Form):
    """The scores from ``at_least`` (included) to ``below`` (not included) that are one label; null is without an end.

    Attributes:
        at_least, below: the ends; one of them has to be given.
        label: a class of the stream's label space.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    at_least: float | None = None
    below: float | None = None
    label: str

    @model_validator(mode="after")
    def _is_a_range(self) -> Band:
        if self.at_least is None and self.below is None:
            raise ValueError("a band needs at_least, below or both")
        if self.at_least is not None and self.below is not None and self.at_least >= self.below:
            raise ValueError(f"at_least ({self.at_least:g}) should be smaller than below ({self.below:g})")
        return self

    def holds(self, score: float) -> bool:
        """Whether a score lies in the band."""
        return (self.at_least is None or score >= self.at_least) and (self.below is None or score < self.below)


class Reading(Form):
    """How rows become labelled examples.

    Attributes:
        columns: which columns are read: of each text of the task type, and ``label``, the label or the score:
            ``{first: .., second: .., label: ..}`` for sentence pairs, ``{text: .., label: ..}`` for single sentences.
        labels: what each published label is in the stream's label space; null drops the example. Every label that
            occurs has to be named. Labels of three ways collapse here and nowhere else.
        bands: instead of ``labels`` for a score; an example whose score is in no band is dropped.
    """

    columns: dict[str, str]
    labels: dict[Key, str | None] | None = None
    bands: tuple[Band, ...] | None = None

    @field_validator("columns")
    @classmethod
    def _of_a_task_type(cls, columns: dict[str, str]) -> dict[str, str]:
        texts = task_type_of(columns).columns
        # One column may be two texts; a model that reads the label has nothing to learn.
        if columns[LABEL] in (columns[text] for text in texts):
            raise ValueError(f"label should be a column of its own, but {shown(columns[LABEL])} is one of the texts")
        return columns

    @field_validator("labels")
    @classmethod
    def _named_once(cls, labels: dict[Key, str | None] | None) -> dict[Key, str | None] | None:
        if labels is not None and len({label_key(key) for key in labels}) < len(labels):
            raise ValueError("a label is named twice")
        if labels is not None and not any(labels.values()):
            raise ValueError("at least one label should have a class of the label space")
        return labels

    @field_validator("bands")
    @classmethod
    def _apart(cls, bands: tuple[Band, ...] | None) -> tuple[Band, ...] | None:
        if bands is not None and not bands:
            raise ValueError("at least one band should be given")
        ordered = sorted(bands or (), key=lambda band: float("-inf") if band.at_least is None else band.at_least)
        for lower, upper in pairwise(ordered):
            if lower.below is None or upper.at_least is None or lower.below > upper.at_least:
                raise ValueError("the bands should not overlap")
        return bands

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Reading:
        if (self.labels is None) == (self.bands is None):
            raise ValueError("either labels or bands should be given")
        return self

    @property
    def task_type(self) -> TaskType:
        """What its examples are."""
        return task_type_of(self.columns)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that are read: the texts in the order of the task type, then the label."""
        return (*(self.columns[text] for text in self.task_type.columns), self.columns[LABEL])

    def named_classes(self) -> dict[str, tuple[str, ...]]:
        """The classes of the stream's label space that this reading can give, by the field that names them."""
        if self.labels is None:
            return {"bands": tuple(band.label for band in self.bands or ())}
        return {"labels": tuple(label for label in self.labels.values() if label is not None)}


class Part(Form):
    """A published split, or the part of it that one use takes.

    Attributes:
        split: the published split's name.
        share: 0 to 1: this share of the split, drawn by the domain's name and the same for every run, is carved out
            for this use; a use without a share takes what the shares leave.
    """

    split: str
    share: float | None = Field(default=None, gt=0, lt=1)


class Parts(Form):
    """Which published split each use is made of; ``train`` may be missing where a domain is only evaluated on."""

    train: Part | None = None
    validation: Part
    test: Part

    @model_validator(mode="after")
    def _disjoint(self) -> Parts:
        given = [part for part in (self.train, self.validation, self.test) if part is not None]
        for split in {part.split for part in given}:
            shares = [part.share for part in given if part.split == split]
            if shares.count(None) > 1 or sum(share or 0.0 for share in shares) >= 1 + 1e-9:
                raise ValueError(f"two uses of split '{split}' overlap; give all but one a share, in sum below 1")
        return self


Size = Annotated[int, Field(strict=True, ge=0)]


class Domain(Form):
    """One data set or genre.

    Attributes:
        name: the domain's name, also that of its folder under ``--data-dir``.
        title: one line for people; empty for none.
        licence: as its publishers state it, or ``none stated``.
        citation: where it comes from, or ``none stated``.
        sizes: the published examples a split, before labels are dropped; null where not known.
        hub: where it lies on the hub; null where it has no home there.
        obtain: for a set without a home on the hub: where its files are to be had and how they become a folder.
        folder: how files under ``--data-dir`` are read; null for as on the hub.
        generator: what stands in for it in generated editions; null for nothing.
        source: any kind of source by its name, a plug-in's as well: ``{kind: NAME, ...}`` with the kind's settings.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)
    title: str = ""
    licence: str = "none stated"
    citation: str = "none stated"
    sizes: dict[str, Size] | None = None
    hub: Annotated[Source, Chosen(SOURCES, "kind", only="hub")] | None = None
    obtain: str | None = None
    folder: Annotated[Source, Chosen(SOURCES, "kind", only="folder")] | None = None
    generator: Annotated[Source, Chosen(SOURCES, "kind", only="generator")] | None = None
    source: Annotated[Source, Chosen(SOURCES, "kind")] | None = None

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> Domain:
        given = self.sources()
        if not given:
            raise ValueError("a domain needs a source: hub, folder or generator, or another kind as source")
        for one, other in combinations(given, 2):
            if _serves(given[one]) == _serves(given[other]):
                raise ValueError(f"{one} and {other} both give the examples of {_serves(given[one])}; keep one of them")
        return self

    def sources(self) -> dict[str, Source]:
        """Where its examples may come from, by the field that says it."""
        given = {"hub": self.hub, "folder": self.folder, "generator": self.generator, "source": self.source}
        return {field: source for field, source in given.items() if source is not None}

    def source_for(self, *, generated: bool, data_dir: bool) -> Source | None:
        """Where its examples come from in a generated edition; or in a real one, with or without ``--data-dir``."""
        known = [source for source in self.sources().values() if source.generated == generated]
        plain = next((source for source in known if not source.reads_data_dir), None)
        if not data_dir:
            return plain
        files = [source for source in known if source.reads_data_dir]
        files += [other for source in known if (other := source.as_files()) is not None]
        return files[0] if files else plain

    def classes(self) -> dict[str, set[str]]:
        """The classes of the stream's label space that the domain can give, by the field that names them."""
        return {
            f"{field}.{name}": set(classes)
            for field, source in self.sources().items()
            for name, classes in source.named_classes().items()
        }


def _serves(source: Source) -> str:
    if source.generated:
        return "generated editions"
    return "real editions with --data-dir" if source.reads_data_dir else "real editions"
