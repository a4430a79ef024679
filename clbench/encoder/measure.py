"""What a compressed model costs: counted from its shapes, timed on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.quantize import quantized_matrices
from clbench.encoder.reference import ReferenceModel
from clbench.metrics.cost import (
    linear_flops,
    pair_flops,
    parameters,
    parameters_without_embeddings,
    safetensors_bytes,
)
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# As safetensors names them.
_DTYPES = {
    torch.int8: "I8", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64",
}  # fmt: skip
# A thread that computes without a pause has the processor nearly all the time; with less than this share of it, others
# took so much that the times are not the model's.
_QUIET = 0.75
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Speed:
    """How fast a model answers, on this machine with the threads that torch has.

    Attributes:
        latency_ms: median time of one forward pass over one example, milliseconds.
        throughput: examples a second, in batches.
        share: 0 to 1, of the time that it took, the part in which the measuring thread had a processor.
    """

    latency_ms: float
    throughput: float
    share: float

    @property
    def is_quiet(self) -> bool:
        """Whether the times are the model's: no other process had the processor for a good part of them."""
        return self.share >= _QUIET

    def fields(self) -> dict[str, float]:
        """The times by name, as the record wants them."""
        return {"latency_ms": self.latency_ms, "throughput": self.throughput}


def busy_warnings(speed: Speed) -> Iterator[RunWarning]:
    """A warning where other processes had the processor for a good part of the measurement."""
    if not speed.is_quiet:
        yield RunWarning(kind="busy_machine", count=max(0, round(100 * speed.share)), total=100)


def measure(model: nn.Module, rows: np.ndarray, batch_size: int = 64, budget: float = 2.0) -> Speed:
    """Time ``model`` on real examples, in evaluation mode; its mode and all weights are left as they were.

    Both times stop when their half of the budget is spent, but never before one pass; so a small model takes ``budget``
    seconds at most, and a large one a handful of passes.

    Args:
        model: with its token store.
        rows: int (N,), examples to time it on, 1 or more; the real lengths count, as no padding is computed.
        batch_size: examples a batch, for throughput.
        budget: seconds.
    """
    if len(rows) == 0:
        raise ValueError("there are no examples to time the model on")
    asked = torch.from_numpy(np.asarray(rows, dtype=np.int64))
    single = [asked[i : i + 1] for i in np.linspace(0, len(asked) - 1, min(30, len(asked))).astype(int)]
    predict(model, asked[:batch_size], batch_size)  # warm-up: allocations, kernels chosen
    had = time.thread_time()
    latencies = _timed(lambda part: predict(model, part), single, budget / 2)
    batches = list(asked.split(batch_size))
    seconds = _timed(lambda part: predict(model, part, batch_size), batches, budget / 2)
    share = min(1.0, (time.thread_time() - had) / (sum(latencies) + sum(seconds)))
    pairs = sum(len(batch) for batch in batches[: len(seconds)])
    return Speed(latency_ms=1000 * median(latencies), throughput=pairs / sum(seconds), share=share)


def cost(model: Classifier | ReferenceModel, length: int, rows: np.ndarray | None = None) -> dict[str, int]:
    """The fields of a record's cost; they depend on the model's shapes alone, a reference's FLOPs on the examples too.

    Args:
        model: the compressed model.
        length: tokens an example, for an encoder's FLOPs; the mean over real examples, or the most that an example may
            have.
        rows: int (N,), the examples that a reference's features are counted on, for its FLOPs; no encoder asks for
            them.
    """
    shapes = parameter_shapes(model)
    if isinstance(model, ReferenceModel):
        depth, flops = 0, _reference_flops(model, rows)
    else:
        depth = model.config.num_hidden_layers
        flops = encoder_flops(model.hf, length)
    return {
        "depth": depth,
        "parameters": parameters(shapes),
        "parameters_without_embeddings": parameters_without_embeddings(shapes),
        "flops_per_pair": flops,
        "flops_length": length,
        "disk_bytes": disk_bytes(model),
    }


def encoder_flops(hf: PreTrainedModel, length: int) -> int:
    """Floating-point operations of one forward pass over one example, matrix products only.

    Of a BERT by formula, see :func:`clbench.metrics.cost.pair_flops`; of any other family torch counts them in one.

    Args:
        hf: the model.
        length: L, tokens of the example, special ones included.
    """
    config = hf.config
    if config.model_type == "bert":
        return pair_flops(
            config.num_hidden_layers, config.hidden_size, config.intermediate_size, length, config.num_labels
        )
    return counted_flops(hf, length)


def counted_flops(hf: PreTrainedModel, length: int) -> int:
    """As :func:`encoder_flops`, counted for whatever family it is."""
    from torch.utils.flop_counter import FlopCounterMode

    config, training = hf.config, hf.training
    # Of fused attention torch knows the products on a GPU alone.
    was, config._attn_implementation = config._attn_implementation, "eager"
    ids = torch.zeros(1, length, dtype=torch.int64, device=hf.device)
    hf.eval()
    try:
        with torch.enable_grad(), FlopCounterMode(display=False) as counter:
            hf(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        config._attn_implementation = was
        hf.train(training)
    return int(counter.get_total_flops())


def _reference_flops(model: ReferenceModel, rows: np.ndarray | None) -> int:
    """At the mean number of features of the examples."""
    if rows is None or len(rows) == 0:
        raise ValueError("a reference's FLOPs are those of real examples, but there are no rows")
    parts = torch.from_numpy(np.asarray(rows, dtype=np.int64)).split(1024)
    active = sum(int(model.features(part)[1].sum()) for part in parts)
    return linear_flops(active / len(rows), len(model.bias))


def _stored(model: Classifier | ReferenceModel) -> nn.Module:
    """What of a model is written to disk."""
    return model if isinstance(model, ReferenceModel) else model.hf


def parameter_shapes(model: Classifier | ReferenceModel) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter by its name on disk, Hugging Face's; one that two modules share is named once."""
    return {name: tuple(parameter.shape) for name, parameter in _stored(model).named_parameters()}


def disk_bytes(model: Classifier | ReferenceModel) -> int:
    """Size of the model's safetensors file as ``save_pretrained`` writes it, counted without writing or copying it.

    A matrix that is evaluated in int8 counts a byte a weight, and a float32 scale an output channel.
    """
    narrow = set() if isinstance(model, ReferenceModel) else quantized_matrices(model)
    state: list[tuple[str, str, list[int]]] = []
    for name, value in _stored(model).state_dict().items():
        state.append((name, "I8" if name in narrow else _DTYPES[value.dtype], list(value.shape)))
        if name in narrow:
            state.append((f"{name}_scale", "F32", [value.shape[0]]))
    return safetensors_bytes(state)


def peak_memory_bytes() -> int | None:
    """The largest resident size that this process has had; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    status = _linux_status()
    if "VmHWM" in status:
        # On Linux getrusage also counts what the parent had before this program was started in its place.
        return int(status["VmHWM"].split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _linux_status() -> dict[str, str]:
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _timed(act: Callable[[torch.Tensor], object], parts: list[torch.Tensor], budget: float) -> list[float]:
    """Seconds of ``act`` on each part, until the budget is spent; one at least."""
    seconds: list[float] = []
    for part in parts:
        begin = time.perf_counter()
        act(part)
        seconds.append(time.perf_counter() - begin)
        if sum(seconds) >= budget:
            break
    return seconds
