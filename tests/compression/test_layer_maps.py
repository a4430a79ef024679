"""Layer maps: the fixed ones by hand, the others against a second form, and what the record is told of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from compress_worlds import SmallBackbone
from scipy.stats import chisquare
from torch import Tensor

from clbench.compression import matching as matching_module
from clbench.compression.distillation import LossWeights, distillation_loss
from clbench.compression.execute import Compressed, build
from clbench.compression.layer_maps.attention import Attention
from clbench.compression.layer_maps.search import Search, candidates
from clbench.compression.layer_maps.similar import Similar
from clbench.compression.matching import Choice, Spent
from clbench.compression.plan import plan
from clbench.compression.steps.distill import layer_map
from clbench.compression.task import Task
from clbench.encoder.measure import encoder_flops
from clbench.errors import NotFinite, UserError
from clbench.metrics.cka import linear_cka
from clbench.schema.layer_map import LAYER_MAPS, LayerMap
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.testing import layer_map_checks


def with_map(given: Any, epochs: int = 3, name: str = "pkd-skip-6l") -> OpenRecipe:
    """The recipe with another layer map."""
    recipe = read_recipe(name)
    *before, step = recipe.form.steps
    training = step.training.model_copy(update={"epochs": epochs})  # type: ignore[attr-defined]
    changed = type(step).model_validate(step.model_dump() | {"layer_map": given, "training": training})
    return replace(recipe, form=recipe.form.model_copy(update={"steps": (*before, changed)}))


def made(recipe: OpenRecipe, backbone: SmallBackbone, task: Task, seed: int = 0) -> Compressed:
    return build(recipe, backbone, task, seed=seed)  # type: ignore[arg-type]


def details(found: Compressed) -> dict[str, Any]:
    told: dict[str, Any] = found.steps[-1]["details"]
    return told


def same(one: Compressed, other: Compressed) -> bool:
    mine, theirs = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.fixture
def deep() -> SmallBackbone:
    return SmallBackbone(layers=8)


# Fixed maps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "six", "three", "five"),
    [
        ("first", [1, 2, 3, 4, 5], [1, 2], [1, 2, 3, 4]),
        ("skip", [2, 4, 6, 8, 10], [4, 8], [2, 4, 6, 8]),
        ("last", [7, 8, 9, 10, 11], [10, 11], [8, 9, 10, 11]),
        ("reverse", [10, 8, 6, 4, 2], [8, 4], [8, 6, 4, 2]),
        ("all-to-one", [11, 11, 11, 11, 11], [11, 11], [11, 11, 11, 11]),
        ("none", [], [], []),
        ("similar", None, None, None),
    ],
)
def test_from_twelve_layers_by_hand(rule: str, six: Any, three: Any, five: Any) -> None:
    assert [layer_map(rule, student, 12, "x.yaml") for student in (6, 3, 5)] == [six, three, five]
    assert layer_map(rule, 1, 12, "x.yaml") == []


def test_more_layers_than_the_teacher_has_are_refused_where_any_is_matched() -> None:
    for rule in set(LAYER_MAPS.all()) - {"none"}:
        with pytest.raises(UserError, match="a student of 3 layers cannot be matched with a teacher of 2"):
            layer_map(rule, 3, 2, "x.yaml")
    assert layer_map("none", 3, 2, "x.yaml") == []


def test_none_is_vanilla_distillation(backbone: SmallBackbone) -> None:
    keys = [plan(read_recipe(name), backbone, "t").key for name in ("pkd-none-6l", "kd-6l", "pkd-skip-6l")]  # type: ignore[arg-type]
    assert keys[0] == keys[1] != keys[2]


def test_a_student_of_one_layer_is_taught_by_the_logits_alone(task: Task) -> None:
    """There is nothing to be patient with; the mean over no layers was nan once."""
    recipe = read_recipe("pkd-skip-6l")
    assert made(recipe, SmallBackbone(layers=2), task).steps[-1]["details"]["layer_map"] == []


# A map that is chosen, and the one that is known ----------------------------------------------------------------------


class _Chooses(LayerMap):
    """What ``skip`` says, but chosen before every epoch."""

    rule: Literal["chooses"] = "chooses"

    def is_due(self, epoch: int) -> bool:
        return True

    def choose(self, choice: Choice) -> list[int]:
        torch.rand(3), choice.student_states(choice.sample(5))  # neither of which may change the training
        return [2, 4, 6][: choice.student]


def test_a_chosen_map_trains_as_the_same_map_that_is_known(
    deep: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAYER_MAPS.all(), "chooses", _Chooses)
    known, chosen = (made(with_map(rule), deep, task) for rule in ("skip", "chooses"))
    assert details(known)["layer_map"] == [2, 4, 6]
    assert [one["layers"] for one in details(chosen)["choices"]] == [[2, 4, 6]] * 3
    assert same(known, chosen)
    assert known.key != chosen.key


@pytest.mark.parametrize("given", [[1, 2], [1, 2, 8], [0, 1, 2], [1.9, 2.9, 3.9], ["1", "2", "3"], None, 3])
def test_a_choice_of_layers_that_are_not_there_is_refused(
    given: Any, deep: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAYER_MAPS.all(), "chooses", _Chooses)
    monkeypatch.setattr(_Chooses, "choose", lambda self, choice: given)
    with pytest.raises(UserError, match=r"choose\(\) of the layer map chooses should give 3 layers, each of 1 to 7"):
        made(with_map("chooses"), deep, task)


@pytest.mark.parametrize("given", [[1], [1, 2, 3, 4, 5], [0, 1], [1, 13], [1.5, 2.5], ["1", "2"], None, []])
def test_known_layers_that_are_not_there_are_refused(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(LayerMap):
        rule: Literal["fixed"] = "fixed"

        def fixed(self, student: int, teacher: int) -> Any:
            return given

    monkeypatch.setitem(LAYER_MAPS.all(), "fixed", Fixed)
    told = r"fixed\(\) of the layer map fixed should give 2 or 3 layers, each of 1 to 12, but gives "
    with pytest.raises(UserError, match=told):
        layer_map("fixed", 3, 12, "x.yaml")


@pytest.mark.parametrize(
    "weigh",
    [
        lambda dots: 5 * dots,
        lambda dots: dots.softmax(-1).mean(0),
        lambda dots: dots.softmax(1),
        lambda dots: dots.softmax(-1) - 0.5,
        lambda dots: dots.softmax(-1).tolist(),
    ],
)
def test_weights_that_are_no_shares_are_refused(
    weigh: Any, deep: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Weighs(LayerMap):
        rule: Literal["weighs"] = "weighs"

        def weights(self, states: Tensor, teacher: Tensor) -> Any:
            return weigh(states @ teacher.transpose(1, 2))

    monkeypatch.setitem(LAYER_MAPS.all(), "weighs", Weighs)
    told = r"weights\(\) of the layer map weighs should give a tensor of the shape \(32, 3, 7\), each weight 0 or more"
    with pytest.raises(UserError, match=told):
        made(with_map("weighs"), deep, task)


def test_a_class_says_what_it_does_in_one_way() -> None:
    class Both(_Chooses):
        def fixed(self, student: int, teacher: int) -> list[int]:
            return []

    class Neither(LayerMap):
        rule: Literal["neither"]

    assert "but has fixed and choose" in str(Both.flaw())
    assert "but has none of them" in str(Neither.flaw())
    assert [one.flaw() for one in LAYER_MAPS.all().values()] == [None] * len(LAYER_MAPS.all())


# RAIL-KD --------------------------------------------------------------------------------------------------------------


def drawn(rule: LayerMap, epoch: int, seed: int, task: Task, sizes: tuple[int, int]) -> list[int]:
    taught = matching_module.Targets(*[np.zeros((96, sizes[1], 4), np.float16)] * 5)
    setting = matching_module.Setting(task, taught, sizes[0], None, seed, "", "", None)  # type: ignore[arg-type]
    choice = Choice(epoch, setting, None, Spent(), np.random.default_rng([seed, 1 + epoch]))  # type: ignore[arg-type]
    return list(rule.choose(choice))


def test_every_set_of_layers_is_drawn_as_often(task: Task) -> None:
    """RAIL-KD's draw: m of n without replacement, sorted. The second form is the list of all of them."""
    rule = LAYER_MAPS.get("random")(rule="random")
    found = Counter(tuple(drawn(rule, epoch, seed, task, (2, 5))) for seed in range(150) for epoch in range(10))
    assert set(found) == set(combinations(range(1, 6), 2))
    assert chisquare(list(found.values())).pvalue > 1e-3


def test_the_draw_is_another_one_each_epoch_and_the_seeds(deep: SmallBackbone, task: Task) -> None:
    one, again, other = (made(with_map("random", 4), deep, task, seed) for seed in (0, 0, 1))
    maps = [[choice["layers"] for choice in details(found)["choices"]] for found in (one, again, other)]
    assert maps[0] == maps[1] != maps[2]
    assert len(maps[0]) == 4
    assert len({tuple(layers) for layers in maps[0]}) > 1
    assert details(one)["choosing"] == {"examples": 0, "flops": 0}
    assert details(one)["layer_map"] == {"rule": "random"}


# Linear CKA -----------------------------------------------------------------------------------------------------------


def states_of(found: Compressed, task: Task, rows: np.ndarray) -> np.ndarray:
    """(P, layers, H): [CLS] states by transformers' own forward pass, an example at a time."""
    hf, store = found.encoder.hf, task.store
    parts = []
    for row in rows:
        begin, end = store.offsets[row], store.offsets[row + 1]
        second = (np.arange(end - begin) >= store.seconds[row]) & store.template.typed
        kinds = torch.from_numpy(second.astype(np.int64))[None]
        said = hf(
            torch.from_numpy(np.asarray(store.ids[begin:end], np.int64))[None], token_type_ids=kinds,
            output_hidden_states=True,
        )  # fmt: skip
        parts.append(torch.stack([state[0, 0] for state in said.hidden_states[1:]]))
    return torch.stack(parts).detach().double().numpy()


def test_similar_is_the_best_of_all_maps_by_cka(deep: SmallBackbone, task: Task) -> None:
    """Against transformers' own states of the student as it begins and of its teacher, and all maps there are."""
    found = made(with_map({"rule": "similar", "pairs": 40}), deep, task)
    teacher = made(read_recipe("finetune-12l"), deep, task)
    places = np.sort(np.random.default_rng([_seed_of(deep, task), 0]).permutation(96)[:40])
    first = made(with_map("none", name="pkd-none-6l"), deep, task)
    # Before any training: the backbone's first layers.
    start = deep.classifier(2, 0).eval()
    mine = states_of(replace(first, model=start), task, task.train_rows[places])
    theirs = states_of(teacher, task, task.train_rows[places])
    mine, theirs = (one / np.linalg.norm(one, axis=2, keepdims=True) for one in (mine, theirs))
    theirs = theirs.astype(np.float16)  # as they are kept
    table = np.array([[linear_cka(mine[:, j], theirs[:, k]) for k in range(7)] for j in range(3)])
    (choice,) = details(found)["choices"]
    np.testing.assert_allclose(choice["similarity"], table, atol=2e-4)
    best = max(combinations(range(7), 3), key=lambda one: sum(table[j, k] for j, k in enumerate(one)))
    assert choice["layers"] == [k + 1 for k in best]
    # 40 passes of the student, 3 x 7 products of 16 x 16 over 40 examples, 10 of a layer with itself.
    length = round(float(task.store.lengths[task.train_rows].mean()))
    flops = 40 * encoder_flops(found.encoder.hf, length) + 2 * 40 * 256 * (21 + 10)
    assert details(found)["choosing"] == {"examples": 40, "flops": flops}
    assert found.choosing_seconds is not None
    assert found.choosing_seconds > 0


def _seed_of(backbone: SmallBackbone, task: Task) -> int:
    return plan(read_recipe("pkd-skip-6l"), backbone, task.digest, seed=0).steps[-1].seed  # type: ignore[arg-type]


def test_similar_again_every_epoch(deep: SmallBackbone, task: Task) -> None:
    once, each = (made(with_map({"rule": "similar", "every": every}), deep, task) for every in ("once", "epoch"))
    choices = details(each)["choices"]
    assert [one["epoch"] for one in choices] == [0, 1, 2]
    assert choices[0] == details(once)["choices"][0]
    assert choices[0]["similarity"] != choices[1]["similarity"]
    # With fewer examples than are asked for, all of them.
    assert [details(one)["choosing"]["examples"] for one in (once, each)] == [96, 3 * 96]


# ALP-KD ---------------------------------------------------------------------------------------------------------------


def units(seed: int, *shape: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def mixed(s: Tensor, t: Tensor) -> Tensor:
    return Attention(rule="attention").weights(s, t) @ t


def test_attention_by_hand() -> None:
    """s = (1, 0) and t = (1, 0), (0, 1): weights e / (e + 1) and 1 / (e + 1); PT is then 2 / (e + 1)^2 over H = 2."""
    s, t = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[3.0, 0.0], [0.0, 0.5]]])
    near = math.e / (math.e + 1)
    found = Attention(rule="attention").weights(*(torch.nn.functional.normalize(one, dim=-1) for one in (s, t)))
    assert found.flatten().tolist() == pytest.approx([near, 1 - near])
    logits = torch.zeros(1, 2)
    loss = distillation_loss(logits, torch.tensor([0]), logits, s, t, LossWeights(1.0, 1.0, 10.0), mixed)
    assert loss.item() == pytest.approx(10 * 2 * (1 - near) ** 2 / 2)


def test_attention_is_the_papers_written_out() -> None:
    """sum_j MSE(h_j, sum_k a_jk h_k), a_jk = exp(h_j . h_k) / sum exp, number by number; the mean over j."""
    s, t, logits = units(1, 3, 2, 5), units(2, 3, 4, 5), torch.zeros(3, 2, dtype=torch.float64)
    total = 0.0
    for b in range(3):
        for j in range(2):
            h = [x / float(s[b, j].norm()) for x in s[b, j].tolist()]
            theirs = [[x / float(one.norm()) for x in one.tolist()] for one in t[b]]
            scores = [math.exp(sum(x * y for x, y in zip(h, one, strict=True))) for one in theirs]
            aim = [sum(a * one[d] for a, one in zip(scores, theirs, strict=True)) / sum(scores) for d in range(5)]
            total += sum((x - y) ** 2 for x, y in zip(h, aim, strict=True)) / (3 * 2 * 5)
    found = distillation_loss(logits, torch.zeros(3, dtype=torch.int64), logits, s, t, LossWeights(1, 1, 7), mixed)
    assert found.item() == pytest.approx(7 * total)


def test_the_gradient_of_attention_in_double_precision() -> None:
    s, t, logits = units(3, 2, 2, 3).requires_grad_(), units(4, 2, 3, 3), units(5, 2, 2).requires_grad_()
    labels = torch.tensor([0, 1])

    def loss(states: Tensor, said: Tensor) -> Tensor:
        return distillation_loss(said, labels, units(6, 2, 2), states, t, LossWeights(0.5, 2.0, 10.0), mixed)

    assert torch.autograd.gradcheck(loss, (s, logits))


def test_the_record_has_attentions_mean_by_epoch(deep: SmallBackbone, task: Task) -> None:
    found = made(with_map("attention"), deep, task)
    choices = details(found)["choices"]
    assert [one["epoch"] for one in choices] == [0, 1, 2]
    for one in choices:
        weights = np.array(one["weights"])
        assert weights.shape == (3, 7)
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-3)
    # 2 x 2 products of m n H an example and epoch, forward and twice that backward; nothing is read beside the
    # training.
    assert details(found)["choosing"] == {"examples": 0, "flops": 3 * 96 * 3 * 4 * 3 * 7 * 16}


# Successive halving ---------------------------------------------------------------------------------------------------


class _Trials:
    """A choice whose trials say what they are told to."""

    student, teacher, pairs, epochs = 2, 6, 800, 4

    def __init__(self, score: Any) -> None:
        self.draw, self.score = np.random.default_rng(0), score
        self.tried: list[tuple[list[int], int, int]] = []
        self.told: dict[str, Any] = {}

    def sample(self, count: int) -> np.ndarray:
        return np.arange(count)

    def trial(self, layers: list[int], places: np.ndarray, epochs: int) -> tuple[float, float]:
        self.tried.append((layers, len(places), epochs))
        found: tuple[float, float] = self.score(layers)
        return found

    def tell(self, **values: Any) -> None:
        self.told |= values


def test_half_of_the_maps_go_on_with_twice_the_pairs() -> None:
    """By hand: 8 maps on 100 examples, the 4 with the largest layers on 200, 2 on 400: 14 trials."""
    trials = _Trials(lambda layers: (sum(layers) / 100, 0.0))
    chosen = Search(rule="search").choose(trials)  # type: ignore[arg-type]
    assert [(pairs, epochs) for _, pairs, epochs in trials.tried] == [(100, 4)] * 8 + [(200, 4)] * 4 + [(400, 4)] * 2
    first = [layers for layers, *_ in trials.tried[:8]]
    assert first[:3] == [[1, 2], [2, 4], [5, 6]]
    ranked = sorted(first, key=lambda layers: (-sum(layers), first.index(layers)))
    assert [layers for layers, *_ in trials.tried[8:12]] == sorted(ranked[:4], key=first.index)
    assert chosen == [5, 6] == ranked[0]
    assert trials.told["trials"][0] == {"layers": [1, 2], "pairs": 100, "balanced_accuracy": 0.03}


def test_equal_accuracies_are_told_apart_by_the_loss_then_by_the_order() -> None:
    by_loss = _Trials(lambda layers: (0.5, 1.0 - layers[0] / 10))
    assert Search(rule="search").choose(by_loss)[0] == 5  # type: ignore[arg-type]
    assert Search(rule="search").choose(_Trials(lambda layers: (0.5, 1.0))) == [1, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("student", "teacher", "maps", "count"), [(5, 11, 8, 8), (2, 3, 8, 3), (3, 3, 8, 1), (2, 11, 2, 2)]
)
def test_the_maps_that_are_tried(student: int, teacher: int, maps: int, count: int) -> None:
    found = candidates(np.random.default_rng(0), student, teacher, maps)
    assert len(found) == len({tuple(one) for one in found}) == count
    assert all(one == sorted(set(one)) and one[0] >= 1 and one[-1] <= teacher for one in found)
    rules = [layer_map(rule, student + 1, teacher + 1, "") for rule in ("first", "skip", "last")]
    known = [one for n, one in enumerate(rules) if one not in rules[:n]][:count]
    assert found[: len(known)] == known


def test_a_search_leaves_the_training_as_that_of_the_map_it_finds(deep: SmallBackbone, task: Task) -> None:
    """Its trials change neither weights nor random numbers; what they cost, by hand."""
    found = made(with_map({"rule": "search", "maps": 4}), deep, task)
    told, length = details(found), round(float(task.store.lengths[task.train_rows].mean()))
    (choice,) = told["choices"]
    assert same(found, made(with_map(choice["layers"]), deep, task))
    assert [one["pairs"] for one in choice["trials"]] == [12] * 4 + [24] * 2
    trained, read = 3 * (4 * 12 + 2 * 24), 6 * (1 + len(task.validation_rows))
    flops = (3 * trained + read) * encoder_flops(found.encoder.hf, length)
    assert told["choosing"] == {"examples": trained + read, "flops": flops}


def test_a_trial_that_diverges_is_the_worst_and_ends_no_search(
    deep: SmallBackbone, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = matching_module.fit

    def second_diverges(model: Any, *given: Any, **named: Any) -> list[float]:
        calls.append(1)
        found = real(model, *given, **named)
        if len(calls) == 2:
            raise NotFinite("the loss is not finite")
        return found

    monkeypatch.setattr(matching_module, "fit", second_diverges)
    found = made(with_map({"rule": "search", "maps": 3}), deep, task)
    (choice,) = details(found)["choices"]
    assert choice["trials"][1]["balanced_accuracy"] == 0.0
    assert choice["layers"] != choice["trials"][1]["layers"]
    assert same(found, made(with_map(choice["layers"]), deep, task)), "a trial that diverged should leave no trace"


# Shared ---------------------------------------------------------------------------------------------------------------


def test_maps_that_choose_share_the_teachers_states(deep: SmallBackbone, task: Task) -> None:
    from clbench.storage.cache import root

    for rule in ("random", "similar", "attention", "skip"):
        made(with_map(rule, 1), deep, task)
    shapes = sorted(np.load(path).shape for path in (root() / "targets").glob("*/states.npy"))
    assert shapes == [(96, 3, 16), (96, 7, 16)]


@pytest.mark.parametrize("check", ["identity_covers_every_field", "goes_on_where_it_was_killed", "settings_read_back"])
def test_the_battery_with_other_settings(check: str) -> None:
    form = Similar(rule="similar", every="epoch", pairs=20)
    next(one for one in layer_map_checks(form) if one.name == check)()


def test_quick_is_less_work(tmp_path: Path) -> None:
    from clbench.schema.changes import quick_recipe

    step = quick_recipe(read_recipe("pkd-search-6l")).form.steps[-1]
    assert step.layer_map == Search(rule="search", maps=2)  # type: ignore[attr-defined]
    assert quick_recipe(read_recipe("pkd-similar-6l")).form.steps[-1].layer_map == "similar"  # type: ignore[attr-defined]
