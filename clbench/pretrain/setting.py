"""What a pre-training starts from: its text, its teacher's answers, and the student before its first step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.optimization import optimizer
from clbench.encoder.padded_step import BUCKET
from clbench.errors import UserError
from clbench.pretrain.checkpoint import Progress
from clbench.pretrain.corpus import Corpus, read_lines, tokenised
from clbench.pretrain.examples import Examples, make_examples
from clbench.pretrain.matching import Asked, Pupil, initial_pupil, new_student
from clbench.pretrain.targets import Targets, Taught, Teacher, fits, on_disk
from clbench.runtime.device import sent
from clbench.schema.pretrain import Pretraining

if TYPE_CHECKING:
    from accelerate import Accelerator
    from tokenizers import Tokenizer

    from clbench.encoder.tokens import Batch

# Tokens that examples are put together with, or masked and padded by.
_SPECIAL = ("[CLS]", "[SEP]", "[MASK]", "[PAD]")
# Examples from which the teacher's means and deviations, and the student's start, are taken.
_SAMPLE = 512


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


def sources(form: Pretraining, teacher: str | None, tokenizer: str | None) -> Backbone:
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
                f"teacher {teacher} uses another tokenizer than {tokenizer}: their vocabularies differ; leave "
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


def prepare(
    form: Pretraining,
    source: Backbone,
    paths: list[Path],
    *,
    with_teacher: bool = True,
    device: str = "auto",
) -> tuple[Setting, Progress]:
    """Read the text, hold some lines out, ask the teacher, and make the student as it is before its first step.

    Args:
        source: the teacher, or whose tokenizer is used.

    Raises:
        UserError: the text cannot be read or is too short, the tokenizer is not BERT's kind, or the student does not
            fit the teacher.
    """

    accelerator = _accelerator(device)
    tokenizer = _tokenizer_of(source)
    sentences = tokenised(read_lines(paths, form.min_words), tokenizer, form.max_length - 2)
    sentences, aside = _divided(form, sentences, paths)
    corpus = Corpus.of(sentences, tokenizer)
    examples = make_examples(corpus, form.examples, form)
    # Read with the same sentences as those trained on: few lines among themselves have few rare words in common.
    held_out = make_examples(corpus, form.held_out, form, aside)
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
                folder = on_disk(teacher, examples, digest)
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
    return setting, Progress(pupil, optimizer(pupil, form), 0, [], 0.0)


def _accelerator(device: str) -> Accelerator:
    """The devices, as accelerate finds them."""
    from accelerate import Accelerator

    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    found = Accelerator(cpu=device == "cpu")
    if found.device.type == "cuda":
        # It plans anew for every shape, and here almost every batch is of a new one.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return found


def _divided(
    form: Pretraining, sentences: list[np.ndarray], paths: list[Path]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sentences to train on, and ``held_out`` different ones, of which no copy is among the former.

    What the student reads decides: lines that differ only in what the tokenizer does not tell are copies.

    Raises:
        UserError: there are too few different ones.
    """
    different = {sentence.tobytes(): sentence for sentence in sentences}
    needed = form.held_out + 2
    if len(different) < needed:
        raise UserError(
            f"the text ({', '.join(map(str, paths))}) should have at least {needed} different lines of "
            f"{form.min_words} or more words, but has {len(different)}."
        )
    keys = list(different)
    drawn = np.random.default_rng([form.seed, 0]).permutation(len(keys))[: form.held_out]
    aside = {keys[place]: different[keys[place]] for place in sorted(drawn.tolist())}
    return [sentence for sentence in sentences if sentence.tobytes() not in aside], list(aside.values())


def _tokenizer_of(source: Backbone) -> Tokenizer:
    """The tokenizer of a BERT, which is all that pre-training makes and learns from.

    Raises:
        UserError: it is no BERT, or one with another kind of tokenizer.
    """
    if source.shape.model_type != "bert":
        raise UserError(
            f"backbone {source.name}: pre-training makes BERTs and should start from one, but this is a "
            f"{source.shape.model_type}."
        )
    tokenizer = source.tokenizer()
    kind = type(tokenizer.model).__name__
    prefix = getattr(tokenizer.model, "continuing_subword_prefix", None)
    lacking = [token for token in _SPECIAL if tokenizer.token_to_id(token) is None]
    if kind != "WordPiece" or prefix != "##" or lacking:
        found = f"lacks {', '.join(lacking)}"
        if kind != "WordPiece":
            found = f"is a {kind}"
        elif prefix != "##":
            found = f"continues them by '{prefix}'"
        raise UserError(
            f"backbone {source.name}: pre-training should start from a tokenizer that is a WordPiece, continues words "
            f"by '##' and has the tokens {', '.join(_SPECIAL)}, but this one {found}."
        )
    return tokenizer


def fingerprint(setting: Setting) -> str:
    """sha256 over everything that decides the result: the form, the teacher's files, the text's tokens."""
    digest = hashlib.sha256(json.dumps(setting.form.model_dump(mode="json"), sort_keys=True).encode())
    digest.update((setting.targets.teacher.digest if setting.targets else "no teacher").encode())
    for examples in (setting.examples, setting.held_out):
        digest.update(_digest(examples).encode())
    return digest.hexdigest()


def ask(
    setting: Setting, examples: Examples, rows: np.ndarray, used: Sequence[bool], rng: np.random.Generator
) -> Asked:
    """Read ``rows``; where masked words count, 15% (``mask_rate``) of the ordinary tokens are asked for: of these 80%
    become [MASK], 10% another token, and 10% stay (Devlin et al. 2019, section 3.1)."""
    form, device = setting.form, setting.accelerator.device
    # On a GPU every step is of one of few shapes.
    batch = examples.store.batch(rows, multiple=BUCKET if device.type == "cuda" else None)
    shared = torch.from_numpy(examples.shared)[batch.sources]
    paired = (batch.mask & ~shared.isnan()).nonzero()[:, 0]
    masked = torch.zeros(0, dtype=torch.int64)
    words = masked
    if form.weights.masked:
        ids = batch.ids.numpy()
        drawn = (rng.random(len(ids)) < form.mask_rate) & batch.mask.numpy() & np.isin(ids, setting.ordinary)
        masked = torch.from_numpy(np.flatnonzero(drawn))
        words = batch.ids[masked]
        fate = rng.random(len(ids))
        other = rng.choice(setting.ordinary, len(ids))
        seen = np.where(drawn & (fate < 0.8), setting.mask, np.where(drawn & (fate < 0.9), other, ids))
        batch = replace(batch, ids=torch.from_numpy(seen))
    paired, shared, masked, words = (sent(part, device) for part in (paired, shared[paired], masked, words))
    return Asked(batch.to(device), paired, shared, masked, words, used)


def taught_of(targets: Targets | None, rows: np.ndarray, batch: Batch) -> tuple[Teacher | None, Taught | None]:
    return (None, None) if targets is None else (targets.teacher, targets.of(rows, batch))


def _projected(form: Pretraining, teacher: Teacher, examples: Examples, corpus: Corpus) -> Pupil:
    """The student at its start, from a sample of the examples."""
    rows = np.arange(min(_SAMPLE, len(examples)))
    batch = examples.store.batch(rows)
    counts = np.bincount(corpus.ids, minlength=teacher.bert.config.vocab_size).astype(np.float64)
    # Every example has a [CLS] and a [SEP] a sentence.
    counts[corpus.cls] = counts[corpus.sep] = 2 * len(corpus)
    taught = Targets(teacher, examples, None).of(rows, batch)
    return initial_pupil(teacher, form, torch.from_numpy(counts), teacher.states(batch), taught, batch)


def _digest(examples: Examples) -> str:
    digest = hashlib.sha256()
    for store in (examples.store, examples.sentences):
        digest.update(store.ids.numpy().tobytes())
        digest.update(store.offsets.tobytes())
        digest.update(store.seconds.tobytes())
    digest.update(examples.places.tobytes())
    return digest.hexdigest()
