"""Schedule, optimizer, choice of epoch, loaders, and looking without touching."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from life_worlds import Bag, World, strategy
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader

from clbench.continual import avalanche
from clbench.continual.benchmark import RowLoader, benchmark, contents, dataset
from clbench.continual.evaluation import untouched, validate
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.encoder.optimization import optimizer, rate
from clbench.metrics.scores import balanced_accuracy


@given(st.integers(1, 500), st.floats(0, 0.99))
def test_the_rate_rises_once_and_falls_once(steps: int, warmup: float) -> None:
    top = int(warmup * steps)
    shares = [rate(s, steps, top) for s in range(steps)]
    assert shares[top] == 1.0
    assert all(0 < share <= 1 for share in shares)
    assert np.all(np.diff(shares[: top + 1]) > 0)
    assert np.all(np.diff(shares[top:]) < 0)


def test_the_rate_by_hand() -> None:
    assert [rate(s, 10, 2) for s in range(10)] == pytest.approx(
        [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
    assert [rate(s, 2, 0) for s in range(2)] == [1.0, 0.5]


def test_only_matrices_decay(inception: Callable[[], Bag]) -> None:
    model = inception()
    groups = optimizer(model, strategy("naive").training).param_groups
    names = {id(p): n for n, p in model.named_parameters()}
    assert {names[id(p)] for p in groups[0]["params"]} == {"embedding.weight", "hidden.weight", "head.weight"}
    assert (groups[0]["weight_decay"], groups[1]["weight_decay"]) == (0.01, 0.0)
    assert sum(len(g["params"]) for g in groups) == len(names)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_balanced_accuracy_is_sklearns(pairs: list[tuple[int, int]]) -> None:
    gold, found = np.array(pairs).T
    assert balanced_accuracy(gold, found) == pytest.approx(balanced_accuracy_score(gold, found))


def naive(world: World, model: Bag, training: TrainingPlugin, **changes: Any) -> Any:
    form = strategy("naive", **changes)
    stream = benchmark(world.experiences).train_stream
    learner = build(form, model, training, stream[:1], {}, form.training.epochs)
    learner.train(stream[1], eval_streams=[])
    return learner


@pytest.mark.parametrize(
    ("select", "scores", "kept"),
    [
        ("best", [0.9, 0.5, 0.4], 0),
        ("best", [0.5, 0.9, 0.4], 1),
        ("best", [0.5, 0.9, 0.9], 2),
        ("best", [0.9, 0.9, 0.2], 1),
        ("last", [0.7], 2),
    ],
)
def test_which_epoch_is_kept(
    world: World,
    inception: Callable[[], Bag],
    monkeypatch: pytest.MonkeyPatch,
    select: str,
    scores: list[float],
    kept: int,
) -> None:
    model, ends, given = inception(), [], iter(scores)
    form = strategy("naive", training__epochs=3, training__select=select)
    monkeypatch.setattr("clbench.continual.training.validate", lambda *_, **__: next(given))

    def keep(step: int, steps: int, _: int) -> None:
        if step % (steps // 3) == 0:
            ends.append({n: v.clone() for n, v in model.state_dict().items()})

    training = TrainingPlugin(form.training, world.experiences[1:2], keep)
    naive(world, model, training, training__epochs=3, training__select=select)
    assert next(given, None) is None, "a score was not asked for"
    assert training.validation == {"second": max(scores)}
    assert all(torch.equal(ends[kept][n], v) for n, v in model.state_dict().items())
    assert not all(torch.equal(ends[kept - 1][n], v) for n, v in model.state_dict().items())


def test_gradients_are_clipped_and_the_rate_is_scheduled(world: World, inception: Callable[[], Bag]) -> None:
    model = inception()
    norms: list[float] = []
    rates: list[float] = []
    form = strategy("naive", training__max_grad_norm=0.01, training__epochs=1).training

    def watch(*_: int) -> None:
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm().item())
        rates.append(learner_rates())

    def learner_rates() -> float:
        return holder[0].param_groups[0]["lr"]

    holder: list[torch.optim.Optimizer] = []
    plugin = TrainingPlugin(form, world.experiences[1:2], watch)
    before = plugin.before_training_iteration

    def grab(strategy: Any, **kwargs: Any) -> None:
        holder[:] = [strategy.optimizer]
        before(strategy, **kwargs)

    plugin.before_training_iteration = grab  # type: ignore[method-assign]
    naive(world, model, plugin, training__max_grad_norm=0.01, training__epochs=1)
    assert len(norms) == 20
    assert max(norms) == pytest.approx(0.01, rel=1e-3)
    assert rates == pytest.approx([0.01 * rate(s, 20, 2) for s in range(20)])


def test_a_bare_loop_does_the_same(world: World, inception: Callable[[], Bag]) -> None:
    """One epoch under Avalanche equals the same optimisation written out, batch for batch."""
    model, batches = inception(), []
    model.dropout.p = 0.0
    form = strategy("naive", training__epochs=1).training
    learner_model, twin = model, inception()
    twin.dropout.p = 0.0
    plugin = TrainingPlugin(form, world.experiences[1:2], lambda *_: None)
    plugin.before_forward = lambda strategy, **_: batches.append((strategy.mb_x, strategy.mb_y))  # type: ignore[attr-defined]
    naive(world, learner_model, plugin, training__epochs=1)
    step = torch.optim.AdamW(
        [
            {"params": [p for p in twin.parameters() if p.ndim >= 2], "weight_decay": 0.01},
            {"params": [p for p in twin.parameters() if p.ndim < 2], "weight_decay": 0},
        ]
    )
    for number, (rows, labels) in enumerate(batches):
        for group in step.param_groups:
            group["lr"] = 0.01 * min((number + 1) / 3, (20 - number) / 18)
        step.zero_grad()
        nn.functional.cross_entropy(twin(rows), labels).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        step.step()
    assert sorted(int(r) for rows, _ in batches for r in rows) == sorted(world.experiences[1].train_rows.tolist())
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_datasets_keep_their_rows_through_avalanches_cuts() -> None:
    rows, labels = torch.arange(100, 130), torch.arange(30) % 2
    whole = dataset(rows, labels)
    cut = whole.subset([3, 1, 28]).concat(dataset(torch.tensor([7]), torch.tensor([1]))).subset([3, 0])
    found = contents(cut)
    assert found[0].tolist() == [7, 103]
    assert found[1].tolist() == [1, 1]
    assert [int(cut[i][0]) for i in range(2)] == [7, 103]


def test_row_loader_makes_the_loaders_own_batches() -> None:
    data = dataset(torch.arange(50, 83), torch.arange(33) % 2)
    loader = DataLoader(data, batch_size=8)
    quick = RowLoader(loader)
    assert len(quick) == len(loader) == 5
    for ours, its in zip(quick, loader, strict=True):
        assert [t.tolist() for t in ours] == [t.tolist() for t in its]
    joined = avalanche.MultiDatasetDataLoader(
        [data, dataset(torch.arange(5), torch.zeros(5, dtype=torch.int64))], [4, 2], oversample_small_datasets=True
    )
    for ours, its in zip(RowLoader(joined), joined, strict=True):
        assert [t.tolist() for t in ours] == [t.tolist() for t in its]


def test_looking_leaves_no_trace(inception: Callable[[], Bag]) -> None:
    model = inception().train()
    model.dropout.eval()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    expected = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    with untouched(model):
        model.eval()
        torch.rand(5), np.random.rand(5), random.random()
    assert (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()) == expected
    assert model.training
    assert not model.dropout.training


def test_validation_is_without_dropout(world: World, inception: Callable[[], Bag]) -> None:
    model = inception().train()
    experience = world.experiences[0]
    model.eval()
    with torch.no_grad():
        found = model(torch.from_numpy(experience.validation_rows)).argmax(-1).numpy()
    model.dropout.p = 0.9
    model.train()
    expected = balanced_accuracy_score(experience.validation_labels, found)
    assert validate(model, experience, 7) == pytest.approx(expected)
    assert model.training
