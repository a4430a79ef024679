"""A stream's edition as pairs: generated, from a local folder, or from the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from clbench.data.folder import SUFFIXES, read_file, split_file
from clbench.data.labels import to_pairs
from clbench.data.pairs import SPLITS, DomainData, Pairs
from clbench.data.subsets import cap, carve
from clbench.errors import UserError
from clbench.runtime import events
from clbench.schema.domain import Domain
from clbench.schema.stream import OpenStream, read_alone
from clbench.schema.warning import RunWarning

# Generated pairs are one fixed data set, not a draw a run: runs are compared on the same pairs.
GENERATOR_SEED = 0

Source = dict[str, str | int | float]


def load(
    stream: OpenStream,
    edition: str,
    *,
    data_dir: Path | None = None,
    shift: float = 1.0,
) -> list[DomainData]:
    """Every domain of a stream's edition, in the stream's order, those for evaluation only (without ``train``) last.

    The same edition of the same sources gives the same pairs for every run and seed.

    Args:
        stream: the stream.
        edition: the edition's name.
        data_dir: real editions only: a folder with ``<domain>/{train,validation,test}`` files instead of the hub.
        shift: generated editions only: 0 (all domains speak like the first) to 1 (as their real counterparts differ).

    Raises:
        UserError: an unknown edition, pairs that cannot be had, or pairs that break the domain's form.
    """
    form = stream.edition(edition)
    if form.source == "generated" and data_dir is not None:
        real = [name for name, other in stream.form.editions.items() if other.source == "real"]
        raise UserError(
            f"edition '{edition}' of {stream.form.name} is generated and reads no --data-dir; "
            f"its real editions are {', '.join(real) or 'none'}."
        )
    if form.source == "real" and shift != 1.0:
        raise UserError(f"edition '{edition}' of {stream.form.name} is real data, whose shift cannot be dialled.")
    if not 0 <= shift <= 1:
        raise UserError(f"the shift should be from 0 to 1, but is {shift:g}.")
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(f"--data-dir {data_dir} is not a folder; it should hold a folder a domain.")
    loaded = []
    task, count = "read the domains", len(stream.domains)
    for number, domain in enumerate(stream.domains):
        events.advance(task, number, count, "domains", domain.name)
        trained_on = not stream.is_evaluation_only(domain.name)
        if form.source == "generated":
            data = _generated(domain, stream.form.label_space, shift, form.caps())
        elif data_dir is not None:
            data = _from_folder(domain, data_dir / domain.name, stream.form.label_space, trained_on)
        else:
            data = _from_hub(domain, stream.form.label_space, trained_on)
        loaded.append(_finish(data, form.caps(), trained_on))
    events.advance(task, count, count, "domains")
    events.end(task)
    return loaded


def load_domain(name: str, edition: str, *, data_dir: Path | None = None) -> tuple[OpenStream, DomainData]:
    """One domain by itself, to be trained on, and the first shipped stream that has it, with no other domain.

    Raises:
        UserError: no stream has it, or as :func:`load`.
    """
    alone = read_alone(name)
    return alone, load(alone, edition, data_dir=data_dir)[0]


def _generated(domain: Domain, label_space: Sequence[str], shift: float, sizes: dict[str, int | None]) -> DomainData:
    if domain.generator is None:
        raise UserError(f"domain '{domain.name}' has no generator, so it cannot be part of a generated edition.")
    wanted = tuple((split, size) for split, size in sizes.items() if size is not None)
    number = np.array([label_space.index(name) for name in domain.generator.classes], dtype=np.int64)
    drawn = _drawn(domain.generator.name, shift, wanted)
    splits = {split: replace(pairs, labels=number[pairs.labels]) for split, pairs in drawn.items()}
    source: Source = {"kind": "generator", "generator": domain.generator.name, "seed": GENERATOR_SEED, "shift": shift}
    return DomainData(domain.name, splits, source)


# Two streams' domains: whoever makes one run after another in a process draws its pairs once.
@lru_cache(maxsize=16)
def _drawn(name: str, shift: float, sizes: tuple[tuple[str, int], ...]) -> dict[str, Pairs]:
    from clbench.data.generators import generate

    return generate(name, GENERATOR_SEED, shift, dict(sizes))


def _from_folder(domain: Domain, folder: Path, label_space: Sequence[str], trained_on: bool) -> DomainData:
    reading = domain.folder_reading()
    if reading is None:
        raise UserError(f"domain '{domain.name}' says neither under 'folder' nor under 'hub' how its files are read.")
    if not folder.is_dir():
        raise UserError(f"{folder} is missing; it should hold the train, validation and test files of the domain.")
    files = {split: split_file(folder, split) for split in SPLITS}
    for split in ("train", "test") if trained_on else ("test",):
        if files[split] is None:
            raise UserError(f"{folder} has no file of the {split} part; it may be one of {_names(split)}.")
    splits: dict[str, Pairs] = {}
    dropped = 0
    warnings = []
    for split, path in files.items():
        if path is not None:
            rows = read_file(path, reading.columns, reading.quoting)
            splits[split], gone = to_pairs(rows, reading, label_space)
            dropped += gone
            if rows.quoted:
                names = (path.name, *(name for name in rows.quoted if name.isprintable() and 0 < len(name) <= 300))
                warnings.append(RunWarning(kind="quoted_columns", domain=domain.name, names=names))
    if "validation" not in splits and "train" in splits:
        shares = [None, reading.validation_share]
        splits["train"], splits["validation"] = carve(splits["train"], shares, f"{domain.name}/train/carve")
    source: Source = {"kind": "folder", "folder": str(folder), "dropped": dropped}
    return DomainData(domain.name, splits, source, tuple(warnings))


def _from_hub(domain: Domain, label_space: Sequence[str], trained_on: bool) -> DomainData:
    if domain.hub is None:
        how = f" {domain.obtain.strip()}" if domain.obtain else ""
        raise UserError(f"domain '{domain.name}' has no home on the hub; give its files with --data-dir.{how}")
    from clbench.data.hub import fetch

    parts = {"train": domain.hub.parts.train, "validation": domain.hub.parts.validation, "test": domain.hub.parts.test}
    if parts["train"] is None and trained_on:
        raise UserError(f"domain '{domain.name}' has no train part, so a stream can only name it as evaluation_only.")
    uses = {use: part for use, part in parts.items() if part is not None}
    fetched, source = fetch(domain.name, domain.hub, sorted({part.split for part in uses.values()}))
    splits: dict[str, Pairs] = {}
    dropped = 0
    for split, rows in fetched.items():
        pairs, gone = to_pairs(rows, domain.hub, label_space)
        dropped += gone
        of_split = {use: part.share for use, part in uses.items() if part.split == split}
        carved = carve(pairs, list(of_split.values()), f"{domain.name}/{split}/carve")
        splits.update(zip(of_split, carved, strict=True))
    return DomainData(domain.name, splits, {**source, "dropped": dropped})


def _finish(data: DomainData, caps: dict[str, int | None], trained_on: bool) -> DomainData:
    """Caps, no ``train`` where it must not be trained on, and no empty part."""
    splits = {}
    for split in SPLITS:
        if split in data.splits and (trained_on or split != "train"):
            splits[split] = cap(data.splits[split], caps[split], f"{data.name}/{split}/cap")
            if not len(splits[split]):
                raise UserError(f"domain '{data.name}' has no pair in its {split} part; every part needs some.")
    source = dict(data.source)
    if source["kind"] != "generator":
        source["test_pairs_met_before"] = _met_before(splits)
    return DomainData(data.name, splits, source, data.warnings)


def _met_before(splits: dict[str, Pairs]) -> int:
    """Test pairs that stand in another part as well: kept, since they are published so, but counted."""
    others = {pair for split in ("train", "validation") if split in splits for pair in _texts(splits[split])}
    return sum(pair in others for pair in _texts(splits["test"]))


def _texts(pairs: Pairs) -> zip[tuple[str, str]]:
    return zip(pairs.first, pairs.second, strict=True)


def _names(split: str) -> str:
    return ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
