"""Importances from the gradients of single examples, at the cost of about a batch's: the diagonal of the Fisher
information, and how sensitive a model's logits are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clbench.encoder.classifier import Classifier, full_precision
from clbench.encoder.graphs import begin_step
from clbench.encoder.head import told_apart
from clbench.encoder.layer_norm import ExactLayerNorm
from clbench.encoder.reference import ReferenceModel
from clbench.encoder.tokens import on_host

# Examples that go through the model at once, on a CPU and elsewhere.
_BATCH, _BATCH_ON_A_GPU = 32, 128
# A CPU multiplies small matrices best in batches; larger ones one after the other, so that none leaves its cache.
_SMALL = 2**15
Sums = dict[str, Tensor]


@dataclass(frozen=True)
class Measure:
    """What is summed up over the examples.

    Attributes:
        loss: from logits (B, C) and labels (B,) to the sum over examples of what the gradient is taken of.
        squared: the gradients' squares, or else their magnitudes.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    squared: bool

    def of(self, gradients: Tensor) -> Tensor:
        """The same shape."""
        gradients = full_precision(gradients)
        return gradients.square() if self.squared else gradients.abs()

    def add(self, sums: Tensor, gradient: Tensor) -> None:
        """Add that of one example."""
        gradient = full_precision(gradient)
        if self.squared:
            sums.addcmul_(gradient, gradient)
        else:
            sums.add_(gradient.abs())


# (module, its inputs, gradient of its output, examples B, sums, measure): adds to the sums, by the parameter's name in
# the module, the measure of its gradient for each example.
Rule = Callable[[Any, tuple[Any, ...], Tensor, int, Sums, Measure], None]


def _log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, reduction="sum")


def _squared_norm(logits: Tensor, labels: Tensor) -> Tensor:
    raw, known = told_apart(logits)
    return (raw * known).square().sum()


def fisher_diagonal(model: nn.Module, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """F_i = 1/N sum_n (d log p(y_n | x_n) / d w_i)^2, the empirical Fisher information's diagonal.

    It is the mean of *single examples'* squared gradients (Kirkpatrick et al. 2017, arXiv:1612.00796, section 2; at the
    data's labels), so neither the order of the examples nor a batch size has a part in it. The squared gradient of a
    batch's mean loss is another quantity: the examples' gradients cancel in the mean before they are squared.
    See :func:`_of_single_pairs` for how, and for the arguments.
    """
    return _of_single_pairs(model, rows, labels, Measure(_log_likelihood, squared=True))


def output_sensitivity(model: nn.Module, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Omega_i = 1/N sum_n |d ||z(x_n)||^2 / d w_i|, how sensitive the logits z are to each weight.

    The importance of Memory Aware Synapses (Aljundi et al. 2018, arXiv:1711.09601, equations 2 and 4): the mean of
    single examples' gradients' magnitudes; z are the logits of the classes that are open for an example. The labels say
    nothing and are not read. See :func:`_of_single_pairs`.
    """
    return _of_single_pairs(model, rows, labels, Measure(_squared_norm, squared=False))


def _of_single_pairs(model: nn.Module, rows: Tensor, labels: Tensor, measure: Measure) -> dict[str, Tensor]:
    """The mean over examples of a measure of single examples' gradients.

    Examples of equal length go through the model together. Backpropagation gives the gradient of every module's output,
    for each example, and with the module's input that is the gradient of its weights: of a linear layer sum_t delta_t
    x_t' over the example's tokens t, one batched product. A model with parameters that are not understood this way (see
    :data:`RULES`; or shared by two modules, or in a module that is called twice) is asked example by example.

    Args:
        model: ``forward(rows (B,)) -> logits (B, C)``; where it has a ``store``, examples of one length lie one after
            another in its activations. It is asked in evaluation mode; mode, gradients and weights are left as they
            were.
        rows: int64 (N,), N >= 1.
        labels: int64 (N,), 0 to C - 1.

    Returns:
        A tensor of the parameter's shape for each parameter that is trained, by its name.
    """
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    device = next(model.parameters()).device
    owners = _owners(model, sums)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        if owners is not None and not getattr(getattr(model, "family", None), "written_out", True):
            owners = owners if _agrees(model, sums, rows, labels.to(device), measure) else None
        for batch in _equal_lengths(model, rows):
            asked = rows[batch], labels[batch].to(device)
            if owners is None:
                _pair_by_pair(model, sums, *asked, measure)
            else:
                _as_fits(model, owners, sums, *asked, measure)
    finally:
        for module, mode in modes:
            module.training = mode
    return {name: value / len(rows) for name, value in sums.items()}


def _agrees(model: nn.Module, sums: Sums, rows: Tensor, labels: Tensor, measure: Measure) -> bool:
    """Whether two examples of one length give the same together as each by itself.

    A module of transformers may read something else than tokens, as the relative positions of MPNet's are; the rules
    would take these for tokens.
    """
    batch = max(_equal_lengths(model, rows), key=len)[:2]
    asked = rows[batch], labels[batch]
    one, other = ({name: torch.zeros_like(value) for name, value in sums.items()} for _ in range(2))
    owners = _owners(model, one)
    if owners is None or not _together(model, owners, *asked, measure):
        return False
    _pair_by_pair(model, other, *asked, measure)
    # Of some gradients, such as those of keys' biases, nothing but rounding is there.
    rounding = 1e-11 * max(float(value.max()) for value in other.values())
    store: Any = getattr(model, "store", None)
    # One way packs tokens and the other pads them, as on a GPU: in bfloat16 that moves a square by some percent.
    near, least = (1e-3, 1e-4) if store is None or store.device.precision == "float32" else (0.1, 0.02)
    return all(
        torch.allclose(one[name], value, rtol=near, atol=least * float(value.max()) + rounding)
        for name, value in other.items()
    )


def _equal_lengths(model: nn.Module, rows: Tensor) -> Iterator[Tensor]:
    """Places in 0..N-1, some at a time, whose examples have the same number of tokens."""
    store = getattr(model, "store", None)
    lengths = np.zeros(len(rows), dtype=np.int64) if store is None else store.lengths[on_host(rows)]
    order = np.argsort(lengths, kind="stable")
    size = _BATCH if next(model.parameters()).device.type == "cpu" else _BATCH_ON_A_GPU
    for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        yield from torch.from_numpy(group).split(size)


def _owners(model: nn.Module, sums: Sums) -> dict[nn.Module, Sums] | None:
    """The modules with parameters that are trained, each with its sums by its own names of them.

    None where one of them has no rule, or two share a parameter.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    owners: dict[nn.Module, Sums] = {}
    seen: set[int] = set()
    for module in model.modules():
        own = {own: p for own, p in module.named_parameters(recurse=False) if names[id(p)] in sums}
        if own and (type(module) not in RULES or any(id(p) in seen for p in own.values())):
            return None
        if own:
            owners[module] = {own: sums[names[id(p)]] for own, p in own.items()}
            seen |= {id(p) for p in own.values()}
    return owners


def _as_fits(
    model: nn.Module, owners: dict[nn.Module, Sums], sums: Sums, rows: Tensor, labels: Tensor, measure: Measure
) -> None:
    """Add the measure of some examples of one length, as many together as the model computes at once.

    More would go through it in parts, and so through every module twice. Where it finds how many fit, memory may end in
    the backward pass as well, with a part of the sums added; they are put back.
    """
    parts = model.parts if isinstance(model, Classifier) else None
    begin, before = 0, Sums()
    while begin < len(rows):
        size = len(rows) - begin if parts is None or parts.size is None else min(len(rows) - begin, parts.size)
        asked = rows[begin : begin + size], labels[begin : begin + size]
        before.clear()
        if parts is not None and parts.halves:
            before |= {name: value.clone() for name, value in sums.items()}
        ended = False
        try:
            done = _together(model, owners, *asked, measure)
        except torch.OutOfMemoryError:
            if parts is None or not parts.halve(size):
                raise
            ended = True
        if ended:  # the exception is gone, and with it what its frames held
            for name, value in before.items():
                sums[name].copy_(value)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        elif done or parts is None or parts.whole(size):
            if not done:
                _pair_by_pair(model, sums, *asked, measure)
            begin += size


def _together(model: nn.Module, owners: dict[nn.Module, Sums], rows: Tensor, labels: Tensor, measure: Measure) -> bool:
    """Add the measure of some examples of one length.

    Returns:
        False, and nothing is added, where a module is called twice (the two parts of an example's gradient would have
        to be added before they are squared) or not at all (its parameters are then used in another way).
    """
    called: list[nn.Module] = []

    def watch(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        called.append(module)
        # Nothing before it is trained: the graph begins here.
        output = output if output.requires_grad else output.detach().requires_grad_()
        output.register_hook(
            lambda delta: RULES[type(module)](module, inputs, delta, len(rows), owners[module], measure)
        )
        return output

    hooks = [module.register_forward_hook(watch) for module in owners]
    try:
        # Weights need no gradient of their own, which saves that half of the backward pass.
        with torch.enable_grad(), _frozen(model):
            loss = measure.loss(model(rows), labels)
            if len(called) != len(owners) or set(called) != set(owners):
                return False
            loss.backward()
    finally:
        for hook in hooks:
            hook.remove()
    return True


def _pair_by_pair(model: nn.Module, sums: Sums, rows: Tensor, labels: Tensor, measure: Measure) -> None:
    """The same for any model, at the cost of a backward pass an example."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    ask = model.replayed if isinstance(model, Classifier) else model
    kept = {name: p.grad for name, p in trained.items()}
    try:
        for row, label in zip(rows.split(1), labels.split(1), strict=True):
            for parameter in trained.values():
                parameter.grad = None
            begin_step(model)
            with torch.enable_grad():
                measure.loss(ask(row), label).backward()
            found = {name: p.grad for name, p in trained.items() if p.grad is not None}
            if measure.squared:
                torch._foreach_addcmul_([sums[name] for name in found], list(found.values()), list(found.values()))
            else:
                torch._foreach_add_([sums[name] for name in found], torch._foreach_abs(list(found.values())))
    finally:
        for name, parameter in trained.items():
            parameter.grad = kept[name]


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _linear(
    module: nn.Linear, inputs: tuple[Any, ...], delta: Tensor, pairs: int, sums: Sums, measure: Measure
) -> None:
    """y_t = W x_t + b: for each example sum_t delta_t x_t' and sum_t delta_t, multiplied in delta's precision."""
    x = inputs[0].detach().reshape(pairs, -1, module.in_features).to(delta.dtype)
    d = delta.reshape(pairs, -1, module.out_features)
    if "bias" in sums:
        sums["bias"] += measure.of(d.sum(1)).sum(0)
    if "weight" not in sums:
        return
    if d.device.type == "cpu" and module.weight.numel() > _SMALL:
        gradient = torch.empty_like(module.weight, dtype=d.dtype)
        for one, other in zip(d, x, strict=True):
            torch.mm(one.t(), other, out=gradient)
            measure.add(sums["weight"], gradient)
    else:
        sums["weight"] += measure.of(torch.bmm(d.transpose(1, 2), x)).sum(0)


def _layer_norm(
    module: nn.LayerNorm, inputs: tuple[Any, ...], delta: Tensor, pairs: int, sums: Sums, measure: Measure
) -> None:
    """y_t = gamma xhat_t + beta: for each example sum_t delta_t xhat_t and sum_t delta_t."""
    shape = module.normalized_shape
    xhat = F.layer_norm(full_precision(inputs[0].detach()), shape, None, None, module.eps).reshape(pairs, -1, *shape)
    d = full_precision(delta.reshape(pairs, -1, *shape))
    for name, gradients in (("weight", d * xhat), ("bias", d)):
        if name in sums:
            sums[name] += measure.of(gradients.sum(1)).sum(0)


def _embedding(
    module: nn.Embedding, inputs: tuple[Any, ...], delta: Tensor, pairs: int, sums: Sums, measure: Measure
) -> None:
    """y_t = E[id_t]: for each example and id the sum of delta_t over the tokens with this id."""
    ids = inputs[0].reshape(pairs, -1)
    owners = torch.arange(pairs, device=ids.device)[:, None].expand_as(ids)
    _add_to_table(module, ids.flatten(), owners.flatten(), delta.reshape(-1, module.embedding_dim), sums, measure)


def _embedding_bag(
    module: nn.EmbeddingBag, inputs: tuple[Any, ...], delta: Tensor, pairs: int, sums: Sums, measure: Measure
) -> None:
    """y = sum or mean of E[id] over an example's ids: delta, shared out to them."""
    ids, offsets = inputs[0], inputs[1] if len(inputs) > 1 else None
    if offsets is None:
        counts = torch.full((pairs,), ids.shape[1], device=ids.device)
    else:
        counts = torch.diff(offsets, append=offsets.new_tensor([len(ids)]))
    owners = torch.repeat_interleave(torch.arange(pairs, device=ids.device), counts)
    each = delta if module.mode == "sum" else delta / counts.clamp(min=1)[:, None]
    _add_to_table(module, ids.flatten(), owners, each[owners], sums, measure)


def _add_to_table(
    module: nn.Embedding | nn.EmbeddingBag, ids: Tensor, owners: Tensor, delta: Tensor, sums: Sums, measure: Measure
) -> None:
    """``delta`` (N, H), added up over the same example's (owner's) same id, measured, and added to the id's row."""
    if module.padding_idx is not None:  # its row is never trained
        kept = ids != module.padding_idx
        ids, owners, delta = ids[kept], owners[kept], delta[kept]
    keys, place = torch.unique(owners * module.num_embeddings + ids, return_inverse=True)
    delta = full_precision(delta)
    gradients = delta.new_zeros(len(keys), delta.shape[1]).index_add_(0, place, delta)
    sums["weight"].index_add_(0, keys % module.num_embeddings, measure.of(gradients))


def _added_bias(
    module: ReferenceModel, inputs: tuple[Any, ...], delta: Tensor, pairs: int, sums: Sums, measure: Measure
) -> None:
    """z = .. + b."""
    sums["bias"] += measure.of(delta).sum(0)


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
    ExactLayerNorm: _layer_norm,
    nn.Embedding: _embedding,
    nn.EmbeddingBag: _embedding_bag,
    ReferenceModel: _added_bias,
}
