"""The losses against independent forms that read row by row, and the student's start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoder_worlds import TOKENS
from pretrain_worlds import ALL, corpus, form, teacher

from clbench.encoder.bert import encode
from clbench.encoder.relations import relations
from clbench.pretrain.examples import Examples, make_examples
from clbench.pretrain.matching import BERT, Asked, Pupil, compare, initial_pupil, losses, scale_of, weigh
from clbench.pretrain.projection import Affine, _ranked_heads, _ranked_neurons, project_layers
from clbench.pretrain.targets import Targets, Teacher, pooled
from clbench.schema.pretrain import Weights

WORDS = np.array([number for number, word in enumerate(TOKENS) if not word.startswith("[")])


def world(rows: int = 40, **changes: object):
    """A pupil at its start, examples, the teacher and its answers to all of them, in one batch."""
    made, master, text = form(**changes), teacher(), corpus()
    examples = make_examples(text, rows, made)
    batch = examples.store.batch(np.arange(rows))
    taught = Targets(master, examples, None).of(np.arange(rows), batch)
    counts = torch.from_numpy(np.bincount(text.ids, minlength=len(TOKENS)).astype(float))
    pupil = initial_pupil(master, made, counts, master.states(batch), taught, batch)
    return made, pupil, examples, master, taught, batch


def ask(examples: Examples, batch, used=(True,) * 4, masks: np.random.Generator | None = None) -> Asked:
    masked = torch.zeros(0, dtype=torch.int64)
    if masks is not None:
        ids = batch.ids.numpy()
        drawn = (masks.random(len(ids)) < 0.3) & np.isin(ids, WORDS) & batch.mask.numpy()
        masked = torch.from_numpy(np.flatnonzero(drawn))
    shared = torch.from_numpy(examples.shared)[batch.sources]
    paired = (batch.mask & ~shared.isnan()).nonzero()[:, 0]
    return Asked(batch, paired, shared[paired], masked, batch.ids[masked], used)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _relation(linear, states: np.ndarray, heads: int) -> np.ndarray:
    """(heads, L, L), one head after the other."""
    a = states @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    width = a.shape[1] // heads
    parts = [a[:, h * width : (h + 1) * width] for h in range(heads)]
    return np.stack([_softmax(part @ part.T / np.sqrt(width)) for part in parts])


def test_the_losses_equal_a_form_that_reads_row_by_row() -> None:
    made, pupil, examples, master, taught, batch = world(16)
    rng = np.random.default_rng(2)
    for name in ("mean", "deviation"):
        getattr(pupil, name).copy_(torch.from_numpy(rng.uniform(0.5, 1.5, (2, 24)).astype(np.float32)))
    for name in ("compared_mean", "compared_deviation"):
        getattr(pupil, name).copy_(torch.from_numpy(rng.uniform(0.5, 1.5, 96).astype(np.float32)))
    for module in [*pupil.maps, pupil.sentence, pupil.similarity, pupil.comparison, *pupil.overlap]:
        torch.nn.init.normal_(module.bias, std=0.3)
    torch.nn.init.normal_(pupil.word_bias, std=0.3)
    asked = ask(examples, batch, masks=np.random.default_rng(5))
    with torch.no_grad():
        parts = {name: float(part) for name, part in losses(pupil, made, asked, master, taught).items()}
    assert set(parts) == set(ALL)

    # Everything again with transformers' own forward pass, one row at a time, in numpy.
    def array(parameter: torch.Tensor) -> np.ndarray:
        return parameter.detach().numpy()

    def mapped(linear: torch.nn.Linear, x: np.ndarray) -> np.ndarray:
        return x @ array(linear.weight).T + array(linear.bias)

    places = asked.batch.sources
    behind = dict.fromkeys(places.tolist(), -100)
    behind |= zip(places[asked.masked].tolist(), asked.words.tolist(), strict=True)
    squares, tokens = np.zeros(2), 0
    cosines, similarity, comparison, divergences, words = [], [], [], [], []
    entropy: list[list[float]] = [[], []]
    for row in range(16):
        begin, end = int(examples.store.offsets[row]), int(examples.store.offsets[row + 1])
        cut = int(examples.store.seconds[row])
        ids = examples.store.ids[begin:end][None]
        types = (torch.arange(end - begin) >= cut).long()[None]
        with torch.no_grad():
            ours = pupil.bert(ids, token_type_ids=types, output_hidden_states=True)
            theirs = master.bert(ids, token_type_ids=types, output_hidden_states=True).hidden_states
        states = [array(state[0]) for state in ours.hidden_states]
        for place, linear in enumerate(pupil.maps):
            goal = (array(theirs[place + 1][0]) - array(pupil.mean[place])) / array(pupil.deviation[place])
            squares[place] += ((mapped(linear, states[2 * (place + 1)]) - goal) ** 2).sum()
        tokens += end - begin

        embeddings = []
        for place in examples.places[row]:
            if place >= 0:
                a, b = int(examples.sentences.offsets[place]), int(examples.sentences.offsets[place + 1])
                with torch.no_grad():
                    embeddings.append(
                        array(master.bert(examples.sentences.ids[a:b][None]).last_hidden_state[0]).mean(0)
                    )
        for part, goal in zip((states[4][:cut], states[4][cut:]), embeddings, strict=False):
            cosines.append(_cosine(mapped(pupil.sentence, part.mean(0)), goal))
        pooled_cls = array(ours.pooler_output[0])
        if len(embeddings) == 2:
            u, v = (x / np.sqrt((x**2).sum()) for x in embeddings)
            similarity.append((mapped(pupil.similarity, pooled_cls)[0] - u @ v) ** 2)
            goal = (np.concatenate([u, v, np.abs(u - v), u * v]) - array(pupil.compared_mean)) / array(
                pupil.compared_deviation
            )
            comparison.append(((mapped(pupil.comparison, pooled_cls) - goal) ** 2).mean())
            flat = ids[0].tolist()
            first, second = flat[1 : cut - 1], flat[cut:-1]
            for place, token in enumerate(flat):
                if token in (2, 3):
                    continue
                label = float(token in (second if place < cut else first))
                for reader, depth in enumerate((2, 4)):
                    z = float(mapped(pupil.overlap[reader], states[depth][place])[0])
                    entropy[reader].append(np.log1p(np.exp(-z)) + (1 - label) * z)
        read, learned = master.bert.encoder.layer[1].attention.self, pupil.bert.encoder.layer[3].attention.self
        for name in ("query", "key", "value"):
            p = _relation(getattr(read, name), array(theirs[1][0]), 3)
            q = _relation(getattr(learned, name), states[3], 3)
            divergences.extend((p * np.log(p / q)).sum(-1).ravel())
        for place in range(begin, end):
            if behind[place] >= 0:
                with torch.no_grad():
                    guess = pupil.masked(torch.from_numpy(states[4][place - begin]))
                z = array(guess) @ array(pupil.bert.embeddings.word_embeddings.weight).T + array(pupil.word_bias)
                words.append(-np.log(_softmax(z)[behind[place]]))
    assert len(similarity) in range(1, 16)  # pairs and sentences alone, both
    assert parts["hidden"] == pytest.approx(float((squares / (tokens * 24)).mean()), rel=2e-3)
    assert parts["sentence"] == pytest.approx(1 - np.mean(cosines), rel=1e-3)
    assert parts["similarity"] == pytest.approx(np.mean(similarity), rel=2e-3)
    assert parts["comparison"] == pytest.approx(np.mean(comparison), rel=2e-3)
    assert parts["overlap"] == pytest.approx(np.mean([np.mean(part) for part in entropy]), rel=1e-4)
    assert parts["relations"] == pytest.approx(np.mean(divergences), rel=5e-3)
    assert parts["masked"] == pytest.approx(np.mean(words), rel=1e-4)


def test_relations_are_zero_for_the_teacher_itself_whatever_the_padding() -> None:
    _, _, _, master, _, batch = world(20)
    assert not batch.mask.all()
    states = master.states(batch)[1]
    layer = master.bert.encoder.layer[1]

    def apart(moved: torch.Tensor) -> float:
        return float(relations(*(BERT.queries_keys_values(layer, x) for x in (states, moved)), batch, 4))

    assert apart(states) == pytest.approx(0.0, abs=1e-6)
    moved = states.clone()
    moved[~batch.mask] += 7.0  # what stands on padding is not looked at
    assert apart(moved) == pytest.approx(0.0, abs=1e-6)
    moved[batch.mask] *= 2.0
    assert apart(moved) > 1e-3


def test_compare_by_hand() -> None:
    # u = (3, 4) / 5, v = (0, 1)
    found = compare(torch.tensor([[[3.0, 4.0], [0.0, 2.0]]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8, 0.0, 1.0, 0.6, 0.2, 0.0, 0.8]]))


def test_the_loss_is_the_weighted_sum() -> None:
    parts = {name: torch.tensor(float(number)) for number, name in enumerate(ALL, start=1)}
    weights = Weights(masked=1, overlap=10, hidden=0, sentence=0.5, similarity=0, comparison=2, relations=0)
    # 1 * 1 + 10 * 2 + 0.5 * 4 + 2 * 6
    assert float(weigh(parts, weights)) == 35.0


def test_parts_without_a_weight_or_without_a_teacher_are_not_computed() -> None:
    made, pupil, examples, master, taught, batch = world(12)
    only = form(weights={"overlap": 1, "comparison": 1}, matched=[])
    asked = ask(examples, batch)
    assert set(losses(pupil, only, asked, master, taught)) == {"overlap", "comparison"}
    assert set(losses(pupil, made, asked, None, None)) == {"overlap"}  # nothing is masked in this batch


def test_every_parameter_of_the_student_gets_a_gradient() -> None:
    made, pupil, examples, master, taught, batch = world()
    asked = ask(examples, batch, masks=np.random.default_rng(0))
    weigh(losses(pupil, made, asked, master, taught), made.weights).backward()
    without = [name for name, p in pupil.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_examples_of_one_sentence_give_finite_gradients() -> None:
    made, pupil, examples, master, taught, batch = world(30, mixture={"alone": 1, "edited": 0.2})
    assert (examples.places[:, 1] < 0).any()
    weigh(losses(pupil, made, ask(examples, batch), master, taught), made.weights).backward()
    assert all(bool(p.grad.isfinite().all()) for p in pupil.parameters() if p.grad is not None)


def test_a_layer_that_is_left_out_is_not_trained_and_changes_what_follows() -> None:
    made, pupil, examples, master, taught, batch = world()
    whole = losses(pupil, made, ask(examples, batch), master, taught)
    asked = ask(examples, batch, used=(True, False, True, True))
    parts = losses(pupil, made, asked, master, taught)
    assert float(parts["hidden"]) != float(whole["hidden"])
    weigh(parts, made.weights).backward()
    trained = [any(p.grad is not None for p in layer.parameters()) for layer in pupil.bert.encoder.layer]
    assert trained == [True, False, True, True]


def test_bfloat16_answers_are_close_to_float32_ones() -> None:
    *_, batch = world(4)
    for half, full in zip(teacher(precision="bfloat16").states(batch), teacher().states(batch), strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, atol=0.1, rtol=0.05)


def test_pooled_is_the_mean_over_a_rows_tokens_without_padding() -> None:
    *_, examples, _, _, batch = world(9)
    states = torch.randn(len(batch.ids), 5)
    expected = torch.stack([states[(batch.owners == row) & batch.mask].mean(0) for row in range(9)])
    torch.testing.assert_close(pooled(states, batch, 9), expected)
    second = pooled(states, batch, 9, batch.types == 1)
    for row in range(9):
        here = states[(batch.owners == row) & batch.mask & (batch.types == 1)]
        torch.testing.assert_close(second[row], here.mean(0) if examples.places[row, 1] >= 0 else torch.zeros(5))


def test_the_scale_is_that_of_the_sample() -> None:
    *_, taught, batch = world(20)
    scale = scale_of(taught, batch.mask)
    hidden = taught.hidden[batch.mask].numpy()
    np.testing.assert_allclose(scale.hidden[0].numpy(), hidden.mean(0), atol=1e-5)
    np.testing.assert_allclose(scale.hidden[1].numpy(), hidden.std(0, ddof=1), atol=1e-5)
    pairs = ~taught.similarity.isnan()
    assert 2 < pairs.sum() < 20
    compared = compare(taught.sentences[pairs]).numpy()
    np.testing.assert_allclose(scale.comparison[0].numpy(), compared.mean(0), atol=1e-5)
    np.testing.assert_allclose(scale.comparison[1].numpy(), compared.std(0, ddof=1), atol=1e-4)


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


def test_the_student_starts_closer_to_its_teacher_than_with_random_layers() -> None:
    made, pupil, examples, master, taught, batch = world()
    with torch.no_grad():
        started = float(losses(pupil, made, ask(examples, batch), master, taught)["hidden"])
        torch.manual_seed(1)
        for layer in pupil.bert.encoder.layer:
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear):
                    module.weight.normal_(0, 0.2)
        states = encode(pupil.bert, batch)
        missed = []
        for place in (0, 1):
            target = (taught.hidden[:, place] - pupil.mean[place]) / pupil.deviation[place]
            at = states[2 * (place + 1)]
            fitted = Affine.fit(at[batch.mask], target[batch.mask])
            missed.append(float((at @ fitted.weight.T + fitted.bias - target)[batch.mask].square().mean()))
    assert started < np.mean(missed)


def test_project_layers_returns_the_states_that_the_student_then_has() -> None:
    _, pupil, _, master, _, batch = world()
    states = project_layers(master.bert, pupil.bert, master.states(batch), batch)
    with torch.no_grad():
        for ours, theirs in zip(states, encode(pupil.bert, batch), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_every_head_of_the_teacher_goes_to_one_layer_of_the_student() -> None:
    _, pupil, _, master, _, batch = world()
    # With the keys' biases as labels of the heads: 4 heads of the teacher, 2 layers of 2 heads each.
    with torch.no_grad():
        keys = master.bert.encoder.layer[0].attention.self.key
        for head in range(4):
            keys.weight[6 * head : 6 * head + 6] = 0
            keys.bias[6 * head : 6 * head + 6] = head + 1.0
        project_layers(master.bert, pupil.bert, master.states(batch), batch)
        labels = [pupil.bert.encoder.layer[n].attention.self.key.bias.view(2, 6) for n in (0, 1)]
    found = torch.cat(labels)
    assert sorted(found[:, 0].tolist()) == [1.0, 2.0, 3.0, 4.0]
    assert torch.equal(found, found[:, :1].expand(4, 6))


def test_heads_and_neurons_that_write_nothing_come_last() -> None:
    layer = teacher().bert.encoder.layer[0]
    torch.manual_seed(4)
    with torch.no_grad():
        layer.attention.output.dense.weight[:, 6:12] = 0  # the second head of width 6
        layer.output.dense.weight[:, 17] = 0
        heads = _ranked_heads(layer, torch.randn(200, 24))
        neurons = _ranked_neurons(layer, torch.randn(200, 40))
    assert heads[-1] == 1
    assert sorted(heads) == [0, 1, 2, 3]
    assert neurons[-1] == 17
    assert sorted(neurons) == list(range(40))


def test_a_pupil_without_a_teacher_has_the_parts_that_the_text_alone_asks_for() -> None:
    _, pupil, *_ = world(4)
    names = {name.split(".")[0] for name, _ in Pupil(pupil.bert).named_parameters()}
    assert names == {"bert", "overlap", "masked", "word_bias"}
    assert isinstance(teacher(), Teacher)
