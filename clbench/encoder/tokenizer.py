"""The tokenizer of a Hugging Face folder, read with distrust, and only where plain transformers reads it alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench import torchvision_ops
from clbench.cache import cached, key_of
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
# How transformers builds such a tokenizer: by its settings, or as tokenizer.json has it.
BY_SETTINGS, AS_IT_IS = ("BertTokenizer", "BertTokenizerFast"), ("PreTrainedTokenizerFast", "TokenizersBackend")
SPECIAL = ("unk", "sep", "pad", "cls", "mask")
# The settings of BertNormalizer, as tokenizer_config.json calls them.
SETTINGS = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
# Fields of tokenizer_config.json that would make transformers run code or open other files.
_FOREIGN = ("auto_map", "fast_tokenizer_files", "gguf_file", "init_inputs", "merges", "tokenizer_object", "vocab")
# Files beside :data:`~clbench.encoder.hf_folder.FILES` that transformers reads where they are there.
_LEGACY = ("special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
_LARGEST_LEGACY = 16 * 2**20
# WordPiece looks at every stretch of a word, the prefix before it, so that a long word takes time by the square of its
# letters.
_LONGEST_WORD, _LONGEST_PREFIX = 500, 16
_MOST_COMPONENTS = 16

# What tokenizers like to differ in: accents, scripts, case, controls, long words, special tokens spelt in the text.
_TEXTS = (
    "The old man, don't (really) walk: 3.14 – “so”…", "", " \t\r\n\u00a0\u3000", "Café ÜBERGRÖSSE naïve Ångström",
    "Cafe\u0301 u\u0308ber \u0301a", "我爱北京 wǒ ài 㐀𠀀", "a\x00b\x07c\u200bd\ufeffe\ufffdf\u00adg", "word" * 40,
    "[CLS] a [SEP] b [MASK] c[PAD]d [UNK] [sep] <s></s>", "😀👩\u200d👧 ❤\ufe0f a😀b", "İıſßﬁ ΣΑΣ Ǆ ﷺ",
    "한국어 हिन्दी ไทย עברית", "٣ ½ ² 1,000.5 ① x²+y", "##ing un##able @user #tag http://a.b/c?d=e",
    "A" * 99 + " " + "b" * 100 + " " + "C" * 101,
)  # fmt: skip

# Keys of folders that have passed in this process: opening a backbone again costs nothing.
_PASSED: set[str] = set()


def read_tokenizer(folder: Path, shape: BertShape, origin: str) -> Tokenizer:
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


# Asking parses the package's whole description.
_version = cache(version)


def check_tokenizer(folder: Path, shape: BertShape, digest: str, origin: str) -> None:
    """Check that the tokenizer can be read, and that plain transformers makes the same tokens of any text.

    That takes transformers' import and about half a second, so that what has passed is kept in the cache.

    Args:
        digest: the folder's, see :func:`~clbench.encoder.hf_folder.digest_of`.

    Raises:
        UserError: as :func:`read_tokenizer`; or transformers reads otherwise, and in which setting.
    """
    legacy = [name for name in _LEGACY if (folder / name).is_file()]
    for name in legacy:
        if (folder / name).stat().st_size > _LARGEST_LEGACY:
            raise UserError(f"{origin}: {name} should be at most {_LARGEST_LEGACY // 2**20} MiB.")
    content = {
        "backbone": digest,
        "legacy": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in legacy},
        "versions": {name: _version(name) for name in ("tokenizers", "transformers")},
    }

    def check(entry: Path) -> None:
        _compare(read_tokenizer(folder, shape, origin), folder, origin)
        (entry / "passed").write_bytes(b"")

    key = key_of(content)
    if key not in _PASSED:
        cached("tokenizers", content, check)
        _PASSED.add(key)


def bert_settings(tokenizer: Tokenizer) -> dict[str, bool | None] | None:
    """The settings with which transformers' BertTokenizer reads as ``tokenizer`` does, by their names in
    tokenizer_config.json; None where it can't.
    """
    found = _described(tokenizer)
    kept = {f"normalizer.{name}": found.get(f"normalizer.{name}") for name in SETTINGS}
    expected = {
        "normalizer": "BertNormalizer",
        "normalizer.clean_text": True,
        **kept,
        "pre_tokenizer": "BertPreTokenizer",
        "model.continuing_subword_prefix": "##",
        "model.max_input_chars_per_word": 100,
    }
    parts = {name: value for name, value in found.items() if name.startswith(("normalizer", "pre_tokenizer"))}
    if any(found.get(name) != value for name, value in expected.items()) or not parts.keys() <= expected.keys():
        return None
    return {SETTINGS[name]: kept[f"normalizer.{name}"] for name in SETTINGS}


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
    settings = _config(folder, origin)
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


def _config(folder: Path, origin: str) -> dict[str, Any]:
    """The checked ``tokenizer_config.json``; empty where there is none."""
    path = folder / "tokenizer_config.json"
    content = read_json(path, origin) if path.exists() else {}
    for name in _FOREIGN:
        if content.get(name):
            raise UserError(f"{origin}: tokenizer_config.json: field '{name}' is not supported; take it out.")
    special = folder / _LEGACY[0]
    for name in read_json(special, origin) if special.is_file() else ():
        # Whatever else is there would be taken as a setting, a path included.
        if not name.endswith(("_token", "special_tokens")):
            raise UserError(f"{origin}: {special.name} should name special tokens alone, but has {name[:40]!r}.")
    return content


def _compare(ours: Tokenizer, folder: Path, origin: str) -> None:
    """Refuse a folder of which transformers makes another tokenizer than ``ours``."""
    settings = _config(folder, origin)
    named = settings.get("tokenizer_class") or read_json(folder / "config.json", origin).get("tokenizer_class")
    if named is not None and named not in BY_SETTINGS + AS_IT_IS:
        raise UserError(
            f"{origin}: tokenizer_config.json: 'tokenizer_class' should be {', '.join(BY_SETTINGS + AS_IT_IS)}, "
            f"but is {str(named)[:40]!r}."
        )
    torchvision_ops.define()
    with _silence():
        from transformers import AutoTokenizer, BertConfig

        try:
            # The configuration is given, so that config.json isn't read by transformers.
            theirs = AutoTokenizer.from_pretrained(
                folder, config=BertConfig(tokenizer_class=named), local_files_only=True, trust_remote_code=False
            )
            described = _described(theirs.backend_tokenizer)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
            raise UserError(
                f"{origin}: transformers cannot read the tokenizer ({reason}); save it again with its save_pretrained."
            ) from error
        _compare_settings(_described(ours), described, (folder / "tokenizer.json").exists(), origin)
        _compare_texts(ours, theirs, origin)


def _compare_settings(ours: dict[str, Any], theirs: dict[str, Any], has_json: bool, origin: str) -> None:
    for name in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(name), theirs.get(name)
        if mine == other:
            continue
        if isinstance(mine, dict) and isinstance(other, dict) and name == "model.vocab":
            token = next(token for token in mine.keys() | other.keys() if mine.get(token) != other.get(token))
            name, mine, other = f"token {token[:40]!a}", mine.get(token), other.get(token)
        said = SETTINGS.get(name.removeprefix("normalizer."))
        source = "tokenizer.json" if has_json else "vocab.txt"
        values = (str(json.dumps(value))[:60] for value in (mine, other))
        mend = f"mend '{said}' there" if said else "make them agree"
        raise UserError(
            f"{origin}: {source} and tokenizer_config.json disagree: '{name}' is {next(values)} by {source}, but "
            f"{next(values)} in what transformers makes of tokenizer_config.json; {mend}"
            + (f", or set its 'tokenizer_class' to '{AS_IT_IS[0]}' if tokenizer.json is right." if has_json else ".")
        )


def _compare_texts(ours: Tokenizer, theirs: Any, origin: str) -> None:
    for name in ("padding_side", "truncation_side"):
        if (side := getattr(theirs, name)) != "right":
            raise UserError(
                f"{origin}: '{name}' should be 'right', but is {str(side)[:40]!r} by tokenizer_config.json or "
                "tokenizer.json."
            )
    longest = theirs.model_max_length
    if isinstance(longest, bool) or not isinstance(longest, int | float) or not longest >= 1:
        raise UserError(
            f"{origin}: tokenizer_config.json: 'model_max_length' should be a number of tokens, but is "
            f"{shown(longest)}."
        )
    spelt = " ".join(list(theirs.get_added_vocab())[:100])
    texts = [*_TEXTS, spelt, spelt.upper()]
    others = texts[::-1]
    # As a list: of a single pair transformers takes an empty second text for none.
    found = theirs(texts, others, verbose=False)
    if "token_type_ids" not in found:
        raise UserError(
            f"{origin}: tokenizer_config.json: 'model_input_names' should hold token_type_ids, which tell a pair's "
            "sentences apart."
        )
    for row, encoding in enumerate(ours.encode_batch(list(zip(texts, others, strict=True)))):
        if (found["input_ids"][row], found["token_type_ids"][row]) != (encoding.ids, encoding.type_ids):
            raise UserError(
                f"{origin}: transformers makes other tokens of {texts[row][:40]!a} and {others[row][:40]!a} than "
                "tokenizer.json says; save the tokenizer again with its save_pretrained."
            )


def _described(tokenizer: Tokenizer) -> dict[str, Any]:
    """All that determines the tokens of a text, flat, by name; what is spelt otherwise but means the same is equal."""
    content = json.loads(tokenizer.to_str())
    flat: dict[str, Any] = {}
    for part in ("normalizer", "pre_tokenizer"):
        for number, one in enumerate(_flattened(content[part])):
            name = f"{part}.{number}" if number else part
            flat[name] = one.pop("type")
            flat |= {f"{name}.{setting}": value for setting, value in one.items()}
    if flat.get("normalizer.strip_accents", False) is None:
        flat["normalizer.strip_accents"] = flat["normalizer.lowercase"]
    model = content["model"]
    flat |= {f"model.{name}": value for name, value in model.items() if name not in ("vocab", "type")}
    # No word is empty, and so the empty token, which an empty line of vocab.txt makes, is never met.
    flat["model.vocab"] = {name: number for name, number in model["vocab"].items() if name}
    flags = ("id", "single_word", "lstrip", "rstrip", "normalized")
    flat |= {
        f"added token {token['content']!a}": {flag: token[flag] for flag in flags} for token in content["added_tokens"]
    }
    return flat


def _flattened(found: Any) -> Iterator[dict[str, Any]]:
    if found is None:
        return
    if found["type"] != "Sequence":
        yield found
        return
    for one in found.get("normalizers") or found.get("pretokenizers") or ():
        yield from _flattened(one)


@contextmanager
def _silence() -> Iterator[None]:
    """transformers without its warnings."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
