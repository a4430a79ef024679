"""The tokenizer of a Hugging Face folder, of any kind, and the template by which it joins a pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.encoder.hf_folder import read_json, silence
from clbench.errors import UserError, first_line
from clbench.runtime import torchvision_ops
from clbench.schema.form import shown

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
# Fields of tokenizer_config.json that would make transformers run code or open other files.
_FOREIGN = ("fast_tokenizer_files", "gguf_file", "init_inputs", "merges", "tokenizer_object", "vocab")
_SPECIAL = "special_tokens_map.json"
# One of these a tokenizer has.
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model", "spiece.model", "sentencepiece.bpe.model")


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


def read_tokenizer(folder: Path, vocab_size: int, origin: str) -> Tokenizer:
    """The tokenizer that plain transformers makes of a folder; it never pads or cuts by itself. No code of the folder's
    runs.

    Args:
        folder: a checkpoint's, its files checked to be ordinary ones.
        vocab_size: how many word embeddings the encoder has.
        origin: opens the sentence of an error.

    Raises:
        UserError: no tokenizer, a damaged one, one that is not a fast one, more tokens than word embeddings, no
            template for pairs, or token types that transformers would leave out.
    """
    _check_settings(folder, origin)
    torchvision_ops.define()
    from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

    told = read_json(folder / "config.json", origin)
    with silence():
        try:
            # Which tokenizer it is, is all that is asked of a configuration.
            config = AutoConfig.for_model(told["model_type"], tokenizer_class=told.get("tokenizer_class"))
            found: Any = AutoTokenizer.from_pretrained(
                folder, config=config, local_files_only=True, trust_remote_code=False
            )
        except BaseException as error:
            raise _refused(
                error, f"{origin}: transformers cannot read the tokenizer", "save it again with its save_pretrained"
            ) from error
    if not isinstance(found, PreTrainedTokenizerFast):
        raise UserError(
            f"{origin}: its tokenizer, a {type(found).__name__}, is not a fast one; a tokenizer.json is needed."
        )
    for name in ("padding_side", "truncation_side"):
        if (side := getattr(found, name)) != "right":
            raise UserError(f"{origin}: '{name}' should be 'right', but is {shown(side)} by its tokenizer files.")
    tokenizer: Tokenizer = found.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= vocab_size:
        raise UserError(
            f"{origin}: the tokenizer should have at most the {vocab_size} tokens of config.json, "
            f"but has a token of number {largest}."
        )
    try:
        template = template_of(tokenizer)
    except BaseException as error:
        raise _refused(
            error, f"{origin}: the tokenizer has no template that joins a pair of texts behind a first special token",
            "[CLS] first [SEP] second [SEP] is one",
        ) from error  # fmt: skip
    _check_special(tokenizer, template, folder, origin)
    apart = told["model_type"] == "bert" and template.typed and told.get("type_vocab_size", 2) > 1
    if apart and "token_type_ids" not in found.model_input_names:
        raise UserError(
            f"{origin}: tokenizer_config.json: 'model_input_names' should hold token_type_ids, which tell a pair's "
            "sentences apart."
        )
    return tokenizer


def _refused(error: BaseException, what: str, mend: str) -> UserError:
    """The sentence for whatever tokenizers raises; it knows no class of error of its own, and panics as well."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    return UserError(f"{what} ({first_line(error)[:200]}); {mend}.")


def _check_special(tokenizer: Tokenizer, template: Template, folder: Path, origin: str) -> None:
    """Refuse a vocabulary that lacks the special tokens of a pair: transformers would add them, at any number."""
    if (folder / "tokenizer.json").exists() or not (folder / "vocab.txt").exists():
        return
    words = set(tokenizer.get_vocab(with_added_tokens=False).values())
    for number in (*template.before, *template.between):
        if number not in words:
            raise UserError(f"{origin}: vocab.txt should have the token {tokenizer.id_to_token(number)}, but lacks it.")


def _check_settings(folder: Path, origin: str) -> None:
    """Refuse settings that would make transformers run code or open other files, and a folder without a tokenizer, of
    which it would make an empty one.
    """
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise UserError(f"{origin}: a tokenizer is needed, but none of {', '.join(_VOCABULARIES)} is there.")
    for name in (name for name in ("tokenizer_config.json", "tokenizer.json") if (folder / name).exists()):
        content = read_json(folder / name, origin)
        for field in _FOREIGN if name == "tokenizer_config.json" else ():
            if content.get(field):
                raise UserError(f"{origin}: {name}: field '{field}' is not supported; take it out.")
    for field in read_json(folder / _SPECIAL, origin) if (folder / _SPECIAL).is_file() else ():
        # Whatever else is there would be taken as a setting, a path included.
        if not field.endswith(("_token", "special_tokens")):
            raise UserError(f"{origin}: {_SPECIAL} should name special tokens alone, but has {shown(field)}.")


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
