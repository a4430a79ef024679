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

from transformers import (  # noqa: E402
    CONFIG_MAPPING,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

LETTERS = "abcehiortuwyzABÉéàüßñ我爱ﬁ😀.,?'"
VOCABULARY = [*TOKENS, *(letter for letter in LETTERS if letter not in TOKENS), *("##" + letter for letter in LETTERS)]

NORMALIZERS = {
    "usual": normalizers.BertNormalizer(),
    "cased": normalizers.BertNormalizer(lowercase=False),
    "accents kept": normalizers.BertNormalizer(strip_accents=False),
    "Han kept": normalizers.BertNormalizer(handle_chinese_chars=False),
    "controls kept": normalizers.BertNormalizer(clean_text=False),
    "of parts": normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
}


def tokenizer_folder(normalizer: Any, folder: Path) -> Path:
    """As transformers saves a tokenizer of one's own, which cuts and pads."""
    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(TOKENS[:5])
    made.enable_truncation(7)
    made.enable_padding(length=9)
    named = {f"{name.strip('[]').lower()}_token": name for name in TOKENS[:5]}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, **named).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=NORMALIZERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    folder = tmp_path_factory.mktemp("exported") / "model"
    torch.manual_seed(0)
    model = BertForSequenceClassification(config(vocab_size=len(VOCABULARY), num_hidden_layers=1))
    source = tokenizer_folder(NORMALIZERS[request.param], folder.parent / "tokenizer")
    write_classifier(model.eval(), source, 24, "card", folder)
    assert json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"] == 24
    theirs = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder).eval()
    backbone = open_backbone(str(folder))
    return backbone.tokenizer(), backbone.trained(("LABEL_0", "LABEL_1", "LABEL_2")), *theirs


TEXT = st.text(max_size=30) | st.lists(st.sampled_from([*LETTERS, " ", "[SEP]", "\u0301", "\x07"])).map("".join)


@settings(max_examples=40)
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


@pytest.mark.parametrize("model_type", ["albert", "rembert", "bert"])
def test_a_pair_has_its_types_in_plain_transformers(model_type: str, tmp_path: Path) -> None:
    """Of ALBERT and RemBERT transformers' tokenizers send none, though the template and the model have two."""
    torch.manual_seed(0)
    told = CONFIG_MAPPING[model_type](
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, type_vocab_size=2, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    first, source = tmp_path / "first", tokenizer_folder(NORMALIZERS["usual"], tmp_path / "tokenizer")
    if model_type != "bert":
        settings = json.loads((source / "tokenizer_config.json").read_text())
        settings.pop("model_input_names", None)
        (source / "tokenizer_config.json").write_text(json.dumps(settings))
    write_classifier(AutoModelForSequenceClassification.from_config(told).eval(), source, 24, "card", first)
    backbone = open_backbone(str(first))
    ours = backbone.trained(("LABEL_0", "LABEL_1")).with_tokens(pack(backbone.tokenizer(), ["a her"], ["or i"], 24))
    write_classifier(ours.hf, backbone.folder, 24, "card", tmp_path / "again")
    expected = predict(ours, torch.arange(1))
    for folder in (first, tmp_path / "again"):
        tokens = AutoTokenizer.from_pretrained(folder)("a her", "or i", return_tensors="pt")
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        with torch.no_grad():
            torch.testing.assert_close(model(**tokens).logits, expected, atol=1e-5, rtol=1e-5)
            without = model(tokens["input_ids"]).logits
        assert not torch.allclose(without, expected, atol=1e-3)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression", "single_label_classification", None])
def test_what_is_written_tells_classes_apart(problem: str | None, tmp_path: Path) -> None:
    """Whoever has made the model: transformers' pipeline takes the softmax, and its loss is the cross-entropy."""
    source = tokenizer_folder(NORMALIZERS["usual"], tmp_path / "tokenizer")
    told = config(vocab_size=len(VOCABULARY), num_hidden_layers=1, problem_type=problem)
    write_classifier(BertForSequenceClassification(told).eval(), source, 24, "card", tmp_path / "m")
    written = json.loads((tmp_path / "m" / "config.json").read_text()).get("problem_type")
    assert written == (problem if problem == "single_label_classification" else None)
    (scores,) = pipeline("text-classification", model=str(tmp_path / "m"), top_k=None)(["the man sings"])
    assert sum(one["score"] for one in scores) == pytest.approx(1, abs=1e-5)


def test_the_packaged_backbones_would_be_written_as_they_are(tmp_path: Path) -> None:
    """Their digests are pinned, so that what is written for a tokenizer like theirs must stay the same."""
    backbone = open_backbone("clbench-tiny-12l")
    model = BertForSequenceClassification(config(vocab_size=30_522, num_hidden_layers=1, hidden_size=4))
    write_classifier(model, backbone.folder, 512, "card", tmp_path / "m")
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        assert (tmp_path / "m" / name).read_bytes() == (backbone.folder / name).read_bytes()
