"""Pre-training from a BERT whose tokenizer is of another kind ends in a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from encoder_worlds import TOKENS, write_model
from pretrain_worlds import form, write_text
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from clbench.errors import UserError
from clbench.pretrain.loop import pretrain

NEEDED = r"should start from a tokenizer that is a WordPiece, continues words by '##' and has the tokens "
SENTENCEPIECE = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<pad>", 0.0), ("<mask>", 0.0), ("\u2581the", -1.0)]


def wordpiece(tokens: list[str], prefix: str) -> Tokenizer:
    numbers = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", continuing_subword_prefix=prefix))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def write(folder: Path, made: Tokenizer, cls: str, sep: str, pad: str) -> str:
    """A BERT with this tokenizer."""
    write_model(folder)
    os.remove(folder / "vocab.txt")
    made.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(token, made.token_to_id(token)) for token in (cls, sep)],
    )  # fmt: skip
    PreTrainedTokenizerFast(
        tokenizer_object=made, cls_token=cls, sep_token=sep, pad_token=pad,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("sentencepiece", r"\[CLS\], \[SEP\], \[MASK\], \[PAD\], but this one is a Unigram\.$"),
        ("other prefix", r"but this one continues them by '@@'\.$"),
        ("no mask", r"but this one lacks \[MASK\]\.$"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(kind, message, tmp_path) -> None:
    if kind == "sentencepiece":
        made = Tokenizer(models.Unigram(SENTENCEPIECE, unk_id=2))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.add_special_tokens([token for token, _ in SENTENCEPIECE[:5]])
        folder = write(tmp_path / "m", made, "<s>", "</s>", "<pad>")
    elif kind == "other prefix":
        made = wordpiece([token.replace("##", "@@") for token in TOKENS], "@@")
        folder = write(tmp_path / "m", made, "[CLS]", "[SEP]", "[PAD]")
    else:
        folder = write(tmp_path / "m", wordpiece([t for t in TOKENS if t != "[MASK]"], "##"), "[CLS]", "[SEP]", "[PAD]")
    text = write_text(tmp_path)
    with pytest.raises(UserError, match=f"^backbone .*/m: pre-training {NEEDED}.*{message}"):
        pretrain(form(weights={"masked": 1}, matched=[]), [text], None, tmp_path / "out", tokenizer=folder)
    assert not (tmp_path / "out").exists()


def test_the_same_tokenizer_by_a_file_of_its_own_is_taken(tmp_path) -> None:
    folder = write(tmp_path / "m", wordpiece(TOKENS, "##"), "[CLS]", "[SEP]", "[PAD]")
    made = form(weights={"masked": 1}, matched=[], steps=1)
    assert pretrain(made, [write_text(tmp_path)], None, tmp_path / "out", tokenizer=folder)["steps"] == 1
