"""Backbones: opened by name, checked before anything is loaded, refused with one sentence."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from encoder_worlds import TOKENS, config, padded, write_model, write_vocabulary
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertForSequenceClassification, BertModel, BertTokenizer

from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_classifier
from clbench.encoder.hf_folder import digest_of
from clbench.encoder.tokens import pack
from clbench.encoder.weights import expected_weights
from clbench.errors import UserError
from clbench.schema.backbone import BertShape
from clbench.schema.shipped import FOLDERS, names


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    write_model(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


def _config(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | changes))


def _yaml(path: Path, **changes: object) -> Path:
    content = {
        "name": "mine",
        "title": "t",
        "licence": "MIT",
        "citation": "c",
        "learning_rate": 2e-4,
        "folder": "tiny",
    } | changes
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "absent"}))
    return path


def test_a_folder_opens_with_its_shape_rate_and_digest(folder: Path) -> None:
    backbone = open_backbone(str(folder))
    assert backbone.layers == 3
    assert backbone.folder == folder
    assert backbone.source == {"kind": "folder", "id": "tiny"}
    assert backbone.digest == digest_of(folder)
    # 0.023 / 24, two digits
    assert backbone.learning_rate == pytest.approx(9.6e-4)


def test_the_digest_tells_each_file_and_nothing_else(folder: Path) -> None:
    before = digest_of(folder)
    (folder / "README.md").write_text("a card")
    assert digest_of(folder) == before
    (folder / "vocab.txt").write_text("\n".join(reversed(TOKENS)))
    assert digest_of(folder) != before


def test_the_classifier_computes_what_transformers_computes_from_the_same_folder(folder: Path) -> None:
    backbone = open_backbone(str(folder))
    model = backbone.classifier(4, seed=7)
    theirs = BertForSequenceClassification.from_pretrained(folder, num_labels=4).eval()
    theirs.classifier.load_state_dict(model.hf.classifier.state_dict())
    store = pack(backbone.tokenizer(), ["the red dog sleeps", "a bird"], ["a dog", "every small bird sings"], 32)
    with torch.no_grad():
        ours = model.eval().with_tokens(store)(torch.arange(2))
        torch.testing.assert_close(ours, theirs(**padded(store, [0, 1])).logits, atol=1e-5, rtol=1e-4)
    assert model.hf.config.num_labels == 4
    assert next(model.parameters()).dtype == torch.float32


def test_the_head_is_drawn_from_the_seed_alone(folder: Path) -> None:
    backbone = open_backbone(str(folder))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = backbone.classifier(3, seed=5).hf.classifier.weight
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(backbone.classifier(3, seed=5).hf.classifier.weight, first)
    assert not torch.equal(backbone.classifier(3, seed=6).hf.classifier.weight, first)
    expected = torch.empty(3, 24).normal_(0.0, 0.2, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first, expected)


def test_dropout_is_the_configurations_and_the_model_trains(folder: Path) -> None:
    _config(folder, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2)
    model = open_backbone(str(folder)).classifier(2, 0)
    assert model.training
    assert model.hf.bert.encoder.layer[0].output.dropout.p == 0.3
    assert model.hf.bert.encoder.layer[0].attention.self.dropout.p == 0.2


def test_a_checkpoints_own_head_is_replaced_whatever_its_size(tmp_path: Path) -> None:
    for labels in (3, 5):
        theirs = write_model(tmp_path / str(labels), head=True, num_labels=labels)
        model = open_backbone(str(tmp_path / str(labels))).classifier(3, seed=0)
        assert model.hf.classifier.weight.shape == (3, 24)
        if labels == 3:
            assert not torch.equal(model.hf.classifier.weight, theirs.classifier.weight)
        weights = model.hf.bert.encoder.layer[2].output.dense.weight
        assert torch.equal(weights, theirs.bert.encoder.layer[2].output.dense.weight)


def test_a_missing_pooler_is_drawn_from_the_seed_too(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "pooler" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    backbone = open_backbone(str(folder))
    first, again, other = (backbone.classifier(2, seed).hf.bert.pooler.dense.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_activation_without_weights_is_read() -> None:
    """As transformers names them; with weights of its own none is in a checkpoint of a BERT."""
    from transformers.activations import ACT2FN

    known = set(get_args(BertShape.model_fields["hidden_act"].annotation))
    assert known <= set(ACT2FN)
    for name in set(ACT2FN) - known:
        assert list(ACT2FN[name].parameters()), name


@pytest.mark.parametrize(
    "changes",
    [*({"hidden_act": name} for name in ("gelu_fast", "quick_gelu", "gelu_python", "tanh", "mish")),
     {"type_vocab_size": 1}],
    ids=lambda changes: "-".join(map(str, *changes.items())),
)  # fmt: skip
def test_what_transformers_reads_of_a_bert_is_computed_as_it_does(changes: dict[str, Any], tmp_path: Path) -> None:
    """A pair's second text has the token type 1 by the template; a model with one type is given none."""
    write_model(tmp_path / "bert", head=True, **changes)
    backbone, labels = open_backbone(tmp_path / "bert"), ("LABEL_0", "LABEL_1", "LABEL_2")
    store = pack(backbone.tokenizer(), ["the man sings", "a red bird"], ["some water .", "the song under a lamp"], 24)
    model = backbone.trained(labels).with_tokens(store).eval()
    plain = BertForSequenceClassification.from_pretrained(tmp_path / "bert").eval()
    inputs = padded(store, [0, 1])
    if "type_vocab_size" in changes:
        inputs.pop("token_type_ids")
    with torch.no_grad():
        expected = plain(**inputs, output_hidden_states=True)
        torch.testing.assert_close(predict(model, torch.arange(2)), expected.logits, atol=1e-5, rtol=1e-5)
        states = model.states_and_logits(torch.arange(2))[0]
    for ours, theirs in zip(states, expected.hidden_states[1:], strict=True):
        torch.testing.assert_close(ours, theirs[:, 0], atol=1e-5, rtol=1e-5)
    assert expected.logits.std() > 1e-2
    # What is written is read by plain transformers with its own tokenizer, and by clbench again.
    write_classifier(model.hf, backbone.folder, 24, "card", tmp_path / "written")
    tokens = AutoTokenizer.from_pretrained(tmp_path / "written")("the man sings", "some water .", return_tensors="pt")
    with torch.no_grad():
        written = BertForSequenceClassification.from_pretrained(tmp_path / "written").eval()(**tokens).logits
    torch.testing.assert_close(written, expected.logits[:1], atol=1e-5, rtol=1e-5)
    again = open_backbone(tmp_path / "written")
    assert again.tokenizer().encode("the man", "a song").ids == backbone.tokenizer().encode("the man", "a song").ids


def test_old_names_and_half_precision_load(folder: Path) -> None:
    expected = open_backbone(str(folder)).classifier(2, 0).state_dict()
    weights = load_file(folder / "model.safetensors")
    old = {
        f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value.half()
        for name, value in weights.items()
    }
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    found = open_backbone(str(folder)).classifier(2, 0).state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value if "classifier" in name else value.half().float(), msg=name)


def test_the_encoder_is_frozen_and_in_evaluation(folder: Path) -> None:
    encoder = open_backbone(str(folder)).encoder()
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder.pooler is None


def test_loading_prints_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    backbone = open_backbone(str(folder))
    backbone.classifier(2, 0)
    backbone.encoder()
    backbone.tokenizer()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("lower_case", [True, False])
def test_a_tokenizer_from_vocab_txt_equals_transformers(folder: Path, lower_case: bool) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)
    write_vocabulary(folder, lower_case)
    backbone = open_backbone(str(folder))
    ours = backbone.tokenizer()
    theirs = BertTokenizer(vocab=str(folder / "vocab.txt"), do_lower_case=lower_case)
    assert backbone.lower_case is lower_case
    for first, second in [("the Red dogs.", "a bird"), ("sing\u0301ing  dog?", "unheard-of"), ("THE MAN", "plays")]:
        expected = theirs(first, second)
        encoding = ours.encode(first, second)
        assert encoding.ids == expected["input_ids"]
        assert encoding.type_ids == expected["token_type_ids"]


def test_a_tokenizer_json_is_used_and_neither_pads_nor_cuts(folder: Path) -> None:
    tokenizer = open_backbone(str(folder)).tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    read = open_backbone(str(folder)).tokenizer()
    assert [TOKENS[i] for i in read.encode("the red dog sleeps").ids] == [
        "[CLS]",
        "the",
        "red",
        "dog",
        "sleeps",
        "[SEP]",
    ]


def test_a_yaml_names_a_folder_beside_it(folder: Path) -> None:
    path = _yaml(folder.parent / "mine.yaml", sha256=digest_of(folder))
    backbone = open_backbone(str(path))
    assert backbone.learning_rate == 2e-4
    assert backbone.source == {"kind": "folder", "id": "mine", "licence": "MIT", "citation": "c"}


@pytest.mark.parametrize("name", ["clbench-tiny-12l", "clbench-tiny-12l-layerdrop"])
def test_every_shipped_yaml_reads_and_every_packaged_folder_is_whole(name: str) -> None:
    shipped = names("backbone")
    assert {name, "bert-base-uncased", "all-minilm-l12-v2"} <= set(shipped)
    backbone = open_backbone(name)
    assert backbone.layers == 12
    assert backbone.shape.hidden_size == 128
    assert backbone.source["kind"] == "packaged"
    sums = dict(reversed(line.split("  ")) for line in (backbone.folder / "SHA256SUMS").read_text().splitlines())
    for file, digest in sums.items():
        assert hashlib.sha256((backbone.folder / file).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in backbone.folder.iterdir()) < 20_000_000
    assert backbone.tokenizer().get_vocab_size() == 30_522
    assert all(path.suffix in {".json", ".safetensors", ".txt", ".md", ""} for path in backbone.folder.iterdir())
    model = backbone.classifier(2, 0)
    store = pack(backbone.tokenizer(), ["A dog runs."], ["An animal moves."], 64)
    assert model.with_tokens(store)(torch.tensor([0])).isfinite().all()


def _shipped(kind: str) -> dict[str, dict[str, Any]]:
    return {name: yaml.safe_load((FOLDERS[kind] / f"{name}.yaml").read_text()) for name in names(kind)}


def test_seen_domains_are_shipped_ones_with_all_their_twins() -> None:
    """A domain with three classes in place of two has the same texts."""
    sets = {
        name: (form["hub"]["id"], form["hub"]["config"]) if form["hub"] else None
        for name, form in _shipped("domain").items()
    }
    for name, form in _shipped("backbone").items():
        seen = form["seen_domains"]
        assert set(seen) <= set(sets), name
        assert {one for one in sets if sets[one] in [sets[other] for other in seen]} == set(seen), name


def test_sentence_encoders_have_seen_what_their_model_card_lists() -> None:
    """SNLI, MultiNLI, Quora's questions, Yahoo Answers and SQuAD, of which QNLI is made; and so have their students."""
    forms = _shipped("backbone")
    for name in ("all-minilm-l6-v2", "all-minilm-l12-v2", "clbench-tiny-12l", "clbench-tiny-12l-layerdrop"):
        listed = {"mnli", "mnli-3way", "snli", "snli-3way", "qqp", "qnli", "yahoo"}
        assert set(forms[name]["seen_domains"]) == listed


def test_the_shipped_rates_follow_the_width() -> None:
    rates = {
        name: yaml.safe_load((FOLDERS["backbone"] / f"{name}.yaml").read_text())["learning_rate"]
        for name in names("backbone")
    }
    assert rates["bert-base-uncased"] < rates["all-minilm-l12-v2"] < rates["clbench-tiny-12l"]


Change = Callable[[Path], object]


def _drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickle_only(folder: Path) -> None:
    torch.save({"a": torch.ones(1)}, folder / "model.pt")
    _drop_weights(folder)


def _sharded(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("{}")
    _drop_weights(folder)


def _truncate(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", (folder / "model.safetensors").stat().st_size // 2)


def _without(name: str) -> Change:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        del weights[name]
        save_file(weights, folder / "model.safetensors")

    return change


def _text(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


def _both_tokenizers_gone(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").unlink(missing_ok=True)


BROKEN: list[tuple[str, Change, str]] = [
    ("no weights", _drop_weights, r"its weights are missing; a model.safetensors, or a pytorch_model.bin, is needed"),
    ("pickled", _pickle_only, r"pickled weights .*model.pt.* can run code; convert them to model.safetensors"),
    ("sharded", _sharded, r"several files; save them as one model.safetensors"),
    ("cut short", _truncate, r"damaged or cut short"),
    ("garbage", _text("model.safetensors", "no safetensors"), r"damaged or cut short"),
    (
        "a weight missing",
        _without("encoder.layer.1.output.dense.bias"),
        r"'encoder.layer.1.output.dense.bias', but lacks it",
    ),
    ("another size", lambda f: _config(f, vocab_size=99), r"shape \(99, 24\) by config.json, but is of shape"),
    ("no config", lambda f: (f / "config.json").unlink(), r"config.json is missing"),
    ("no JSON", _text("config.json", "{"), r"config.json cannot be read as JSON"),
    ("a list", _text("config.json", "[]"), r"should hold a JSON object, but holds a list"),
    (
        "code",
        lambda f: _config(f, auto_map={"AutoModel": "evil.Model"}),
        r"code of its own \(auto_map\), which is never run",
    ),
    ("gpt2", lambda f: _config(f, model_type="gpt2"), r"but the encoder of config.json has 24,504"),
    (
        "no such type",
        lambda f: _config(f, model_type="berd"),
        r"an encoder of transformers, but has the model_type 'berd'",
    ),
    ("no type", lambda f: _config(f, model_type=None), r"an encoder of transformers, but has the model_type"),
    ("too large", lambda f: _config(f, hidden_size=10**9), r"'hidden_size' should be less than or equal to 4096"),
    (
        "too deep",
        lambda f: _config(f, num_hidden_layers=10**6),
        r"'num_hidden_layers' should be less than or equal to 96",
    ),
    (
        "heads",
        lambda f: _config(f, num_attention_heads=5),
        r"hidden_size 24 should be a multiple of num_attention_heads 5",
    ),
    ("decoder", lambda f: _config(f, is_decoder=True), r"'is_decoder' should be False"),
    (
        "relative",
        lambda f: _config(f, position_embedding_type="relative_key"),
        r"'position_embedding_type' should be 'absolute'",
    ),
    (
        "no token type",
        lambda f: _config(f, type_vocab_size=0),
        r"'type_vocab_size' should be greater than or equal to 1",
    ),
    ("no activation", lambda f: _config(f, hidden_act="gelu_of_mine"), r"'hidden_act' should be 'gelu', .* or 'tanh'"),
    ("its own slope", lambda f: _config(f, hidden_act="prelu"), r"'hidden_act' should be 'gelu', .* or 'tanh'"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_folder_is_refused_in_one_sentence(folder: Path, change: Change, message: str) -> None:
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder))
    assert "\n" not in str(caught.value)


BAD_TOKENIZERS: list[tuple[str, Change, str]] = [
    ("none", _both_tokenizers_gone, r"a tokenizer is needed, but none of tokenizer.json, vocab.txt"),
    ("damaged", _text("tokenizer.json", "{"), r"tokenizer.json cannot be read as JSON"),
    ("no CLS", _text("vocab.txt", "[UNK]\n[SEP]\nthe\n"), r"should have the token \[CLS\], but lacks it"),
    ("too many", _text("vocab.txt", "\n".join([*TOKENS, "more", "words"])), r"at most the \d+ tokens of config.json"),
    (
        "no text",
        lambda f: (f / "vocab.txt").write_bytes(b"\xff\xfe\xff"),
        r"transformers cannot read the tokenizer \(.*valid UTF-8",
    ),
]


@pytest.mark.parametrize(("change", "message"), [c[1:] for c in BAD_TOKENIZERS], ids=[c[0] for c in BAD_TOKENIZERS])
def test_a_bad_tokenizer_is_refused_in_one_sentence(folder: Path, change: Change, message: str) -> None:
    (folder / "tokenizer.json").unlink(missing_ok=True)
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder)).tokenizer()
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_berts_template_is_refused(folder: Path) -> None:
    from tokenizers import processors

    tokenizer = open_backbone(str(folder)).tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(
        UserError, match=r"no template that joins a pair of texts.*; \[CLS\] first \[SEP\] second \[SEP\]"
    ):
        open_backbone(str(folder)).tokenizer()


BAD_YAMLS: list[tuple[dict[str, object], str]] = [
    ({"folder": "nowhere"}, r"mine.yaml: field 'folder' should name a folder beside it"),
    ({"sha256": "0" * 64}, r"mine.yaml: field 'sha256' says 0000.* but the files of the backbone have"),
    ({"sha256": "short"}, r"field 'sha256' should"),
    ({"hub": "a/b"}, r"either hub or folder should be given, and not both"),
    ({"folder": "absent"}, r"either hub or folder should be given"),
    ({"revision": "main"}, r"a revision goes with hub"),
    ({"hub": "a/b/c", "folder": "absent"}, r"field 'hub' should"),
    ({"learning_rate": 0}, r"field 'learning_rate' should be greater than 0"),
    ({"name": "absent"}, r"field 'name' is missing"),
    ({"license": "MIT"}, r"field 'license' is not known; did you mean licence"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_YAMLS)
def test_a_bad_yaml_is_told_by_file_and_field(folder: Path, changes: dict[str, object], message: str) -> None:
    path = _yaml(folder.parent / "mine.yaml", **changes)
    with pytest.raises(UserError, match=message):
        open_backbone(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clbench-tiny-21l", r"no backbone is called 'clbench-tiny-21l'; did you mean clbench-tiny-12l"),
        # As the hub called it before it named owners; it goes on to answer to that.
        ("xlm-roberta-base", r"mean roberta-base or .*, or a model of the hub, which is named OWNER/NAME\?"),
        ("./no/such/folder", r"./no/such/folder is not a folder on this machine nor a hub id"),
        ("nowhere.yaml", r"nowhere.yaml does not exist"),
    ],
)
def test_unknown_names_offer_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_backbone(name)


def test_the_expected_weights_are_those_of_transformers() -> None:
    theirs = BertModel(config(), add_pooling_layer=False)
    found = {name: tuple(value.shape) for name, value in theirs.named_parameters()}
    assert expected_weights(BertShape.model_validate(config().to_dict())) == found
