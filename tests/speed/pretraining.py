"""How many examples a second pre-training reads: 12 x 384, a teacher of 6 x 384, batches of 256.

    python tests/speed/pretraining.py [--steps 200] [--device auto|cpu] [--batch 256] [--examples 20000] [--masked TEXT]

Prints one line for each precision: examples a second after a warm-up, and the largest memory of the GPU. With
``--masked`` the loss is that of masked words in a text file, by the vocabulary of the packaged backbone, without a
teacher. On a GPU the last line is without CUDA graphs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "encoder")]

from encoder_worlds import WORDS, write_model  # noqa: E402

from clbench.encoder.graphs import Graphs  # noqa: E402
from clbench.pretrain.loop import pretrain  # noqa: E402
from clbench.runtime.events import Event, listening  # noqa: E402
from clbench.schema.pretrain import Pretraining  # noqa: E402

# Steps, or half of them where there are fewer.
_WARM_UP = 80


def measure(folder: Path, precision: str, options: argparse.Namespace, graphs: bool = True) -> tuple[float, float]:
    """Examples a second after the warm-up, and a second of it in which the teacher was asked."""
    made = Pretraining.model_validate(
        {
            "name": "speed", "student": {"layers": 12, "width": 384, "heads": 12, "intermediate": 1536},
            "max_length": 96, "min_words": 4,
            "examples": options.examples, "batch_size": options.batch, "steps": options.steps,
            "mixture": {"edited": 0.45, "sharing": 0.35, "unrelated": 0.2},
            "matched": [] if options.masked else [2, 4, 6],
            "weights": {"masked": 1} if options.masked else
            {"hidden": 1, "sentence": 1, "similarity": 1, "comparison": 3, "overlap": 0.5},
            "learning_rate": 1e-3, "precision": precision, "held_out": 64,
            "evaluate_every": options.steps, "checkpoint_every": options.steps,
        }
    )  # fmt: skip
    times: list[float] = []
    warm_up = min(_WARM_UP, options.steps // 2)
    asked: list[float] = []

    def note(event: Event) -> None:
        if event.kind == "advance":
            # A step is over for the CPU before it is over for the GPU.
            if torch.cuda.is_available() and event.done in (warm_up, options.steps):
                torch.cuda.synchronize()
            (times if event.task == "pre-train speed" else asked).append(time.perf_counter())

    with listening(note):
        teacher = None if options.masked else str(folder / "teacher")
        out = folder / f"{precision}-{graphs}"
        text = options.masked or folder / "text.txt"
        tokenizer = "clbench-tiny-12l" if options.masked else None
        pretrain(made, [text], teacher, out, tokenizer=tokenizer, device=options.device)
    steps = options.steps - warm_up
    # The last step also evaluates and writes a checkpoint.
    return (steps - 1) * options.batch / (times[-2] - times[warm_up - 1]), asked[-1] - asked[0] if asked else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--device", choices=["auto", "cpu"], default="auto")
    parser.add_argument("--masked", type=Path, metavar="TEXT")
    options = parser.parse_args()
    card = torch.cuda.get_device_name() if torch.cuda.is_available() and options.device == "auto" else "CPU"
    print(f"{card}, torch {torch.__version__}, transformers {transformers.__version__}, batch {options.batch}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(
            folder / "teacher", num_hidden_layers=6, hidden_size=384, num_attention_heads=12, intermediate_size=1536,
            max_position_embeddings=128,
        )  # fmt: skip
        rng = np.random.default_rng(0)
        lines = (" ".join(rng.choice(WORDS, rng.integers(6, 30))) for _ in range(20_000))
        (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
        ways = [("float32", True), ("bfloat16", True)] + ([("bfloat16", False)] if card != "CPU" else [])
        for precision, graphs in ways:
            if card != "CPU":
                torch.cuda.reset_peak_memory_stats()
            with nullcontext() if graphs else patch.object(Graphs, "_graph", lambda *_: None):
                speed, asked = measure(folder, precision, options, graphs)
            memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if card != "CPU" else ""
            how = precision + ("" if graphs else ", no graphs of the encoder")
            print(f"{how}: {speed:,.0f} examples/s{memory}; the teacher was asked for {asked:.1f} s", flush=True)


if __name__ == "__main__":
    main()
