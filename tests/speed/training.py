"""Training speed, side by side on the same real examples, model and batch size: examples a second, and ratios.

    python tests/speed/training.py --data-dir FOLDER [--strategies naive,replay,...] [--json]
    python tests/speed/training.py --data-dir FOLDER --device cuda --width 768 --pairs 8192 --strategies naive,replay

Ways to fine-tune one BERT (12 layers x 128 unless said) on MNLI and SNLI pairs, and to ask it:

- avalanche: as Avalanche's users feed it: every example padded to 128, dicts of tensors through an AvalancheDataset;
- usual: a loop as in transformers' example scripts: every example padded to 128, in the device's precision;
- buckets (on a CPU): a bare torch loop over batches of like length, padded to the batch, with torch's own dropout;
- clbench: its encoder under a strategy of clbench; every strategy with ``--strategies``;
- pkd (on a GPU): a student of all layers against a teacher's states, which are there.

For lwf and si the loop that is compared asks an old model, or follows the path, as well. Of replay, ewc and a-gem the
gradients taken are counted, and the loop that is compared takes nothing but as many.

Asking: transformers' model over sorted batches of 128, padded to the batch, against clbench's evaluation.

The ways take turns, several rounds of them, and the median is printed: the machine's mood then falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench.runtime import torchvision_ops

torchvision_ops.define()
warnings.simplefilter("ignore")

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

from clbench.compression.distillation import Targets, distill_loss  # noqa: E402
from clbench.compression.steps.distill import Distill  # noqa: E402
from clbench.compression.task import Task, fit  # noqa: E402
from clbench.continual import Experience, avalanche  # noqa: E402
from clbench.continual.benchmark import benchmark  # noqa: E402
from clbench.continual.learner import build  # noqa: E402
from clbench.continual.training import TrainingPlugin  # noqa: E402
from clbench.data.load import load  # noqa: E402
from clbench.encoder.backbone import open_backbone  # noqa: E402
from clbench.encoder.classifier import Classifier  # noqa: E402
from clbench.encoder.tokens import TokenStore, pack  # noqa: E402
from clbench.runs.inception import Tokens, evaluator  # noqa: E402
from clbench.runtime.device import CPU, choose  # noqa: E402
from clbench.schema.strategy import override, read_strategy  # noqa: E402
from clbench.schema.stream import read_stream  # noqa: E402

BATCH, PADDED = 32, 128
# Set by the command line.
DEVICE, LAYERS, WIDTH = CPU, 12, 128
# The methods that add work to every step; their bare loops do the same work.
BY_HAND = ("lwf", "si")
# One way of training: given nothing, it trains on all examples once and says how many seconds its steps took.
Way = Callable[[], float]


class Timer(avalanche.SupervisedPlugin):
    """Seconds from the first step to the last, without what Avalanche does before and after an experience."""

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        self.begin = now()

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        self.seconds = now() - self.begin


def now() -> float:
    """The time, once the device has done all that it was told."""
    if DEVICE.kind == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def fresh() -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=max(1, WIDTH // (64 if WIDTH > 256 else 32)),
        intermediate_size=4 * WIDTH, num_labels=2,
    )  # fmt: skip
    return BertForSequenceClassification(config).train().to(DEVICE.torch)


def padded(store: TokenStore, rows: np.ndarray, length: int) -> dict[str, Tensor]:
    """The rows as Hugging Face's tokenizers give them: (B, length) each."""
    lengths = store.lengths[rows]
    place = np.arange(length)
    mask = place < lengths[:, None]
    at = np.minimum(store.offsets[rows][:, None] + place, len(store.ids) - 1)
    return {
        "input_ids": torch.where(torch.from_numpy(mask), store.ids[torch.from_numpy(at)], 0),
        "token_type_ids": torch.from_numpy(((place >= store.seconds[rows][:, None]) & mask).astype(np.int64)),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
    }


class Dicts(torch.utils.data.Dataset[Any]):
    """(dict of tensors (128,), label) an example, and what an AvalancheDataset wants to know of it."""

    def __init__(self, store: TokenStore, rows: np.ndarray, labels: np.ndarray) -> None:
        self.tokens, self.targets = padded(store, rows, PADDED), labels.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: int) -> tuple[dict[str, Tensor], int]:
        return {name: value[place] for name, value in self.tokens.items()}, self.targets[place]


class OfDicts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hf = fresh()

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        return self.hf(**tokens).logits


class NaiveOfDicts(avalanche.Naive):
    """Avalanche's Naive moves tensors to the device, and knows no dicts."""

    def _unpack_minibatch(self) -> None:
        tokens, *rest = self.mbatch
        self.mbatch = [{name: value.to(self.device) for name, value in tokens.items()}]
        self.mbatch += [part.to(self.device) for part in rest]


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """The usual script's."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)


def as_users_do(store: TokenStore, rows: np.ndarray, labels: np.ndarray) -> Way:
    model, timer = OfDicts(), Timer()
    data = avalanche.TaskAwareSupervisedClassificationDataset(
        [Dicts(store, rows, labels)],
        data_attributes=[
            avalanche.DataAttribute(labels.tolist(), "targets"),
            avalanche.TaskLabels(avalanche.ConstantSequence(0, len(labels))),
        ],
    )
    stream = avalanche.benchmark_from_datasets(train=[data]).train_stream

    def train() -> float:
        strategy = NaiveOfDicts(
            model=model.to(DEVICE.torch), optimizer=adamw(model),
            criterion=nn.CrossEntropyLoss(), train_mb_size=BATCH, train_epochs=1, device=DEVICE.torch,
            plugins=[timer], evaluator=None,
        )  # fmt: skip
        strategy.train(stream[0], eval_streams=[])
        return timer.seconds

    return train


def bare(store: TokenStore, rows: np.ndarray, labels: np.ndarray, method: str = "naive", usual: bool = False) -> Way:
    """A bare loop, ``usual`` with all examples padded to 128, else to the batch's longest.

    With ``method`` lwf or si it does by hand what that method adds to every step.
    """
    model, old = fresh(), fresh().eval()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    importance, way = ({name: torch.zeros_like(p) for name, p in start.items()} for _ in range(2))
    step = adamw(model)

    def batches() -> Iterator[np.ndarray]:
        """As transformers' trainer groups by length: shuffled, sorted within 50 batches, batches shuffled."""
        drawn = []
        for part in np.array_split(np.random.permutation(len(rows)), max(1, len(rows) // (50 * BATCH))):
            ordered = part[np.argsort(store.lengths[rows[part]], kind="stable")]
            drawn += np.array_split(ordered, max(1, round(len(ordered) / BATCH)))
        for place in np.random.permutation(len(drawn)):
            yield drawn[place]

    def train() -> float:
        begin = now()
        for places in batches():
            longest = PADDED if usual else int(store.lengths[rows[places]].max())
            tokens = {name: part.to(DEVICE.torch) for name, part in padded(store, rows[places], longest).items()}
            step.zero_grad()
            with DEVICE.autocast():
                logits = model(**tokens).logits
            loss = nn.functional.cross_entropy(logits.float(), torch.from_numpy(labels[places]).to(DEVICE.torch))
            if method == "lwf":
                with torch.no_grad(), DEVICE.autocast():
                    said = old(**tokens).logits
                goal = (said.float() / 2).log_softmax(-1)
                loss = loss + nn.functional.kl_div((logits.float() / 2).log_softmax(-1), goal, log_target=True)
            if method == "si":
                named = model.named_parameters()
                loss = loss + sum((importance[name] * (p - start[name]).square()).sum() for name, p in named)
                before = {name: p.detach().clone() for name, p in model.named_parameters()}
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            step.step()
            if method == "si":
                for name, p in model.named_parameters():
                    way[name] += p.grad * (p.detach() - before[name])
        return now() - begin

    return train


def asked_padded(store: TokenStore, rows: np.ndarray) -> Way:
    """transformers' model over sorted batches of 128, each padded to its longest example."""
    model, order = fresh().eval(), np.argsort(store.lengths[rows], kind="stable")

    def ask() -> float:
        begin = now()
        with torch.inference_mode(), DEVICE.autocast():
            for part in np.array_split(rows[order], max(1, len(rows) // 128)):
                tokens = padded(store, part, int(store.lengths[part].max()))
                model(**{name: value.to(DEVICE.torch) for name, value in tokens.items()}).logits.argmax(-1).cpu()
        return now() - begin

    return ask


def asked_clbench(store: TokenStore, rows: np.ndarray) -> Way:
    """As a run asks its model for every test example."""
    model, tokens = Classifier(fresh()).with_tokens(store), Tokens(store, {("pairs", "test"): rows})
    evaluate = evaluator(tokens)

    def ask() -> float:
        begin = now()
        evaluate(model)
        return now() - begin

    return ask


def with_clbench(name: str, store: TokenStore, rows: np.ndarray, labels: np.ndarray) -> tuple[Way, float]:
    """The way, and the examples whose gradient it takes for each new one.

    2 for replay, whose batches are half memory, and 3 for A-GEM, which holds a step of 32 against 64 remembered ones.
    """
    # A small experience comes first, so that every strategy has something to remember.
    parts = [(rows[:64], labels[:64]), (rows[64:], labels[64:])]
    experiences = [Experience(str(n), r, y, r[:2], y[:2]) for n, (r, y) in enumerate(parts)]
    stream = benchmark(experiences).train_stream
    form = override(
        read_strategy(name), {"training.learning_rate": "0.0001", "training.epochs": "1", "training.select": "last"}
    )
    model = Classifier(fresh()).with_tokens(store)
    seen: list[int] = []
    quiet = TrainingPlugin(form.training, experiences[:1], lambda *_: None)
    first = build(form, model, quiet, stream[:0], {}, epochs=0)
    first.train(stream[0], eval_streams=[])
    state = form.state(first)

    def train() -> float:
        timer = Timer()
        watch = TrainingPlugin(form.training, experiences[:1], lambda step, steps, count: seen.append(count))
        watch.judge = lambda model: {"0": 0.0}  # type: ignore[method-assign]  # choosing an epoch is no training
        strategy = build(form, model, watch, stream[:1], state, epochs=1)
        strategy.plugins.append(timer)  # the first is asked by others, such as si's
        strategy.train(stream[1], eval_streams=[])
        return timer.seconds

    train()
    held = getattr(form, "sample_size", 0)
    return train, (sum(seen) + held * len(seen)) / (len(rows) - 64)


def with_pkd(store: TokenStore, rows: np.ndarray, labels: np.ndarray) -> Way:
    """Patient distillation of every layer but the last, as a recipe's step."""
    model = Classifier(fresh()).with_tokens(store)
    form = read_strategy("naive").training.model_copy(
        update={"learning_rate": 1e-4, "epochs": 1, "select": "last", "batch_size": BATCH}
    )
    step = Distill.model_validate(
        {"step": "distill", "teacher": "any", "alpha": 0.5, "temperature": 2, "beta": 1.0,
         "layer_map": list(range(1, LAYERS)), "training": form.model_dump()}
    )  # fmt: skip
    draw = np.random.default_rng(0)
    states = draw.standard_normal((len(rows), LAYERS - 1, WIDTH), np.float32) / WIDTH**0.5
    taught = Targets(
        draw.standard_normal((len(rows), 2)).astype(np.float32), states.astype(np.float16),
        np.zeros((0, 0, WIDTH), np.float16), np.zeros((0, 0), np.float32), np.zeros(0, np.int64),
    )  # fmt: skip
    task = Task(store, rows, labels, rows[:2], labels[:2], 2, "speed")
    loss = distill_loss(step, task, taught, LAYERS - 1, model)

    def train() -> float:
        begin = now()
        fit(model, task, form, loss, seed=0, name="pkd")
        return now() - begin

    train()
    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="a folder of real examples; generated ones are taken without it")
    parser.add_argument("--pairs", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategies", default="naive")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    global DEVICE, LAYERS, WIDTH
    DEVICE, LAYERS, WIDTH = choose(asked.device, asked.precision), asked.layers, asked.width

    stream = read_stream("nli-shift")
    data = load(stream, "lite" if asked.data_dir else "embedded", data_dir=asked.data_dir)
    chosen = [d.splits["train"] for d in data if d.name in ("mnli", "snli")]
    first = [text for pairs in chosen for text in pairs.first[: asked.pairs // 2]]
    second = [text for pairs in chosen for text in pairs.second[: asked.pairs // 2]]
    labels = np.concatenate([pairs.labels[: asked.pairs // 2] for pairs in chosen])
    rows = np.random.default_rng(0).permutation(len(labels))
    store = pack(open_backbone("clbench-tiny-12l").tokenizer(), first, second, PADDED).on(DEVICE)
    ways: dict[str, Way] = {
        "avalanche": as_users_do(store, rows, labels[rows]), "usual": bare(store, rows, labels[rows], usual=True),
    }  # fmt: skip
    on_gpu = DEVICE.kind != "cpu"
    rival = "usual" if on_gpu else "buckets"
    if not on_gpu:
        ways[rival] = bare(store, rows, labels[rows])
    strategies = asked.strategies.split(",")
    by_hand = [name for name in strategies if name in BY_HAND]
    ways |= {f"{rival} {name}": bare(store, rows, labels[rows], name, on_gpu) for name in by_hand}
    rivals = {f"clbench {name}": f"{rival} {name}" for name in by_hand}
    share = dict.fromkeys(ways, 1.0)
    for name in strategies:
        ways[f"clbench {name}"], share[f"clbench {name}"] = with_clbench(name, store, rows, labels[rows])
    if on_gpu:
        ways["clbench pkd"], share["clbench pkd"] = with_pkd(store, rows, labels[rows]), 1.0
    ways |= {"asking, padded": asked_padded(store, rows), "asking, clbench": asked_clbench(store, rows)}
    share |= {"asking, padded": 1.0, "asking, clbench": 1.0}
    rivals["asking, clbench"] = "asking, padded"
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for train in [train for name, train in ways.items() if on_gpu and not name.startswith("clbench")]:
        train()  # once before it is timed, as clbench's own ways were when they were made
    for turn in range(asked.rounds):
        for name, train in ways.items():
            seconds[name].append(train())
            print(f"{turn + 1}/{asked.rounds} {name}: {seconds[name][-1]:.2f} s", file=sys.stderr, flush=True)
    # A strategy's first 64 examples are its past, not its present.
    count = {name: len(rows) - (64 if name in {f"clbench {one}" for one in strategies} else 0) for name in ways}
    speed = {name: count[name] * share[name] / median(took) for name, took in seconds.items()}
    found = {
        name: {
            "examples_a_second": round(value, 1),
            "times_avalanche": round(value / speed["avalanche"], 2),
            "times_plain_usual": round(value / speed["usual"], 2),
            # Nothing distils in the usual script.
            f"times_{rival}": None if name == "clbench pkd" else round(value / speed[rivals.get(name, rival)], 2),
        }
        for name, value in speed.items()
    }
    if asked.json:
        print(json.dumps({"tokens_a_pair": float(store.lengths.mean()), "ways": found}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    where = f"{DEVICE.card or DEVICE.kind}, {DEVICE.precision}, torch {torch.__version__}"
    title = f"{LAYERS} x {WIDTH}, {store.lengths.mean():.0f} tokens an example, batches of {BATCH}; {where}"
    table = Table("way", "examples/s", "x avalanche", "x plain usual", f"x {rival} doing the same", title=title)
    for name, row in found.items():
        table.add_row(name, *("–" if value is None else str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
