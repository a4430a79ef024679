"""Tokenizers of strangers: read as plain transformers reads them, or refused in a sentence before any training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoder_worlds import TOKENS, config, write_model
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.encoder import same_tokens as module
from clbench.encoder.backbone import open_backbone
from clbench.encoder.same_tokens import bert_settings
from clbench.encoder.tokenizer import read_tokenizer
from clbench.errors import UserError
from clbench.schema.backbone import BertShape

SHAPE = BertShape.model_validate(config().to_dict())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_model(folder)
    read_tokenizer(folder, SHAPE, "made").save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


Change = Callable[[dict[str, Any]], object]


def edit(folder: Path, change: Change, name: str = "tokenizer.json") -> None:
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def added(content: str, number: int, **flags: bool) -> dict[str, Any]:
    usual = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    return {"id": number, "content": content, **usual, **flags}


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(*normalizers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(normalizers)}


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "Lowercase"}
    for _ in range(levels):
        found = sequence(found)
    return found


def template(begin: str, tokens: dict[str, Any], times: int = 1) -> dict[str, Any]:
    pieces: dict[str, Any] = {name: {"Sequence": {"id": name, "type_id": int(name == "B")}} for name in "AB"}
    pieces |= {token: {"SpecialToken": {"id": token, "type_id": 0}} for token in (begin, "[SEP]")}
    single = [pieces[begin]] * times + [pieces["A"], pieces["[SEP]"]]
    pair = [*single, pieces["B"], pieces["[SEP]"]]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


LONG = {
    "[CLS]": {"id": "[CLS]", "ids": [2] * 100, "tokens": ["[CLS]"] * 100},
    "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
}
EXPLODING = replace({"Regex": "(a+)+$"}, "b")
SPLIT = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
HOSTILE: list[tuple[str, Change, str]] = [
    ("an exploding pattern", lambda c: c.update(normalizer=EXPLODING), r"'normalizer' should be made .* has Replace"),
    ("inside", lambda c: c.update(normalizer=sequence(c["normalizer"], EXPLODING)), r"'normalizer' .* has Replace"),
    ("an expansion", lambda c: c.update(normalizer=replace({"String": "a"}, "a" * 10_000)), r"has Replace"),
    ("a prefix", lambda c: c.update(normalizer={"type": "Prepend", "prepend": "x" * 99}), r"has Prepend"),
    ("a splitting pattern", lambda c: c.update(pre_tokenizer=SPLIT), r"'pre_tokenizer' should be made of .* has Split"),
    ("no splitting", lambda c: c.update(pre_tokenizer=None), r"'pre_tokenizer' should hold one of BertPreTokenizer"),
    ("digits alone", lambda c: c.update(pre_tokenizer={"type": "Digits", "individual_digits": True}), r"hold one of"),
    ("BPE", lambda c: c.update(model={"type": "BPE", "vocab": {}, "merges": []}), r"has no template that joins a pair"),
    ("a list as the model", lambda c: c.update(model=[1]), r"'model'"),
    ("no model", lambda c: c.pop("model"), r"'model.vocab' should map each token to its number"),
    ("a list as the vocabulary", lambda c: c["model"].update(vocab=["a"]), r"'model.vocab' should map each token"),
    ("text as a number", lambda c: c["model"]["vocab"].update(the="1"), r"tokenizer.json is damaged"),
    ("a negative number", lambda c: c["model"]["vocab"].update(the=-1), r"tokenizer.json is damaged"),
    ("a huge number", lambda c: c["model"]["vocab"].update(the=2**40), r"token of number 1099511627776"),
    ("beyond the embeddings", lambda c: c["model"]["vocab"].update(more=10**6), r"but has a token of number 1000000"),
    ("an added token beyond", lambda c: c["added_tokens"].append(added("<x>", len(TOKENS))), r"at most the \d+ tokens"),
    ("no unknown token", lambda c: c["model"]["vocab"].pop("[UNK]"), r"'model.unk_token' should be a .*'\[UNK\]'"),
    ("unknown is null", lambda c: c["model"].update(unk_token=None), r"'model.unk_token' should be a token of the voc"),
    ("words without end", lambda c: c["model"].update(max_input_chars_per_word=10**9), r"per_word' should be 1 to 500"),
    ("a long prefix", lambda c: c["model"].update(continuing_subword_prefix="#" * 10**6), r"at most 16 characters"),
    ("a thousand parts", lambda c: c.update(normalizer=sequence(*[{"type": "NFKD"}] * 1000)), r"at most 16 components"),
    ("a wrong number", lambda c: c["added_tokens"][1].update(id=9), r"token '\[UNK\]' has the number 9, but .* 1;"),
    ("swallows a word", lambda c: c["added_tokens"].append(added("the", 5)), r"added token 'the' would be cut out of"),
    ("swallows a letter", lambda c: c["added_tokens"].append(added("e", 40)), r"added token 'e'"),
    ("swallows a space", lambda c: c["added_tokens"].append(added(" ", 40)), r"added token ' '"),
    ("deep", lambda c: c.update(normalizer=deep(99)), r"nested too deeply"),
    ("other numbers", lambda c: c["post_processor"].update(cls=["[CLS]", 7]), r"gives \[CLS\] the number 7"),
    ("a special token unknown", lambda c: c.update(post_processor=template("[X]", {})), r"join a pair as \[CLS\]"),
    ("a long template", lambda c: c.update(post_processor=template("[CLS]", LONG, 10**4)), r"join a pair as \[CLS\]"),
    ("many tokens at once", lambda c: c.update(post_processor=template("[CLS]", LONG)), r"join a pair as \[CLS\]"),
    ("many added", lambda c: c.update(added_tokens=[added("<x>", 1)] * 10**4), r"at most the \d+ tokens"),
    ("many words", lambda c: c["model"]["vocab"].update({f"w{i}": 5 for i in range(10**5)}), r"number 100051"),
    ("a template without end", lambda c: c.update(post_processor=None), r"join a pair as \[CLS\] first \[SEP\]"),
    ("a foreign template", lambda c: c.update(post_processor={"type": "ByteLevel"}), r"'post_proc.* has ByteLevel"),
    ("a foreign decoder", lambda c: c.update(decoder={"type": "ByteFallback"}), r"'decoder' should be made of Word"),
    ("text as a part", lambda c: c.update(normalizer="Replace"), r"'normalizer' should be made of .* but has Replace"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_tokenizer_is_refused_when_the_backbone_is_opened(folder: Path, change: Change, message: str) -> None:
    edit(folder, change)
    begin = time.perf_counter()
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder))
    assert time.perf_counter() - begin < 5
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b"[]", r"tokenizer.json should hold a JSON object, but holds list"),
        ("tokenizer.json", b"\xff\xfe{}", r"tokenizer.json"),
        ("tokenizer.json", b"{}", r"tokenizer.json: 'pre_tokenizer' should hold one of"),
        ("tokenizer_config.json", b"[]", r"tokenizer_config.json should hold a JSON object"),
        ("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["a.B", null]}}', r"'auto_map' is not supported"),
        ("tokenizer_config.json", b'{"fast_tokenizer_files": ["a"]}', r"field 'fast_tokenizer_files' is not supported"),
        ("tokenizer_config.json", b'{"vocab": "/dev/zero"}', r"field 'vocab' is not supported"),
        ("tokenizer_config.json", b'{"tokenizer_class": "LlamaTokenizer"}', r"'tokenizer_class' should be Bert"),
        ("special_tokens_map.json", b'{"vocab": "/dev/zero"}', r"should name special tokens alone, but has 'vocab'"),
        ("tokenizer_config.json", b'{"padding_side": "left"}', r"'padding_side' should be 'right', but is 'left'"),
        ("tokenizer_config.json", b'{"added_tokens_decoder": {"a": 1}}', r"transformers cannot read the tokenizer"),
    ],
)  # fmt: skip
def test_files_of_another_kind_are_refused(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_backbone(str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_lower_case": False}, r"'normalizer.lowercase' is true by tokenizer.json, but false .* 'do_lower_case'"),
        ({"strip_accents": False}, r"'normalizer.strip_accents' is true .* but false .* mend 'strip_accents' there"),
        ({"tokenize_chinese_chars": False}, r"'normalizer.handle_chinese_chars' is true .* 'tokenize_chinese_chars'"),
        ({"extra_special_tokens": ["dog"]}, r"'added token 'dog'' is null by tokenizer.json, but .* make them agree"),
        ({"unk_token": "the"}, r"tokenizer.json and tokenizer_config.json disagree"),
    ],
)
def test_files_that_disagree_are_refused_by_the_settings_name(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    edit(folder, lambda content: content.update(change), "tokenizer_config.json")
    with pytest.raises(UserError, match=message):
        open_backbone(str(folder))


def test_added_tokens_that_only_transformers_reads_are_refused(folder: Path) -> None:
    open_backbone(str(folder))
    (folder / "added_tokens.json").write_text(json.dumps({"riverbank": 9}))
    with pytest.raises(UserError, match=r"'added token 'riverbank'' is null by tokenizer.json"):
        open_backbone(str(folder))


def test_a_tokenizer_with_other_components_is_taken_as_it_is(folder: Path) -> None:
    """BertTokenizer would build its own; transformers reads tokenizer.json itself if the class says so."""
    normalizers = sequence({"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"})
    edit(folder, lambda content: content.update(normalizer=normalizers))
    with pytest.raises(UserError, match=r"disagree: 'normalizer' is \"NFD\" .* set its 'tokenizer_class' to 'PreTr"):
        open_backbone(str(folder))
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(UserError, match=r"'model_input_names' should hold token_type_ids"):
        open_backbone(str(folder))
    edit(folder, lambda content: content.update(model_input_names=inputs), "tokenizer_config.json")
    tokenizer = open_backbone(str(folder)).tokenizer()
    assert bert_settings(tokenizer) is None
    assert tokenizer.encode("THÉ").tokens == ["[CLS]", "the", "[SEP]"]


def test_settings_of_vocab_txt_are_those_of_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    said = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(said | {"mask_token": None}))
    tokenizer = open_backbone(str(folder)).tokenizer()
    assert bert_settings(tokenizer) == said
    assert "[MASK]" not in tokenizer.encode("[MASK]").tokens
    edit(folder, lambda content: content.update(do_lower_case="no"), "tokenizer_config.json")
    with pytest.raises(UserError, match=r"'do_lower_case' should be true or false, but is no"):
        open_backbone(str(folder))
    edit(folder, lambda content: content.update(do_lower_case=True, pad_token="<pad>"), "tokenizer_config.json")
    with pytest.raises(UserError, match=r"vocab.txt and tokenizer_config.json disagree: 'added token '<pad>''"):
        open_backbone(str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unk_token": ["[UNK]"]}, r"'unk_token' should be text, but is \['\[UNK\]'\]"),
        ({"mask_token": {"content": {"a": 1}}}, r"'mask_token' should be text, but is"),
        ({"cls_token": None}, r"vocab.txt should have the token None, but lacks it"),
        ({"model_max_length": "512"}, r"'model_max_length' should be a number of tokens, but is '512'"),
        ({"model_max_length": -1}, r"'model_max_length' should be a number of tokens, but is -1"),
    ],
)
def test_settings_of_vocab_txt_that_are_no_settings_are_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    (folder / "tokenizer.json").unlink()
    edit(folder, lambda content: content.update(change), "tokenizer_config.json")
    with pytest.raises(UserError, match=message):
        open_backbone(str(folder))


@pytest.mark.parametrize("longest", [None, 4, 512, int(1e30), 1e30])
def test_any_length_that_transformers_writes_is_taken(folder: Path, longest: float | None) -> None:
    edit(folder, lambda content: content.update(model_max_length=longest), "tokenizer_config.json")
    assert open_backbone(str(folder)).tokenizer().encode("the").tokens == ["[CLS]", "the", "[SEP]"]


def test_what_has_passed_is_not_compared_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PASSED", set())
    open_backbone(str(folder))
    monkeypatch.setattr(module, "_PASSED", set())
    monkeypatch.setattr(module, "_compare", lambda *given: pytest.fail("compared again"))
    open_backbone(str(folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["[CLS]", "the", "WordPiece"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_is_read_or_refused_in_a_sentence(made: Path, tmp_path_factory: Any, data: st.DataObject) -> None:
    content = json.loads((made / "tokenizer.json").read_text())
    place = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    folder = tmp_path_factory.mktemp("changed")
    (folder / "tokenizer.json").write_text(json.dumps(content))
    try:
        read = read_tokenizer(folder, SHAPE, "changed")
    except UserError as refusal:
        message = str(refusal)
    else:
        message = ""
        assert max(read.encode("the dog sleeps [CLS] é", "a\x00b").ids) < SHAPE.vocab_size
    assert "\n" not in message
