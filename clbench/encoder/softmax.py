"""A softmax whose gradient is the same, to the bit, with any number of threads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from clbench.runtime.threads import one_thread


def exact_softmax(x: Tensor) -> Tensor:
    """y = exp(x) / sum exp(x) over the last dimension.

    On a CPU torch sums y * dy in another order where more threads share the rows; here one thread sums them all.
    """
    exact = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if exact and torch.is_grad_enabled() and torch.get_num_threads() > 1:
        found: Tensor = _Softmax.apply(x)
        return found
    return x.softmax(-1)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.softmax(-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        with one_thread():
            found: Tensor = torch._softmax_backward_data(grad, y, -1, grad.dtype)
        return found
