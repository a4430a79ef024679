"""The distillation loss against an independent form, the student's start, and the pairs that are drawn."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from encoder_worlds import TOKENS, config, sentence, write_vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertModel

from clbench.encoder.bert import encode
from clbench.encoder.hf_folder import read_tokenizer
from clbench.pretrain.corpus import Corpus, order_of_lines, read_pairs
from clbench.pretrain.matching import Scale, initial_student, losses, pooled, scale_of, teach, weigh
from clbench.pretrain.projection import Affine, _ranked_heads, _ranked_neurons, project_layers
from clbench.schema.backbone import BertShape
from clbench.schema.pretrain import Mixture, Student, Weights

EVEN = Mixture(edited=1, sharing=1, unrelated=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("vocabulary")
    write_vocabulary(folder)
    tokenizer = read_tokenizer(folder, BertShape.model_validate(config().to_dict()), "test")
    rng = np.random.default_rng(0)
    return Corpus.of([f"{sentence(rng)} dogs {sentence(rng, 1, 3)}" for _ in range(80)], tokenizer, 30)


@pytest.fixture(scope="module")
def teacher() -> BertModel:
    torch.manual_seed(0)
    return BertModel(config(num_hidden_layers=2), add_pooling_layer=False).eval()


def _pupil(teacher: BertModel, corpus: Corpus, rows: int = 40):
    reading = read_pairs(corpus, list(range(rows)), EVEN, 18, np.random.default_rng(1))
    batch = reading.store.batch(np.arange(3 * rows))
    taught = teach(teacher, batch, "float32")
    scale = scale_of(taught, batch.mask)
    counts = torch.from_numpy(np.bincount(corpus.ids, minlength=len(TOKENS)).astype(float))
    form = Student(layers=4, width=12, heads=2, intermediate=20)
    return initial_student(teacher, form, counts, taught, batch, scale, 0), reading, batch, taught, scale


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_the_losses_equal_a_form_that_reads_row_by_row(teacher, corpus) -> None:
    pupil, reading, batch, _, _ = _pupil(teacher, corpus, 6)
    rng = np.random.default_rng(2)
    scale = Scale(*(torch.from_numpy(rng.uniform(0.5, 1.5, (3, 24)).astype(np.float32)) for _ in range(2)))
    for module in [*pupil.maps, pupil.similarity, *pupil.overlap]:
        torch.nn.init.normal_(module.bias, std=0.3)
    with torch.no_grad():
        parts = {k: float(v) for k, v in losses(pupil, teach(teacher, batch, "float32"), reading, batch, scale).items()}

    # Everything again with transformers' own forward pass, one row at a time, in numpy.
    store, pairs = reading.store, reading.pairs
    squares, tokens = np.zeros(3), 0
    means: list[tuple[np.ndarray, np.ndarray]] = []
    entropy: list[list[float]] = [[], []]
    similarity = []
    mean, deviation = scale.mean.numpy(), scale.deviation.numpy()
    maps = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in pupil.maps]
    for row in range(len(store)):
        begin, end = int(store.offsets[row]), int(store.offsets[row + 1])
        ids = store.ids[begin:end][None]
        types = (torch.arange(end - begin) >= int(store.seconds[row])).long()[None]
        with torch.no_grad():
            ours = pupil.bert.eval()(ids, token_type_ids=types, output_hidden_states=True)
            theirs = teacher(ids, token_type_ids=types, output_hidden_states=True).hidden_states
        states = [state[0].numpy() for state in ours.hidden_states]
        goals = [state[0].numpy() for state in theirs]
        for depth, (weight, bias) in enumerate(maps):
            goal = (goals[depth] - mean[depth]) / deviation[depth]
            squares[depth] += ((states[2 * depth] @ weight.T + bias - goal) ** 2).sum()
        tokens += end - begin
        mapped = (states[4] @ maps[2][0].T + maps[2][1]) * deviation[2] + mean[2]
        means.append((mapped.mean(0), goals[2].mean(0)))
        if row >= 2 * pairs:
            cosine = _cosine(means[row - 2 * pairs][1], means[row - pairs][1])
            guess = ours.pooler_output[0].numpy() @ pupil.similarity.weight[0].detach().numpy()
            similarity.append((guess + float(pupil.similarity.bias) - cosine) ** 2)
            flat, cut = ids[0].tolist(), int(store.seconds[row])
            first, second = flat[1 : cut - 1], flat[cut:-1]
            for place, token in enumerate(flat):
                if token == 2 or token == 3:
                    continue
                label = float(token in (second if place < cut else first))
                for reader, depth in enumerate((2, 4)):
                    linear = pupil.overlap[reader]
                    z = float(
                        states[depth][place] @ linear.weight[0].detach().numpy() + linear.bias.detach().numpy()[0]
                    )
                    entropy[reader].append(np.log1p(np.exp(-z)) + (1 - label) * z)
    assert parts["hidden"] == pytest.approx(float((squares / (tokens * 24)).mean()), rel=1e-4)
    assert parts["sentence"] == pytest.approx(1 - np.mean([_cosine(*pair) for pair in means[: 2 * pairs]]), rel=1e-3)
    assert parts["similarity"] == pytest.approx(np.mean(similarity), rel=1e-4)
    assert parts["overlap"] == pytest.approx(np.mean([np.mean(part) for part in entropy]), rel=1e-4)


def test_the_loss_is_the_weighted_sum() -> None:
    parts = {
        name: torch.tensor(value)
        for name, value in [("hidden", 1.0), ("sentence", 2.0), ("similarity", 3.0), ("overlap", 4.0)]
    }
    # 1 * 1 + 10 * 2 + 0 * 3 + 0.5 * 4
    assert float(weigh(parts, Weights(hidden=1, sentence=10, similarity=0, overlap=0.5))) == 23.0


def test_every_parameter_of_the_student_gets_a_gradient(teacher, corpus) -> None:
    pupil, reading, batch, taught, scale = _pupil(teacher, corpus)
    weigh(
        losses(pupil, taught, reading, batch, scale), Weights(hidden=1, sentence=1, similarity=1, overlap=1)
    ).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pupil.parameters())


def test_bfloat16_targets_are_close_to_float32_ones(teacher, corpus) -> None:
    _, _, batch, taught, _ = _pupil(teacher, corpus, 4)
    for half, full in zip(teach(teacher, batch, "bfloat16"), taught, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, atol=0.1, rtol=0.05)


def test_pooled_is_the_mean_over_a_rows_tokens_without_padding(teacher, corpus) -> None:
    reading = read_pairs(corpus, [0, 1, 2], EVEN, 18, np.random.default_rng(1))
    batch = reading.store.batch(np.arange(9))
    states = torch.randn(len(batch.ids), 5)
    expected = torch.stack([states[(batch.owners == row) & batch.mask].mean(0) for row in range(9)])
    torch.testing.assert_close(pooled(states, batch, 9), expected)


def test_affine_fit_recovers_an_exact_map() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(300, 6, generator=rng) * torch.tensor([1.0, 2, 0.5, 1, 1, 3]) + 4
    weight, bias = torch.randn(3, 6, generator=rng), torch.randn(3, generator=rng)
    fitted = Affine.fit(x, x @ weight.T + bias, ridge=0.0)
    torch.testing.assert_close(fitted.weight, weight, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fitted.bias, bias, atol=1e-3, rtol=1e-3)


def test_affine_fit_is_the_ridge_regression_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, (50, 4)), rng.normal(size=(50, 2))
    a, b = x - x.mean(0), y - y.mean(0)
    penalty = 0.1 * (a**2).sum() / 4
    expected = np.linalg.inv(a.T @ a + penalty * np.eye(4)) @ a.T @ b
    fitted = Affine.fit(torch.from_numpy(x).float(), torch.from_numpy(y).float(), ridge=0.1)
    np.testing.assert_allclose(fitted.weight.numpy(), expected.T, atol=1e-5)
    np.testing.assert_allclose(fitted.bias.numpy(), y.mean(0) - x.mean(0) @ expected, atol=1e-5)


def test_the_student_starts_closer_to_its_teacher_than_with_random_layers(teacher, corpus) -> None:
    pupil, reading, batch, taught, scale = _pupil(teacher, corpus)
    with torch.no_grad():
        started = float(losses(pupil, taught, reading, batch, scale)["hidden"])
        torch.manual_seed(1)
        for layer in pupil.bert.encoder.layer:
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.normal_(0, 0.2)
        states = encode(pupil.bert, batch)
        missed = []
        for depth, goal in enumerate(taught):
            target = (goal - scale.mean[depth]) / scale.deviation[depth]
            fitted = Affine.fit(states[2 * depth][batch.mask], target[batch.mask])
            guess = states[2 * depth] @ fitted.weight.T + fitted.bias
            missed.append(float((guess - target)[batch.mask].square().mean()))
    assert started < np.mean(missed)


def test_project_layers_returns_the_states_that_the_student_then_has(teacher, corpus) -> None:
    pupil, _, batch, taught, _ = _pupil(teacher, corpus)
    states = project_layers(teacher, pupil.bert, taught, batch)
    with torch.no_grad():
        for ours, theirs in zip(states, encode(pupil.bert, batch), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_every_head_of_the_teacher_goes_to_one_layer_of_the_student(teacher, corpus) -> None:
    pupil, _, batch, taught, _ = _pupil(teacher, corpus)
    # With the keys' biases as labels of the heads: 4 heads of the teacher, 2 layers of 2 heads each.
    with torch.no_grad():
        for head in range(4):
            teacher.encoder.layer[0].attention.self.key.weight[6 * head : 6 * head + 6] = 0
            teacher.encoder.layer[0].attention.self.key.bias[6 * head : 6 * head + 6] = head + 1.0
        project_layers(teacher, pupil.bert, taught, batch)
        labels = [pupil.bert.encoder.layer[n].attention.self.key.bias.view(2, 6) for n in (0, 1)]
    found = torch.cat(labels)
    assert sorted(found[:, 0].tolist()) == [1.0, 2.0, 3.0, 4.0]
    assert torch.equal(found, found[:, :1].expand(4, 6))


def test_heads_and_neurons_that_write_nothing_come_last() -> None:
    torch.manual_seed(4)
    layer = BertModel(config()).encoder.layer[0]
    with torch.no_grad():
        layer.attention.output.dense.weight[:, 6:12] = 0  # the second head of width 6
        layer.output.dense.weight[:, 17] = 0
        heads = _ranked_heads(layer, torch.randn(200, 24))
        neurons = _ranked_neurons(layer, torch.randn(200, 40))
    assert heads[-1] == 1
    assert sorted(heads) == [0, 1, 2, 3]
    assert neurons[-1] == 17
    assert sorted(neurons) == list(range(40))


def test_words_put_together_are_the_line(corpus) -> None:
    for row in range(len(corpus)):
        words = corpus.words(row)
        assert np.array_equal(np.concatenate(words), corpus.line(row))
        assert all(not TOKENS[word[0]].startswith("##") for word in words)
        assert all(TOKENS[token].startswith("##") for word in words for token in word[1:])
    assert any(len(word) == 2 for word in corpus.words(0))  # dog ##s


@settings(max_examples=60, deadline=None)
@given(row=st.integers(0, 79), seed=st.integers(0, 10_000))
def test_second_sentences_are_what_the_mixture_says(corpus, row, seed) -> None:
    lines = {tuple(corpus.line(r)) for r in range(80)}
    sharing = corpus.second(row, Mixture(edited=0, sharing=1, unrelated=0), np.random.default_rng(seed))
    assert tuple(sharing) in lines
    assert np.isin(sharing, corpus.line(row)).any()
    unrelated = corpus.second(row, Mixture(edited=0, sharing=0, unrelated=1), np.random.default_rng(seed))
    assert tuple(unrelated) in lines
    edited = corpus.second(row, Mixture(edited=1, sharing=0, unrelated=0), np.random.default_rng(seed))
    assert len(edited) > 0
    again = corpus.second(row, Mixture(edited=1, sharing=0, unrelated=0), np.random.default_rng(seed))
    assert np.array_equal(edited, again)


def test_edits_leave_most_words_and_change_most_lines(corpus) -> None:
    rng = np.random.default_rng(0)
    only = Mixture(edited=1, sharing=0, unrelated=0)
    edits = [(corpus.line(row), corpus.second(row, only, rng)) for row in range(80) for _ in range(5)]
    kept = [np.isin(edit, line).mean() for line, edit in edits]
    assert np.mean(kept) > 0.6
    assert np.mean([np.array_equal(line, edit) for line, edit in edits]) < 0.3


def test_a_reading_holds_both_sentences_alone_and_together(corpus) -> None:
    reading = read_pairs(corpus, [3, 4, 5, 6], EVEN, 9, np.random.default_rng(3))
    store, firsts = reading.store, 0
    assert len(store) == 12
    for pair in range(4):
        one, two, both = (
            store.ids[int(store.offsets[r]) : int(store.offsets[r + 1])].tolist() for r in (pair, pair + 4, pair + 8)
        )
        assert both == [*one, *two[1:]]
        assert one[0] == two[0] == corpus.cls
        assert one[-1] == two[-1] == corpus.sep
        assert len(one) <= 11
        assert len(two) <= 11
        assert store.seconds[pair + 8] == len(one)
        assert (store.seconds[pair], store.seconds[pair + 4]) == (len(one), len(two))
        begin, end = int(store.offsets[pair + 8]), int(store.offsets[pair + 9])
        expected = [np.nan, *(t in two[1:-1] for t in one[1:-1]), np.nan, *(t in one[1:-1] for t in two[1:-1]), np.nan]
        np.testing.assert_array_equal(reading.shared[begin:end], np.array(expected, float))
        firsts += one[1:-1] == corpus.line(3 + pair)[:9].tolist()
    assert np.isnan(reading.shared[: int(store.offsets[8])]).all()


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), per_step=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_epoch_is_a_new_order_of_the_same_lines(count, per_step, seed) -> None:
    per_step = min(per_step, count)
    steps = count // per_step
    first = list(islice(order_of_lines(count, per_step, seed), 2 * steps))
    again = list(islice(order_of_lines(count, per_step, seed), 2 * steps))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for epoch in (first[:steps], first[steps:]):
        rows = np.concatenate(epoch)
        assert len(set(rows.tolist())) == len(rows) == steps * per_step
        assert rows.max() < count
