"""The small world in which pieces are checked: a random BERT, its tokenizer, and a few generated examples."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clbench.compression.task import Task
from clbench.continual import Experience
from clbench.data.pairs import joined
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.head import OpenClasses
from clbench.encoder.tokens import TokenStore, pack
from clbench.schema.scenario import TASK, Scenario, open_classes

LABELS = ("not_entailment", "entailment")
SIZES = {"train": 48, "validation": 12, "test": 12}
DOMAINS = ("mnli", "snli", "hans")
LENGTH = 48


@dataclass(frozen=True)
class Small:
    """Three small domains in one token store.

    Attributes:
        backbone: a random BERT.
        store: the tokens of all examples.
        experiences: of the domains, in order.
        tests: rows of each domain's test examples.
        gold: their classes.
    """

    backbone: Backbone
    store: TokenStore
    experiences: tuple[Experience, ...]
    tests: Mapping[str, np.ndarray]
    gold: Mapping[str, np.ndarray]

    def task(self, number: int = 0) -> Task:
        """A domain as what a model is compressed on."""
        one = self.experiences[number]
        return Task(
            self.store, one.train_rows, one.train_labels, one.validation_rows, one.validation_labels, len(LABELS),
            digest=f"the check's domain {one.name}", label_space=LABELS, domain=one.name,
        )  # fmt: skip

    def in_scenario(self, scenario: Scenario) -> tuple[Experience, ...]:
        """The same domains as a stream that gives each of them two classes of its own: 0 and 1, 2 and 3, 4 and 5."""
        names = list(self.tests)
        groups = torch.zeros(len(self.store), dtype=torch.int64)
        classes = {name: (2 * number, 2 * number + 1) for number, name in enumerate(names)}
        for number, one in enumerate(self.experiences):
            for rows in (one.train_rows, one.validation_rows, self.tests[one.name]):
                groups[torch.from_numpy(rows)] = number
        found = []
        for number, one in enumerate(self.experiences):
            met = names[: number + 1]
            known = [open_classes(scenario, classes, met, name) for name in names]
            earlier = [classes[name] for name in met[:-1]] if scenario == TASK else []
            opened = OpenClasses.of(groups, known, 2 * len(names), earlier)
            labels = one.train_labels + 2 * number, one.validation_labels + 2 * number
            found.append(replace(one, train_labels=labels[0], validation_labels=labels[1], opened=opened))
        return tuple(found)

    def evaluate(self, model: nn.Module) -> dict[str, np.ndarray]:
        """The predicted class of every test example."""
        return {name: predict(model, torch.from_numpy(rows)).argmax(-1).numpy() for name, rows in self.tests.items()}

    def careless(self, model: nn.Module) -> dict[str, np.ndarray]:
        """The same by one who leaves evaluation mode on and draws random numbers."""
        found = self.evaluate(model.eval())
        torch.rand(3), np.random.rand(3)
        return found


@cache
def small(layers: int = 2, width: int = 32) -> Small:
    """The world, the same in every process; made once in each.

    Args:
        layers, width: of its encoder.
    """
    from clbench.data.generators import generate

    domains = {name: generate(name, sizes=SIZES) for name in DOMAINS}
    backbone = open_backbone(backbone_folder(layers, width))
    # The tests first, so that a row of the store and a place in a training set are never the same number.
    parts = {(n, split): splits[split] for n, splits in domains.items() for split in ("test", "train", "validation")}
    store = pack(backbone.tokenizer(), *joined(parts.values()), LENGTH)
    cuts = np.cumsum([len(pairs) for pairs in parts.values()])[:-1]
    rows = dict(zip(parts, np.split(np.arange(len(store)), cuts), strict=True))
    experiences = [
        Experience(
            name, rows[name, "train"], splits["train"].labels, rows[name, "validation"], splits["validation"].labels
        )
        for name, splits in domains.items()
    ]
    tests = {name: rows[name, "test"] for name in domains}
    gold = {name: splits["test"].labels for name, splits in domains.items()}
    return Small(backbone, store, tuple(experiences), tests, gold)


@cache
def backbone_folder(layers: int, width: int) -> Path:
    """A Hugging Face folder: a BERT of random weights, a WordPiece of the examples' words; gone with the process."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import BertConfig, BertModel

    from clbench.data.generators import generate

    folder = _folder()
    pairs = generate("mnli", sizes=dict.fromkeys(SIZES, 200))["train"]
    tokenizer = BertWordPieceTokenizer(vocabulary([text for side in pairs.sides for text in side]), lowercase=True)
    tokenizer.post_processor = BertProcessing(*[(one, tokenizer.token_to_id(one)) for one in ("[SEP]", "[CLS]")])
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=tokenizer.get_vocab_size(), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
            intermediate_size=2 * width, max_position_embeddings=2 * LENGTH,
            initializer_range=0.3,  # large, so that a model that has learned little tells examples apart
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
    return folder


def vocabulary(texts: Sequence[str], size: int = 400) -> dict[str, int]:
    """A WordPiece's: the commonest words, and every character, which spell the others.

    To train one would not do: of pairs of pieces that are equally common, which comes first differs from process to
    process.
    """
    counts = Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower()))
    characters = sorted({character for word in counts for character in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{one}" for one in characters)]
    words = sorted((word for word in counts if len(word) > 1), key=lambda word: (-counts[word], word))
    return {piece: number for number, piece in enumerate([*pieces, *words[: size - len(pieces)]])}


@cache
def checkpoint_folder(layers: int, width: int) -> Path:
    """The same with a head for :data:`LABELS`, as ``--model`` takes it; gone with the process."""
    from clbench.encoder.export import write_classifier

    world = small(layers, width)
    folder = _folder() / "checkpoint"
    hf = world.backbone.classifier(len(LABELS), seed=1).hf
    hf.config.id2label = dict(enumerate(LABELS))
    hf.config.label2id = {label: number for number, label in enumerate(LABELS)}
    write_classifier(hf, world.backbone.folder, LENGTH, "", folder)
    return folder


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="clbench-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same parameters and buffers, bit for bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def not_finite(tensors: Mapping[str, torch.Tensor]) -> list[str]:
    """The names of those that hold nan or infinity."""
    return [name for name, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]
