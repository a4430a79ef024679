"""Dropout whose masks are cut from 64-bit random integers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Inverted dropout (Srivastava et al. 2014): y = x * m / (1 - p), m ~ Bernoulli(1 - p).

    torch's own draws one float a value, which is a third of a training step on a CPU; four 16-bit draws cut from one
    64-bit integer cost a quarter. The rate is met to 1/65536, and the scale uses the rate that is met, so the
    expectation is exact. On any other device torch draws them.

    Args:
        x: any shape, float.
        rate: p, from 0 up to, but not including, 1.
        training: False returns ``x`` itself.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate, True)
    return x * factors(x, rate)


def factors(x: Tensor, rate: float) -> Tensor:
    """m / (1 - p) as drawn for x, in its shape and type; on a CPU."""
    dropped = round(rate * 65536)
    drawn = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[: x.numel()].view(x.shape)
    # 0 and 1 as 16-bit integers: a CPU takes five times as long to make floats of booleans.
    torch.ge(kept, dropped - 32768, out=kept)
    return kept.to(x.dtype).mul_(65536 / (65536 - dropped))
