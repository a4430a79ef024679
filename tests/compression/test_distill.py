"""Patient KD against the paper's equations written a second way, and the layers that are matched."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from compress_worlds import WORDS, SmallBackbone
from hearing import advances
from hypothesis import given
from hypothesis import strategies as st

from clbench.compression.distillation import (
    LossWeights,
    check_relations,
    distill_loss,
    distillation_loss,
    targets,
)
from clbench.compression.execute import build
from clbench.compression.plan import plan
from clbench.compression.steps.distill import Distill, layer_map, token_depths
from clbench.compression.task import Task
from clbench.encoder.classifier import Classifier, keep_layers
from clbench.errors import UserError
from clbench.schema.recipe import read_recipe
from clbench.storage.cache import root

B, C, K, H = 5, 3, 4, 6


def drawn(seed: int = 0) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    kinds = {"logits": (B, C), "teacher_logits": (B, C), "states": (B, K, H), "teacher_states": (B, K, H)}
    values = {name: torch.randn(shape, generator=draw, dtype=torch.float64) * 3 for name, shape in kinds.items()}
    return values | {"labels": torch.randint(C, (B,), generator=draw)}


def written_out(v: dict[str, Any], alpha: float, temperature: float, beta: float) -> float:
    """The same loss pair by pair, in plain Python numbers."""

    def softmax(z: list[float]) -> list[float]:
        top = max(z)
        parts = [math.exp(x - top) for x in z]
        return [p / sum(parts) for p in parts]

    hard = soft = patient = 0.0
    for b in range(B):
        z, y = v["logits"][b].tolist(), int(v["labels"][b])
        hard -= math.log(softmax(z)[y]) / B
        q = softmax([x / temperature for x in v["teacher_logits"][b].tolist()])
        p = softmax([x / temperature for x in z])
        soft += sum(qc * (math.log(qc) - math.log(pc)) for qc, pc in zip(q, p, strict=True)) / (B * C)
        for k in range(K):
            s, t = v["states"][b, k].tolist(), v["teacher_states"][b, k].tolist()
            ns, nt = math.sqrt(sum(x * x for x in s)), math.sqrt(sum(x * x for x in t))
            patient += sum((x / ns - y_ / nt) ** 2 for x, y_ in zip(s, t, strict=True)) / (B * K * H)
    return (1 - alpha) * hard + alpha * temperature**2 * soft + beta * patient


@given(alpha=st.floats(0, 1), temperature=st.floats(0.5, 20), beta=st.floats(0, 1000), seed=st.integers(0, 1000))
def test_the_loss_is_the_papers(alpha: float, temperature: float, beta: float, seed: int) -> None:
    values = drawn(seed)
    found = distillation_loss(**values, weights=LossWeights(alpha, temperature, beta))
    assert found.item() == pytest.approx(written_out(values, alpha, temperature, beta), rel=1e-9, abs=1e-12)


def test_the_patient_part_by_hand() -> None:
    """Two unit states at a right angle are at a squared distance of 2, over H = 2 dimensions."""
    loss = distillation_loss(
        torch.zeros(1, 2), torch.tensor([0]), torch.zeros(1, 2),
        torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[0.0, 0.5]]]), LossWeights(1.0, 1.0, 10.0),
    )  # fmt: skip
    assert loss.item() == pytest.approx(10 * 2 / 2)


def test_a_student_like_its_teacher_has_only_the_labels_to_learn() -> None:
    values = drawn()
    values |= {"teacher_logits": values["logits"], "teacher_states": 2.5 * values["states"]}
    hard = torch.nn.functional.cross_entropy(values["logits"], values["labels"])
    assert distillation_loss(**values, weights=LossWeights(0.3, 4, 100)).item() == pytest.approx(0.7 * hard.item())


def test_gradients_in_double_precision() -> None:
    values = drawn()
    logits, states = values["logits"].requires_grad_(), values["states"].requires_grad_()

    def loss(z: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return distillation_loss(
            z, values["labels"], values["teacher_logits"], s, values["teacher_states"],
            LossWeights(0.5, 5.0, 100.0),
        )  # fmt: skip

    assert torch.autograd.gradcheck(loss, (logits, states))


@pytest.mark.parametrize(
    ("rule", "student", "teacher", "expected"),
    [
        ("first", 6, 12, [1, 2, 3, 4, 5]),
        ("skip", 6, 12, [2, 4, 6, 8, 10]),
        ("last", 6, 12, [7, 8, 9, 10, 11]),
        ("skip", 3, 12, [4, 8]),
        ("last", 3, 12, [10, 11]),
        ("first", 12, 12, list(range(1, 12))),
        ("skip", 1, 12, []),
        ((2, 4, 6, 8, 10, 12), 6, 12, [2, 4, 6, 8, 10, 12]),
        (None, 6, 12, []),
    ],
)
def test_layer_maps_by_hand(rule: Any, student: int, teacher: int, expected: list[int]) -> None:
    assert layer_map(rule, student, teacher, "x.yaml") == expected


@given(rule=st.sampled_from(["first", "skip", "last"]), student=st.integers(1, 24), more=st.integers(0, 24))
def test_layer_maps_rise_and_leave_the_last_layer_to_the_logits(rule: str, student: int, more: int) -> None:
    teacher = student + more
    found = layer_map(rule, student, teacher, "x.yaml")
    assert len(found) == student - 1
    assert found == sorted(set(found))
    assert all(1 <= layer < teacher for layer in found)


@pytest.mark.parametrize(("rule", "student"), [("skip", 13), ((1, 13), 6), ((1, 2, 3), 2), ((), 6)])
def test_layers_that_are_not_there(rule: Any, student: int) -> None:
    with pytest.raises(UserError, match=r"^mine.yaml: field 'layer_map'"):
        layer_map(rule, student, 12, "mine.yaml")


@pytest.mark.parametrize("layers", [[2, 4], []])
def test_targets_are_the_teachers_and_lie_in_the_cache(
    task: Task, backbone: SmallBackbone, layers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = backbone.classifier(2, 0).with_tokens(task.store).train()
    seen: list[tuple[int, int]] = []
    with advances(lambda task, *a: seen.append(a)):
        found = targets(teacher, "t", task, layers, batch_size=20)
    teacher.eval()
    with torch.no_grad():
        hidden, logits = teacher.states_and_logits(torch.from_numpy(task.train_rows))
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-5)
    assert found.states.shape == (96, len(layers), 16)
    for place, layer in enumerate(layers):
        state = hidden[layer - 1].numpy()
        unit = state / np.linalg.norm(state, axis=-1, keepdims=True)
        np.testing.assert_allclose(found.states[:, place].astype(np.float32), unit, atol=1e-3)
    assert seen == [(20, 96), (40, 96), (60, 96), (80, 96), (96, 96)]
    assert len(list((root() / "targets").iterdir())) == 1
    monkeypatch.setattr(teacher, "read", None)
    again = targets(teacher, "t", task, layers)
    np.testing.assert_array_equal(again.states, found.states)


@pytest.mark.parametrize("layers", [[1, 3], [2], []])
def test_states_of_all_layers_serve_a_map_of_some(
    task: Task, backbone: SmallBackbone, layers: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = backbone.classifier(2, 0).with_tokens(task.store)
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "alone"))
    alone = targets(teacher, "t", task, layers)
    last = targets(teacher, "t", task, [4])
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "after all"))
    targets(teacher, "t", task, [1, 2, 3])
    # Of another teacher, and of a layer that is not among them, it is asked as before.
    seen: list[str] = []
    with advances(lambda task, *a: seen.append(task)):
        targets(teacher, "another", task, layers, name="another")
        np.testing.assert_array_equal(targets(teacher, "t", task, [4], name="last").states, last.states)
    assert set(seen) == {"another", "last"}
    monkeypatch.setattr(teacher, "states_and_logits", None)
    copied = targets(teacher, "t", task, layers)
    np.testing.assert_array_equal(copied.states, alone.states)
    np.testing.assert_array_equal(copied.logits, alone.logits)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take room on a disk")
def test_targets_that_the_disk_cannot_hold_are_a_sentence(
    task: Task, backbone: SmallBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for all of them is taken before the first is computed: a map on a full disk would kill the process."""
    taken: list[int] = []

    def full(file: int, begin: int, size: int) -> None:
        taken.append(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    teacher = backbone.classifier(2, 0).with_tokens(task.store)
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(teacher, "states_and_logits", None)
    with pytest.raises(UserError, match=r"cannot be written: No space left on device; free the disk"):
        targets(teacher, "t", task, [2, 4])
    header = 128  # of a .npy file
    assert taken == [header + 96 * task.classes * 4]


def test_the_loss_with_cached_targets_is_the_loss_without(task: Task, backbone: SmallBackbone) -> None:
    step = Distill.model_validate(
        {"step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 5, "beta": 100, "layer_map": [2, 4],
         "training": {"epochs": 1, "batch_size": 8}}
    )  # fmt: skip
    teacher = backbone.classifier(2, 0).with_tokens(task.store).eval()
    student = backbone.classifier(2, 1).with_tokens(task.store).eval()
    places = torch.tensor([5, 0, 90, 33])
    labels, rows = torch.from_numpy(task.train_labels)[places], torch.from_numpy(task.train_rows)[places]
    found = distill_loss(step, task, targets(teacher, "t", task, [2, 4]), 2, teacher)(student, places, labels)
    with torch.no_grad():
        their_states, their_logits = teacher.states_and_logits(rows)
    states, logits = student.states_and_logits(rows)
    expected = distillation_loss(
        logits, labels, their_logits, states[:2].transpose(0, 1), their_states[[1, 3]].transpose(0, 1),
        LossWeights(0.5, 5, 100),
    )  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def _of_family(model_type: str, store: Any, **more: Any) -> Classifier:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    special = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(
        model_type, vocab_size=WORDS, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=24,
        max_position_embeddings=32, **special, **more,
    )  # fmt: skip
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5)
        made = AutoModelForSequenceClassification.from_config(config)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.4, torch.Generator().manual_seed(parameter.numel()))
    return Classifier(made, store, packed=False).eval()


def test_patience_beside_losses_of_tokens_compares_states_behind_the_final_norm(task: Task) -> None:
    """ModernBERT normalises before its blocks: a middle layer's raw state is not what is compared."""
    base = {"step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 5, "beta": 100, "layer_map": [1, 2],
            "training": {"epochs": 1, "batch_size": 8}}  # fmt: skip
    teacher, student = (_of_family("modernbert", task.store) for _ in range(2))
    with torch.no_grad():
        student.hf.model.final_norm.weight.mul_(0.5)
        for parameter in student.hf.model.layers.parameters():
            parameter.mul_(0.7)
    places, labels = torch.tensor([5, 0, 90]), torch.from_numpy(task.train_labels)[[5, 0, 90]]
    alone = targets(teacher, "t", task, [1, 2])
    beside = targets(teacher, "t", task, [1, 2], depths=[3])
    np.testing.assert_allclose(beside.states, alone.states, atol=2e-3)
    found = []
    for more, taught in (({}, alone), ({"cosine": 1e-9}, beside)):
        step = Distill.model_validate(base | more)
        found.append(distill_loss(step, task, taught, 2, teacher)(student, places, labels).item())
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_relation_heads_divide_keys_that_heads_share(task: Task, backbone: SmallBackbone) -> None:
    """EuroBERT, 4 heads of width 4 that share 2 keys: 16 wide queries, 8 wide keys."""
    mine, theirs = backbone.classifier(2, 0), _of_family("eurobert", task.store, num_key_value_heads=2)
    for heads in (4, 8, 16):
        step = Distill.model_validate({
            "step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 5, "relations": 1, "relation_heads": heads,
            "training": {"epochs": 1, "batch_size": 8},
        })  # fmt: skip
        models = {"the student's": mine, "the teacher x's": theirs}
        if heads < 16:
            check_relations(step, models, "r.yaml")
            continue
        with pytest.raises(UserError, match=r"should divide the width of the teacher x's keys, 8, but is 16\.$"):
            check_relations(step, models, "r.yaml")


def test_relations_of_a_family_without_a_file_that_normalises_first_are_refused(task: Task) -> None:
    """X-MOD, whose configuration says where its layers normalise: relations are made of what the projections read."""
    step = Distill.model_validate({
        "step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 5, "relations": 1, "relation_heads": 4,
        "training": {"epochs": 1, "batch_size": 8},
    })  # fmt: skip
    after, before = (
        _of_family("xmod", task.store, pre_norm=first, languages=["en"], default_language="en")
        for first in (False, True)
    )
    assert not after.family.model_types
    check_relations(step, {"the student's": after}, "r.yaml")
    with pytest.raises(UserError, match=r"^r\.yaml: field 'relations': the student's queries are not made of what"):
        check_relations(step, {"the student's": before}, "r.yaml")
    assert not before.layers[-1].attention.self.query._forward_pre_hooks


def test_cosine_and_relations_row_by_row(task: Task, backbone: SmallBackbone) -> None:
    """The two losses over tokens from transformers' own hidden states, one example at a time."""
    training = {"epochs": 1, "batch_size": 8}
    base = {"step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 5, "training": training}
    teacher = backbone.classifier(2, 0).with_tokens(task.store).eval()
    student = keep_layers(backbone.classifier(2, 1).with_tokens(task.store).eval(), [1, 2])
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    places = torch.tensor([5, 0, 90, 33, 61])
    labels = torch.from_numpy(task.train_labels)[places]
    both = {"cosine": 0.7, "relations": 0.3, "relation_heads": 4}
    values = []
    for step in (Distill.model_validate(base | more) for more in ({}, both)):
        taught = targets(teacher, "t", task, [], depths=token_depths(step, 4))
        values.append(distill_loss(step, task, taught, 0, teacher)(student, places, labels).item())
    cosines, divergences = [], []
    for row in task.train_rows[places.numpy()].tolist():
        begin, end = int(task.store.offsets[row]), int(task.store.offsets[row + 1])
        given = {
            "input_ids": task.store.ids[begin:end][None],
            "token_type_ids": (torch.arange(end - begin) >= int(task.store.seconds[row])).long()[None],
            "output_hidden_states": True,
        }
        with torch.no_grad():
            t, s = (model.hf.bert(**given).hidden_states for model in (teacher, student))
        for a, b in zip(s[-1][0].numpy(), t[-1][0].numpy(), strict=True):
            cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
        for name in ("query", "key", "value"):
            tables = []
            for model, read in ((teacher, t[-2][0]), (student, s[-2][0])):
                with torch.no_grad():
                    made = getattr(model.hf.bert.encoder.layer[-1].attention.self, name)(read).numpy()
                heads = np.split(made, 4, axis=1)
                scores = np.exp(np.stack([head @ head.T / math.sqrt(head.shape[1]) for head in heads]))
                tables.append(scores / scores.sum(-1, keepdims=True))
            divergences.extend((tables[0] * np.log(tables[0] / tables[1])).sum(-1).ravel())
    expected = 0.7 * (1 - np.mean(cosines)) + 0.3 * np.mean(divergences)
    assert expected > 1e-3
    assert values[1] - values[0] == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("model_type", ["deberta-v2", "mpnet"])
def test_tokens_of_padded_rows_are_those_of_rows_read_alone(model_type: str, task: Task) -> None:
    """Such a family computes its padding too, whose states are no token's."""
    teacher = _of_family(model_type, task.store)
    assert not all(teacher._batch(torch.from_numpy(task.train_rows)).mask)
    found = targets(teacher, "t", task, [], depths=[2, 3])
    kept = torch.from_numpy(found.tokens.astype(np.float32) * found.norms[:, :, None])
    for row, begin in zip(task.train_rows[:40].tolist(), found.starts.tolist(), strict=False):
        with torch.no_grad():
            alone = teacher.read(torch.tensor([row])).states
        for place, depth in enumerate((2, 3)):
            torch.testing.assert_close(kept[begin : begin + len(alone[depth]), place], alone[depth], rtol=0, atol=5e-3)


def test_states_that_float16_cannot_hold_teach(task: Task) -> None:
    """As MobileBERT's last ones, which reach 1e7."""
    step = Distill.model_validate({
        "step": "distill", "teacher": "x", "alpha": 1, "temperature": 5, "cosine": 1,
        "training": {"epochs": 1, "batch_size": 8},
    })  # fmt: skip
    teacher = _of_family("mobilebert", task.store, true_hidden_size=16, intra_bottleneck_size=16, embedding_size=16)
    with torch.no_grad():
        for layer in teacher.layers[1:]:
            layer.output.bottleneck.LayerNorm.weight.mul_(1e6)
        states = teacher.read(torch.from_numpy(task.train_rows[:1])).states
    assert min(states[depth].abs().max() for depth in (2, 3)) > 65_504
    taught = targets(teacher, "t", task, [], depths=[2, 3])
    kept = torch.from_numpy(taught.tokens.astype(np.float32) * taught.norms[:, :, None])[: len(states[2])]
    for place, depth in enumerate((2, 3)):
        torch.testing.assert_close(kept[:, place], states[depth], rtol=1e-3, atol=1e-3 * states[depth].max().item())
    loss = distill_loss(step, task, taught, 0, teacher)(teacher, torch.arange(96), torch.from_numpy(task.train_labels))
    assert loss.item() == pytest.approx(0, abs=1e-3)


def test_only_what_is_learned_from_tokens_has_a_key_of_how_they_are_kept(backbone: SmallBackbone) -> None:
    """Targets of other kinds, and models made by them, keep theirs."""
    for name, version in (("pkd-skip-6l", None), ("kd-6l", None), ("kd-cosine-6l", 2), ("kd-relations-6l", 2)):
        found = plan(read_recipe(name), SmallBackbone(layers=12), seed=0).steps[-1]  # type: ignore[arg-type]
        assert found.planned.targets is not None
        assert found.planned.targets.get("token_targets") == version
        assert found.form.identity(found.planned).get("token_targets") == version


def test_relations_need_heads_that_divide_the_width(task: Task, backbone: SmallBackbone, tmp_path: Path) -> None:
    training = {"epochs": 1, "batch_size": 8}
    base = {"step": "distill", "alpha": 0.5, "temperature": 5, "training": training}
    for wrong in ({"relations": 1}, {"relation_heads": 4}):
        with pytest.raises(ValueError, match="relation_heads and relations above 0 go together"):
            Distill.model_validate(base | {"teacher": "x"} | wrong)
    teacher = {"name": "t", "title": "t", "citation": "c", "steps": [{"step": "finetune", "training": training}]}
    mine = teacher | {"name": "m", "steps": [base | {"teacher": "t.yaml", "relations": 1, "relation_heads": 3}]}
    for name, content in (("t", teacher), ("m", mine)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="field 'relation_heads' should divide the backbone's width of 16, but is 3"):
        build(read_recipe(str(tmp_path / "m.yaml")), backbone, task, seed=0)  # type: ignore[arg-type]


def test_patience_needs_a_map(tmp_path: Path) -> None:
    base = {
        "step": "distill",
        "teacher": "x",
        "alpha": 0.5,
        "temperature": 5,
        "training": {"epochs": 1, "batch_size": 8},
    }
    for wrong in ({"beta": 10}, {"layer_map": "skip"}, {"beta": 0, "layer_map": [1]}):
        with pytest.raises(ValueError, match="layer_map and a beta above 0 go together"):
            Distill.model_validate(base | wrong)
