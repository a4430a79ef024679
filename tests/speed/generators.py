"""Are the generated domains no toy? Their figures beside the real sets', and what a fine-tuned backbone makes of them.

    python tests/speed/generators.py                                   # the figures, a minute
    python tests/speed/generators.py --finetune clbench-tiny-12l      # and a backbone fine-tuned on each domain
    python tests/speed/generators.py --streams clbench-tiny-12l       # and what the naive life forgets
    python tests/speed/generators.py --data-dir FOLDER                 # the real figures measured again

``--markdown`` prints the table of docs/generated-data.md, ``--json`` the numbers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clbench.data.baselines import second_alone, word_overlap
from clbench.data.generators import examples, generate
from clbench.data.pairs import DomainData, Pairs
from clbench.runtime.console import out, print_json


@dataclass(frozen=True)
class Figures:
    """What one data set measures.

    Attributes:
        positives: share of positive pairs in its training part.
        words: mean number of whitespace tokens of a training pair, both sentences together.
        second_alone, overlap: balanced accuracy on its test part of a bag of words and bigrams of the second sentence
            alone, and of the share of words in common.
    """

    positives: float
    words: float
    second_alone: float
    overlap: float


# Measured once on the public sets with two-way labels, the classifiers fitted on a train part and judged on a test
# part; ``--data-dir`` measures them again.
REAL = {
    "mnli": Figures(0.36, 30, 0.56, 0.66),
    "snli": Figures(0.34, 22, 0.69, 0.66),
    "scitail": Figures(0.40, 30, 0.56, 0.71),
    "sick": Figures(0.29, 19, 0.53, 0.69),
    "hans": Figures(0.50, 13, 0.59, 0.49),
    "rte": Figures(0.53, 54, 0.47, 0.56),
    "mrpc": Figures(0.66, 40, 0.59, 0.68),
    "qqp": Figures(0.37, 23, 0.64, 0.66),
    "paws": Figures(0.47, 37, 0.58, 0.49),
    "twitter-url": Figures(0.18, 30, 0.60, 0.83),
    "stsb-pairs": Figures(0.31, 16, 0.56, 0.74),
}
STREAMS = ("nli-shift", "paraphrase-shift")
# Chance is 0.5; the traps are hard for the whole field (McCoy et al. 2019, Zhang et al. 2019).
NEEDED = {name: 0.55 if name in ("hans", "paws") else 0.65 for name in REAL}


def measure(data: DomainData) -> Figures:
    """The four figures of a two-way domain."""
    train = data.splits["train"]
    words = [len(f.split()) + len(s.split()) for f, s in zip(train.first, train.second, strict=True)]
    return Figures(
        float(train.labels.mean()),
        float(np.mean(words)),
        second_alone(data, 2).balanced_accuracy,
        word_overlap(data, 2).balanced_accuracy,
    )


def misses(found: Figures, real: Figures) -> list[str]:
    """Which of the four bars ``found`` misses, in words; empty if none."""
    bars = {
        "positives": abs(found.positives - real.positives) <= 0.05,
        "words": abs(found.words - real.words) <= 0.3 * real.words,
        "second alone": found.second_alone <= real.second_alone + 0.05,
        "overlap": abs(found.overlap - real.overlap) <= 0.08,
    }
    return [name for name, met in bars.items() if not met]


def content_words(data: DomainData) -> set[str]:
    """The distinct words of a domain, in lower case, that are neither numbers nor function words."""
    import re

    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    text = " ".join(sentence for pairs in data.splits.values() for sentence in (*pairs.first, *pairs.second)).lower()
    return set(re.findall(r"[a-z][a-z'-]+", text)) - ENGLISH_STOP_WORDS


def patterns(name: str, number: int = 3400) -> set[str]:
    """The sentence patterns among the first ``number`` examples of a generator."""
    stream = examples(name)
    return {next(stream)[0].pattern for _ in range(number)}


def generated(name: str) -> DomainData:
    """A generated domain as the embedded edition has it."""
    return DomainData(name, generate(name), {"source": "generated"})


def real(name: str, folder: Path) -> DomainData:
    """A real domain of a local folder, read as the full edition reads it."""
    from clbench.data.load import load
    from clbench.schema.stream import read_stream

    for stream in map(read_stream, STREAMS):
        for domain in stream.domains:
            if domain.name == name:
                # On its own and trained on, also where its stream only evaluates on it.
                form = stream.form.model_copy(update={"domains": (name,), "evaluation_only": ()})
                return load(replace(stream, form=form, domains=(domain,)), "full", data_dir=folder)[0]
    raise KeyError(name)


def first_alone(data: DomainData) -> float:
    """Balanced accuracy of the same bag of words and bigrams on the first sentence alone."""
    swapped = {split: Pairs(pairs.second, pairs.first, pairs.labels) for split, pairs in data.splits.items()}
    return second_alone(replace(data, splits=swapped), 2).balanced_accuracy


def finetuned(data: DomainData, backbone: str, dropout: float | None = None, seed: int = 0) -> float:
    """Balanced accuracy on the test part of a backbone fine-tuned on the train part for 3 epochs.

    Args:
        dropout: the rate; None is the backbone's own.
    """
    import torch

    from clbench.compress.steps.finetune import finetune_loss
    from clbench.compress.task import fit, task_of
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.classifier import predict
    from clbench.metrics.scores import balanced_accuracy
    from clbench.schema.training import Training

    start = open_backbone(backbone)
    task, test = task_of(data, start.tokenizer(), ("0", "1"), 96)
    model = start.classifier(2, seed).reads(task.store)
    if dropout is not None:
        model.set_dropout(dropout)
    form = Training(epochs=3, learning_rate=start.learning_rate, batch_size=32)
    fit(model, task, form, finetune_loss(task), seed=seed, name=data.name)
    found = predict(model, torch.from_numpy(test)).argmax(-1).numpy()
    return balanced_accuracy(data.splits["test"].labels, found)


def forgotten(stream: str, backbone: str, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Accuracy and balanced accuracy that each domain has lost since it was learned, after the whole naive life.

    The last domain is left out: it has had no time to be forgotten.
    """
    import clbench

    with tempfile.TemporaryDirectory() as folder:
        record = clbench.run("finetune-12l", stream, strategy="naive", backbone=backbone, seed=seed, out=folder)
    matrices = [record.accuracy_matrix(balanced=balanced).to_numpy() for balanced in (False, True)]
    domains = record.domains[: len(matrices[0]) - 1]
    return {name: tuple(float(m[d, d] - m[-1, d]) for m in matrices) for d, name in enumerate(domains)}  # type: ignore[misc]


def row(name: str, backbone: str | None, folder: Path | None, dropout: float | None = None) -> dict[str, object]:
    """All that is measured of one domain."""
    start = time.perf_counter()
    data = generated(name)
    seconds = time.perf_counter() - start
    found = measure(data)
    other = measure(real(name, folder)) if folder else REAL[name]
    line: dict[str, object] = {
        "domain": name,
        "generated": vars(found),
        "real": vars(other),
        "misses": misses(found, other),
        "first_alone": first_alone(data),
        "patterns": len(patterns(name)),
        "content_words": len(content_words(data)),
        "seconds": round(seconds, 2),
    }
    if backbone:
        line["finetuned"] = finetuned(data, backbone, dropout)
        line["needed"] = NEEDED[name]
    return line


def cells(line: dict[str, object]) -> list[str]:
    """A row of the table: generated / real."""
    found, other = Figures(**line["generated"]), Figures(**line["real"])  # type: ignore[arg-type]
    shown = [
        str(line["domain"]),
        f"{found.positives:.2f} / {other.positives:.2f}",
        f"{found.words:.0f} / {other.words:.0f}",
        f"{found.second_alone:.2f} / {other.second_alone:.2f}",
        f"{found.overlap:.2f} / {other.overlap:.2f}",
        str(line["patterns"]),
        f"{line['content_words']:,}",
    ]
    return [*shown, f"{line['finetuned']:.2f} (>= {line['needed']:.2f})"] if "finetuned" in line else shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    from rich.table import Table

    parser = argparse.ArgumentParser(description="The generated domains beside the real ones.")
    parser.add_argument("domains", nargs="*", default=list(REAL), help="which ones (default: all)")
    parser.add_argument("--data-dir", type=Path, help="measure the real sets of this folder instead of quoting them")
    parser.add_argument("--finetune", metavar="BACKBONE", help="fine-tune this backbone on each domain")
    parser.add_argument(
        "--dropout", type=float, metavar="RATE", help="fine-tune with this rate, not the backbone's own"
    )
    parser.add_argument("--streams", metavar="BACKBONE", help="take this backbone through both streams under naive")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.domains) - set(REAL)):
        parser.error(f"no domain is called {', '.join(unknown)}; there are {', '.join(REAL)}")
    lines = [row(name, asked.finetune, asked.data_dir, asked.dropout) for name in asked.domains]
    losses = {stream: forgotten(stream, asked.streams) for stream in STREAMS} if asked.streams else {}
    if asked.json:
        print_json({"domains": lines, "lost": losses})
        return
    head = ["domain", "positives", "words a pair", "second alone", "overlap", "patterns", "content words"]
    head += ["fine-tuned"] if asked.finetune else []
    lost = [
        f"{stream}: lost after the naive life: "
        + ", ".join(f"{name} {100 * plain:.1f} ({100 * balanced:.1f})" for name, (plain, balanced) in of.items())
        + " points of accuracy (balanced accuracy)"
        for stream, of in losses.items()
    ]
    if asked.markdown:
        print("| " + " | ".join(head) + " |", "|" + "---|" * len(head), sep="\n")
        print(*("| " + " | ".join(cells(line)) + " |" for line in lines), sep="\n")
        print(*(f"\n{line}" for line in lost), sep="\n")
        return
    table = Table(*head, title="Generated / real")
    for line in lines:
        table.add_row(*cells(line))
    console = out()
    console.print(table)
    for line in lines:
        if line["misses"]:
            console.print(f"[red]{line['domain']} misses: {', '.join(line['misses'])}[/red]")  # type: ignore[arg-type]
    for text in lost:
        console.print(text)


if __name__ == "__main__":
    main()
