"""Training on a GPU against the same on the CPU: every family, every strategy, graphs, resuming. Skips without one.

``python -m pytest tests/gpu`` takes some minutes on one card; ``tests/speed/training.py --device cuda`` then prints how
fast it is.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

from clbench.compression.masks import attach_masks, hold_masks
from clbench.continual import Checkpoints, Evaluation, live
from clbench.continual.fisher import fisher_diagonal
from clbench.encoder.capture import captured
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.family import FAMILIES, family_of
from clbench.encoder.graphs import Graphs, begin_step
from clbench.encoder.head import grow_head
from clbench.encoder.optimization import Clipping, optimizer, schedule
from clbench.encoder.tokens import TokenStore, rows_on
from clbench.errors import NotFinite
from clbench.runtime.device import choose
from clbench.schema.scenario import DOMAIN
from clbench.schema.shipped import names
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training
from clbench.testing.worlds import LABELS, small

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testing"))
from test_encoder_families import small as small_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
TRAINING = Training(epochs=2, batch_size=8, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    yield
    torch.use_deterministic_algorithms(False)


def store(device: Any) -> TokenStore:
    lengths = np.array([3, 7, 20, 40, 12, 12, 33, 5])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    return TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2).on(device)


def made(model_type: str) -> Any:
    if model_type not in CONFIG_MAPPING:
        pytest.skip(f"this transformers has no {model_type}")
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(small_config(model_type, num_labels=2))
    packed = family_of(model_type).flat and hf._supports_attention_backend
    model = Classifier(hf, packed=packed)
    model.set_dropout(0.0)
    return model


def step_of(model: Any, device: Any, rows: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits in training and every gradient, on the CPU."""
    model = copy.deepcopy(model).with_tokens(store(device)).train()
    model.graphs = Graphs(patience=1)
    for _ in range(3):  # eagerly, captured, replayed
        model.zero_grad()
        begin_step(model)
        logits = model(rows)
        logits.square().sum().backward()
    gradients = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
    assert model.graphs._most
    assert bool(model.graphs._made) == (device.kind == "cuda")
    return logits.detach().cpu(), gradients


def train(model: Any, steps: int) -> None:
    step = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        step.zero_grad()
        begin_step(model)
        model(torch.arange(8)).square().sum().backward()
        step.step()


@pytest.mark.parametrize("model_type", FAMILIES.all())
def test_a_family_says_on_the_gpu_what_it_says_on_the_cpu(model_type: str) -> None:
    model, rows = made(model_type), torch.arange(8)
    expected, gradients = step_of(model, choose("cpu"), rows)
    found, on_gpu = step_of(model, choose("cuda", "float32"), rows)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(on_gpu[name], gradient, atol=1e-4 * max(1.0, float(gradient.abs().max())), rtol=1e-3)
    said = predict(copy.deepcopy(model).with_tokens(store(choose("cuda", "float32"))), rows)
    torch.testing.assert_close(said, predict(model.with_tokens(store(choose("cpu"))), rows), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model_type", [name for name, family in FAMILIES.all().items() if family.bfloat16])
def test_a_family_learns_in_bfloat16(model_type: str) -> None:
    model = made(model_type).with_tokens(store(choose("cuda"))).train()
    losses = []
    step = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for _ in range(6):
        begin_step(model)
        step.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.arange(8)), torch.arange(8, device="cuda") % 2)
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert model.graphs._most
    assert model.graphs._made
    assert losses[-1] < losses[0]


def test_what_a_graph_says_is_what_the_eager_step_says() -> None:
    """To the bit, so that a resumed life, whose first steps run eagerly once more, goes on in the same way."""
    said = []
    for patience in (0, 99):
        model = made("bert").with_tokens(store(choose("cuda", deterministic=True))).train()
        model.set_dropout(0.1)
        model.graphs = Graphs(patience=patience)
        torch.manual_seed(5)
        train(model, 4)
        assert bool(model.graphs._made) == (patience == 0)
        said.append([value.cpu() for value in model.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*said, strict=True))


def test_with_layerdrop_one_graph_serves_all_draws() -> None:
    models = [made("bert").with_tokens(store(choose("cuda", "float32"))).train() for _ in range(2)]
    models[1].graphs._most = 0
    for model in models:
        model.set_layerdrop(0.5)
    for seed in range(5):
        for model in models:
            model.zero_grad()
            begin_step(model)
            torch.manual_seed(seed)
            model(torch.arange(8)).square().sum().backward()
        ours, theirs = (
            {name: p.grad for name, p in model.named_parameters() if p.grad is not None} for model in models
        )
        assert set(ours) == set(theirs)
        for name, gradient in theirs.items():
            torch.testing.assert_close(ours[name], gradient, atol=1e-4, rtol=1e-3)
    assert len(models[0].graphs._made) == 1


def test_a_step_of_training_does_not_wait_for_the_device() -> None:
    model = made("bert").with_tokens(store(choose("cuda"))).train()
    step, clip = optimizer(model, TRAINING), Clipping(1.0)
    rows, labels = rows_on(torch.device("cuda"), torch.arange(8)), torch.arange(8, device="cuda") % 2

    def once() -> None:
        step.zero_grad()
        begin_step(model)
        loss = torch.nn.functional.cross_entropy(model(rows), labels)
        loss.backward()
        clip(model, loss, "here")
        schedule(step, 0.5)
        step.step()

    for _ in range(9):  # until all is captured
        once()
    assert model.graphs._made
    assert step._update._replay is not None
    assert clip._clip._replay is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is a prototype, torch says
            torch.cuda.set_sync_debug_mode("error")
        once()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_single_pairs_of_a_model_without_rules_are_replayed() -> None:
    """The Fisher information of an MPNet, whose relative positions belong to no example."""
    model = made("mpnet")
    rows, labels = torch.arange(8), torch.arange(8) % 2
    exact = fisher_diagonal(copy.deepcopy(model).with_tokens(store(choose("cpu"))), rows, labels)
    on_gpu = copy.deepcopy(model).with_tokens(store(choose("cuda", "float32")))
    on_gpu.graphs = Graphs(patience=0)
    found = fisher_diagonal(on_gpu, rows, labels)
    assert on_gpu.graphs._made
    assert all(p.grad is None for p in on_gpu.parameters())
    for name, value in exact.items():
        torch.testing.assert_close(found[name].cpu(), value, rtol=1e-2, atol=1e-3 * float(value.max()) + 1e-9)


def test_gradients_of_two_batches_are_summed_up() -> None:
    """A graph's gradients lie where its next replay writes."""
    model = made("bert").with_tokens(store(choose("cuda", "float32"))).train()
    model.graphs = Graphs(patience=0)
    rows = torch.arange(8)
    for _ in range(2):
        model.zero_grad()
        model(rows).square().sum().backward()
    once = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model(rows).square().sum().backward()
    for name, parameter in model.named_parameters():
        if name in once:
            torch.testing.assert_close(parameter.grad, 2 * once[name], rtol=1e-3, atol=1e-5)


def test_masked_weights_stay_zero_wherever_the_model_goes() -> None:
    model = made("bert")
    name = next(n for n, _ in model.named_parameters() if n.endswith("layer.0.output.dense.weight"))
    weight = dict(model.named_parameters())[name]
    attach_masks(model, {name: torch.arange(weight.numel()).view_as(weight) % 2})
    model.with_tokens(store(choose("cuda"))).train()
    train(model, 6)
    hold_masks(model)
    assert model.graphs._made
    assert weight.flatten()[::2].abs().max() == 0
    assert (weight.flatten()[1::2] != 0).all()


def test_clipping_and_steps_are_replayed_and_are_torch_s() -> None:
    weights = []
    for ours in (True, False):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)).cuda()
        form = TRAINING.model_copy(update={"max_grad_norm": 0.1})
        step, clip = optimizer(model, form), Clipping(0.1)
        if not ours:
            step = torch.optim.AdamW(step.param_groups, lr=form.learning_rate, fused=True)
        buffers = [torch.empty_like(p) for p in model.parameters()]
        draw = torch.Generator("cuda").manual_seed(3)
        for number in range(12):
            for parameter, buffer in zip(model.parameters(), buffers, strict=True):
                parameter.grad = buffer.normal_(generator=draw)
            schedule(step, 1 / (1 + number))
            if ours:
                clip(model, torch.zeros((), device="cuda"), "here")
            else:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            step.step()
        assert not ours or (step._update._replay is not None and clip._clip._replay is not None)
        weights.append([p.detach().cpu() for p in model.parameters()])
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_loss_that_is_not_finite_is_told_of_its_own_step() -> None:
    model, clip = torch.nn.Linear(2, 2).cuda(), Clipping(1.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    clip(model, torch.tensor(1.0, device="cuda"), "step 1")
    clip(model, torch.tensor(float("nan"), device="cuda"), "step 2")
    with pytest.raises(NotFinite, match=r"^step 2: .*the loss is nan"):
        clip(model, torch.tensor(1.0, device="cuda"), "step 3")
    clip(model, torch.tensor(float("inf"), device="cuda"), "step 4")
    with pytest.raises(NotFinite, match=r"^step 4: "):
        clip.settle()
    clip.settle()


def test_a_graph_draws_new_dropout_masks_each_time() -> None:
    model = made("bert").with_tokens(store(choose("cuda"))).train()
    model.set_dropout(0.3)
    said = []
    for _ in range(3):
        begin_step(model)
        said.append(model(torch.arange(8)).detach().clone())
    assert not torch.equal(said[0], said[1])
    assert not torch.equal(said[1], said[2])


def lived(name: str, folder: Path, device: Any, stop: int | None = None) -> dict[str, torch.Tensor]:
    """The weights after a life of three domains; with ``stop`` it is interrupted there and resumed."""
    world, strategy = small(), read_strategy(name).model_copy(update={"training": TRAINING})
    tokens = world.store.on(device)
    domain = DOMAIN in strategy.scenarios
    experiences = world.experiences if domain else [
        replace(one, opened=replace(one.opened, groups=one.opened.groups.to(device.torch),
                                    closed=one.opened.closed.to(device.torch)))
        for one in world.in_scenario(strategy.scenarios[0]) if one.opened is not None
    ]  # fmt: skip

    def life(count: int) -> Any:
        model = world.backbone.classifier(len(LABELS), 0).with_tokens(tokens)
        if not domain:
            grow_head(model, (0, 1), [f"class {number}" for number in range(6)], 0)
        live(
            model, experiences[:count], strategy, seed=0, evaluation=Evaluation(world.evaluate),
            checkpoints=Checkpoints(folder, "a test"),
            path=None,
        )  # fmt: skip
        return model

    if stop is not None:
        life(stop)
    return {key: value.cpu() for key, value in life(3).state_dict().items()}


def test_micro_batches_drop_the_same_when_they_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a recipe asks, with row numbers that are on the host."""
    found = []
    for plain in (False, True):
        model = made("bert").with_tokens(store(replace(choose("cuda", "float32"), micro_batch=3))).train()
        model.set_dropout(0.3)
        if plain:  # nothing is computed again
            monkeypatch.setattr("clbench.encoder.micro_batches.checkpoint", lambda ask, part, use_reentrant: ask(part))
        torch.manual_seed(5)
        model(torch.arange(8)).square().sum().backward()
        found.append({name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None})
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_a_capture_that_fails_leaves_the_device_as_it_was() -> None:
    there, drawn = torch.ones(9, device="cuda"), torch.zeros(9, device="cuda")
    before = captured(lambda: drawn.copy_(torch.nn.functional.dropout(torch.ones_like(drawn))), None)
    with pytest.raises(RuntimeError):
        captured(lambda: torch.nn.functional.dropout(there).sum().item(), None)
    assert set(torch.nn.functional.dropout(there).tolist()) <= {0.0, 2.0}
    before()
    assert set(drawn.tolist()) <= {0.0, 2.0}
    torch.manual_seed(1)
    before()
    first = drawn.tolist()
    torch.manual_seed(1)
    before()
    assert drawn.tolist() == first
    again = captured(lambda: there.mul_(2), None)
    again()
    again()
    assert there.tolist() == [4.0] * 9
    # What nobody holds any more can be given back.
    held = torch.empty(1 << 26, device="cuda")
    reserved = torch.cuda.memory_reserved()
    del held
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= reserved - (1 << 28)


@pytest.mark.parametrize("name", names("strategy"))
def test_a_strategy_lives_and_is_resumed(name: str, tmp_path: Path) -> None:
    if read_strategy(name).trains_on == "all":
        lived(name, tmp_path / "a", choose("cuda"))
        return
    device = choose("cuda", deterministic=True)
    whole = lived(name, tmp_path / "a", device)
    again = lived(name, tmp_path / "b", device, stop=2)
    assert all(torch.isfinite(value).all() for value in whole.values())
    for key, value in whole.items():
        assert torch.equal(value, again[key]), key


@pytest.mark.parametrize(
    "model", ["pkd-skip-6l", "prune-contribution-6l", "layerdrop-6l", "prune-heads-50", "lottery-50", "kd-relations-6l"]
)
def test_a_quick_run_on_the_gpu_says_where_it_was_made(model: str, tmp_path: Path) -> None:
    import clbench

    record = clbench.run(model=model, quick=True, device="cuda", out=tmp_path / "run")
    hardware = record.measured.hardware
    assert (hardware.device, hardware.precision) == ("cuda", "bfloat16")
    assert hardware.card == torch.cuda.get_device_name(0)
