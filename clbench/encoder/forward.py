"""A forward pass through transformers' own modules: over flat tokens, or over padded batches of like length."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clbench.encoder.family import Family, with_base
from clbench.encoder.packed import packed
from clbench.encoder.tokens import Batch, Chunk
from clbench.errors import UserError
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers.modeling_outputs import BaseModelOutputWithPooling  # noqa: E402  (after the schemas it needs)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def flat_forward(
    family: Family, hf: PreTrainedModel, batch: Batch, *, used: Sequence[bool] | None, every: bool
) -> tuple[list[Tensor], Tensor]:
    """Flat tokens through the encoder, their rows' first tokens through the head; see
    :meth:`~clbench.encoder.family.Family.states_and_logits`."""
    base = hf.base_model
    inputs: dict[str, Any] = {
        "input_ids": batch.ids[None], "position_ids": _positions(base, batch)[None], "chunks": batch.chunks,
        "output_hidden_states": every,
    }  # fmt: skip
    if _given_types(base):
        inputs["token_type_ids"] = types_of(base, batch.types)[None]
    with packed(hf.config), nullcontext() if used is None else family.using(base, used):
        found = base(**inputs)
    last = found.last_hidden_state[0]
    states = _expanded([*(state[0] for state in found.hidden_states[:-1]), last], used) if every else []
    if family.reads_all_tokens(hf.config):
        rows, mask = _rows(last, batch)
    else:
        rows, mask = last[batch.firsts][:, None], torch.ones(len(batch.firsts), 1, device=last.device)
    head = with_base(hf, _Given(rows, family.pooled(base, rows)))
    return states, head(input_ids=mask.long(), attention_mask=mask.long()).logits


def padded_forward(
    family: Family, hf: PreTrainedModel, batch: Batch, *, used: Sequence[bool] | None, every: bool
) -> tuple[list[Tensor], Tensor]:
    """Each chunk as a padded batch through the whole model; see
    :meth:`~clbench.encoder.family.Family.states_and_logits`."""
    base = hf.base_model
    parts: list[list[Tensor]] = []
    logits = []
    with nullcontext() if used is None else family.using(base, used):
        for chunk in batch.chunks:
            inputs = padded_inputs(hf, batch, chunk)
            found = hf(**inputs, output_hidden_states=every)
            logits.append(found.logits)
            if every:
                parts.append([state.flatten(0, 1) for state in found.hidden_states])
    states = _expanded([torch.cat(depth) for depth in zip(*parts, strict=True)], used) if every else []
    # Rows lie in the batch by length.
    return states, torch.cat(logits)[batch.firsts.argsort().argsort()]


def padded_inputs(hf: PreTrainedModel, batch: Batch, chunk: Chunk) -> dict[str, Tensor]:
    """What transformers is given of a chunk: ids, mask and, where it has them, token types, (rows, L) each."""
    span = slice(chunk.start, chunk.start + chunk.rows * chunk.length)
    mask = batch.mask[span].view(chunk.rows, chunk.length)
    ids, types = (part[span].view(chunk.rows, chunk.length) for part in (batch.ids, batch.types))
    return model_inputs(hf, ids, mask, types * mask)


def model_inputs(hf: PreTrainedModel, ids: Tensor, mask: Tensor, types: Tensor) -> dict[str, Tensor]:
    """What transformers is given of rows of tokens, (B, L) each; ``mask``, bool, says which are no padding."""
    inputs = {"input_ids": ids.masked_fill(~mask, hf.config.pad_token_id or 0), "attention_mask": mask.long()}
    if _given_types(hf):
        inputs["token_type_ids"] = types_of(hf.base_model, types)
    return inputs


def flat_tokens(parts: Sequence[Tensor], batch: Batch) -> Tensor:
    """What a module was given, or made, of a batch: (N, U), from (rows, L, U) chunk by chunk, or (1, N, U).

    Some models lengthen rows inside, behind their tokens: Longformer to a multiple of its window.
    """
    if sum(part.shape[:-1].numel() for part in parts) != len(batch.mask):
        parts = [part[:, : chunk.length] for part, chunk in zip(parts, batch.chunks, strict=True)]
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])


def first_position(base: nn.Module) -> int:
    """The position of a row's first token: after the padding's, where positions have one, as RoBERTa's do; else 0."""
    table: Any = position_table(base)
    return 0 if table is None or table.padding_idx is None else int(table.padding_idx) + 1


def position_table(base: nn.Module) -> nn.Module | None:
    """The table of positions, whatever class it is of (I-BERT's is no ``nn.Embedding``); None without one."""
    for name, module in base.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and hasattr(module, "padding_idx"):
            weight = getattr(module, "weight", None)
            if isinstance(weight, Tensor) and weight.ndim == 2:
                return module
    return None


@contextmanager
def replacing_outputs(layers: Iterable[nn.Module], choose: Callable[[int, Tensor, Tensor], Tensor]) -> Iterator[None]:
    """Within it the output of each of ``layers`` is what ``choose`` makes of its place, its input and its output.

    It stands in ``forward``, and is no hook: SqueezeBERT calls its layers' ``forward`` itself, past their hooks.

    Raises:
        UserError: within it, a layer that gives no state of the shape that it was given.
    """
    were = [(layer, vars(layer).get("forward")) for layer in layers]
    for number, (layer, _) in enumerate(were):
        vars(layer)["forward"] = _replaced(layer, number, choose)
    try:
        yield
    finally:
        for layer, was in were:
            if was is None:
                del vars(layer)["forward"]
            else:
                vars(layer)["forward"] = was


def _replaced(layer: nn.Module, number: int, choose: Callable[[int, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    compute = layer.forward

    def forward(*given: Any, **named: Any) -> Any:
        made = compute(*given, **named)
        key: Any = next(iter(made), None) if isinstance(made, Mapping) else 0
        first = made[key] if isinstance(made, tuple | Mapping) and made else made
        state = given[0] if given else named.get("hidden_states")
        if not isinstance(first, Tensor) or not isinstance(state, Tensor) or first.shape != state.shape:
            raise UserError(
                f"what a {type(layer).__name__} makes of its input is not found, which leaving out layers needs; write "
                "an encoder family for it."
            )
        chosen = choose(number, state, first)
        if isinstance(made, Tensor):
            return chosen
        if isinstance(made, tuple):
            return (chosen, *made[1:])
        made[key] = chosen
        return made

    return forward


class _Given(nn.Module):
    """In an encoder's place: what it has already said."""

    def __init__(self, rows: Tensor, pooled: Tensor | None) -> None:
        super().__init__()
        self.said = BaseModelOutputWithPooling(last_hidden_state=rows, pooler_output=pooled)

    def forward(self, *arguments: Any, **named: Any) -> BaseModelOutputWithPooling:
        return self.said


def _positions(base: nn.Module, batch: Batch) -> Tensor:
    first = first_position(base)
    if first == 0:
        return batch.positions
    pad = first - 1
    counted = batch.ids != pad
    if bool(counted.all()):
        return batch.positions + first
    # A text that spells the padding token: transformers gives it the padding's position, and does not count it.
    begins = (batch.positions == 0) & batch.mask
    begins &= torch.nn.functional.pad(batch.owners[1:] != batch.owners[:-1], (1, 0), value=True)
    before = counted.cumsum(0) - counted.long()
    found = before - before[begins][begins.cumsum(0) - 1]
    # Beside the rows' tokens one would count on beyond the table: there a position is that of what is repeated.
    return torch.where(batch.mask, torch.where(counted, found + first, pad), batch.positions + first)


def has_types(model: PreTrainedModel) -> bool:
    """Whether a model tells a second token type from the first."""
    return _takes(type(model), "token_type_ids") and _second_type(model)


def _second_type(model: nn.Module) -> bool:
    return (getattr(model.config, "type_vocab_size", 0) or 0) > 1


def _given_types(model: nn.Module) -> bool:
    """Whether a model is given token types: XLM and FlauBERT, which have none, would add the words' embeddings of these
    numbers in their place."""
    return _takes(type(model), "token_type_ids") and hasattr(model.config, "type_vocab_size")


def types_of(base: nn.Module, types: Tensor) -> Tensor:
    """Token types as the model has them: one that has no second one is given none."""
    return types if _second_type(base) else torch.zeros_like(types)


def _expanded(states: list[Tensor], used: Sequence[bool] | None) -> list[Tensor]:
    """A layer that is left out passes on what it was given."""
    if used is None:
        return states
    if not any(used):
        return [states[-1]] * (len(used) + 1)
    found, depth = states[:1], 0
    for use in used:
        depth += use
        found.append(states[depth])
    return found


def _rows(last: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """The tokens of every row, padded: (B, L, H), in the order asked; and (B, L), which are tokens."""
    longest = max(chunk.length for chunk in batch.chunks)
    parts, masks = [], []
    for chunk in batch.chunks:
        span = slice(chunk.start, chunk.start + chunk.rows * chunk.length)
        room = (0, longest - chunk.length)
        parts.append(nn.functional.pad(last[span].view(chunk.rows, chunk.length, -1), (0, 0, *room)))
        masks.append(nn.functional.pad(batch.mask[span].view(chunk.rows, chunk.length), room))
    order = batch.firsts.argsort().argsort()
    return torch.cat(parts)[order], torch.cat(masks)[order]


_ARGUMENTS: dict[type, frozenset[str]] = {}


def _takes(kind: type[nn.Module], argument: str) -> bool:
    if kind not in _ARGUMENTS:
        _ARGUMENTS[kind] = frozenset(inspect.signature(kind.forward).parameters)
    return argument in _ARGUMENTS[kind]
