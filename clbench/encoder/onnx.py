"""A classifier as an ONNX file, in float32 or with weights in int8, and what onnxruntime says with it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.encoder.forward import model_inputs
from clbench.encoder.onnx_session import session
from clbench.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.encoder.tokens import TokenStore

OPSET = 18
KINDS = ("onnx", "onnx-int8")


def check_installed(*packages: str) -> None:
    """Raises:
    UserError: one of the packages is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise UserError(f"ONNX needs {package}, which is not installed: pip install 'clbench[onnx]'.")


def write_onnx(hf: PreTrainedModel, path: Path) -> tuple[str, ...]:
    """Write a classifier as ONNX in float32; batch and length are free.

    Args:
        hf: in evaluation mode, on the CPU; its logits are the one output, ``logits`` (batch, C).
        path: the file; more than 2 GB of weights go into another beside it.

    Returns:
        The inputs' names, each int64 (batch, length): ids, mask (1 for a token) and, where the model takes them, token
        types.

    Raises:
        UserError: torch cannot export the architecture.
        OSError: the file cannot be written.
    """
    import torch

    class Logits(torch.nn.Module):
        def __init__(self, names: Sequence[str]) -> None:
            super().__init__()
            self.hf, self.names = hf, names

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.hf(**dict(zip(self.names, given, strict=True))).logits
            return found

    # Neither 0 nor 1 rows or tokens, which torch would take for constants; and a row with padding.
    length = min(9, hf.config.max_position_embeddings)
    ids = torch.full((3, length), min(5, hf.config.vocab_size - 1))
    mask = torch.arange(length) < torch.tensor([[length], [length], [length // 2]])
    inputs = model_inputs(hf, ids, mask, torch.zeros_like(ids))
    free = tuple({0: "batch", 1: "length"} for _ in inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of its own parts
            program = torch.onnx.export(
                Logits(tuple(inputs)), tuple(inputs.values()), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=list(inputs), output_names=["logits"], dynamic_shapes=(free,),
            )  # fmt: skip
            assert program is not None  # that is what dynamo gives
            program.save(str(path))
    except Exception as error:  # torch raises whatever its stages do
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the architecture's
            raise
        kind = hf.config.model_type
        raise UserError(f"torch cannot export the model_type '{kind}' as ONNX ({first_line(error)}).") from error
    return tuple(inputs)


def write_int8(source: Path, path: Path) -> None:
    """Dynamic quantisation by onnxruntime: the weights of matrix products in int8, from -64 to 64, a scale an output
    channel; their inputs in 8 bits while they are computed. Embeddings, LayerNorm and the rest stay in float32.

    With the whole range of int8 the file would say something else where x86 has no VNNI: two products of 8 bits are
    added in 16 there, and what does not fit is cut off.

    Args:
        source: an ONNX file in float32.
        path: the file to be written.
    """
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level, root.level = root.level, logging.ERROR  # it would advise on preparations that change nothing here
    try:
        quantize_dynamic(
            source,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=["MatMul", "Gemm"],
        )
    finally:
        root.level = level


def onnx_logits(path: Path, hf: PreTrainedModel, store: TokenStore, rows: np.ndarray, at_once: int = 32) -> np.ndarray:
    """The logits (N, C) of rows of a token store, in padded batches of like length.

    Args:
        path: the ONNX file.
        hf: says what inputs there are.
        store: with the rows, on the CPU.
        rows: int64 (N,).
        at_once: rows a batch. In int8 the scale of what goes into a product is that of the whole batch, so that an
            answer depends on the others in it: there 1, as on a device.
    """
    running = session(path)
    names = {one.name for one in running.get_inputs()}
    order = np.argsort(store.lengths[rows], kind="stable")
    parts = []
    for begin in range(0, len(rows), at_once):
        given = inputs_of(hf, store, rows[order[begin : begin + at_once]])
        parts.append(running.run(["logits"], {name: value for name, value in given.items() if name in names})[0])
    return np.asarray(np.concatenate(parts)[np.argsort(order)])


def inputs_of(hf: PreTrainedModel, store: TokenStore, rows: np.ndarray) -> Mapping[str, np.ndarray]:
    """What a model of transformers is given of some rows, int64 (B, L) by name, padded to the longest."""
    import torch

    ids, mask, types = store.padded(torch.from_numpy(rows), int(store.lengths[rows].max()))
    return {name: value.numpy() for name, value in model_inputs(hf, ids, mask, types).items()}
