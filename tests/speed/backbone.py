"""What is a pre-trained backbone worth? Fine-tuned on real domains, beside what reads no meaning.

    python tests/speed/backbone.py --data-dir FOLDER --seeds 0 1 2
    python tests/speed/backbone.py --data-dir FOLDER --backbones ./my-encoder all-minilm-l6-v2 --domains qqp --random

Each domain for itself, the epoch chosen on the validation examples, accuracy and balanced accuracy on the test
examples, as the Markdown table of the model cards. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from clbench.compression.steps.finetune import finetune_loss
from clbench.compression.task import fit, task_of
from clbench.data.baselines import bag_of_words, majority, word_overlap
from clbench.data.load import load_domain
from clbench.data.pairs import DomainData
from clbench.data.subsets import cap
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_backbone
from clbench.metrics import mean_interval
from clbench.metrics.format import with_half
from clbench.metrics.scores import balanced_accuracy
from clbench.schema.training import Training
from clbench.studies.tables import markdown_table


def random_start(backbone: Backbone, folder: Path) -> Backbone:
    """An encoder of the same shape and tokenizer that has read nothing; its weights as BERT's are drawn."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    model = BertModel(BertConfig.from_pretrained(backbone.folder))
    write_backbone(model, backbone.folder, "random\n", folder / "random")
    return replace(open_backbone(str(folder / "random")), learning_rate=backbone.learning_rate)


def finetuned(backbone: Backbone, data: DomainData, form: Training, seed: int) -> tuple[float, float]:
    """Accuracy and balanced accuracy on the domain's test examples."""
    task, test = task_of(data, backbone.tokenizer(), ("0", "1"), 96)
    model = backbone.classifier(2, seed).with_tokens(task.store)
    fit(model, task, form, finetune_loss(task), seed=seed, name=data.name)
    answers = predict(model, torch.from_numpy(test)).argmax(-1).numpy()
    gold = data.splits["test"].labels
    return float((answers == gold).mean()), balanced_accuracy(gold, answers)


def cell(scores: list[tuple[float, float]]) -> str:
    """Accuracy / balanced accuracy: means over the seeds, and half widths of their 95% intervals."""
    return " / ".join(with_half(mean_interval(values)) for values in zip(*scores, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbones", nargs="+", default=["clbench-tiny-12l", "clbench-tiny-12l-layerdrop"])
    parser.add_argument("--domains", nargs="+", default=["qqp", "snli", "sick", "scitail"])
    parser.add_argument("--train", type=int, help="training examples a domain, at most [default: all of edition lite]")
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
        for domain in asked.domains:
            _, data = load_domain(domain, "lite", data_dir=asked.data_dir)
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
    rows = [[name, *cells] for name, cells in found.items()]
    print(f"\n{markdown_table(['accuracy / balanced accuracy, %', *asked.domains], rows)}")


if __name__ == "__main__":
    main()
