"""A folder that clbench writes, as plain transformers reads it: the same tokens and logits of any text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_worlds import TOKENS, config
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_classifier
from clbench.encoder.tokens import pack
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertForSequenceClassification  # noqa: E402

LETTERS = "abcehiortuwyzABÉéàüßñ我爱ﬁ😀.,?'"
VOCABULARY = [*TOKENS, *(letter for letter in LETTERS if letter not in TOKENS), *("##" + letter for letter in LETTERS)]

NORMALIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "usual": (normalizers.BertNormalizer(), {"do_lower_case": True}),
    "cased": (normalizers.BertNormalizer(lowercase=False), {"do_lower_case": False}),
    "accents kept": (
        normalizers.BertNormalizer(strip_accents=False),
        {"do_lower_case": True, "strip_accents": False},
    ),
    "accents stripped": (
        normalizers.BertNormalizer(lowercase=False, strip_accents=True),
        {"do_lower_case": False, "strip_accents": True},
    ),
    "Han kept": (
        normalizers.BertNormalizer(handle_chinese_chars=False),
        {"do_lower_case": True, "tokenize_chinese_chars": False},
    ),
    "controls kept": (
        normalizers.BertNormalizer(clean_text=False),
        {"tokenizer_class": "PreTrainedTokenizerFast"},
    ),
    "of parts": (
        normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
        {"tokenizer_class": "PreTrainedTokenizerFast"},
    ),
}  # fmt: skip


def tokenizer_of(normalizer: Any) -> Any:
    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(TOKENS[:5])
    return made


@pytest.fixture(scope="module", params=NORMALIZERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    folder = tmp_path_factory.mktemp("exported") / "model"
    torch.manual_seed(0)
    model = BertForSequenceClassification(config(vocab_size=len(VOCABULARY), num_hidden_layers=1))
    normalizer, _ = NORMALIZERS[request.param]
    write_classifier(model.eval(), tokenizer_of(normalizer), 24, "card", folder)
    theirs = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder).eval()
    backbone = open_backbone(str(folder))
    return backbone.tokenizer(), backbone.trained(("LABEL_0", "LABEL_1", "LABEL_2")), *theirs


TEXT = st.text(max_size=30) | st.lists(st.sampled_from([*LETTERS, " ", "[SEP]", "\u0301", "\x07"])).map("".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_plain_transformers_gives_the_same_logits_of_any_text(
    exported: tuple[Any, ...], pairs: list[tuple[str, str]]
) -> None:
    reader, trained, tokenizer, model = exported
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    ours = predict(trained.with_tokens(pack(reader, first, second, 24)), torch.arange(len(pairs)))
    with torch.no_grad():
        theirs = model(**tokenizer(first, second, padding=True, truncation=True, return_tensors="pt")).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("normalizer", "expected"), NORMALIZERS.values(), ids=NORMALIZERS)
def test_the_settings_say_what_the_tokenizer_does(normalizer: Any, expected: dict[str, Any], tmp_path: Path) -> None:
    model = BertForSequenceClassification(config(vocab_size=len(VOCABULARY), num_hidden_layers=1))
    write_classifier(model, tokenizer_of(normalizer), 24, "card", tmp_path / "m")
    said = json.loads((tmp_path / "m" / "tokenizer_config.json").read_text())
    assert said["model_max_length"] == 24
    assert said["mask_token"] == "[MASK]"
    names = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "tokenizer_class")
    usual = {"tokenizer_class": "BertTokenizer"}
    assert {name: said[name] for name in names if name in said} == usual | expected


def test_a_vocabulary_with_gaps_or_without_a_mask_is_not_made_up(tmp_path: Path) -> None:
    made = Tokenizer(models.WordPiece({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 9}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    model = BertForSequenceClassification(config(vocab_size=10, num_hidden_layers=1))
    write_classifier(model, made, 24, "card", tmp_path / "m")
    assert not (tmp_path / "m" / "vocab.txt").exists()
    said = json.loads((tmp_path / "m" / "tokenizer_config.json").read_text())
    assert (said["mask_token"], said["pad_token"]) == (None, "[PAD]")
    assert open_backbone(str(tmp_path / "m")).tokenizer().get_vocab_size() == 5
    assert len(AutoTokenizer.from_pretrained(tmp_path / "m")) == 5


def test_the_packaged_backbones_would_be_written_as_they_are(tmp_path: Path) -> None:
    """Their digests are pinned, so that what is written for a tokenizer like theirs must stay the same."""
    backbone = open_backbone("clbench-tiny-12l")
    model = BertForSequenceClassification(config(vocab_size=30_522, num_hidden_layers=1, hidden_size=4))
    write_classifier(model, backbone.tokenizer(), 512, "card", tmp_path / "m")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        assert (tmp_path / "m" / name).read_bytes() == (backbone.folder / name).read_bytes()
