"""Taking work on a GPU as a CUDA graph, and what keeps a model's code from being taken."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

# On which work is captured, by device.
_STREAMS: dict[int, torch.cuda.Stream] = {}
# Those that torch still has pointers to.
_BROKEN: list[torch.cuda.CUDAGraph] = []

# Takes some work on the device and gives what does it again, and the same memory as other work of the model.
Capture = Callable[[Callable[[], None], Any], Callable[[], None]]


def captured(work: Callable[[], None], pool: Any) -> Callable[[], None]:
    """A CUDA graph of the work, which is not done by that, on the current device.

    Raises:
        RuntimeError: it cannot be captured; stream, generator and allocator are as before.
    """
    place = torch.cuda.current_device()
    # One a device: torch's own stands on the device on which the process captured first.
    stream = _STREAMS.setdefault(place, torch.cuda.Stream(place))
    graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle() if pool is None else pool
    torch.cuda.synchronize(place)
    gc.collect()
    torch.cuda.empty_cache()
    stream.wait_stream(torch.cuda.current_stream(place))
    with torch.cuda.stream(stream):
        graph.capture_begin(pool)
        try:
            work()
            graph.capture_end()
        except BaseException:
            _give_up(graph, place, pool)
            raise
    torch.cuda.current_stream(place).wait_stream(stream)
    return graph.replay


def _give_up(graph: torch.cuda.CUDAGraph, place: int, pool: Any) -> None:
    """End a capture that something has broken, on the current stream."""
    try:
        graph.capture_end()
    except RuntimeError:
        pass
    else:
        return
    # torch has left at the first error. The allocator would go on asking the graph whose memory it gives, and free
    # nothing any more:
    _BROKEN.append(graph)
    for end in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        with suppress(RuntimeError, AttributeError):  # of what was ended before the error; of another torch
            getattr(torch._C, end)(place, pool)
    # And the generator would go on waiting for the end of a capture, in graphs of before as well. Another one ends it.
    generator = torch.cuda.default_generators[place]
    try:
        after = torch.cuda.CUDAGraph()
        after.capture_begin()
        torch.zeros((), device=f"cuda:{place}")
        after.capture_end()
    except RuntimeError:
        generator.graphsafe_set_state(generator.clone_state())


@contextmanager
def capturable(step: nn.Module, device: torch.device) -> Iterator[None]:
    """Within it what a model's code makes of numbers is made on the device: a copy from the host cannot be captured."""
    scripted = [
        (module, name, function)
        for module in {sys.modules[type(part).__module__] for part in step.modules()}
        for name, function in vars(module).items()
        if isinstance(function, torch.jit.ScriptFunction) and hasattr(function, "_torchdynamo_inline")
    ]
    try:
        for module, name, function in scripted:  # they make numbers where nobody sees it
            setattr(module, name, function._torchdynamo_inline)
        with _OnDevice(device):
            yield
    finally:
        for module, name, function in scripted:
            setattr(module, name, function)


class _OnDevice(TorchFunctionMode):
    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and args and isinstance(args[0], int | float) and kwargs.get("device") is not None:
            return torch.full((), args[0], **kwargs)
        if func in (torch.Tensor.to, torch.Tensor.type_as) and args[0].device.type == "cpu" and args[0].ndim == 0:
            # A number that is still on the host, where it may be asked for.
            like = func(torch.empty((), dtype=args[0].dtype, device=self.device), *args[1:], **kwargs)
            return torch.full((), args[0].item(), dtype=like.dtype, device=like.device)
        if func in (torch.arange, torch.zeros, torch.ones, torch.full, torch.empty) and kwargs.get("device") is None:
            kwargs["device"] = self.device
        return func(*args, **kwargs)


def why(error: BaseException) -> str:
    """The first cause, in a line: what ends a capture complains of what broke it."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().rpartition("\n")[2] if "TorchScript" in str(error) else str(error).partition("\n")[0]
