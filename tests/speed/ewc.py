"""Time of a life under ewc, clbench's plugin beside Avalanche's own, on the same examples and model, ways in turn.

    python tests/speed/ewc.py [--data-dir FOLDER] [--pairs 512] [--rounds 3] [--json]

Avalanche's takes the squared gradient of a batch's mean loss and puts the penalty into the graph of the loss; clbench's
takes the mean of single examples' squared gradients and the penalty's gradient in closed form. Seconds are the
process's own, medians of the rounds: a whole life of four experiences, and the Fisher information of one alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from clbench.continual import Checkpoints, Evaluation, Experience, avalanche, live
from clbench.continual.benchmark import dataset
from clbench.data.load import load
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import keep_layers, predict
from clbench.encoder.optimization import optimizer
from clbench.encoder.tokens import pack
from clbench.schema.strategy import override, read_strategy
from clbench.schema.stream import read_stream

warnings.simplefilter("ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="a folder of real examples; generated ones are taken without it")
    parser.add_argument("--pairs", type=int, default=512, help="a domain")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    torch.set_num_threads(1)
    data = load(read_stream("nli-shift"), "lite" if asked.data_dir else "embedded", data_dir=asked.data_dir)
    backbone = open_backbone("clbench-tiny-12l")
    first, second, experiences, begin = [], [], [], 0
    for domain in [d for d in data if "train" in d.splits][:4]:
        pairs = domain.splits["train"].select(range(asked.pairs))
        rows = begin + np.arange(asked.pairs)
        experiences.append(Experience(domain.name, rows, pairs.labels, rows[:32], pairs.labels[:32]))
        first, second, begin = [*first, *pairs.first], [*second, *pairs.second], begin + asked.pairs
    store = pack(backbone.tokenizer(), first, second, 128)
    model = keep_layers(backbone.classifier(2, 0).with_tokens(store), list(range(1, asked.layers + 1)))
    form = override(read_strategy("ewc"), {"training.learning_rate": "0.0001"})

    class OfAvalanche(type(form)):  # type: ignore[misc]
        def plugin(self) -> Any:
            return avalanche.EWCPlugin(self.lambda_, mode=self.mode, decay_factor=self.decay)

    ways = {"avalanche": OfAvalanche.model_validate(form.model_dump()), "clbench": form}
    seconds: dict[str, dict[str, list[float]]] = {name: {"life": [], "fisher": []} for name in ways}
    rows, labels = (torch.from_numpy(part) for part in (experiences[0].train_rows, experiences[0].train_labels))
    for _ in range(asked.rounds):
        for name, form in ways.items():
            one = copy.deepcopy(model)
            begun = time.process_time()
            form.plugin().compute_importances(
                one, nn.CrossEntropyLoss(), optimizer(one, form.training), dataset(rows, labels), "cpu", 32
            )
            seconds[name]["fisher"].append(time.process_time() - begun)
            with tempfile.TemporaryDirectory() as folder:
                begun = time.process_time()
                live(
                    copy.deepcopy(model), experiences, form, seed=0, checkpoints=Checkpoints(Path(folder), "speed"),
                    evaluation=Evaluation(lambda m: {"none": predict(m, rows[:32]).argmax(-1).numpy()}),
                )  # fmt: skip
                seconds[name]["life"].append(time.process_time() - begun)
    found = {name: {part: round(median(took), 2) for part, took in parts.items()} for name, parts in seconds.items()}
    ratios = {part: round(found["clbench"][part] / found["avalanche"][part], 2) for part in ("life", "fisher")}
    if asked.json:
        print(json.dumps({"pairs": asked.pairs, "seconds": found, "ratios": ratios}, indent=2))
        return
    for name, parts in found.items():
        print(f"{name:10} life {parts['life']:.2f} s, Fisher information of one experience {parts['fisher']:.2f} s")
    print(f"ratio      life {ratios['life']:.2f}, Fisher information {ratios['fisher']:.2f}")


if __name__ == "__main__":
    main()
