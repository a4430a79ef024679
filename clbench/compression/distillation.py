"""A teacher's targets and the losses that distil them: vanilla (Hinton et al. 2015), patient (Sun et al. 2019)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clbench.compression.steps.distill import tokens_content
from clbench.compression.task import Loss, Task, TrainedLoss
from clbench.encoder.classifier import Classifier, full_precision
from clbench.encoder.relations import relations
from clbench.errors import UserError
from clbench.runtime import events
from clbench.runtime.coordinator import between_steps
from clbench.runtime.device import sent
from clbench.storage.cache import cached, is_cached, key_of

if TYPE_CHECKING:
    from clbench.compression.matching import Matching
    from clbench.compression.steps.distill import Distill

# From the student's states (B, K, H) and the teacher's (B, n, H), of unit norm, to what the former are compared with.
Match = Callable[[Tensor, Tensor], Tensor]
# Bytes of targets that are kept on a GPU.
_HELD = 4 << 30


@dataclass(frozen=True)
class Targets:
    """What a teacher, without dropout, says of every training example; computed once, read in every epoch.

    Attributes:
        logits: float32 (N, C).
        states: float16 (N, K, H), memory-mapped: the [CLS] hidden states of the K layers that are taught, each scaled
            to unit L2 norm.
        tokens: float16 (T, D, H), memory-mapped: every token's hidden states at D depths, scaled to unit L2 norm, one
            example after another; D is 0 where no token is taught.
        norms: float32 (T, D), what they were scaled by, which float16 cannot hold in every family: MobileBERT's last
            states reach 1e7.
        starts: int64 (N,), where each example's tokens begin.
    """

    logits: np.ndarray
    states: np.ndarray
    tokens: np.ndarray
    norms: np.ndarray
    starts: np.ndarray


class LossWeights(NamedTuple):
    """What the parts of the loss count, and the temperature at which logits are compared."""

    alpha: float
    temperature: float
    beta: float


def distillation_loss(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor,
    states: Tensor,
    teacher_states: Tensor,
    weights: LossWeights,
    match: Match | None = None,
) -> Tensor:
    """L = (1 - alpha) CE(labels) + alpha T^2 KL(teacher / T, student / T) + beta PT.

    PT = 1/(B K H) sum_{b,k,h} (s_bkh / |s_bk| - t_bkh / |t_bk|)^2, over the [CLS] states of matched layers (eq. 7, 8).
    KL = 1/(B C) sum_{b,c} q_bc (log q_bc - log p_bc), q and p the softened teacher and student (eq. 4).

    The paper writes both as sums; its published code takes these means, and its grid of weights is meant for them.

    Args:
        logits, teacher_logits: (B, C).
        labels: int64 (B,).
        states, teacher_states: (B, K, H); where K is 0, PT is 0. With ``match`` the teacher's are (B, n, H).
        weights: alpha, T and beta.
        match: of a layer map that chooses or mixes layers; its result, of no particular norm, stands for the teacher's
            states / their norm.

    Returns:
        A scalar.
    """
    alpha, temperature, beta = weights
    loss = (1 - alpha) * F.cross_entropy(logits, labels)
    # "batchmean" divides by B alone, as torch's own "mean" will do in its next major release.
    soft = (
        F.kl_div(
            F.log_softmax(logits / temperature, -1),
            F.log_softmax(teacher_logits / temperature, -1),
            reduction="batchmean",
            log_target=True,
        )
        / logits.shape[-1]
    )
    loss = loss + alpha * temperature**2 * soft
    if beta and states.shape[1]:
        mine, theirs = F.normalize(states, dim=-1), F.normalize(teacher_states, dim=-1)
        loss = loss + beta * F.mse_loss(mine, theirs if match is None else match(mine, theirs))
    return loss


def targets(
    teacher: Classifier,
    key: str,
    task: Task,
    layers: Sequence[int],
    batch_size: int | None = None,
    depths: Sequence[int] = (),
    name: str = "targets",
) -> Targets:
    """The teacher's targets for the whole training set, from the cache where they are.

    Where those of all its layers but the last are there, which layer maps that choose ask for, the states of others are
    copied from them: the teacher need not read its examples again.

    Args:
        teacher: reads its rows from ``task.store``.
        key: what determines the teacher.
        task: the training set.
        layers: the 1-based teacher layers that are taught.
        batch_size: examples that the teacher reads at once; by default 64 on a CPU, and 1,024 on a GPU.
        depths: at which every token's states are kept, 0 for the embeddings.
        name: the task's, for those who listen.
    """
    task_content: dict[str, Any] = {"teacher": key, "task": task.digest}
    last = teacher.config.num_hidden_layers
    layers, every = list(layers), list(range(1, last))

    def ask(folder: Path, layers: Sequence[int] = layers) -> None:
        _ask(teacher, task, folder, layers, depths, batch_size, name)

    def copy(folder: Path) -> None:
        there = cached("targets", whole, lambda folder: ask(folder, every))
        shutil.copy(there / "logits.npy", folder)
        if layers:
            states = np.load(there / "states.npy", mmap_mode="r")
            found = _mapped(folder / "states.npy", np.float16, (len(states), len(layers), states.shape[2]))
            for place, layer in enumerate(layers):
                found[:, place] = states[:, layer - 1]

    whole = task_content | {"layers": every}
    content = task_content | {"layers": layers} | tokens_content(depths)
    can_copy = not depths and layers != every and last not in layers and is_cached("targets", key_of(whole))
    folder = cached("targets", content, copy if can_copy else ask)
    none, nothing, unscaled = _nothing(task, teacher.config.hidden_size)
    states = np.load(folder / "states.npy", mmap_mode="r") if layers else none
    tokens = np.load(folder / "tokens.npy", mmap_mode="r") if depths else nothing
    norms = np.load(folder / "norms.npy", mmap_mode="r") if depths else unscaled
    return Targets(np.load(folder / "logits.npy", mmap_mode="r"), states, tokens, norms, _starts(task))


def _ask(
    teacher: Classifier,
    task: Task,
    folder: Path,
    layers: Sequence[int],
    depths: Sequence[int],
    batch_size: int | None,
    name: str,
) -> None:
    """Write what the teacher says of every training example into ``folder``; as :func:`targets`."""
    count, width = len(task.train_rows), teacher.config.hidden_size
    size = batch_size or (64 if task.store.device.kind == "cpu" else 1024)
    none, nothing, norms = _nothing(task, width)
    starts = _starts(task)
    logits = _mapped(folder / "logits.npy", np.float32, (count, task.classes))
    # An empty file cannot be mapped.
    states = _mapped(folder / "states.npy", np.float16, (count, len(layers), width)) if layers else none
    tokens = _mapped(folder / "tokens.npy", np.float16, (len(nothing), len(depths), width)) if depths else nothing
    if depths:
        norms = _mapped(folder / "norms.npy", np.float32, (len(nothing), len(depths)))
    teacher.eval()
    # Examples of like length together: they are computed without padding, and in few products.
    order = task.store.lengths[task.train_rows].argsort(kind="stable")
    with torch.inference_mode():
        for begin in range(0, count, size):
            part = order[begin : begin + size]
            asked = torch.from_numpy(task.train_rows[part])
            if depths:
                batch, hidden, firsts, said = teacher.read(asked)
            else:
                firsts, said = teacher.states_and_logits(asked)
            logits[part] = said.cpu().numpy()
            if layers:
                cls = firsts[[layer - 1 for layer in layers]]
                states[part] = F.normalize(cls, dim=-1).transpose(0, 1).half().cpu().numpy()
            if depths:
                # Padding has the place of its row's last token, which is another state wherever padding is computed.
                kept = batch.mask.cpu().numpy()
                at = (starts[part][batch.places[0]] + batch.places[1])[kept]
                found = torch.stack([hidden[depth][batch.mask] for depth in depths], 1)
                tokens[at] = F.normalize(found, dim=-1).half().cpu().numpy()
                norms[at] = found.norm(dim=-1).cpu().numpy()
            between_steps()
            events.advance(name, min(begin + size, count), count, "examples")
    # Deleting a map writes it out.
    del logits, states, tokens, norms


def _starts(task: Task) -> np.ndarray:
    """Where each training example's tokens begin, one example after another: int64 (N,)."""
    lengths = task.store.lengths[task.train_rows]
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else np.zeros(0, np.int64)


def _nothing(task: Task, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The states of no layer, (N, 0, H), and of the tokens at no depth, (T, 0, H), and these states' norms, (T, 0)."""
    lengths = task.store.lengths[task.train_rows]
    none, count = np.zeros((len(lengths), 0, width), np.float16), int(lengths.sum())
    return none, np.zeros((count, 0, width), np.float16), np.zeros((count, 0), np.float32)


def _mapped(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """A new file as an array, its room on the disk taken at once: a map that the disk cannot hold kills the process.

    Raises:
        OSError: the disk has not so much left.
    """
    found = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # not on a Mac
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return found


def last_projections(model: Classifier, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The last layer's queries, keys and values of its input: (N, H) -> three of (N, width)."""
    return model.family.queries_keys_values(model.layers[-1], x)


def check_relations(step: Distill, models: Mapping[str, Classifier], origin: str) -> None:
    """Refuse ``relations`` of layers whose projections are not understood, and ``relation_heads`` that do not divide
    what the last layers' projections make.

    Where several heads share their keys and values, these are narrower than the hidden states.

    Args:
        models: the student and its teacher, by what a sentence calls them.

    Raises:
        UserError: they do not, or a layer's projections read something else than the layer is given.
    """
    if not step.relation_heads:
        return
    for whose, model in models.items():
        if not model.family.model_types:  # nobody has written a file that says so
            _check_read(model, whose, origin)
        nothing = torch.zeros(1, model.config.hidden_size, device=next(model.parameters()).device)
        with torch.no_grad():
            made = last_projections(model, nothing)
        for part, one in zip(("queries", "keys", "values"), made, strict=True):
            if one.shape[-1] % step.relation_heads:
                raise UserError(
                    f"{origin}: field 'relation_heads' should divide the width of {whose} {part}, {one.shape[-1]}, but "
                    f"is {step.relation_heads}."
                )


def _check_read(model: Classifier, whose: str, origin: str) -> None:
    """Refuse where the last layer's projections do not read what the layer is given, on a row of the store."""
    layer, was = model.layers[-1], model.training
    names = model.family.attention(layer)
    asked = {"queries": names.query, "keys": names.key, "values": names.value}
    # Relative positions may go through the same matrices.
    heard: dict[str, list[Tensor]] = {part: [] for part in asked}
    handles = [
        layer.get_submodule(name).register_forward_pre_hook(lambda _, given, part=part: heard[part].append(given[0]))
        for part, name in asked.items()
    ]
    model.eval()
    try:
        with torch.no_grad():
            state = model.read(torch.zeros(1, dtype=torch.int64)).states[-2]
    finally:
        model.train(was)
        for handle in handles:
            handle.remove()
    for part, found in heard.items():
        rows = [full_precision(one).reshape(-1, one.shape[-1])[: len(state)] for one in found]
        if not any(one.shape == state.shape and (one - state).norm() < 0.02 * state.norm() for one in rows):
            raise UserError(
                f"{origin}: field 'relations': {whose} {part} are not made of what the layer before them gives, in a "
                f"{type(layer).__name__}, which clbench has no encoder family for; write one, with its attention_norm, "
                "or leave relations out."
            )


def cosine_loss(s: Tensor, t: Tensor, mask: Tensor) -> Tensor:
    """DistilBERT's L_cos = 1 - cos(s, t), the mean over the tokens of ``mask``, bool (N,): (N, H) twice -> a scalar."""
    return 1 - F.cosine_similarity(s[mask], t[mask], dim=-1).mean()


def projection(width: int, theirs: int, seed: int) -> nn.Linear:
    """W of ``projection: linear``, from states of ``width`` to those of the teacher: N(0, 1 / width), from ``seed``."""
    made = nn.Linear(width, theirs, bias=False)
    with torch.no_grad():
        made.weight.normal_(0.0, width**-0.5, generator=torch.Generator().manual_seed(seed))
    return made


def distill_loss(
    step: Distill,
    task: Task,
    taught: Targets,
    matched: int,
    teacher: Classifier,
    project: nn.Module | None = None,
    matching: Matching | None = None,
) -> Loss[Classifier]:
    """The loss of a step on places of the training set; the student's layers 1..``matched`` are patient.

    Args:
        project: from the student's states to the teacher's width; None compares them as they are.
        matching: of a layer map that is not known before; ``taught`` then has the states of all layers but the last.
    """
    match = None if matching is None else matching.targets
    seen = nn.Identity() if project is None else project
    rows, device = torch.from_numpy(task.train_rows), task.store.device.torch

    def given(found: np.ndarray) -> Tensor:
        return sent(torch.from_numpy(found), device).float()

    # Where a GPU has room for them, they lie there, and a batch of them is gathered there.
    there: dict[str, Tensor] = {}
    if device.type == "cuda" and taught.logits.nbytes + taught.states.nbytes < _HELD:
        there = {name: torch.from_numpy(np.array(getattr(taught, name))).to(device) for name in ("logits", "states")}

    def batch_of(name: str, at: np.ndarray, places: Tensor) -> Tensor:
        return there[name][sent(places, device)].float() if there else given(getattr(taught, name)[at])

    def loss(model: Classifier, places: Tensor, labels: Tensor) -> Tensor:
        at = places.numpy()
        if step.cosine or step.relations:
            batch, states, firsts, logits = model.read(rows[places])
        else:
            firsts, logits = model.states_and_logits(rows[places])
        found = distillation_loss(
            logits, labels,
            batch_of("logits", at, places),
            seen(firsts[:matched]).transpose(0, 1),
            batch_of("states", at, places),
            LossWeights(step.alpha, step.temperature, step.beta),
            match,
        )  # fmt: skip
        if step.cosine or step.relations:
            # Of the depths that token_depths names the first is the relations', the last the cosine's.
            asked = taught.starts[at][batch.places[0]] + batch.places[1]
            tokens = taught.tokens[asked]
            if step.cosine:
                found = found + step.cosine * cosine_loss(seen(states[-1]), given(tokens[:, -1]), batch.mask)
            if step.relations and step.relation_heads:
                with torch.no_grad():
                    read = given(tokens[:, 0]) * given(taught.norms[asked, :1])
                    theirs = last_projections(teacher, read)
                apart = relations(theirs, last_projections(model, states[-2]), batch, step.relation_heads)
                found = found + step.relations * apart
        return found

    return loss if project is None else TrainedLoss(loss, project)
