"""In which settings two runs differ, for the sentence that refuses to put one where the other is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from clbench.record.parts import Configuration
from clbench.runs.job import Job, configuration

_TOLD = 3  # settings that a sentence can name before nobody reads it
_UNSET = object()
# What follows from other settings, and where a backbone lies that is the same.
_FOLLOWS = frozenset({"data_source", "file_order", "backbone.source"})


def in_what(there: Configuration, job: Job, seed: int) -> str:
    """What tells two runs apart, such as ``with strategy.training.epochs 3 instead of 1``.

    Args:
        there: of the run in a folder.
        job, seed: the one that is asked for.
    """
    here = Configuration.model_validate(configuration(job, seed, there.fingerprint))
    found = [_told(*each) for each in _differing("", there.model_dump(mode="json"), here.model_dump(mode="json"))]
    if not found:
        return "of the same settings, but with other examples, plug-ins, precision or versions"
    more = len(found) - _TOLD
    return "with " + ", ".join(found[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _differing(path: str, there: object, here: object) -> Iterator[tuple[str, object, object]]:
    """Each setting that is not the same, by its path, with both values; of a part with another name, its name alone."""
    if path in _FOLLOWS or there == here:
        return
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        if path and there.get("name") != here.get("name"):
            yield path, there.get("name"), here.get("name")
            return
        for key in dict.fromkeys([*there, *here]):
            place = f"{path}.{key}" if path else str(key)
            yield from _differing(place, there.get(key, _UNSET), here.get(key, _UNSET))
    elif _mappings(there) and _mappings(here) and len(there) == len(here):
        for number, pair in enumerate(zip(there, here, strict=True)):
            yield from _differing(f"{path}.{number}", *pair)
    else:
        yield path, there, here


def _mappings(value: object) -> TypeGuard[list[Mapping[str, object]]]:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _told(path: str, there: object, here: object) -> str:
    values = _spelt(there), _spelt(here)
    return f"another {path}" if None in values else f"{path} {values[0]} instead of {values[1]}"


def _spelt(value: object) -> str | None:
    """As a file would have it; None for what is too long to stand in a sentence."""
    if value is _UNSET:
        return "unset"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 and text.isprintable() else None
