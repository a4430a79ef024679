"""Layer normalisation whose gradient is the same, to the bit, with any number of threads."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clbench.runtime.threads import one_thread


def layer_norm(part: nn.LayerNorm, x: Tensor) -> Tensor:
    """y = (x - E[x]) / sqrt(Var[x] + eps) * gamma + beta over the last dimension (Ba et al. 2016): (N, H) -> (N, H).

    Of an encoder's step of training on a CPU, the gradients of gamma and beta alone depend on the number of threads:
    torch gives each thread some rows to sum. Here one thread sums them all, so that a model does not depend on how
    many threads it was trained with.
    """
    if part._forward_hooks:
        return part(x)  # somebody watches the module, as the Fisher information does; its weights take no gradient then
    exact = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if exact and torch.is_grad_enabled() and torch.get_num_threads() > 1:
        return _LayerNorm.apply(x, part.weight, part.bias, part.eps)
    return F.layer_norm(x, part.normalized_shape, part.weight, part.bias, part.eps)


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        y, mean, rstd = torch.native_layer_norm(x, weight.shape, weight, bias, eps)
        ctx.save_for_backward(x, mean, rstd, weight, bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, mean, rstd, weight, bias = ctx.saved_tensors
        with one_thread():
            found = torch.ops.aten.native_layer_norm_backward(
                grad.contiguous(), x, weight.shape, mean, rstd, weight, bias, list(ctx.needs_input_grad[:3])
            )
        return *found, None


class ExactLayerNorm(nn.LayerNorm):
    """A LayerNorm of transformers' modules that computes as :func:`layer_norm` does.

    Where the class of a module is exchanged for it, its parameters and its name stay.
    """

    def forward(self, x: Tensor) -> Tensor:
        exact = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if exact and torch.is_grad_enabled() and torch.get_num_threads() > 1:
            return _LayerNorm.apply(x, self.weight, self.bias, self.eps)
        return super().forward(x)
