"""What a student has learned, on lines that were held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clbench.compression.steps.prune_layers import PruneLayers, kept_layers
from clbench.encoder.bert import encode
from clbench.pretrain.matching import Pupil, losses, words
from clbench.pretrain.setting import Setting, ask, taught_of

# Examples that are measured at once.
_MEASURED = 256


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
        asked = ask(setting, setting.held_out, rows, used, np.random.default_rng([form.seed, 6, begin]))
        teacher, taught = taught_of(setting.held_out_targets, rows, asked.batch)
        with torch.no_grad():
            parts = losses(pupil, form, asked, teacher, taught)
            last = encode(pupil.bert, asked.batch, used)[-1]
            if form.weights.masked:
                right = words(pupil, last[asked.masked]).argmax(-1) == asked.words
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
