"""Tokenizers of strangers: read as plain transformers reads them, or refused in a sentence before any training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoder_worlds import TOKENS, config, write_model
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from clbench.encoder.backbone import open_backbone
from clbench.encoder.tokenizer import read_tokenizer, tokens_apart
from clbench.errors import UserError
from clbench.schema.shipped import FOLDERS, names

SIZE = config().vocab_size


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_model(folder)
    read_tokenizer(folder, SIZE, "made").save(str(folder / "tokenizer.json"))
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


def template(begin: str, tokens: dict[str, Any]) -> dict[str, Any]:
    pieces: dict[str, Any] = {name: {"Sequence": {"id": name, "type_id": int(name == "B")}} for name in "AB"}
    pieces |= {token: {"SpecialToken": {"id": token, "type_id": 0}} for token in (begin, "[SEP]")}
    single = [pieces[begin], pieces["A"], pieces["[SEP]"]]
    pair = [*single, pieces["B"], {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


PIECES = {
    "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
    "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
}
DIGITS = {"type": "Digits", "individual_digits": True}
TEXTS = ("The THÉ dog, sleeps 42 [SEP] dogs", "", "a\x00b riverbank ÜBER the_dog 我")

READ: list[tuple[str, Change]] = [
    ("a cased one", lambda c: c.update(normalizer=None)),
    ("other normalizers", lambda c: c.update(normalizer={"type": "Sequence", "normalizers": [{"type": "NFKC"}]})),
    ("digits one by one", lambda c: c.update(pre_tokenizer=DIGITS)),
    ("no pre-tokenizer", lambda c: c.update(pre_tokenizer=None)),
    ("an added word", lambda c: c["added_tokens"].append(added("dog", TOKENS.index("dog")))),
    ("a template as it is written", lambda c: c.update(post_processor=template("[CLS]", PIECES))),
    ("another decoder", lambda c: c.update(decoder={"type": "ByteFallback"})),
]


@pytest.mark.parametrize("by", ["BertTokenizer", "PreTrainedTokenizerFast"])
@pytest.mark.parametrize("change", [case[1] for case in READ], ids=[case[0] for case in READ])
def test_it_is_read_as_plain_transformers_reads_it(folder: Path, change: Change, by: str) -> None:
    edit(folder, change)
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    edit(folder, lambda c: c.update(tokenizer_class=by, model_input_names=inputs), "tokenizer_config.json")
    mine, theirs = open_backbone(str(folder)).tokenizer(), AutoTokenizer.from_pretrained(folder)
    for one in TEXTS:
        for other in TEXTS:
            # As lists: of a single example transformers takes an empty second text for none.
            told = theirs([one], [other])
            found = mine.encode(one, other)
            assert (found.ids, found.type_ids) == (told["input_ids"][0], told["token_type_ids"][0])


REFUSED: list[tuple[str, Change, str]] = [
    ("a list as the model", lambda c: c.update(model=[1]), r"transformers cannot read the tokenizer"),
    ("no model", lambda c: c.pop("model"), r"transformers cannot read the tokenizer"),
    ("text as a number", lambda c: c["model"]["vocab"].update(the="1"), r"transformers cannot read the tokenizer"),
    ("a negative number", lambda c: c["model"]["vocab"].update(the=-1), r"transformers cannot read the tokenizer"),
    ("beyond the embeddings", lambda c: c["model"]["vocab"].update(more=10**6), r"but has a token of number 1000000"),
    ("an added token beyond", lambda c: c["added_tokens"].append(added("<x>", len(TOKENS))), r"at most the \d+ tokens"),
    ("deep", lambda c: c.update(normalizer=json.loads("[" * 99 + "]" * 99)), r"nested too deeply"),
    ("a token of the template unknown", lambda c: c.update(post_processor=template("[X]", {})), r"tokenizer"),
    ("no template", lambda c: c.update(post_processor=None), r"has no template that joins a pair"),
    ("text as a part", lambda c: c.update(normalizer="Replace"), r"transformers cannot read the tokenizer"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_damaged_tokenizer_is_refused_when_the_backbone_is_opened(folder: Path, change: Change, message: str) -> None:
    edit(folder, change)
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    content = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": inputs}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b"[]", r"tokenizer.json should hold a JSON object, but holds a list"),
        ("tokenizer.json", b"\xff\xfe{}", r"tokenizer.json"),
        ("tokenizer_config.json", b"[]", r"tokenizer_config.json should hold a JSON object"),
        ("tokenizer_config.json", b'{"fast_tokenizer_files": ["a"]}', r"field 'fast_tokenizer_files' is not supported"),
        ("tokenizer_config.json", b'{"vocab": "/dev/zero"}', r"field 'vocab' is not supported"),
        ("special_tokens_map.json", b'{"vocab": "/dev/zero"}', r"should name special tokens alone, but has 'vocab'"),
        ("tokenizer_config.json", b'{"padding_side": "left"}', r"'padding_side' should be 'right', but is 'left'"),
        ("tokenizer_config.json", b'{"added_tokens_decoder": {"a": 1}}', r"transformers cannot read the tokenizer"),
        ("tokenizer_config.json", b'{"tokenizer_class": "PreTrainedTokenizerFast"}', r"should hold token_type_ids"),
    ],
)  # fmt: skip
def test_files_of_another_kind_are_refused(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        open_backbone(str(folder))


def test_added_tokens_in_a_file_of_their_own_are_read_and_hashed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder, vocab_size=len(TOKENS) + 1)
    before = open_backbone(str(folder))
    (folder / "added_tokens.json").write_text(json.dumps({"riverbank": len(TOKENS)}))
    after, theirs = open_backbone(str(folder)), AutoTokenizer.from_pretrained(folder)
    assert after.digest != before.digest
    assert (
        after.tokenizer().encode("the riverbank").ids == theirs("the riverbank")["input_ids"] == [2, 5, len(TOKENS), 3]
    )


@pytest.mark.parametrize("lower_case", [True, False])
def test_a_vocabulary_alone(folder: Path, lower_case: bool) -> None:
    (folder / "tokenizer.json").unlink()
    edit(folder, lambda content: content.update(do_lower_case=lower_case), "tokenizer_config.json")
    tokenizer = open_backbone(str(folder)).tokenizer()
    assert tokenizer.encode("THE dog").tokens == ["[CLS]", "the" if lower_case else "[UNK]", "dog", "[SEP]"]


@pytest.mark.parametrize("longest", [None, 4, 512, int(1e30), 1e30])
def test_any_length_that_transformers_writes_is_taken(folder: Path, longest: float | None) -> None:
    edit(folder, lambda content: content.update(model_max_length=longest), "tokenizer_config.json")
    assert open_backbone(str(folder)).tokenizer().encode("the").tokens == ["[CLS]", "the", "[SEP]"]


def packaged() -> list[str]:
    return [name for name in names("backbone") if (FOLDERS["backbone"] / name).is_dir()]


def test_there_are_packaged_ones() -> None:
    assert len(packaged()) == 2


@pytest.mark.parametrize("name", packaged())
def test_a_packaged_one_is_what_transformers_reads(name: str) -> None:
    backbone = open_backbone(name)
    assert backbone.source["kind"] == "packaged"
    tokenizer = backbone.tokenizer()
    assert tokens_apart(tokenizer, read_tokenizer(backbone.folder, backbone.shape.vocab_size, name)) is None
    assert tokenizer.truncation is tokenizer.padding is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["[CLS]", "the", "WordPiece"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150)
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
    (folder / "config.json").write_bytes((made / "config.json").read_bytes())
    by = data.draw(st.sampled_from(["BertTokenizer", "PreTrainedTokenizerFast"]))
    told = {"tokenizer_class": by, "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "tokenizer.json").write_text(json.dumps(content))
    try:
        read = read_tokenizer(folder, SIZE, "changed")
    except UserError as refusal:
        message = str(refusal)
    else:
        message = ""
        assert max(read.encode("the dog sleeps [CLS] é", "a\x00b").ids) < SIZE
    assert "\n" not in message
