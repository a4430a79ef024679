"""Records put together: seeds of one run, and what they say as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from clbench.metrics import Interval, Metric, OverOrders, lifetime_shares, mean_interval, metrics, over_orders
from clbench.record.fingerprint import without_places
from clbench.record.forms import Record
from clbench.schema.part import Part


def shared(record: Record, seen: dict[str, Any]) -> Record:
    """The same record, in which what earlier ones hold alike is theirs: hundreds take half the memory.

    Args:
        record: it.
        seen: what was met before, by its text; what is new is put in.
    """

    def once(part: Any) -> Any:
        text = part.model_dump_json() if isinstance(part, Part) else json.dumps(part, sort_keys=True)
        return seen.setdefault(f"{type(part).__name__} {text}", part)

    told = record.configuration
    parts = {name: once(getattr(told, name)) for name in ("model", "stream", "strategy", "backbone")}
    return record.model_copy(
        update={
            "configuration": told.model_copy(update=parts),
            "data": tuple(map(once, record.data)),
            "inception": tuple(map(once, record.inception)),
        }
    )


def alike(record: Record, *but: str) -> str:
    """The record's configuration, examples and plug-ins, without some fields; equal texts, equal runs but for these.

    Without ``strategy`` no plug-in's strategy tells two records apart either.
    """
    content = _content(record, "fingerprint", *but)
    return json.dumps([content, _examples(record), _plugins(record, *but)], sort_keys=True)


def alike_in_any_order(record: Record, *but: str) -> str:
    """As :func:`alike`, whatever the order in which the domains were met: equal for runs that differ in it alone."""
    content = _content(record, "fingerprint", "file_order", *but)
    domains = content["stream"].get("domains")
    content["stream"]["domains"] = sorted(map(str, domains)) if isinstance(domains, list) else domains
    return json.dumps(
        [content, sorted(_examples(record), key=lambda one: one[0]), _plugins(record, *but)], sort_keys=True
    )


def _content(record: Record, *but: str) -> dict[str, Any]:
    """The configuration without some fields; of the encoder its digest, since it is the same wherever it lies."""
    content = record.configuration.model_dump(mode="json", exclude=set(but))
    if "backbone" in content:
        content["backbone"] = content["backbone"]["digest"]
    if "model" in content:
        content["model"] = without_places(content["model"])
    return content


def _examples(record: Record) -> list[tuple[str, dict[str, str]]]:
    """Of each domain the digest of each part: what was trained on is as much of a run as what was tested."""
    return [(d.name, {name: split.digest for name, split in sorted(d.splits.items())}) for d in record.data]


def _plugins(record: Record, *but: str) -> list[Any]:
    return [one.model_dump(mode="json") for one in record.plugins if one.kind not in ("metric", *but)]


def _made_by(record: Record) -> tuple[str | None, ...]:
    """The versions and the device that made it."""
    hardware = record.measured.hardware
    device = hardware.device, hardware.card, hardware.micro_batch, hardware.deterministic
    return record.clbench, record.measured.versions.get("torch"), *device


def computed_in(record: Record) -> str:
    """The precision that the run was computed in. Devices and versions of one precision differ by rounding alone."""
    return record.measured.hardware.precision or "float32"


def grouped(records: Sequence[Record]) -> list[list[int]]:
    """Places of the records that are seeds of one run, in the order in which each group first occurs.

    Two records are such seeds if their configurations, examples, plug-ins and precision are equal but for the seed.
    The same seed twice opens a group of its own, lest one run count as two: of runs on two devices, or with two
    versions of a package, each keeps its own seeds then.
    """
    runs: dict[tuple[str, str, tuple[str | None, ...]], list[list[int]]] = {}
    for place, record in enumerate(records):
        same = runs.setdefault((alike(record, "seed"), computed_in(record), _made_by(record)), [])
        _put([place], same, records)
    groups: dict[tuple[str, str], list[list[int]]] = {}
    for (described, precision, _), lives in runs.items():
        for life in lives:
            _put(life, groups.setdefault((described, precision), []), records)
    return sorted(sorted(group) for same in groups.values() for group in same)


def _put(life: list[int], groups: list[list[int]], records: Sequence[Record]) -> None:
    """Into the first of the groups that has none of its seeds, or as a group of its own."""
    seeds = {records[place].configuration.seed for place in life}
    for group in groups:
        if seeds.isdisjoint(records[place].configuration.seed for place in group):
            group.extend(life)
            return
    groups.append(list(life))


def summary(records: Sequence[Record]) -> dict[str, Interval | None]:
    """Every figure over the records, a mean with its interval; None where a record does not define it.

    In the order in which figures are shown; those that no metric is there for stand last.
    """
    return {name: mean_interval(found[0]) if found else None for name, found in _values([records]).items()}


def summary_over_orders(orders: Sequence[Sequence[Record]]) -> dict[str, OverOrders | None]:
    """As :func:`summary`, over several orders of a stream, each with its seeds: :func:`clbench.metrics.over_orders`."""
    return {name: over_orders(found) if found else None for name, found in _values(orders).items()}


# Of a figure that is shown as the record has it, since nothing here computes it.
UNVERIFIED = "unverified: of a plug-in that is not installed, or in another version"


def verified(records: Sequence[Record]) -> dict[str, Metric]:
    """The metrics by name, without those of which a record has what another version of a plug-in made."""
    unverified = {name for record in records for name in record.unverified()}
    return {name: metric for name, metric in metrics().items() if name not in unverified}


def _values(orders: Sequence[Sequence[Record]]) -> dict[str, list[list[float]] | None]:
    """Every figure by order and seed; None where a record does not define it."""
    told = [[record.all_figures() for record in records] for records in orders]
    unverified = {name for records in orders for record in records for name in record.unverified()}
    found: dict[str, list[list[float]] | None] = {}
    for name in [*metrics(), *sorted(unverified)]:
        values = [[value for one in seeds if (value := one.get(name)) is not None] for seeds in told]
        found[name] = values if [*map(len, values)] == [*map(len, told)] else None
    return found


def warning_sentences(records: Sequence[Record]) -> list[str]:
    """What the records warn of, each sentence once; what some seeds alone warn of is followed by theirs."""
    seeds: dict[str, list[int]] = {}
    for record in records:
        for warning in record.warnings_again():
            told = seeds.setdefault(warning.sentence, [])
            if record.configuration.seed not in told:
                told.append(record.configuration.seed)
    everyone = len({record.configuration.seed for record in records})
    return [
        sentence if len(told) == everyone
        else f"{sentence} (seed{'s' * (len(told) > 1)} {', '.join(map(str, told))})"
        for sentence, told in seeds.items()
    ]  # fmt: skip


def pair_shares(records: Sequence[Record]) -> list[np.ndarray]:
    """What each test example gives to each seed's lifetime accuracy, see :func:`clbench.metrics.lifetime_shares`.

    Args:
        records: S seeds of one run.

    Returns:
        For each domain float (S, N).
    """
    by_seed = [lifetime_shares(r.right(), r.history.met[r.history.final]) for r in records]
    return [np.stack(parts) for parts in zip(*by_seed, strict=True)]
