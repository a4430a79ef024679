"""onnxruntime's session on a file of :mod:`clbench.encoder.onnx`; no torch is imported for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILE = "model.onnx"


def session(path: Path, threads: int = 0) -> Any:
    """A session on the CPU.

    Args:
        threads: that it computes with; 0 for as many as there are cores.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
