"""The strategies that the field compares with: each equation against a form written another way, or by hand."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from life_worlds import Bag, World, strategy
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.compression.masks import attach_masks
from clbench.continual import Checkpoints, Evaluation, live
from clbench.continual.asymmetric import asymmetric_loss
from clbench.continual.benchmark import benchmark
from clbench.continual.dark import distance, remembered
from clbench.continual.fisher import output_sensitivity
from clbench.continual.learner import build
from clbench.continual.life import seed_everything
from clbench.continual.memory import balanced, equal_shares, reservoir
from clbench.continual.penalty import add_pull
from clbench.continual.projection import multipliers, projected
from clbench.continual.training import TrainingPlugin
from clbench.encoder.head import OpenClasses
from clbench.schema.strategy import Strategy, parse_strategy, read_strategy
from clbench.testing.worlds import small

Model = Callable[[], Bag]
NEW = ("der", "derpp", "er-ace", "mas", "online-ewc", "gdumb", "gem", "ema", "interpolate")
TRAINING = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}


def learner_of(world: World, model: Any, form: Strategy, state: dict[str, Tensor], number: int, epochs: int) -> Any:
    """Avalanche's object about to train experience ``number``."""
    training = TrainingPlugin(form.training, world.experiences[number : number + 1], lambda *_: None)
    return build(form, model, training, benchmark(world.experiences).train_stream[:number], state, epochs)


def trained(world: World, model: Any, form: Strategy, state: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    """The state after an experience; number 0 is taken for no epochs."""
    seed_everything(3, number)
    learner = learner_of(world, model, form, state, number, form.training.epochs if number else 0)
    learner.train(benchmark(world.experiences).train_stream[number], eval_streams=[])
    return form.state(learner)


def batches_of(learner: Any, stream: Any) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What each step of an experience reads and says, and its loss."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    watch = learner.plugins[0]
    was = watch.before_update
    watch.before_update = lambda s, **more: (
        found.append((s.mb_x.clone(), s.mb_output.detach().clone(), s.loss.detach().clone())), was(s, **more)
    )  # fmt: skip
    learner.train(stream, eval_streams=[])
    return found


# Memories -------------------------------------------------------------------------------------------------------------


def test_a_reservoir_holds_every_pair_with_the_same_chance() -> None:
    """As algorithm R of Vitter, pair by pair, does; 3 domains of 6, 10 and 4 examples, and room for 5."""
    np.random.seed(0)
    torch.manual_seed(0)
    counts: Counter[int] = Counter()
    for _ in range(2000):
        held, seen = torch.zeros(0, dtype=torch.int64), 0
        for size in (6, 10, 4):
            stay, come = reservoir(seen, len(held), size, 5)
            held, seen = torch.cat([held[stay], seen + come]), seen + size
            assert len(held) == len(set(held.tolist())) == min(5, seen)
        counts.update(held.tolist())
    assert set(counts) == set(range(20))
    # 500 expected of each, standard deviation 19.
    assert max(abs(count - 500) for count in counts.values()) < 80


def test_a_reservoir_with_room_for_all_takes_all() -> None:
    stay, come = reservoir(4, 4, 3, 7)
    assert (stay.tolist(), come.tolist()) == ([0, 1, 2, 3], [0, 1, 2])


@pytest.mark.parametrize("total", [0, 1, 5, 11, 12, 40])
def test_equal_shares_are_as_equal_as_can_be(total: int) -> None:
    sizes = [3, 0, 7, 2]
    shares = equal_shares(sizes, total)
    assert sum(shares) == min(total, 12)
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    # Whoever has less than another by two or more has all that it could.
    for one, size in zip(shares, sizes, strict=True):
        assert one >= max(shares) - 1 or one == size


def test_a_balanced_memory_by_hand() -> None:
    groups = torch.tensor([7] * 10 + [3] * 2 + [5] * 10)
    found = balanced(groups, 12)
    assert Counter(groups[found].tolist()) == {7: 5, 3: 2, 5: 5}
    assert found.tolist() == sorted(set(found.tolist()))


# DER and DER++ --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["der", "derpp"])
def test_dark_replay_against_a_form_written_out(world: World, inception: Model, method: str) -> None:
    """The loss of every step, pair by pair, of what the step itself said; no dropout comes between."""
    form = strategy(method, alpha=0.7, **({"beta": 0.3} if method == "derpp" else {}))
    model = inception()
    state = trained(world, model, form, {}, 0)
    then = model.eval()(state["rows"]).detach()
    torch.testing.assert_close(state["logits"], then)
    assert len(state["rows"]) == len(set(state["rows"].tolist())) == 60
    assert int(state["seen"]) == 320
    place_of = {row: place for place, row in enumerate(state["rows"].tolist())}
    label_of = {
        r: y for e in world.experiences for r, y in zip(e.train_rows.tolist(), e.train_labels.tolist(), strict=True)
    }
    seed_everything(3, 1)
    learner = learner_of(world, model, form, state, 1, 1)
    steps = batches_of(learner, benchmark(world.experiences).train_stream[1])
    assert len(steps) == 20
    for rows, said, loss in steps:
        assert len(rows) == 16 * (3 if method == "derpp" else 2)
        labels = torch.tensor([label_of[row] for row in rows.tolist()])
        surprise = said.logsumexp(1) - said.gather(1, labels[:, None])[:, 0]
        places = [place_of[row] for row in rows[16:].tolist()]  # none but remembered ones
        apart = [(said[16 + k] - then[place]).pow(2).sum() / 2 for k, place in enumerate(places[:16])]
        wanted = surprise[:16].mean() + 0.7 * torch.stack(apart).mean()
        if method == "derpp":
            wanted = wanted + 0.3 * surprise[32:].mean()
            assert rows[16:32].tolist() != rows[32:].tolist()
        torch.testing.assert_close(loss.reshape(()), wanted)
    after = form.state(learner)
    assert int(after["seen"]) == 640
    new = set(world.experiences[1].train_rows.tolist())
    kept = [row in new for row in after["rows"].tolist()]
    assert 15 < sum(kept) < 45
    # Old ones keep the logits that they came with; new ones have those of the model as it is now.
    for row, logits, fresh in zip(after["rows"].tolist(), after["logits"], kept, strict=True):
        wanted = model.eval()(torch.tensor([row]))[0] if fresh else state["logits"][place_of[row]]
        torch.testing.assert_close(logits, wanted)


def test_the_distance_of_logits_in_double_precision() -> None:
    torch.manual_seed(0)
    found = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    then = {"logits": torch.randn(3, 4, dtype=torch.float64)}
    assert torch.autograd.gradcheck(lambda z: distance(z, then), (found,))
    torch.testing.assert_close(distance(found, then), nn.MSELoss()(found, then["logits"]))
    known = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=torch.bool)
    closed = then | {"known": known}
    assert torch.autograd.gradcheck(lambda z: distance(z, closed), (found,))
    # By hand: the mean over the seven that were open.
    terms = [(found[i, j] - then["logits"][i, j]) ** 2 for i, j in known.nonzero().tolist()]
    torch.testing.assert_close(distance(found, closed), torch.stack(terms).mean())
    distance(found, closed).backward()
    assert found.grad is not None
    assert (found.grad[~known] == 0).all()


def test_logits_of_closed_classes_are_not_remembered() -> None:
    world = small()
    model = world.backbone.classifier(4, 0).with_tokens(world.store).eval()
    raw = model(torch.arange(6)).detach()
    model.open = OpenClasses.of(torch.zeros(len(world.store), dtype=torch.int64), [(0, 2)], 4)
    found = remembered(model, torch.arange(6), torch.zeros(6, dtype=torch.int64))
    assert found["known"].tolist() == [[True, False, True, False]] * 6
    torch.testing.assert_close(found["logits"][:, [0, 2]], raw[:, [0, 2]])
    assert (found["logits"][:, [1, 3]] == 0).all()


# ER-ACE ---------------------------------------------------------------------------------------------------------------


def test_asymmetric_cross_entropy_by_hand_and_in_double_precision() -> None:
    """Two new examples of classes 2 and 3, two remembered ones of 0 and 2: new ones do not see 0 and 1."""
    torch.manual_seed(1)
    logits = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([2, 3, 0, 2])
    loss = asymmetric_loss(logits, labels, 2)
    z = logits.detach().exp()
    new = sum(-(z[k, labels[k]] / (z[k, 2] + z[k, 3])).log() for k in (0, 1)) / 2
    old = sum(-(z[k, labels[k]] / z[k].sum()).log() for k in (2, 3)) / 2
    torch.testing.assert_close(loss.detach(), new + old)
    assert torch.autograd.gradcheck(lambda x: asymmetric_loss(x, labels, 2), (logits,))
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[:2, :2] == 0).all()
    assert (logits.grad[2:] != 0).all()


def test_er_ace_rehearses_from_a_memory_that_the_new_domain_is_in(world: World, inception: Model) -> None:
    model, form = inception(), strategy("er-ace")
    state = trained(world, model, form, {}, 0)
    seed_everything(3, 1)
    learner = learner_of(world, model, form, state, 1, 1)
    steps = batches_of(learner, benchmark(world.experiences).train_stream[1])
    after = form.state(learner)
    memory = set(after["rows"].tolist())
    assert memory & set(state["rows"].tolist())
    assert memory & set(world.experiences[1].train_rows.tolist())
    for rows, said, loss in steps:
        assert set(rows[16:].tolist()) <= memory
        labels = torch.from_numpy(np.concatenate([e.train_labels for e in world.experiences]))
        every = torch.from_numpy(np.concatenate([e.train_rows for e in world.experiences]))
        gold = torch.stack([labels[every == row][0] for row in rows])
        # Both classes are in every batch: plain replay, each part a mean of its own.
        torch.testing.assert_close(
            loss.reshape(()), cross_entropy(said[:16], gold[:16]) + cross_entropy(said[16:], gold[16:])
        )


# MAS and online EWC ---------------------------------------------------------------------------------------------------


def sensitivity(model: nn.Module, rows: Tensor) -> dict[str, Tensor]:
    """By way of the Jacobian of each logit: d ||z||^2 = 2 sum_c z_c dz_c."""
    names, weights = zip(*model.named_parameters(), strict=True)
    sums = {name: torch.zeros_like(p) for name, p in zip(names, weights, strict=True)}
    for row in rows.split(1):
        z = model(row)[0]
        jacobian = [torch.autograd.grad(one, weights, retain_graph=True) for one in z]
        for place, name in enumerate(names):
            sums[name] += sum(2 * z[c].detach() * jacobian[c][place] for c in range(len(z))).abs()  # type: ignore
    return {name: value / len(rows) for name, value in sums.items()}


def test_mas_against_jacobians(world: World, inception: Model) -> None:
    model = inception().eval()
    rows, labels = torch.from_numpy(world.experiences[0].train_rows[:40]), torch.zeros(40, dtype=torch.int64)
    found, wanted = output_sensitivity(model, rows, labels), sensitivity(model, rows)
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert value.max() > 0
        torch.testing.assert_close(found[name], value)
    # A batch's gradient is another thing: examples of either class cancel in it.
    model.zero_grad()
    model(rows).square().sum(1).mean().backward()
    grad = model.hidden.weight.grad
    assert grad is not None
    assert grad.abs().sum() < 0.95 * found["hidden.weight"].sum()


def test_mas_of_an_encoder_with_closed_classes() -> None:
    world = small()
    model = world.backbone.classifier(4, 0).with_tokens(world.store).eval()
    rows = torch.arange(8)
    model.open = OpenClasses.of(torch.zeros(len(world.store), dtype=torch.int64), [(0, 2)], 4)
    found = output_sensitivity(model, rows, torch.zeros(8, dtype=torch.int64))
    model.open = None
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row in rows.split(1):
        model.zero_grad()
        model(row)[:, [0, 2]].square().sum().backward()
        for name, p in model.named_parameters():
            sums[name] += 0 if p.grad is None else p.grad.abs() / 8
    for name, value in sums.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
    assert (found["hf.classifier.weight"][[1, 3]] == 0).all()


def test_a_penaltys_pull_in_double_precision() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    origin = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    fisher = {name: torch.rand_like(p) for name, p in model.named_parameters()}

    def penalty(*weights: Tensor) -> Tensor:
        pairs = zip(origin, weights, strict=True)
        return torch.stack([(5 * fisher[n] * (w - origin[n]) ** 2).sum() for n, w in pairs]).sum()

    weights = tuple(model.parameters())
    assert torch.autograd.gradcheck(penalty, weights)
    wanted = torch.autograd.grad(penalty(*weights), weights)
    model.bias.grad = torch.ones(2, dtype=torch.float64)
    add_pull(model, fisher, origin, 5.0)
    assert model.weight.grad is not None
    torch.testing.assert_close(model.weight.grad, wanted[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.bias.grad, wanted[1] + 1, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("method", "decay"), [("mas", 1.0), ("online-ewc", 0.25)])
def test_importances_of_two_experiences_are_added_up(world: World, inception: Model, method: str, decay: float) -> None:
    from clbench.continual.fisher import fisher_diagonal

    form = strategy(method, **({} if method == "mas" else {"decay": decay}))
    model, importance = inception(), output_sensitivity if method == "mas" else fisher_diagonal
    parts, state = [], {}
    for number in (0, 1):
        state = trained(world, model, form, state, number)
        one = world.experiences[number]
        parts.append(importance(model, torch.from_numpy(one.train_rows), torch.from_numpy(one.train_labels)))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(state[f"importance/{name}"], decay * parts[0][name] + parts[1][name])
        assert torch.equal(state[f"weights/{name}"], parameter)
    assert len(state) == 2 * len(parts[0]), "one penalty in all"


def test_online_ewc_is_ewc_with_its_mode(world: World, inception: Model, tmp_path: Path) -> None:
    """The same weights at the end of a life, to the bit."""
    ends = []
    for name, form in (
        ("own", strategy("online-ewc", decay=0.5)), ("mode", strategy("ewc", mode="online", decay=0.5)),
    ):  # fmt: skip
        model = inception()
        live(model, world.experiences, form, seed=0, evaluation=Evaluation(world.evaluate),
             checkpoints=Checkpoints(tmp_path / name, "f"))  # fmt: skip
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


# GEM ------------------------------------------------------------------------------------------------------------------


def by_active_sets(gram: np.ndarray, along: np.ndarray, margin: float) -> np.ndarray:
    """v of the quadratic programme by trying which constraints bind: for each set those v are the margin."""
    best, found, count = np.inf, np.zeros(0), len(gram)
    for bound in itertools.product((False, True), repeat=count):
        free = ~np.array(bound)
        v = np.full(count, margin)
        if free.any():
            rest = along[free] + gram[np.ix_(free, ~free)] @ v[~free]
            v[free] = np.linalg.solve(gram[np.ix_(free, free)], -rest)
        value = v @ gram @ v / 2 + along @ v
        if (v >= margin - 1e-12).all() and value < best:
            best, found = value, v
    return found


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(8))
def test_gems_multipliers_against_all_active_sets(margin: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    references, gradient = draw.normal(size=(1 + seed % 4, 12)), draw.normal(size=12)
    gram, along = references @ references.T, references @ gradient
    found = multipliers(gram, along, margin)
    assert found is not None
    np.testing.assert_allclose(found, by_active_sets(gram, along, margin), atol=1e-7)


def test_gems_projection_by_hand() -> None:
    """g = (1, -2), references (0, 1) and (1, 0): the second part goes, the first stays."""
    gradient, references = torch.tensor([1.0, -2.0]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    found = projected(gradient, references, 0.0)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)
    # v >= 1/2 holds both: v = (2, 1/2), g + v = (3/2, 0).
    found = projected(gradient, references, 0.5)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([1.5, 0.0]), atol=1e-6, rtol=0)
    assert projected(torch.tensor([1.0, 2.0]), references, 0.5) is None
    # Two domains with one gradient are no trouble; nor are opposite ones, where nothing but standing still is left.
    found = projected(gradient, torch.tensor([[0.0, 1.0], [0.0, -1.0]]), 0.0)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0]), atol=1e-5, rtol=0)
    found = projected(gradient, torch.tensor([[0.0, 1.0], [0.0, 1.0]]), 0.0)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0]), atol=1e-5, rtol=0)
    assert projected(torch.tensor([torch.nan, -1.0]), references, 0.0) is None


def test_gem_is_the_nearest_gradient_that_undoes_nothing(world: World, inception: Model) -> None:
    """At every step of the third experience, with two domains in the memory."""
    model, form = inception(), strategy("gem", margin=0.0)
    state = trained(world, model, form, trained(world, model, form, {}, 0), 1)
    assert {key: len(value) for key, value in state.items()} == dict.fromkeys(
        ("0/rows", "0/labels", "1/rows", "1/labels"), 40
    )
    learner = learner_of(world, model, form, state, 2, 1)
    plugin, met = learner.plugins[1], []
    project = plugin.after_backward

    def gradient() -> Tensor:
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    def watched(s: Any, **more: Any) -> None:
        before, references = gradient(), plugin._references
        project(s, **more)
        after = gradient()
        met.append(bool((references @ before < 0).any()))
        scale = references.norm(dim=1) * after.norm() + 1e-6
        assert (references @ after >= -1e-3 * scale).all()
        assert met[-1] or torch.equal(before, after)
        # The way from g is in the span of the references that bind, with weights of 0 or more.
        v = torch.linalg.lstsq(references.T.double(), (after - before).double()[:, None]).solution[:, 0]
        assert (v >= -1e-3).all()
        assert (v * (references @ after).double()).abs().max() <= 1e-2 * (1 + v.max()) * scale.max()

    plugin.after_backward = watched
    learner.train(benchmark(world.experiences).train_stream[2], eval_streams=[])
    assert len(met) == 20
    assert sum(met) > 3


# GDumb ----------------------------------------------------------------------------------------------------------------


def test_gdumb_trains_the_model_of_inception_on_its_memory_alone(world: World, inception: Model) -> None:
    form, model = strategy("gdumb", memory_size=60), inception()
    state = trained(world, model, form, {}, 0)
    for wrong in (0.0, 3.0):  # what the model has become meanwhile is of no account
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter += wrong
        other.tokens.trained.clear()
        after = trained(world, other, form, {name: value.clone() for name, value in state.items()}, 1)
        memory = set(after["rows"].tolist())
        assert set(other.tokens.trained) == memory
        shares = Counter(zip(after["domain"].tolist(), after["labels"].tolist(), strict=True))
        assert shares == {(0, 0): 15, (0, 1): 15, (1, 0): 15, (1, 1): 15}
        ends = {name: value.clone() for name, value in other.state_dict().items()}
        before = ends if wrong == 0.0 else before  # noqa: F821
        assert all(torch.equal(before[name], ends[name]) for name in ends)
    for name, parameter in inception().named_parameters():
        assert torch.equal(state[f"start/{name}"], parameter)


# Averages of weights --------------------------------------------------------------------------------------------------


def test_ema_is_the_average_written_out_and_what_is_evaluated(world: World, inception: Model, folder: Path) -> None:
    form = strategy("ema", momentum=0.9, training__select="last")
    model, walked, looked = inception(), [], []

    def evaluate(one: nn.Module) -> Any:
        looked.append({name: p.detach().clone() for name, p in one.named_parameters()})
        return world.evaluate(one)  # type: ignore[arg-type]

    step = torch.optim.AdamW.step

    def noted(self: Any, *given: Any, **more: Any) -> Any:
        found = step(self, *given, **more)
        walked.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return found

    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", noted)
        live(model, world.experiences, form, seed=0, evaluation=Evaluation(evaluate),
             checkpoints=Checkpoints(folder, "f"))  # fmt: skip
    assert len(walked) == 2 * 80
    assert len(looked) == 3
    # a_n = 0.9^n w_0 + sum_k 0.1 0.9^(n - k) w_k
    for name, origin in start.items():
        for seen, count in zip(looked, (0, 80, 160), strict=True):
            wanted = 0.9**count * origin.double()
            for k in range(count):
                wanted = wanted + 0.1 * 0.9 ** (count - 1 - k) * walked[k][name].double()
            torch.testing.assert_close(seen[name].double(), wanted, rtol=1e-4, atol=1e-5)
    # The life went on with the weights themselves, and ends with the average; so does one that is only read.
    assert any(not torch.allclose(walked[80][n], looked[1][n], atol=1e-3) for n in start)
    again = world.model(seed=9)
    live(again, world.experiences, form, seed=0, evaluation=Evaluation(world.evaluate),
         checkpoints=Checkpoints(folder, "f"))  # fmt: skip
    for one in (model, again):
        assert all(torch.equal(p, looked[2][name]) for name, p in one.named_parameters())


def test_ema_keeps_the_average_of_the_epoch_that_is_kept(world: World, inception: Model) -> None:
    form = strategy("ema", momentum=0.5, training__epochs=3)
    model = inception()
    state = trained(world, model, form, {}, 0)
    learner = learner_of(world, model, form, state, 1, 3)
    training, plugin, averages = learner.plugins[0], learner.plugins[1], []
    scores = iter([0.5, 0.9, 0.7])
    training.judge = lambda _: {"second": next(scores)}
    over = plugin.after_training_epoch
    plugin.after_training_epoch = lambda s, **more: (
        over(s, **more), averages.append({n: a.clone() for n, a in plugin.average.items()})
    )  # fmt: skip
    learner.train(benchmark(world.experiences).train_stream[1], eval_streams=[])
    for name, value in form.evaluated(form.state(learner)).items():
        assert torch.equal(value, averages[1][name])
        assert not torch.equal(averages[1][name], averages[2][name])


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_interpolation_written_out(world: World, inception: Model, alpha: float) -> None:
    plain, mixed = inception(), inception()
    before = {name: p.detach().clone() for name, p in plain.named_parameters()}
    trained(world, plain, strategy("naive"), {}, 1)
    state = trained(world, mixed, strategy("interpolate", alpha=alpha), {}, 1)
    assert state == {}
    after = dict(plain.named_parameters())
    for name, parameter in mixed.named_parameters():
        torch.testing.assert_close(parameter, (1 - alpha) * before[name] + alpha * after[name], rtol=1e-5, atol=1e-6)


def test_the_validation_score_is_that_of_the_interpolated_model(world: World, inception: Model, folder: Path) -> None:
    from clbench.continual.evaluation import validate

    model = inception()
    points = live(model, world.experiences[:2], strategy("interpolate", alpha=0.1), seed=0,
                  evaluation=Evaluation(world.evaluate), checkpoints=Checkpoints(folder, "f"))  # fmt: skip
    assert points[-1].validation == {"second": validate(model, world.experiences[1], 64)}


# All of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", NEW)
def test_masked_weights_stay_zero_and_layers_may_be_left_out(method: str, tmp_path: Path) -> None:
    """A pruned encoder with dropout and LayerDrop lives to the end; what is masked is zero in what is left."""
    world = small()
    model = world.backbone.classifier(2, 0).with_tokens(world.store)
    model.set_layerdrop(0.4)
    model.set_dropout(0.2)
    torch.manual_seed(0)
    name = "hf.bert.encoder.layer.0.attention.self.query.weight"
    mask = (torch.rand_like(model.get_parameter(name)) > 0.5).float()
    attach_masks(model, {name: mask})
    content = read_strategy(method).model_dump(by_alias=True) | {"training": TRAINING}
    content |= {"memory_size": 20, "memory_batch_size": 8} if "memory_batch_size" in content else {}
    form = parse_strategy(content, "a test")
    live(model, world.experiences, form, seed=0, evaluation=Evaluation(world.evaluate),
         checkpoints=Checkpoints(tmp_path, "f"))  # fmt: skip
    left = model.get_parameter(name)
    assert (left[mask == 0] == 0).all()
    assert (left[mask == 1] != 0).any()
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_class_incremental_life_of_er_ace_learns_new_classes(tmp_path: Path) -> None:
    """New classes are told from old ones by remembered examples alone, of which the new domain's are."""
    world = small()
    experiences = world.in_scenario("class-incremental")
    from clbench.encoder.head import grow_head

    model = world.backbone.classifier(2, 0).with_tokens(world.store)
    grow_head(model, (0, 1), [f"class {number}" for number in range(6)], 0)
    content = read_strategy("er-ace").model_dump(by_alias=True)
    form = parse_strategy(content | {"training": TRAINING | {"epochs": 6}}, "a test")
    live(model, experiences, form, seed=0, evaluation=Evaluation(world.evaluate),
         checkpoints=Checkpoints(tmp_path, "f"))  # fmt: skip
    said = model.eval()(torch.from_numpy(experiences[2].train_rows)).argmax(1)
    assert set(said.tolist()) & {4, 5}, "no example of the last domain is given a class of its own"
