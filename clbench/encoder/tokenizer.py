"""The tokenizer of a Hugging Face folder, read with distrust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clbench.encoder.hf_folder import read_json
from clbench.errors import UserError
from clbench.schema.backbone import BertShape

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def read_tokenizer(folder: Path, shape: BertShape, origin: str) -> Tokenizer:
    """The tokenizer in ``tokenizer.json``, or the one that ``vocab.txt`` makes; it never pads or cuts by itself.

    Raises:
        UserError: neither file, a damaged one, more tokens than word embeddings, or no template of BERT's for pairs.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            # The library knows no class of error of its own.
            raise UserError(f"{origin}: tokenizer.json is damaged ({error}); fetch it again.") from error
    else:
        tokenizer = _from_vocabulary(folder, origin)
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= shape.vocab_size:
        raise UserError(
            f"{origin}: the tokenizer should have at most the {shape.vocab_size} tokens of config.json, "
            f"but has a token of number {largest}."
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pair = tokenizer.encode("a", "a")
    if set(pair.type_ids) != {0, 1} or pair.type_ids != sorted(pair.type_ids) or sum(pair.special_tokens_mask) != 3:
        raise UserError(f"{origin}: the tokenizer should join a pair as [CLS] first [SEP] second [SEP], but does not.")
    return tokenizer


def _from_vocabulary(folder: Path, origin: str) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    path = folder / "vocab.txt"
    if not path.is_file():
        raise UserError(f"{origin}: neither tokenizer.json nor vocab.txt is there; a tokenizer is needed.")
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{origin}: vocab.txt should be UTF-8 text, one token a line, but is not.") from error
    numbers = {word.rstrip("\r"): number for number, word in enumerate(words) if word.strip()}
    for special in ("[UNK]", "[CLS]", "[SEP]"):
        if special not in numbers:
            raise UserError(f"{origin}: vocab.txt should have the token {special}, but lacks it.")
    settings = (
        read_json(folder / "tokenizer_config.json", origin) if (folder / "tokenizer_config.json").is_file() else {}
    )
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    tokenizer.add_special_tokens([s for s in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if s in numbers])
    return tokenizer
