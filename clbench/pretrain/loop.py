"""Pre-training on plain text: the loop, its checkpoints, its measurements."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clbench.compress.steps.prune_layers import PruneLayers, kept_layers
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.bert import encode
from clbench.encoder.export import write_backbone
from clbench.encoder.hf_folder import digest_of
from clbench.encoder.optimization import clip
from clbench.errors import UserError
from clbench.plots import pretraining_curve
from clbench.pretrain.card import Facts, model_card
from clbench.pretrain.corpus import Corpus, read_lines
from clbench.pretrain.examples import Examples, make_examples, order_of_steps
from clbench.pretrain.matching import Asked, Pupil, initial_pupil, losses, new_student, weigh, words
from clbench.pretrain.targets import Targets, Taught, Teacher, fits, on_disk, size_on_disk
from clbench.record import hardware
from clbench.schema.pretrain import Pretraining
from clbench.storage.writing import cannot_write

if TYPE_CHECKING:
    from accelerate import Accelerator

    from clbench.encoder.tokens import Batch

# Examples from which the teacher's means and deviations, and the student's start, are taken.
_SAMPLE = 512
# Examples that are measured at once.
_MEASURED = 256

OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Setting:
    """Everything that a step depends on and that does not change.

    Attributes:
        form: how to pre-train.
        examples, held_out: to train on, and to measure on.
        lines: of the text that are trained on.
        targets, held_out_targets: the teacher's answers; None without a teacher.
        mask: the token id of [MASK].
        ordinary: int64, the token ids that no special token has.
        accelerator: the devices.
    """

    form: Pretraining
    examples: Examples
    held_out: Examples
    lines: int
    targets: Targets | None
    held_out_targets: Targets | None
    mask: int
    ordinary: np.ndarray
    accelerator: Accelerator


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
    teacher: str | None,
    folder: Path,
    *,
    tokenizer: str | None = None,
    text_licence: str = "unknown",
    device: str = "auto",
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Make a student from ``texts``, going on from what ``folder`` holds.

    Args:
        form: how.
        texts: ``.txt`` or ``.txt.gz`` files, one sentence a line.
        teacher: the backbone to learn from, as :func:`clbench.encoder.backbone.open_backbone` takes it; None where no
            weight of the loss asks for one.
        folder: gets ``checkpoint.pt``, ``curve.csv`` and, in the end, the curve's picture and ``model/``, a Hugging
            Face folder.
        tokenizer: the backbone whose tokenizer is used; the teacher's by default.
        text_licence: for the model card.
        device: "auto" (a GPU where there is one) or "cpu".
        on_step: called with what is being done, how much of it is done, and how much there is.

    Returns:
        model (folder), sha256 (what a backbone's YAML says), steps, seconds, held_out (the last measurements).

    Raises:
        UserError: text, teacher or tokenizer cannot be read or do not fit, ``folder`` cannot be written, or holds
            another run's checkpoint.
    """
    source = _sources(form, teacher, tokenizer)
    source.check_length(form.max_length, f"pre-training '{form.name}'")
    setting, progress = prepare(form, source, texts, with_teacher=teacher is not None, device=device, on_step=on_step)
    print_ = fingerprint(setting)
    resume(folder, progress, print_)
    train(setting, progress, folder, print_, on_step)
    model = folder / "model"
    held_out = {name: value for name, value in progress.curve[-1].items() if name.startswith("held_out_")}
    if setting.accelerator.is_main_process:
        told = setting.targets
        answers = size_on_disk(told.teacher, setting.examples) if told is not None and told.folder else None
        facts = Facts(
            form, f"{form.name}.yaml", source.source if teacher else None, source.source["id"],
            [path.name for path in texts], setting.lines, text_licence,
            _device(setting.accelerator), setting.accelerator.num_processes, answers,
        )  # fmt: skip
        pretraining_curve(progress.curve, f"{form.name}: {form.steps} steps", folder / "curve")
        with _written(folder):
            card = model_card(facts, held_out, progress.seconds)
            write_backbone(progress.pupil.bert, source.tokenizer(), card, model)
    setting.accelerator.wait_for_everyone()
    return {
        "model": str(model),
        "sha256": digest_of(model),
        "steps": progress.step,
        "seconds": progress.seconds,
        "held_out": held_out,
    }


def prepare(
    form: Pretraining,
    source: Backbone,
    paths: list[Path],
    *,
    with_teacher: bool = True,
    device: str = "auto",
    on_step: OnStep | None = None,
) -> tuple[Setting, Progress]:
    """Read the text, hold some lines out, ask the teacher, and make the student as it is before its first step.

    Args:
        source: the teacher, or whose tokenizer is used.

    Raises:
        UserError: the text cannot be read or is too short, or the student does not fit the teacher.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=device == "cpu")
    tokenizer = source.tokenizer()
    lines = read_lines(paths, form.min_words)
    needed = form.held_out + 2
    if len(lines) < needed:
        raise UserError(
            f"the text ({', '.join(map(str, paths))}) should have at least {needed} lines of {form.min_words} or more "
            f"words, but has {len(lines)}."
        )
    aside = set(np.random.default_rng([form.seed, 0]).permutation(len(lines))[: form.held_out].tolist())
    longest = form.max_length - 2
    corpus = Corpus.of([line for row, line in enumerate(lines) if row not in aside], tokenizer, longest)
    examples = make_examples(corpus, form.examples, form)
    held_out = make_examples(Corpus.of([lines[row] for row in sorted(aside)], tokenizer, longest), form.held_out, form)
    vocabulary = tokenizer.get_vocab()
    ordinary = np.array(sorted(number for word, number in vocabulary.items() if not word.startswith("[")))
    targets = held_out_targets = None
    if with_teacher:
        depths = set(form.matched) | ({source.layers - 1} if form.weights.relations else set())
        bert = source.encoder()
        teacher = Teacher(bert, tuple(sorted(depths)), form.precision, source.digest)
        pupil = _projected(form, teacher, examples, corpus)
        bert.to(accelerator.device)
        with accelerator.main_process_first():
            digest, folder = _digest(examples), None
            if fits(teacher, examples, digest):
                folder = on_disk(teacher, examples, digest, _reporter(on_step, "ask the teacher", form))
        targets, held_out_targets = Targets(teacher, examples, folder), Targets(teacher, held_out, None)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(form.seed)
            shape = source.shape
            pupil = Pupil(
                new_student(
                    form.student,
                    shape.vocab_size,
                    shape.max_position_embeddings,
                    shape.type_vocab_size,
                    vocabulary["[PAD]"],
                )
            ).eval()
    pupil.to(accelerator.device)
    setting = Setting(
        form, examples, held_out, len(corpus), targets, held_out_targets, vocabulary["[MASK]"], ordinary, accelerator
    )
    return setting, Progress(pupil, _optimizer(pupil, form), 0, [], 0.0)


def train(
    setting: Setting,
    progress: Progress,
    folder: Path,
    print_: str,
    on_step: OnStep | None = None,
    stop_at: int | None = None,
) -> Progress:
    """Go on from ``progress`` to the last step, leaving checkpoints and the loss curve in ``folder``.

    Every draw depends on the seed and the number of the step alone, so a run that was killed and goes on from its
    checkpoint ends with the same weights, bit for bit, as one that was not.

    Args:
        print_: :func:`fingerprint` of the setting.
        on_step: told of every step.
        stop_at: leave after this many steps in all.

    Raises:
        UserError: ``folder`` cannot be written, and no half-written file stays behind; or the loss is not finite.
    """
    form, accelerator = setting.form, setting.accelerator
    last = min(form.steps, stop_at or form.steps)
    order = islice(order_of_steps(setting.examples, form), progress.step, last)
    pupil, optimizer = progress.pupil, progress.optimizer
    depth = form.student.layers
    began = time.perf_counter() - progress.seconds
    for step, rows in enumerate(order, start=progress.step + 1):
        for group in optimizer.param_groups:
            group["lr"] = form.learning_rate * _schedule(step, form)
        used = np.random.default_rng([form.seed, 4, step]).random(depth) >= form.layerdrop_rate
        mine = share_of(rows, accelerator.process_index, accelerator.num_processes)
        rng = np.random.default_rng([form.seed, 5, step, accelerator.process_index])
        asked = _ask(setting, setting.examples, mine, used.tolist(), rng)
        parts = losses(pupil, form, asked, *_taught(setting.targets, mine, asked.batch))
        optimizer.zero_grad()
        loss = weigh(parts, form.weights)
        loss.backward()
        if accelerator.num_processes > 1:
            _average_gradients(pupil, accelerator)
        clip(pupil, loss, form.max_grad_norm, f"pre-train {form.name}, step {step} of {form.steps}")
        optimizer.step()
        progress.step = step
        progress.seconds = time.perf_counter() - began
        if step % form.evaluate_every == 0 or step == form.steps:
            recent = {name: part.item() for name, part in parts.items()}
            progress.curve.append({"step": step, **recent, **measure_depths(setting, pupil)})
            if accelerator.is_main_process:
                _write_curve(folder, progress)
        if (step % form.checkpoint_every == 0 or step == form.steps) and accelerator.is_main_process:
            save(folder, progress, print_)
        if on_step is not None:
            on_step(f"pre-train {form.name}", step, form.steps)
    return progress


def share_of(rows: np.ndarray, process: int, processes: int) -> np.ndarray:
    """What one of several processes reads of a step.

    All of it where there are fewer rows than processes, as at the end of an epoch: a share without rows has no loss.
    """
    return rows[process::processes] if len(rows) >= processes else rows


def measure_depths(setting: Setting, pupil: Pupil) -> dict[str, float]:
    """:func:`measure` at full depth and at three, two and one quarters of it, "every other" layer left out.

    Returns:
        ``held_out_<figure>_<depth>``.
    """
    layers = setting.form.student.layers
    found: dict[str, float] = {}
    for depth in sorted({layers, *(max(1, layers * part // 4) for part in (3, 2, 1))}, reverse=True):
        kept = kept_layers(PruneLayers(step="prune_layers", drop="alternate", depth=depth), layers, setting.form.name)
        used = [layer in kept for layer in range(1, layers + 1)]
        found |= {f"held_out_{name}_{depth}": value for name, value in measure(setting, pupil, used).items()}
    return found


def measure(setting: Setting, pupil: Pupil, used: Sequence[bool]) -> dict[str, float]:
    """What the student has learned, on the lines held out, going through the layers ``used``.

    Returns:
        Those of these figures that the loss has a weight for:
        masked: share of masked tokens told right, 0 to 1; overlap: cross-entropy of telling shared tokens, nats;
        explained: share of the variance of the teacher's hidden states that the mapped student explains, at most 1;
        cosine: mean of the cosine of the two sentence embeddings, -1 to 1;
        similarity: Pearson correlation of what the student says of a pair with the cosine of the teacher's embeddings;
        comparison: share of the variance of the teacher's comparison of a pair that the student explains, at most 1;
        relations: the divergence of the self-attention relations, nats.
    """
    form = setting.form
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    said: list[Tensor] = []
    meant: list[Tensor] = []
    for begin in range(0, len(setting.held_out), _MEASURED):
        rows = np.arange(begin, min(begin + _MEASURED, len(setting.held_out)))
        asked = _ask(setting, setting.held_out, rows, used, np.random.default_rng([form.seed, 6, begin]))
        teacher, taught = _taught(setting.held_out_targets, rows, asked.batch)
        with torch.no_grad():
            parts = losses(pupil, form, asked, teacher, taught)
            last = encode(pupil.bert, asked.batch, used)[-1]
            if form.weights.masked:
                there = asked.hidden_words >= 0
                right = words(pupil, last[there]).argmax(-1) == asked.hidden_words[there]
                parts["masked"] = right.float().mean()
            if form.weights.similarity and taught is not None:
                cls = pupil.bert.pooler(last[asked.batch.firsts].unsqueeze(1))
                pairs = ~taught.similarity.isnan()
                said.append(pupil.similarity(cls[pairs]).squeeze(1))
                meant.append(taught.similarity[pairs])
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part) * len(rows)
            counts[name] = counts.get(name, 0) + len(rows)
    means = {name: total / counts[name] for name, total in sums.items()}
    found: dict[str, float] = {name: means[name] for name in ("masked", "overlap", "relations") if name in means}
    for loss, figure in (("hidden", "explained"), ("sentence", "cosine"), ("comparison", "comparison")):
        if loss in means:
            found[figure] = 1 - means[loss]
    if "similarity" in means:
        found["similarity"] = float(torch.corrcoef(torch.stack([torch.cat(said), torch.cat(meant)]))[0, 1])
    return found


def fingerprint(setting: Setting) -> str:
    """sha256 over everything that decides the result: the form, the teacher's files, the text's tokens."""
    digest = hashlib.sha256(json.dumps(setting.form.model_dump(mode="json"), sort_keys=True).encode())
    digest.update((setting.targets.teacher.digest if setting.targets else "no teacher").encode())
    for examples in (setting.examples, setting.held_out):
        digest.update(_digest(examples).encode())
    return digest.hexdigest()


def save(folder: Path, progress: Progress, print_: str) -> None:
    """Write the checkpoint in one move, so that a half-written one is never read.

    Raises:
        UserError: ``folder`` cannot be written.
    """
    partial = folder / "checkpoint.pt.partial"
    with _written(folder, partial):
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
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
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


def _sources(form: Pretraining, teacher: str | None, tokenizer: str | None) -> Backbone:
    """The teacher, or else the backbone whose tokenizer is asked for.

    Raises:
        UserError: the loss needs a teacher, the two do not fit, or the teacher does not fit the student.
    """
    if teacher is None:
        if form.weights.taught:
            raise UserError(
                f"pre-training '{form.name}': field 'weights' asks for a teacher; name one with --teacher, or leave "
                "only masked and overlap above 0."
            )
        if tokenizer is None:
            raise UserError("without --teacher, --tokenizer should name the backbone whose tokenizer is to be used.")
        return open_backbone(tokenizer)
    source = open_backbone(teacher)
    if tokenizer is not None:
        other = open_backbone(tokenizer)
        if other.tokenizer().get_vocab() != source.tokenizer().get_vocab():
            raise UserError(
                f"teacher {teacher} reads with another tokenizer than {tokenizer}: their vocabularies differ; leave "
                "--tokenizer out, or choose a teacher that has it."
            )
    theirs = source.shape
    if form.student.layers % theirs.num_hidden_layers or form.student.width > theirs.hidden_size:
        raise UserError(
            f"pre-training '{form.name}': field 'student' should have a multiple of the teacher's "
            f"{theirs.num_hidden_layers} layers and at most its width of {theirs.hidden_size}, but has "
            f"{form.student.layers} layers of width {form.student.width}."
        )
    if form.matched and form.matched[-1] > theirs.num_hidden_layers:
        raise UserError(
            f"pre-training '{form.name}': field 'matched' should list layers 1 to {theirs.num_hidden_layers} of the "
            f"teacher, but lists {form.matched[-1]}."
        )
    if form.weights.relations and theirs.hidden_size % form.relation_heads:
        raise UserError(
            f"pre-training '{form.name}': field 'relation_heads' should divide the teacher's width of "
            f"{theirs.hidden_size}, but is {form.relation_heads}."
        )
    return source


def _projected(form: Pretraining, teacher: Teacher, examples: Examples, corpus: Corpus) -> Pupil:
    """The student at its start, from a sample of the examples."""
    rows = np.arange(min(_SAMPLE, len(examples)))
    batch = examples.store.batch(rows)
    counts = np.bincount(corpus.ids, minlength=teacher.bert.config.vocab_size).astype(np.float64)
    # Every example has a [CLS] and a [SEP] a sentence.
    counts[corpus.cls] = counts[corpus.sep] = 2 * len(corpus)
    taught = Targets(teacher, examples, None).of(rows, batch)
    return initial_pupil(teacher, form, torch.from_numpy(counts), teacher.states(batch), taught, batch)


def _ask(
    setting: Setting, examples: Examples, rows: np.ndarray, used: Sequence[bool], rng: np.random.Generator
) -> Asked:
    """Read ``rows``; where masked words count, 15% (``mask_rate``) of the ordinary tokens are asked for: of these 80%
    become [MASK], 10% another token, and 10% stay (Devlin et al. 2019, section 3.1)."""
    form = setting.form
    batch = examples.store.batch(rows)
    shared = torch.from_numpy(examples.shared)[batch.sources]
    asked = torch.full_like(batch.ids, -100)
    if form.weights.masked:
        ids = batch.ids.numpy()
        drawn = (rng.random(len(ids)) < form.mask_rate) & batch.mask.numpy() & np.isin(ids, setting.ordinary)
        asked = torch.from_numpy(np.where(drawn, ids, -100))
        fate = rng.random(len(ids))
        other = rng.choice(setting.ordinary, len(ids))
        seen = np.where(drawn & (fate < 0.8), setting.mask, np.where(drawn & (fate < 0.9), other, ids))
        batch = replace(batch, ids=torch.from_numpy(seen))
    device = setting.accelerator.device
    return Asked(batch.to(device), shared.to(device), asked.to(device), used)


def _taught(targets: Targets | None, rows: np.ndarray, batch: Batch) -> tuple[Teacher | None, Taught | None]:
    return (None, None) if targets is None else (targets.teacher, targets.of(rows, batch))


def _average_gradients(pupil: Pupil, accelerator: Accelerator) -> None:
    """The mean over the processes, each of which has read its share of the step."""
    for parameter in pupil.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad = accelerator.reduce(parameter.grad, reduction="mean")


def _digest(examples: Examples) -> str:
    digest = hashlib.sha256()
    for store in (examples.store, examples.sentences):
        digest.update(store.ids.numpy().tobytes())
        digest.update(store.offsets.tobytes())
        digest.update(store.seconds.tobytes())
    digest.update(examples.places.tobytes())
    return digest.hexdigest()


def _device(accelerator: Accelerator) -> str:
    """What the student is trained on, in words."""
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    threads = torch.get_num_threads()
    return f"{hardware().cpu}, {threads} thread{'s' * (threads > 1)}"


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


def _reporter(on_step: OnStep | None, name: str, form: Pretraining) -> Callable[[int], None] | None:
    return None if on_step is None else lambda done: on_step(name, done, form.examples)


@contextmanager
def _written(folder: Path, partial: Path | None = None) -> Iterator[None]:
    """Whatever goes wrong in writing into ``folder`` is one sentence, and ``partial`` does not stay behind.

    Raises:
        UserError: the disk is full, or ``folder`` is not to be written.
    """
    from safetensors import SafetensorError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if partial is not None:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise cannot_write(f"--out {folder}", error) from error


def _write_curve(folder: Path, progress: Progress) -> None:
    partial = folder / "curve.csv.partial"
    with _written(folder, partial):
        columns = list(dict.fromkeys(name for row in progress.curve for name in row))
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(progress.curve)
        os.replace(partial, folder / "curve.csv")
