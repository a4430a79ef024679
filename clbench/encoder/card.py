"""The model card of a folder that clbench writes: what the hub reads at its head, and Markdown beneath."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# The identifiers of licences that the hub knows (hub documentation, "Licenses"); of any other it wants a name.
_LICENCES = """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
    eupl-1.1 eupl-1.2 gemma gfdl gpl gpl-2.0 gpl-3.0 h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr
    llama2 llama3 llama3.1 llama3.2 llama3.3 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail openrail++
    osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
"""


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
        licence: its weights', as the hub names it or in other words; ``unknown`` or ``none stated`` where nobody said.
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
        library_name="transformers", tags=["bert", *tags, "clbench"], model_name=name,
        eval_results=[*found, *results] or None, **_licence_fields(licence), **fields,
    )  # fmt: skip
    return f"---\n{head.to_yaml()}\n---\n\n{body}"


def _licence_fields(licence: str) -> dict[str, Any]:
    """What the hub takes of a licence: it refuses a card whose identifier it does not know.

    >>> _licence_fields("CC BY-SA 4.0"), _licence_fields("My Lab's terms")
    ({'license': 'cc-by-sa-4.0'}, {'license': 'other', 'license_name': 'my-lab-s-terms'})
    """
    told = re.sub(r"[^a-z0-9.+]+", "-", licence.lower()).strip("-")
    if told in ("", "none-stated"):
        return {"license": "unknown"}
    return {"license": told} if told in _LICENCES.split() else {"license": "other", "license_name": told}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table in Markdown; its last ``numbers`` columns stand on the right.

    >>> print(table(["figure", "%"], [["accuracy", "90.1"]], numbers=1))
    | figure | % |
    |---|---:|
    | accuracy | 90.1 |
    """
    rules = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)])
