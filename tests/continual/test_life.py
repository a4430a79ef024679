"""Whole lives: the same battery for every strategy."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hearing import advances
from life_worlds import METHODS, Bag, World, strategy

from clbench.continual import Checkpoints, Evaluation, Point, live
from clbench.continual.evaluation import look
from clbench.continual.life import seed_everything
from clbench.schema.strategy import stages

Model = Callable[[], Bag]


def lived(world: World, model: Bag, folder: Path, method: str, **options: Any) -> list[Point]:
    """A life with everything that a test does not care about filled in."""
    form = options.pop("form", None) or strategy(method)
    evaluation = Evaluation(options.pop("evaluate", world.evaluate), every=options.pop("eval_every", None))
    kept = Checkpoints(folder, options.pop("fingerprint", "f"))
    hear = options.pop("hear", lambda *_: None)
    with advances(lambda task, *rest: hear(task.removeprefix("live through "), *rest)):
        return live(model, world.experiences, form, evaluation=evaluation, checkpoints=kept, **({"seed": 1} | options))


def same(points: list[Point], others: list[Point]) -> bool:
    def plain(point: Point) -> dict[str, Any]:
        return vars(point) | {"predictions": {n: (a.dtype, a.tolist()) for n, a in point.predictions.items()}}

    return [plain(p) for p in points] == [plain(p) for p in others]


def weights(model: Bag) -> bytes:
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


@pytest.mark.parametrize("method", METHODS)
def test_points_tell_the_whole_life(world: World, inception: Model, folder: Path, method: str) -> None:
    model, seen = inception(), []
    untrained, _ = look(model, world.evaluate)
    points = lived(world, model, folder, method, eval_every=30, hear=lambda *a: seen.append(a))
    finals = [p for p in points if p.final]
    names = ("first", "second", "third")
    if method == "joint":
        assert [(p.experience, p.name, p.met) for p in finals] == [(0, "first", names[:1]), (1, "joint", names)]
    else:
        assert [(p.experience, p.name, p.met) for p in finals] == [(t, names[t], names[: t + 1]) for t in range(3)]
    # At inception the strategy has seen the domain, but the model is the one that was handed over.
    assert (points[0].step, points[0].examples) == (0, 0)
    assert all(np.array_equal(points[0].predictions[n], untrained[n]) for n in names)
    # A point every 30 steps, but none on an experience's last step, which has its final point.
    parts = {"joint": [3], "cumulative": [2, 3]}.get(method, [1, 1])
    # An epoch of GDumb goes through its 60 examples, the last of four batches having 12.
    steps = [4 * 4] * 2 if method == "gdumb" else [part * 320 // 16 * 4 for part in parts]
    assert [len([p for p in points if p.experience == t and not p.final]) for t in range(1, len(parts) + 1)] == [
        (s - 1) // 30 for s in steps
    ]
    assert [p.step for p in finals] == np.cumsum([0, *steps]).tolist()
    rehearsed = {"replay": 2, "der": 2, "er-ace": 2, "derpp": 3}.get(method, 1)
    expected = 2 * 4 * 60 if method == "gdumb" else 16 * rehearsed * sum(steps)
    # The last batch from a memory of 60, or from one of two domains with 30 each, is smaller than 16.
    assert points[-1].examples == expected if method != "replay" else 0.9 * expected < points[-1].examples <= expected
    assert [a[1:] for a in seen] == [(i + 1, s) for s in steps for i in range(s)]
    judged = {"joint": names, "cumulative": names}.get(method, names[-1:])
    assert set(finals[-1].validation) == set(judged)
    assert all(p.validation == {} for p in points if not p.final)
    assert set(points[0].validation) == {"first"}
    for point in points:
        assert set(point.predictions) == set(names)
        assert all(a.dtype == np.uint8 and a.shape == (100,) for a in point.predictions.values())
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_looking_inside_an_experience_changes_nothing(
    world: World, inception: Model, tmp_path: Path, method: str
) -> None:
    one, two = inception(), inception()
    without = lived(world, one, tmp_path / "one", method)
    with_looks = lived(world, two, tmp_path / "two", method, eval_every=3)
    assert weights(one) == weights(two)
    assert same(without, [p for p in with_looks if p.final])
    assert len(with_looks) > len(without)


@pytest.mark.parametrize("method", METHODS)
def test_a_broken_life_goes_on_as_if_it_had_not_been(
    world: World, inception: Model, tmp_path: Path, method: str
) -> None:
    unbroken = inception()
    expected = lived(world, unbroken, tmp_path / "unbroken", method, eval_every=25)
    assert weights(unbroken) != weights(inception())
    for name in ("joint",) if method == "joint" else ("second", "third"):
        folder = tmp_path / name

        def stop(experience: str, step: int, steps: int, name: str = name) -> None:
            if experience == name and step == steps // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            lived(world, inception(), folder, method, eval_every=25, hear=stop)
        # Neither the generators nor the weights that happen to be there may matter to the second part.
        torch.manual_seed(99), np.random.seed(99), random.seed(99)
        resumed = world.model(seed=99)
        assert same(lived(world, resumed, folder, method, eval_every=25), expected)
        assert weights(resumed) == weights(unbroken)


def test_a_finished_life_is_only_read(world: World, inception: Model, folder: Path) -> None:
    first = inception()
    expected = lived(world, first, folder, "naive")

    def refuse(*_: Any) -> Any:
        raise AssertionError("trained or evaluated again")

    again = world.model(seed=5)
    assert same(lived(world, again, folder, "naive", hear=refuse, evaluate=refuse), expected)
    assert weights(again) == weights(first)


def test_another_fingerprint_is_another_life(world: World, inception: Model, folder: Path) -> None:
    lived(world, inception(), folder, "naive")
    seen: list[tuple[str, int, int]] = []
    lived(world, inception(), folder, "naive", fingerprint="g", hear=lambda *a: seen.append(a))
    assert [name for name, step, _ in seen if step == 1] == ["second", "third"]


def test_a_damaged_checkpoint_costs_one_experience(world: World, inception: Model, folder: Path) -> None:
    model = inception()
    expected = lived(world, model, folder, "replay")
    last = folder / "experience-2.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    seen: list[tuple[str, int, int]] = []
    again = inception()
    assert same(lived(world, again, folder, "replay", hear=lambda *a: seen.append(a)), expected)
    assert {name for name, _, _ in seen} == {"third"}
    assert weights(again) == weights(model)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_everything(world: World, inception: Model, tmp_path: Path, method: str) -> None:
    models = [inception() for _ in range(3)]
    points = [
        lived(world, model, tmp_path / str(n), method, seed=seed)
        for n, (model, seed) in enumerate(zip(models, (4, 4, 5), strict=True))
    ]
    assert same(points[0], points[1])
    assert weights(models[0]) == weights(models[1]) != weights(models[2])


def test_rehearsal_forgets_less_than_naive(world: World, inception: Model, tmp_path: Path) -> None:
    kept = {}
    for method in ("naive", "replay", "agem", "cumulative", "joint"):
        points = lived(world, inception(), tmp_path / method, method)
        kept[method] = world.accuracy(points[1], "first")
        assert world.accuracy(points[0], "first") > 0.95
        assert world.accuracy(points[1], "second") > 0.9
    assert kept["naive"] < 0.3
    assert all(kept[method] > 0.8 for method in ("replay", "agem", "cumulative", "joint"))


@pytest.mark.parametrize(("method", "setting"), [("ewc", {"lambda": 1e8}), ("lwf", {"alpha": 20})])
def test_penalties_forget_less_than_naive(
    world: World, inception: Model, tmp_path: Path, method: str, setting: dict[str, float]
) -> None:
    naive = lived(world, inception(), tmp_path / "naive", "naive")
    held = lived(world, inception(), tmp_path / method, method, form=strategy(method, **setting))
    assert world.accuracy(held[1], "first") > world.accuracy(naive[1], "first") + 0.3


@pytest.mark.parametrize("method", ["naive", "cumulative", "joint"])
def test_who_trains_on_experience_0(world: World, inception: Model, folder: Path, method: str) -> None:
    model = inception()
    model.tokens.trained.clear()
    lived(world, model, folder, method)
    rows = set(model.tokens.trained)
    parts = [set(e.train_rows.tolist()) for e in world.experiences]
    assert (rows == parts[0] | parts[1] | parts[2]) == (method != "naive")
    assert (rows == parts[1] | parts[2]) == (method == "naive")


def test_validation_and_test_pairs_are_never_trained_on(world: World, inception: Model, tmp_path: Path) -> None:
    allowed = {row for e in world.experiences for row in e.train_rows.tolist()}
    for method in METHODS:
        model = inception()
        model.tokens.trained.clear()
        lived(world, model, tmp_path / method, method)
        assert set(model.tokens.trained) <= allowed


def test_plan_of_a_stream_with_one_domain(world: World) -> None:
    for method in METHODS:
        planned = stages(strategy(method), [world.experiences[0].name])
        assert [s.name for s in planned] == (["first", "joint"] if method == "joint" else ["first"])


def test_every_experience_draws_from_generators_of_its_own() -> None:
    def drawn(seed: int, experience: int) -> tuple[float, float, float]:
        seed_everything(seed, experience)
        return torch.rand(1).item(), float(np.random.rand()), random.random()

    assert drawn(0, 1) == drawn(0, 1)
    assert len({drawn(s, e) for s in range(3) for e in range(3)}) == 9


def test_nobody_speaks_up(
    world: World, inception: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: Any
) -> None:
    for method in METHODS:
        lived(world, inception(), tmp_path / method, method)
    assert [str(w.message) for w in recwarn.list] == []
    assert capfd.readouterr() == ("", "")


def test_a_domain_may_be_called_joint(world: World, inception: Model, folder: Path) -> None:
    model = inception()
    renamed = [dataclasses.replace(e, name="joint") if n == 1 else e for n, e in enumerate(world.experiences)]
    model.tokens.trained.clear()
    evaluation, kept = Evaluation(world.evaluate), Checkpoints(folder, "f")
    points = live(model, renamed[:2], strategy("naive"), seed=0, evaluation=evaluation, checkpoints=kept)
    assert (points[1].name, points[1].met) == ("joint", ("first", "joint"))
    assert set(model.tokens.trained) == set(renamed[1].train_rows.tolist())
