"""What is a pre-trained backbone worth? Fine-tuned on real domains, beside what reads no meaning.

    python tests/speed/backbone.py --data-dir FOLDER --seeds 0 1 2
    python tests/speed/backbone.py --data-dir FOLDER --backbones ./my-encoder all-minilm-l6-v2 --domains qqp --random

Each domain for itself, the epoch chosen on the validation pairs, accuracy and balanced accuracy on the test pairs, as
the Markdown table of the model cards. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clbench.compress.finetune import finetune_loss
from clbench.compress.task import Task, fit
from clbench.data.baselines import bag_of_words, majority, word_overlap
from clbench.data.load import load
from clbench.data.pairs import SPLITS, DomainData
from clbench.data.subsets import cap
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.bert import predict
from clbench.encoder.export import write_backbone
from clbench.encoder.tokens import pack
from clbench.figures import mean_interval
from clbench.figures.metrics import balanced_accuracy
from clbench.schema.strategy import Training
from clbench.schema.stream import read_stream


def domains(folder: Path, wanted: list[str]) -> dict[str, DomainData]:
    """The wanted domains of the two streams, two-way labels, from a folder of real pairs."""
    found = {}
    for name in ("nli-shift", "paraphrase-shift"):
        stream = read_stream(name)
        stream = replace(stream, domains=tuple(domain for domain in stream.domains if domain.name in wanted))
        found |= {data.name: data for data in load(stream, "lite", data_dir=folder)}
    return found


def random_start(backbone: Backbone, folder: Path) -> Backbone:
    """An encoder of the same shape and tokenizer that has read nothing; its weights as BERT's are drawn."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    model = BertModel(BertConfig.from_pretrained(backbone.folder))
    write_backbone(model, backbone.tokenizer(), backbone.lower_case, "random\n", folder / "random")
    return replace(open_backbone(str(folder / "random")), learning_rate=backbone.learning_rate)


def finetuned(backbone: Backbone, data: DomainData, form: Training, seed: int) -> tuple[float, float]:
    """Accuracy and balanced accuracy on the domain's test pairs."""
    parts = [data.splits[split] for split in SPLITS]
    first, second = ([text for part in parts for text in getattr(part, side)] for side in ("first", "second"))
    store = pack(backbone.tokenizer(), first, second, 96)
    train, validation, test = np.split(np.arange(len(store)), np.cumsum([len(part) for part in parts])[:-1])
    task = Task(store, train, parts[0].labels, validation, parts[1].labels, 2, data.name)
    model = backbone.classifier(2, seed).reads(store)
    fit(model, task, form, finetune_loss(task), seed=seed, name=data.name)
    answers = predict(model, torch.from_numpy(test)).argmax(-1).numpy()
    return float((answers == parts[2].labels).mean()), balanced_accuracy(parts[2].labels, answers)


def cell(scores: list[tuple[float, float]]) -> str:
    """Accuracy / balanced accuracy: means over the seeds, and half widths of their 95% intervals."""
    shown = []
    for values in zip(*scores, strict=True):
        interval = mean_interval(values)
        half = interval.half_width
        shown.append(f"{100 * interval.mean:.1f}" + (f" ± {100 * half:.1f}" if half is not None else ""))
    return " / ".join(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbones", nargs="+", default=["clbench-tiny-12l", "clbench-tiny-12l-layerdrop"])
    parser.add_argument("--domains", nargs="+", default=["qqp", "snli", "sick", "scitail"])
    parser.add_argument("--train", type=int, help="training pairs a domain, at most [default: all of edition lite]")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, help="learning rate [default: the backbone's own]")
    parser.add_argument("--random", action="store_true", help="a random start of the first backbone's shape, too")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = parser.parse_args()
    starts = {name: open_backbone(name) for name in asked.backbones}
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.random:
            starts["random start"] = random_start(next(iter(starts.values())), Path(folder))
        for data in domains(asked.data_dir, asked.domains).values():
            trained = cap(data.splits["train"], asked.train, f"{data.name}/speed")
            data = replace(data, splits=data.splits | {"train": trained})
            for name, floor in (("majority", majority), ("word overlap", word_overlap), ("bag of words", bag_of_words)):
                score = floor(data, 2)
                found.setdefault(name, []).append(cell([(score.accuracy, score.balanced_accuracy)]))
            for name, start in starts.items():
                form = Training(epochs=asked.epochs, learning_rate=asked.rate or start.learning_rate, batch_size=32)
                began = time.perf_counter()
                scores = [finetuned(start, data, form, seed) for seed in asked.seeds]
                found.setdefault(start.folder.name if name != "random start" else name, []).append(cell(scores))
                seconds = (time.perf_counter() - began) / len(asked.seeds)
                print(f"{data.name}, {name}: {cell(scores)}, {seconds:.0f} s a seed", flush=True)
    names = list(domains(asked.data_dir, asked.domains))
    print(f"\n| accuracy / balanced accuracy, % | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for name, cells in found.items():
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
