"""How fast a model answers on this machine: latency of single examples, memory, size on disk, energy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clbench.errors import UserError, first_line
from clbench.record.provenance import hardware, versions
from clbench.runs.exported import Examples, Loaded, loaded
from clbench.schema.form import shown
from clbench.storage.cache import installed

RUNTIMES = ("torch", "onnxruntime")
# Examples that are timed, evenly from all in the order of their lengths.
_EXAMPLES = 200
# With less than this share of a processor, others took so much that the times are not the model's.
_QUIET = 0.75


@dataclass(frozen=True)
class Times:
    """With one number of threads.

    Attributes:
        threads: that the runtime computed with.
        p50_ms, p95_ms, p99_ms: percentiles of the time that one example takes, warm.
        answers: how many were timed.
        first_ms: the first answer of a process that has just loaded the model.
        load_s, import_s: seconds to load the model, and the runtime before it.
        model_bytes: how much more memory the process holds than before the model was loaded.
        peak_bytes: the most that it held, its runtime included.
        joules: that the machine's processors took for an example, whoever used them; None where it does not tell.
        share: of the time, the part in which the one thread had a processor; None with several.
    """

    threads: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answers: int
    first_ms: float
    load_s: float
    import_s: float
    model_bytes: int
    peak_bytes: int | None
    joules: float | None
    share: float | None


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes:
        folder: the model's.
        runtime: one of :data:`RUNTIMES`.
        stream, edition: whose test examples were asked.
        lengths: tokens of the timed examples: their least, median, 95th percentile and most.
        disk_bytes: of the weights.
        times: a number of threads each.
        machine: as a record has it.
        versions: of Python, clbench, the runtime.
        no_energy: why there is no energy; None where there is.
    """

    folder: Path
    runtime: str
    stream: str
    edition: str
    lengths: Mapping[str, int]
    disk_bytes: int
    times: tuple[Times, ...]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    no_energy: str | None

    @property
    def busy(self) -> bool:
        """Whether other processes took so much of the processor that the times are not the model's."""
        return any(one.share is not None and one.share < _QUIET for one in self.times)


def measure(
    path: Path, runtime: str | None, threads: Sequence[int], examples: Examples, budget: float = 5.0
) -> Measurement:
    """Time a model on single test examples, in a process of its own for each number of threads.

    Args:
        path: a checkpoint's folder, an exported model's, or that of a run that kept its model.
        runtime: one of :data:`RUNTIMES`; None for the one that the folder is for. ``torch`` is transformers' model as
            it comes.
        threads: numbers of threads.
        examples: whose test examples.
        budget: seconds for each number of threads; every example is asked once in any case.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.encoder.onnx_session import FILE

    asked = loaded(path, examples)
    exported = (asked.folder / FILE).is_file()
    runtime = runtime or ("onnxruntime" if exported else "torch")
    weights = _weights(asked.folder, runtime)
    with tempfile.TemporaryDirectory() as place:
        lengths = _write_examples(asked, exported, Path(place) / "examples.npz")
        content = {"runtime": runtime, "folder": str(asked.folder.resolve()), "budget": budget,
                   "examples": str(Path(place) / "examples.npz")}  # fmt: skip
        found = [_timed(content, count, Path(place)) for count in threads]
    used = versions() | {name: installed(name) for name in ("onnxruntime",) if runtime == name}
    return Measurement(
        asked.folder, runtime, asked.stream.form.name, asked.edition, lengths,
        sum(file.stat().st_size for file in weights), tuple(times for times, _ in found),
        hardware().model_dump(exclude_none=True), used, next((why for _, why in found if why), None),
    )  # fmt: skip


def _weights(folder: Path, runtime: str) -> list[Path]:
    """The files with the weights that a runtime reads."""
    from clbench.encoder.onnx import check_installed
    from clbench.encoder.onnx_session import FILE

    if runtime == "onnxruntime":
        check_installed("onnxruntime")
        found = sorted(folder.glob(f"{FILE}*"))
        if not found:
            raise UserError(f"{folder} has no {FILE}; write one with clbench export {folder} --to onnx --out FOLDER.")
        return found
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} has no model.safetensors, which torch reads; give the checkpoint's folder.")
    from clbench.encoder.backbone import open_backbone

    open_backbone(str(folder))  # checked before transformers reads it
    return [folder / "model.safetensors"]


def _write_examples(asked: Loaded, exported: bool, path: Path) -> dict[str, int]:
    """The timed examples as token ids, one after another, by the names that the model takes; their lengths in short."""
    import torch

    store, rows = asked.tests(_tokenizer(asked.folder, exported))
    every = np.concatenate(list(rows.values()))
    by_length = every[np.argsort(store.lengths[every], kind="stable")]
    kept = by_length[np.linspace(0, len(by_length) - 1, min(_EXAMPLES, len(by_length))).astype(int)]
    # In an order in which no length comes twice in a row for long.
    kept = np.random.default_rng(0).permutation(kept)
    names = _input_names(asked.folder, exported)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for row in kept:
        ids, mask, types = store.padded(torch.tensor([row]), int(store.lengths[row]))
        given = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": types}
        for name in names:
            parts[name].append(given[name][0].numpy())
    lengths = store.lengths[kept]
    arrays: dict[str, Any] = {name: np.concatenate(found) for name, found in parts.items()}
    np.savez(path, lengths=lengths, **arrays)
    quantiles = {"least": 0.0, "median": 0.5, "p95": 0.95, "most": 1.0}
    return {name: int(np.quantile(lengths, share, method="nearest")) for name, share in quantiles.items()}


def _tokenizer(folder: Path, exported: bool) -> Any:
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.hf_folder import read_json
    from clbench.encoder.tokenizer import read_tokenizer

    if not exported:
        return open_backbone(str(folder)).tokenizer()
    size = read_json(folder / "config.json", str(folder)).get("vocab_size")
    if not isinstance(size, int):
        raise UserError(f"{folder}: config.json: 'vocab_size' should be a number of tokens, but is {shown(size)}.")
    return read_tokenizer(folder, size, str(folder))


def _input_names(folder: Path, exported: bool) -> tuple[str, ...]:
    """What the model takes."""
    if exported:
        from clbench.encoder.hf_folder import read_json
        from clbench.runs.exported import ABOUT

        return tuple(map(str, read_json(folder / ABOUT, str(folder))["inputs"]))
    import torch

    from clbench.encoder.architecture import read_config
    from clbench.encoder.forward import model_inputs
    from clbench.runtime import torchvision_ops

    torchvision_ops.define()
    from transformers import AutoModelForSequenceClassification

    config = read_config(folder, str(folder))
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    row = torch.ones(1, 2, dtype=torch.int64)
    return tuple(model_inputs(model, row, row.bool(), row))


def _timed(content: Mapping[str, Any], threads: int, place: Path) -> tuple[Times, str | None]:
    """What a process of its own measures; and why it knows no energy."""
    path = place / f"asked-{threads}.json"
    path.write_text(json.dumps({**content, "threads": threads}), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-m", "clbench.encoder.timing", str(path)], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{content['folder']} could not be timed ({first_line(ValueError(told[-1]))}).")
    said = json.loads(done.stdout.splitlines()[-1])
    latencies = said["latencies_ms"]
    p50, p95, p99 = (float(np.percentile(latencies, share)) for share in (50, 95, 99))
    joules = None if said["joules"] is None else said["joules"] / len(latencies)
    times = Times(
        threads, p50, p95, p99, len(latencies), said["first_ms"], said["load_s"], said["import_s"],
        max(0, said["rss_after"] - said["rss_before"]), said["peak_bytes"], joules, said["share"],
    )  # fmt: skip
    return times, said["no_energy"]
