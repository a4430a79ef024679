"""For each field of a record and of a submission, what holds it: what ``clbench verify`` compares it with.

A phrase that begins with "told" says that the submitter's word is all there is, and that it is shown as such; what
only ``--rerun`` can tell from an invention is among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_FORM = "its form"
_PAIRS = "the edition's examples"
_RECIPE = "the recipe and the encoder, where steps and encoder are clbench's own"
_LIFE = "the strategy and the sizes of the domains"
_MACHINE = "told by the submitter's machine"
_WARNED = "the examples and the predictions, where they say it; else it is told"

RECORD = {
    "schema_version": "told; records of either version are read by the same rules",
    "clbench": "measured.versions, and the fingerprint",
    "configuration.model": "the recipe that is shipped under its name; one of another name is told in full",
    "configuration.stream": "the stream that is shipped under its name; its domains in the order of data",
    "configuration.edition": "the stream's editions",
    "configuration.strategy": "the strategy that is shipped under its name, but for the learning rate, which is told",
    "configuration.backbone.name": "the digest, where it is a packaged encoder's; no name may look like a shipped one",
    "configuration.backbone.digest": "the packaged encoder of its name; another is told, and in the fingerprint",
    "configuration.backbone.source": "the file of the encoder that is shipped under its name",
    "configuration.backbone.learning_rate": "the file of the encoder that is shipped under its name",
    "configuration.seed": "told; --rerun says whether it is the seed of these predictions",
    "configuration.eval_every": "the evaluations inside an experience",
    "configuration.shift": "the stream, whose editions are shifted by 1",
    "configuration.max_length": "the edition",
    "configuration.random_baseline": "data.*.random, and the fingerprint",
    "configuration.data_source": "the edition, and each domain's source",
    "configuration.fingerprint": "computed from the rest of the record",
    "configuration.file_order": "the stream that is shipped under its name, and the order of data",
    "configuration.budget.memory": "points.*.held_bytes and points.*.remembered_pairs, and the fingerprint",
    "configuration.budget.compute": "points.*.step, points.*.examples and the strategy, and the fingerprint",
    "label_space": "the stream",
    "data.*.name": "the stream's domains, in its order or another of those that are trained on",
    "data.*.evaluation_only": "the stream",
    "data.*.source": "the edition's generators; files and revisions of real examples are told",
    "data.*.splits.*.digest": _PAIRS,
    "data.*.splits.*.size": _PAIRS,
    "data.*.gold.classes": "the label space",
    "data.*.gold.count": _PAIRS,
    "data.*.gold.base64": _PAIRS,
    "data.*.label_shares": "computed from the reference labels",
    "data.*.majority.accuracy": "computed from the edition's examples",
    "data.*.majority.balanced_accuracy": "computed from the edition's examples",
    "data.*.word_overlap.accuracy": "computed from the edition's examples",
    "data.*.word_overlap.balanced_accuracy": "computed from the edition's examples",
    "data.*.random.accuracy": "told; --rerun makes it again",
    "data.*.random.balanced_accuracy": "told; --rerun makes it again",
    "data.*.baselines.*.accuracy": "computed from the edition's examples",
    "data.*.baselines.*.balanced_accuracy": "computed from the edition's examples",
    "data.*.task_type": "the edition",
    "data.*.classes": "the edition",
    "data.*.places.unit": "left out of generated editions; of real examples it is told",
    "data.*.places.ranges": "left out of generated editions; of real examples it is told, one for each test example",
    "inception.*.name": "the recipe's steps",
    "inception.*.epochs": _RECIPE,
    "inception.*.validation": "told; scores from 0 to 1, one for each epoch or for the last",
    "inception.*.layers": _RECIPE,
    "inception.*.details": f"{_RECIPE}; what a step tells beside its settings is told",
    "points.*.experience": "its form: experiences in order, each ended by one final point",
    "points.*.name": "the order of data, as the strategy goes through it",
    "points.*.step": _LIFE,
    "points.*.examples": f"{_LIFE}; how many are remembered ones, where a strategy rehearses, is told",
    "points.*.final": "its form: experiences in order, each ended by one final point",
    "points.*.met": "the order of data, as the strategy goes through it",
    "points.*.validation": "told; scores from 0 to 1, of domains that were trained on",
    "points.*.predictions.*.classes": "the label space",
    "points.*.predictions.*.count": _PAIRS,
    "points.*.predictions.*.base64": (
        "told; --rerun makes them again. No two seeds or submissions of one budget share them"
    ),
    "points.*.probabilities.*.classes": "the label space",
    "points.*.probabilities.*.count": _PAIRS,
    "points.*.probabilities.*.base64": "told; their largest names what is predicted. --rerun makes them again",
    "points.*.held_bytes": "measured.held_bytes, the largest of them; else told",
    "points.*.remembered_pairs": "told within a budget of memory alone, which it is held against",
    "figures": "computed from predictions and probabilities; a plug-in's, which is not installed, is told and named",
    "cost.depth": _RECIPE,
    "cost.parameters": f"{_RECIPE}; --checkpoint",
    "cost.parameters_without_embeddings": f"{_RECIPE}; --checkpoint",
    "cost.flops_per_pair": f"{_RECIPE}, and the edition's test examples",
    "cost.flops_length": f"{_RECIPE}, and the edition's test examples",
    "cost.disk_bytes": _RECIPE,
    "measured.started": _MACHINE,
    "measured.seconds": _MACHINE,
    "measured.latency_ms": _MACHINE,
    "measured.throughput": _MACHINE,
    "measured.peak_memory_bytes": _MACHINE,
    "measured.held_bytes": "points.*.held_bytes, where these are told; else it is told",
    "measured.choosing_seconds": _MACHINE,
    "measured.hardware.cpu": _MACHINE,
    "measured.hardware.cores": _MACHINE,
    "measured.hardware.memory_bytes": _MACHINE,
    "measured.hardware.threads": _MACHINE,
    "measured.hardware.device": f"{_MACHINE}, and in the fingerprint",
    "measured.hardware.precision": f"{_MACHINE}, and in the fingerprint",
    "measured.hardware.card": f"{_MACHINE}, and in the fingerprint",
    "measured.hardware.deterministic": f"{_MACHINE}, and in the fingerprint",
    "measured.hardware.micro_batch": f"{_MACHINE}, and in the fingerprint",
    "measured.versions": f"{_MACHINE}; clbench's is the record's, and torch's is in the fingerprint",
    "plugins.*.kind": "the pieces that take part in the run",
    "plugins.*.piece": "the pieces that take part in the run; none of clbench's own",
    "plugins.*.package": "told, and in the fingerprint, but for a metric's",
    "plugins.*.version": "told, and in the fingerprint, but for a metric's",
    "warnings.*.kind": _WARNED,
    "warnings.*.domain": _WARNED,
    "warnings.*.count": _WARNED,
    "warnings.*.total": _WARNED,
    "warnings.*.limit": _WARNED,
    "warnings.*.experience": _WARNED,
    "warnings.*.names": _WARNED,
}

SUBMISSION = {
    "schema_version": "told; submissions of either version are read by the same rules",
    "clbench": "told",
    "name": "the folder's, not that of a shipped recipe which it is not of, and none that looks like one",
    "author": "told; it has to show, and not to look like clbench's",
    "link": "told",
    "licence": "told; it has to show",
    "track.stream": "the records",
    "track.edition": "the records",
    "track.strategy": "the records",
    "track.budget": "the records",
    "model": "the records",
    "seeds": "the records",
    "orders": "the records",
    "figures.*.mean": "computed from the records",
    "figures.*.low": "computed from the records",
    "figures.*.high": "computed from the records",
    "records": "sha256 of the files",
    "measurements.*.runtime": _MACHINE,
    "measurements.*.stream": "the records",
    "measurements.*.edition": "the records",
    "measurements.*.lengths": _MACHINE,
    "measurements.*.disk_bytes": _MACHINE,
    **{
        f"measurements.*.times.*.{name}": _MACHINE
        for name in (
            "threads", "p50_ms", "p95_ms", "p99_ms", "answers", "first_ms", "model_bytes", "peak_bytes", "joules"
        )
    },
    **{
        f"measurements.*.machine.{name}": _MACHINE
        for name in (
            "cpu", "cores", "memory_bytes", "threads", "device", "precision", "card", "deterministic", "micro_batch"
        )
    },
    "measurements.*.versions": _MACHINE,
}  # fmt: skip


def fields(model: type[BaseModel]) -> Iterator[str]:
    """Every field of a form and of the forms in it, as ``data.*.gold.count``; ``*`` stands for a place or a key."""
    for name, field in model.model_fields.items():
        yield from _below(field.annotation, name)


def _below(annotation: Any, path: str) -> Iterator[str]:
    inner = _form(annotation)
    if inner is None:
        yield path
    else:
        stars, model = inner
        yield from (f"{path}{'.*' * stars}.{name}" for name in fields(model))


def _form(annotation: Any) -> tuple[int, type[BaseModel]] | None:
    """The form that a field holds, and how many containers it stands in; None for a field without one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return 0, annotation
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _form(parts[0])
    found = next((one for part in parts if (one := _form(part)) is not None), None)
    if found is None or kind in (Union, UnionType):
        return found
    return found[0] + 1, found[1]


def tables() -> str:
    """The two tables as Markdown, a line for each field, for ``docs/leaderboard.md``."""
    parts = []
    for title, held in (("a record's field", RECORD), ("`submission.json`'s field", SUBMISSION)):
        lines = [f"| {title} | what holds it |", "|---|---|"]
        parts.append("\n".join([*lines, *(f"| `{field}` | {phrase} |" for field, phrase in held.items())]))
    return "\n\n".join(parts) + "\n"
