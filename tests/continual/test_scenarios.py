"""Which classes are told apart, and when: heads that grow, closed classes, and what strategies make of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from clbench.continual import Checkpoints, Evaluation, live
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.head import OpenClasses, grow_head, head_parameters, spread, spread_flat
from clbench.encoder.reference import ReferenceModel
from clbench.schema.scenario import CLASS, DOMAIN, TASK, open_classes
from clbench.schema.strategy import own_plugin, parse_strategy
from clbench.testing.worlds import Small, small

CLASSES = {"a": (0, 1), "b": (1, 2), "c": (3, 4)}
TRAINING = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 16}


@pytest.fixture(scope="module")
def world() -> Small:
    return small()


def model_of(world: Small, classes: int = 2) -> Classifier:
    return world.backbone.classifier(classes, 0).with_tokens(world.store).eval()


@pytest.mark.parametrize(
    ("scenario", "met", "domain", "wanted"),
    [
        (DOMAIN, ["a"], "a", (0, 1)),
        (DOMAIN, ["a"], "c", (3, 4)),
        (TASK, ["a", "b"], "b", (1, 2)),
        (TASK, ["a"], "c", (3, 4)),
        (CLASS, ["a"], "c", (0, 1)),
        (CLASS, ["a", "b"], "a", (0, 1, 2)),
        (CLASS, ["c", "a", "b"], "b", (0, 1, 2, 3, 4)),
    ],
)
def test_open_classes_by_hand(scenario: str, met: list[str], domain: str, wanted: tuple[int, ...]) -> None:
    assert open_classes(scenario, CLASSES, met, domain) == wanted  # type: ignore[arg-type]


def test_closed_classes_have_no_part_in_a_loss() -> None:
    """The loss is that of a softmax over the open classes alone, and closed logits get no gradient."""
    opened = OpenClasses.of(torch.tensor([0, 1, 0]), [(0, 2), (1, 2, 3)], 4)
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.tensor([2, 1, 0])
    loss = torch.nn.functional.cross_entropy(opened(logits, torch.tensor([0, 1, 2])), labels)
    alone = [
        torch.nn.functional.cross_entropy(logits[row, known][None], torch.tensor([known.index(label)]))
        for row, known, label in ((0, [0, 2], 2), (1, [1, 2, 3], 1), (2, [0, 2], 0))
    ]
    assert loss.item() == pytest.approx(sum(one.item() for one in alone) / 3, rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[0, [1, 3]] == 0).all()
    assert logits.grad[1, 0] == 0
    assert (logits.grad[[0, 2]][:, [0, 2]] != 0).all()


def test_a_closed_class_is_never_answered(world: Small) -> None:
    model = model_of(world, 6)
    groups = torch.zeros(len(world.store), dtype=torch.int64)
    groups[::2] = 1
    model.open = OpenClasses.of(groups, [(1, 4), (0, 5)], 6)
    found = predict(model, torch.arange(len(world.store))).argmax(-1)
    assert set(found[::2].tolist()) <= {0, 5}
    assert set(found[1::2].tolist()) <= {1, 4}
    every = predict(model, torch.arange(len(world.store)))
    assert torch.isfinite(every).all()


@pytest.mark.parametrize("kind", ["encoder", "bow", "majority"])
def test_a_head_grows_and_says_of_before_what_it_said(world: Small, kind: str) -> None:
    model: Classifier | ReferenceModel
    if kind == "encoder":
        model = model_of(world)
    else:
        model = ReferenceModel(2, 64 if kind == "bow" else None).with_tokens(world.store)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    rows = torch.arange(12)
    before = predict(model, rows)
    grow_head(model, (1, 3), ("p", "q", "r", "s", "t"), seed=7)
    after = predict(model, rows)
    assert after.shape == (12, 5)
    torch.testing.assert_close(after[:, [1, 3]], before, rtol=1e-6, atol=1e-6)
    for name, dim in head_parameters(model).items():
        assert model.get_parameter(name).shape[dim] == 5
        assert model.get_parameter(name).requires_grad
    if isinstance(model, Classifier):
        assert model.config.num_labels == 5
        assert model.config.label2id == {"p": 0, "q": 1, "r": 2, "s": 3, "t": 4}


def test_a_new_class_begins_alike_whatever_else_comes(world: Small) -> None:
    """A row of the head is drawn by the seed and the class's name: of the width and spread that new heads have."""
    rows = {}
    for names in (("p", "q", "new", "z"), ("p", "q", "y", "new")):
        model = model_of(world)
        grow_head(model, (0, 1), names, seed=3)
        (weight,) = [p for name, p in model.named_parameters() if name in head_parameters(model) and p.dim() == 2]
        rows[names] = weight[names.index("new")]
        assert weight.std() < 1
    one, other = rows.values()
    assert torch.equal(one, other)
    model = model_of(world)
    grow_head(model, (0, 1), ("p", "q", "new"), seed=4)
    (weight,) = [p for name, p in model.named_parameters() if name in head_parameters(model) and p.dim() == 2]
    assert not torch.equal(weight[2], one)
    many = model_of(world)
    grow_head(many, (0, 1), [f"class {number}" for number in range(1000)], seed=0)
    (weight,) = [p for name, p in many.named_parameters() if name in head_parameters(many) and p.dim() == 2]
    assert weight[2:].std().item() == pytest.approx(many.config.initializer_range, rel=0.02)


def test_what_an_observer_saw_grows_with_the_head(world: Small) -> None:
    model = model_of(world)
    name = next(name for name, dim in head_parameters(model).items() if model.get_parameter(name).dim() == 2)
    width = model.get_parameter(name).shape[1]
    flat = torch.arange(2.0 * width)
    grow_head(model, (0, 2), ("p", "q", "r"), seed=0)
    found = spread_flat({f"sum/{name}": flat, "sum/other": torch.ones(3)}, model, (0, 2))
    assert torch.equal(found["sum/other"], torch.ones(3))
    grown = found[f"sum/{name}"].view(3, width)
    assert torch.equal(grown[[0, 2]].flatten(), flat)
    assert (grown[1] == 0).all()
    assert torch.equal(spread(torch.tensor([[1.0, 2.0]]), (2, 0), 3, 1), torch.tensor([[2.0, 0.0, 1.0]]))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_joint_training_opens_every_domains_classes_whatever_they_are_called(
    world: Small, number: int, tmp_path: Path
) -> None:
    experiences = list(world.in_scenario(CLASS))
    experiences[number] = replace(experiences[number], name="joint")
    form = parse_strategy({"name": "s", "training": TRAINING, "method": "joint"}, "s.yaml")
    model = model_of(world, 6)
    live(model, experiences, form, seed=0, evaluation=Evaluation(world.evaluate), checkpoints=Checkpoints(tmp_path, ""))
    assert model.open is experiences[2].opened


def learner_of(world: Small, method: dict[str, object], scenario: str, number: int) -> tuple[object, Classifier]:
    """Avalanche's object about to train experience ``number``, its model with a head for all six classes."""
    from clbench.continual.benchmark import benchmark

    form = parse_strategy({"name": "s", "training": TRAINING, **method}, "s.yaml")
    experiences = world.in_scenario(scenario)  # type: ignore[arg-type]
    model = model_of(world, 6)
    stream = benchmark(experiences).train_stream
    state: dict[str, Tensor] = {}
    for t in range(number):
        model.open = experiences[t].opened
        training = TrainingPlugin(form.training, experiences[:1], lambda *_: None)
        learner = build(form, model, training, stream[:t], state, 1 if t else 0)
        learner.train(stream[t], eval_streams=[])
        state = form.state(learner)
    model.open = experiences[number].opened
    training = TrainingPlugin(form.training, experiences[:1], lambda *_: None)
    return build(form, model, training, stream[:number], state, 1), model


def test_lwf_asks_the_heads_of_earlier_domains(world: Small) -> None:
    """On a new domain's rows: alpha times the sum over earlier heads of KL(old || new), softened, by the numbers."""
    method: dict[str, object] = {"method": "lwf", "alpha": 0.7, "temperature": 2.0}
    learner, model = learner_of(world, method, TASK, 2)
    plugin = own_plugin(learner)
    old = copy.deepcopy(plugin.lwf.prev_model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    rows = torch.from_numpy(world.experiences[2].train_rows[:8])
    model.train(False)
    said = model(rows)
    strategy = SimpleNamespace(model=model, mb_x=rows, mb_output=said, loss=torch.zeros(()))
    plugin.before_backward(strategy)
    old.open = model.open = None
    one, other = old(rows).detach().double().numpy(), model(rows).detach().double().numpy()
    wanted = 0.0
    for head in ((0, 1), (2, 3)):
        p, q = (np.exp(x[:, head] / 2.0) for x in (one, other))
        p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
        wanted += 0.7 * (p * np.log(p / q)).sum() / len(rows)
    assert strategy.loss.item() == pytest.approx(wanted, rel=1e-4)
    assert wanted > 0


def test_lwf_tells_seen_classes_apart_as_before(world: Small) -> None:
    """Where classes come with their domains, KL is over those that were seen before."""
    method: dict[str, object] = {"method": "lwf", "alpha": 1.0, "temperature": 1.0}
    learner, model = learner_of(world, method, CLASS, 2)
    plugin = own_plugin(learner)
    old = copy.deepcopy(plugin.lwf.prev_model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)
    rows = torch.from_numpy(world.experiences[2].train_rows[:8])
    model.train(False)
    strategy = SimpleNamespace(model=model, mb_x=rows, mb_output=model(rows), loss=torch.zeros(()))
    plugin.before_backward(strategy)
    old.open = model.open = None
    seen = sorted({*world.experiences[0].train_labels.tolist()} | {2 + n for n in world.experiences[1].train_labels})
    p, q = (torch.softmax(x(rows)[:, seen].double(), 1) for x in (old, model))
    wanted = (p * (p / q).log()).sum(1).mean().item()
    assert strategy.loss.item() == pytest.approx(wanted, rel=1e-4)


def test_replay_by_class_keeps_equal_shares(world: Small) -> None:
    from clbench.continual.benchmark import contents

    method: dict[str, object] = {"method": "replay", "memory_size": 24, "balance": "class"}
    learner, _ = learner_of(world, method, CLASS, 2)
    groups = own_plugin(learner).storage_policy.buffer_groups
    assert {number: len(group.buffer) for number, group in groups.items()} == {0: 6, 1: 6, 2: 6, 3: 6}
    for number, group in groups.items():
        assert set(contents(group.buffer)[1].tolist()) == {number}


def test_the_setting_of_before_is_written_as_before() -> None:
    form = parse_strategy({"name": "s", "training": TRAINING, "method": "replay", "memory_size": 24}, "s.yaml")
    assert "balance" not in form.model_dump(mode="json")


def test_a_strategy_that_is_not_defined_for_a_scenario_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clbench.continual.strategies.agem import Agem
    from clbench.errors import UserError
    from clbench.runs.job import make_job
    from clbench.schema.spec import spec_of

    monkeypatch.setattr(Agem, "scenarios", (TASK,))
    with pytest.raises(
        UserError, match=r"'agem' .*is not defined for domain-incremental streams such as 'nli-shift'; it"
    ):
        make_job(spec_of("majority", "nli-shift", {"strategy": "agem"}))
