"""Models without an encoder against a second form in plain Python, against the log-odds, and against scikit-learn."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_worlds import random_store
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from clbench.compression.steps.finetune import finetune_loss
from clbench.compression.task import Task, fit, task_of
from clbench.data.generators import generate
from clbench.data.pairs import DomainData
from clbench.encoder import measure
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.quantize import evaluated
from clbench.encoder.reference import ReferenceModel, _splitmix64, features
from clbench.encoder.tokens import TokenStore
from clbench.metrics.cost import linear_flops
from clbench.schema.training import Training

BUCKETS = 101  # few, so that features of one example share buckets
LABELS = ("not_entailment", "entailment")
CLS, SEP = 2, 3


def mixed(key: int) -> int:
    """splitmix64's first number from a state, in Python's own integers."""
    mask = 2**64 - 1
    key = (key + 0x9E3779B97F4A7C15) & mask
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & mask
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & mask
    return key ^ (key >> 31)


def read(store: TokenStore, row: int) -> tuple[set[int], set[int]]:
    """The distinct words of the two sentences, counted from 1."""
    ids = store.ids[store.offsets[row] : store.offsets[row + 1]].tolist()
    middle = int(store.seconds[row])
    return {word + 1 for word in ids[1 : middle - 1]}, {word + 1 for word in ids[middle:-1]}


def active(store: TokenStore, row: int) -> set[tuple[int, int]]:
    """A row's features by sets, before they are hashed; 0 is no word."""
    first, second = read(store, row)
    alone = {(u, v) for u in {0, *(first - second)} for v in {0, *(second - first)}} - {(0, 0)}
    return alone | {(word, word) for word in first & second}


def dense(store: TokenStore, rows: np.ndarray, buckets: int) -> np.ndarray:
    """(B, buckets): every row's buckets 1, then of length 1."""
    found = np.zeros((len(rows), buckets))
    for place, row in enumerate(rows):
        found[place, [mixed((u << 32) + v) % buckets for u, v in active(store, int(row))]] = 1
    return found / np.maximum(1e-9, np.linalg.norm(found, axis=1, keepdims=True))


def store_of(*pairs: tuple[list[int], list[int]]) -> TokenStore:
    rows = [[CLS, *first, SEP, *second, SEP] for first, second in pairs]
    seconds = np.array([len(first) + 2 for first, _ in pairs])
    return TokenStore(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), seconds)


def drawn(buckets: int | None = BUCKETS, classes: int = 3) -> ReferenceModel:
    """A model whose parameters are not zero."""
    torch.manual_seed(0)
    model = ReferenceModel(classes, buckets)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


def test_the_hash_is_splitmix64() -> None:
    # The first number of the authors' generator from the seed 1234567.
    assert mixed(1234567) == int(_splitmix64(np.array([1234567], dtype=np.uint64))[0]) == 6457827717110365317
    keys = np.random.default_rng(0).integers(0, 2**63, 200).astype(np.uint64)
    assert _splitmix64(keys).tolist() == [mixed(int(key)) for key in keys]


def test_features_by_hand() -> None:
    # A = {10, 11}, B = {13}, C = {12}; 10 stands twice and counts once.
    store = store_of(([10, 11, 10, 12], [12, 13]))
    assert active(store, 0) == {(13, 13), (11, 0), (12, 0), (0, 14), (11, 14), (12, 14)}
    huge = 2**40  # no two share a bucket
    buckets, counts = features(store, [0], huge)
    assert counts.tolist() == [6] == [1 + 3 * 2 - 1]
    assert buckets.tolist() == sorted(mixed((u << 32) + v) % huge for u, v in active(store, 0))


def test_features_and_logits_are_those_of_a_form_with_sets() -> None:
    store = random_store(np.random.default_rng(1), 60)
    rows = np.random.default_rng(2).integers(0, 60, 50)  # unordered, some twice
    model = drawn().with_tokens(store)
    buckets, counts = model.features(torch.from_numpy(rows))
    for row, part in zip(rows, buckets.split(counts.tolist()), strict=True):
        assert part.tolist() == sorted({mixed((u << 32) + v) % BUCKETS for u, v in active(store, int(row))})
    assert model.pair_embeddings is not None
    x = torch.from_numpy(dense(store, rows, BUCKETS)).float()
    torch.testing.assert_close(model(torch.from_numpy(rows)), x @ model.pair_embeddings.weight + model.bias)
    alone = torch.cat([model(torch.tensor([row])) for row in rows])
    torch.testing.assert_close(model(torch.from_numpy(rows)), alone)


@pytest.mark.parametrize("pair", [([], []), ([5], []), ([], [5]), ([5], [5])])
def test_sentences_without_words(pair: tuple[list[int], list[int]]) -> None:
    model = drawn().with_tokens(store_of(pair, ([7, 8], [9])))
    logits = model(torch.tensor([0, 1]))
    assert torch.isfinite(logits).all()
    assert model.features(torch.tensor([0]))[1].item() == (pair != ([], []))
    if pair == ([], []):
        assert torch.equal(logits[0], model.bias)


def test_a_row_of_one_sentence_alone_has_that_sentences_words() -> None:
    store = TokenStore(np.array([CLS, 5, 6, SEP]), np.array([0, 4]), np.array([4]))
    buckets, _ = features(store, [0], 2**40)
    assert buckets.tolist() == sorted(mixed(word << 32) % 2**40 for word in (6, 7))


def test_the_bias_alone_reads_nothing_and_is_best_at_the_log_odds() -> None:
    model = ReferenceModel(3, None).with_tokens(random_store(np.random.default_rng(1), 60))
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    rows = torch.arange(10)
    assert torch.equal(model(rows), torch.zeros(10, 3))
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.6, 0.3, 0.1]).log())
    torch.nn.functional.cross_entropy(model(rows), labels).backward()
    torch.testing.assert_close(model.bias.grad, torch.zeros(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("domain", ["mnli", "snli", "sick"])
def test_the_trained_bias_is_near_the_log_odds_and_names_the_majority(domain: str, small_backbone: Path) -> None:
    task, test, _ = generated(domain, small_backbone, train=800)
    model = trained(ReferenceModel(2, None), task, rate=0.02)
    share = float(np.mean(task.train_labels))
    assert (model.bias[1] - model.bias[0]).item() == pytest.approx(np.log(share / (1 - share)), abs=0.15)
    assert set(predict(model, torch.from_numpy(test)).argmax(-1).tolist()) == {int(share > 0.5)}


def generated(domain: str, backbone: Path, train: int) -> tuple[Task, np.ndarray, np.ndarray]:
    """A generated domain as a task, the rows of its test examples and their classes."""
    data = DomainData(domain, generate(domain, sizes={"train": train, "validation": 100, "test": 300}), {})
    task, test = task_of(data, open_backbone(str(backbone)).tokenizer(), LABELS, 64)
    return task, test, data.splits["test"].labels


def trained(model: ReferenceModel, task: Task, rate: float, epochs: int = 3) -> ReferenceModel:
    form = Training(epochs=epochs, learning_rate=rate, batch_size=32)
    fit(model.with_tokens(task.store), task, form, finetune_loss(task), seed=0, name="reference")
    return model


def test_scikit_learn_finds_the_same_model_on_the_same_features(small_backbone: Path) -> None:
    task, test, gold = generated("mnli", small_backbone, train=800)
    theirs = LogisticRegression(C=10, max_iter=5000, tol=1e-6)
    theirs.fit(dense(task.store, task.train_rows, 4096), task.train_labels)
    margins = theirs.decision_function(dense(task.store, test, 4096))
    # The same objective by our gradients: with W0 = -W1 at the optimum, |W0|^2 + |W1|^2 is their |w|^2 / 2.
    model = ReferenceModel(2, 4096).with_tokens(task.store)
    rows, labels = torch.from_numpy(task.train_rows), torch.from_numpy(task.train_labels)
    step = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_change=1e-9, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        step.zero_grad()
        loss = 10 * torch.nn.functional.cross_entropy(model(rows), labels, reduction="sum")
        loss = loss + (model.pair_embeddings.weight**2).sum()
        loss.backward()
        return loss

    step.step(objective)
    logits = predict(model, torch.from_numpy(test))
    np.testing.assert_allclose((logits[:, 1] - logits[:, 0]).numpy(), margins, atol=0.02)
    # As a recipe trains it, with few steps and hardly any penalty, it says nearly the same.
    quick = predict(trained(ReferenceModel(2, 4096), task, rate=0.05), torch.from_numpy(test)).argmax(-1).numpy()
    assert np.mean(quick == (margins > 0)) > 0.85
    majority = max(np.mean(gold), 1 - np.mean(gold))
    assert min(np.mean(quick == gold), np.mean((margins > 0) == gold)) > majority + 0.05


def test_pairs_tell_what_no_word_alone_tells() -> None:
    """Exclusive or: the label says whether the two sentences' key words belong together."""
    draw = np.random.default_rng(3)
    one, other = draw.integers(0, 2, 1000), draw.integers(0, 2, 1000)
    noise = draw.integers(20, 30, (1000, 4))
    pairs = [
        ([10 + int(u), *n[:2].tolist()], [14 + int(v), *n[2:].tolist()])
        for u, v, n in zip(one, other, noise, strict=True)
    ]
    labels, rows = (one == other).astype(np.int64), np.arange(1000)
    task = Task(store_of(*pairs), rows[:800], labels[:800], rows[800:], labels[800:], 2, "xor")

    def accuracy(model: ReferenceModel) -> float:
        found = predict(trained(model, task, 0.05, epochs=15), torch.from_numpy(rows[800:])).argmax(-1).numpy()
        return float(np.mean(found == labels[800:]))

    assert accuracy(ReferenceModel(2, 2**14)) > 0.95
    assert accuracy(ReferenceModel(2, None)) < 0.65


def test_copies_share_the_store_and_a_checkpoint_holds_weights_alone() -> None:
    store = random_store(np.random.default_rng(1), 10)
    model = drawn().with_tokens(store)
    twin = copy.deepcopy(model)
    assert twin.store is store
    assert set(model.state_dict()) == {"bias", "pair_embeddings.weight"}
    assert evaluated(model) is model
    model(torch.arange(10)).sum().backward()
    assert all(isinstance(p.grad, Tensor) and p.grad.layout == torch.strided for p in model.parameters())
    with pytest.raises(ValueError, match="no token store"):
        drawn()(torch.arange(2))


def test_cost_by_hand_and_by_the_file(tmp_path: Path) -> None:
    store = store_of(([10, 11], [12]), ([10], [10]), ([10], [12]))  # 5 features, 1 and 3
    model = drawn(1009, classes=2).with_tokens(store)
    found = measure.cost(model, 7, np.arange(3))
    save_file(model.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert found == {
        "depth": 0, "parameters": 2 * 1009 + 2, "parameters_without_embeddings": 2, "flops_per_pair": 2 * 3 * 2,
        "flops_length": 7, "disk_bytes": (tmp_path / "model.safetensors").stat().st_size,
    }  # fmt: skip
    assert linear_flops(3, 2) == 12
    bias = measure.cost(drawn(None).with_tokens(store), 7, np.arange(2))
    assert (bias["parameters"], bias["parameters_without_embeddings"], bias["flops_per_pair"]) == (3, 3, 0)
    with pytest.raises(ValueError, match="there are no rows"):
        measure.cost(model, 7)
    speed = measure.measure(model, np.arange(2), budget=0.05)
    assert speed.latency_ms > 0
    assert speed.throughput > 0
