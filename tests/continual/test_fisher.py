"""The Fisher information: the mean of single examples' squared gradients, however they are ordered and batched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from encoder_worlds import config, random_store
from hypothesis import given, settings
from hypothesis import strategies as st
from life_worlds import World
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification

from clbench.compression.masks import attach_masks
from clbench.continual import fisher as room
from clbench.continual.fisher import fisher_diagonal
from clbench.encoder.classifier import Classifier
from clbench.encoder.reference import ReferenceModel
from clbench.runtime.device import Device
from clbench.schema.strategy import read_strategy


def encoder(**changes: Any) -> Classifier:
    """Rows of many lengths, [CLS] first [SEP] second [SEP]."""
    torch.manual_seed(1)
    store = random_store(np.random.default_rng(2), 40, longest=14)
    return Classifier(BertForSequenceClassification(config(**changes)), store).train()


def word_pairs() -> ReferenceModel:
    torch.manual_seed(1)
    model = ReferenceModel(3, 64, random_store(np.random.default_rng(2), 40, longest=14))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def by_autograd(model: nn.Module, rows: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Each example by itself through torch's own gradients, in double precision where it adds them up."""
    modes = [module.training for module in model.modules()]
    model.eval()
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    found = {name: torch.zeros(p.shape, dtype=torch.float64) for name, p in named}
    for row, label in zip(rows, labels, strict=True):
        loss = F.cross_entropy(model(row[None]), label[None])
        for (name, _), gradient in zip(named, torch.autograd.grad(loss, [p for _, p in named]), strict=True):
            found[name] += gradient.double() ** 2 / len(rows)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    return found


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """To 1e-5 of each parameter's largest; the keys' biases, whose gradient is zero but for rounding, to nothing."""
    assert list(found) == list(expected)
    most = max(float(value.max()) for value in expected.values())
    for name, value in expected.items():
        bound = 1e-5 * max(float(value.max()), 1e-9 * most)
        assert float((found[name].double() - value).abs().max()) <= bound, name


MODELS = {
    "encoder": encoder,
    "one layer": lambda: encoder(num_hidden_layers=1),
    "majority": lambda: ReferenceModel(3, None, random_store(np.random.default_rng(2), 40)),
    "bow": word_pairs,
}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=8)
@given(order=st.permutations(range(40)), count=st.integers(1, 40), batch=st.sampled_from([1, 2, 7, 64]))
def test_it_is_the_mean_over_single_pairs_for_every_order_and_batch(
    name: str, order: list[int], count: int, batch: int
) -> None:
    model = MODELS[name]()
    rows = torch.tensor(order[:count])
    labels = rows % 3
    before, room._BATCH = room._BATCH, batch
    try:
        found = fisher_diagonal(model, rows, labels)
    finally:
        room._BATCH = before
    assert_equal(found, by_autograd(model, rows, labels))


@pytest.mark.parametrize("small", [0, 2**30])
def test_large_and_small_matrices_go_their_own_ways_to_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(room, "_SMALL", small)
    model, rows = encoder(), torch.arange(40)
    assert_equal(fisher_diagonal(model, rows, rows % 3), by_autograd(model, rows, rows % 3))


def test_by_hand() -> None:
    """z = b, two classes, p = (1/2, 1/2): each gradient is (-1/2, 1/2) or (1/2, -1/2), whose mean is zero."""
    model = ReferenceModel(2, None, random_store(np.random.default_rng(0), 8))
    found = fisher_diagonal(model, torch.arange(8), torch.arange(8) % 2)
    assert found["bias"].tolist() == [0.25, 0.25]


def test_avalanches_own_is_another_quantity(world: World) -> None:
    """What it takes hangs on the batch size; the strategy's does not."""
    model = world.model()
    first = world.experiences[0]
    rows, labels = torch.from_numpy(first.train_rows), torch.from_numpy(first.train_labels)
    expected = by_autograd(model, rows, labels)
    assert_equal(fisher_diagonal(model, rows, labels), expected)
    batched = {name: torch.zeros_like(value) for name, value in expected.items()}
    for part, gold in zip(rows.split(32), labels.split(32), strict=True):
        loss = F.cross_entropy(model.eval()(part), gold)
        for name, gradient in zip(batched, torch.autograd.grad(loss, list(model.parameters())), strict=True):
            batched[name] += gradient.double() ** 2 / 10
    trace = [sum(float(value.sum()) for value in values.values()) for values in (batched, expected)]
    assert trace[0] < 0.5 * trace[1]


class Tied(nn.Module):
    """One matrix in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.one.weight
        self.x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))

    def forward(self, rows: Tensor) -> Tensor:
        return self.other(torch.tanh(self.one(self.x[rows])))


class Twice(Tied):
    """One module, called twice."""

    def __init__(self) -> None:
        super().__init__()
        del self.other

    def forward(self, rows: Tensor) -> Tensor:
        return self.one(torch.tanh(self.one(self.x[rows])))


class Bare(Tied):
    """A parameter in no module that has a rule."""

    def __init__(self) -> None:
        super().__init__()
        del self.other
        self.scale = nn.Parameter(torch.tensor([0.5, 1.0, 1.5, 2.0]))

    def forward(self, rows: Tensor) -> Tensor:
        return self.one(self.x[rows]) * self.scale


@pytest.mark.parametrize("kind", [Tied, Twice, Bare])
def test_what_has_no_rule_is_asked_pair_by_pair(kind: type[Tied]) -> None:
    torch.manual_seed(0)
    model, rows = kind(), torch.arange(12)
    assert_equal(fisher_diagonal(model, rows, rows % 4), by_autograd(model, rows, rows % 4))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model_type", ["roberta", "distilbert"])
def test_examples_taken_together_agree_with_padded_ones_in_either_precision(
    model_type: str, precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU single examples go through padded graphs and those taken together through packed tokens."""
    torch.manual_seed(1)
    hf = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(
        model_type, vocab_size=64, hidden_size=32, dim=32, num_hidden_layers=2, n_layers=2, num_attention_heads=2,
        n_heads=2, intermediate_size=48, hidden_dim=48, max_position_embeddings=40,
    ))  # fmt: skip
    store = random_store(np.random.default_rng(2), 40, longest=14).on(Device(precision=precision))
    model = Classifier(hf.eval(), store)
    monkeypatch.setattr(Classifier, "replayed", lambda self, rows: self._replayed(rows, False, None)[1])
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    assert room._agrees(
        model, sums, torch.arange(40), torch.arange(40) % 2, room.Measure(room._log_likelihood, squared=True)
    )


def test_frozen_parameters_have_none() -> None:
    model, rows = encoder(), torch.arange(12)
    model.hf.bert.embeddings.requires_grad_(False)
    model.hf.bert.encoder.layer[0].attention.self.query.weight.requires_grad_(False)
    found = fisher_diagonal(model, rows, rows % 3)
    assert_equal(found, by_autograd(model, rows, rows % 3))
    assert not any("embeddings" in name or "layer.0.attention.self.query.weight" in name for name in found)


def test_the_model_is_left_as_it_was() -> None:
    model, rows = encoder(hidden_dropout_prob=0.3), torch.arange(12)
    name = "hf.bert.encoder.layer.1.output.dense.weight"
    mask = torch.rand(dict(model.named_parameters())[name].shape) < 0.5
    attach_masks(model, {name: mask})
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.hf.dropout.eval()
    modes, state = [module.training for module in model.modules()], torch.get_rng_state()
    fisher_diagonal(model, rows, rows % 3)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    # The masks still hold in the training that follows.
    F.cross_entropy(model(rows), rows % 3).backward()
    gradient = dict(model.named_parameters())[name].grad
    assert gradient is not None
    assert gradient[mask].abs().sum() > 0
    assert gradient[~mask].abs().sum() == 0


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="products depend on threads without MKL")
def test_the_number_of_threads_changes_no_bit() -> None:
    before, found = torch.get_num_threads(), []
    model = encoder(hidden_size=128, intermediate_size=512, num_hidden_layers=2)
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fisher_diagonal(model, torch.arange(40), torch.arange(40) % 3))
    finally:
        torch.set_num_threads(before)
    assert [name for name, value in found[0].items() if not torch.equal(value, found[1][name])] == []


@pytest.mark.parametrize("mode", [{}, {"mode": "online", "decay": 0.5}])
def test_the_plugin_keeps_one_an_experience_or_a_decayed_sum(world: World, mode: dict[str, Any]) -> None:
    from clbench.continual.benchmark import benchmark

    form = type(read_strategy("ewc")).model_validate(read_strategy("ewc").model_dump() | mode)
    plugin: Any = form.plugin()
    stream, model, each = benchmark(world.experiences).train_stream, world.model(), []
    for number, experience in enumerate(world.experiences[:2]):
        with torch.no_grad():
            model.head.weight += 0.1 * number
        importances = plugin.compute_importances(model, None, None, stream[number].dataset, "cpu", 32)
        plugin.update_importances(importances, number)
        rows, labels = torch.from_numpy(experience.train_rows), torch.from_numpy(experience.train_labels)
        each.append(by_autograd(model, rows, labels))
    expected = each[1] if not mode else {name: 0.5 * each[0][name] + value for name, value in each[1].items()}
    assert_equal({name: data.data for name, data in plugin.importances[1].items()}, expected)
