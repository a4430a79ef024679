"""The packed token store: what a batch holds, for any rows in any order."""

from __future__ import annotations

import copy
import hashlib
import resource
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import TOKENS, config, random_store, sentence, write_vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertModel

from clbench.data.generators import generate
from clbench.encoder import tokens
from clbench.encoder.backbone import open_backbone
from clbench.encoder.bert import encode
from clbench.encoder.tokenizer import read_tokenizer
from clbench.encoder.tokens import TokenStore, pack
from clbench.errors import UserError


@st.composite
def stores_and_rows(draw: st.DrawFn) -> tuple[TokenStore, list[int]]:
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=12))
    seconds = [draw(st.integers(1, length)) for length in lengths]
    ids = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 1000, sum(lengths))
    store = TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), np.array(seconds))
    return store, draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20))


@settings(max_examples=80)
@given(stores_and_rows())
def test_a_batch_holds_each_asked_row_whole(drawn: tuple[TokenStore, list[int]]) -> None:
    store, rows = drawn
    batch = store.batch(rows)
    assert len(batch.firsts) == len(rows)
    for asked, row in enumerate(rows):
        size, begin = int(store.lengths[row]), int(batch.firsts[asked])
        mine = slice(begin, begin + size)
        original = store.ids[int(store.offsets[row]) : int(store.offsets[row + 1])]
        assert torch.equal(batch.ids[mine], original)
        assert batch.positions[mine].tolist() == list(range(size))
        assert batch.types[mine].tolist() == [int(place >= store.seconds[row]) for place in range(size)]
        assert batch.mask[mine].all()
        assert torch.equal(store.ids[batch.sources[mine]], original)
        # Every token that this asked row owns is its own or its padding, and they lie side by side.
        owned = (batch.owners == asked).nonzero().squeeze(1)
        assert owned[0] == begin
        assert int(batch.mask[owned].sum()) == size
        assert owned.tolist() == list(range(begin, begin + len(owned)))


@settings(max_examples=80)
@given(stores_and_rows())
def test_chunks_cover_the_tokens_once_and_hide_exactly_the_padding(drawn: tuple[TokenStore, list[int]]) -> None:
    store, rows = drawn
    batch = store.batch(rows)
    end = 0
    for chunk in batch.chunks:
        assert chunk.start == end
        end += chunk.rows * chunk.length
        mask = batch.mask[chunk.start : end].view(chunk.rows, chunk.length)
        shortest = int(mask.sum(1).min())
        assert chunk.length <= 1.25 * shortest
        if chunk.bias is None:
            assert mask.all()
        else:
            assert chunk.bias.shape == (chunk.rows, 1, 1, chunk.length)
            assert torch.equal(chunk.bias[:, 0, 0] == 0, mask)
            assert (chunk.bias[:, 0, 0][~mask] < -1e8).all()
    assert end == len(batch.ids) == len(batch.mask) == len(batch.owners)
    assert int(batch.mask.sum()) == sum(int(store.lengths[row]) for row in rows)


def test_no_row_looks_at_another() -> None:
    torch.manual_seed(0)
    bert = BertModel(config()).eval()
    store = random_store(np.random.default_rng(1), 12)
    with torch.no_grad():
        alone = torch.cat([encode(bert, store.batch([row]))[-1][:1] for row in range(12)])
        batch = store.batch(np.arange(12))
        together = encode(bert, batch)[-1][batch.firsts]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_rows_may_be_a_list_an_array_or_a_tensor() -> None:
    store = random_store(np.random.default_rng(2), 5)
    expected = store.batch([4, 0, 4]).ids
    assert torch.equal(store.batch(np.array([4, 0, 4])).ids, expected)
    assert torch.equal(store.batch(torch.tensor([4, 0, 4])).ids, expected)


def test_a_deep_copy_shares_the_tokens() -> None:
    store = random_store(np.random.default_rng(2), 5)
    assert copy.deepcopy({"store": store})["store"] is store
    assert len(store) == 5


@pytest.fixture
def tokenizer(tmp_path):
    write_vocabulary(tmp_path)
    return read_tokenizer(tmp_path, config().vocab_size, "test")


def test_pack_joins_pairs_with_token_types(tokenizer) -> None:
    store = pack(tokenizer, ["the red dog"], ["a bird sings ."], 64)
    tokens = [TOKENS[i] for i in store.ids.tolist()]
    assert tokens == ["[CLS]", "the", "red", "dog", "[SEP]", "a", "bird", "sings", ".", "[SEP]"]
    assert store.seconds.tolist() == [5]
    assert store.batch([0]).types.tolist() == [0] * 5 + [1] * 5


def test_pack_of_single_sentences_has_no_second(tokenizer) -> None:
    store = pack(tokenizer, ["the dog", "every small child sleeps"], None, 64)
    assert store.lengths.tolist() == store.seconds.tolist() == [4, 6]
    assert store.batch([0, 1]).types.sum() == 0


def test_pack_cuts_the_longer_sentence_first(tokenizer) -> None:
    store = pack(tokenizer, ["the " * 30], ["a bird"], 12)
    assert store.lengths.tolist() == [12]
    assert [TOKENS[i] for i in store.ids.tolist()][-4:] == ["[SEP]", "a", "bird", "[SEP]"]


def test_pack_keeps_the_order_of_thousands_and_takes_none(tokenizer) -> None:
    rng = np.random.default_rng(3)
    first, second = ([sentence(rng) for _ in range(4100)] for _ in range(2))
    store = pack(tokenizer, first, second, 64)
    assert len(store) == 4100
    for row in (0, 4095, 4096, 4099):
        expected = tokenizer.encode(first[row], second[row])
        assert store.ids[int(store.offsets[row]) : int(store.offsets[row + 1])].tolist() == expected.ids
    assert len(pack(tokenizer, [], [], 64)) == 0


def test_pack_refuses_two_lists_of_different_lengths(tokenizer) -> None:
    with pytest.raises(ValueError, match="zip"):
        pack(tokenizer, ["the dog"], [], 64)


# Words of the vocabulary, words that it cuts, and what BERT's normaliser drops, splits or joins.
TEXTS = st.lists(
    st.sampled_from(
        ["the ", "dog", "s", " singing", "The\n", ".", "[SEP]", "[MASK] ", "é", "\u0301", "我", "\x00", "\t", "😀"]
    )
).map("".join)


@settings(max_examples=200)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.integers(4, 24), st.sampled_from([3, 1 << 16]))
def test_pack_makes_the_ids_of_longest_first_truncation(pairs: list[tuple[str, str]], longest: int, piece: int) -> None:
    tokenizer = plain_tokenizer()
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_PIECE", piece)
        stores = pack(tokenizer, first, second, longest), pack(tokenizer, first, None, longest)
    tokenizer.enable_truncation(longest, strategy="longest_first")
    for store, inputs in zip(stores, (pairs, first), strict=True):
        expected = [tokenizer.encode(*(given if isinstance(given, tuple) else (given,))) for given in inputs]
        assert store.ids.tolist() == [number for encoding in expected for number in encoding.ids]
        assert store.lengths.tolist() == [len(encoding) for encoding in expected]
        assert store.seconds.tolist() == [encoding.type_ids.count(0) for encoding in expected]


def plain_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(TOKENS)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(TOKENS[:5])
    return made


@given(seed=st.integers(0, 99), rows=st.integers(1, 40))
def test_a_rounded_batch_has_one_of_few_sizes_and_nothing_new_that_counts(seed: int, rows: int) -> None:
    batch = random_store(np.random.default_rng(seed), rows).batch(range(rows))
    rounded, count = batch.rounded(), len(batch.ids)
    power = 1 << (count.bit_length() - 1)
    assert len(rounded.ids) in {power + (power * part + 15) // 16 for part in range(17)}
    assert 0 <= len(rounded.ids) - count <= max(0, power // 16 - 1)
    for name in ("ids", "positions", "types", "mask", "owners", "sources"):
        assert torch.equal(getattr(rounded, name)[:count], getattr(batch, name)), name
        assert len(getattr(rounded, name)) == len(rounded.ids)
    assert np.array_equal(rounded.places[:, :count], batch.places)
    assert rounded.places.shape == (2, len(rounded.ids))
    assert not rounded.mask[count:].any()
    assert rounded.chunks is batch.chunks
    assert rounded.firsts is batch.firsts


def test_pack_takes_two_long_texts_as_it_takes_one(tokenizer) -> None:
    text = "the old man walks near the river " * 1000
    expected = pack(tokenizer, [text[:999]], [text[:999]], 96).ids
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert torch.equal(pack(tokenizer, [text], [text], 96).ids, expected)
    long = text * 12
    assert torch.equal(pack(tokenizer, [long], [long], 96).ids, expected)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_pack_refuses_half_of_a_surrogate_pair(tokenizer) -> None:
    with pytest.raises(UserError, match=r"text 2 holds half of a surrogate pair \(\\ud83d\)"):
        pack(tokenizer, ["the dog", "the \ud83d dog"], ["a", "b"], 64)


@pytest.mark.parametrize("name", ["clbench-tiny-12l", "clbench-tiny-12l-layerdrop"])
def test_the_packaged_backbones_ids_are_what_they_were(name: str) -> None:
    """Cached tokens are found by the backbone's digest: other ids for the same text would go unnoticed."""
    digest = hashlib.sha256()
    for domain in ("mnli", "hans", "mrpc"):
        part = generate(domain, sizes={"train": 60, "validation": 1, "test": 1})["train"]
        nasty = ["Café UBERGRÖSSE 我爱北京", "[SEP] [MASK]\x00\u200b 😀", "", " ", "a" * 150, "e\u0301" * 40]
        store = pack(open_backbone(name).tokenizer(), [*part.first, *nasty], [*part.second, *nasty[::-1]], 32)
        for array in (store.ids.numpy(), store.offsets, store.seconds):
            digest.update(array.astype("<i8").tobytes())
    assert digest.hexdigest() == "4d23fc0ae2063937e0189581eac06ee542b12ad251dcc700c4c83b0af3ef7128"
