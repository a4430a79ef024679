"""Adapters by peft: merged, orthogonal and apart, each against the products written out."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clbench.compression.masks import attach_masks
from clbench.continual import Checkpoints, Evaluation, live
from clbench.continual.adapters import Injected, Merging, Rank, adapted_matrices, answering, delta, overlap
from clbench.continual.benchmark import benchmark
from clbench.continual.learner import build
from clbench.continual.life import seed_everything
from clbench.continual.training import TrainingPlugin
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.head import grow_head, head_parameters
from clbench.errors import UserError
from clbench.runs.job import make_job
from clbench.schema.scenario import TASK
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import NOT_IN_INT8, Strategy, parse_strategy, read_strategy
from clbench.testing.worlds import Small, same_weights, small

RANK = Rank(4, 8.0, 10.0)
TRAINING = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}


@pytest.fixture(scope="module")
def world() -> Small:
    return small()


def model_of(world: Small, classes: int = 2) -> Classifier:
    return world.backbone.classifier(classes, 0).with_tokens(world.store).eval()


def form_of(name: str, **changes: Any) -> Strategy:
    return parse_strategy(read_strategy(name).model_dump(by_alias=True) | {"training": TRAINING} | changes, "a test")


def filled(injected: Injected) -> None:
    """B, which is zero at first, drawn."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in injected.layers.values():
            layer.lora_B["domain"].weight.normal_(0, 0.1, generator=generator)


def logits(model: nn.Module) -> Tensor:
    return predict(model, torch.arange(24))


def second(world: Small, model: Classifier, form: Strategy, state: dict[str, Tensor], number: int) -> Any:
    training = TrainingPlugin(form.training, world.experiences[:1], lambda *_: None)
    return build(form, model, training, benchmark(world.experiences).train_stream[:number], state, 1)


def test_an_adapter_is_the_product_written_out_and_merges_to_the_same(world: Small) -> None:
    model = model_of(world)
    plain, before = copy.deepcopy(model), logits(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        injected = Injected(model, RANK)
    ends = [name.rpartition(".")[2] for name in injected.names]
    assert ends == ["query", "value"] * 2, "the matrices that the paper adapts"
    torch.testing.assert_close(logits(model), before)  # B is zero at first
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {n for n in trained if ".lora_" in n} | set(head_parameters(model))
    assert len(trained) == 2 * 4 + 2
    filled(injected)
    adapter, said = injected.values(), logits(model)
    assert (said - before).abs().max() > 0.01
    with injected.without():
        torch.testing.assert_close(logits(model), before)
    torch.testing.assert_close(logits(model), said)
    with torch.no_grad():
        for name in adapted_matrices(plain):
            # alpha / rank is 2.
            plain.hf.get_parameter(f"{name}.weight").add_(2 * adapter[f"B/{name}"] @ adapter[f"A/{name}"])
    torch.testing.assert_close(said, logits(plain), rtol=1e-4, atol=1e-5)
    injected.out(merge=True)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert all(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(logits(model), said, rtol=1e-4, atol=1e-5)
    for (name, one), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_an_adapter_that_is_taken_out_leaves_the_model_as_it_was(world: Small) -> None:
    model = model_of(world)
    plain = copy.deepcopy(model)
    injected = Injected(model, RANK)
    filled(injected)
    injected.out(merge=False)
    assert same_weights(model, plain)
    torch.testing.assert_close(logits(model), logits(plain), rtol=0, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_an_adapters_gradient_in_double_precision(world: Small, masked: bool) -> None:
    """Of A and B of a matrix, and what it says against W + 2 B A written out; what is masked has no part in either."""
    model = model_of(world)
    name = adapted_matrices(model)[0]
    mask = (torch.rand(32, 32, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    if masked:
        attach_masks(model, {f"hf.{name}.weight": mask})
    layer = Injected(model, RANK).layers[name]
    layer.double()
    torch.manual_seed(0)
    x = torch.randn(3, 32, dtype=torch.float64)
    a = torch.randn(4, 32, dtype=torch.float64, requires_grad=True)
    b = torch.randn(32, 4, dtype=torch.float64, requires_grad=True)

    def said(a: Tensor, b: Tensor) -> Tensor:
        values = {"lora_A.domain.weight": a, "lora_B.domain.weight": b}
        found: Tensor = torch.func.functional_call(layer, values, (x,))
        return found

    assert torch.autograd.gradcheck(said, (a, b))
    product = 2 * b @ a * (mask if masked else 1)
    wanted = x @ (layer.base_layer.weight + product).T + layer.base_layer.bias
    torch.testing.assert_close(said(a, b), wanted)


def test_the_overlap_of_rows_by_hand_and_in_double_precision() -> None:
    """|1 x 3 + 2 x 4| + |1 x 1| + .. of A' = ((3, 4), (1, 0)) and A = ((1, 2), (0, -1)): 11 + 1 + 4 + 0."""
    rows = {"q": torch.tensor([[1.0, 2.0], [0.0, -1.0]])}
    earlier = {"q": torch.tensor([[3.0, 4.0], [1.0, 0.0]])}
    assert overlap(rows, earlier).item() == 16
    assert overlap({"q": torch.tensor([[1.0, 0.0]])}, {"q": torch.tensor([[0.0, 5.0]])}).item() == 0
    a = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    then = torch.randn(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: overlap({"q": x}, {"q": then}), (a,))
    wanted = sum(abs(float(then[i] @ a[j])) for i in range(3) for j in range(2))
    assert overlap({"q": a}, {"q": then}).item() == pytest.approx(wanted)


def test_olora_adds_the_overlap_with_every_earlier_adapter(world: Small) -> None:
    form = form_of("olora", **{"lambda": 0.25, "rank": 4})
    model = model_of(world)
    stream = benchmark(world.experiences).train_stream
    state: dict[str, Tensor] = {}
    for number in (1, 2):
        seed_everything(0, number)
        learner = second(world, model, form, state, number)
        found: list[tuple[Tensor, Tensor]] = []
        plugin = learner.plugins[1]
        assert isinstance(plugin, Merging)
        added = plugin.before_backward

        def watched(s: Any, added: Any = added, plugin: Any = plugin, found: Any = found, **more: Any) -> None:
            plain = s.loss.detach().clone()
            rows = {n: a.detach().clone() for n, a in plugin._injected.rows().items()}
            added(s, **more)
            earlier = plugin.past.get(1, {})
            shared = sum((earlier[n].double() @ rows[n].double().T).abs().sum().item() for n in earlier)
            found.append((s.loss.detach() - plain, torch.tensor(0.25 * shared)))

        plugin.before_backward = watched  # type: ignore[method-assign]
        learner.train(stream[number], eval_streams=[])
        assert len(found) == 3
        for more, wanted in found:
            torch.testing.assert_close(more.reshape(()), wanted.float(), rtol=1e-4, atol=1e-5)
            assert (wanted > 0) == (number == 2)
        state = form.state(learner)
    assert {key.partition("/")[0] for key in state} == {"1", "2"}
    assert all(value.shape == (4, 32) for value in state.values())
    # With a strong pull the spaces come out orthogonal, nearly.
    shares = []
    for strength in (1e-9, 50.0):
        again = copy.deepcopy(model)
        strong = form_of(
            "olora", **{"lambda": strength, "rank": 4, "training": TRAINING | {"epochs": 12, "select": "last"}}
        )
        seed_everything(0, 2)
        learner = second(world, again, strong, {k: v for k, v in state.items() if k[0] == "1"}, 2)
        learner.train_epochs = 12
        learner.train(stream[2], eval_streams=[])
        end = strong.state(learner)
        pairs = [(end[f"1/{n}"], end[f"2/{n}"]) for n in adapted_matrices(model)]
        shares.append(sum((a @ b.T).abs().sum().item() for a, b in pairs))
    assert shares[1] < shares[0] / 2


@pytest.mark.parametrize("method", ["lora", "olora"])
def test_masked_weights_stay_zero_under_an_adapter(world: Small, method: str, tmp_path: Path) -> None:
    """And have no effect while it is trained, so that merging changes nothing."""
    model = model_of(world)
    name = adapted_matrices(model)[0]
    mask = (torch.rand(32, 32, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    attach_masks(model, {f"hf.{name}.weight": mask})
    injected = Injected(model, RANK)
    filled(injected)
    said = logits(model)
    injected.out(merge=True)
    torch.testing.assert_close(logits(model), said, rtol=1e-4, atol=1e-5)
    assert (model.hf.get_parameter(f"{name}.weight")[mask == 0] == 0).all()
    model.set_layerdrop(0.4)
    model.set_dropout(0.2)
    live(model, world.experiences, form_of(method), seed=0, evaluation=Evaluation(world.evaluate),
         checkpoints=Checkpoints(tmp_path, "f"))  # fmt: skip
    left = model.hf.get_parameter(f"{name}.weight")
    assert (left[mask == 0] == 0).all()
    assert (left[mask == 1] != 0).all()


@pytest.mark.parametrize("method", ["lora", "olora"])
def test_only_adapted_matrices_and_the_last_layer_move(world: Small, method: str, tmp_path: Path) -> None:
    model = model_of(world)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    live(model, world.experiences, form_of(method), seed=0, evaluation=Evaluation(world.evaluate),
         checkpoints=Checkpoints(tmp_path, "f"))  # fmt: skip
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {f"hf.{name}.weight" for name in adapted_matrices(model)} | set(head_parameters(model))
    name = f"hf.{adapted_matrices(model)[0]}.weight"
    # Two domains, a rank of 8 each.
    assert int(torch.linalg.matrix_rank(model.get_parameter(name) - before[name], rtol=1e-4)) <= 16


def test_an_adapter_has_its_own_rate(world: Small) -> None:
    injected = Injected(model_of(world), RANK)
    groups = injected.trainer(form_of("lora").training).param_groups
    found = {round(group["lr"], 6): sum(len(group["params"]) for _ in (0,)) for group in groups if group["params"]}
    assert set(found) == {0.003, 0.03}
    assert sum(len(g["params"]) for g in groups if g["lr"] == pytest.approx(0.03)) == 8


def test_adapters_apart_answer_with_the_domains_own(world: Small, tmp_path: Path) -> None:
    """What a domain is answered when its experience is over, it is answered at the end, to the bit; and by hand."""
    experiences = world.in_scenario(TASK)
    model = model_of(world)
    grow_head(model, (0, 1), [f"class {number}" for number in range(6)], 0)
    model.open = experiences[0].opened
    start = copy.deepcopy(model)
    seen: list[dict[str, Tensor]] = []

    def evaluate(one: nn.Module) -> Any:
        seen.append({name: predict(one, torch.from_numpy(rows)).clone() for name, rows in world.tests.items()})
        return world.evaluate(one)

    form = form_of("lora-apart", rank=4, training=TRAINING | {"epochs": 2})
    points = live(model, experiences, form, seed=0, evaluation=Evaluation(evaluate),
                  checkpoints=Checkpoints(tmp_path, "f"))  # fmt: skip
    assert same_weights(model, start), "the model of inception stays as it is"
    names = list(world.tests)
    for number, name in enumerate(names):
        for later in seen[number:]:
            torch.testing.assert_close(later[name], seen[number][name], rtol=0, atol=0)
        for earlier in seen[:number]:
            torch.testing.assert_close(earlier[name], seen[0][name], rtol=0, atol=0)
            assert (earlier[name] - seen[number][name]).abs().max() > 1e-3
    from clbench.continual import checkpoint

    left = checkpoint.latest(tmp_path, "f")
    assert left is not None
    for number, name in enumerate(names[1:], start=1):
        by_hand = copy.deepcopy(start)
        by_hand.open = experiences[2].opened
        adapter = {key[2:]: value for key, value in left.strategy.items() if key.startswith(f"{number}/")}
        with torch.no_grad():
            for matrix in adapted_matrices(by_hand):
                by_hand.hf.get_parameter(f"{matrix}.weight").add_(delta(adapter, matrix, form.alpha / form.rank))
            for key in head_parameters(by_hand):
                by_hand.get_parameter(key).copy_(adapter[f"head/{key}"])
        wanted = predict(by_hand, torch.from_numpy(world.tests[name]))
        torch.testing.assert_close(seen[-1][name], wanted, rtol=1e-4, atol=1e-5)
    assert points[0].held_bytes < points[1].held_bytes < points[2].held_bytes
    # A batch may have rows of several domains, in any order.
    adapters: dict[int, dict[str, Tensor]] = {}
    for key, value in left.strategy.items():
        number_of, _, part = key.partition("/")
        adapters.setdefault(int(number_of), {})[part] = value
    model.open = experiences[2].opened
    rows = torch.from_numpy(np.concatenate(list(world.tests.values())))
    mixed = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    with answering(model, adapters, form.alpha / form.rank):
        said = predict(model, rows[mixed])
    torch.testing.assert_close(said, torch.cat(list(seen[-1].values()))[mixed], rtol=1e-4, atol=1e-5)
    assert same_weights(model, start)
    assert "forward" not in vars(model)
    model.open = experiences[0].opened
    with answering(model, {}, 1.0):
        torch.testing.assert_close(predict(model, torch.from_numpy(world.tests["mnli"])), seen[0]["mnli"])


@pytest.mark.parametrize("method", ["lora", "olora", "lora-apart"])
def test_a_model_without_an_encoder_is_refused(method: str) -> None:
    stream = "glue-shift" if method == "lora-apart" else "nli-shift"
    with pytest.raises(UserError, match=rf"strategy '{method}' .* changes an encoder's matrices, and bow makes no"):
        make_job(RunSpec(model="bow", stream=stream, strategy=method))


def test_adapters_apart_need_streams_that_tell_the_domain() -> None:
    with pytest.raises(UserError, match=r"'lora-apart' .* is not defined for domain-incremental streams"):
        make_job(RunSpec(model="finetune-6l", stream="nli-shift", strategy="lora-apart"))


@pytest.mark.parametrize("model", ["finetune-12l-int8", "pkd-skip-6l-int8"])
def test_adapters_apart_with_a_recipe_in_int8_are_refused_before_anything_is_trained(model: str) -> None:
    with pytest.raises(UserError, match=f"^{NOT_IN_INT8}$"):
        make_job(RunSpec(model=model, stream="glue-shift", strategy="lora-apart"))


def test_without_peft_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clbench.runs.job.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs peft, which is not installed: pip install 'clbench\[peft\]'\."):
        make_job(RunSpec(model="finetune-6l", stream="nli-shift", strategy="lora"))


def test_adapters_apart_refuse_int8(world: Small) -> None:
    model = model_of(world)
    model.config.int8 = True
    with (
        pytest.raises(UserError, match="cannot be evaluated in int8; leave the step quantize out"),
        answering(model, {}, 1.0),
    ):
        pass
