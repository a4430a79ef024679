"""Budgets by hand: what a strategy may hold, and how many gradients it may take."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch

from clbench.errors import UserError
from clbench.schema.budget import Bounded, Budget, Life, bounded, naive_epochs, read_budget, remembered_pairs
from clbench.schema.spec import RunSpec, spec_of
from clbench.schema.strategy import STRATEGIES, Strategy, Work, override, read_strategy, stages

# Three domains of 100, 90 and 40 examples; examples of 64 tokens of 4 bytes; naive takes 3 epochs of 32.
LIFE = Life(parameters=1000, classes=2, max_length=64, train={"a": 100, "b": 90, "c": 40}, naive_epochs=3)


class Silent(Strategy):
    """A strategy whose author has not thought of budgets."""

    method: Literal["silent"]


def within(name: str, budget: Budget, **settings: Any) -> Bounded:
    return bounded(override(read_strategy(name), settings), budget, LIFE)


@pytest.mark.parametrize(
    ("name", "settings", "steps"),
    [
        # 270 and 120 gradients, three epochs each; 90 examples are 3 steps an epoch, 40 are 2.
        ("naive", {}, (0, 3, 2)),
        # A step has 64: one an epoch takes 192, two 384; then 390 - 192 = 198 are left, and one step takes 192.
        ("replay", {}, (0, 1, 1)),
        # A step has 36: two take 216, three 270 + 36; then two steps take 120 + 24, of 174 that are left.
        ("replay", {"memory_batch_size": 4}, (0, 2, 2)),
        # A step has 34: three take 270 + 18, but two 204; then 186 are left, and both steps take 120 + 12.
        ("der", {"memory_batch_size": 2}, (0, 2, 2)),
        ("derpp", {"memory_batch_size": 1}, (0, 2, 2)),
        # Six epochs over a memory of 20, one step each.
        ("gdumb", {"memory_size": 20, "training.epochs": 6}, (0, 1, 1)),
        # The gradient of 4 examples of the one domain, and then of 2 of each of the two.
        ("agem", {"sample_size": 4}, (0, 2, 2)),
        ("lwf", {}, (0, 3, 2)),
        ("joint", {}, (0, 4)),
    ],
)
def test_steps_of_an_epoch_at_once_the_gradients_of_naive(
    name: str, settings: dict[str, Any], steps: tuple[int, ...]
) -> None:
    found = within(name, Budget(compute=1), **settings)
    assert found.most_steps == steps
    assert found.form == override(read_strategy(name), settings)
    assert found.steps_of(1) == steps[1]


def test_importances_are_paid_for_from_inception_on() -> None:
    """100 gradients at inception and 90 of the second domain; 270 - 190 = 80 are left for three epochs: none of 32."""
    with pytest.raises(UserError, match=r"--budget compute=1: strategy 'ewc' \(ewc\) takes 286 gradients by the end of "
                                        "b with one step an epoch, but may take 270; give more"):  # fmt: skip
        within("ewc", Budget(compute=1))
    # 540 - 190 = 350: all three steps, 270; then 780 - 190 - 270 - 40 = 280: both.
    assert within("ewc", Budget(compute=2)).most_steps == (0, 3, 2)


@pytest.mark.parametrize("name", sorted(STRATEGIES.all()))
@pytest.mark.parametrize("compute", [0.5, 1.0, 2.5])
def test_no_strategy_takes_more_than_its_budget_and_none_that_fits_is_cut(name: str, compute: float) -> None:
    """Counted step by step, over a life of unlike domains."""
    life = Life(1000, 2, 64, {"a": 400, "b": 733, "c": 2000, "d": 420}, 3)
    form = read_strategy(name)
    if compute < 1 and name in ("ewc", "mas", "online-ewc"):
        with pytest.raises(UserError, match="with one step an epoch, but may take"):
            bounded(form, Budget(compute=compute), life)
        return
    limits = bounded(form, Budget(compute=compute), life).most_steps
    means = form.means(4, 2)
    assert means is not None
    spent, allowed, batch = form.gradients(Work(0, 400, 0, 0, ())), 0.0, form.training.batch_size
    for number, stage in enumerate(stages(form, list(life.train))[1:], start=1):
        new, met = (sum(life.train[name] for name in some) for some in (stage.trains_on, stage.met))
        left = form.epoch_pairs(new, met)
        trained = 0
        for _ in range(limits[number]):
            taken = min(batch, left)
            left -= taken
            trained += taken + means.step_pairs - batch
        epochs = form.training.epochs
        past = (400, 733, 2000)[:number]
        spent += epochs * trained + form.gradients(Work(number, new, 0, epochs * limits[number], past))
        allowed += 3 * compute * (733 + 2000 + 420 if form.trains_on == "all" else life.train[stage.name])
        assert spent <= allowed
        if name == "naive" and compute >= 1:
            assert left == 0


@pytest.mark.parametrize(
    ("name", "memory", "wanted"),
    [
        # An example takes 4 x 64 bytes for its tokens, and 8 + 8 + 4 for row, label and weight.
        ("replay", 276 * 10 + 275, {"memory_size": 10}),
        ("er-ace", 8 + 272 * 7, {"memory_size": 7}),
        # Two logits of 4 bytes, and a byte each for whether it was open.
        ("der", 8 + 282 * 7, {"memory_size": 7}),
        # 16 bytes; shared by three domains.
        ("agem", 272 * 11, {"patterns_per_experience": 3}),
        # A copy of 1,000 weights beside it.
        ("gdumb", 4000 + 280 * 9, {"memory_size": 9}),
        ("replay", 10**9, {"memory_size": 500}),
        ("naive", 0, {}),
        ("interpolate", 0, {}),
        ("ema", 4000, {}),
        ("mas", 8000, {}),
        ("si", 12000, {}),
        ("ewc", 24000, {}),
    ],
)
def test_memories_that_fit(name: str, memory: int, wanted: dict[str, int]) -> None:
    found = within(name, Budget(memory=memory))
    assert found.most_steps == ()
    assert found.form == read_strategy(name).model_copy(update=wanted)
    assert (found.memory, found.pair_bytes) == (memory, 256)


@pytest.mark.parametrize(
    ("name", "memory", "sentence"),
    [
        ("ewc", 23999, "strategy 'ewc' (ewc) needs 24,000 bytes or more, for 6 numbers a parameter of 1,000; give as"),
        (
            "replay",
            827,
            "needs 828 bytes or more, for 0 numbers a parameter of 1,000 and 3 examples of 276 bytes, one a",
        ),
        ("gdumb", 3999, "needs 4,840 bytes or more"),
        ("joint", 10**9, "keeps all examples of earlier domains, and is a reference that no budget fits."),
        ("cumulative", 10**9, "keeps all examples of earlier domains"),
    ],
)
def test_memories_that_do_not_fit_are_refused(name: str, memory: int, sentence: str) -> None:
    with pytest.raises(UserError) as told:
        within(name, Budget(memory=memory))
    assert sentence in str(told.value)
    assert str(told.value).startswith(f"--budget memory={memory}: ")


def test_a_strategy_that_does_not_say_what_it_needs_is_refused() -> None:
    form = Silent.model_validate({"name": "mine", "method": "silent", "training": {"epochs": 1, "batch_size": 8}})
    assert bounded(form, Budget(), LIFE) == Bounded(form)
    with pytest.raises(UserError, match=r"--budget compute=1: strategy 'mine' \(silent\) does not say what it needs"):
        bounded(form, Budget(compute=1), LIFE)


def test_more_than_it_says_ends_in_a_sentence() -> None:
    limits = within("replay", Budget(memory=2760))
    limits.check_held(200, 10)
    with pytest.raises(UserError, match="holds 2,761 bytes, more than the budget of 2,760"):
        limits.check_held(201, 10)
    Bounded(limits.form).check_held(10**12, 10**6)


def test_remembered_pairs_are_the_rows() -> None:
    rows = torch.zeros(5)
    assert remembered_pairs({"rows": rows, "0/rows": rows[:2], "labels": rows, "arrows": rows, "seen": rows[0]}) == 7


@pytest.mark.parametrize(
    ("given", "wanted", "text"),
    [
        ([], Budget(), ""),
        (["memory=1000000"], Budget(memory=10**6), "memory=1000000"),
        (["compute=1", "memory=0"], Budget(memory=0, compute=1), "memory=0+compute=1"),
        (["compute=0.25"], Budget(compute=0.25), "compute=0.25"),
    ],
)
def test_a_budget_as_people_write_it(given: list[str], wanted: Budget, text: str) -> None:
    found = read_budget(given)
    assert found == wanted
    assert str(found) == text
    assert bool(found) == bool(given)
    words = RunSpec(budget=found).words("0")
    assert [words[place + 1] for place, word in enumerate(words) if word == "--budget"] == sorted(given, reverse=True)
    assert read_budget(found.assignments()) == found


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["memory"], "--budget should be memory=BYTES or compute=TIMES, but is memory"),
        (["time=1"], "--budget should be memory=BYTES or compute=TIMES, but is time=1"),
        (["compute=1", "compute=2"], "--budget compute should be given once."),
        (["compute=0"], "--budget: field 'compute' should be greater than 0"),
        (["memory=-1"], "--budget: field 'memory' should be greater than or equal to 0"),
        (["memory=1.5"], "--budget: field 'memory' should be a valid integer"),
    ],
)
def test_bad_budgets_end_in_one_sentence(given: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as told:
        read_budget(given)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_budget_of_python() -> None:
    assert spec_of("bow", "nli-shift", {"budget": {"compute": 1}}).budget == Budget(compute=1)
    assert spec_of("bow", "nli-shift", {"budget": None}).budget == Budget()
    assert RunSpec(model="bow", stream="nli-shift").budget == Budget()
    assert naive_epochs(quick=False) == read_strategy("naive").training.epochs == 3
    assert naive_epochs(quick=True) == 1
