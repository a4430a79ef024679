"""Pre-training by distillation on plain text: the loop, its checkpoints, its measurements."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clbench.encoder.backbone import open_backbone
from clbench.encoder.bert import encode
from clbench.encoder.export import write_backbone
from clbench.encoder.hf_folder import digest_of
from clbench.errors import UserError
from clbench.pretrain.card import Facts, model_card
from clbench.pretrain.corpus import Corpus, Reading, order_of_lines, read_lines, read_pairs
from clbench.pretrain.matching import Pupil, Scale, initial_student, losses, pooled, scale_of, teach, weigh
from clbench.schema.pretrain import Pretraining

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

    from clbench.encoder.tokens import Batch

# Pairs of the sample from which the teacher's means and deviations are taken.
_SAMPLE = 256


@dataclass(frozen=True)
class Setting:
    """Everything that a step depends on and that does not change.

    Attributes:
        form: how to pre-train.
        teacher: in evaluation mode.
        corpus, held_out: lines to train on, and lines to measure on.
        scale: of the teacher's hidden states.
    """

    form: Pretraining
    teacher: BertModel
    corpus: Corpus
    held_out: Corpus
    scale: Scale


@dataclass
class Progress:
    """What a checkpoint holds: the pupil, its optimiser, steps done, the curve so far, and seconds of training."""

    pupil: Pupil
    optimizer: torch.optim.Optimizer
    step: int
    curve: list[dict[str, float]]
    seconds: float


def pretrain(
    form: Pretraining,
    texts: list[Path],
    teacher: str,
    folder: Path,
    text_licence: str = "unknown",
    on_step: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Distil a student from ``teacher`` over ``texts``, going on from what ``folder`` holds.

    Args:
        form: how.
        texts: ``.txt`` or ``.txt.gz`` files, one sentence a line.
        teacher: the backbone to learn from, as :func:`clbench.encoder.backbone.open_backbone` takes it.
        folder: gets ``checkpoint.pt``, ``curve.csv`` and, in the end, ``model/``, a Hugging Face folder.
        text_licence: for the model card.
        on_step: called after each step with its number, 1-based.

    Returns:
        model (folder), sha256 (what a backbone's YAML says), steps, seconds, held_out (agreement with the teacher).

    Raises:
        UserError: text or teacher cannot be read or do not fit, or ``folder`` holds another run's checkpoint.
    """
    source = open_backbone(teacher)
    tokenizer = source.tokenizer()
    setting, progress = prepare(form, source.encoder(), tokenizer, texts)
    resume(folder, progress, fingerprint(setting))
    train(setting, progress, folder, on_step)
    model = folder / "model"
    held_out = {name: value for name, value in progress.curve[-1].items() if name.startswith("held_out_")}
    facts = Facts(form, source.source, [path.name for path in texts], len(setting.corpus), text_licence)
    card = model_card(facts, held_out, progress.seconds)
    write_backbone(progress.pupil.bert, tokenizer, source.lower_case, card, model)
    return {
        "model": str(model),
        "sha256": digest_of(model),
        "steps": progress.step,
        "seconds": progress.seconds,
        "held_out": held_out,
    }


def prepare(form: Pretraining, teacher: BertModel, tokenizer: Tokenizer, paths: list[Path]) -> tuple[Setting, Progress]:
    """Read the text, hold some lines out, and make the student as it is before its first step.

    Raises:
        UserError: the text cannot be read or is too short, or the student does not fit the teacher.
    """
    theirs = teacher.config
    if form.student.layers % theirs.num_hidden_layers or form.student.width > theirs.hidden_size:
        raise UserError(
            f"pre-training '{form.name}': field 'student' should have a multiple of the teacher's "
            f"{theirs.num_hidden_layers} layers and at most its width of {theirs.hidden_size}, but has "
            f"{form.student.layers} layers of width {form.student.width}."
        )
    lines = read_lines(paths, form.min_words)
    needed = form.held_out + max(form.pairs, 2)
    if len(lines) < needed:
        raise UserError(
            f"the text ({', '.join(map(str, paths))}) should have at least {needed} lines of {form.min_words} or more "
            f"words, but has {len(lines)}."
        )
    aside = set(np.random.default_rng([form.seed, 0]).permutation(len(lines))[: form.held_out].tolist())
    longest = form.max_length - 2
    corpus = Corpus.of([line for row, line in enumerate(lines) if row not in aside], tokenizer, longest)
    held_out = Corpus.of([lines[row] for row in sorted(aside)], tokenizer, longest)
    first = list(range(min(_SAMPLE, len(corpus))))
    _, batch = _read(form, corpus, first, np.random.default_rng([form.seed, 3]))
    taught = teach(teacher, batch, form.teacher_precision)
    scale = scale_of(taught, batch.mask)
    counts = torch.from_numpy(np.bincount(corpus.ids, minlength=theirs.vocab_size).astype(np.float64))
    # Every reading has a [CLS] and a [SEP] for each sentence and each pair.
    counts[corpus.cls] = counts[corpus.sep] = 2 * len(corpus)
    pupil = initial_student(teacher, form.student, counts, taught, batch, scale, form.seed)
    return Setting(form, teacher, corpus, held_out, scale), Progress(pupil, _optimizer(pupil, form), 0, [], 0.0)


def train(
    setting: Setting,
    progress: Progress,
    folder: Path,
    on_step: Callable[[int], None] | None = None,
    stop_at: int | None = None,
) -> Progress:
    """Go on from ``progress`` to the last step, leaving checkpoints and the loss curve in ``folder``.

    Every draw depends on the seed and the number of the step alone, so a run that was killed and goes on from its
    checkpoint ends with the same weights, bit for bit, as one that was not.

    Args:
        on_step: called after each step with its number, 1-based.
        stop_at: leave after this many steps in all.
    """
    form = setting.form
    last = min(form.steps, stop_at or form.steps)
    rows = islice(order_of_lines(len(setting.corpus), form.pairs, form.seed), progress.step, last)
    pupil, optimizer = progress.pupil, progress.optimizer
    recent: dict[str, float] = {}
    began = time.perf_counter() - progress.seconds
    for step, asked in enumerate(rows, start=progress.step + 1):
        for group in optimizer.param_groups:
            group["lr"] = form.learning_rate * _schedule(step, form)
        reading, batch = _read(form, setting.corpus, asked.tolist(), np.random.default_rng([form.seed, 2, step]))
        taught = teach(setting.teacher, batch, form.teacher_precision)
        parts = losses(pupil, taught, reading, batch, setting.scale)
        optimizer.zero_grad()
        weigh(parts, form.weights).backward()
        torch.nn.utils.clip_grad_norm_(pupil.parameters(), form.max_grad_norm)
        optimizer.step()
        recent = {name: part.item() for name, part in parts.items()}
        progress.step = step
        progress.seconds = time.perf_counter() - began
        if step % form.evaluate_every == 0 or step == form.steps:
            progress.curve.append({"step": step, **recent, **agreement(setting, pupil)})
            _write_curve(folder, progress)
        if step % form.checkpoint_every == 0 or step == form.steps:
            save(folder, progress, fingerprint(setting))
        if on_step is not None:
            on_step(step)
    return progress


def agreement(setting: Setting, pupil: Pupil) -> dict[str, float]:
    """How far student and teacher agree on the lines held out.

    Returns:
        held_out_explained: share of the variance of the teacher's hidden states that the mapped student explains, mean
            over depths, at most 1; held_out_cosine: mean cosine of the two pooled sentence embeddings, -1 to 1;
        held_out_similarity: Pearson correlation of what the student says of a pair with the cosine of the teacher's
            two sentence embeddings; held_out_overlap: mean cross-entropy of telling shared tokens, nats.
    """
    form = setting.form
    reading, batch = _read(form, setting.held_out, list(range(len(setting.held_out))), np.random.default_rng(0))
    with torch.no_grad():
        taught = teach(setting.teacher, batch, form.teacher_precision)
        parts = {name: float(part) for name, part in losses(pupil, taught, reading, batch, setting.scale).items()}
        said, meant = similarities(pupil, taught, reading, batch)
    return {
        "held_out_explained": 1 - parts["hidden"],
        "held_out_cosine": 1 - parts["sentence"],
        "held_out_similarity": float(torch.corrcoef(torch.stack([said, meant]))[0, 1]),
        "held_out_overlap": parts["overlap"],
    }


def fingerprint(setting: Setting) -> str:
    """sha256 over everything that decides the result: the form, the teacher's weights, the text's tokens."""
    digest = hashlib.sha256(json.dumps(setting.form.model_dump(mode="json"), sort_keys=True).encode())
    for name, value in setting.teacher.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    digest.update(setting.corpus.ids.tobytes())
    digest.update(setting.held_out.ids.tobytes())
    return digest.hexdigest()


def save(folder: Path, progress: Progress, print_: str) -> None:
    """Write the checkpoint in one move, so that a half-written one is never read."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "checkpoint.pt.partial"
    torch.save(
        {
            "fingerprint": print_,
            "pupil": progress.pupil.state_dict(),
            "optimizer": progress.optimizer.state_dict(),
            "step": progress.step,
            "curve": progress.curve,
            "seconds": progress.seconds,
        },
        partial,
    )
    os.replace(partial, folder / "checkpoint.pt")


def resume(folder: Path, progress: Progress, print_: str) -> Progress:
    """Load the checkpoint in ``folder``, if there is one, into ``progress``.

    Raises:
        UserError: the checkpoint is damaged, or of another text, teacher or configuration.
    """
    path = folder / "checkpoint.pt"
    if not path.is_file():
        return progress
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:
        raise UserError(f"{path} is damaged and cannot be gone on from; delete it to begin again.") from error
    if content["fingerprint"] != print_:
        raise UserError(
            f"{path} is of another configuration, text or teacher; choose another --out, or delete it to begin again."
        )
    progress.pupil.load_state_dict(content["pupil"])
    progress.optimizer.load_state_dict(content["optimizer"])
    progress.step, progress.curve, progress.seconds = content["step"], content["curve"], content["seconds"]
    return progress


def similarities(pupil: Pupil, taught: list[Tensor], reading: Reading, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the student says of each pair, and the teacher's cosine: (P,) each."""
    count = reading.pairs
    last = encode(pupil.bert, batch)[-1]
    said = pupil.similarity(pupil.bert.pooler(last[batch.firsts[2 * count :]].unsqueeze(1))).squeeze(1)
    theirs = pooled(taught[-1], batch, 3 * count)
    return said, torch.nn.functional.cosine_similarity(theirs[:count], theirs[count : 2 * count])


def _read(form: Pretraining, corpus: Corpus, rows: list[int], rng: np.random.Generator) -> tuple[Reading, Batch]:
    reading = read_pairs(corpus, rows, form.mixture, (form.max_length - 3) // 2, rng)
    return reading, reading.store.batch(np.arange(len(reading.store)))


def _schedule(step: int, form: Pretraining) -> float:
    """Share of the peak learning rate at a step, 1-based: linear up, then linear down to 0 just after the last."""
    rising = max(1, round(form.steps * form.warmup))
    return min(step / rising, (form.steps + 1 - step) / (form.steps + 1 - rising))


def _optimizer(pupil: Pupil, form: Pretraining) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in pupil.parameters() if p.ndim > 1], "weight_decay": form.weight_decay},
        {"params": [p for p in pupil.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=form.learning_rate, fused=True)


def _write_curve(folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "curve.csv.partial"
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(progress.curve[0]))
        writer.writeheader()
        writer.writerows(progress.curve)
    os.replace(partial, folder / "curve.csv")
