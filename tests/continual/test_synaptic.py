"""Synaptic intelligence against a form written out, and why Avalanche's plugin is not used as it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from life_worlds import Bag, World, strategy
from torch import Tensor, nn

from clbench.continual import avalanche
from clbench.continual.benchmark import benchmark
from clbench.continual.learner import build
from clbench.continual.synaptic import PathObserver, SynapticIntelligence
from clbench.continual.training import TrainingPlugin
from clbench.schema.strategy import own_plugin


def walk(world: World, model: Bag, steps: int, around: Callable[[str, Any], None]) -> None:
    """``steps`` steps of AdamW on the first domain, with ``around`` told of each."""
    model.eval()
    step = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = world.experiences[0]
    for number in range(steps):
        rows = torch.from_numpy(first.train_rows[16 * number : 16 * number + 16])
        labels = torch.from_numpy(first.train_labels[16 * number : 16 * number + 16])
        step.zero_grad()
        nn.functional.cross_entropy(model(rows), labels).backward()
        around("before", model)
        step.step()
        around("after", model)


def flat(model: Bag) -> dict[str, Tensor]:
    return {name: p.detach().clone().flatten() for name, p in model.named_parameters()}


def test_omega_is_that_of_the_paper(world: World) -> None:
    torch.manual_seed(0)
    model, eps = Bag(world.tokens), 1e-4
    observer = PathObserver(eps)
    start, along, last = flat(model), {n: torch.zeros_like(v) for n, v in flat(model).items()}, flat(model)

    def around(when: str, model: Bag) -> None:
        nonlocal last
        if when == "before":
            observer.before_iteration(model)
            last = flat(model)
        else:
            for name, p in model.named_parameters():
                assert p.grad is not None
                along[name] -= p.grad.flatten() * (p.detach().flatten() - last[name])
            observer.after_iteration(model)

    observer.before_training(model)
    walk(world, model, 8, around)
    observer.after_training(model)
    state, end = observer.state(), flat(model)
    for name in along:
        omega = along[name] / ((end[name] - start[name]) ** 2 + eps)
        assert omega.max() > 0
        torch.testing.assert_close(state[f"sum/{name}"], omega, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(state[f"importance/{name}"], omega.clamp(min=0), rtol=1e-4, atol=1e-6)
        assert torch.equal(state[f"weights/{name}"], end[name])


def test_the_path_is_along_the_domain_s_loss_alone(world: World) -> None:
    """In a life: neither the penalty's gradient nor clipping is in it, though both are in the step."""
    form = strategy("si", **{"lambda": 50.0, "training.epochs": 1, "training.max_grad_norm": 0.01})
    experience = benchmark(world.experiences).train_stream[0]
    training = TrainingPlugin(form.training, world.experiences[:1], lambda *_: None)
    torch.manual_seed(0)
    model = Bag(world.tokens)
    learner = build(form, model, training, [], {}, epochs=1)
    plugin: Any = own_plugin(learner)
    plugin.importance = {name: torch.rand_like(value) for name, value in flat(model).items()}
    along, seen = {name: torch.zeros_like(value) for name, value in flat(model).items()}, list[Any]()
    after_backward, step_to = plugin.after_backward, plugin.step_to

    def backward(strategy: Any, **more: Any) -> None:
        # Nothing has been added to it yet, and it has not been clipped.
        seen.append((flat(model), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}))
        after_backward(strategy, **more)

    def step(model: Bag) -> None:
        before, gradients = seen[-1]
        for name, now in flat(model).items():
            along[name] -= gradients[name].flatten() * (now - before[name])
        step_to(model)

    plugin.after_backward, plugin.step_to = backward, step
    learner.train(experience, eval_streams=[])
    assert len(seen) > 2
    for name, value in along.items():
        torch.testing.assert_close(plugin.path[name], value, rtol=1e-3, atol=1e-6)


def test_the_path_ends_at_the_weights_that_are_kept(world: World) -> None:
    """Eight steps of which the first four are kept, against four steps."""
    states = []
    for steps in (4, 8):
        torch.manual_seed(0)
        model, observer = Bag(world.tokens), PathObserver(1e-4)
        observer.before_training(model)
        done, kept = 0, dict[str, Tensor]()

        def around(when: str, model: Bag, observer: PathObserver = observer) -> None:
            nonlocal done, kept
            if when == "before":
                observer.before_iteration(model)
                return
            observer.after_iteration(model)
            done += 1
            if done == 4:
                observer.epoch_kept(model)
                kept = {name: value.clone() for name, value in model.state_dict().items()}

        walk(world, model, steps, around)
        model.load_state_dict(kept)
        observer.after_training(model)
        states.append(observer.state())
    four, eight = states
    assert four.keys() == eight.keys()
    assert all(torch.equal(four[name], eight[name]) for name in four)


@pytest.mark.parametrize("select", ["best", "last"])
def test_in_a_life_the_path_ends_at_the_epoch_that_is_kept(
    world: World, select: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three epochs, of which the second is the best."""
    form = strategy("si", **{"training.epochs": 3, "training.select": select})
    experience = benchmark(world.experiences).train_stream[0]
    training = TrainingPlugin(form.training, world.experiences[:1], lambda *_: None)
    scores = iter([0.6, 0.9, 0.7])
    monkeypatch.setattr(training, "judge", lambda _: {"first": next(scores)})
    torch.manual_seed(0)
    model = Bag(world.tokens)
    learner = build(form, model, training, [], {}, epochs=3)
    plugin: Any = own_plugin(learner)
    start, paths = flat(model), []
    end_of_epoch = plugin.after_training_epoch

    def watched(*arguments: Any, **more: Any) -> None:
        paths.append({name: value.clone() for name, value in plugin.path.items()})
        end_of_epoch(*arguments, **more)

    monkeypatch.setattr(plugin, "after_training_epoch", watched)
    learner.train(experience, eval_streams=[])
    end, path = flat(model), paths[1 if select == "best" else 2]
    for name in end:
        expected = path[name] / ((end[name] - start[name]).square() + form.eps)
        torch.testing.assert_close(plugin.total[name], expected)
    assert any(not torch.equal(path[name], plugin.path[name]) for name in path) is (select == "best")


def test_avalanches_own_memory_of_weights_is_no_memory_on_a_cpu(world: World) -> None:
    """The defect that the module mends; should this fail, Avalanche has mended it and the copies can go."""
    torch.manual_seed(0)
    model, plugin = Bag(world.tokens), avalanche.SynapticIntelligencePlugin(1.0)
    own = plugin.ewc_data, plugin.syn_data, plugin.excluded_parameters
    plugin.create_syn_data(model, *own)
    plugin.init_batch(model, *own)

    def around(when: str, model: Bag) -> None:
        (plugin.pre_update if when == "before" else plugin.post_update)(model, *own[1:])

    walk(world, model, 4, around)
    assert all(data.data.abs().max() == 0 for data in plugin.syn_data["trajectory"].values())


def test_a_parameter_without_a_gradient_has_gone_no_way(world: World) -> None:
    torch.manual_seed(0)
    model, observer = Bag(world.tokens), PathObserver(1e-7)
    observer.before_training(model)

    def around(when: str, model: Bag) -> None:
        if when == "before":
            model.hidden.bias.grad = None  # as of a layer that was left out
            observer.before_iteration(model)
        else:
            observer.after_iteration(model)

    walk(world, model, 4, around)
    observer.after_training(model)
    assert observer.state()["sum/hidden.bias"].abs().max() == 0
    assert observer.state()["sum/head.weight"].abs().max() > 0


def test_frozen_parameters_are_left_out(world: World) -> None:
    model = Bag(world.tokens)
    model.embedding.requires_grad_(False)
    plugin = SynapticIntelligence(si_lambda=1.0, eps=1e-7)
    plugin.begin(model)
    assert set(plugin.weights) == {n for n, _ in model.named_parameters()} - {"embedding.weight"}
    plugin.add_penalty(model)
    assert model.embedding.weight.grad is None
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in model.head.parameters())


def test_the_penalty_s_gradient_is_that_of_autograd_to_the_last_bit(world: World) -> None:
    """lambda/2 sum_i Omega_i (w_i - w*_i)^2 as a part of the loss."""
    torch.manual_seed(0)
    model, plugin = Bag(world.tokens).eval(), SynapticIntelligence(si_lambda=3.7, eps=1e-4)
    plugin.begin(model)
    plugin.importance = {name: torch.rand_like(value) * 1e-3 for name, value in plugin.weights.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    first = world.experiences[0]
    rows, labels = torch.from_numpy(first.train_rows[:16]), torch.from_numpy(first.train_labels[:16])
    loss = nn.functional.cross_entropy(model(rows), labels)
    parts = [
        torch.dot(plugin.importance[name], (p.flatten() - plugin.weights[name]) ** 2) * (plugin.si_lambda / 2)
        for name, p in model.named_parameters()
    ]
    (loss + sum(parts)).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    nn.functional.cross_entropy(model(rows), labels).backward()
    plugin.add_penalty(model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, expected[name]), name
