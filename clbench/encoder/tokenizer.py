"""The tokenizer of a Hugging Face folder, of any kind, and the template by which it joins a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.encoder.hf_folder import read_json
from clbench.encoder.wordpiece import read_settings, read_wordpiece
from clbench.errors import UserError, first_line
from clbench.runtime import torchvision_ops
from clbench.schema.backbone import BertShape, EncoderShape

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What tokenizers differ in: case, accents, scripts, control characters, punctuation, long and unknown words.
_PROBES = (
    ("The man isn't GOING home; he's 42.", "A woman (tall) walks: she's well-read!"),
    ("Caf\u00e9 na\u00efve \u00dcber cafe\u0301 \u00df \u0130\u0131", "\u6211\u7231\u5317 abc\u6587def \u3042 \ud55c"),
    ("a\tb\u00a0c\u2009d\u0000e\ufffdf\u200bg", "\u201cquoted\u201d \u2013 dash\u2026 $5 & 100% #x [MASK] [SEP]"),
    ("antidisestablishmentarianism " + "x" * 150, "\U0001f600 \u0440\u0443\u0441 \u0639\u0631\u0628"),
)
# Texts on which a template is read off: their tokens are ordinary ones.
_ONE, _OTHER = "one", "two"


@dataclass(frozen=True)
class Template:
    """How a tokenizer joins a pair, and what it puts around a single text: ``[CLS] first [SEP] second [SEP]``, say.

    Attributes:
        before, between, after: the special tokens' ids before, between and after a pair's texts.
        closing: those after a single text; before it stand those of a pair.
        typed: whether the second text and what follows has the token type 1; else all tokens have 0.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    closing: tuple[int, ...]
    typed: bool = True

    @property
    def room(self) -> int:
        """How many special tokens a pair has."""
        return len(self.before) + len(self.between) + len(self.after)


def template_of(tokenizer: Tokenizer) -> Template:
    """The template of a tokenizer.

    Raises:
        ValueError: it is none that begins with a special token, keeps the order of a pair, and parts its texts.
    """
    pair, single = tokenizer.encode(_ONE, _OTHER), tokenizer.encode(_ONE)
    runs: list[tuple[int | None, list[int]]] = []
    for number, whose in zip(pair.ids, pair.sequence_ids, strict=True):
        if not runs or runs[-1][0] != whose:
            runs.append((whose, []))
        runs[-1][1].append(number)
    if [whose for whose, _ in runs][:4] != [None, 0, None, 1] or [whose for whose, _ in runs][4:] not in ([], [None]):
        raise ValueError("a pair is not joined as a special token, first, another one, second")
    before, between = tuple(runs[0][1]), tuple(runs[2][1])
    after = tuple(runs[4][1]) if len(runs) > 4 else ()
    body = [place for place, whose in enumerate(single.sequence_ids) if whose == 0]
    if tuple(single.ids[: body[0]]) != before or None in single.sequence_ids[body[0] : body[-1] + 1]:
        raise ValueError("a single text is not begun as a pair is")
    starts = pair.sequence_ids.index(1)
    types = pair.type_ids
    if types not in ([0] * len(types), [0] * starts + [1] * (len(types) - starts)):
        raise ValueError("token types are not 0 up to the second text and 1 from there")
    return Template(before, between, after, tuple(single.ids[body[-1] + 1 :]), typed=1 in types)


def read_tokenizer(folder: Path, shape: BertShape | EncoderShape, origin: str) -> Tokenizer:
    """The tokenizer of a folder; it never pads or cuts by itself.

    BERT's own kind is read with care for every component, see :mod:`clbench.encoder.wordpiece`; any other is what
    transformers makes of the folder, from tokenizer.json, from a sentencepiece model, or from a vocabulary and merges.

    Args:
        folder: a checkpoint's, its files checked to be ordinary ones.
        shape: the encoder's sizes.
        origin: opens the sentence of an error.

    Raises:
        UserError: no tokenizer, a damaged one, one that is not a fast one, more tokens than word embeddings, or no
            template for pairs.
    """
    if isinstance(shape, BertShape) and is_wordpiece(folder, origin):
        return read_wordpiece(folder, shape, origin)
    tokenizer: Tokenizer = transformers_tokenizer(folder, origin).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= shape.vocab_size:
        raise UserError(
            f"{origin}: the tokenizer should have at most the {shape.vocab_size} tokens of config.json, "
            f"but has a token of number {largest}."
        )
    try:
        template_of(tokenizer)
    except Exception as error:  # tokenizers knows no class of error of its own
        raise UserError(
            f"{origin}: the tokenizer has no template that joins a pair of texts behind a first special token, as "
            f"[CLS] first [SEP] second [SEP] does: {first_line(error)}."
        ) from error
    return tokenizer


def is_wordpiece(folder: Path, origin: str) -> bool:
    """Whether a folder's tokenizer is of BERT's kind: a vocabulary alone, or tokenizer.json with a WordPiece model."""
    path = folder / "tokenizer.json"
    if not path.exists():
        return not any((folder / name).exists() for name in ("spm.model", "spiece.model", "sentencepiece.bpe.model"))
    model = read_json(path, origin).get("model")
    return not isinstance(model, dict) or model.get("type", "WordPiece") not in ("BPE", "Unigram", "WordLevel")


def transformers_tokenizer(folder: Path, origin: str) -> Any:
    """The tokenizer that transformers reads from a folder, a fast one; no code of the folder's runs.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    read_settings(folder, origin)
    torchvision_ops.define()
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from clbench.encoder.same_tokens import silence

    with silence():
        try:
            found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:
            raise UserError(
                f"{origin}: transformers cannot read the tokenizer ({first_line(error)}); save it again with its "
                "save_pretrained, which writes tokenizer.json."
            ) from error
    if not isinstance(found, PreTrainedTokenizerFast):
        raise UserError(
            f"{origin}: its tokenizer, a {type(found).__name__}, is not a fast one; a tokenizer.json is needed."
        )
    for name in ("padding_side", "truncation_side"):
        if (side := getattr(found, name)) != "right":
            raise UserError(f"{origin}: '{name}' should be 'right', but is {str(side)[:40]!r} by its tokenizer files.")
    return found


def tokens_apart(one: Tokenizer, other: Tokenizer) -> str | None:
    """In what two tokenizers differ, as part of a sentence; None where they make the same ids of every text tried."""
    mine, theirs = one.get_vocab(), other.get_vocab()
    if mine != theirs:
        word = min(set(mine.items()) ^ set(theirs.items()), key=lambda item: (item[1], item[0]))[0]
        return f"their vocabularies differ ({len(mine):,} and {len(theirs):,} tokens; {word!r} is another number)"
    for first, second in _PROBES:
        ours, its = one.encode(first, second), other.encode(first, second)
        if (ours.ids, ours.type_ids) != (its.ids, its.type_ids):
            return f"they read texts such as {first[:20]!r} differently"
    return None
