"""From a job to the model at inception: tokens, the recipe's model, and what it says of the test examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.record.probabilities import kept
from clbench.runs.job import Job
from clbench.runtime import events
from clbench.runtime.coordinator import between_steps
from clbench.schema.scenario import TASK
from clbench.storage.cache import cached, installed, installed_versions

if TYPE_CHECKING:
    from torch import nn

    from clbench.compression.execute import Compressed
    from clbench.continual.evaluation import Answers
    from clbench.encoder.head import OpenClasses
    from clbench.encoder.tokens import TokenStore

Evaluate = Callable[["nn.Module"], Mapping[str, "Answers"]]
# Test examples that are read at once on a CPU, and between two looks at whether to stop elsewhere.
_BATCH, _BATCHES_ON_A_GPU = 128, 16384
# The split of test examples that were drawn for one model's judgement.
ANEW = "anew"


@dataclass(frozen=True)
class Tokens:
    """A run's examples as tokens.

    Attributes:
        store: every example of the run.
        rows: the rows of each domain's splits in it, int64, by domain and split; ``anew`` is the split of
            :attr:`clbench.runs.job.Job.anew`.
    """

    store: TokenStore
    rows: Mapping[tuple[str, str], np.ndarray]

    @property
    def tests(self) -> dict[str, np.ndarray]:
        """The rows of each domain's test examples, in stream order."""
        return self.of("test")

    def of(self, split: str) -> dict[str, np.ndarray]:
        """The rows of one split of each domain, in stream order."""
        return {domain: rows for (domain, part), rows in self.rows.items() if part == split}


def make_tokens(job: Job) -> Tokens:
    """The job's tokens, from the cache where they are."""
    from clbench.encoder.tokenizer import template_of
    from clbench.encoder.tokens import TokenStore, pack

    tokenizer = job.backbone.tokenizer()
    ids, lengths, seconds, rows = [], [], [], {}
    begin = 0
    parts = [(d.name, split, pairs) for d in job.data for split, pairs in d.splits.items()]
    # Last, so that no other row is moved by them.
    parts += [(name, ANEW, pairs) for name, pairs in job.anew.items()]
    for number, (name, split, pairs) in enumerate(parts):
        events.advance("tokenise", number, len(parts), "parts")

        def build(folder: Path, pairs: Any = pairs) -> None:
            packed = pack(tokenizer, pairs.first, pairs.second, job.max_length)
            np.save(folder / "ids.npy", packed.ids.numpy().astype(np.int32))
            np.save(folder / "lengths.npy", packed.lengths)
            np.save(folder / "seconds.npy", packed.seconds)

        content = {
            "backbone": job.backbone.digest, "pairs": pairs.digest(), "max_length": job.max_length,
            "versions": installed_versions("tokenizers", "transformers"),
        }  # fmt: skip
        folder = cached("tokens", content, build)
        ids.append(np.load(folder / "ids.npy"))
        lengths.append(np.load(folder / "lengths.npy"))
        seconds.append(np.load(folder / "seconds.npy"))
        rows[name, split] = begin + np.arange(len(pairs))
        begin += len(pairs)
    events.advance("tokenise", len(parts), len(parts), "parts")
    events.end("tokenise")
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    template = template_of(tokenizer)
    store = TokenStore(np.concatenate(ids), offsets, np.concatenate(seconds), template, job.device)
    return Tokens(store, rows)


def make_model(job: Job, seed: int, tokens: Tokens) -> Compressed:
    """The recipe's model on the first domain, its last training watched where the strategy asks for it.

    The recipe knows the first domain's classes; then the head grows to those of the whole stream.
    """
    from clbench.compression.execute import execute
    from clbench.compression.task import Task

    first, labels = job.first, job.first_labels
    task = Task(
        tokens.store,
        tokens.rows[first.name, "train"], first.splits["train"].labels,
        tokens.rows[first.name, "validation"], first.splits["validation"].labels,
        len(labels), digest=job.task_digest, label_space=labels, domain=first.name,
        pairs=(first.splits["train"], first.splits["validation"]), max_length=job.max_length,
    )  # fmt: skip
    planned = job.plan(seed)
    names = list(dict.fromkeys(planned.tasks))
    for name in names:
        events.start(name, unit="examples")
    compressed = execute(planned, task, observer=job.strategy.observer())
    for name in names:
        events.end(name)
    return _grown(job, seed, compressed, tokens) if job.closes_classes else compressed


def _grown(job: Job, seed: int, compressed: Compressed, tokens: Tokens) -> Compressed:
    """The model with a head for all classes of the stream, of which those are told apart that inception knows."""
    from clbench.encoder.head import grow_head, spread_flat

    model, places, names = compressed.model, job.classes[job.first.name], job.stream.form.label_space
    if len(places) < len(names):
        grow_head(model, places, names, seed)
    model.open = opened(job, tokens, [job.first.name])
    return replace(compressed, path=spread_flat(compressed.path, model, places))


def opened(job: Job, tokens: Tokens, met: Sequence[str]) -> OpenClasses | None:
    """The classes that are told apart on each domain's rows by a model that has met some domains; None for all."""
    import torch

    from clbench.encoder.head import OpenClasses

    if not job.closes_classes:
        return None
    names = list(job.classes)
    groups = torch.zeros(len(tokens.store), dtype=torch.int64)
    for (domain, _), rows in tokens.rows.items():
        groups[torch.from_numpy(rows)] = names.index(domain)
    classes = [job.open_classes(met, name) for name in names]
    earlier = [job.classes[name] for name in met[:-1]] if job.stream.form.scenario == TASK else []
    # Once for all steps: where the model is asked, nothing is moved any more.
    groups = groups.to(tokens.store.device.torch)
    return OpenClasses.of(groups, classes, len(job.stream.form.label_space), earlier)


def make_inception(job: Job, seed: int) -> None:
    """See to it that a run's inception is in the cache, for all strategies that share it: the model and what it says.

    Raises:
        UserError: as :func:`clbench.runs.runner.run`.
    """
    tokens = make_tokens(job)
    compressed = make_model(job, seed, tokens)
    at_inception(job, seed, compressed, evaluator(tokens))(compressed.model)


def at_inception(job: Job, seed: int, compressed: Compressed, evaluate: Evaluate) -> Evaluate:
    """``evaluate`` for the model at inception: every strategy asks the same of it, so its answers are in the cache."""
    from clbench.continual.evaluation import Answers
    from clbench.encoder.quantize import is_int8

    # What is kept is part of the key: entries of before held the classes alone.
    content: dict[str, Any] = {
        "model": compressed.key, "test": [d.splits["test"].digest() for d in job.data], "max_length": job.max_length,
        "kept": Answers._fields,
    }  # fmt: skip
    if is_int8(compressed.model):
        content["torchao"] = installed("torchao")
    if job.closes_classes:
        # Rows of the head that inception has not trained are drawn by the run's seed.
        known = {name: job.open_classes([job.first.name], name) for name in job.classes}
        content["head"] = {"seed": seed, "label_space": list(job.stream.form.label_space), "open": known}

    def say(model: nn.Module) -> Mapping[str, Answers]:
        def build(folder: Path) -> None:
            for number, found in enumerate(evaluate(model).values()):
                for part, values in found._asdict().items():
                    np.save(folder / f"{number}-{part}.npy", values)

        folder = cached("predictions", content, build)
        return {
            d.name: Answers(*(np.load(folder / f"{number}-{part}.npy") for part in Answers._fields))
            for number, d in enumerate(job.data)
        }

    return say


def evaluator(tokens: Tokens, split: str = "test") -> Evaluate:
    """From a model to what it says of every example of a split of each domain, the class and the classes'
    probabilities; examples of like length are read together."""
    import torch

    from clbench.continual.evaluation import Answers
    from clbench.encoder.classifier import predict
    from clbench.encoder.quantize import evaluated

    tests = tokens.of(split)
    size = _BATCH if tokens.store.device.kind == "cpu" else _BATCHES_ON_A_GPU
    rows = np.concatenate(list(tests.values()))
    order = np.argsort(tokens.store.lengths[rows], kind="stable")
    place, cuts = np.argsort(order), np.cumsum([len(part) for part in tests.values()])[:-1]

    def evaluate(model: nn.Module) -> dict[str, Answers]:
        parts = []
        asked = evaluated(model)
        for begin in range(0, len(rows), size):
            between_steps()
            logits = predict(asked, torch.from_numpy(rows[order[begin : begin + size]]), on_a_cpu=size)
            named = logits.argmax(-1).numpy()
            parts.append((named, kept(logits.float().softmax(-1).numpy(), named)))
        classes, likely = (np.concatenate(part)[place] for part in zip(*parts, strict=True))
        return dict(zip(tests, map(Answers, np.split(classes, cuts), np.split(likely, cuts)), strict=True))

    return evaluate
