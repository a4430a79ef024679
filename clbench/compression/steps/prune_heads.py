"""Step ``prune_heads``: heads removed by gradient importance (Michel, Levy and Neubig 2019, arXiv:1905.10650)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clbench.encoder.family import heads_not_found
from clbench.errors import UserError
from clbench.schema.step import Place, Planned, Shape, Step

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from clbench.compression.task import Report, StepContext, Task
    from clbench.encoder.classifier import Classifier

# Examples on which importance is measured.
_SAMPLE = 512
_BATCH = 32
# Of the largest logit: masks that change nothing change no bit of it, but a device may add up otherwise each time.
_SAME = 1e-5
# What makes a head's output.
PARTS = ("query", "key", "value")


class PruneHeads(Step):
    """The attention heads of the least gradient importance removed (Michel et al. 2019, arXiv:1905.10650).

    Attributes:
        share: of all heads of the layers that are there, those that are gone afterwards; one in every layer stays.
    """

    step: Literal["prune_heads"]
    share: float = Field(gt=0, lt=1)

    def plan(self, before: Shape, place: Place) -> Planned:
        heads = place.backbone.shape.num_attention_heads
        if round(self.share * before.layers * heads) == 0:
            raise UserError(
                f"{place.origin}: field 'share' should be at least a head's, so {1 / (before.layers * heads):.3g} of "
                f"{before.layers * heads} heads, but is {self.share:g}, which prunes none."
            )
        for step in takewhile(lambda later: not later.removes_layers, place.later):
            if isinstance(step, PruneHeads) and step.share <= self.share:
                raise UserError(
                    f"{place.origin}: field 'share' of the later step prune_heads should be above {self.share:g}, "
                    f"since heads that are gone already count, but is {step.share:g}, which prunes none."
                )
        if round(self.share * before.layers * heads) > before.layers * (heads - 1):
            raise UserError(
                f"{place.origin}: field 'share' should leave a head in every layer, so {(heads - 1) / heads:g} of "
                f"{heads} heads a layer at most, but is {self.share:g}."
            )
        return Planned(before, decided_later=("heads",))

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        from clbench.encoder.outline import check_attention

        check_attention(outline, self.step, origin)

    def run(self, model: Any, context: StepContext) -> Report:
        import torch

        from clbench.compression.masks import attach_masks
        from clbench.compression.task import Report

        pruned = heads_to_prune(head_importance(model, context.task), self.share)
        masks, left_out = exact_masks(model, pruned, torch.from_numpy(context.task.train_rows[:_BATCH]))
        attach_masks(model, masks)
        # 1-based, as layers are.
        decided: dict[str, Any] = {"heads": [[head + 1 for head in part] for part in pruned]}
        if left_out != PARTS:
            decided["left_out"] = left_out
        return Report(details={"share": self.share, **decided}, decided=decided)


def head_importance(model: Classifier, task: Task) -> Tensor:
    """I_h = E_x |Att_h(x)^T dL(x)/dAtt_h(x)|, divided by the L2 norm of its layer's (section 4.1, equation 2).

    Att_h is a head's output before the output projection; the expectation is the mean over a sample of 512 training
    examples, drawn alike for every seed, L the cross-entropy of one example, in evaluation mode. Weights and gradients
    are left as they were.

    Returns:
        (layers, heads), float32.

    Raises:
        UserError: what is taken for the output projection has no part in the logits.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from clbench.encoder.classifier import full_precision
    from clbench.encoder.forward import flat_tokens

    layers, family = model.layers, model.family
    heads, depth = model.config.num_attention_heads, model.config.num_hidden_layers
    drawn = task.sample(_SAMPLE)
    rows, labels = torch.from_numpy(task.train_rows[drawn]), torch.from_numpy(task.train_labels[drawn])
    total = torch.zeros(len(layers), heads)
    # In the order in which they are computed: chunk by chunk, where tokens are padded, and in each layer by layer.
    seen: list[Tensor] = []

    def remember(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs[0].retain_grad()
        seen.append(inputs[0])

    handles = [
        layer.get_submodule(family.attention(layer).output).register_forward_pre_hook(remember) for layer in layers
    ]
    was = model.training
    model.eval()
    try:
        with torch.enable_grad():
            for places in torch.arange(len(rows)).split(_BATCH):
                seen.clear()
                # A head counts by all its tokens, so every layer is asked for them.
                batch, _, _, logits = model.read(rows[places])
                loss = cross_entropy(logits, labels[places].to(logits.device), reduction="sum")
                # What micro-batches compute once more, going backward, is told as well.
                outputs = list(seen)
                gradients = torch.autograd.grad(loss, outputs, allow_unused=True)
                if any(gradient is None for gradient in gradients):
                    raise heads_not_found(layers[0])
                by_pair = torch.zeros(len(layers), len(places), heads, device=logits.device)
                for number in range(depth):
                    parts = zip(outputs[number::depth], gradients[number::depth], strict=True)
                    products = flat_tokens([full_precision(c * g).detach() for c, g in parts], batch)
                    moved = products.unflatten(-1, (heads, -1)).sum(-1) * batch.mask[:, None]
                    # Where all layers are one, so are their heads.
                    by_pair[number % len(layers)].index_add_(0, batch.owners, moved)
                total += by_pair.abs().sum(1).cpu()
    finally:
        for handle in handles:
            handle.remove()
        model.train(was)
    mean = total / len(rows)
    return mean / mean.norm(dim=1, keepdim=True).clamp_min(1e-12)


def heads_to_prune(importance: Tensor, share: float) -> list[list[int]]:
    """The least important heads of all layers, as many as ``share`` of them, one in each layer kept.

    Args:
        importance: (layers, heads).
        share: of all heads, 0 to 1; rounded to a whole number.

    Returns:
        For each layer the 0-based heads that go, ascending.
    """
    layers, heads = importance.shape
    count = round(share * layers * heads)
    found: list[list[int]] = [[] for _ in range(layers)]
    for place in importance.flatten().argsort(stable=True).tolist():
        layer, head = divmod(place, heads)
        if sum(map(len, found)) == count:
            break
        if len(found[layer]) < heads - 1:
            found[layer].append(head)
    return [sorted(part) for part in found]


def exact_masks(model: Classifier, pruned: list[list[int]], rows: Tensor) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Masks that leave out the heads, and as much of what makes them as no other head depends on.

    Without its part of the output projection a head is not there. Its queries, keys and values then make no difference,
    and are left out too; unless heads are mixed before that, as where DeBERTa's talk with each other, or where ESM C
    normalises the queries of all together. It is tried on ``rows`` how much may go: all three, the values alone, or
    none.

    Args:
        model: with its tokens; it is left as it is.
        pruned: for each layer the 0-based heads that go.
        rows: a few examples.

    Returns:
        The masks, and which of :data:`PARTS` are left out beside the output.
    """
    from clbench.compression.masks import attach_masks
    from clbench.encoder.classifier import predict

    def logits(masks: dict[str, Tensor]) -> Tensor:
        twin = copy.deepcopy(model)
        attach_masks(twin, masks)
        return predict(twin, rows)

    alone = head_masks(model, pruned, ())
    expected = logits(alone)
    most = _SAME * max(1.0, float(expected.abs().max()))
    for parts in (PARTS, ("value",)):
        masks = head_masks(model, pruned, parts)
        if float((logits(masks) - expected).abs().max()) <= most:
            return masks, parts
    return alone, ()


def head_masks(model: Classifier, pruned: list[list[int]], left_out: Sequence[str]) -> dict[str, Tensor]:
    """Masks that leave out the heads' part of the output projection, and those of :data:`PARTS` that are named.

    The matrices keep their shape, since transformers 5 reads no model whose layers differ in heads.
    """
    import torch

    count, family = model.config.num_attention_heads, model.family
    masks: dict[str, Tensor] = {}
    for number, (layer, heads) in enumerate(zip(model.layers, pruned, strict=True)):
        if not heads:
            continue
        parts, name = family.attention(layer), f"{model.layers_path}.{number}"
        output: Any = layer.get_submodule(parts.output)
        width = output.in_features // count
        kept = torch.ones_like(output.weight, dtype=torch.bool)
        for head in heads:
            kept[:, head * width : (head + 1) * width] = False
        masks[f"{name}.{parts.output}.weight"] = kept
        for part in left_out:
            projection: Any = layer.get_submodule(getattr(parts, part))
            if not parts.fused and projection.out_features != count * width:
                continue  # keys and values that several heads share
            for kind, parameter in projection.named_parameters():
                mask = masks.setdefault(
                    f"{name}.{getattr(parts, part)}.{kind}", torch.ones_like(parameter, dtype=torch.bool)
                )
                for head in heads:
                    mask[family.head_rows(parts, part, head, count, width)] = False
    return masks
