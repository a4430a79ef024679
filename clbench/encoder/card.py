"""The model card of a folder that clbench writes: what the hub reads at its head, and Markdown beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scored:
    """What a model scores on a domain's test examples, 0 to 1; ``seed`` is of its making, None where nobody says."""

    domain: str
    accuracy: float
    balanced_accuracy: float
    seed: int | None = None


def model_card(
    name: str,
    licence: str,
    tags: Sequence[str],
    body: str,
    scores: Sequence[Scored] = (),
    results: Sequence[Any] = (),
    **fields: Any,
) -> str:
    """The card as README.md holds it.

    Args:
        name: the model's.
        licence: its weights'; ``unknown`` where nobody said.
        tags: beside ``bert`` and ``clbench``.
        body: Markdown.
        scores: become the head's model-index, which the hub shows.
        results: more of it, :class:`huggingface_hub.EvalResult` objects.
        fields: others of the head, see :class:`huggingface_hub.ModelCardData`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    found = [
        EvalResult(
            task_type="text-classification", dataset_type=scored.domain, dataset_name=scored.domain,
            dataset_split="test", metric_type=metric, metric_value=round(value, 4),
            metric_args=None if scored.seed is None else {"seeds": [scored.seed]},
        )
        for scored in scores
        for metric, value in (("accuracy", scored.accuracy), ("balanced_accuracy", scored.balanced_accuracy))
    ]  # fmt: skip
    head = ModelCardData(
        license=licence.lower() if licence != "unknown" else "other", library_name="transformers",
        tags=["bert", *tags, "clbench"], model_name=name, eval_results=[*found, *results] or None, **fields,
    )  # fmt: skip
    return f"---\n{head.to_yaml()}\n---\n\n{body}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table in Markdown; its last ``numbers`` columns stand on the right.

    >>> print(table(["figure", "%"], [["accuracy", "90.1"]], numbers=1))
    | figure | % |
    |---|---:|
    | accuracy | 90.1 |
    """
    rules = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)])
