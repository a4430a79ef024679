"""Heads by importance, weights by magnitude, and masks that hold whatever trains the model."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from compress_worlds import SmallBackbone
from hearing import advances
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

from clbench.compression.execute import build
from clbench.compression.masks import attach_masks
from clbench.compression.plan import plan
from clbench.compression.steps.finetune import finetune_loss
from clbench.compression.steps.prune_heads import PARTS, exact_masks, head_importance, head_masks, heads_to_prune
from clbench.compression.steps.prune_weights import magnitude_masks, prunable, sparsity_of_round
from clbench.compression.task import Task, fit
from clbench.encoder.classifier import Classifier, keep_layers, predict
from clbench.encoder.family import Attention, Family
from clbench.errors import UserError
from clbench.runtime.device import Device
from clbench.schema.recipe import read_recipe
from clbench.schema.training import Training
from clbench.storage.cache import root

TRAINING = {"epochs": 2, "learning_rate": None, "batch_size": 16}


@pytest.fixture
def model(backbone: SmallBackbone, task: Task) -> Classifier:
    return backbone.classifier(2, 0).with_tokens(task.store)


def recipe(folder: Path, *steps: dict):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "t", "citation": "c", "steps": list(steps)}))
    return read_recipe(str(path))


@pytest.mark.parametrize("micro_batch", [3, 8, "auto"])
def test_importance_is_the_same_in_micro_batches(model: Classifier, task: Task, micro_batch: Any) -> None:
    few = Task(task.store, task.train_rows[:40], task.train_labels[:40], *[task.validation_rows] * 2, 2, "few")
    whole = head_importance(model, few)
    store = task.store.on(Device(micro_batch=micro_batch))
    parts = head_importance(model.with_tokens(store), replace(few, store=store))
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-4)


def test_importance_is_the_gradient_of_a_head_mask(model: Classifier, task: Task) -> None:
    """The paper's other form: I_h = E_x |dL(x)/dxi_h|, xi_h a factor of the head's output, by finite differences."""
    few = Task(task.store, task.train_rows[:6], task.train_labels[:6], *[task.validation_rows] * 2, 2, "few")
    found = head_importance(model, few)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    model.eval().double()
    width = 8
    expected = torch.zeros(4, 2, dtype=torch.float64)
    for layer in range(4):
        dense = model.hf.bert.encoder.layer[layer].attention.output.dense
        for head in range(2):
            losses = []
            for factor in (1 + 1e-5, 1 - 1e-5):

                def scale(_, inputs, head=head, factor=factor):
                    changed = inputs[0].clone()
                    changed[:, head * width : (head + 1) * width] *= factor
                    return (changed,)

                handle = dense.register_forward_pre_hook(scale)
                with torch.no_grad():
                    rows = torch.from_numpy(few.train_rows)
                    logits = torch.cat([model(rows[n : n + 1]) for n in range(6)])
                    losses.append(torch.nn.functional.cross_entropy(
                        logits, torch.from_numpy(few.train_labels), reduction="none"))  # fmt: skip
                handle.remove()
            expected[layer, head] = ((losses[0] - losses[1]) / 2e-5).abs().mean()
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=2e-3)


def test_heads_of_a_model_that_lengthens_rows_inside(task: Task) -> None:
    """Longformer, whose rows have a multiple of its window inside: each row alone, in plain transformers."""
    from transformers import LongformerConfig, LongformerForSequenceClassification

    torch.manual_seed(0)
    hf = LongformerForSequenceClassification(LongformerConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, pad_token_id=0, attention_window=[4, 8], type_vocab_size=1, initializer_range=0.3,
    ))  # fmt: skip
    few = Task(task.store, task.train_rows[:6], task.train_labels[:6], *[task.validation_rows] * 2, 2, "few")
    found = head_importance(Classifier(hf, task.store, packed=False), few)
    expected = torch.zeros(2, 2)
    hf.eval()
    for row, label in zip(few.train_rows.tolist(), few.train_labels.tolist(), strict=True):
        seen = []
        outputs = [layer.attention.output.dense for layer in hf.longformer.encoder.layer]
        hooks = [one.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0])) for one in outputs]
        begin, end = task.store.offsets[row : row + 2].tolist()
        ids = task.store.ids[begin:end][None]
        logits = hf(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label]))
        for layer, (made, grad) in enumerate(zip(seen, torch.autograd.grad(loss, seen), strict=True)):
            expected[layer] += (made * grad).detach().view(-1, 2, 8).sum((0, 2)).abs()
        for hook in hooks:
            hook.remove()
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True), rtol=1e-3, atol=1e-5)


@given(
    layers=st.integers(1, 6), heads=st.integers(1, 6), share=st.floats(0.01, 0.99), seed=st.integers(0, 1000)
)  # fmt: skip
def test_the_least_important_go_and_one_in_every_layer_stays(layers: int, heads: int, share: float, seed: int) -> None:
    importance = torch.from_numpy(np.random.default_rng(seed).random((layers, heads)))
    gone = heads_to_prune(importance, share)
    assert all(len(part) < heads for part in gone)
    assert sum(map(len, gone)) == min(round(share * layers * heads), layers * (heads - 1))
    for layer, part in enumerate(gone):
        stay = [head for head in range(heads) if head not in part]
        # Within a layer those that go are less important than those that stay.
        assert not part or importance[layer, part].max() <= importance[layer, stay].min()


def test_heads_by_hand() -> None:
    importance = torch.tensor([[0.9, 0.1, 0.2], [0.3, 0.25, 0.01]])
    # A half of six: 0.01, 0.1, 0.2; and after these 0.25.
    assert heads_to_prune(importance, 0.5) == [[1, 2], [2]]
    assert heads_to_prune(importance, 0.67) == [[1, 2], [1, 2]]
    assert heads_to_prune(importance, 0.99) == [[1, 2], [1, 2]]


def test_a_masked_head_is_a_head_that_is_not_there(model: Classifier, task: Task) -> None:
    """Against transformers' own forward pass with the head's part of the context cut out of both products."""
    model.eval()
    reference = copy.deepcopy(model.hf)
    attach_masks(model, head_masks(model, [[1], [], [0], []], PARTS))
    for layer, head in ((0, 1), (2, 0)):
        dense = reference.bert.encoder.layer[layer].attention.output.dense
        cut = slice(8, 16) if head == 1 else slice(0, 8)

        def without(module, inputs, output, cut=cut):
            return output - inputs[0][..., cut] @ module.weight[:, cut].T

        dense.register_forward_hook(without)
    rows = task.validation_rows[:8]
    found = predict(model, torch.from_numpy(rows))
    for place, row in enumerate(rows.tolist()):
        begin, end = int(task.store.offsets[row]), int(task.store.offsets[row + 1])
        types = (torch.arange(end - begin) >= int(task.store.seconds[row])).long()[None]
        with torch.no_grad():
            expected = reference(task.store.ids[begin:end][None], token_type_ids=types).logits[0]
        torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=1e-4)


SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 32,
         "vocab_size": 50, "max_position_embeddings": 64, "pad_token_id": 0, "initializer_range": 0.4}  # fmt: skip


def of_family(model_type: str, task: Task, **more: Any) -> Classifier:
    """With weights large enough for what heads share to be seen."""
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(CONFIG_MAPPING[model_type](**SMALL | more))
    return Classifier(hf, packed=False).with_tokens(task.store).eval()


@pytest.mark.parametrize(
    ("model_type", "more", "left_out"),
    [
        ("bert", {}, ("query", "key", "value")),
        ("deberta", {"relative_attention": True, "pos_att_type": ["c2p"], "type_vocab_size": 0}, ("in_proj",)),
        ("deberta", {"relative_attention": True, "pos_att_type": ["c2p"], "type_vocab_size": 0, "talking_head": True},
         ("in_proj",)),
        ("esmc", {"bos_token_id": 1, "eos_token_id": 2, "mask_token_id": 3, "head_dim": 8, "num_key_value_heads": 3},
         ("v_proj",)),
    ],
)  # fmt: skip
def test_a_masked_head_changes_no_other_one(
    model_type: str, more: dict[str, Any], left_out: tuple[str, ...], task: Task
) -> None:
    """DeBERTa's heads may talk with each other, ESM C normalises the queries of all together."""
    masked, rows = of_family(model_type, task, **more), torch.arange(12)
    silent = copy.deepcopy(masked)
    before = {name: value.clone() for name, value in masked.state_dict().items()}
    masks, parts = exact_masks(masked, [[1], []], rows)
    assert all(torch.equal(value, before[name]) for name, value in masked.state_dict().items())
    attach_masks(masked, masks)
    output = silent.layers[0].get_submodule(silent.family.attention(silent.layers[0]).output)
    output.register_forward_pre_hook(lambda _, given: given[0].index_fill(-1, torch.arange(8, 16), 0.0))
    expected = predict(silent, rows)
    torch.testing.assert_close(predict(masked, rows), expected, atol=1e-5, rtol=1e-5)
    assert {name.split(".")[-2] for name in masks} == {output_name(masked), *left_out}
    if "talking_head" in more:  # of the one matrix the values alone, which are a third of a head's rows
        (mask,) = (mask for name, mask in masks.items() if name.endswith("in_proj.weight"))
        assert (~mask).any(1).nonzero().flatten().tolist() == list(range(40, 48))
    elif model_type != "esmc":
        assert parts == PARTS
        every = head_masks(masked, [[1], []], PARTS)
        assert masks.keys() == every.keys()
        assert all(torch.equal(masks[name], mask) for name, mask in every.items())


def output_name(model: Classifier) -> str:
    return model.family.attention(model.layers[0]).output.rpartition(".")[2]


def test_the_output_of_the_heads_is_what_reads_them_or_is_not_found(task: Task) -> None:
    """LiLT's last matrix of attention reads the layout's, as wide as the text's or narrower."""
    narrow, wide = (of_family("lilt", task, num_attention_heads=4, channel_shrink_ratio=ratio) for ratio in (2, 1))
    assert narrow.family.attention(narrow.layers[0]).output == "attention.output.dense"
    few = Task(task.store, task.train_rows[:6], task.train_labels[:6], *[task.validation_rows] * 2, 2, "few")
    assert head_importance(narrow, few).shape == (2, 4)
    with pytest.raises(UserError, match="the queries, keys and values of a LiltLayer are not found, which pruning"):
        wide.family.attention(wide.layers[0])


def test_an_output_that_has_no_part_in_the_logits_is_told(
    model: Classifier, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Task(task.store, task.train_rows[:6], task.train_labels[:6], *[task.validation_rows] * 2, 2, "few")
    wide = of_family("lilt", task, num_attention_heads=4, channel_shrink_ratio=1)
    aside = Attention("attention.self.query", "attention.self.key", "attention.self.value",
                      "attention.layout_output.dense")  # fmt: skip
    monkeypatch.setattr(Family, "attention", lambda *_: aside)
    with pytest.raises(UserError, match="of a LiltLayer are not found, which pruning heads"):
        head_importance(wide, few)


def test_weights_of_a_model_without_matrices_are_told_before_any_training(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clbench.compression import task as task_module

    monkeypatch.setattr(task_module, "fit", lambda *_, **__: pytest.fail("trained"))

    class Squeezed(SmallBackbone):
        def classifier(self, num_labels: int, seed: int) -> Classifier:
            return of_family("squeezebert", task, embedding_size=24, num_attention_heads=4)

    mine = recipe(tmp_path, {"step": "prune_weights", "sparsity": 0.5, "training": TRAINING})
    with pytest.raises(UserError, match=r"mine\.yaml: the step prune_weights needs matrices .*'squeezebert' has none"):
        build(mine, Squeezed(), task, seed=0)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_magnitude_masks_keep_the_largest_of_all_matrices_together(model: Classifier, sparsity: float) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    masks = magnitude_masks(model, sparsity)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert set(masks) == {f"{name}.weight" for name in prunable(model)}
    assert len(masks) == 4 * 6
    sizes = np.concatenate([before[name].abs().flatten().numpy() for name in masks])
    kept = np.concatenate([mask.flatten().numpy() for mask in masks.values()])
    count = round(sparsity * len(sizes))
    assert (~kept).sum() == count
    assert sizes[~kept].max() <= np.sort(sizes)[count]


@given(target=st.floats(0.01, 0.99), rounds=st.integers(1, 20))
def test_every_round_takes_the_same_share_of_what_is_left(target: float, rounds: int) -> None:
    left = [1 - sparsity_of_round(target, number, rounds) for number in range(rounds + 1)]
    ratios = [b / a for a, b in pairwise(left)]
    assert left[-1] == pytest.approx(1 - target)
    assert ratios == pytest.approx([ratios[0]] * rounds)


def test_masks_hold_through_training_with_decay_and_momentum(model: Classifier, task: Task) -> None:
    masks = magnitude_masks(model, 0.6)
    attach_masks(model, masks)
    form = Training(epochs=2, learning_rate=3e-3, batch_size=16, weight_decay=0.1)
    dense = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, task, form, finetune_loss(task), seed=0, name="x")
    after = model.state_dict()
    assert all(bool((after[name][~mask] == 0).all()) for name, mask in masks.items())
    assert all(not torch.equal(after[name][mask], dense[name][mask]) for name, mask in masks.items())


def test_one_shot_and_from_the_cache_the_same(backbone: SmallBackbone, task: Task, tmp_path: Path) -> None:
    mine = recipe(tmp_path, {"step": "prune_weights", "sparsity": 0.5, "training": TRAINING})
    told: list[str] = []
    with advances(lambda name, *_: told.append(name)):
        made = build(mine, backbone, task, seed=0)
    assert list(dict.fromkeys(told)) == ["prune_weights mine, round 1", "prune_weights mine, pruned"]
    weights = torch.cat([module.weight.flatten() for module in prunable(made.model).values()])
    assert float((weights == 0).float().mean()) == pytest.approx(0.5, abs=0.002)
    with advances(lambda *_: pytest.fail("it is in the cache")):
        again = build(mine, backbone, task, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(made.model.parameters(), again.model.parameters(), strict=True))
    # From the cache as well, the masks hold in what follows.
    zero = {name: value == 0 for name, value in again.model.state_dict().items() if name.endswith("dense.weight")}
    fit(
        again.model,
        task,
        Training(epochs=1, learning_rate=1e-2, batch_size=16),
        finetune_loss(task),
        seed=1,
        name="life",
    )
    assert all(bool((again.model.state_dict()[name][mask] == 0).all()) for name, mask in zero.items())
    assert made.steps[0]["details"]["sparsity"] == 0.5


@pytest.mark.parametrize("rewind", [0.0, 0.5])
def test_a_ticket_is_rewound_to_its_early_weights(backbone, task, tmp_path, monkeypatch, rewind: float) -> None:
    from clbench.compression import task as task_module

    starts: list[dict[str, torch.Tensor]] = []
    real = task_module.fit

    def spy(model, task, form, loss, **given):
        starts.append({name: value.clone() for name, value in model.state_dict().items()})
        return real(model, task, form, loss, **given)

    monkeypatch.setattr(task_module, "fit", spy)
    steps = {"step": "prune_weights", "sparsity": 0.75, "rounds": 2, "rewind": rewind, "training": TRAINING}
    build(recipe(tmp_path, steps), backbone, task, seed=0)
    assert len(starts) == 3
    # Early: the same training, stopped after so many of its steps of 16 examples.
    early = backbone.classifier(2, 0).with_tokens(task.store)
    if rewind:

        class Stop(Exception):
            pass

        def stop(name: str, seen: int, count: int) -> None:
            if seen >= rewind * len(task.train_rows):
                raise Stop

        from clbench.compression.plan import _seed

        form = Training(epochs=2, learning_rate=backbone.learning_rate, batch_size=16)
        with pytest.raises(Stop), advances(stop):
            fit(early, task, form, finetune_loss(task), seed=_seed(0, 0), name="x")
    for start, sparsity in ((starts[1], 0.5), (starts[2], 0.75)):
        masks = {name: start[f"{name}.weight"] != 0 for name in prunable(early)}
        total = torch.cat([mask.flatten() for mask in masks.values()])
        assert 1 - float(total.float().mean()) == pytest.approx(sparsity, abs=0.002)
        for name, value in early.state_dict().items():
            kept = masks.get(name.removesuffix(".weight"), torch.ones_like(value, dtype=torch.bool))
            assert torch.equal(start[name][kept], value[kept]), name
    # A ticket's mask is within the earlier one's.
    for name in prunable(early):
        assert not ((starts[1][f"{name}.weight"] == 0) & (starts[2][f"{name}.weight"] != 0)).any()


def test_rounds_are_trained_in_their_own_way(backbone, task, tmp_path, monkeypatch) -> None:
    """The mask is that of the rounds' training, however what is left is trained."""
    from clbench.compression import task as task_module

    trainings: list[Training] = []
    real = task_module.fit

    def spy(model, task, form, loss, **given):
        trainings.append(form)
        return real(model, task, form, loss, **given)

    monkeypatch.setattr(task_module, "fit", spy)
    ticket = {"step": "prune_weights", "sparsity": 0.5, "rounds": 2, "rewind": 1, "training": TRAINING}
    whole = build(recipe(tmp_path, ticket), backbone, task, seed=0)
    short = {"epochs": 1, "learning_rate": 1e-4, "batch_size": 16}
    apart = recipe(tmp_path, ticket | {"training": short, "round_training": TRAINING})
    made = build(apart, backbone, task, seed=0)
    # The rounds are those of the other recipe, and are not trained again; the model is the same as if they were.
    assert [form.epochs for form in trainings] == [2, 2, 2, 1]
    assert [form.learning_rate for form in trainings] == [*[backbone.learning_rate] * 3, 1e-4]
    for folder in ("models", "parts"):
        shutil.rmtree(root() / folder)
    alone = build(apart, backbone, task, seed=0)
    assert [form.epochs for form in trainings[4:]] == [2, 2, 1]
    assert all(torch.equal(a, b) for a, b in zip(alone.model.parameters(), made.model.parameters(), strict=True))
    # Other rounds are other ones.
    build(recipe(tmp_path, ticket | {"training": short, "round_training": short}), backbone, task, seed=0)
    build(recipe(tmp_path, ticket | {"rounds": 1}), backbone, task, seed=0)
    build(apart, backbone, task, seed=1)
    assert [form.epochs for form in trainings[7:]] == [1, 1, 1, 2, 2, 2, 2, 1]
    zeros = [{name: value == 0 for name, value in one.model.state_dict().items()} for one in (whole, made)]
    assert all(torch.equal(zeros[0][f"{name}.weight"], zeros[1][f"{name}.weight"]) for name in prunable(made.model))
    assert "round_training" not in recipe(tmp_path, ticket).describe()["steps"][0]
    assert [artifact.epochs for artifact in plan(apart, backbone, task.digest, seed=0).artifacts] == [5]
    with pytest.raises(UserError, match="rewind should be at most the 1 epochs of a round's training"):
        recipe(tmp_path, ticket | {"rewind": 2, "round_training": short})


@pytest.mark.parametrize("rewind", [0.0, 0.5])
def test_an_interrupted_ticket_resumes_with_the_round_that_it_was_in(backbone, task, tmp_path, rewind: float) -> None:
    class Stop(Exception):
        pass

    told: list[str] = []

    def stop(name: str, *_: int) -> None:
        if name.endswith("round 3"):
            raise Stop
        told.append(name)

    steps = {"step": "prune_weights", "sparsity": 0.75, "rounds": 3, "rewind": rewind, "training": TRAINING}
    ticket = recipe(tmp_path, steps)
    with pytest.raises(Stop), advances(stop):
        build(ticket, backbone, task, seed=0)
    assert list(dict.fromkeys(told)) == [f"prune_weights mine, round {number}" for number in (1, 2)]
    told.clear()
    with advances(lambda name, *_: told.append(name)):
        resumed = build(ticket, backbone, task, seed=0)
    assert list(dict.fromkeys(told)) == [f"prune_weights mine, {part}" for part in ("round 3", "pruned")]
    for folder in ("models", "parts"):
        shutil.rmtree(root() / folder)
    whole = build(ticket, backbone, task, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True))


def test_heads_are_pruned_in_a_recipe_and_stay_pruned(backbone: SmallBackbone, task: Task, tmp_path: Path) -> None:
    mine = recipe(
        tmp_path, {"step": "finetune", "training": TRAINING}, {"step": "prune_heads", "share": 0.375},
        {"step": "finetune", "training": TRAINING},
    )  # fmt: skip
    made = build(mine, backbone, task, seed=0)
    heads = made.steps[1]["details"]["heads"]
    assert sum(map(len, heads)) == 3
    for number, part in enumerate(heads):
        dense = made.model.hf.bert.encoder.layer[number].attention.output.dense.weight
        for head in (1, 2):
            assert bool((dense[:, 8 * (head - 1) : 8 * head] == 0).all()) == (head in part)


def test_forms_that_say_nothing_sensible(tmp_path: Path) -> None:
    from clbench.errors import UserError

    for step, message in (
        ({"step": "prune_weights", "sparsity": 1.0, "training": TRAINING}, "sparsity"),
        (
            {"step": "prune_weights", "sparsity": 0.5, "rewind": 3, "training": TRAINING},
            "rewind should be at most the 2 epochs of a round",
        ),
        ({"step": "prune_heads", "share": 0.5}, "one step has to train"),
    ):
        with pytest.raises(UserError, match=message):
            recipe(tmp_path, step)


def test_what_the_cache_keeps_of_masks_is_what_the_model_holds(backbone, task, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    steps = {"step": "prune_weights", "sparsity": 0.3, "training": TRAINING}
    made = build(recipe(tmp_path, steps), backbone, task, seed=0)
    (file,) = (tmp_path / "cache" / "models").rglob("masks.safetensors")
    for name, mask in load_file(file).items():
        assert torch.equal(made.model.state_dict()[name] != 0, mask.bool()), name


def test_masks_of_several_rounds_are_one_a_parameter(model: Classifier) -> None:
    name, weight = next((n, p) for n, p in model.named_parameters() if n.endswith("query.weight"))
    first, second = (torch.ones_like(weight, dtype=torch.bool) for _ in range(2))
    first[0], second[:, 0] = False, False
    attach_masks(model, {name: first})
    attach_masks(model, {name: second})
    assert len(model.held) == len(weight._backward_hooks) == 1
    assert torch.equal(weight != 0, first & second)
    weight.sum().backward()
    assert torch.equal(weight.grad != 0, first & second)


def test_masks_of_layers_that_are_gone_are_gone_and_a_copy_has_its_own(model: Classifier) -> None:
    attach_masks(model, magnitude_masks(model, 0.5))
    held = len(model.held)
    keep_layers(model, [1, 3])
    assert len(model.held) == held // 2
    twin = copy.deepcopy(model)
    name = next(iter(prunable(twin)))
    weight = twin.get_parameter(f"{name}.weight")
    weight.sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad != 0, weight != 0)
    assert model.get_parameter(f"{name}.weight").grad is None
    # Of a frozen one too, as adapters leave it, or what is evaluated in int8; trained again it holds them.
    frozen = copy.deepcopy(model.requires_grad_(False))
    weight = frozen.get_parameter(f"{name}.weight")
    assert not weight.requires_grad
    weight.requires_grad_(True).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad != 0, weight != 0)


def test_a_share_that_prunes_no_head_is_refused(tmp_path: Path, backbone: SmallBackbone) -> None:
    trained = {"step": "finetune", "training": TRAINING}
    for shares, told in (
        ((0.01,), r"field 'share' should be at least a head's, so 0\.125 of 8 heads, but is 0\.01, which prunes none"),
        ((0.25, 0.25), r"field 'share' of the later step prune_heads should be above 0\.25, since heads that are gone"),
    ):
        steps = [step for share in shares for step in ({"step": "prune_heads", "share": share}, trained)]
        with pytest.raises(UserError, match=told):
            plan(recipe(tmp_path, *steps), backbone)  # type: ignore[arg-type]
    more = [{"step": "prune_heads", "share": 0.25}, trained, {"step": "prune_heads", "share": 0.5}]
    plan(recipe(tmp_path, *more), backbone)  # type: ignore[arg-type]
    layers = [
        {"step": "prune_heads", "share": 0.25},
        {"step": "prune_layers", "drop": "top", "depth": 2},
        more[0],
        trained,
    ]
    plan(recipe(tmp_path, *layers), backbone)  # type: ignore[arg-type]


def test_a_share_that_would_leave_a_layer_without_heads_is_refused(tmp_path: Path, backbone: SmallBackbone) -> None:
    heads = backbone.shape.num_attention_heads
    steps = [{"step": "prune_heads", "share": (heads - 1) / heads}, {"step": "finetune", "training": TRAINING}]
    for share, fits in (((heads - 1) / heads, True), (0.99, False)):
        steps[0]["share"] = share
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", "steps": steps}))
        if fits:
            plan(read_recipe(str(tmp_path / "mine.yaml")), backbone)  # type: ignore[arg-type]
            continue
        with pytest.raises(UserError, match=r"mine\.yaml: field 'share' should leave a head in every layer, so"):
            plan(read_recipe(str(tmp_path / "mine.yaml")), backbone)  # type: ignore[arg-type]


def test_a_sample_is_of_the_whole_file(task: Task) -> None:
    """Which may be sorted by class."""
    many = replace(task, train_rows=np.arange(5000))
    found = many.sample(512)
    assert len(set(found.tolist())) == 512
    assert (np.diff(found) > 0).all()
    assert 0 <= found[0] < 100
    assert 4900 < found[-1] < 5000
    assert abs(found.mean() - 2500) < 200
    np.testing.assert_array_equal(many.sample(512), found)
    np.testing.assert_array_equal(task.sample(10**6), np.arange(len(task.train_rows)))
