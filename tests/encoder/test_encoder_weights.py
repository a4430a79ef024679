"""A checkpoint's weights and its head: taken bit for bit, or refused in a sentence; nothing is drawn in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from encoder_worlds import write_model
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertForSequenceClassification, BertModel

from clbench.encoder.backbone import open_backbone
from clbench.encoder.weights import _order
from clbench.errors import UserError

LABELS = ("negative", "neutral", "positive")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier") / "tiny"
    write_model(folder, head=True, id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)})
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


def _config(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "config.json").read_text()) | changes
    content = {name: value for name, value in content.items() if value != "absent"}
    (folder / "config.json").write_text(json.dumps(content))


def _edit(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")


def _same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[n], its[n]) for n in mine)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_weights_are_those_that_transformers_loads_bit_for_bit(folder: Path, dtype: torch.dtype) -> None:
    _edit(folder, lambda w: w.update({name: value.to(dtype) for name, value in w.items()}))
    backbone = open_backbone(str(folder))
    theirs = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    trained = backbone.trained(LABELS)
    assert _same(trained.hf, theirs)
    assert trained.training
    assert all(parameter.requires_grad for parameter in trained.parameters())
    bare = BertModel.from_pretrained(folder, dtype=torch.float32, add_pooling_layer=False)
    assert _same(backbone.encoder(), bare)
    # Buffers are no part of the weights: transformers' own forward pass reads them.
    ids = torch.arange(5, 25).view(2, 10)
    with torch.no_grad():
        assert torch.equal(trained.hf.eval()(input_ids=ids).logits, theirs.eval()(input_ids=ids).logits)


@pytest.mark.parametrize(("dtype", "value"), [
    (torch.float16, float("nan")), (torch.bfloat16, float("nan")), (torch.bfloat16, float("inf")),
    (torch.float64, float("-inf")), (torch.float64, 1e300),
])  # fmt: skip
def test_a_number_that_is_not_finite_in_float32_is_refused_in_every_type(
    folder: Path, dtype: torch.dtype, value: float
) -> None:
    def change(weights: dict[str, Tensor]) -> None:
        weights.update({name: weight.to(dtype) for name, weight in weights.items()})
        weights["bert.encoder.layer.0.output.dense.weight"][1, 2] = value

    _edit(folder, change)
    with pytest.raises(UserError, match=r"'encoder.layer.0.output.dense.weight' .* but 1 of its 960 are NaN"):
        open_backbone(str(folder))


def test_the_configuration_that_travels_is_the_checkpoints(folder: Path) -> None:
    fields = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2, "classifier_dropout": 0.4,
              "layer_norm_eps": 1e-6, "hidden_act": "relu", "layerdrop": 0.2, "masked": True, "int8": True}  # fmt: skip
    _config(folder, **fields)
    theirs = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32).config.to_dict()
    ours = open_backbone(str(folder)).trained(LABELS).config.to_dict()
    aside = {"architectures", "dtype", "_name_or_path"}  # the export writes its own
    assert {k: v for k, v in ours.items() if k not in aside} == {k: v for k, v in theirs.items() if k not in aside}
    assert {name: ours[name] for name in fields} == fields


@pytest.mark.parametrize("field", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_what_config_json_says_of_code_reaches_no_loader(folder: Path, field: str) -> None:
    whole = open_backbone(str(folder)).trained(LABELS)
    _config(folder, **{field: "someone/kernel", "torch_dtype": "int8", "architectures": ["os.system"]})
    found = open_backbone(str(folder)).trained(LABELS)
    assert _same(found, whole)
    assert found.config._attn_implementation == "sdpa"
    assert "someone" not in json.dumps(found.config.to_dict())


def _cut(name: str, rows: int | None = None, columns: int | None = None) -> Callable[[dict[str, Tensor]], object]:
    return lambda w: w.update({name: w[name][:rows, :columns] if w[name].ndim == 2 else w[name][:rows]})


ENCODERS: list[tuple[str, Callable[[dict[str, Tensor]], object], str]] = [
    ("pooler", _cut("bert.pooler.dense.weight", rows=16), r"'pooler.dense.weight' .* shape \(24, 24\) .* \(16, 24\)"),
    ("pooler's bias", _cut("bert.pooler.dense.bias", rows=3), r"'pooler.dense.bias' .* shape \(24,\) .* \(3,\)"),
    ("half a pooler", lambda w: w.pop("bert.pooler.dense.bias"), r"\(24,\) called 'pooler.dense.bias', but lacks"),
    ("other half", lambda w: w.pop("bert.pooler.dense.weight"), r"\(24, 24\) called 'pooler.dense.weight', but lacks"),
    ("nan", lambda w: w["bert.encoder.layer.0.output.dense.weight"].fill_(float("nan")),
     r"'encoder.layer.0.output.dense.weight' .* finite numbers, but 960 of its 960 are NaN or infinite"),
    ("infinite", lambda w: w["bert.pooler.dense.bias"][3].fill_(float("-inf")), r"dense.bias' .* but 1 of its 24"),
    ("integers", lambda w: w.update({"bert.embeddings.LayerNorm.bias": torch.zeros(24, dtype=torch.int8)}),
     r"'embeddings.LayerNorm.bias' .* floating-point numbers .* but holds I8"),
    ("truths", lambda w: w.update({"bert.pooler.dense.bias": torch.zeros(24, dtype=torch.bool)}), r"but holds BOOL"),
    ("foreign", lambda w: w.update({"bert.encoder.layer.0.attention.self.query.lora_A": torch.ones(2, 24)}),
     r"holds 'bert.encoder.layer.0.attention.self.query.lora_A', which a BERT encoder does not have"),
    ("twice", lambda w: w.update({"embeddings.LayerNorm.beta": torch.ones(24)}), r"'embeddings.LayerNorm.bias' twice"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in ENCODERS], ids=[case[0] for case in ENCODERS])
def test_a_weight_that_is_wrong_is_refused_when_the_folder_is_opened(folder, change, message) -> None:
    _edit(folder, change)
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", [2, 4])
def test_another_number_of_layers_than_config_json_says_is_refused(folder: Path, said: int) -> None:
    _config(folder, num_hidden_layers=said)
    with pytest.raises(UserError, match=rf"num_hidden_layers {said}, but model.safetensors holds 3 layers"):
        open_backbone(str(folder))


HEADS: list[tuple[str, Callable[[dict[str, Tensor]], object], str]] = [
    ("columns", _cut("classifier.weight", columns=16), r"'classifier.weight' .* shape \(3, 24\) .* shape \(3, 16\)"),
    ("no bias", lambda w: w.pop("classifier.bias"), r"shape \(3,\) called 'classifier.bias', but lacks it"),
    ("bias", _cut("classifier.bias", rows=2), r"'classifier.bias' .* shape \(3,\) .* shape \(2,\)"),
    ("nan", lambda w: w["classifier.bias"][0].fill_(float("nan")), r"'classifier.bias' .* finite .* 1 of its 3"),
    ("integers", lambda w: w.update({"classifier.bias": torch.zeros(3, dtype=torch.int64)}), r"but holds I64"),
    ("a row less", _cut("classifier.weight", rows=2), r"'classifier.bias' .* shape \(2,\) beside a classifier.weight"),
    ("no rows", lambda w: w.update({"classifier.weight": torch.ones(0, 24), "classifier.bias": torch.ones(0)}), "rows"),
    ("a number", lambda w: w.update({"classifier.weight": torch.tensor(1.0)}), r"is of shape \(\)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in HEADS], ids=[case[0] for case in HEADS])
def test_a_head_that_is_wrong_is_refused_and_does_not_matter_where_one_is_drawn(folder, change, message) -> None:
    expected = open_backbone(str(folder)).classifier(2, seed=1)
    _edit(folder, change)
    backbone = open_backbone(str(folder))
    with pytest.raises(UserError, match=message) as caught:
        backbone.trained(LABELS)
    assert "\n" not in str(caught.value)
    assert _same(backbone.classifier(2, seed=1), expected)


TURNED = ["positive", "negative", "neutral"]
AS_MAPPING = {str(row): name for row, name in enumerate(TURNED)}
AS_ROWS = {name: row for row, name in enumerate(TURNED)}
NAMELESS = {str(row): f"LABEL_{row}" for row in range(3)}


@pytest.mark.parametrize(
    ("by_row", "by_name", "labels", "order", "named"),
    [
        (AS_MAPPING, AS_ROWS, None, (1, 2, 0), True),
        (AS_MAPPING, "absent", None, (1, 2, 0), True),
        ("absent", AS_ROWS, None, (1, 2, 0), True),
        ({}, {name.upper(): row for name, row in AS_ROWS.items()}, None, (1, 2, 0), True),
        (NAMELESS, "absent", None, (0, 1, 2), False),
        ("absent", "absent", None, (0, 1, 2), False),
        ("absent", {f"LABEL_{row}": row for row in range(3)}, None, (0, 1, 2), False),
        (AS_MAPPING, {f"LABEL_{row}": row for row in range(3)}, None, (1, 2, 0), True),
        (NAMELESS, AS_ROWS, None, (1, 2, 0), True),
        (NAMELESS, {f"LABEL_{row}": row for row in range(3)}, None, (0, 1, 2), False),
        (NAMELESS, "absent", TURNED, (1, 2, 0), True),
        ({"0": "a", "1": "b", "2": "c"}, "absent", TURNED, (1, 2, 0), True),
        (AS_MAPPING, AS_ROWS, TURNED, (1, 2, 0), True),
    ],
)
def test_the_head_is_read_by_whatever_names_its_rows(folder, by_row, by_name, labels, order, named) -> None:
    _config(folder, id2label=by_row, label2id=by_name)
    backbone = open_backbone(str(folder))
    found = backbone.head(LABELS, labels)
    assert (found.order, found.named) == (order, named)
    head = load_file(folder / "model.safetensors")["classifier.weight"]
    model = backbone.trained(LABELS, labels)
    assert torch.equal(model.hf.classifier.weight, head[list(order)])
    assert model.config.id2label == dict(enumerate(LABELS))


@pytest.mark.parametrize(
    ("changes", "labels", "message"),
    [
        ({"label2id": {"negative": 1, "neutral": 0, "positive": 2}}, None, "contradict each other: row 1 is 'neutral'"),
        (
            {"label2id": {"negative": 0, "neutral": 0}, "id2label": "absent"},
            None,
            "head's 3 rows one label",
        ),
        (
            {"label2id": {"negative": 7}, "id2label": "absent"},
            None,
            "of the head's 3 rows, counted from 0, but .* 7",
        ),
        ({"label2id": {"negative": True}, "id2label": "absent"}, None, "but gives 'negative' true"),
        (
            {"id2label": {"0": "LABEL_2", "1": "LABEL_1", "2": "LABEL_0"}, "label2id": "absent"},
            None,
            "but tells LABEL_2, LABEL_1, LABEL_0",
        ),
        ({"label2id": {"x" * 100_000: 7}}, None, "one of the head's 3 rows, counted from 0"),
        ({"num_labels": ["x" * 100_000]}, None, "num_labels is"),
        ({"id2label": {"0": "x" * 100_000, "1": "b", "2": "c"}, "label2id": "absent"}, None, "but tells x"),
        ({"label2id": ["negative"]}, None, "'label2id' should be a mapping, but is a list"),
        ({"id2label": ["negative"]}, None, "'id2label' should be a mapping, but is a list"),
        ({"id2label": {"0": "negative"}, "label2id": "absent"}, None, "name the head's rows, 0 to 2, but names 0"),
        ({"num_labels": 5}, None, "num_labels is 5, but the head .* has 3 rows"),
        (
            {},
            ["positive", "neutral", "negative"],
            "--labels names .* config.json names the head's rows negative, neu",
        ),
        ({}, ["positive", "neutral"], "--labels should name negative, neutral, positive, each once"),
        ({}, ["positive", "positive", "neutral"], "--labels should name"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": "absent"}, None, "but tells a, b, c"),
    ],
)
def test_labels_that_contradict_are_refused(folder, changes, labels, message) -> None:
    _config(folder, **changes)
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder)).head(LABELS, labels)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@given(st.permutations(["a-b", "ab", "A B", "c"]))
def test_labels_that_differ_in_punctuation_alone_are_told_apart(names: list[str]) -> None:
    wanted = ["ab", "a-b", "c", "A B"]
    order = _order(names, wanted)
    assert order is not None
    assert [names[place] for place in order] == wanted
