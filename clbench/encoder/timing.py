"""Times one model in a process that does nothing else: ``python -m clbench.encoder.timing ASKED.json``.

A process for each number of threads: what a runtime has allocated and warmed for one does not help another. It imports
the runtime that is measured and no other, so that its memory is the model's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Examples that are asked before those that are timed.
_WARM_UP = 10
# Where Linux tells the energy that a processor has taken (RAPL), in microjoules.
POWER = Path("/sys/class/powercap")

Ask = Callable[[Mapping[str, np.ndarray]], Any]


def time_model(
    runtime: str, folder: Path, threads: int, examples: Sequence[Mapping[str, np.ndarray]], budget: float
) -> dict[str, Any]:
    """Load a model, ask it each example by itself, and say how long everything took.

    Args:
        runtime: ``torch`` or ``onnxruntime``.
        folder: the checkpoint's, or the exported model's.
        threads: that the runtime computes with.
        examples: of each the inputs by name, int64 (1, L).
        budget: seconds after which no further round over the examples begins; one is made in any case.

    Returns:
        ``import_s``, ``load_s``, ``first_ms`` (the first answer, cold), ``latencies_ms`` of every answer after the
        warm-up, ``rss_before`` (bytes, before the model was loaded), ``rss_after``, ``peak_bytes``, ``share`` (of the
        time that it took, the part in which one thread's worth of processor was had, 0 to 1; one thread alone) and
        ``joules`` over the timed answers, None with ``no_energy`` that says why.
    """
    began = time.perf_counter()
    load = _LOADERS[runtime](threads, folder)
    imported = time.perf_counter()
    before = _rss()
    loading = time.perf_counter()
    ask = load()
    loaded = time.perf_counter()
    ask(examples[0])
    first = time.perf_counter() - loaded
    for example in _spread(examples, _WARM_UP):
        ask(example)
    latencies: list[float] = []
    power, had, until = Energy(), time.process_time(), time.perf_counter() + budget
    start = time.perf_counter()
    while not latencies or time.perf_counter() < until:
        for example in examples:
            begin = time.perf_counter()
            ask(example)
            latencies.append(time.perf_counter() - begin)
    took, used = time.perf_counter() - start, time.process_time() - had
    joules = power.joules()
    return {
        "threads": threads, "import_s": imported - began, "load_s": loaded - loading, "first_ms": 1000 * first,
        "latencies_ms": [1000 * one for one in latencies], "rss_before": before, "rss_after": _rss(),
        "peak_bytes": _peak(), "share": min(1.0, used / took) if threads == 1 else None, "joules": joules,
        "no_energy": power.reason,
    }  # fmt: skip


def _spread(examples: Sequence[Mapping[str, np.ndarray]], count: int) -> list[Mapping[str, np.ndarray]]:
    """Some of them, evenly."""
    return [examples[i] for i in np.linspace(0, len(examples) - 1, min(count, len(examples))).astype(int)]


def _torch(threads: int, folder: Path) -> Callable[[], Ask]:
    import torch

    from clbench.runtime import torchvision_ops

    torchvision_ops.define()
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    # transformers imports an architecture when it makes the first model of it, which is no part of loading this one.
    with torch.device("meta"):
        AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder, **given))

    def load() -> Ask:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **given
        ).eval()

        def ask(inputs: Mapping[str, np.ndarray]) -> Any:
            with torch.inference_mode():
                return model(**{name: torch.from_numpy(value) for name, value in inputs.items()}).logits.numpy()

        return ask

    return load


def _onnxruntime(threads: int, folder: Path) -> Callable[[], Ask]:
    import onnxruntime  # noqa: F401  # its import is timed apart from the model's loading

    from clbench.encoder.onnx_session import FILE, session

    def load() -> Ask:
        running = session(folder / FILE, threads)
        names = {one.name for one in running.get_inputs()}

        def ask(inputs: Mapping[str, np.ndarray]) -> Any:
            return running.run(["logits"], {name: value for name, value in inputs.items() if name in names})[0]

        return ask

    return load


_LOADERS = {"torch": _torch, "onnxruntime": _onnxruntime}


class Energy:
    """The energy that all processors of the machine take from here on, whoever uses them.

    Attributes:
        reason: why it is not known; None where it is.
    """

    def __init__(self, place: Path = POWER) -> None:
        self.reason: str | None = None
        # Packages alone: what lies beneath one is part of it.
        self.zones = sorted(zone for zone in place.glob("*-rapl:*") if zone.name.count(":") == 1)
        self.before = self._read()

    def joules(self) -> float | None:
        """Since it was made; None where that is not known."""
        after = self._read()
        if self.before is None or after is None:
            return None
        spans = [self._number(zone, "max_energy_range_uj") for zone in self.zones]
        # A counter that has come to its end begins again.
        taken = [(b - a) % span for a, b, span in zip(self.before, after, spans, strict=True)]
        return sum(taken) / 1e6

    def _read(self) -> list[int] | None:
        if not self.zones:
            self.reason = "the machine tells no energy (no RAPL under /sys/class/powercap)"
            return None
        try:
            return [self._number(zone, "energy_uj") for zone in self.zones]
        except (OSError, ValueError) as error:
            self.reason = f"RAPL cannot be read ({type(error).__name__}); it is root's on most machines"
            return None

    @staticmethod
    def _number(zone: Path, name: str) -> int:
        return int((zone / name).read_text())


def _rss() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _peak() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage also counts what the parent had.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return most if sys.platform == "darwin" else most * 1024


def main(path: str) -> None:
    """Read what is asked from a JSON file, and print the times as JSON."""
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    with np.load(asked["examples"]) as found:
        arrays = {name: found[name] for name in found.files}
    lengths = arrays.pop("lengths")
    ends = np.cumsum(lengths)
    examples = [
        {name: values[None, end - length : end] for name, values in arrays.items()}
        for length, end in zip(lengths, ends, strict=True)
    ]
    print(json.dumps(time_model(asked["runtime"], Path(asked["folder"]), asked["threads"], examples, asked["budget"])))


if __name__ == "__main__":
    main(sys.argv[1])
