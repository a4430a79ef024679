"""A layer map at work in a training: what it chooses by, what it has chosen, and what that has cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clbench.compression.distillation import Targets
from clbench.compression.task import Loss, Task, TrainedLoss, fit
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.measure import encoder_flops
from clbench.errors import NotFinite, UserError, short
from clbench.metrics.scores import balanced_accuracy
from clbench.schema.layer_map import LayerMap, layers_given
from clbench.schema.training import Training

if TYPE_CHECKING:
    from clbench.compression.task import Report

# Examples of which states are read at once, on a CPU and elsewhere.
_BATCH, _BATCH_ON_A_GPU = 64, 1024
# A gradient costs one pass forward and about two backward.
_STEP = 3


@dataclass(frozen=True)
class Setting:
    """The training in which a layer map chooses.

    Attributes:
        task: the training set.
        taught: the teacher's answers, the states of its layers 1 to n among them.
        student: m, the student's layers that are matched: its first ones.
        training: of the step.
        seed: of the step.
        name: of the choice, for progress.
        origin: the recipe's file, which opens the sentence of an error.
        loss: of the step, for the answers of a teacher of whose layers each but the matched ones is left out, on a
            training set.
    """

    task: Task
    taught: Targets
    student: int
    training: Training
    seed: int
    name: str
    origin: str
    loss: Callable[[Task, Targets], Loss[Classifier]]


@dataclass
class Spent:
    """What choosing has cost beside the training.

    Attributes:
        examples: examples that the student has read for it, each as often as it was read.
        flops: floating-point operations of that: F of a pass forward over an example of mean length, 3 F of a gradient;
            and of what was computed of the states.
        seconds: wall time.
    """

    examples: int = 0
    flops: int = 0
    seconds: float = 0.0


@dataclass
class Choice:
    """What a layer map may ask when it chooses, and where it says what it has found.

    Attributes:
        epoch: before which it chooses, 0-based.
        student, teacher: m and n: the student's layers 1 to m are matched with the teacher's 1 to n.
        pairs: of the training set.
        draw: the one source of chance; another one each epoch.
        told: see :meth:`tell`.
    """

    epoch: int
    setting: Setting
    model: Classifier
    spent: Spent
    draw: np.random.Generator
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def student(self) -> int:
        return self.setting.student

    @property
    def teacher(self) -> int:
        return int(self.setting.taught.states.shape[1])

    @property
    def epochs(self) -> int:
        """Of the training that it chooses for."""
        return self.setting.training.epochs

    @property
    def pairs(self) -> int:
        return len(self.setting.task.train_rows)

    def sample(self, count: int) -> np.ndarray:
        """int64, ascending: places of so many examples of the training set, or of all. The same in every epoch, and a
        larger sample holds a smaller one."""
        order = np.random.default_rng([self.setting.seed, 0]).permutation(self.pairs)
        return np.sort(order[:count])

    def student_states(self, places: np.ndarray) -> np.ndarray:
        """float32 (P, m, H): the [CLS] states of the student's matched layers, without dropout, scaled to unit norm."""
        task, model = self.setting.task, self.model
        size = _BATCH if task.store.device.kind == "cpu" else _BATCH_ON_A_GPU
        found = np.empty((len(places), self.student, model.config.hidden_size), np.float32)
        # Examples of like length together, as everywhere.
        order = task.store.lengths[task.train_rows[places]].argsort(kind="stable")
        was = model.training
        model.eval()
        with torch.inference_mode():
            for begin in range(0, len(places), size):
                part = order[begin : begin + size]
                firsts, _ = model.states_and_logits(torch.from_numpy(task.train_rows[places[part]]))
                found[part] = F.normalize(firsts[: self.student], dim=-1).transpose(0, 1).float().cpu().numpy()
        model.train(was)
        self._count(len(places), len(places))
        return found

    def teacher_states(self, places: np.ndarray) -> np.ndarray:
        """float32 (P, n, H): those of the teacher's layers 1 to n, from the cache; they cost nothing."""
        return np.asarray(self.setting.taught.states[places], dtype=np.float32)

    def trial(self, layers: Sequence[int], places: np.ndarray, epochs: int) -> tuple[float, float]:
        """Train the student anew with one map on some examples, and put its weights back.

        Returns:
            Balanced accuracy and mean cross-entropy on the validation examples; 0 and infinity where it diverges, which
            the training that is chosen for need not.
        """
        setting, task, taught = self.setting, self.setting.task, self.setting.taught
        # fit scores its last epoch; that costs one example here, and the score that counts is computed once, below.
        part = replace(
            task, train_rows=task.train_rows[places], train_labels=task.train_labels[places],
            validation_rows=task.validation_rows[:1], validation_labels=task.validation_labels[:1],
        )  # fmt: skip
        states = np.asarray(taught.states[places][:, [layer - 1 for layer in layers]])
        answers = replace(taught, logits=np.asarray(taught.logits[places]), states=states, starts=taught.starts[places])
        form = setting.training.model_copy(update={"epochs": epochs, "select": "last"})
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        labels, read = task.validation_labels, 1 + len(task.validation_labels)
        self._count(epochs * len(places) + read, _STEP * epochs * len(places) + read)
        try:
            fit(self.model, part, form, setting.loss(part, answers), seed=setting.seed, name=setting.name)
            logits = predict(self.model, torch.from_numpy(task.validation_rows))
        except NotFinite:
            return 0.0, math.inf
        finally:
            self.model.load_state_dict(before)
        right = balanced_accuracy(labels, logits.argmax(-1).numpy())
        return right, float(F.cross_entropy(logits.double(), torch.from_numpy(labels)))

    def count_flops(self, flops: int) -> None:
        """Add what the map has computed itself to what choosing has cost."""
        self.spent.flops += flops

    def tell(self, **values: Any) -> None:
        """Add to what the record says of this choice: plain JSON values."""
        self.told |= values

    def _count(self, examples: int, passes: int) -> None:
        length = round(float(self.setting.task.store.lengths[self.setting.task.train_rows].mean()))
        self.spent.examples += examples
        self.spent.flops += passes * encoder_flops(self.model.hf, length)


class Matching:
    """A layer map in one training.

    Args:
        form: not one that is known before.
        setting: the training.
    """

    def __init__(self, form: LayerMap, setting: Setting) -> None:
        self.form, self.setting, self.spent = form, setting, Spent()
        self.layers: list[int] = []
        self._choices: list[dict[str, Any]] = []
        self._sum: np.ndarray | None = None
        self._seen = 0

    def before_epoch(self, model: Classifier, epoch: int) -> None:
        """Choose for the epoch, where the map is to; the model and torch's random numbers stay as they were.

        Raises:
            UserError: a plug-in's map chooses what is not there.
        """
        if self.form.is_mixture:
            self._close()
            return
        if epoch and not self.form.is_due(epoch):
            return
        setting, began = self.setting, time.perf_counter()
        choice = Choice(epoch, setting, model, self.spent, np.random.default_rng([setting.seed, 1 + epoch]))
        place = next(model.parameters()).device
        with torch.random.fork_rng([place] if place.type == "cuda" else []):
            self.layers = checked(self.form.choose(choice), self.form, choice.student, choice.teacher, setting.origin)
        self.spent.seconds += time.perf_counter() - began
        self._choices.append({"epoch": epoch, "layers": self.layers, **choice.told})

    def targets(self, states: Tensor, teacher: Tensor) -> Tensor:
        """What the student's states are drawn to.

        Args:
            states: (B, m, H), the student's, scaled to unit norm.
            teacher: (B, n, H), of all its layers but the last, likewise.

        Returns:
            (B, m, H).
        """
        if not self.form.is_mixture:
            return teacher[:, [layer - 1 for layer in self.layers]]
        began = time.perf_counter()
        weights = self.form.weights(states, teacher)
        if not self._seen:  # once an epoch
            self._check(weights, states, teacher)
        mixed = weights @ teacher
        self.spent.seconds += time.perf_counter() - began
        count, m, n = weights.shape
        # The products that make the weights and those that mix, forward and backward.
        self.spent.flops += _STEP * 4 * count * m * n * teacher.shape[-1]
        found = weights.detach().cpu().double().sum(0).numpy()
        self._sum = found if self._sum is None else self._sum + found
        self._seen += count
        return mixed

    def _check(self, weights: Any, states: Tensor, teacher: Tensor) -> None:
        """That a rule's weights are what :meth:`~clbench.schema.layer_map.LayerMap.weights` promises."""
        shape = (*states.shape[:2], teacher.shape[1])
        if isinstance(weights, Tensor) and tuple(weights.shape) == shape:
            # In bfloat16, which autocast leaves, the weights of many layers come to 1 within a percent.
            off = (weights.detach().float().sum(-1) - 1).abs().max()
            if bool((weights >= 0).all()) and bool(off <= 0.02):
                return
        raise UserError(
            f"{self.setting.origin}: weights() of the layer map {self.form.rule} should give a tensor of the shape "
            f"{shape}, each weight 0 or more and those of a layer of the student's 1 in all."
        )

    def told(self, report: Report) -> Report:
        """The step's report with what was chosen, before which epoch, and what it has cost."""
        self._close()
        spent = {"examples": self.spent.examples, "flops": self.spent.flops}
        details = {**report.details, "choices": self._choices, "choosing": spent}
        return replace(report, details=details, choosing_seconds=self.spent.seconds)

    def _close(self) -> None:
        """The mean weights of the epoch that is over."""
        if self._sum is not None:
            mean = (self._sum / self._seen).round(4).tolist()
            self._choices.append({"epoch": len(self._choices), "weights": mean})
        self._sum, self._seen = None, 0


def checked(found: Any, form: LayerMap, student: int, teacher: int, origin: str) -> list[int]:
    """What :meth:`~clbench.schema.layer_map.LayerMap.choose` has given, if it can be matched.

    Raises:
        UserError: it names layers that are not there, or not one for each of the student's.
    """
    layers = layers_given(found)
    if layers is None or len(layers) != student or not all(1 <= layer <= teacher for layer in layers):
        raise UserError(
            f"{origin}: choose() of the layer map {form.rule} should give {student} layers, each of 1 to {teacher}, "
            f"but gives {short(repr(found))}."
        )
    return layers


def with_matching(loss: Loss[Classifier], matching: Matching) -> TrainedLoss[Classifier]:
    """The loss, before whose epochs but the first the map chooses again; for the first it has chosen."""

    def before_epoch(model: Classifier, epoch: int) -> None:
        if epoch:
            matching.before_epoch(model, epoch)

    if isinstance(loss, TrainedLoss):
        return replace(loss, before_epoch=before_epoch)
    return TrainedLoss(loss, before_epoch=before_epoch)
