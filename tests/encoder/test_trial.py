"""An encoder is tried when it is opened: against plain transformers too, and as to what its states are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_architecture import byte_tokenizer, small_folder

from clbench.encoder import forward
from clbench.encoder.backbone import open_backbone
from clbench.encoder.family import family_of
from clbench.encoder.trial import check_forward
from clbench.errors import UserError
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification  # noqa: E402


def folder_of(folder: Path, model_type: str, **changes: Any) -> Path:
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](vocab_size=264, pad_token_id=1, **changes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return folder


@pytest.mark.parametrize("model_type", ["xlm", "flaubert"])
def test_what_a_model_is_given_besides_is_found(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """XLM, which has no token types, would look zeros up among its words."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](
        vocab_size=264, pad_token_id=1, emb_dim=24, n_layers=2, n_heads=4, max_position_embeddings=200, n_langs=1
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    check_forward(model, 200, "here")
    monkeypatch.setattr(forward, "_given_types", lambda model: True)
    with pytest.raises(UserError, match=rf"what clbench makes of a row is not what .* '{model_type}' gives"):
        check_forward(model, 200, "here")


def test_a_deberta_takes_types_of_which_it_has_none() -> None:
    """It makes nothing of them, but whoever exports it has an input for all that its tokenizer gives."""
    config = CONFIG_MAPPING["deberta-v2"](
        vocab_size=264, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        type_vocab_size=0,
    )  # fmt: skip
    model = AutoModelForSequenceClassification.from_config(config)
    ids = torch.zeros(1, 3, dtype=torch.int64)
    assert set(forward.model_inputs(model, ids, ids == 0, ids)) == {
        "input_ids", "attention_mask", "token_type_ids",
    }  # fmt: skip


def albert(folder: Path, **changes: int) -> Path:
    return folder_of(
        folder, "albert", hidden_size=16, embedding_size=12, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=200, **changes,
    )  # fmt: skip


@pytest.mark.parametrize("field", ["num_hidden_groups", "inner_group_num"])
def test_an_albert_of_several_layers_is_refused(field: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"config.json: '{field}' should be 1, .* but is 2"):
        open_backbone(albert(tmp_path / "a", **{field: 2}))


def test_states_that_are_not_the_layers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an ALBERT whose groups have several layers, if its family let it pass."""
    monkeypatch.setattr(type(family_of("albert")), "settings", lambda self, told, origin: told)
    with pytest.raises(UserError, match=r"and of its 4 layers \(num_hidden_layers\), but gives \d+ states"):
        open_backbone(albert(tmp_path / "a", inner_group_num=2))


def test_one_layer_too_few_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clbench.encoder import trial

    read = trial._read
    monkeypatch.setattr(trial, "_read", lambda *one, **named: read(*one, **named)[1:])
    with pytest.raises(UserError, match=r"of its 2 layers \(num_hidden_layers\), but gives 2 states") as caught:
        open_backbone(small_folder(tmp_path / "e", "ibert"))
    assert "\n" not in str(caught.value)
