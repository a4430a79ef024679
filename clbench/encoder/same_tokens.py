"""Whether plain transformers makes the same tokens of any text, and the settings with which its BertTokenizer would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.encoder.hf_folder import read_json
from clbench.encoder.wordpiece import LEGACY, read_settings, read_wordpiece
from clbench.errors import UserError, first_line
from clbench.runtime import torchvision_ops
from clbench.schema.backbone import BertShape
from clbench.schema.form import shown
from clbench.storage.cache import cached, installed, key_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# How transformers builds such a tokenizer: by its settings, or as tokenizer.json has it.
BY_SETTINGS, AS_IT_IS = ("BertTokenizer", "BertTokenizerFast"), ("PreTrainedTokenizerFast", "TokenizersBackend")
# The settings of BertNormalizer, as tokenizer_config.json calls them.
SETTINGS = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
_LARGEST_LEGACY = 16 * 2**20
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


def check_tokenizer(folder: Path, shape: BertShape, digest: str, origin: str) -> None:
    """Check that the tokenizer can be read, and that plain transformers makes the same tokens of any text.

    That takes transformers' import and about half a second, so that what has passed is kept in the cache.

    Args:
        digest: the folder's, see :func:`~clbench.encoder.hf_folder.digest_of`.

    Raises:
        UserError: as :func:`~clbench.encoder.wordpiece.read_wordpiece`; or transformers reads otherwise, and in which
            setting.
    """
    legacy = [name for name in LEGACY if (folder / name).is_file()]
    for name in legacy:
        if (folder / name).stat().st_size > _LARGEST_LEGACY:
            raise UserError(f"{origin}: {name} should be at most {_LARGEST_LEGACY // 2**20} MiB.")
    content = {
        "backbone": digest,
        "legacy": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in legacy},
        "versions": {name: installed(name) for name in ("tokenizers", "transformers")},
    }

    def check(entry: Path) -> None:
        _compare(read_wordpiece(folder, shape, origin), folder, origin)
        (entry / "passed").write_bytes(b"")

    key = key_of(content)
    if key not in _PASSED:
        cached("tokenizers", content, check)
        _PASSED.add(key)


def bert_settings(tokenizer: Tokenizer) -> dict[str, bool | None] | None:
    """The settings with which transformers' BertTokenizer reads as ``tokenizer`` does, by their names in
    tokenizer_config.json; None where it can't.
    """
    if type(tokenizer.model).__name__ != "WordPiece":
        return None
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


def _compare(ours: Tokenizer, folder: Path, origin: str) -> None:
    """Refuse a folder of which transformers makes another tokenizer than ``ours``."""
    settings = read_settings(folder, origin)
    named = settings.get("tokenizer_class") or read_json(folder / "config.json", origin).get("tokenizer_class")
    if named is not None and named not in BY_SETTINGS + AS_IT_IS:
        raise UserError(
            f"{origin}: tokenizer_config.json: 'tokenizer_class' should be {', '.join(BY_SETTINGS + AS_IT_IS)}, "
            f"but is {str(named)[:40]!r}."
        )
    torchvision_ops.define()
    with silence():
        from transformers import AutoTokenizer, BertConfig

        try:
            # The configuration is given, so that config.json isn't read by transformers.
            theirs = AutoTokenizer.from_pretrained(
                folder, config=BertConfig(tokenizer_class=named), local_files_only=True, trust_remote_code=False
            )
            described = _described(theirs.backend_tokenizer)
        except Exception as error:
            raise UserError(
                f"{origin}: transformers cannot read the tokenizer ({first_line(error)}); save it again with its "
                "save_pretrained."
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
def silence() -> Iterator[None]:
    """transformers without its warnings and bars."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
