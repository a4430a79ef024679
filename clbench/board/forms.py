"""A submission: who hands in what, and the files that prove it."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from clbench.board.measurement import MOST_MEASUREMENTS, SubmittedMeasurement
from clbench.metrics import Interval
from clbench.record.forms import VERSION_1, FigureName
from clbench.schema.part import Name, Part

SCHEMA_VERSION = 2
SUBMISSION_NAME = "submission.json"

# Of one submission, whatever their seeds and orders.
MOST_RECORDS = 100

Order = Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _slug(text: str) -> str:
    # A folder's name, a part of a page's address, and the same on every file system.
    if len(text) > 80 or not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", text):
        raise ValueError("a name should be lower-case letters and digits with single dots or dashes between them")
    return text


def _short(text: str) -> str:
    if not text.strip() or len(text) > 100 or not text.isprintable():
        raise ValueError("it should be 1 to 100 printable characters")
    return text


def _address(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        whole = False
    if not whole or len(text) > 300 or not text.isascii() or not text.isprintable() or set(text) & set(" <>\"'`\\"):
        raise ValueError(
            "a link should be an http or https address of at most 300 characters, such as https://host/page"
        )
    return text


Slug = Annotated[str, AfterValidator(_slug)]
Short = Annotated[str, AfterValidator(_short)]
Link = Annotated[str, AfterValidator(_address)]


class Track(Part):
    """One table of the board: whose scores may be compared.

    Attributes:
        stream, edition, strategy: by name.
        budget: what the strategy might hold and compute, as ``memory=1000000+compute=1``; left out for no limit.
    """

    stream: Name
    edition: Name
    strategy: Name
    budget: Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9=+.e-]*$")] = Field(
        default="", exclude_if=lambda told: not told
    )


class Mean(Part):
    """A figure over the seeds.

    Attributes:
        mean: of the seeds' figures.
        low, high: its 95% interval by Student's t; null with one seed.
    """

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """The same as a form."""
        return cls(mean=interval.mean, low=interval.low, high=interval.high)


class Submission(Part):
    """What ``submission.json`` says; the records beside it, ``record-SEED.json``, prove every figure in it.

    Those of runs that met the domains in another order than the stream's file has are ``record-SEED-order-N.json``.

    Attributes:
        schema_version: of this form.
        clbench: the version that wrote it.
        name: the submission's folder; lower-case letters, digits, and single dots or dashes between them.
        author: who hands it in.
        link: a page about the model, a paper or a repository; null for none.
        licence: of the model.
        track: where it stands.
        model: the recipe's name.
        seeds: ascending; one record each, in each order.
        orders: beside the order of the stream's file, each as the domains that are trained on; left out where there is
            none.
        figures: over the seeds, in the order of the stream's file, by name; null where the records do not define one.
        records: sha256 of each record's file, by the file's name.
        measurements: of the model on devices of the submitter; left out where there is none.
    """

    schema_version: Literal[1, 2]
    clbench: Name
    name: Slug
    author: Short
    link: Link | None
    licence: Short
    track: Track
    model: Name
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=MOST_RECORDS)
    orders: tuple[Order, ...] = Field(default=(), max_length=MOST_RECORDS, exclude_if=lambda told: not told)
    figures: Annotated[dict[FigureName, Mean | None], Field(max_length=200)]
    records: dict[str, Sha256]
    measurements: tuple[SubmittedMeasurement, ...] = Field(
        default=(), max_length=MOST_MEASUREMENTS, exclude_if=lambda told: not told
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if list(self.seeds) != sorted(set(self.seeds)):
            raise ValueError("seeds should be ascending, each once")
        if any(sorted(set(order)) != sorted(self.orders[0]) for order in self.orders):
            raise ValueError("orders should name the same domains, each once")
        if len(set(self.orders)) < len(self.orders):
            raise ValueError("orders should come once each")
        if len(self.seeds) * (1 + len(self.orders)) > MOST_RECORDS:
            raise ValueError(f"seeds x orders should be at most {MOST_RECORDS} records")
        wanted = [record_name(seed, order) for order in range(1 + len(self.orders)) for seed in self.seeds]
        if list(self.records) != wanted:
            raise ValueError(f"records should name {', '.join(wanted)}, in this order")
        if any((one.stream, one.edition) != (self.track.stream, self.track.edition) for one in self.measurements):
            raise ValueError("measurements should be of the track's stream and edition")
        if self.schema_version == 1 and list(self.figures) != list(VERSION_1):
            raise ValueError(f"figures should be {', '.join(VERSION_1)}, in this order")
        return self


def record_name(seed: int, order: int = 0) -> str:
    """The file of a seed's record.

    Args:
        seed: the run's.
        order: 0 for the order of the stream's file, n for the n-th of the submission's ``orders``.

    >>> record_name(3), record_name(3, 1)
    ('record-3.json', 'record-3-order-1.json')
    """
    return f"record-{seed}-order-{order}.json" if order else f"record-{seed}.json"
