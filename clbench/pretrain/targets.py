"""What the teacher says of every example: computed once and read from disk where it fits, else beside the student."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clbench.encoder.bert import encode
from clbench.encoder.tokens import Batch
from clbench.pretrain.examples import Examples
from clbench.runtime import events
from clbench.runtime.device import sent
from clbench.storage import cache
from clbench.storage.writing import remove_leftovers

if TYPE_CHECKING:
    from transformers import BertModel

# Examples that the teacher reads at once where its answers are written to disk.
_BLOCK = 256
TASK = "ask the teacher"
# Of the disk's free space, at most this share is used.
_SHARE = 0.5


@dataclass(frozen=True)
class Taught:
    """The teacher's answers to a batch of B examples with N tokens, float32.

    Attributes:
        hidden: (N, D, H), hidden states of D depths.
        sentences: (B, 2, H), mean-pooled last states of each sentence read alone; NaN where there is no second one.
    """

    hidden: Tensor
    sentences: Tensor

    @property
    def similarity(self) -> Tensor:
        """(B,): cosine of an example's two sentences; NaN where there is one."""
        return F.cosine_similarity(self.sentences[:, 0], self.sentences[:, 1])


@dataclass(frozen=True)
class Teacher:
    """An encoder that examples are shown to.

    Attributes:
        bert: in evaluation mode, its parameters frozen.
        depths: whose hidden states are asked for, ascending, 0 for the embeddings.
        precision: "float32" or "bfloat16", of its matrix products.
        digest: of its files.
    """

    bert: BertModel
    depths: tuple[int, ...]
    precision: str
    digest: str

    @property
    def width(self) -> int:
        width: int = self.bert.config.hidden_size
        return width

    @property
    def layers(self) -> int:
        layers: int = self.bert.config.num_hidden_layers
        return layers

    @property
    def device(self) -> torch.device:
        return self.bert.device

    def states(self, batch: Batch) -> list[Tensor]:
        """Hidden states at every depth, float32 (N, H) each, without gradients."""
        half = self.precision == "bfloat16"
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            return [state.float() for state in encode(self.bert, batch.to(self.device))]

    def read(self, examples: Examples, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What it says of ``rows``: hidden states in the store's order, fp16 (tokens, D, H); sentences, fp16 (B, 2, H).

        fp16 rounds by 5e-4 of a value, which is a hundredth of what bfloat16 products lose.
        """
        store = examples.store
        batch = store.batch(rows)
        states = self.states(batch)
        # Where each token of the batch lies among the tokens of ``rows``, one row after another.
        starts = np.concatenate([[0], np.cumsum(store.lengths[rows])])
        owners = batch.owners[batch.mask].numpy()
        at = batch.sources[batch.mask].numpy() - store.offsets[rows][owners] + starts[owners]
        hidden = np.empty((int(starts[-1]), len(self.depths), self.width), np.float16)
        kept = batch.mask.to(self.device)
        for place, depth in enumerate(self.depths):
            hidden[at, place] = states[depth][kept].half().cpu().numpy()
        places = examples.places[rows]
        sentences = np.full((len(rows), 2, self.width), np.nan, np.float16)
        there = places >= 0
        alone = examples.sentences.batch(places[there])
        sentences[there] = pooled(self.states(alone)[-1], alone.to(self.device), int(there.sum())).half().cpu().numpy()
        return hidden, sentences


class Targets:
    """A teacher's answers to ``examples``.

    Args:
        teacher: asked at every step where ``folder`` is None.
        examples: what it reads.
        folder: its answers, as :func:`on_disk` wrote them.
    """

    def __init__(self, teacher: Teacher, examples: Examples, folder: Path | None) -> None:
        self.teacher = teacher
        self.examples = examples
        self.folder = folder
        if folder is not None:
            self._hidden = np.load(folder / "hidden.npy", mmap_mode="r")
            self._sentences = np.load(folder / "sentences.npy", mmap_mode="r")

    def of(self, rows: np.ndarray, batch: Batch) -> Taught:
        """What the teacher says of ``rows``, whose tokens are in ``batch``, in its order and on its device."""
        device = batch.ids.device
        if self.folder is not None:
            hidden, sentences = self._hidden[batch.sources.cpu().numpy()], self._sentences[rows]
        else:
            hidden, sentences = self.teacher.read(self.examples, rows)
            store = self.examples.store
            starts = np.concatenate([[0], np.cumsum(store.lengths[rows])])
            owners = batch.owners.cpu().numpy()
            hidden = hidden[batch.sources.cpu().numpy() - store.offsets[rows][owners] + starts[owners]]
        return Taught(
            sent(torch.from_numpy(hidden), device).float(), sent(torch.from_numpy(np.array(sentences)), device).float()
        )


def size_on_disk(teacher: Teacher, examples: Examples) -> int:
    """Bytes that all answers take."""
    return 2 * teacher.width * (len(teacher.depths) * len(examples.store.ids) + 2 * len(examples))


def fits(teacher: Teacher, examples: Examples, digest: str) -> bool:
    """Whether all answers are on disk already, or the cache's disk has twice the room that they take."""
    place = cache.root() / "targets"
    if (place / cache.key_of(_content(teacher, digest))).exists():
        return True
    remove_leftovers(place, own=True)  # of a process that was killed, perhaps as large as these
    folder = cache.root()
    while not folder.exists():
        folder = folder.parent
    return size_on_disk(teacher, examples) <= _SHARE * shutil.disk_usage(folder).free


def on_disk(teacher: Teacher, examples: Examples, digest: str) -> Path:
    """The folder of the cache that holds the teacher's answers; they are computed where they are not there yet.

    Two pre-trainings that read the same examples share them, a student with LayerDrop and its twin without, say.

    Args:
        digest: of the examples.

    Raises:
        UserError: the cache cannot be written.
    """

    def build(folder: Path) -> None:
        tokens = len(examples.store.ids)
        shapes = {
            "hidden.npy": (tokens, len(teacher.depths), teacher.width),
            "sentences.npy": (len(examples), 2, teacher.width),
        }
        with (folder / "hidden.npy").open("wb") as hidden, (folder / "sentences.npy").open("wb") as sentences:
            # Written from the first byte to the last, not through a memory map, to which a full disk is a bus error.
            for file, shape in zip((hidden, sentences), shapes.values(), strict=True):
                header = {"descr": "<f2", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            for begin in range(0, len(examples), _BLOCK):
                rows = np.arange(begin, min(begin + _BLOCK, len(examples)))
                for file, part in zip((hidden, sentences), teacher.read(examples, rows), strict=True):
                    file.write(part.astype("<f2", copy=False).tobytes())
                events.advance(TASK, int(rows[-1]) + 1, len(examples), "examples")
        events.end(TASK)

    return cache.cached("targets", _content(teacher, digest), build)


def _content(teacher: Teacher, digest: str) -> dict[str, Any]:
    """What determines the answers."""
    return {
        "what": "hidden states and sentences",
        "teacher": teacher.digest,
        "depths": list(teacher.depths),
        "precision": teacher.precision,
        "examples": digest,
        "torch": torch.__version__,
        **_place(teacher.device),
    }


def _place(device: torch.device) -> dict[str, str]:
    """Where the answers are computed; nothing for a CPU."""
    if device.type == "cpu":
        return {}
    card = {"card": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {"device": device.type, **card}


def pooled(states: Tensor, batch: Batch, rows: int, kept: Tensor | None = None) -> Tensor:
    """Mean over each row's tokens, 0 where there are none: (N, H) -> (rows, H).

    Args:
        kept: bool (N,), the tokens that count; all of them by default.
    """
    mask = batch.mask if kept is None else batch.mask & kept
    weight = mask.to(states.dtype)[:, None]
    total = torch.zeros(rows, states.shape[1], dtype=states.dtype, device=states.device)
    count = torch.zeros(rows, 1, dtype=states.dtype, device=states.device)
    count = count.index_add(0, batch.owners, weight)
    return total.index_add(0, batch.owners, states * weight) / count.clamp_min(1)
