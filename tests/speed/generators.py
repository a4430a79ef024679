"""Are the generated domains no toy? Their figures beside the real sets', and what a fine-tuned backbone makes of them.

    python tests/speed/generators.py                                   # the figures, a minute
    python tests/speed/generators.py --finetune clbench-tiny-12l      # and a backbone fine-tuned on each domain
    python tests/speed/generators.py --streams clbench-tiny-12l       # and what the naive life forgets
    python tests/speed/generators.py --data-dir FOLDER                 # the real figures measured again

``--markdown`` prints the tables of docs/generated-data.md, ``--json`` the numbers. Sentence pairs of two labels have
four figures of their own; all other domains have those of :class:`Traits`.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clbench.data.baselines import bag_of_words, second_alone, word_overlap
from clbench.data.generators import examples, find, generate
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


@dataclass(frozen=True)
class Traits:
    """What a data set of any number of labels measures.

    Attributes:
        shares: of each label in its training part, in the order of the generator's labels.
        words: mean number of whitespace tokens of a training example, both sentences of a pair together.
        bag_of_words: balanced accuracy on its test part of :func:`clbench.data.baselines.bag_of_words`, fitted on its
            first 2,000 training examples.
        vocabulary: distinct words, in lower case, of those 2,000 examples.
    """

    shares: tuple[float, ...]
    words: float
    bag_of_words: float
    vocabulary: int


# Measured once on the public sets, as above. Of qnli and yahoo there was none to measure: their classes are balanced by
# the way they were made (Wang et al. 2019, Zhang et al. 2015), and nothing more is compared.
REAL_TRAITS: dict[str, Traits | None] = {
    "mnli-3way": Traits((0.356, 0.317, 0.328), 29.1, 0.485, 7647),
    "snli-3way": Traits((0.338, 0.329, 0.333), 21.4, 0.536, 3718),
    "sick-3way": Traits((0.286, 0.570, 0.143), 19.3, 0.745, 1856),
    "cola": Traits((0.296, 0.704), 7.7, 0.537, 2913),
    "sst2": Traits((0.443, 0.557), 9.4, 0.710, 4527),
    "ag-news": Traits((0.242, 0.260, 0.250, 0.248), 38.8, 0.823, 11453),
    "yelp": Traits((0.207, 0.197, 0.196, 0.203, 0.196), 136.6, 0.457, 14015),
    "amazon": Traits((0.200, 0.201, 0.206, 0.197, 0.197), 80.6, 0.405, 14125),
    "dbpedia": Traits(
        (0.071, 0.068, 0.073, 0.074, 0.070, 0.071, 0.068, 0.071, 0.073, 0.070, 0.075, 0.067, 0.072, 0.077),
        49.6,
        0.908,
        16351,
    ),
    "qnli": None,
    "yahoo": None,
}
FIT = 2000
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


def traits(data: DomainData, classes: int) -> Traits:
    """The figures of a domain of any number of labels."""
    train = data.splits["train"]
    fit = train.select(range(min(FIT, len(train))))
    examples_ = [" ".join(texts) for texts in fit.texts()]
    return Traits(
        tuple(np.bincount(train.labels, minlength=classes) / len(train)),
        float(np.mean([len(" ".join(texts).split()) for texts in train.texts()])),
        bag_of_words(replace(data, splits={**data.splits, "train": fit}), classes).balanced_accuracy,
        len({word for text in examples_ for word in re.findall(r"\w+", text.lower())}),
    )


def strays(found: Traits, other: Traits) -> list[str]:
    """Which of the three bars ``found`` misses, in words; empty if none."""
    bars = {
        "shares": max(abs(a - b) for a, b in zip(found.shares, other.shares, strict=True)) <= 0.05,
        "words": abs(found.words - other.words) <= 0.3 * other.words,
        "bag of words": abs(found.bag_of_words - other.bag_of_words) <= 0.1,
    }
    return [name for name, met in bars.items() if not met]


def content_words(data: DomainData) -> set[str]:
    """The distinct words of a domain, in lower case, that are neither numbers nor function words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    text = " ".join(sentence for pairs in data.splits.values() for side in pairs.sides for sentence in side).lower()
    return set(re.findall(r"[a-z][a-z'-]+", text)) - ENGLISH_STOP_WORDS


def patterns(name: str, number: int = 3400) -> set[str]:
    """The sentence patterns among the first ``number`` examples of a generator."""
    stream = examples(name)
    return {next(stream)[0].pattern for _ in range(number)}


def generated(name: str) -> DomainData:
    """A generated domain as the embedded edition has it."""
    return DomainData(name, generate(name), {"source": "generated"})


def real(name: str, folder: Path) -> DomainData:
    """A real domain of a local folder, read as the full edition reads it; its labels are the generator's."""
    from clbench.data.load import load
    from clbench.schema.shipped import FOLDERS
    from clbench.schema.stream import read_alone

    stream = read_alone(str(FOLDERS["domain"] / f"{name}.yaml"))
    (domain,) = stream.domains
    assert domain.generator is not None
    form = stream.form.model_copy(update={"label_space": tuple(domain.generator.classes)})
    return load(replace(stream, form=form), "full", data_dir=folder)[0]


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

    from clbench.compression.steps.finetune import finetune_loss
    from clbench.compression.task import fit, task_of
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.classifier import predict
    from clbench.metrics.scores import balanced_accuracy
    from clbench.schema.training import Training

    start = open_backbone(backbone)
    labels = tuple(map(str, range(int(max(pairs.labels.max() for pairs in data.splits.values())) + 1)))
    task, test = task_of(data, start.tokenizer(), labels, 96)
    model = start.classifier(len(labels), seed).with_tokens(task.store)
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


def row_of_traits(name: str, backbone: str | None, folder: Path | None, dropout: float | None) -> dict[str, object]:
    """All that is measured of a domain of any number of labels."""
    start = time.perf_counter()
    data = generated(name)
    seconds = time.perf_counter() - start
    classes = len(find(name).shares)
    found, other = traits(data, classes), REAL_TRAITS[name]
    if folder and other is not None:
        other = traits(real(name, folder), classes)
    line: dict[str, object] = {
        "domain": name,
        "generated": vars(found),
        "real": other and vars(other),
        "misses": strays(found, other) if other else [],
        "patterns": len(patterns(name)),
        "content_words": len(content_words(data)),
        "seconds": round(seconds, 2),
    }
    if backbone:
        line["finetuned"] = finetuned(data, backbone, dropout)
    return line


def cells_of_traits(line: dict[str, object]) -> list[str]:
    """A row of the second table: generated / real."""
    found = Traits(**line["generated"])  # type: ignore[arg-type]
    other = Traits(**line["real"]) if line["real"] else None  # type: ignore[arg-type]
    shown = [
        str(line["domain"]),
        str(len(found.shares)),
        f"{min(found.shares):.2f}-{max(found.shares):.2f} / "
        + (f"{min(other.shares):.2f}-{max(other.shares):.2f}" if other else "–"),
        f"{found.words:.0f} / " + (f"{other.words:.0f}" if other else "–"),
        f"{found.bag_of_words:.2f} / " + (f"{other.bag_of_words:.2f}" if other else "–"),
        f"{found.vocabulary:,} / " + (f"{other.vocabulary:,}" if other else "–"),
        str(line["patterns"]),
    ]
    return [*shown, f"{line['finetuned']:.2f}"] if "finetuned" in line else shown


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
    """Print the tables."""
    parser = argparse.ArgumentParser(description="The generated domains beside the real ones.")
    parser.add_argument("domains", nargs="*", default=[*REAL, *REAL_TRAITS], help="which ones (default: all)")
    parser.add_argument("--data-dir", type=Path, help="measure the real sets of this folder instead of quoting them")
    parser.add_argument("--finetune", metavar="BACKBONE", help="fine-tune this backbone on each domain")
    parser.add_argument(
        "--dropout", type=float, metavar="RATE", help="fine-tune with this rate, not the backbone's own"
    )
    parser.add_argument("--streams", metavar="BACKBONE", help="take this backbone through both streams under naive")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    known = [*REAL, *REAL_TRAITS]
    if unknown := sorted(set(asked.domains) - set(known)):
        parser.error(f"no domain is called {', '.join(unknown)}; there are {', '.join(known)}")
    pairs = [row(name, asked.finetune, asked.data_dir, asked.dropout) for name in asked.domains if name in REAL]
    others = [
        row_of_traits(name, asked.finetune, asked.data_dir, asked.dropout)
        for name in asked.domains
        if name in REAL_TRAITS
    ]
    losses = {stream: forgotten(stream, asked.streams) for stream in STREAMS} if asked.streams else {}
    if asked.json:
        print_json({"domains": [*pairs, *others], "lost": losses})
        return
    lost = [
        f"{stream}: lost after the naive life: "
        + ", ".join(f"{name} {100 * plain:.1f} ({100 * balanced:.1f})" for name, (plain, balanced) in of.items())
        + " points of accuracy (balanced accuracy)"
        for stream, of in losses.items()
    ]
    for lines, head, shown in ((pairs, PAIRS_HEAD, cells), (others, TRAITS_HEAD, cells_of_traits)):
        if lines:
            show([*head, *(["fine-tuned"] if asked.finetune else [])], [shown(line) for line in lines], asked.markdown)
    for line in [*pairs, *others]:
        if line["misses"]:
            out().print(f"{line['domain']} misses: {', '.join(line['misses'])}")  # type: ignore[arg-type]
    for text in lost:
        out().print(text)


PAIRS_HEAD = ("domain", "positives", "words a pair", "second alone", "overlap", "patterns", "content words")
TRAITS_HEAD = ("domain", "labels", "shares", "words", "bag of words", "vocabulary", "patterns")


def show(head: Sequence[str], lines: Sequence[Sequence[str]], markdown: bool) -> None:
    """Print a table."""
    from rich.table import Table

    if markdown:
        print("| " + " | ".join(head) + " |", "|" + "---|" * len(head), sep="\n")
        print(*("| " + " | ".join(line) + " |" for line in lines), sep="\n")
        return
    table = Table(*head, title="Generated / real")
    for line in lines:
        table.add_row(*line)
    out().print(table)


if __name__ == "__main__":
    main()
