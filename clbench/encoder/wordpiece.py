"""A WordPiece tokenizer of BERT's kind in a Hugging Face folder, read with distrust."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.encoder.hf_folder import read_json
from clbench.errors import UserError, short
from clbench.schema.backbone import BertShape
from clbench.schema.form import shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What WordPiece tokenizers of BERT's kind are made of, by the parts of tokenizer.json. No component here brings a
# pattern of its own (a regular expression can run for hours) or a text of its own (a replacement can blow a sentence
# up), and all of them treat words that white space parts one by one.
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "normalizer": ("BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Sequence"),
    "pre_tokenizer": ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "Sequence"),
    "model": ("WordPiece",),
    "post_processor": ("TemplateProcessing", "BertProcessing"),
    "decoder": ("WordPiece",),
}
# One of these parts a text at white space.
_SPLITTING = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")
SPECIAL = ("unk", "sep", "pad", "cls", "mask")
# Fields of tokenizer_config.json that would make transformers run code or open other files.
_FOREIGN = ("auto_map", "fast_tokenizer_files", "gguf_file", "init_inputs", "merges", "tokenizer_object", "vocab")
# Files beside :data:`~clbench.encoder.hf_folder.FILES` that transformers reads where they are there.
LEGACY = ("special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
# WordPiece looks at every stretch of a word, the prefix before it, so that a long word takes time by the square of its
# letters.
_LONGEST_WORD, _LONGEST_PREFIX = 500, 16
_MOST_COMPONENTS = 16


def read_wordpiece(folder: Path, shape: BertShape, origin: str) -> Tokenizer:
    """The tokenizer in ``tokenizer.json``, or the one that ``vocab.txt`` makes; it never pads or cuts by itself.

    Args:
        folder: a checkpoint's, its files checked to be ordinary ones.
        shape: the encoder's sizes.
        origin: opens the sentence of an error.

    Raises:
        UserError: neither file, a damaged one, components other than :data:`COMPONENTS`, no unknown token, more tokens
            than word embeddings, or no template of BERT's for pairs.
    """
    has_json = (folder / "tokenizer.json").exists()
    tokenizer = _from_json(folder, shape, origin) if has_json else _from_vocabulary(folder, origin)
    _check_numbers(tokenizer.get_vocab().values(), shape, origin)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _check_template(tokenizer, origin)
    return tokenizer


def _from_json(folder: Path, shape: BertShape, origin: str) -> Tokenizer:
    """The library takes what it is given without a bound, and panics at some of it: all is looked at before."""
    from tokenizers import Tokenizer

    content = read_json(folder / "tokenizer.json", origin)
    for part, allowed in COMPONENTS.items():
        unnamed = "WordPiece" if part == "model" else ""
        found = list(islice(_components(content.get(part), unnamed), _MOST_COMPONENTS + 1))
        for kind in found:
            if kind not in allowed:
                names = ", ".join(allowed)
                raise UserError(
                    f"{origin}: tokenizer.json: '{part}' should be made of {names}, as BERT's is, but has {kind}."
                )
        if len(found) > _MOST_COMPONENTS:
            raise UserError(f"{origin}: tokenizer.json: '{part}' should have at most {_MOST_COMPONENTS} components.")
        if part == "pre_tokenizer" and not set(found) & set(_SPLITTING):
            raise UserError(f"{origin}: tokenizer.json: 'pre_tokenizer' should hold one of {', '.join(_SPLITTING)}.")
    _check_model(content.get("model"), f"{origin}: tokenizer.json")
    vocabulary, added = content["model"]["vocab"], content.get("added_tokens")
    # Their count as well: tokens may share a number.
    numbers = [*vocabulary.values(), len(vocabulary) - 1, len(added) - 1 if isinstance(added, list) else 0]
    _check_numbers([number for number in numbers if isinstance(number, int)], shape, origin)
    if not _joins_pairs(content.get("post_processor"), vocabulary, f"{origin}: tokenizer.json"):
        raise _other_template(origin)
    try:
        tokenizer = Tokenizer.from_str(json.dumps(content))
    except Exception as error:
        # The library knows no class of error of its own.
        raise UserError(f"{origin}: tokenizer.json is damaged ({error}); fetch it again.") from error
    _check_added(content, tokenizer, f"{origin}: tokenizer.json")
    return tokenizer


def _components(found: Any, unnamed: str) -> Iterator[str]:
    """The types of a part and of what its sequences hold; ``unnamed`` is that of a part which doesn't say it."""
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            kind = one.get("type", unnamed)
            yield kind if isinstance(kind, str) and len(kind) < 40 else "something else"
            waiting += [value for name, value in one.items() if kind == "Sequence" and name != "type"]
        elif one is not None:
            yield str(one)[:40]


def _check_model(model: Any, origin: str) -> None:
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise UserError(f"{origin}: 'model.vocab' should map each token to its number.")
    unknown, longest = model.get("unk_token"), model.get("max_input_chars_per_word")
    if not isinstance(unknown, str) or unknown not in model["vocab"]:
        raise UserError(
            f"{origin}: 'model.unk_token' should be a token of the vocabulary, but is {str(unknown)[:40]!r}."
        )
    prefix = model.get("continuing_subword_prefix")
    if not isinstance(prefix, str) or len(prefix) > _LONGEST_PREFIX:
        raise UserError(
            f"{origin}: 'model.continuing_subword_prefix' should be at most {_LONGEST_PREFIX} characters, say ##."
        )
    if not isinstance(longest, int) or not 0 < longest <= _LONGEST_WORD:
        raise UserError(
            f"{origin}: 'model.max_input_chars_per_word' should be 1 to {_LONGEST_WORD}, but is {str(longest)[:40]}."
        )


def _check_added(content: Mapping[str, Any], tokenizer: Tokenizer, origin: str) -> None:
    """Added tokens are cut out of a text before its words are looked at: none may take words apart."""
    vocabulary = content["model"]["vocab"]
    for token in content.get("added_tokens") or ():
        name = token["content"]
        if tokenizer.token_to_id(name) != token["id"]:
            raise UserError(
                f"{origin}: the added token {name[:40]!r} has the number {token['id']}, but the vocabulary says "
                f"{tokenizer.token_to_id(name)}; save the tokenizer again with transformers."
            )
        cuts = name.isalnum() and not token["single_word"] and (len(name) == 1 or name in vocabulary)
        if cuts or any(letter.isspace() for letter in name):
            raise UserError(
                f"{origin}: the added token {name[:40]!r} would be cut out of ordinary text; take it out of "
                "'added_tokens'."
            )


def _check_numbers(numbers: Collection[int], shape: BertShape, origin: str) -> None:
    largest = max(numbers, default=-1)
    if largest >= shape.vocab_size:
        raise UserError(
            f"{origin}: the tokenizer should have at most the {shape.vocab_size} tokens of config.json, "
            f"but has a token of number {largest}."
        )


def _joins_pairs(processor: Any, vocabulary: Mapping[str, Any], origin: str) -> bool:
    """Whether a post-processor names what [CLS] first [SEP] second [SEP] needs, and nothing else.

    Raises:
        UserError: it has other numbers for the two than the vocabulary.
    """
    if not isinstance(processor, dict):
        return False
    try:
        if processor["type"] == "BertProcessing":
            numbers = dict((processor["cls"], processor["sep"]))
        else:
            tokens = processor["special_tokens"]
            single, pair = (
                [part["SpecialToken"]["id"] if "SpecialToken" in part else part["Sequence"]["id"] for part in parts[:6]]
                for parts in (processor["single"], processor["pair"])
            )
            begin, end = single[0], single[-1]
            if (single, pair) != ([begin, "A", end], [begin, "A", end, "B", end]):
                return False
            if any(tokens[name]["tokens"] != [name] or len(tokens[name]["ids"]) != 1 for name in (begin, end)):
                return False
            numbers = {name: tokens[name]["ids"][0] for name in (begin, end)}
        wrong = next((name for name, number in numbers.items() if vocabulary.get(name) != number), None)
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    if wrong is not None:
        raise UserError(
            f"{origin}: 'post_processor' gives {str(wrong)[:40]} the number {str(numbers[wrong])[:40]}, but the "
            f"vocabulary says {str(vocabulary.get(wrong))[:40]}."
        )
    return True


def _check_template(tokenizer: Tokenizer, origin: str) -> None:
    word = tokenizer.encode("a", add_special_tokens=False).ids
    frame, single, pair = tokenizer.encode("", "").ids, tokenizer.encode("a"), tokenizer.encode("a", "a")
    types = [0] * (len(word) + 2) + [1] * (len(word) + 1)
    if (
        len(frame) != 3
        or frame[1] != frame[2]
        or (single.ids, set(single.type_ids)) != ([frame[0], *word, frame[1]], {0})
        or (pair.ids, pair.type_ids) != ([frame[0], *word, frame[1], *word, frame[1]], types)
    ):
        raise _other_template(origin)


def _other_template(origin: str) -> UserError:
    return UserError(f"{origin}: the tokenizer should join a pair as [CLS] first [SEP] second [SEP], but does not.")


def _from_vocabulary(folder: Path, origin: str) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    path = folder / "vocab.txt"
    if not path.is_file():
        raise UserError(f"{origin}: neither tokenizer.json nor vocab.txt is there; a tokenizer is needed.")
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{origin}: vocab.txt should be UTF-8 text, one token a line, but is not.") from error
    numbers = {word.rstrip(): number for number, word in enumerate(words) if word.strip()}
    settings = read_settings(folder, origin)
    names = {kind: _name(settings.get(f"{kind}_token", f"[{kind.upper()}]")) for kind in SPECIAL}
    for kind, name in names.items():
        if name is not None and not isinstance(name, str):
            raise UserError(f"{origin}: tokenizer_config.json: '{kind}_token' should be text, but is {shown(name)}.")
    for kind in ("unk", "cls", "sep"):
        if names[kind] not in numbers:
            raise UserError(f"{origin}: vocab.txt should have the token {short(str(names[kind]))}, but lacks it.")
    for name, default in (("tokenize_chinese_chars", True), ("strip_accents", None), ("do_lower_case", True)):
        if not isinstance(settings.get(name, default), bool | type(default)):
            raise UserError(
                f"{origin}: tokenizer_config.json: '{name}' should be true or false, but is {str(settings[name])[:40]}."
            )
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token=names["unk"], max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    begin, end = names["cls"], names["sep"]
    tokenizer.post_processor = processors.BertProcessing((end, numbers[end]), (begin, numbers[begin]))
    tokenizer.add_special_tokens([name for name in names.values() if name in numbers])
    return tokenizer


def _name(token: Any) -> Any:
    """A special token's spelling; tokenizer_config.json may give it with its flags."""
    return token.get("content") if isinstance(token, dict) else token


def read_settings(folder: Path, origin: str) -> dict[str, Any]:
    """The checked ``tokenizer_config.json``; empty where there is none."""
    path = folder / "tokenizer_config.json"
    content = read_json(path, origin) if path.exists() else {}
    for name in _FOREIGN:
        if content.get(name):
            raise UserError(f"{origin}: tokenizer_config.json: field '{name}' is not supported; take it out.")
    special = folder / LEGACY[0]
    for name in read_json(special, origin) if special.is_file() else ():
        # Whatever else is there would be taken as a setting, a path included.
        if not name.endswith(("_token", "special_tokens")):
            raise UserError(f"{origin}: {special.name} should name special tokens alone, but has {name[:40]!r}.")
    return content
