"""Batches whose activations do not fit: computed in parts, each once more in its backward pass.

The loss sees the whole batch, so that the effective batch stays what the recipe or strategy says, and nothing of either
knows of the parts. That costs a third of a step more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clbench.encoder.graphs import has_place
from clbench.encoder.tokens import on_host, rows_on

_LOG = logging.getLogger(__name__)
_CPU = torch.device("cpu")
# What training holds of each weight beside it and its new gradient: AdamW's moments; on a GPU also where gradients lie.
_HELD, _HELD_ON_A_GPU = 2, 3
# States of the rows' first tokens, (layers, B, H), or none of them, and logits (B, C).
Said = tuple[Tensor | None, Tensor]
Answer = TypeVar("Answer")


def join_said(parts: Sequence[Said]) -> Said:
    """The answer about all rows, of those about parts of them."""
    states = [part for part, _ in parts if part is not None]
    return torch.cat(states, dim=1) if states else None, torch.cat([logits for _, logits in parts])


class MicroBatches:
    """How many rows of a batch are computed at once.

    Args:
        asked: a number of rows; ``auto`` for all until memory runs out, then half of them, and so on.
        device: where they are computed. What is computed once more draws the same dropout masks only where torch finds
            a tensor of that device among what it is given.
        weights: of what is asked, whose gradients a backward pass will make.
        tokens: how many tokens some rows are, padding included.
    """

    def __init__(
        self,
        asked: int | Literal["auto"],
        device: torch.device = _CPU,
        weights: Callable[[], Iterable[Tensor]] = tuple,
        tokens: Callable[[Tensor], int] = len,
    ) -> None:
        self.device, self.weights, self.tokens = device, weights, tokens
        self.tried = 0
        self.size: int | None = None if asked == "auto" else asked
        self.halves = asked == "auto"

    def __call__(
        self,
        ask: Callable[[Tensor], Answer],
        rows: Tensor,
        join: Callable[[Sequence[Answer]], Answer],
        tries: bool = True,
    ) -> Answer:
        """What ``ask`` says of all rows, what it says of parts of them being joined.

        Args:
            tries: whether ``auto`` may ask more often than that; not where somebody listens to what is asked.

        Raises:
            torch.OutOfMemoryError: there is no room for the least of them.
        """
        while True:
            try:
                host = torch.from_numpy(on_host(rows)).split(self.size or len(rows))
                if self.halves and tries:
                    self._try(ask, max(host, key=self.tokens))
                if len(host) == 1:
                    return ask(rows)
                parts = [checkpoint(ask, rows_on(self.device, part), use_reentrant=False) for part in host]
            except torch.OutOfMemoryError:
                if not self.halve(len(rows)):
                    raise
            else:
                return join(parts)
            # After the exception is gone, and with it what its frames held.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def halve(self, count: int) -> bool:
        """From now on compute half as many rows at once as did not fit, of ``count``; False where that cannot be."""
        least = min(count, self.size or count)
        if not self.halves or least == 1:
            return False
        self.size = least // 2
        _LOG.warning("out of memory: %s examples of a batch are computed at once from now on.", self.size)
        return True

    def whole(self, count: int) -> bool:
        """Whether so many rows are computed at once."""
        return self.size is None or count <= self.size

    def try_whole(self, ask: Callable[[Tensor], Any], rows: Tensor) -> None:
        """See to it that a whole batch fits before it is computed in another way than here, as by a CUDA graph.

        Raises:
            torch.OutOfMemoryError: it does not.
        """
        if self.halves and self.whole(len(rows)):
            self._try(ask, torch.from_numpy(on_host(rows)))

    def _try(self, ask: Callable[[Tensor], Any], rows: Tensor) -> None:
        """Go forward and backward once over more tokens than ever before, and forget it: memory that would end in the
        backward pass, where nobody asks any more, ends here. Generators and gradients stay as they were.

        The first time with room for what training will hold of each weight from its first step on.
        """
        if (size := self.tokens(rows)) <= self.tried:
            return
        held = _HELD_ON_A_GPU if self.device.type == "cuda" else _HELD
        # In a life after a recipe's training gradients have their place.
        needed = [(one, held - has_place(one)) for one in self.weights()] if not self.tried else []
        room = [torch.empty_like(one) for one, copies in needed for _ in range(copies)]
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            found = ask(rows_on(self.device, rows))
            made = [part for part in found if isinstance(part, Tensor) and part.requires_grad]
            weights = [weight for weight in self.weights() if weight.requires_grad]
            if made and weights:
                total = torch.stack([part.float().sum() for part in made]).sum()
                torch.autograd.grad(total, weights, allow_unused=True)
        del room
        self.tried = size
