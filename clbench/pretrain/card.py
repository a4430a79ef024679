"""The model card of a pre-trained backbone: what it was made from and how, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from clbench.schema.pretrain import Pretraining


@dataclass(frozen=True)
class Facts:
    """What a model was made from.

    Attributes:
        form: how it was pre-trained.
        teacher: the teacher backbone's source.
        texts: names of the text files.
        lines: lines trained on.
        text_licence: "unknown" where nobody said.
    """

    form: Pretraining
    teacher: Mapping[str, Any]
    texts: list[str]
    lines: int
    text_licence: str


_MEANINGS = {
    "held_out_explained": "variance of the teacher's hidden states explained, mean over depths",
    "held_out_cosine": "cosine of student's (mapped) and teacher's sentence embeddings, mean",
    "held_out_similarity": "correlation of a pair's predicted similarity with the teacher's cosine",
    "held_out_overlap": "cross-entropy of telling which tokens are in both sentences, nats",
}


def model_card(facts: Facts, held_out: Mapping[str, float], seconds: float) -> str:
    """Markdown; figures are those of the run itself, on lines that were held out."""
    form = facts.form
    theirs = str(facts.teacher.get("licence", "unknown"))
    licence = theirs.lower() if theirs == facts.text_licence else "other"
    student, steps, pairs = form.student, form.steps, form.pairs
    command = " ".join(
        [
            f"clbench pretrain --config {form.name}.yaml",
            *(f"--text {name}" for name in facts.texts),
            f"--teacher {facts.teacher.get('id', 'unknown')} --out OUT",
        ]
    )
    rows = "\n".join(f"| {_MEANINGS[name]} | {value:.3f} |" for name, value in held_out.items())
    return f"""---
license: {licence}
language: en
library_name: transformers
tags: [bert, distillation, clbench]
---

# {form.name}

{form.title}: a BERT encoder of {student.layers} layers, width
{student.width}, {student.heads} heads, feed-forward width {student.intermediate}, in fp16, with a dropout rate of
{student.dropout:g} for fine-tuning. Made by clbench for fine-tuning on sentence pairs, as a small backbone for the
lifelong evaluation of compressed encoders. It was pre-trained for minutes, not days: it is no rival of its teacher.

| made from | |
|---|---|
| teacher | {facts.teacher.get("id", "unknown")} (licence: {theirs}) |
| text | {", ".join(facts.texts)} (licence: {facts.text_licence}) |
| lines | {facts.lines:,}, of {form.min_words} words or more |
| steps | {steps:,} of {pairs} pairs, each read as a pair and as two single sentences |
| time | {seconds / 60:.0f} minutes on a CPU, {torch.get_num_threads()} threads |
| command | `{command}` |

The configuration, with every hyper-parameter and the seed, is clbench's `baselines/pretrain/{form.name}.yaml`.

| agreement with the teacher on {form.held_out} lines held out | |
|---|---|
{rows}
"""
