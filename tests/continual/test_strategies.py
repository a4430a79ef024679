"""What each strategy holds of experience 0, and that it uses it; each against an independent form."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from life_worlds import Bag, World, strategy
from torch import Tensor, nn

from clbench.continual import Checkpoints, Evaluation, checkpoint, live
from clbench.continual.benchmark import Experience, benchmark
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.errors import UserError
from clbench.runs.job import make_job
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import Strategy, Work, override

Model = Callable[[], Bag]


def lived(world: World, model: Bag, form: Strategy, folder: Path, path: Any = None) -> Any:
    evaluation, kept = Evaluation(world.evaluate), Checkpoints(folder, "f")
    return live(model, world.experiences, form, seed=0, evaluation=evaluation, checkpoints=kept, path=path)


def after_inception(
    world: World, model: Bag, form: Strategy, path: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """What the strategy remembers once it has been given experience 0, by way of no epochs."""
    stream = benchmark(world.experiences).train_stream
    learner = build(form, model, quiet(form, world), stream[:0], path or {}, epochs=0)
    learner.train(stream[0], eval_streams=[])
    return form.state(learner)


def second(world: World, model: Bag, form: Strategy, state: dict[str, Tensor]) -> Any:
    """A strategy about to train experience 1."""
    stream = benchmark(world.experiences).train_stream
    return build(form, model, quiet(form, world), stream[:1], state, epochs=1)


def quiet(form: Strategy, world: World) -> TrainingPlugin:
    return TrainingPlugin(form.training, world.experiences[:1], lambda *_: None)


def moved(model: Bag, by: float = 0.05) -> Bag:
    torch.manual_seed(11)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += by * torch.randn_like(parameter)
    return other


@pytest.mark.parametrize("method", ["replay", "ewc", "lwf", "agem"])
def test_every_memory_of_experience_0_is_filled(world: World, inception: Model, method: str) -> None:
    model = inception()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = after_inception(world, model, strategy(method))
    assert sum(value.numel() for value in state.values()) > 0
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("method", "size"), [("replay", 60), ("agem", 40)])
def test_memories_hold_pairs_of_experience_0(world: World, inception: Model, method: str, size: int) -> None:
    state = after_inception(world, inception(), strategy(method))
    first = world.experiences[0]
    label_of = dict(zip(first.train_rows.tolist(), first.train_labels.tolist(), strict=True))
    rows = state["0/rows"].tolist()
    assert len(rows) == len(set(rows)) == size
    assert state["0/labels"].tolist() == [label_of[row] for row in rows]
    assert rows != sorted(rows), "the first examples in order are no random choice"


def test_replay_shows_remembered_pairs_at_every_step(world: World, inception: Model) -> None:
    model, form = inception(), strategy("replay")
    state = after_inception(world, model, form)
    learner = second(world, model, form, state)
    batches = []
    learner.plugins[0].before_forward = lambda s, **_: batches.append(s.mb_x.tolist())
    learner.train(benchmark(world.experiences).train_stream[1], eval_streams=[])
    memory, new = set(state["0/rows"].tolist()), set(world.experiences[1].train_rows.tolist())
    assert len(batches) == 20
    assert all(len(set(b) & new) == 16 and len(set(b) & memory) == len(b) - 16 >= 12 for b in batches)
    assert set().union(*map(set, batches)) == memory | new
    # The memory is then shared by the two.
    after = form.state(learner)
    assert (len(after["0/rows"]), len(after["1/rows"])) == (30, 30)
    assert set(after["0/rows"].tolist()) < memory
    assert set(after["1/rows"].tolist()) < new


def test_ewc_against_a_form_written_out(world: World, inception: Model) -> None:
    model, form = inception(), strategy("ewc", **{"lambda": 300})
    state = after_inception(world, model, form)
    twin, fisher = inception().eval(), {}
    rows, labels = (torch.from_numpy(a) for a in (world.experiences[0].train_rows, world.experiences[0].train_labels))
    for row, gold in zip(rows.split(1), labels.split(1), strict=True):
        twin.zero_grad()
        nn.functional.cross_entropy(twin(row), gold).backward()
        for name, parameter in twin.named_parameters():
            assert parameter.grad is not None
            fisher[name] = fisher.get(name, 0) + parameter.grad**2 / len(rows)
    for name, value in fisher.items():
        assert value.max() > 0
        torch.testing.assert_close(state[f"fisher/0/{name}"], value)
    other = moved(model)
    learner = second(world, other, form, state)
    # The same gradient as that of the penalty written out, through autograd, on top of what is there already.
    origin = {name: p.detach() for name, p in model.named_parameters()}
    penalty = 300 * sum((fisher[n] * (p - origin[n]) ** 2).sum() for n, p in other.named_parameters())
    assert penalty > 0
    expected = torch.autograd.grad(penalty, list(other.parameters()))
    other.head.bias.grad = torch.ones(2)
    learner.plugins[1].before_backward(learner)
    learner.plugins[1].after_backward(learner)
    for (name, parameter), gradient in zip(other.named_parameters(), expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient + (name == "head.bias"))


@pytest.mark.parametrize(("settings", "experiences"), [({}, [0, 1, 2]), ({"mode": "online", "decay": 0.5}, [2])])
def test_ewc_keeps_one_penalty_an_experience_or_one_in_all(
    world: World, inception: Model, folder: Path, settings: dict[str, Any], experiences: list[int]
) -> None:
    form = type(strategy("ewc")).model_validate(strategy("ewc").model_dump() | settings)
    live(
        inception(),
        world.experiences,
        form,
        seed=0,
        evaluation=Evaluation(world.evaluate),
        checkpoints=Checkpoints(folder, "f"),
    )
    found = checkpoint.latest(folder, "f")
    assert found is not None
    for part in ("fisher", "weights"):
        assert sorted({int(key.split("/")[1]) for key in found.strategy if key.startswith(part)}) == experiences


@pytest.mark.parametrize("method", ["naive", "replay", "ewc", "lwf"])
def test_a_point_says_what_the_strategy_holds(world: World, inception: Model, folder: Path, method: str) -> None:
    evaluation, kept = Evaluation(world.evaluate), Checkpoints(folder, "f")
    model = inception()
    points = live(model, world.experiences[:2], strategy(method), seed=0, evaluation=evaluation, checkpoints=kept)
    left = checkpoint.latest(folder, "f")
    assert left is not None
    assert points[-1].held_bytes == sum(tensor.numpy().nbytes for tensor in left.strategy.values())
    weights = sum(4 * parameter.numel() for parameter in model.parameters())
    # Of EWC importances and weights of either experience; of LwF the model of before.
    least = {"naive": 0, "replay": 1, "ewc": 2 * 2 * weights, "lwf": weights}[method]
    assert least <= points[-1].held_bytes <= (least if method in ("naive", "ewc") else 2 * weights)


def test_lwf_distils_from_the_model_at_inception(world: World, inception: Model) -> None:
    model, form = inception(), strategy("lwf", alpha=3)
    state = after_inception(world, model.train(), form)
    other = moved(model, by=0.3)
    learner = second(world, other, form, state)
    old = learner.plugins[1].lwf.prev_model
    assert old.tokens is model.tokens
    assert not any(module.training for module in old.modules())
    assert not any(parameter.requires_grad for parameter in old.parameters())
    rows = torch.from_numpy(world.experiences[1].train_rows[:16])
    learner.mbatch, learner.mb_output, learner.loss = [rows, None, None], other.eval()(rows), torch.zeros(1)
    learner.plugins[1].before_backward(learner)
    p = (model.eval()(rows) / 2).softmax(-1)
    expected = 3 * (p * (p.log() - (learner.mb_output / 2).log_softmax(-1))).sum(-1).mean()
    assert expected > 0.01
    torch.testing.assert_close(learner.loss, expected.reshape(1))


def test_agem_projects_gradients_that_would_undo_the_memory(world: World, inception: Model) -> None:
    model, form = inception(), strategy("agem")
    learner = second(world, model, form, after_inception(world, model, form))
    plugin = learner.plugins[1]
    project, angles = plugin.after_backward, []

    def gradient() -> Tensor:
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    def watched(s: Any, **kwargs: Any) -> None:
        reference, before = plugin.reference_gradients, gradient()
        project(s, **kwargs)
        along, squared = torch.dot(before, reference), torch.dot(reference, reference)
        expected = before - reference * along / squared if along < 0 else before
        torch.testing.assert_close(gradient(), expected)
        angles.append((along.item(), torch.dot(gradient(), reference).item(), squared.item()))

    plugin.after_backward = watched
    learner.train(benchmark(world.experiences).train_stream[1], eval_streams=[])
    assert len(angles) == 20
    assert sum(before < 0 for before, _, _ in angles) >= 5, "domains that contradict each other hardly met"
    assert all(after >= -1e-4 * squared**0.5 for _, after, squared in angles)


def test_agems_reference_is_drawn_from_the_memory(world: World, inception: Model) -> None:
    model, form = inception(), strategy("agem")
    state = after_inception(world, model, form)
    learner = second(world, model, form, state)
    drawn = [next(learner.plugins[1].buffer_dliter)[0].tolist() for _ in range(4)]
    assert all(len(rows) in (24, 16) and set(rows) <= set(state["0/rows"].tolist()) for rows in drawn)
    assert drawn[0] != state["0/rows"].tolist()[:24]


@pytest.mark.parametrize(
    ("method", "settings", "expected"),
    [
        # 20 steps: a memory of 40 in batches of 24 and 16; one of 40 in batches of 15, 15 and 10; all examples.
        ("agem", {}, 20 * 20),
        ("agem", {"sample_size": "15"}, 6 * 40 + 30),
        ("agem", {"patterns_per_experience": "1000", "sample_size": "1000"}, 20 * 320),
        ("gem", {}, 20 * 16),
        ("gem", {"patterns_per_experience": "1000", "sample_size": "1000"}, 20 * 320),
    ],
)
def test_gradients_of_a_memory_are_counted_as_they_are_taken(
    method: str, settings: dict[str, str], expected: int, world: World, inception: Model
) -> None:
    model, form = inception(), override(strategy(method), settings)
    learner = second(world, model, form, after_inception(world, model, form))
    read, steps = [], []
    model.register_forward_pre_hook(lambda _, given: read.append(len(given[0])) if model.training else None)
    learner.plugins[1].after_update = lambda s, **_: steps.append(len(s.mb_y))
    learner.train(benchmark(world.experiences).train_stream[1], eval_streams=[])
    sizes = [len(one.train_rows) for one in world.experiences]
    assert (sizes[0], len(steps)) == (320, 20)
    work = Work(1, sizes[1], sum(steps), len(steps), (sizes[0],))
    assert sum(read) - sum(steps) == form.gradients(work) == expected


def test_agem_with_too_small_a_sample_is_refused_before_anything_is_trained() -> None:
    form = strategy("agem", sample_size=2)
    form.check(["a", "b", "c"])
    with pytest.raises(UserError, match=r"sample_size 2 is too small for a memory of 3 domains; .*sample_size=24"):
        form.check(["a", "b", "c", "d"])
    with pytest.raises(UserError, match="sample_size 3 is too small for a memory of 4 domains"):
        make_job(RunSpec(model="majority", stream="nli-shift", strategy="agem", settings={"sample_size": 3}))


def test_agem_with_too_small_a_sample_ends_in_one_sentence(world: World, inception: Model, folder: Path) -> None:
    form = strategy("agem", sample_size=1)
    with pytest.raises(UserError, match="sample_size 1 is too small for a memory of 2 domains"):
        live(
            inception(),
            world.experiences,
            form,
            seed=0,
            evaluation=Evaluation(world.evaluate),
            checkpoints=Checkpoints(folder, "f"),
        )


def watched_inception(world: World, form: Strategy) -> tuple[Bag, dict[str, Tensor]]:
    """A model trained on the first domain under the eyes of the strategy, as the last step of a recipe is."""
    torch.manual_seed(0)
    model = Bag(world.tokens)
    observer = form.observer()
    assert observer is not None
    train(model, world.experiences[0], observer)
    return model, observer.state()


def train(model: Bag, experience: Experience, observer: Any) -> None:
    step = torch.optim.AdamW(model.parameters(), lr=1e-2)
    rows, labels = torch.from_numpy(experience.train_rows), torch.from_numpy(experience.train_labels)
    observer.before_training(model)
    for part in torch.randperm(len(rows)).split(16):
        step.zero_grad()
        nn.functional.cross_entropy(model(rows[part]), labels[part]).backward()
        observer.before_iteration(model)
        step.step()
        observer.after_iteration(model)
    observer.after_training(model)


def test_si_knows_experience_0_by_the_path_of_inception(world: World) -> None:
    form = strategy("si", **{"lambda": 1000})
    model, path = watched_inception(world, form)
    state = after_inception(world, model, form, path)
    for name, parameter in model.named_parameters():
        assert torch.equal(state[f"weights/{name}"], parameter.flatten())
        assert state[f"importance/{name}"].max() > 0
        assert torch.equal(state[f"importance/{name}"], path[f"importance/{name}"])
    other = moved(model)
    learner = second(world, other, form, state)
    other.zero_grad()
    learner.plugins[1].after_backward(learner)
    # lambda is 1,000; the penalty is lambda/2 sum Omega (w - w*)^2.
    for name, origin in model.named_parameters():
        moved_by = other.get_parameter(name) - origin
        assert moved_by.abs().max() > 0
        expected = 1000 * state[f"importance/{name}"].view_as(origin) * moved_by
        torch.testing.assert_close(other.get_parameter(name).grad, expected)


def test_si_without_a_path_knows_nothing_of_experience_0(world: World, inception: Model) -> None:
    state = after_inception(world, inception(), strategy("si"))
    assert all(value.abs().max() == 0 for key, value in state.items() if not key.startswith("weights/"))


def test_si_with_a_path_forgets_less_than_without(world: World, tmp_path: Path) -> None:
    form = strategy("si", **{"lambda": 1e6})
    model, path = watched_inception(world, form)
    kept = {}
    for name, given in (("with", path), ("without", None)):
        points = live(
            copy.deepcopy(model), world.experiences, form, seed=0, evaluation=Evaluation(world.evaluate),
            checkpoints=Checkpoints(tmp_path / name, "f"), path=given,
        )  # fmt: skip
        kept[name] = world.accuracy(points[1], "first")
    assert kept["with"] > kept["without"] + 0.3


def test_a_path_of_another_model_is_refused(world: World, inception: Model, folder: Path) -> None:
    form = strategy("si")
    _, path = watched_inception(world, form)
    path = {key: value for key, value in path.items() if not key.endswith("head.bias")}
    with pytest.raises(ValueError, match="other parameters"):
        lived(world, inception(), form, folder, path)


@pytest.mark.parametrize("method", ["naive", "replay", "ewc", "lwf", "agem", "joint", "cumulative"])
def test_no_other_method_asks_for_the_path_or_uses_it(
    world: World, inception: Model, tmp_path: Path, method: str
) -> None:
    assert strategy(method).observer() is None
    _, path = watched_inception(world, strategy("si"))
    ends = []
    for name, given in (("with", path), ("without", None)):
        model = inception()
        live(model, world.experiences[:2], strategy(method), seed=0, evaluation=Evaluation(world.evaluate),
             checkpoints=Checkpoints(tmp_path / name, "f"), path=given)  # fmt: skip
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
