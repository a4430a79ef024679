"""What is a pre-trained backbone worth? Fine-tuned on real domains, beside a random start of its size and the majority.

    python tests/speed/backbone.py --data-dir FOLDER
    python tests/speed/backbone.py --data-dir FOLDER --backbone ./my-encoder --rates 1e-4 3e-4 --domains qqp

One seed, each domain for itself, the epoch chosen on the validation pairs, accuracy and balanced accuracy on the test
pairs. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from clbench.compress.finetune import finetune_loss
from clbench.compress.task import Task, fit
from clbench.console import out
from clbench.data.baselines import majority, word_overlap
from clbench.data.load import load
from clbench.data.pairs import SPLITS, DomainData
from clbench.data.subsets import cap
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.bert import predict
from clbench.encoder.export import write_backbone
from clbench.encoder.tokens import pack
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbone", default="distilled-12l-128")
    parser.add_argument("--domains", nargs="+", default=["qqp", "snli", "sick", "scitail"])
    parser.add_argument("--train", type=int, default=4000, help="training pairs a domain, at most")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", help="learning rates to try [default: the backbone's own]")
    parser.add_argument("--no-random", action="store_true", help="leave the random start out")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    backbone = open_backbone(asked.backbone)
    table = Table("domain", "majority", "word overlap", "start", "learning rate", "accuracy", "balanced", "seconds")
    with tempfile.TemporaryDirectory() as folder:
        starts = {backbone.name: backbone}
        if not asked.no_random:
            starts["random"] = random_start(backbone, Path(folder))
        for data in domains(asked.data_dir, asked.domains).values():
            trained = cap(data.splits["train"], asked.train, f"{data.name}/speed")
            data = replace(data, splits=data.splits | {"train": trained})
            floors = [majority(data, 2), word_overlap(data, 2)]
            for name, start in starts.items():
                for rate in asked.rates or [backbone.learning_rate]:
                    began = time.perf_counter()
                    form = Training(epochs=asked.epochs, learning_rate=rate, batch_size=32)
                    accuracy, balanced = finetuned(start, data, form, asked.seed)
                    shown = [f"{floor.accuracy:.3f} / {floor.balanced_accuracy:.3f}" for floor in floors]
                    seconds = time.perf_counter() - began
                    row = [data.name, *shown, name, f"{rate:g}", f"{accuracy:.3f}", f"{balanced:.3f}", f"{seconds:.0f}"]
                    print(*row, sep=" | ", flush=True)
                    table.add_row(*row)
    out().print(table)


if __name__ == "__main__":
    main()
