"""A-GEM and GEM where not every parameter has a gradient: layers that LayerDrop leaves out, and frozen ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from life_worlds import strategy
from torch import Tensor, nn

from clbench.continual.benchmark import benchmark
from clbench.continual.learner import build
from clbench.continual.life import seed_everything
from clbench.continual.projection import flat_gradient
from clbench.continual.training import TrainingPlugin
from clbench.testing.worlds import small


class Three(nn.Module):
    """A parameter that is trained, one in a layer that may be left out, and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.left = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)


def projecting(method: str, reference: Tensor) -> Any:
    """The method's plugin in a step whose memory has the gradient ``reference``."""
    plugin = strategy(method, **{"margin": 0.0} if method == "gem" else {}).plugin()
    if method == "agem":
        plugin.buffers, plugin.reference_gradients = [None], reference
    else:
        plugin.memories, plugin._references = [{}], reference[None]
    return plugin


@pytest.mark.parametrize("method", ["agem", "gem"])
def test_a_layer_that_is_left_out_is_corrected_and_a_frozen_one_is_not(method: str) -> None:
    """g = (-1, none), r = (1, 2): <g, r> = -1, |r|^2 = 5, and g + r / 5 = (-4/5, 2/5) stands upright on r. Without its
    second part, <g, r> would be -4/5."""
    model, reference = Three(), torch.tensor([1.0, 2.0, 0.0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    model.used.grad = torch.tensor([-1.0])
    projecting(method, reference).after_backward(SimpleNamespace(model=model))
    assert model.used.grad.item() == pytest.approx(-0.8)
    assert model.left.grad is not None
    assert model.left.grad.item() == pytest.approx(0.4)
    assert torch.dot(flat_gradient(model), reference).item() == pytest.approx(0.0, abs=1e-6)
    # A gradient of zero would have AdamW decay it.
    assert model.frozen.grad is None
    optimizer.step()
    assert (model.frozen.item(), model.left.item() < 1) == (1.0, True)


@pytest.mark.parametrize("method", ["agem", "gem"])
def test_a_step_that_undoes_nothing_is_left_as_it_is(method: str) -> None:
    model = Three()
    model.used.grad = torch.tensor([1.0])
    projecting(method, torch.tensor([1.0, 2.0, 0.0])).after_backward(SimpleNamespace(model=model))
    assert (model.used.grad.item(), model.left.grad, model.frozen.grad) == (1.0, None, None)


def test_no_step_of_agem_with_layerdrop_goes_against_the_memory() -> None:
    """An encoder's layers are left out of the new batch and of the memory's by draws of their own."""
    world = small()
    model = world.backbone.classifier(2, 0).with_tokens(world.store)
    model.set_layerdrop(0.5)
    form = strategy("agem", training__epochs=2)
    stream, state = benchmark(world.experiences).train_stream, {}
    against: list[bool] = []
    corrected: list[bool] = []
    for number in (0, 1):
        seed_everything(3, number)
        training = TrainingPlugin(form.training, world.experiences[:1], lambda *_: None)
        learner = build(form, model, training, stream[:number], state, 2 * number)
        plugin = learner.plugins[1]
        project = plugin.after_backward

        def watched(s: Any, project: Any = project, plugin: Any = plugin, **more: Any) -> None:
            left_out = [p for p in model.parameters() if p.grad is None]
            reference = plugin.reference_gradients
            against.append(bool(torch.dot(flat_gradient(model), reference) < 0))
            project(s, **more)
            corrected.append(any(p.grad is not None and bool(p.grad.any()) for p in left_out))
            after = flat_gradient(model)
            assert torch.dot(after, reference) >= -1e-5 * after.norm() * reference.norm()

        plugin.after_backward = watched
        learner.train(stream[number], eval_streams=[])
        state = form.state(learner)
    assert any(against)
    assert any(corrected)
