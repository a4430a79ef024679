"""What a step trains on, and the loop in which it does."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from clbench.data.pairs import SPLITS, DomainData, Pairs, joined
from clbench.data.subsets import ranking
from clbench.encoder.batches import like_length
from clbench.encoder.classifier import predict
from clbench.encoder.graphs import begin_step
from clbench.encoder.optimization import Clipping, optimizer, rate, schedule
from clbench.encoder.tokens import TokenStore, pack
from clbench.metrics.scores import balanced_accuracy
from clbench.runtime import events
from clbench.runtime.coordinator import between_steps
from clbench.runtime.device import CPU, Device, sent
from clbench.runtime.steps import StepFigures
from clbench.schema.training import Training
from clbench.storage.cache import cached

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from clbench.compression.execute import Compressed
    from clbench.encoder.backbone import Backbone
    from clbench.schema.step import Place, Planned

# What an entry of the cache holds that is part of a step's work.
_PART = "part.safetensors"
Model = TypeVar("Model", bound=nn.Module)
# (model, places in the training set (B,), their labels (B,)) -> a scalar loss
Loss = Callable[[Model, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TrainedLoss(Generic[Model]):
    """A loss with parameters of its own, or that changes by epoch.

    Attributes:
        loss: see :data:`Loss`.
        beside: the parameters, which are trained along and then forgotten; None without any.
        before_epoch: called with the model and the epoch, 0-based, before each; None where nothing is to be done.
    """

    loss: Loss[Model]
    beside: nn.Module | None = None
    before_epoch: Callable[[Model, int], None] | None = None

    def __call__(self, model: Model, places: Tensor, labels: Tensor) -> Tensor:
        return self.loss(model, places, labels)

    def begin(self, model: Model, epoch: int) -> None:
        """An epoch begins."""
        if self.before_epoch is not None:
            self.before_epoch(model, epoch)


@dataclass(frozen=True)
class Task:
    """The domain that a model is compressed on, as row numbers into a token store.

    Attributes:
        store: the tokens.
        train_rows, train_labels: int64 (N,).
        validation_rows, validation_labels: int64 (M,); they choose the epoch.
        classes: C, the size of the label space.
        digest: a digest of the examples and of how they were tokenised.
        label_space: the classes' names; empty where nobody asks for them.
        domain: its name, for messages.
        pairs: its training and validation examples, for a teacher with another tokenizer; None where there are no
            texts.
        max_length: tokens an example at most.
    """

    store: TokenStore
    train_rows: np.ndarray
    train_labels: np.ndarray
    validation_rows: np.ndarray
    validation_labels: np.ndarray
    classes: int
    digest: str
    label_space: tuple[str, ...] = ()
    domain: str = ""
    pairs: tuple[Pairs, Pairs] | None = None
    max_length: int = 0

    def sample(self, count: int) -> np.ndarray:
        """int64, ascending: places of so many training examples, or of all. Drawn alike for every seed, and not the
        first ones: a file may be sorted by class."""
        return np.sort(np.array(ranking("sample", len(self.train_rows))[:count], dtype=np.int64))

    def tokenised(self, tokenizer: Tokenizer) -> Task:
        """The same task by another tokenizer."""
        if self.pairs is None:
            raise ValueError("the task has no texts to tokenise again")
        first, second = joined(self.pairs)
        rows = np.arange(len(first))
        train, validation = np.split(rows, [len(self.pairs[0])])
        store = pack(tokenizer, first, second, self.max_length).on(self.store.device)
        return replace(self, store=store, train_rows=train, validation_rows=validation)


def task_of(
    data: DomainData, tokenizer: Tokenizer, label_space: Sequence[str], max_length: int, device: Device = CPU
) -> tuple[Task, np.ndarray]:
    """A domain by itself as a task, and the rows of its test examples in the task's store."""
    parts = [data.splits[split] for split in SPLITS]
    first, second = joined(parts)
    store = pack(tokenizer, first, second, max_length).on(device)
    train, validation, test = np.split(np.arange(len(store)), np.cumsum([len(part) for part in parts])[:-1])
    task = Task(
        store, train, parts[0].labels, validation, parts[1].labels, len(label_space),
        task_digest(parts[0], parts[1], len(label_space), max_length), tuple(label_space), data.name,
        (parts[0], parts[1]), max_length,
    )  # fmt: skip
    return task, test


def task_digest(train: Pairs, validation: Pairs, classes: int, max_length: int) -> str:
    """What determines a task as a recipe sees it: examples, label space, tokens' length."""
    content = [[train.digest(), validation.digest()], classes, max_length]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class Observer(Protocol):
    """Who watches a training loop from inside, for a strategy that needs the path of inception."""

    def before_training(self, model: nn.Module) -> None: ...

    def before_iteration(self, model: nn.Module) -> None: ...

    def after_iteration(self, model: nn.Module) -> None: ...

    def epoch_kept(self, model: nn.Module) -> None: ...

    def after_training(self, model: nn.Module) -> None: ...

    def state(self) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Report:
    """What a step did.

    Attributes:
        validation: balanced accuracy on the validation examples, an epoch each.
        layers: those that were kept, 1-based; None where none were taken away.
        masks: weights that are to stay zero, by the parameter's name: 1 to keep, 0 to leave out.
        details: whatever else the record should say, plain JSON values.
        decided: what the plan could not know, see :attr:`clbench.schema.step.Planned.decided_later`.
        choosing_seconds: wall time of what it had to find out beside the training, such as a layer map; None where
            there was nothing.
    """

    validation: tuple[float, ...] = ()
    layers: tuple[int, ...] | None = None
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    decided: Mapping[str, Any] = field(default_factory=dict)
    choosing_seconds: float | None = None


@dataclass(frozen=True)
class StepContext:
    """What a step is given when it runs.

    Attributes:
        task: what to train on.
        backbone: what the recipe started from.
        place, planned: the step's in the plan.
        seed: of whatever it draws.
        before: what determines the model that it is given, as plain JSON values.
        identity: the step's, see :meth:`clbench.schema.step.Step.identity`.
        training: the field ``training``, at the backbone's learning rate where it names none; None of a step that does
            not train.
        teacher: the model that the field ``teacher`` names; None without one.
        observer: watches the training; it changes nothing.
    """

    task: Task
    backbone: Backbone
    place: Place
    planned: Planned
    seed: int
    before: Mapping[str, Any]
    identity: Mapping[str, Any]
    training: Training | None = None
    teacher: Compressed | None = None
    observer: Observer | None = None

    def fit(
        self, model: Model, loss: Loss[Model], *, part: str = "", last: bool = True, observer: Observer | None = None,
        training: Training | None = None,
    ) -> Report:  # fmt: skip
        """Train as the step's field ``training`` says, see :func:`fit`.

        Args:
            model: trained in place.
            loss: of the model on some places of the training set.
            part: what follows the step's name in progress, where it trains more than once.
            last: whether this is the training that a strategy's observer watches.
            observer: of the step's own, where it is not the last.
            training: another than the step's, with its learning rate, where the step trains in several ways.
        """
        form = training or self.training
        assert form is not None  # of a step that trains
        scores = fit(
            model, self.task, form, loss, seed=self.seed,
            name=f"{self.place.name}{part}", observer=self.observer if last else observer,
        )  # fmt: skip
        return Report(tuple(scores))

    def kept(
        self, part: Mapping[str, Any], make: Callable[[], Mapping[str, Tensor]], *, regardless_of: Collection[str]
    ) -> dict[str, Tensor]:
        """A part of the step's work that does not hang on all of its settings: from the cache where the step of another
        recipe has done it already, or this one before it was interrupted.

        Args:
            part: which one it is, as plain JSON values.
            make: does it, and returns what it came to, by name.
            regardless_of: the step's settings on which it does not hang.

        Returns:
            What it came to, on the CPU.
        """

        def build(folder: Path) -> None:
            found = {name: value.contiguous() for name, value in make().items()}
            (folder / _PART).write_bytes(save(found))  # by way of bytes, so that a full disk is an ordinary OSError

        settings = {name: value for name, value in self.identity.items() if name not in regardless_of}
        return load_file(cached("parts", {**self.before, "step": settings, "part": dict(part)}, build) / _PART)


def fit(
    model: Model,
    task: Task,
    form: Training,
    loss: Loss[Model],
    *,
    seed: int,
    name: str,
    observer: Observer | None = None,
) -> list[float]:
    """Train ``model`` in place; with ``select: best`` it ends with the weights of its best epoch.

    Args:
        model: reads its rows from ``task.store``.
        task: what to train on.
        form: how long, how fast.
        loss: of the model on some places of the training set; a :class:`TrainedLoss` where it is more than that.
        seed: draws the order of examples and the dropout masks.
        name: the task's, for those who listen.
        observer: watches every optimizer step; it changes nothing.

    Returns:
        The balanced accuracy on the validation examples after each epoch (after the last one only, with ``select:
        last``).

    Raises:
        NotFinite: the loss, its gradient, or a logit on the validation examples is nan or infinite.
    """
    torch.manual_seed(seed)
    device = task.store.device.torch
    rows, labels = torch.from_numpy(task.train_rows), torch.from_numpy(task.train_labels)
    loss = loss if isinstance(loss, TrainedLoss) else TrainedLoss(loss)
    trained = model if loss.beside is None else nn.ModuleList([model, loss.beside.to(device)])
    step, clip = optimizer(trained, form), Clipping(form.max_grad_norm)
    lengths = task.store.lengths[task.train_rows]
    steps = math.ceil(len(rows) / form.batch_size) * form.epochs
    scores, kept, done, seen = list[float](), None, 0, 0
    told = StepFigures(name, steps, clip.loss, lambda: step.param_groups[0]["lr"])
    if observer:
        observer.before_training(model)
    for epoch in range(form.epochs):
        loss.begin(model, epoch)
        model.train()
        told.resume()
        drawn = torch.randperm(len(rows)).split(form.batch_size)
        for places in map(torch.from_numpy, like_length(drawn, lengths)):
            schedule(step, rate(done, steps, int(form.warmup * steps)))
            step.zero_grad()
            begin_step(model)
            value = loss(model, places, sent(labels[places], device))
            value.backward()
            if observer:
                observer.before_iteration(model)
            clip(trained, value, f"{name}, on {task.domain or 'its domain'}, step {done + 1} of {steps}")
            step.step()
            if observer:
                observer.after_iteration(model)
            done, seen = done + 1, seen + len(places)
            between_steps()
            events.advance(name, seen, form.epochs * len(rows), "examples")
            told.step(done, len(places))
        clip.settle()
        last = epoch + 1 == form.epochs
        if form.select == "last" and not last:
            continue
        scores.append(_told_score(model, task, name, done))
        if form.select == "best" and scores[-1] >= max(scores):
            # The last epoch's weights are in the model already.
            kept = None if last else {key: value.clone() for key, value in model.state_dict().items()}
            if observer:
                observer.epoch_kept(model)
    if kept is not None:
        model.load_state_dict(kept)
    if observer:
        observer.after_training(model)
    model.zero_grad()
    model.eval()
    return scores


def score(model: nn.Module, task: Task) -> float:
    """Balanced accuracy on the validation examples."""
    found = predict(model, torch.from_numpy(task.validation_rows)).argmax(-1).numpy()
    return balanced_accuracy(task.validation_labels, found)


def _told_score(model: nn.Module, task: Task, name: str, step: int) -> float:
    value = score(model, task)
    events.figures(name, {f"validation/{task.domain or 'domain'}": value}, step)
    return value
