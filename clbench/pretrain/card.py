"""The model card of a pre-trained backbone: what it was made from and how, and what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from clbench.encoder.card import model_card, table
from clbench.schema.form import read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.shipped import ROOT


@dataclass(frozen=True)
class Facts:
    """What a model was made from.

    Attributes:
        form: how it was pre-trained, with what the command line changed.
        teacher: the teacher backbone's source; None without one.
        tokenizer: id of the backbone whose tokenizer was used.
        texts: names of the text files.
        lines: of them, lines trained on.
        text_licence: "unknown" where nobody said.
        kind: of device, as torch has it.
        device: the CPU's or the GPU's name, and how many threads of it, in words.
        processes: that shared each step.
        answers_bytes: size of the teacher's answers on disk; None where they were computed beside the student.
    """

    form: Pretraining
    teacher: Mapping[str, Any] | None
    tokenizer: str
    texts: list[str]
    lines: int
    text_licence: str
    kind: str
    device: str
    processes: int
    answers_bytes: int | None


_MEANINGS = {
    "masked": "masked tokens told right, share",
    "explained": "variance of the teacher's hidden states explained, share",
    "cosine": "cosine of student's (mapped) and teacher's sentence embeddings",
    "similarity": "correlation of a pair's predicted similarity with the teacher's cosine",
    "comparison": "variance of the teacher's comparison of a pair explained, share",
    "relations": "divergence of the self-attention relations, nats",
    "overlap": "cross-entropy of telling which tokens are in both sentences, nats",
}


def pretraining_card(facts: Facts, held_out: Mapping[str, float], seconds: float) -> str:
    """Markdown; figures are those of the run itself, on lines that were held out."""
    form, student = facts.form, facts.form.student
    teacher = facts.teacher or {}
    theirs = str(teacher.get("licence", "unknown"))
    licence = theirs if theirs == facts.text_licence else "other"
    taught = f"{teacher.get('id', 'unknown')} (licence: {theirs})" if facts.teacher else "no teacher"
    rate = form.layerdrop_rate
    dropped = f"each layer left out of a step with probability {rate:g}" if rate else "none"
    shared = f", {facts.processes} processes" if facts.processes > 1 else ""
    apart = ""
    if facts.answers_bytes is not None:
        apart = (
            f"; the teacher's answers, {facts.answers_bytes / 1e9:.1f} GB, were computed before, once for every twin"
        )
    body = f"""# {form.name}

{form.title}. A BERT encoder of {student.layers} layers, width {student.width}, {student.heads} heads, feed-forward
width {student.intermediate}, in fp16, with a dropout rate of {student.dropout:g} for fine-tuning. Made by clbench for
fine-tuning on sentence pairs, as a small backbone for the lifelong evaluation of compressed encoders. It was
pre-trained for minutes or hours, not days, and is no rival of large encoders.

| made from | |
|---|---|
| teacher | {taught} |
| tokenizer | {facts.tokenizer} |
| text | {", ".join(facts.texts)} (licence: {facts.text_licence}) |
| lines | {facts.lines:,}, of {form.min_words} words or more |
| examples | {form.examples:,} sentences and pairs of sentences made from them |
| steps | {form.steps:,} of {form.batch_size} examples |
| LayerDrop | {dropped} |
| time | {seconds / 60:.0f} minutes of training on {facts.device}{shared}{apart} |
| command | `{_command(facts)}` |

{_configuration(form)}

Measured on {form.held_out} examples made of lines held out, at full depth and with "every other" layer left out:

{_table(held_out)}
"""
    return model_card(form.name, licence, ["distillation"] * bool(facts.teacher), body, language="en")


def _command(facts: Facts) -> str:
    """What makes the same model of the same text, with the card's configuration as a file beside it."""
    taught = f"--teacher {facts.teacher.get('id', 'unknown')}" if facts.teacher else f"--tokenizer {facts.tokenizer}"
    parts = [
        f"clbench pretrain --config {facts.form.name}.yaml",
        *(f"--text {name}" for name in facts.texts),
        taught,
        "--out OUT",
    ]
    # A machine with a GPU would take that.
    return " ".join([*parts, "--device cpu"] if facts.kind == "cpu" else parts)


def _configuration(form: Pretraining) -> str:
    """Every hyper-parameter and the seed, as a block of YAML that reads back."""
    name = f"{form.name}.yaml"
    content = yaml.safe_dump(form.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    # Longer than any row of backticks in a title, which would end the block.
    fence = "`" * max([3, *(1 + len(row) for row in re.findall("`+", content))])
    path = ROOT / "baselines" / "pretrain" / name
    same = path.is_file() and read_yaml(path, Pretraining).model_dump() == form.model_dump()
    shipped = f" clbench ships it as `baselines/pretrain/{name}`." if same else ""
    return f"The configuration as it was run, `{name}`.{shipped}\n\n{fence}yaml\n{content}{fence}"


def by_figure(held_out: Mapping[str, float]) -> tuple[list[str], dict[str, list[float]]]:
    """The depths, and for each figure its value at each of them, from ``held_out_<figure>_<depth>``."""
    parts = {name: name.removeprefix("held_out_").rsplit("_", 1) for name in held_out}
    depths = list(dict.fromkeys(depth for _, depth in parts.values()))
    figures: dict[str, list[float]] = {}
    for name, (figure, _) in parts.items():
        figures.setdefault(figure, []).append(held_out[name])
    return depths, figures


def _table(held_out: Mapping[str, float]) -> str:
    """A row a figure, a column a depth."""
    depths, figures = by_figure(held_out)
    rows = [[_MEANINGS[name], *(f"{value:.3f}" for value in values)] for name, values in figures.items()]
    return table(["", *(f"{depth} layers" for depth in depths)], rows, numbers=len(depths))
