"""How much there is to do, in passes of examples through layers, and how long that takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clbench.schema.strategy import stages

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.compression.plan import Artifact
    from clbench.encoder.tokens import TokenStore
    from clbench.runs.job import Job

# A step of training is a pass forward and about two backward.
_TRAIN = 3
# Seconds that a run takes beyond its passes: weights, latency, picture, record.
_RUN = 4.0
_INCEPTION = 1.0


@dataclass(frozen=True)
class Workload:
    """Attributes:
    pairs: that are read in all, a training step's three times.
    layers: the same, each times the layers that it goes through.
    seconds: what does not depend on the examples.
    """

    pairs: float = 0.0
    layers: float = 0.0
    seconds: float = 0.0

    def at(self, pass_time: PassTime) -> float:
        """Seconds on one core."""
        return max(self.pairs * pass_time.pair + self.layers * pass_time.layer, 0.0) + self.seconds


@dataclass(frozen=True)
class PassTime:
    """Seconds that one core takes for an example, and for each layer that the example goes through, forward only.

    The first may be below 0: of the last layer only what [CLS] needs is computed, which is less than a layer.
    """

    pair: float
    layer: float


def inception_work(job: Job, missing: Sequence[Artifact], depth: int) -> Workload:
    """Of the entries that are to be made, and of the predictions at inception."""
    splits = job.trained[0].splits
    train, validation, tests = len(splits["train"]), len(splits["validation"]), _tests(job)
    pairs = layers = 0.0
    for entry in missing:
        passes = entry.epochs * (_TRAIN * train + validation) if entry.epochs else train
        pairs, layers = pairs + passes, layers + passes * entry.layers
    return Workload(pairs + tests, layers + tests * depth, _INCEPTION)


def life_work(job: Job, depth: int) -> Workload:
    """Of a life after inception; what a strategy does beyond naive training is its burden."""
    form, training = job.strategy, job.strategy.training
    sizes = {d.name: (len(d.splits["train"]), len(d.splits["validation"])) for d in job.trained}
    first, *further = stages(form, list(sizes))
    passes = float(sizes[first.name][1])
    for stage in further:
        train, validation = (sum(sizes[name][side] for name in stage.trains_on) for side in (0, 1))
        train = form.epoch_pairs(train, sum(sizes[name][0] for name in stage.met))
        passes += training.epochs * (_TRAIN * train * form.burden() + validation)
        steps = training.epochs * -(-train // training.batch_size)
        evaluations = 1 + ((steps - 1) // job.spec.eval_every if job.spec.eval_every else 0)
        passes += evaluations * _tests(job)
    return Workload(passes, passes * depth, _RUN)


def _tests(job: Job) -> int:
    return sum(len(d.splits["test"]) for d in job.data)


def measure_pass_time(job: Job, budget: float = 1.5) -> PassTime:
    """Time a few steps of training of the job's backbone, at two depths, on examples of all its domains.

    Two or more steps each, however long they take; the first one is not counted.

    Args:
        budget: seconds.
    """
    import numpy as np
    import torch

    from clbench.encoder.tokens import join_stores, pack

    size = job.strategy.training.batch_size
    draw = np.random.default_rng(0)
    parts = [d.splits["test"].select(draw.integers(0, len(d.splits["test"]), size)) for d in job.data]
    tokenizer = job.backbone.tokenizer()
    store = join_stores([pack(tokenizer, part.first, part.second, job.max_length) for part in parts]).on(job.device)
    # As in training, a batch holds examples of like length.
    batches = list(torch.from_numpy(np.argsort(store.lengths, kind="stable")).split(size))
    batches = [batches[place] for place in draw.permutation(len(batches)).tolist()]
    depths = sorted({1, max(1, job.backbone.layers // 2)})
    found = {depth: _step_seconds(job, store, batches, depth, budget / len(depths)) for depth in depths}
    low, high = depths[0], depths[-1]
    layer = (found[high] - found[low]) / (high - low) if high > low else found[low] / 2
    layer = max(layer, 0.0)
    return PassTime(found[low] - low * layer, layer)


def _step_seconds(job: Job, store: TokenStore, batches: Sequence[Tensor], depth: int, budget: float) -> float:
    """Seconds for one example of one pass, of three that a step of training takes."""
    import torch

    from clbench.encoder.classifier import keep_layers
    from clbench.encoder.graphs import begin_step
    from clbench.encoder.optimization import optimizer

    model = job.backbone.classifier(len(job.stream.form.label_space), 0).with_tokens(store)
    if model.family.shares_layers:
        model.config.num_hidden_layers = depth
    else:
        keep_layers(model, list(range(1, depth + 1)))
    model.train()
    step = optimizer(model, job.strategy.training)
    seconds, pairs, number = 0.0, 0, 0
    while number < 3 or seconds < budget:
        rows = batches[number % len(batches)]
        began = time.perf_counter()
        step.zero_grad()
        begin_step(model)
        zeros = torch.zeros(len(rows), dtype=torch.int64, device=job.device.torch)
        torch.nn.functional.cross_entropy(model(rows), zeros).backward()
        step.step()
        if number:
            seconds, pairs = seconds + time.perf_counter() - began, pairs + len(rows)
        number += 1
    return seconds / pairs / _TRAIN


def memory_of(job: Job) -> int:
    """Bytes of memory that a run takes on the device that its models compute on, about, for sharing one out.

    Weights, gradients, AdamW's two moments and a strategy's copy of the weights in float32 (20 bytes a parameter),
    twice where a teacher of the same size is there; activations of a batch of the longest examples (34 bytes a token,
    layer and unit of width, Korthikanti et al. 2022, arXiv:2205.05198, attention scores apart); and 1 GiB for CUDA.
    """
    shape, training = job.plan(0).shape, job.strategy.training
    layers = max(job.backbone.layers, shape.layers)
    parameters = shape.parameters * layers / max(shape.layers, 1)
    activations = 34 * training.batch_size * job.max_length * shape.width * layers
    return int(20 * parameters * (2 if job.recipe.teachers else 1) + activations) + (1 << 30)


def about(seconds: float) -> str:
    """A time as people say it.

    >>> about(9600), about(160), about(20)
    ('about 2 h 40 min', 'about 3 min', 'less than a minute')
    """
    if seconds < 45:
        return "less than a minute"
    minutes = max(1, round(seconds / 60)) if seconds < 3600 else 5 * round(seconds / 300)
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min" if hours and rest else f"about {hours} h" if hours else f"about {minutes} min"
