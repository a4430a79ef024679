"""Opening encoders of any family: what is refused, in which sentence, and examples by tokenizers of other kinds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from clbench.encoder import trial
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import keep_layers, predict
from clbench.encoder.export import write_classifier
from clbench.encoder.forward import first_position
from clbench.encoder.tokenizer import template_of
from clbench.encoder.tokens import pack
from clbench.errors import UserError
from clbench.runtime import torchvision_ops
from clbench.runtime.device import Device
from clbench.schema.step import Shape

torchvision_ops.define()

from transformers import (  # noqa: E402  (after the schemas it needs)
    CONFIG_MAPPING,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaModel,
)

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LABELS = ("no", "yes")


def byte_tokenizer() -> Tokenizer:
    """RoBERTa's kind: bytes, joined into a few words, and two separators between the texts of an example."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: number for number, word in enumerate([*WORDS, *alphabet, "Ġt", "Ġth", "Ġthe"])}
    made = Tokenizer(models.BPE(vocabulary, [("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    made.add_special_tokens(WORDS)
    return made


def roberta(folder: Path, kind: Any = RobertaForSequenceClassification, **changes: Any) -> Path:
    torch.manual_seed(0)
    content: dict[str, Any] = {
        "vocab_size": 264, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24,
        "max_position_embeddings": 66, "type_vocab_size": 1, "id2label": dict(enumerate(LABELS)),
        "label2id": {name: number for number, name in enumerate(LABELS)}, "initializer_range": 0.2,
    }  # fmt: skip
    kind(RobertaConfig(**content | changes)).save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "RobertaTokenizerFast", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_roberta_of_the_hub_s_make_is_read_as_transformers_reads_it(tmp_path: Path) -> None:
    folder = roberta(tmp_path / "r")
    backbone = open_backbone(folder)
    assert (backbone.shape.packed, backbone.shape.max_position_embeddings, backbone.layers) == (True, 64, 3)
    first, second = ["the cat", "", "a\ud7ffb é 我", "x " * 90], ["then", "the", "", "y " * 90]
    tokenizer = backbone.tokenizer()
    assert template_of(tokenizer).between == (2, 2)
    assert not template_of(tokenizer).typed
    store = pack(tokenizer, first, second, 40)
    theirs = AutoTokenizer.from_pretrained(folder)
    expected = theirs(first, second, truncation="longest_first", max_length=40, padding=True, return_tensors="pt")
    for row in range(4):
        ids = store.ids[store.offsets[row] : store.offsets[row + 1]]
        assert ids.tolist() == expected["input_ids"][row][expected["attention_mask"][row] == 1].tolist()
    model = backbone.trained(LABELS).with_tokens(store)
    plain = RobertaForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = plain(**expected).logits
    torch.testing.assert_close(predict(model, torch.arange(4)), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "file", "special"),
    [
        ("deberta-v2", "spm.model", {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "bos_piece": "[CLS]",
                                     "eos_piece": "[SEP]", "pad_piece": "[PAD]", "unk_piece": "[UNK]"}),
        ("albert", "spiece.model", {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "bos_piece": "[CLS]",
                                    "eos_piece": "[SEP]"}),
        ("xlm-roberta", "sentencepiece.bpe.model", {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}),
    ],
)  # fmt: skip
def test_a_sentencepiece_model_alone_is_enough(
    tmp_path: Path, model_type: str, file: str, special: dict[str, Any]
) -> None:
    """As deberta-v3 lies on the hub, without tokenizer.json: transformers turns its model into a fast tokenizer."""
    import io

    from sentencepiece import SentencePieceTrainer

    config = CONFIG_MAPPING[model_type](
        vocab_size=130, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=66, pad_token_id=0,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    made = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat", "a dog runs in the park", "two birds sing"] * 5),
        model_writer=made, vocab_size=60, model_type="unigram", hard_vocab_limit=False, minloglevel=2, **special,
    )  # fmt: skip
    (tmp_path / file).write_bytes(made.getvalue())
    backbone = open_backbone(tmp_path)
    template = template_of(backbone.tokenizer())
    assert template.typed == (model_type != "xlm-roberta")
    store = pack(backbone.tokenizer(), ["the cat sat"], ["a dog"], 40)
    expected = AutoTokenizer.from_pretrained(tmp_path)(["the cat sat"], ["a dog"])["input_ids"][0]
    assert store.ids.tolist() == expected


def test_a_text_that_spells_the_padding_token_has_transformers_positions(tmp_path: Path) -> None:
    folder = roberta(tmp_path / "r")
    backbone = open_backbone(folder)
    first, second = ["a <pad> b <pad><pad> c", "d e"], ["f", "<pad>"]
    model = backbone.trained(LABELS).with_tokens(pack(backbone.tokenizer(), first, second, 40))
    inputs = AutoTokenizer.from_pretrained(folder)(first, second, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = RobertaForSequenceClassification.from_pretrained(folder).eval()(**inputs).logits
    torch.testing.assert_close(predict(model, torch.arange(2)), expected, atol=1e-5, rtol=1e-5)


def test_a_pre_trained_encoder_is_given_a_head(tmp_path: Path) -> None:
    """A masked language model: its own head is not for classes, and is left."""
    backbone = open_backbone(roberta(tmp_path / "r", RobertaForMaskedLM))
    model = backbone.classifier(5, seed=1)
    assert model.hf.classifier.out_proj.weight.shape == (5, 16)
    stored = load_file(tmp_path / "r" / "model.safetensors")
    for name, value in model.hf.roberta.state_dict().items():
        assert torch.equal(value, stored[f"roberta.{name}"])
    with pytest.raises(UserError, match=r"should hold a classification head \(classifier.out_proj.weight\)"):
        backbone.head(LABELS)


def test_labels_of_a_head_are_turned(tmp_path: Path) -> None:
    backbone = open_backbone(roberta(tmp_path / "r"))
    store = pack(backbone.tokenizer(), ["the cat"], ["then"], 40)
    one, other = (backbone.trained(labels).with_tokens(store) for labels in (LABELS, LABELS[::-1]))
    torch.testing.assert_close(predict(one, torch.arange(1)), predict(other, torch.arange(1)).flip(1))
    assert other.config.id2label == {0: "yes", 1: "no"}


def test_code_that_transformers_has_taken_in_is_used_from_there(tmp_path: Path) -> None:
    """EuroBERT's checkpoints name code of their own, which the folder may even hold: it is never run."""
    config = CONFIG_MAPPING["eurobert"](
        vocab_size=264, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=24, max_position_embeddings=66, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        id2label=dict(enumerate(LABELS)), label2id={name: number for number, name in enumerate(LABELS)},
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    byte_tokenizer().save(str(tmp_path / "tokenizer.json"))
    plain = open_backbone(tmp_path).trained(LABELS).hf.state_dict()
    _config(
        auto_map={"AutoConfig": "modeling_eurobert.EuroBertConfig", "AutoModel": "modeling_eurobert.EuroBertModel"}
    )(tmp_path)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "auto_map": {"AutoTokenizer": [None, "modeling_x.Y"]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "modeling_eurobert.py").write_text("raise RuntimeError('code of the checkpoint was run')\n")
    backbone = open_backbone(tmp_path)
    again = backbone.trained(LABELS)
    assert all(torch.equal(value, plain[name]) for name, value in again.hf.state_dict().items())
    write_classifier(again.hf, backbone.folder, 40, "", tmp_path / "written")
    for name in ("config.json", "tokenizer_config.json"):
        assert "auto_map" not in json.loads((tmp_path / "written" / name).read_text())


def test_half_precision_is_read_and_eight_bits_are_refused(tmp_path: Path) -> None:
    folder = roberta(tmp_path / "r")
    weights = load_file(folder / "model.safetensors")
    save_file({n: v.to(torch.bfloat16) for n, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    model = open_backbone(folder).trained(LABELS)
    assert {value.dtype for value in model.hf.state_dict().values() if value.is_floating_point()} == {torch.float32}
    low = {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v for n, v in weights.items()}
    save_file(low, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"should hold floating-point numbers .*, but holds F8_E4M3"):
        open_backbone(folder)


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return changed


def _no_template(folder: Path) -> None:
    made = byte_tokenizer()
    content = json.loads(made.to_str())
    content["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


def test_tokens_behind_a_batch_have_positions_where_a_text_spells_the_padding_token(tmp_path: Path) -> None:
    """As in bfloat16 on a CPU, where batches are rounded; the longest row takes the table's last position."""
    backbone = open_backbone(roberta(tmp_path / "r"))
    texts = ["a <pad> b", *["t" * 90] * 3]
    store = pack(backbone.tokenizer(), texts, None, backbone.shape.max_position_embeddings)
    model, rows = backbone.trained(LABELS).with_tokens(store).eval(), torch.arange(4)
    expected = predict(model, rows)
    batch = store.batch(rows)
    assert len(batch.rounded().ids) > len(batch.ids)
    with torch.inference_mode():
        found = model.family.logits(model.hf, batch.rounded(), packed=True, used=None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    low = predict(model.with_tokens(store.on(Device("cpu", "bfloat16"))), rows)
    torch.testing.assert_close(low, expected, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_a_head_of_clbench_tells_classes_apart_whatever_the_backbone_s_was_for(tmp_path: Path, problem: str) -> None:
    folder = roberta(tmp_path / "r")
    _config(problem_type=problem)(folder)
    backbone = open_backbone(folder)
    for model in (backbone.classifier(3, 0), backbone.trained(LABELS)):
        assert model.config.problem_type is None
        write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "written")
        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "written").eval()
        said = plain(input_ids=torch.tensor([[0, 9, 2]]), labels=torch.tensor([1]))
        torch.testing.assert_close(said.loss, torch.nn.functional.cross_entropy(said.logits, torch.tensor([1])))


@pytest.mark.parametrize(
    "changes",
    [
        {"attn_implementation": "flash_attention_2"},
        {"_attn_implementation": "flash_attention_2"},
        {"return_dict": False},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_checkpoint_says_of_how_it_was_run_is_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = roberta(tmp_path / "r")
    store = pack(open_backbone(folder).tokenizer(), ["the cat", "a"], ["then", "b c d"], 40)
    expected = predict(open_backbone(folder).trained(LABELS).with_tokens(store), torch.arange(2))
    _config(**changes)(folder)
    backbone = open_backbone(folder)
    model = backbone.trained(LABELS)
    assert torch.equal(predict(model.with_tokens(store), torch.arange(2)), expected)
    write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "written")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "written").eval()
    assert plain(input_ids=torch.tensor([[0, 9, 2]])).logits.shape == (1, 2)


LAYER = "roberta.encoder.layer.1.output.dense.weight"
BAD: list[tuple[str, Callable[[Path], None], str]] = [
    ("its own code", _config(auto_map={"AutoModel": "x.Y"}), r"code of its own \(auto_map\)"),
    ("quantised", _config(quantization_config={"quant_method": "gptq"}), r"weights are quantised"),
    ("a decoder", _config(is_decoder=True), r"describes a decoder"),
    ("too deep", _config(num_hidden_layers=10**6), r"'num_hidden_layers' should be at most 96, but is 1000000"),
    ("too large", _config(vocab_size=10**9), r"'vocab_size' should be at most 2,000,000"),
    ("relative positions", _config(position_embedding_type="relative_key_query"),
     r"field 'position_embedding_type' should be 'absolute', .*but is 'relative_key_query'"),
    ("no number", _config(hidden_size="wide"), r"config.json"),
    ("more layers than weights", _config(num_hidden_layers=9), r"lacks it|but the encoder of config.json has"),
    ("fewer layers than weights", _config(num_hidden_layers=2), r"layer\.2\..*', which config.json does not speak of"),
    ("wider", _config(intermediate_size=32), r"should be of shape|but the encoder of config.json has"),
    ("a weight is missing", _weights(lambda w: w.pop(LAYER)), r"lacks it|but the encoder of config.json has"),
    ("NaN", _weights(lambda w: w[LAYER].fill_(float("nan"))), r"should hold finite numbers, but 384 of its 384"),
    ("a small vocabulary", _config(vocab_size=200), r"should be of shape|at most the 200 tokens"),
    ("no template", _no_template, r"the tokenizer has no template that joins a pair"),
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), r"tokenizer"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_folder_is_refused_in_one_sentence(tmp_path: Path, change: Callable[[Path], None], message: str) -> None:
    change(roberta(tmp_path / "r"))
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(tmp_path / "r")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [RobertaModel, RobertaForMaskedLM])
def test_an_encoder_with_or_without_its_prefix_is_not_cut(kind: Any, tmp_path: Path) -> None:
    """AutoModel saves names without the prefix ``roberta.``."""
    folder = roberta(tmp_path / "r", kind)
    assert open_backbone(folder).layers == 3
    _config(num_hidden_layers=2)(folder)
    with pytest.raises(
        UserError, match=r"holds '(roberta\.)?encoder\.layer\.2\.\S+', which config.json does not speak of"
    ):
        open_backbone(folder)


def small_folder(folder: Path, model_type: str, **more: Any) -> Path:
    """A random model of a family that nobody has written a file for."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](
        vocab_size=264, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=200, pad_token_id=1, **more,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


@pytest.mark.parametrize("model_type", ["convbert", "nystromformer", "yoso", "fnet"])
def test_an_encoder_that_reads_the_padding_is_refused(model_type: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"'{model_type}' makes of a row depends on the padding behind it") as caught:
        open_backbone(small_folder(tmp_path / "e", model_type))
    assert "\n" not in str(caught.value)


def test_a_huge_state_of_one_token_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As language models have at some; here of a row without padding, where the others read it all the same."""
    folder = small_folder(tmp_path / "e", "convbert")
    read = trial._read

    def huge(*arguments: Any, **named: Any) -> list[torch.Tensor]:
        *states, logits = read(*arguments, **named)
        for state in states if len(states[0]) >= 150 else ():  # the longest row, alone or last of all
            state[-1] *= 1e5
        return [*states, logits]

    monkeypatch.setattr(trial, "_read", huge)
    with pytest.raises(UserError, match=r"'convbert' makes of a row depends on the padding behind it"):
        open_backbone(folder)


def test_an_encoder_without_attention_is_no_decoder(tmp_path: Path) -> None:
    """MRA's attention is a kernel for GPUs; in its place transformers gives zeros."""
    with pytest.raises(UserError, match=r"no token of a row sees the others: .*'mra' computes no attention on a CPU"):
        open_backbone(small_folder(tmp_path / "e", "mra"))


@pytest.mark.parametrize("model_type", ["big_bird", "ibert", "longformer"])
def test_other_encoders_pass_as_they_did(model_type: str, tmp_path: Path) -> None:
    assert open_backbone(small_folder(tmp_path / "e", model_type)).layers == 2


@pytest.mark.parametrize("model_type", ["xlm", "flaubert"])
def test_an_encoder_whose_layers_lie_in_parallel_lists_is_refused(model_type: str, tmp_path: Path) -> None:
    """Its first list holds attention alone: without one of its parts the others would have one layer too many."""
    told = (
        rf"'{model_type}' is not supported: the parts of its 2 layers lie in several lists, attentions and layer_norm1"
    )
    with pytest.raises(UserError, match=told):
        open_backbone(small_folder(tmp_path / "e", model_type))


def test_a_table_of_positions_of_another_class_is_one(tmp_path: Path) -> None:
    """I-BERT's, whose positions begin behind the padding's as RoBERTa's do."""
    backbone = open_backbone(small_folder(tmp_path / "e", "ibert", type_vocab_size=1))
    longest = backbone.shape.max_position_embeddings
    assert longest == 198
    model = backbone.classifier(2, 0).with_tokens(pack(backbone.tokenizer(), ["a " * 300], None, longest))
    assert first_position(model.encoder) == 2
    assert predict(model, torch.arange(1)).shape == (1, 2)


def test_a_long_row_of_a_bigbird_does_not_depend_on_the_rows_before_it(tmp_path: Path) -> None:
    """transformers leaves sparse attention for good at the first short row. What is written says what was computed."""
    folder = small_folder(tmp_path / "e", "big_bird")
    _config(block_size=4, num_random_blocks=1)(folder)  # sparse above 28 tokens
    backbone = open_backbone(folder)
    store = pack(backbone.tokenizer(), ["a " * 40, "b"], ["c " * 40, "d"], 150)
    one, other = (backbone.classifier(2, 0).with_tokens(store) for _ in range(2))
    long, short = torch.tensor([0]), torch.tensor([1])
    predict(other, short)
    assert torch.equal(predict(one, long), predict(other, long))
    write_classifier(one.hf, backbone.folder, 150, "", tmp_path / "written")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "written").eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "written")("a " * 40, "c " * 40, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(plain(**inputs).logits, predict(one, long), atol=1e-5, rtol=1e-5)


def test_a_longformer_of_fewer_layers_is_read_again(tmp_path: Path) -> None:
    """Its configuration names a window for each layer."""
    backbone = open_backbone(small_folder(tmp_path / "e", "longformer"))
    model = backbone.classifier(2, 0)
    model.hf.config.attention_window = [8, 16]
    keep_layers(model, [2])
    write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "written")
    assert json.loads((tmp_path / "written" / "config.json").read_text())["attention_window"] == [16]
    again = open_backbone(tmp_path / "written").trained(("LABEL_0", "LABEL_1"))
    assert all(torch.equal(value, again.hf.state_dict()[name]) for name, value in model.hf.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.pop("classifier.dense.weight"),
        lambda w: w.pop("classifier.dense.bias"),
        lambda w: w.pop("classifier.out_proj.bias"),
        lambda w: w.update({"classifier.dense.weight": torch.zeros(8, 16)}),
    ],
    ids=["no dense", "no bias before", "no bias", "another shape"],
)
def test_no_part_of_a_trained_head_is_drawn(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    """A fresh head may be put on the encoder; its own is whole or refused."""
    _weights(change)(roberta(tmp_path / "r"))
    backbone = open_backbone(tmp_path / "r")
    assert backbone.classifier(2, 0).config.num_labels == 2
    with pytest.raises(
        UserError, match=r"classifier\.\S+' (, but lacks it|in model.safetensors should be of shape)|lacks it"
    ):
        backbone.trained(LABELS)


def test_a_layer_that_does_nothing_contributes_nothing_before_a_final_norm() -> None:
    """ModernBERT normalises what its last layer makes; that is no part of the layer."""
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    from clbench.compression.steps.prune_layers import contributions
    from clbench.compression.task import Task
    from clbench.encoder.classifier import Classifier
    from clbench.encoder.tokens import TokenStore

    torch.manual_seed(0)
    hf = ModernBertForSequenceClassification(ModernBertConfig(
        vocab_size=99, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, pad_token_id=0,
        cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2,
    ))  # fmt: skip
    with torch.no_grad():
        for parameter in hf.model.layers.parameters():
            parameter.normal_(0.0, 0.5)
        hf.model.final_norm.weight.uniform_(0.1, 2.1)
        for silent in (hf.model.layers[2].attn.Wo, hf.model.layers[2].mlp.Wo):
            silent.weight.zero_()
    store, rows = TokenStore(np.arange(3, 43), np.array([0, 12, 40]), np.array([6, 9])), np.arange(2)
    task = Task(store, rows, rows, rows, rows, 2, "few")
    found = contributions(Classifier(hf, store), task)
    assert found[2] == pytest.approx(0, abs=1e-6)
    assert min(found[:2]) > 1e-3


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_scale_of_a_quarter_is_no_dropout_rate(kind: str) -> None:
    """Heads 16 wide: attention is scaled by 1 / sqrt(16)."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from clbench.encoder.rates import dropout_places, set_dropout

    hf = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(
        kind, vocab_size=99, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
    ))  # fmt: skip
    scales = [module for module in hf.modules() if isinstance(getattr(module, "scaling", None), float)]
    assert {module.scaling for module in scales} == {0.25}
    assert {place.attribute for place in dropout_places(hf)} == {"p"}
    set_dropout(hf, 0.1)
    assert {module.scaling for module in scales} == {0.25}
    assert {module.p for module in hf.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}


def test_a_decoder_is_told_by_what_it_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=264, n_embd=16, n_layer=2, n_head=2, n_positions=64, pad_token_id=1, num_labels=2)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "g")
    byte_tokenizer().save(str(tmp_path / "g" / "tokenizer.json"))
    with pytest.raises(UserError, match=r"the first token of a row does not see the others: .*'gpt2' is a decoder"):
        open_backbone(tmp_path / "g")


def test_modernbert_s_first_layer_is_exact_where_embeddings_have_one_scale(tmp_path: Path) -> None:
    """Without layer 1, layer 2's norm moves into its projection: the same where g of the embeddings is constant."""
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    from clbench.encoder.classifier import Classifier
    from clbench.encoder.tokens import TokenStore

    torch.manual_seed(0)
    hf = ModernBertForSequenceClassification(ModernBertConfig(
        vocab_size=99, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, pad_token_id=0,
        cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2, norm_eps=0.0,
    )).eval()  # fmt: skip
    store = TokenStore(np.arange(3, 43), np.array([0, 12, 40]), np.array([6, 9]))
    with torch.no_grad():
        hf.model.embeddings.norm.weight.fill_(1.7)
        hf.model.layers[1].attn_norm.weight.normal_(1.0, 0.3)
    with torch.inference_mode():
        full = Classifier(hf, store)
        _, expected = full.family.states_and_logits(
            hf, store.batch(torch.arange(2)), packed=True, used=[False, True, True], every=False
        )
        torch.testing.assert_close(keep_layers(full, [2, 3])(torch.arange(2)), expected, atol=1e-5, rtol=1e-5)
    hf.save_pretrained(tmp_path)
    again = ModernBertForSequenceClassification.from_pretrained(tmp_path)
    assert sum(p.numel() for p in again.parameters()) == sum(p.numel() for p in hf.parameters())


def test_shape_counts_what_a_plan_leaves(tmp_path: Path) -> None:
    backbone = open_backbone(roberta(tmp_path / "r"))
    model = backbone.classifier(2, 0)
    keep_layers(model, [1, 3])
    import dataclasses

    shape = dataclasses.replace(Shape.of(backbone.shape), layers=2)
    assert shape.parameters == sum(p.numel() for p in model.encoder.parameters())
