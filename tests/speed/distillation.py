"""What the cache of a teacher's answers saves: a distillation of 4 epochs with it, and with the teacher beside it.

    python tests/speed/distillation.py --data-dir FOLDER
    python tests/speed/distillation.py --model pkd-skip-3l --pairs 1000

The same student, examples, batches and loss; seconds of each way, the better of ``--rounds``, and their ratio. The
cached way is timed twice: with the teacher's answers computed within it, and with those of an earlier student. Nothing
is asserted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from clbench.compression.distillation import Targets, distill_loss, targets
from clbench.compression.steps.distill import Distill, layer_map
from clbench.compression.steps.prune_layers import PruneLayers, kept_layers
from clbench.compression.task import Loss, Task, fit, task_of
from clbench.data.load import load_domain
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import Classifier, keep_layers
from clbench.schema.recipe import read_recipe
from clbench.schema.training import Training


def beside(step: Distill, task: Task, teacher: Classifier, taught: list[int]) -> Loss:
    """The same loss, the teacher asked at every step."""
    rows = torch.from_numpy(task.train_rows)

    def loss(model: Classifier, places: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            hidden, logits = teacher.states_and_logits(rows[places])
            states = torch.nn.functional.normalize(hidden[[layer - 1 for layer in taught]], dim=-1).transpose(0, 1)
        none = states[:, :0].numpy()
        answers = Targets(logits.numpy(), states.half().numpy(), none, none[..., 0], places.numpy())
        # The answers lie in the order of the places.
        asked = replace(task, train_rows=task.train_rows[places.numpy()])
        return distill_loss(step, asked, answers, len(taught), teacher)(model, torch.arange(len(places)), labels)

    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pkd-skip-6l")
    parser.add_argument("--domain", default="mrpc")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--backbone", default="clbench-tiny-12l")
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    backbone = open_backbone(asked.backbone)
    stream, data = load_domain(asked.domain, "lite" if asked.data_dir else "embedded", data_dir=asked.data_dir)
    task, _ = task_of(data, backbone.tokenizer(), stream.form.label_space, 96)
    rows, labels = task.train_rows[: asked.pairs], task.train_labels[: asked.pairs]
    task = replace(task, train_rows=rows, train_labels=labels, digest="speed")
    pruned, step = read_recipe(asked.model).form.steps
    assert isinstance(pruned, PruneLayers)
    assert isinstance(step, Distill)
    teacher = backbone.classifier(2, 0).with_tokens(task.store).eval()
    kept = kept_layers(pruned, backbone.layers, asked.model)
    taught = layer_map(step.layer_map, len(kept), backbone.layers, asked.model)
    form: Training = step.training.at_rate(backbone.learning_rate).model_copy(update={"epochs": asked.epochs})

    def student() -> Classifier:
        return keep_layers(backbone.classifier(2, 0).with_tokens(task.store), kept)

    def timed(way: str) -> float:
        began = time.perf_counter()
        if way == "beside":
            loss = beside(step, task, teacher, taught)
        else:
            loss = distill_loss(step, task, targets(teacher, "speed", task, taught), len(taught), teacher)
        fit(student(), task, form, loss, seed=0, name=way)
        return time.perf_counter() - began

    seconds: dict[str, list[float]] = {"beside": [], "cached, computed within": [], "cached before": []}
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CLBENCH_CACHE"] = folder
            for way in seconds:
                seconds[way].append(timed("beside" if way == "beside" else "cached"))
                print(f"round {number + 1}, {way}: {seconds[way][-1]:.1f} s", flush=True)
    base = min(seconds["beside"])
    threads = torch.get_num_threads()
    print(f"\n{asked.model}, {len(rows)} examples of {asked.domain}, {asked.epochs} epochs, {threads} threads")
    for way, values in seconds.items():
        print(f"{way}: {min(values):.1f} s, {min(values) / base:.2f} of the time with the teacher beside")


if __name__ == "__main__":
    main()
