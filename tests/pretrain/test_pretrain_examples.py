"""What a sentence is read with, what an example consists of, and the order of the steps."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from encoder_worlds import TOKENS, sentence
from hypothesis import given, settings
from hypothesis import strategies as st
from pretrain_worlds import corpus, corpus_of, form

from clbench.pretrain.corpus import Corpus
from clbench.pretrain.examples import make_examples, order_of_steps
from clbench.schema.pretrain import Mixture


@pytest.fixture(scope="module")
def text() -> Corpus:
    return corpus()


def row(store, number: int) -> list[int]:
    return store.ids[int(store.offsets[number]) : int(store.offsets[number + 1])].tolist()


def test_words_put_together_are_the_line(text) -> None:
    for number in range(len(text)):
        words = text.words(text.line(number))
        assert np.array_equal(np.concatenate(words), text.line(number))
        assert all(not TOKENS[word[0]].startswith("##") for word in words)
        assert all(TOKENS[token].startswith("##") for word in words for token in word[1:])
    assert any(len(word) == 2 for word in text.words(text.line(0)))  # dog ##s


@settings(max_examples=60)
@given(line=st.integers(0, 79), seed=st.integers(0, 10_000))
def test_second_sentences_are_what_the_mixture_says(text, line, seed) -> None:
    first = text.line(line)
    others = {tuple(text.line(number)) for number in range(80)} - {tuple(first)}
    sharing = text.second(first, Mixture(sharing=1), np.random.default_rng(seed))
    assert tuple(sharing) in others
    assert np.isin(sharing, first).any()
    assert tuple(text.second(first, Mixture(unrelated=1), np.random.default_rng(seed))) in others
    edited = text.second(first, Mixture(edited=1), np.random.default_rng(seed))
    assert len(edited) > 0
    assert np.array_equal(edited, text.second(first, Mixture(edited=1), np.random.default_rng(seed)))
    assert text.second(first, Mixture(alone=1), np.random.default_rng(seed)) is None


@pytest.mark.parametrize("kind", ["sharing", "unrelated"])
def test_no_example_is_a_sentence_and_itself(kind) -> None:
    made = make_examples(corpus(8), 400, form(mixture={kind: 1}))
    assert all(row(made.sentences, a) != row(made.sentences, b) for a, b in made.places.tolist())


@pytest.mark.parametrize("kind", ["sharing", "unrelated"])
def test_every_other_line_is_as_likely_and_a_copy_is_no_other(kind) -> None:
    lines = [f"the {what}" for what in ("man", "dog", "man", "bird", "man", "tree")]
    text = corpus_of(lines)
    rng = np.random.default_rng(0)
    drawn = [TOKENS[text.second(text.line(2), Mixture(**{kind: 1}), rng)[1]] for _ in range(3000)]
    assert set(drawn) == {"dog", "bird", "tree"}
    for word in set(drawn):
        assert np.mean([one == word for one in drawn]) == pytest.approx(1 / 3, abs=4 * (2 / 9 / 3000) ** 0.5)
    drawn = [TOKENS[text.second(text.line(1), Mixture(**{kind: 1}), rng)[1]] for _ in range(3000)]
    assert np.mean([one == "man" for one in drawn]) == pytest.approx(3 / 5, abs=4 * (6 / 25 / 3000) ** 0.5)


def test_where_no_other_line_has_a_word_of_it_any_other_one_is_read() -> None:
    text = corpus_of(["the man plays", "a dog runs", "every bird sings", "every bird sings"])
    rng = np.random.default_rng(0)
    for first in range(4):
        drawn = {tuple(text.second(text.line(first), Mixture(sharing=1), rng)) for _ in range(60)}
        assert drawn == {tuple(text.line(number)) for number in range(4)} - {tuple(text.line(first))}
    lonely = corpus_of(["the man plays"])
    assert np.array_equal(lonely.second(lonely.line(0), Mixture(sharing=1), rng), lonely.line(0))


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["edited", "sharing", "unrelated"]))
def test_a_line_held_out_is_read_with_what_it_would_be_read_with_if_it_were_trained_on(seed, kind) -> None:
    rng = np.random.default_rng(seed)
    *rest, last = [sentence(rng) for _ in range(12)]
    line = corpus_of([last]).line(0)
    without, within = (
        corpus_of(lines).second(line, Mixture(**{kind: 1}), np.random.default_rng(seed))
        for lines in (rest, [*rest, last])
    )
    assert np.array_equal(without, within)


def test_shares_are_met() -> None:
    made = make_examples(corpus(), 4000, form(mixture={"unrelated": 3, "alone": 1}))
    # 4 standard deviations of a binomial share of 4000
    assert np.mean(made.places[:, 1] < 0) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4000) ** 0.5)


def test_edits_leave_most_words_and_change_most_lines(text) -> None:
    rng = np.random.default_rng(0)
    edits = [(text.line(n), text.second(text.line(n), Mixture(edited=1), rng)) for n in range(80) for _ in range(5)]
    assert np.mean([np.isin(edit, line).mean() for line, edit in edits]) > 0.6
    assert np.mean([np.array_equal(line, edit) for line, edit in edits]) < 0.3


def test_an_example_is_its_sentences_put_together(text) -> None:
    made = make_examples(text, 80, form(max_length=21))
    lines = {tuple(text.line(number)[:19].tolist()) for number in range(80)}
    for number in range(80):
        first, second = made.places[number]
        both, one = row(made.store, number), row(made.sentences, int(first))
        begin, end = int(made.store.offsets[number]), int(made.store.offsets[number + 1])
        assert made.store.seconds[number] == len(one)
        assert len(both) <= 21
        assert one[0] == text.cls
        assert one[-1] == text.sep
        if second < 0:
            assert both == one
            assert tuple(one[1:-1]) in lines
            assert np.isnan(made.shared[begin:end]).all()
            continue
        two = row(made.sentences, int(second))
        assert both == [*one, *two[1:]]
        nan = np.nan
        expected = [nan, *(t in two[1:-1] for t in one[1:-1]), nan, *(t in one[1:-1] for t in two[1:-1]), nan]
        np.testing.assert_array_equal(made.shared[begin:end], np.array(expected, float))
    assert 0 < (made.places[:, 1] < 0).sum() < 80
    # Every sentence belongs to one example.
    assert sorted(made.places[made.places >= 0].tolist()) == list(range(len(made.sentences)))


def test_every_line_comes_once_before_any_comes_again(text) -> None:
    made = make_examples(text, 160, form(mixture={"alone": 1}))
    lines = [tuple(row(made.store, number)[1:-1]) for number in range(160)]
    every = sorted(tuple(text.line(number).tolist()) for number in range(80))
    assert sorted(lines[:80]) == sorted(lines[80:]) == every
    assert lines[:80] != lines[80:]


def test_examples_are_made_around_sentences_that_the_corpus_does_not_have(text) -> None:
    aside = corpus_of(["water near the boat", "a song at night", "old lamp over a table"])
    made = make_examples(text, 3, form(mixture={"unrelated": 1}), [aside.line(number) for number in range(3)])
    ours, theirs = ({tuple(one.line(n).tolist()) for n in range(len(one))} for one in (aside, text))
    pairs = [{tuple(row(made.sentences, place)[1:-1]) for place in places} for places in made.places.tolist()]
    assert set().union(*pairs) & ours == ours
    assert all(len(pair & ours) == len(pair & theirs) == 1 for pair in pairs)


def test_examples_depend_on_the_seed_and_their_number_alone(text) -> None:
    few, many, other = (
        make_examples(text, count, form(seed=seed)) for count, seed in ((20, 0), (60, 0), (20, 1))
    )  # fmt: skip
    assert all(row(few.store, number) == row(many.store, number) for number in range(20))
    assert any(row(few.store, number) != row(other.store, number) for number in range(20))


@settings(max_examples=30)
@given(count=st.integers(2, 60), size=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_epoch_is_a_new_order_of_all_examples(count, size, seed) -> None:
    made = form(examples=count, batch_size=size, seed=seed)
    examples = make_examples(corpus(), count, made)
    steps = -(-count // size)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    order = list(islice(order_of_steps(examples, made), 2 * steps))
    again = list(islice(order_of_steps(examples, made), 2 * steps))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(order, again, strict=True))
    for epoch in (order[:steps], order[steps:]):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(count))
        assert max(len(batch) for batch in epoch) <= size


def test_batches_hold_examples_of_like_length() -> None:
    made = form(examples=600, batch_size=10)
    examples = make_examples(corpus(300), 600, made)
    spread = [np.ptp(examples.store.lengths[rows]) for rows in islice(order_of_steps(examples, made), 60)]
    rng = np.random.default_rng(0)
    shuffled = [np.ptp(examples.store.lengths[rows]) for rows in np.split(rng.permutation(600), 60)]
    assert np.mean(spread) < 0.3 * np.mean(shuffled)
