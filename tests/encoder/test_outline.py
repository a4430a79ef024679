"""What the class of an encoder tells before anything is trained: recipes that do not suit it, and folders that nobody
could read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from test_architecture import small_folder

from clbench.compression.checks import check_recipe
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import Classifier, keep_layers
from clbench.encoder.export import write_classifier
from clbench.encoder.outline import check_matrices
from clbench.encoder.quantize import is_int8, set_int8
from clbench.errors import UserError
from clbench.schema.recipe import read_recipe

LABELS = ("no", "yes")
TRAINING = {"epochs": 1, "learning_rate": None, "batch_size": 16}
FINETUNE = {"step": "finetune", "training": TRAINING}
WEIGHTS = {"step": "prune_weights", "sparsity": 0.5, "training": TRAINING}
HEADS = {"step": "prune_heads", "share": 0.5}
RELATIONS = {
    "step": "distill", "teacher": "finetune-12l", "alpha": 0.5, "temperature": 2.0, "beta": 0.0, "relations": 1.0,
    "relation_heads": 2, "training": TRAINING,
}  # fmt: skip
SQUEEZED = {"embedding_size": 32}
TOP = {"step": "prune_layers", "drop": "top", "depth": 1}
NONE = "needs matrices (torch's nn.Linear) in the encoder's layers, but the model_type"

BAD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("squeezebert", SQUEEZED, WEIGHTS, f"mine.yaml: the step prune_weights {NONE} 'squeezebert' has none there"),
    ("squeezebert", SQUEEZED, {"step": "quantize"}, f"mine.yaml: the step quantize {NONE} 'squeezebert'"),
    ("squeezebert", SQUEEZED, HEADS, "mine.yaml: step prune_heads: the queries, keys and values of a SqueezeBertModule "
     "are not found, which pruning heads"),
    ("squeezebert", SQUEEZED, RELATIONS, "mine.yaml: step distill: the queries, keys and values of a SqueezeBertModule "
     "are not found, which pruning heads and distilling relations need"),
    ("ibert", {}, WEIGHTS, f"mine.yaml: the step prune_weights {NONE} 'ibert' has none there"),
    ("esm", {}, TOP, "mine.yaml: no layer can be removed from the model_type 'esm': with 1 layers its "
     "'esm.contact_head.regression.weight' should be of shape (1, 4), but is of shape (1, 8); choose another backbone"),
]  # fmt: skip


def recipe(folder: Path, *steps: dict[str, Any]) -> Any:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "t", "citation": "c", "steps": list(steps)}))
    return read_recipe(str(path))


@pytest.mark.parametrize(
    ("model_type", "more", "step", "told"), BAD, ids=[f"{case[0]} {case[2]['step']}" for case in BAD]
)
def test_a_step_that_does_not_suit_an_encoder_is_told_before_anything_is_trained(
    model_type: str, more: dict[str, Any], step: dict[str, Any], told: str, tmp_path: Path
) -> None:
    backbone = open_backbone(small_folder(tmp_path / "e", model_type, **more))
    check_recipe(recipe(tmp_path, FINETUNE), backbone, LABELS, 48, "a test")
    with pytest.raises(UserError) as caught:
        check_recipe(recipe(tmp_path, FINETUNE, step), backbone, LABELS, 48, "a test")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_encoders_that_nobody_has_written_a_family_for_take_every_step(tmp_path: Path) -> None:
    backbone = open_backbone(small_folder(tmp_path / "e", "ernie"))
    every = recipe(tmp_path, FINETUNE, WEIGHTS, HEADS, TOP, {"step": "quantize"})
    assert check_recipe(every, backbone, LABELS, 48, "a test") == ()


def test_an_int8_model_without_matrices_in_its_layers_is_refused(tmp_path: Path) -> None:
    model = open_backbone(small_folder(tmp_path / "e", "squeezebert", **SQUEEZED)).classifier(2, 0)
    with pytest.raises(UserError, match=r"^the step quantize needs matrices .*'squeezebert' has none there"):
        set_int8(model)
    assert not is_int8(model)
    linear = open_backbone(small_folder(tmp_path / "l", "ernie")).classifier(2, 0)
    check_matrices(linear.hf, "quantize")


def test_a_folder_that_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    """ESM tells contacts from the attention of all layers together."""
    backbone = open_backbone(small_folder(tmp_path / "e", "esm"))
    model: Classifier = backbone.classifier(2, 0)
    write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "whole")
    with pytest.raises(UserError, match=r"removed from the model_type 'esm': with 1 layers its 'esm\.contact_head"):
        keep_layers(model, [2])
    model = backbone.classifier(2, 0)
    model.family.keep(model.encoder, [2])
    with pytest.raises(UserError, match=r"cannot be written .* 'esm\.contact_head.* of shape \(1, 8\); the step"):
        write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    again = open_backbone(tmp_path / "whole").trained(("LABEL_0", "LABEL_1"))
    whole = backbone.classifier(2, 0).hf.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in again.hf.state_dict().items())
