"""Every shipped recipe goes through the same battery, on a small real BERT."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from compress_worlds import SmallBackbone
from hearing import advances
from torch import Tensor

from clbench.compression import task as task_module
from clbench.compression.execute import Compressed, _along, build
from clbench.compression.plan import plan
from clbench.compression.steps.finetune import finetune_loss
from clbench.compression.task import Task, fit
from clbench.continual.synaptic import PathObserver
from clbench.encoder.reference import ReferenceModel
from clbench.errors import NotFinite, UserError
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.shipped import names
from clbench.schema.training import Training
from clbench.storage.cache import root

RECIPES = names("model")
REFERENCES = [name for name in RECIPES if not read_recipe(name).form.has_encoder]
ENCODERS = [name for name in RECIPES if name not in REFERENCES]
# The two recipes of a layer map differ in depth alone: one of them is trained again.
ONE_DEPTH = [name for name in RECIPES if not re.fullmatch(r"pkd-(?!first|skip|last|from).*-3l", name)]
DEPTH = {name: 6 if "-6l" in name else 3 if "-3l" in name else 12 for name in ENCODERS}


@pytest.fixture
def deep() -> SmallBackbone:
    """As deep as the backbones that recipes with a list of layers are for."""
    return SmallBackbone(layers=12)


def made(name: str, backbone: SmallBackbone, task: Task, **options: Any) -> Compressed:
    recipe = name if isinstance(name, OpenRecipe) else read_recipe(name)
    return build(recipe, backbone, task, **({"seed": 3} | options))  # type: ignore[arg-type]


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, its = weights(one), weights(other)
    return mine.keys() == its.keys() and all(torch.equal(mine[n], its[n]) for n in mine)


def test_a_step_that_diverges_says_recipe_domain_and_step(backbone: SmallBackbone, task: Task) -> None:
    steps = []

    def loss(model: torch.nn.Module, places: Tensor, labels: Tensor) -> Tensor:
        steps.append(places)
        return model(torch.from_numpy(task.train_rows)[places]).sum() * (float("nan") if len(steps) == 5 else 1.0)

    model = backbone.classifier(2, 0).with_tokens(task.store)
    form = Training(epochs=3, learning_rate=1e-3, batch_size=32)
    with pytest.raises(NotFinite, match=r"^finetune mine, on the-domain, step 5 of 9: .*not finite"):
        fit(model, replace(task, domain="the-domain"), form, loss, seed=0, name="finetune mine")


def test_an_observer_is_told_of_each_epoch_that_is_kept(
    backbone: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four epochs the second is the best; the path of synaptic intelligence ends there."""
    scores = iter([0.6, 0.9, 0.7, 0.8])
    monkeypatch.setattr("clbench.compression.task._told_score", lambda *_: next(scores))
    paths: list[dict[str, Tensor]] = []

    class Watching(PathObserver):
        def epoch_kept(self, model: torch.nn.Module) -> None:
            super().epoch_kept(model)
            paths.append({name: value.clone() for name, value in self._plugin.path.items()})

    model, observer = backbone.classifier(2, 0).with_tokens(task.store), Watching(1e-4)
    start = {name: p.detach().clone().flatten() for name, p in model.named_parameters()}
    form = Training(epochs=4, learning_rate=1e-3, batch_size=32)
    fit(model, task, form, finetune_loss(task), seed=0, name="finetune", observer=observer)
    state = observer.state()
    assert len(paths) == 2
    for name, parameter in model.named_parameters():
        moved = parameter.detach().flatten() - start[name]
        torch.testing.assert_close(state[f"sum/{name}"], paths[1][name] / (moved.square() + 1e-4))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the steps that are really trained."""
    trained: list[str] = []
    real = task_module.fit

    def watched(*args: Any, name: str, **kwargs: Any) -> list[float]:
        trained.append(name)
        return real(*args, name=name, **kwargs)

    monkeypatch.setattr("clbench.compression.task.fit", watched)
    return trained


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which recipes find their teachers, and what an earlier test has made of them."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def few(task: Task) -> Task:
    """Two batches an epoch: for what has no need to learn much."""
    return replace(task, train_rows=task.train_rows[:64], train_labels=task.train_labels[:64], digest="few")


@pytest.mark.parametrize("name", ENCODERS)
def test_battery(
    name: str, deep: SmallBackbone, few: Task, fits: list[str], tmp_path: Path, shared: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CLBENCH_CACHE", str(shared))
    first = made(name, deep, few)
    model = first.model
    assert model.config.num_hidden_layers == len(model.hf.bert.encoder.layer) == DEPTH[name]
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.isfinite(p).all() for p in model.parameters())
    logits = model(torch.from_numpy(few.train_rows))
    assert logits.shape == (64, 2)
    # From the cache, the same model to the bit, and nothing trained again.
    count = len(fits)
    again = made(name, deep, few)
    assert len(fits) == count
    assert same(model, again.model)
    assert (again.key, again.steps) == (first.key, first.steps)
    # Another seed is another model.
    other = made(name, deep, few, seed=4)
    assert other.key != first.key
    assert not same(model, other.model)
    # The checkpoint is a Hugging Face checkpoint.
    model.hf.save_pretrained(tmp_path / "hf")
    loaded = type(model.hf).from_pretrained(tmp_path / "hf").eval()
    assert loaded.config.num_hidden_layers == DEPTH[name]
    ids = torch.randint(10, 50, (3, 9))
    torch.testing.assert_close(loaded(ids).logits, model.hf(ids).logits)


@pytest.mark.parametrize("name", REFERENCES)
def test_battery_of_the_references(name: str, backbone: SmallBackbone, task: Task, fits: list[str]) -> None:
    seen: list[str] = []
    with advances(lambda what, *_: seen.append(what)):
        first = made(name, backbone, task)
    assert isinstance(first.model, ReferenceModel)
    assert not first.model.training
    assert all(p.grad is None and torch.isfinite(p).all() for p in first.model.parameters())
    assert first.model(torch.from_numpy(task.train_rows)).shape == (96, 2)
    assert set(seen) == {f"reference {name}"} == set(plan(read_recipe(name), backbone).tasks)
    form = read_recipe(name).form.steps[0]
    told = first.steps[0]
    assert (told["name"], told["epochs"], len(told["validation"])) == ("reference", 3, 3)
    assert told["details"]["training"]["learning_rate"] == form.training.learning_rate != backbone.learning_rate
    assert told["details"]["buckets"] == form.buckets
    # From the cache; another seed is another model; a watched one is the same, and its path ends at its weights.
    again, other = made(name, backbone, task), made(name, backbone, task, seed=4)
    assert fits == [f"reference {name}"] * 2
    assert same(first.model, again.model)
    assert (again.key, again.steps) == (first.key, first.steps)
    assert other.key != first.key
    assert not same(first.model, other.model)
    watched = made(name, backbone, task, observer=PathObserver(1e-7), observed={"eps": 1e-7})
    assert same(first.model, watched.model)
    assert (first.path, watched.key) == ({}, first.key)
    for which, parameter in first.model.named_parameters():
        assert torch.equal(watched.path[f"weights/{which}"], parameter.detach().flatten())
        assert watched.path[f"importance/{which}"].abs().sum() > 0
    with pytest.raises(ValueError, match="no encoder"):
        _ = first.encoder


@pytest.mark.parametrize("name", REFERENCES)
def test_no_reference_teaches(name: str, tmp_path: Path) -> None:
    content = read_recipe("kd-6l").form.model_dump(mode="json")
    content["steps"][-1]["teacher"] = name
    (tmp_path / "taught.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"field 'teacher' should name a recipe with an encoder, but {name} has none"):
        read_recipe(str(tmp_path / "taught.yaml"))


@pytest.mark.parametrize("name", ONE_DEPTH)
def test_trained_again_without_the_cache_it_is_the_same(
    name: str, deep: SmallBackbone, few: Task, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(shared))
    one = made(name, deep, few)
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))
    torch.manual_seed(99)
    seen: list[tuple[str, int, int]] = []
    with advances(lambda *a: seen.append(a)):
        assert same(one.model, made(name, deep, few).model)
    # What was announced is what was trained, in order.
    announced = list(plan(read_recipe(name), deep).tasks)
    assert list(dict.fromkeys(n for n, _, _ in seen)) == list(dict.fromkeys(announced))
    assert all(done <= total for _, done, total in seen)


def test_a_teacher_is_trained_once_for_all(backbone: SmallBackbone, task: Task, fits: list[str]) -> None:
    for name in ("pkd-skip-6l", "pkd-last-6l", "kd-6l", "finetune-12l"):
        made(name, backbone, task)
    assert fits == ["finetune finetune-12l", "distill pkd-skip-6l", "distill pkd-last-6l", "distill kd-6l"]


def test_dropout_is_held_for_life(backbone: SmallBackbone, task: Task) -> None:
    for name, rate in (("dropout-00", 0.0), ("dropout-30", 0.3), ("finetune-12l", 0.1)):
        model = made(name, backbone, task).model
        assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {rate}
        assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == rate


def test_dropout_rates_apart(backbone: SmallBackbone, task: Task, tmp_path: Path) -> None:
    content = read_recipe("finetune-12l").form.model_dump(mode="json")
    rates = {"embeddings": 0.1, "attention": 0.2, "hidden": 0.3, "head": 0.4}
    content["steps"][0]["dropout"] = rates
    (tmp_path / "apart.yaml").write_text(yaml.safe_dump(content))
    found = made(read_recipe(str(tmp_path / "apart.yaml")), backbone, task)  # type: ignore[arg-type]
    hf = found.model.hf
    assert hf.bert.embeddings.dropout.p == 0.1
    for layer in hf.bert.encoder.layer:
        assert layer.attention.self.dropout.p == 0.2
        assert layer.attention.output.dropout.p == layer.output.dropout.p == 0.3
    assert hf.dropout.p == hf.config.classifier_dropout == 0.4
    assert found.steps[0]["details"]["dropout"] == rates


def test_layerdrop_is_held_for_life_or_until_layers_are_pruned(backbone: SmallBackbone, task: Task) -> None:
    whole, pruned = (made(name, backbone, task) for name in ("layerdrop-12l", "layerdrop-6l"))
    assert whole.model.config.layerdrop == whole.steps[0]["details"]["layerdrop"] == 0.2
    # Two of four layers are to stay: auto is 1 - 2/4.
    assert [step["name"] for step in pruned.steps] == ["finetune", "prune_layers"]
    assert pruned.steps[0]["details"]["layerdrop"] == 0.5
    assert pruned.steps[1]["layers"] == [2, 4]
    assert pruned.model.config.layerdrop == 0


def test_a_watched_path_follows_the_layers_that_stay(backbone: SmallBackbone, task: Task) -> None:
    found = made("layerdrop-6l", backbone, task, observer=PathObserver(1e-7), observed={"eps": 1e-7})
    shapes = {name: p.numel() for name, p in found.model.named_parameters()}
    assert {name.partition("/")[2]: value.numel() for name, value in found.path.items()} == shapes
    # The weights that the path ends on are those of the pruned model.
    for name, parameter in found.model.named_parameters():
        torch.testing.assert_close(found.path[f"weights/{name}"], parameter.detach().flatten())
    path = {f"sum/hf.bert.encoder.layer.{n}.x": torch.tensor(n) for n in range(4)} | {"sum/hf.head": torch.tensor(9)}
    followed = {name: int(value) for name, value in _along(path, [2, 4]).items()}
    assert followed == {"sum/hf.bert.encoder.layer.0.x": 1, "sum/hf.bert.encoder.layer.1.x": 3, "sum/hf.head": 9}


def test_a_student_begins_with_the_backbones_first_layers(
    backbone: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: dict[str, dict[str, Tensor]] = {}

    def untrained(model: Any, *args: Any, name: str, **kwargs: Any) -> list[float]:
        begun[name] = weights(model)
        return [0.5]

    monkeypatch.setattr("clbench.compression.task.fit", untrained)
    whole = weights(backbone.classifier(2, 3))
    for recipe, name, layers in (
        ("pkd-skip-6l", "distill pkd-skip-6l", [0, 1]),
        ("finetune-6l", "finetune finetune-6l", [0, 1]),
        ("prune-alternate-6l", "finetune prune-alternate-6l", [1, 3]),
    ):
        made(recipe, backbone, task)
        for place, layer in enumerate(layers):
            for key in ("attention.self.query.weight", "output.dense.bias"):
                ours = begun[name][f"hf.bert.encoder.layer.{place}.{key}"]
                assert torch.equal(ours, whole[f"hf.bert.encoder.layer.{layer}.{key}"])


def test_an_observer_sees_the_last_step_and_changes_nothing(backbone: SmallBackbone, task: Task) -> None:
    plain = made("pkd-skip-6l", backbone, task)
    watched = made("pkd-skip-6l", backbone, task, observer=PathObserver(1e-7), observed={"eps": 1e-7})
    assert same(plain.model, watched.model)
    assert plain.key == watched.key
    assert plain.path == {}
    assert sum(v.abs().sum() for k, v in watched.path.items() if k.startswith("importance/")) > 0
    again = made("pkd-skip-6l", backbone, task, observer=PathObserver(1e-7), observed={"eps": 1e-7})
    assert all(torch.equal(watched.path[name], again.path[name]) for name in watched.path)


def test_what_the_record_is_told(backbone: SmallBackbone, task: Task) -> None:
    steps = made("pkd-skip-6l", backbone, task).steps
    assert [step["name"] for step in steps] == ["prune_layers", "distill"]
    assert steps[0]["layers"] == [1, 2]
    assert len(steps[1]["validation"]) == steps[1]["epochs"] == 4
    assert steps[1]["details"]["teacher"] == "finetune-12l"
    assert steps[1]["details"]["layer_map"] == [2]
    assert steps[1]["details"]["training"]["learning_rate"] == backbone.learning_rate
    assert steps[1]["details"]["teacher_steps"][0]["name"] == "finetune"


def test_the_battery_learns(backbone: SmallBackbone, task: Task, tmp_path: Path) -> None:
    """With time enough, the small model finds word 7: the loop does train."""
    path = tmp_path / "long.yaml"
    content = read_recipe("finetune-12l").form.model_dump(mode="json")
    content["steps"][0]["training"] |= {"epochs": 40, "batch_size": 16}
    path.write_text(yaml.safe_dump(content))
    scores = made(read_recipe(str(path)), backbone, task).steps[0]["validation"]  # type: ignore[arg-type]
    assert max(scores) > 0.9


def test_a_damaged_model_is_made_again(backbone: SmallBackbone, task: Task, fits: list[str]) -> None:
    first = made("finetune-12l", backbone, task)
    (file,) = (root() / "models").glob("*/model.safetensors")
    raw = bytearray(file.read_bytes())
    raw[-3] ^= 1
    file.write_bytes(raw)
    assert same(first.model, made("finetune-12l", backbone, task).model)
    assert len(fits) == 2


def test_a_recipe_that_is_its_own_teacher(tmp_path: Path) -> None:
    content = read_recipe("kd-6l").form.model_dump(mode="json")
    for name, teacher in (("a", "b"), ("b", "a")):
        content["steps"][1]["teacher"] = teacher
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content | {"name": name}))
    with pytest.raises(UserError, match=r"b.yaml: field 'teacher' should name a recipe that does not learn from"):
        read_recipe(str(tmp_path / "a.yaml"))


def test_a_recipe_trains(tmp_path: Path) -> None:
    content = read_recipe("finetune-6l").form.model_dump(mode="json")
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(content | {"steps": content["steps"][:1]}))
    with pytest.raises(UserError, match=r"x.yaml: field 'steps': one step has to train"):
        read_recipe(str(tmp_path / "x.yaml"))
