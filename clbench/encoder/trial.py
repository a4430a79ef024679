"""Trying an encoder when it is opened: what it gives for rows alone, plainly, padded and packed has to agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clbench.encoder.family import family_of
from clbench.encoder.hf_folder import silence
from clbench.errors import UserError, first_line

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from clbench.encoder.tokens import Batch, TokenStore

# Rows that an encoder is tried on: unlike lengths, one of them longer than a local window where there is room.
_TRIED = (3, 7, 150)
_CLOSE = 1e-4
# Rounding differs by 1e-6 of a token's largest number between a row alone and a padded one, padding by 2e-2.
_APART = 1e-3


def check_forward(model: PreTrainedModel, positions: int, origin: str) -> bool:
    """Whether packed tokens give what transformers gives for rows read alone; refuses what is no encoder.

    Raises:
        UserError: the model does not take ids and a mask alone, its states are not its layers', a row's first token
            does not see the others, what a row gives depends on more than the row, or is not what transformers gives.
    """
    import torch

    from clbench.encoder.classifier import Classifier
    from clbench.encoder.tokens import TokenStore

    config, family = model.config, family_of(model.config.model_type)
    lengths = [min(length, positions) for length in _TRIED]
    drawn = torch.Generator().manual_seed(0)
    # Not the padding's number, which positions may depend on.
    ids = torch.randint(0, config.vocab_size, (sum(lengths),), generator=drawn)
    ids = torch.where(ids == (config.pad_token_id or 0), (ids + 1) % config.vocab_size, ids)
    offsets, seconds = torch.tensor([0, *lengths]).cumsum(0), torch.tensor(lengths) // 2

    def rows(ids: Tensor) -> TokenStore:
        return TokenStore(ids.numpy(), offsets.numpy(), seconds.numpy())

    Classifier(model)  # its norms are those that a run computes
    with torch.inference_mode(), silence():
        try:
            alone = _each_alone(model, rows(ids))
            together = _read(model, rows(ids).batch(range(len(lengths)), multiple=1))
        except Exception as error:
            raise UserError(
                f"{origin}: transformers' model of the model_type '{config.model_type}' does not take ids and an "
                f"attention mask alone ({first_line(error)[:200]}); write an encoder family for it."
            ) from error
        if len(alone) - 1 != config.num_hidden_layers + 1:
            raise UserError(
                f"{origin}: transformers' model of the model_type '{config.model_type}' should give the states of its "
                f"embeddings and of its {config.num_hidden_layers} layers (num_hidden_layers), but gives "
                f"{len(alone) - 1} states, which is not supported; give another encoder."
            )
        _check_sight(model, lambda changed: _each_alone(model, rows(changed)), (ids, offsets), alone, origin)
        if not _alike(together, alone, _APART):
            raise UserError(
                f"{origin}: what transformers' model of the model_type '{config.model_type}' makes of a row depends on "
                "the padding behind it, on the rows beside it or on chance, which is not supported; give an encoder "
                "that reads a row as if it were alone."
            )
        _check_plain(model, rows(ids), alone, origin)
        if not family.flat or not model._supports_attention_backend:
            return False
        try:
            flat = _read(model, rows(ids).batch(range(len(lengths))), packed=True)
        except (ValueError, TypeError, RuntimeError, IndexError):
            return False
    return _alike(flat, alone, _CLOSE)


def _check_sight(
    model: PreTrainedModel, read: Callable[[Tensor], list[Tensor]], rows: tuple[Tensor, Tensor], said: list[Tensor],
    origin: str,
) -> None:  # fmt: skip
    """Check that a row's first token sees the last one.

    Args:
        read: gives states and logits of the rows with other ids.
        rows: their ids, and where each begins and the last one ends.
        said: their states and logits.

    Raises:
        UserError: it does not.
    """
    import torch

    (ids, offsets), model_type = rows, model.config.model_type

    def seen(change: Tensor, look: Tensor) -> bool:
        """Whether the last states at ``look`` tell of other ids at ``change``."""
        others = ids.clone()
        others[change] = (ids[change] + 7) % model.config.vocab_size
        return not torch.equal(said[-2][look], read(others)[-2][look])

    firsts, lasts = offsets[:-1], offsets[1:] - 1
    if seen(lasts, firsts):
        return
    if seen(firsts, lasts):
        raise UserError(
            f"{origin}: the first token of a row does not see the others: the model_type '{model_type}' is a decoder, "
            "which is not supported; give an encoder."
        )
    raise UserError(
        f"{origin}: no token of a row sees the others: transformers' model of the model_type '{model_type}' computes "
        "no attention on a CPU, which is not supported; give another encoder."
    )


def _check_plain(model: PreTrainedModel, store: TokenStore, said: list[Tensor], origin: str) -> None:
    """Check that what is said of the last row is what transformers says where nothing of clbench is between.

    Args:
        store: the rows.
        said: their states and logits, each row read alone.

    Raises:
        UserError: it is not.
    """
    import torch

    from clbench.encoder.forward import has_types

    begin, end = (int(store.offsets[place]) for place in (-2, -1))
    ids = store.ids[begin:end].long()[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if has_types(model):
        inputs["token_type_ids"] = (torch.arange(end - begin)[None] >= int(store.seconds[-1])).long()
    found = model(**inputs, output_hidden_states=True)
    plain = [*(state[0] for state in found.hidden_states), found.logits]
    if not _alike([*(state[begin:end] for state in said[:-1]), said[-1][-1:]], plain, _APART):
        raise UserError(
            f"{origin}: what clbench makes of a row is not what transformers' model of the model_type "
            f"'{model.config.model_type}' gives for its ids and an attention mask, which is not supported; write an "
            "encoder family for it, or mend the one that is there."
        )


def _each_alone(model: PreTrainedModel, store: TokenStore) -> list[Tensor]:
    """What :func:`_read` gives of every row of a store, read one at a time."""
    import torch

    parts = [_read(model, store.batch([row])) for row in range(len(store))]
    return [torch.cat(part) for part in zip(*parts, strict=True)]


def _read(model: PreTrainedModel, batch: Batch, *, packed: bool = False) -> list[Tensor]:
    """States at every depth, the embeddings' first, of the tokens that are no padding, (N, H) each, and the logits."""
    family = family_of(model.config.model_type)
    states, logits = family.states_and_logits(model, batch, packed=packed, used=None, every=True)
    return [*(state[batch.mask] for state in states), logits]


def _alike(found: list[Tensor], expected: list[Tensor], most: float) -> bool:
    """Whether no number of a token is apart by more than ``most`` of the token's largest, or of 1 where that is less.

    Of its own, since in some models a few tokens' states are thousands of times as large as all others'.
    """
    return len(found) == len(expected) and all(
        bool(((one - other).abs() <= most * other.abs().amax(-1, keepdim=True).clamp(min=1)).all())
        for one, other in zip(found, expected, strict=True)
    )
