"""How many positions a stream's backbone has, told by its config.json before anything is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_nomic_published import PUBLISHED

from clbench.encoder.located import check_edition
from clbench.errors import UserError
from clbench.runtime import torchvision_ops
from clbench.schema.shipped import FOLDERS
from clbench.schema.stream import OpenStream, read_stream

torchvision_ops.define()

from transformers import CONFIG_MAPPING  # noqa: E402  (after the schemas it needs)

SIZES: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1,
}  # fmt: skip


def stream_from(folder: Path, max_length: int = 512) -> OpenStream:
    """nli-shift, its edition lite from the backbone in ``folder``."""
    content = yaml.safe_load((FOLDERS["stream"] / "nli-shift.yaml").read_text())
    content["editions"]["lite"] |= {"backbone": str(folder), "max_length": max_length}
    path = folder.parent / "nli-shift.yaml"
    path.write_text(yaml.safe_dump(content))
    return read_stream(path)


@pytest.mark.parametrize(
    ("model_type", "positions"),
    [
        *((name, 512) for name in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "roberta-prelayernorm")),
        ("mpnet", 512), ("electra", 514), ("modernbert", 514),
        # Nobody has written a file for these, so that the model that config.json describes is looked at.
        ("data2vec-text", 512), ("longformer", 512), ("ernie", 514), ("roformer", 514),
    ],
)  # fmt: skip
def test_a_table_that_begins_after_the_padding_has_fewer_positions(
    model_type: str, positions: int, tmp_path: Path
) -> None:
    """RoBERTa's tables have rows for the padding's number and those before, which no token of a row has."""
    folder = tmp_path / "encoder"
    CONFIG_MAPPING[model_type](**SIZES).save_pretrained(folder)
    assert check_edition(stream_from(folder), "lite") == positions
    with pytest.raises(UserError, match=rf"has {positions} positions, but the edition lite of nli-shift asks"):
        check_edition(stream_from(folder, positions + 1), "lite")


def test_the_padding_s_number_is_the_configuration_s(tmp_path: Path) -> None:
    CONFIG_MAPPING["roberta"](**SIZES | {"pad_token_id": 5}).save_pretrained(tmp_path / "encoder")
    assert check_edition(stream_from(tmp_path / "encoder", 508), "lite") == 508


def test_published_names_of_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text(json.dumps(PUBLISHED))
    assert check_edition(stream_from(tmp_path / "encoder", 48), "lite") == 48


def test_an_outline_that_contradicts_itself_is_told_with_the_stream_s_field(tmp_path: Path) -> None:
    CONFIG_MAPPING["ernie"](**SIZES | {"num_attention_heads": 3}).save_pretrained(tmp_path / "encoder")
    with pytest.raises(UserError, match=r"nli-shift\.yaml: field 'editions\.lite\.backbone': .*contradicts itself"):
        check_edition(stream_from(tmp_path / "encoder"), "lite")
