"""A piece that is broken in one way fails the check that is named after it."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from pydantic import Field, field_serializer

from clbench.compression.steps.finetune import Finetune
from clbench.compression.task import Report
from clbench.continual import avalanche
from clbench.continual.strategies.derpp import DerPlusPlus
from clbench.data.baselines import BaselineScore
from clbench.data.pairs import SPLITS, DomainData, Pairs
from clbench.errors import UserError
from clbench.metrics import Life, Metric
from clbench.metrics.scores import accuracy, balanced_accuracy
from clbench.schema.layer_map import LAYER_MAPS, LayerMap
from clbench.schema.recipe import OpenRecipe, Recipe
from clbench.schema.registry import VARIABLE, plugin
from clbench.schema.source import SOURCES, Source
from clbench.schema.step import Planned, Step
from clbench.schema.strategy import Strategy, own_plugin
from clbench.schema.task_type import TASK_TYPES, TaskType
from clbench.testing import (
    Check,
    CheckFailed,
    check_metric,
    check_source,
    layer_map_checks,
    metric_checks,
    source_checks,
    step_checks,
    strategy_checks,
    task_type_checks,
)

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples" / "plugins"
TRAINING = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 16}


def fails(checks: list[Check], name: str) -> str:
    """What the check called ``name`` has against the piece."""
    with pytest.raises(CheckFailed) as told:
        next(check for check in checks if check.name == name)()
    return str(told.value)


# Steps ----------------------------------------------------------------------------------------------------------------


class Scale(Step):
    """The pooler's weights times a factor: a step that is right."""

    step: Literal["scale"]
    factor: float = 0.5

    def run(self, model: Any, context: Any) -> Report:
        model.hf.bert.pooler.dense.weight.data.mul_(self.factor)
        return Report()


class ForgetsAField(Scale):
    def identity(self, planned: Planned) -> dict[str, Any]:
        return {"step": self.step}


class RoundsAField(Scale):
    def identity(self, planned: Planned) -> dict[str, Any]:
        return super().identity(planned) | {"factor": round(self.factor)}


class TakesAnything(Scale):
    factor: Any = 0.5

    def run(self, model: Any, context: Any) -> Report:
        return Report()


class WritesAnother(Scale):
    @field_serializer("factor")
    def _doubled(self, factor: float) -> float:
        return 2 * factor


class PlansAtRandom(Scale):
    def plan(self, before: Any, place: Any) -> Planned:
        return Planned(before, {"luck": random.SystemRandom().random()})


class PlansAnotherShape(Scale):
    def plan(self, before: Any, place: Any) -> Planned:
        return Planned(replace(before, inner=before.inner // 2))


class TradesSizes(Scale):
    def plan(self, before: Any, place: Any) -> Planned:
        return Planned(replace(before, positions=before.positions - 2, types=before.types + 2))


class LeavesOpen(Scale):
    def plan(self, before: Any, place: Any) -> Planned:
        return Planned(before, decided_later=("factor",))


class MasksNothing(Scale):
    def run(self, model: Any, context: Any) -> Report:
        return Report(masks={"no.such.weight": torch.ones(1)})


class DrawsAtRandom(Scale):
    def run(self, model: Any, context: Any) -> Report:
        model.hf.bert.pooler.dense.weight.data.mul_(random.SystemRandom().random())
        return Report()


class MakesNan(Scale):
    def run(self, model: Any, context: Any) -> Report:
        model.hf.bert.pooler.dense.bias.data.fill_(float("nan"))
        return Report()


class Freezes(Scale):
    def run(self, model: Any, context: Any) -> Report:
        model.requires_grad_(False)
        return Report()


class HidesAHook(Scale):
    def run(self, model: Any, context: Any) -> Report:
        model.hf.bert.pooler.register_forward_hook(lambda module, given, found: self.factor * found)
        return Report()


class HidesAHookInTraining(Finetune):
    step: Literal["hides"]  # type: ignore[assignment]

    def run(self, model: Any, context: Any) -> Report:
        report = super().run(model, context)
        model.hf.bert.pooler.register_forward_hook(lambda module, given, found: -found)
        return report


class ReadsPlaces(Finetune):
    step: Literal["hides"]  # type: ignore[assignment]

    def run(self, model: Any, context: Any) -> Report:
        return context.fit(model, lambda m, places, labels: torch.nn.functional.cross_entropy(m(places), labels))


def recipe(*steps: Step) -> OpenRecipe:
    content = {"name": "example", "steps": [{"step": "finetune", "training": TRAINING}]}
    form = Recipe.model_validate(content)
    return OpenRecipe(form.model_copy(update={"steps": (*steps, *form.steps)}), Path("example.yaml"), {})


@cache
def battery_of(piece: type[Step]) -> list[Check]:
    trains = {"training": TRAINING} if piece.trains else {}
    name = "hides" if piece.trains else "scale"
    return step_checks(piece, recipe(piece.model_validate({"step": name, **trains})), layers=2)


@pytest.mark.parametrize("check", [str(check) for check in battery_of(Scale)])
def test_a_step_that_is_right(check: str) -> None:
    next(one for one in battery_of(Scale) if one.name == check)()


@pytest.mark.parametrize(
    ("piece", "check", "told"),
    [
        (TakesAnything, "bad_settings_are_refused", "the field factor should refuse"),
        (WritesAnother, "settings_read_back", "should read back as the same settings"),
        (ForgetsAField, "identity_covers_every_field", "no other value of the field factor changes the key"),
        (RoundsAField, "identity_covers_every_field", "another value of the field factor"),
        (PlansAtRandom, "plans_without_a_trace", "two plans of the same recipe should have the same key"),
        (PlansAnotherShape, "plan_tells_the_model", "its plan() says"),
        (TradesSizes, "plan_tells_the_model", "shape says positions 94, but the model has 96"),
        (ReadsPlaces, "reads_the_pairs_it_is_given", "it reads row 0, no training or validation example"),
        (LeavesOpen, "decides_what_it_left_open", "leaves factor open, but the report does not decide it"),
        (MasksNothing, "decides_what_it_left_open", "should name parameters of the model, but names no.such.weight"),
        (DrawsAtRandom, "same_seed_same_bits", "two models of one seed should have the same weights"),
        (HidesAHookInTraining, "comes_back_from_the_cache", "should predict what the one that was made does"),
        (MakesNan, "gradients_are_finite", "NotFinite"),
        (Freezes, "gradients_are_finite", "RuntimeError"),
        (Freezes, "lives_on", "RuntimeError"),
        (HidesAHook, "survives_as_a_folder", "the logits of the model that was written and read differ"),
    ],
)
def test_a_broken_step_fails_the_right_check(piece: type[Step], check: str, told: str) -> None:
    assert told in fails(battery_of(piece), check)


# Layer maps -----------------------------------------------------------------------------------------------------------


class Middle(LayerMap):
    """Layers from the middle: a layer map that is right."""

    rises: ClassVar[bool] = True

    rule: Literal["middle"]
    shift: int = Field(default=0, ge=0, le=2)

    def choose(self, choice: Any) -> list[int]:
        first = (choice.teacher - choice.student) // 2 + 1 + self.shift
        return list(range(first, first + choice.student))


class HidesItsShift(Middle):
    def identity(self) -> dict[str, Any]:
        return {"rule": self.rule}


class Falls(Middle):
    def choose(self, choice: Any) -> list[int]:
        return super().choose(choice)[::-1]


class DrawsALayer(Middle):
    rises: ClassVar[bool] = False
    # Another layer each time, whatever the seed: a random one would now and then be the same twice.
    drawn: ClassVar[Iterator[int]] = itertools.count()

    def choose(self, choice: Any) -> list[int]:
        return [1 + next(self.drawn) % choice.teacher] * choice.student


class ChangesTheModel(Middle):
    def choose(self, choice: Any) -> list[int]:
        next(choice.model.parameters()).data.add_(0.1)
        return super().choose(choice)


class WeighsTooMuch(LayerMap):
    rule: Literal["middle"]

    def weights(self, states: Any, teacher: Any) -> Any:
        return 2 * (states @ teacher.transpose(1, 2)).softmax(-1)


@pytest.fixture
def layer_map_battery(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[LayerMap]], list[Check]]:
    def battery(piece: type[LayerMap]) -> list[Check]:
        monkeypatch.setitem(LAYER_MAPS.all(), "middle", piece)
        return layer_map_checks(piece)

    return battery


def test_a_layer_map_that_is_right(layer_map_battery: Callable[[type[LayerMap]], list[Check]]) -> None:
    for check in layer_map_battery(Middle):
        check()


@pytest.mark.parametrize(
    ("piece", "check", "told"),
    [
        (HidesItsShift, "identity_covers_every_field", "another value of the field shift leaves the key as it is"),
        (Falls, "maps_what_is_there", "should rise, as its class says"),
        (DrawsALayer, "same_seed_same_map", "two models of one seed should have the same to say"),
        (ChangesTheModel, "leaves_the_model_as_it_is", "the same weights after a choice as before"),
        (WeighsTooMuch, "weights_are_shares", "the weights of each of the student's layers should be 1"),
    ],
)
def test_a_broken_layer_map_fails_the_right_check(
    piece: type[LayerMap], check: str, told: str, layer_map_battery: Callable[[type[LayerMap]], list[Check]]
) -> None:
    assert told in fails(layer_map_battery(piece), check)


# Strategies -----------------------------------------------------------------------------------------------------------

DERPP = {
    "name": "example", "method": "dark_replay", "memory_size": 20, "memory_batch_size": 8, "alpha": 0.5, "beta": 0.5,
    "training": TRAINING,
}  # fmt: skip
Derpp: Any = vars(plugin(str(EXAMPLES / "dark_replay.py"))[0])["DerPlusPlus"]


class Amnesia(Derpp):
    def state(self, learner: Any) -> Any:
        return {}


class HoldsAside(Derpp):
    """Its memory outlives an experience, but not the process."""

    def state(self, learner: Any) -> Any:
        learner.model.aside = super().state(learner)
        return {}

    def restore(self, learner: Any, state: Any, past: Any) -> None:
        own_plugin(learner).memory = getattr(learner.model, "aside", {})


class HoldsOnItsClass(Derpp):
    """Its memory outlives an experience, and is that of whichever life came last."""

    held: ClassVar[dict[str, Any]] = {}

    def state(self, learner: Any) -> Any:
        found = super().state(learner)
        type(self).held = found
        return found

    def restore(self, learner: Any, state: Any, past: Any) -> None:
        super().restore(learner, type(self).held, past)


class RemembersEverything(DerPlusPlus):
    """Its means() and its plugin are of two minds."""

    def plugin(self) -> Any:
        return super(RemembersEverything, self.model_copy(update={"memory_size": 1000})).plugin()


class ForgetsInception(Derpp):
    def state(self, learner: Any) -> Any:
        return {} if learner.clock.train_exp_counter <= 1 else super().state(learner)


class RestoresNothing(Derpp):
    def restore(self, learner: Any, state: Any, past: Any) -> None: ...


class DeniesRehearsal(Derpp):
    rehearses: ClassVar[bool] = False


class KeepsLists(Derpp):
    def state(self, learner: Any) -> Any:
        return {name: value.tolist() for name, value in super().state(learner).items()}


class _Broken(Strategy):
    """Naive but for a plugin that does one thing wrong."""

    method: Literal["broken"]
    wrong: ClassVar[Callable[[Any], None]]
    when: ClassVar[str] = "before_backward"

    def plugin(self) -> Any:
        made, wrong = avalanche.SupervisedPlugin(), type(self).wrong
        setattr(made, self.when, lambda strategy, **_: wrong(strategy))
        return made


class RandomLoss(_Broken):
    wrong = lambda strategy: setattr(strategy, "loss", strategy.loss * random.SystemRandom().random())  # noqa: E731


class NanLoss(_Broken):
    wrong = lambda strategy: setattr(strategy, "loss", strategy.loss * float("nan"))  # noqa: E731


class SpoilsInception(_Broken):
    when = "after_training_exp"
    wrong = lambda strategy: strategy.model.hf.classifier.bias.data.add_(1)  # noqa: E731


class CountsForwards(_Broken):
    """How much a step weighs depends on how often the model has been asked, evaluations included."""

    def plugin(self) -> Any:
        asked = [0]

        class Plugin(avalanche.SupervisedPlugin):  # type: ignore[misc]
            def before_training_exp(self, strategy: Any, **_: Any) -> None:
                strategy.model.register_forward_hook(lambda *_: asked.__setitem__(0, asked[0] + 1))

            def before_backward(self, strategy: Any, **_: Any) -> None:
                strategy.loss = strategy.loss * (1 + asked[0])

        return Plugin()


class WatchesWithoutNeed(_Broken):
    wrong = lambda strategy: None  # noqa: E731

    def observer(self) -> Any:
        return object()


@cache
def strategy_battery(kind: Any) -> list[Check]:
    content = {"name": "example", "method": "broken", "training": TRAINING}
    if issubclass(kind, Derpp | DerPlusPlus):
        content = DERPP | {"method": "dark_replay" if issubclass(kind, Derpp) else "derpp"}
    return strategy_checks(kind.model_validate(content))


@pytest.mark.parametrize(
    ("kind", "check", "told"),
    [
        (HoldsAside, "resumes_to_the_same_bits", "should end with the same weights"),
        (HoldsOnItsClass, "resumes_to_the_same_bits", "should end with the same weights"),
        (RemembersEverything, "a_smaller_memory_is_smaller", "remembers 48 examples after 1 experiences of 48 each"),
        (Amnesia, "traits_hold", "its trait rehearses is true, but it trains on new examples alone"),
        (ForgetsInception, "experience_0_is_protected", "but nothing of experience 0"),
        (RestoresNothing, "experience_0_is_protected", "makes no difference to what is learned next"),
        (RestoresNothing, "state_survives_restore", "restore loses or adds: labels, logits, rows, seen"),
        (DeniesRehearsal, "traits_hold", "its trait rehearses should be true"),
        (KeepsLists, "state_is_tensors", "should be a tensor, but is a list"),
        (RandomLoss, "same_seed_same_bits", "two lives of one seed should end with the same weights"),
        (NanLoss, "weights_and_gradients_are_finite", "NotFinite"),
        (SpoilsInception, "experience_0_is_protected", "should leave the model as it is"),
        (CountsForwards, "evaluation_disturbs_nothing", "should not change what is learned"),
        (WatchesWithoutNeed, "traits_hold", "observer() should be None unless needs_path is set"),
    ],
)
def test_a_broken_strategy_fails_the_right_check(kind: Any, check: str, told: str) -> None:
    assert told in fails(strategy_battery(kind), check)


# Metrics --------------------------------------------------------------------------------------------------------------


def metric(compute: Callable[[Life], Any], better: Any = "higher", **changes: Any) -> Metric:
    found = Metric("example", "an example", better, "what it says", "its formula", compute)
    return replace(found, **changes)


def final(life: Life) -> float:
    return float(life.accuracy[-1][life.met[-1]].mean())


def spoils(life: Life) -> float:
    life.accuracy[:] = 0
    return 0.0


def test_a_metric_that_is_right() -> None:
    check_metric(metric(final))


@pytest.mark.parametrize(
    ("broken", "check", "told"),
    [
        (metric(final, name="Final Accuracy"), "says_what_it_is", "small letters, digits and _"),
        (metric(final, title=" "), "says_what_it_is", "its title should not be empty"),
        (metric(lambda life: float("nan")), "is_a_finite_share_or_none", "should be finite or None"),
        (metric(lambda life: 100 * final(life)), "is_a_finite_share_or_none", "should be a share of 1"),
        (metric(lambda life: None), "is_defined_somewhere", "None for every life"),
        (metric(lambda life: random.SystemRandom().random()), "same_life_same_figure", "once more"),
        (metric(spoils), "same_life_same_figure", "read-only"),
        (metric(lambda life: float(life.accuracy[-1, 0])), "domains_in_any_order", "in another order"),
        (metric(final, "lower"), "better_is_better", "lower is to be better, but a model that is always right"),
        (metric(lambda life: 1 - final(life)), "better_is_better", "higher is to be better"),
    ],
)
def test_a_broken_metric_fails_the_right_check(broken: Metric, check: str, told: str) -> None:
    assert told in fails(metric_checks(broken), check)


def test_all_that_fails_is_told_at_once() -> None:
    with pytest.raises(CheckFailed) as told:
        check_metric(metric(lambda life: 100 * final(life), title=""))
    lines = str(told.value).splitlines()
    assert lines[0] == "2 of 6 checks failed:"
    assert [line.partition(":")[0] for line in lines[1:]] == ["says_what_it_is", "is_a_finite_share_or_none"]


# Sources --------------------------------------------------------------------------------------------------------------


class Lines(Source):
    """Sentences that say how long they are: a source that is right."""

    kind: Literal["lines"]
    word: str = "word"

    def load(self, request: Any) -> DomainData:
        yes = request.label_space.index("yes")
        parts = SPLITS if request.trained_on else SPLITS[1:]
        splits = {}
        for part in parts:
            longer = [number % 3 == 0 for number in range(10)]
            texts = [f"{part} {self.word} {number}" for number in range(10)]
            splits[part] = Pairs.of(texts, texts, [yes if one else 1 - yes for one in longer])
        return DomainData(request.domain, splits, {"word": self.word})


class Changing(Lines):
    def load(self, request: Any) -> DomainData:
        return type(self).changed(super().load(request), request)

    changed: ClassVar[Callable[[DomainData, Any], DomainData]]


def changing(act: Callable[[DomainData, Any], Any]) -> type[Source]:
    """:class:`Lines` whose data go through ``act``."""
    return type("Changed", (Changing,), {"changed": staticmethod(act), "__module__": __name__})


def without_train(data: DomainData, request: Any) -> DomainData:
    return replace(data, splits={split: pairs for split, pairs in data.splits.items() if split != "train"})


def beyond(data: DomainData, request: Any) -> DomainData:
    return replace(data, splits={s: replace(p, labels=p.labels + 1) for s, p in data.splits.items()})


def at_random(data: DomainData, request: Any) -> DomainData:
    first = data.splits["test"]
    told = tuple(f"{text} {random.SystemRandom().random()}" for text in first.first)
    return replace(data, splits=data.splits | {"test": replace(first, first=told)})


def fixed(data: DomainData, request: Any) -> DomainData:
    return replace(data, splits={s: replace(p, labels=np.arange(len(p)) % 2) for s, p in data.splits.items()})


def odd(data: DomainData, request: Any) -> DomainData:
    return replace(data, source={"word": [1, 2]})  # type: ignore[dict-item]


class Crashes(Lines):
    file: str = ""

    def load(self, request: Any) -> DomainData:
        if self.file:
            Path(self.file).read_text()
        return super().load(request)


class TooFew(Lines):
    generated: ClassVar[bool] = True


class Made(Lines):
    """Made as they are asked for, and drawn anew: a generated source that is right."""

    generated: ClassVar[bool] = True

    def load(self, request: Any) -> DomainData:
        splits = {part: self._make(f"{part} {request.shift}", size, request) for part, size in request.sizes.items()}
        return DomainData(request.domain, splits, {"word": self.word, "shift": request.shift})

    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        return self._make(f"anew {seed}", len(known.splits["test"]), request)

    def _make(self, part: str, size: int, request: Any) -> Pairs:
        yes = request.label_space.index("yes")
        texts = [f"{part} {self.word} {number}" for number in range(size)]
        return Pairs.of(texts, None, [yes if number % 3 == 0 else 1 - yes for number in range(size)])


class StandsStill(Made):
    def load(self, request: Any) -> DomainData:
        data = super().load(replace(request, shift=1.0))
        return replace(data, source=data.source | {"shift": request.shift})


class SaysThatItShifts(StandsStill):
    shifts: ClassVar[bool] = True

    def load(self, request: Any) -> DomainData:
        return replace(super().load(request), source={"word": self.word})


class SaysThatItDoesNot(StandsStill):
    shifts: ClassVar[bool] = False


class HasNoMore(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        raise UserError(f"domain '{request.domain}' has no more examples.")


class DrawsWhatIsKnown(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        drawn = super().draw_anew(request, seed, known)
        return replace(drawn, first=(*drawn.first[:-1], known.splits["train"].first[0]))


class DrawsTooFew(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        return super().draw_anew(request, seed, known).select([0, 1])


class DrawsBeyond(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        drawn = super().draw_anew(request, seed, known)
        return replace(drawn, labels=drawn.labels + 1)


class DrawsTheSame(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        return super().draw_anew(request, 0, known)


class DrawsByTheClock(Made):
    def draw_anew(self, request: Any, seed: int, known: DomainData) -> Pairs:
        return super().draw_anew(request, random.SystemRandom().getrandbits(60), known)


def reads_from_where_it_stands(data: DomainData, request: Any) -> DomainData:
    if not Path("words.txt").exists():
        raise UserError("words.txt is not there")
    return data


def named_after_the_working_folder(data: DomainData, request: Any) -> DomainData:
    return replace(data, splits={s: replace(p, first=(Path.cwd().name, *p.first[1:])) for s, p in data.splits.items()})


def needs_sizes(data: DomainData, request: Any) -> DomainData:
    return replace(data, splits={s: p.select(range(min(len(p), request.sizes[s]))) for s, p in data.splits.items()})


def takes_none_for_one(data: DomainData, request: Any) -> DomainData:
    return needs_sizes(data, replace(request, sizes={s: size or 1 for s, size in request.sizes.items()}))


def source(kind: type[Source]) -> Source:
    return kind.model_validate({"kind": "lines"})


@pytest.mark.parametrize("kind", [Lines, Made, SaysThatItDoesNot, HasNoMore])
def test_a_source_that_is_right(kind: type[Source]) -> None:
    check_source(source(kind), ("no", "yes"))


@pytest.mark.parametrize(
    ("kind", "check", "told"),
    [
        (changing(without_train), "gives_every_part", "it should give train, validation, test"),
        (changing(beyond), "gives_every_part", "should be 0 to 1, but are 1 to 2"),
        (changing(at_random), "same_settings_same_pairs", "its test part is another one"),
        (changing(fixed), "labels_follow_the_label_space", "have other labels"),
        (changing(odd), "says_where_pairs_come_from", "word is neither"),
        (TooFew, "gives_as_many_as_asked", "its train part should have 12 examples, but has 10"),
        (StandsStill, "another_shift_gives_others", "its train part is the same with shift 0 and 1"),
        (SaysThatItShifts, "another_shift_gives_others", "its train part is the same with shift 0 and 1"),
        (DrawsWhatIsKnown, "draws_test_examples_anew", "1 of the examples that it draws anew stand in the train part"),
        (DrawsTooFew, "draws_test_examples_anew", "it should draw 8 test examples anew, but draws 2"),
        (DrawsBeyond, "draws_test_examples_anew", "should be 0 to 1, but are {1, 2}"),
        (DrawsTheSame, "draws_test_examples_anew", "from another seed are the same"),
        (DrawsByTheClock, "draws_test_examples_anew", "from the same seed are other ones"),
        (Crashes, "what_is_missing_is_one_sentence", "should end in a UserError, not in FileNotFoundError"),
        (
            changing(reads_from_where_it_stands),
            "another_working_folder_gives_the_same",
            "cannot be loaded: words.txt is not there",
        ),
        (
            changing(named_after_the_working_folder),
            "another_working_folder_gives_the_same",
            "part is another one from another working",
        ),
        (changing(needs_sizes), "gives_all_where_no_number_is_asked", "TypeError"),
        (
            changing(takes_none_for_one),
            "gives_all_where_no_number_is_asked",
            "it gives 1 where all are asked for, and 10",
        ),
    ],
)
def test_a_broken_source_fails_the_right_check(
    kind: type[Source], check: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("word")
    assert told in fails(source_checks(source(kind), ("no", "yes")), check)


SET_IN_A_SOURCE = """
from typing import Literal

from clbench.data.pairs import SPLITS, DomainData, Pairs
from clbench.schema.source import Source


class Words(Source):
    kind: Literal["{name}"]

    def load(self, request):
        words = [f"word {{number}}" for number in range(12)]
        splits = {{split: Pairs.of({order}, None, [0, 1] * 6) for split in SPLITS}}
        return DomainData(request.domain, splits, {{}})
"""


@pytest.mark.parametrize(
    ("name", "order", "told"),
    [("listed", "words", None), ("as-a-set", "set(words)", "part is another one in a process of its own")],
)
def test_a_source_that_another_process_would_order_otherwise(
    name: str, order: str, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"{name.replace('-', '_')}.py"
    file.write_text(SET_IN_A_SOURCE.format(name=name, order=order))
    monkeypatch.setenv(VARIABLE, str(file))
    checks = source_checks(SOURCES.get(name).model_validate({"kind": name}), ("no", "yes"))
    if told is None:
        next(check for check in checks if check.name == "another_process_gives_the_same")()
    else:
        assert told in fails(checks, "another_process_gives_the_same")


# Task types -----------------------------------------------------------------------------------------------------------


def joined(first: str, second: str) -> tuple[str, str | None]:
    return f"{first} | {second}", None


def score_of(right: Callable[[DomainData], Any]) -> Callable[[DomainData, int], BaselineScore]:
    """A baseline that names what ``right`` makes of a domain's test part."""

    def baseline(data: DomainData, classes: int) -> BaselineScore:
        said, labels = np.asarray(right(data)), data.splits["test"].labels
        return BaselineScore(accuracy(labels, said), balanced_accuracy(labels, said))

    return baseline


def commonest(data: DomainData) -> np.ndarray:
    fitted = data.splits.get("train", data.splits["validation"]).labels
    return np.full(len(data.splits["test"]), np.bincount(fitted, minlength=1).argmax())


def fitted_without_care(data: DomainData) -> np.ndarray:
    """Of two classes, each with an example."""
    lengths: dict[int, list[int]] = {}
    for texts, label in _rows(data):
        lengths.setdefault(label, []).append(len(texts[0]))
    zero, one = (np.mean(found) for _, found in sorted(lengths.items()))
    return np.array([abs(len(t[0]) - one) < abs(len(t[0]) - zero) for t in data.splits["test"].texts()]).astype(int)


def _rows(data: DomainData) -> list[tuple[tuple[str, ...], int]]:
    fitted = data.splits.get("train", data.splits["validation"])
    return list(zip(fitted.texts(), fitted.labels.tolist(), strict=True))


def task_type(**changes: Any) -> TaskType:
    right = TaskType("question", "a question and a context", ("question", "context"), joined,
                     {"commonest": score_of(commonest)})  # fmt: skip
    return replace(right, **changes)


def drawn(first: str, second: str) -> tuple[str, str | None]:
    return f"{first} {second} {random.SystemRandom().random()}", None


@pytest.fixture
def task_battery(monkeypatch: pytest.MonkeyPatch) -> Callable[[TaskType], list[Check]]:
    def battery(piece: TaskType) -> list[Check]:
        monkeypatch.setitem(TASK_TYPES.all(), "question", piece)
        return task_type_checks(piece)

    return battery


def test_a_task_type_that_is_right(task_battery: Callable[[TaskType], list[Check]]) -> None:
    for check in task_battery(task_type()):
        check()


@pytest.mark.parametrize(
    ("changes", "check", "told"),
    [
        ({"name": "Question"}, "says_what_it_is", "small letters, digits and _"),
        ({"title": ""}, "says_what_it_is", "its title should not be empty"),
        ({"columns": ("first", "second")}, "says_what_it_is", "pair and question have the same columns"),
        (
            {"sequence": lambda q, c: (q, c or None)},
            "reads_text",
            "some examples have a second text and some have none",
        ),
        ({"sequence": lambda q, c: (q, 3)}, "reads_text", "the second should be a str or None, not 3"),
        ({"sequence": drawn}, "reads_every_column", "give another example when they are read again"),
        ({"sequence": lambda q, c: (q, None)}, "reads_every_column", "another text in the column context makes no"),
        (
            {"baselines": {"cheats": score_of(lambda data: data.splits["test"].labels)}},
            "baselines_are_not_fitted_on_the_test_part",
            "with them turned round it is right of 1.00 and 1.00",
        ),
        (
            {"baselines": {"percent": lambda data, classes: BaselineScore(50.0, 50.0)}},
            "baselines_score_any_label_space",
            "shares from 0 to 1",
        ),
        (
            {"baselines": {"trains": score_of(lambda data: data.splits["train"].labels)}},
            "baselines_score_whatever_a_stream_brings",
            "a domain without a train part, but raises KeyError",
        ),
        (
            {"baselines": {"two": score_of(fitted_without_care)}},
            "baselines_score_whatever_a_stream_brings",
            "to be fitted on a single class, but raises ValueError",
        ),
    ],
)
def test_a_broken_task_type_fails_the_right_check(
    changes: dict[str, Any], check: str, told: str, task_battery: Callable[[TaskType], list[Check]]
) -> None:
    assert told in fails(task_battery(task_type(**changes)), check)


# The machinery --------------------------------------------------------------------------------------------------------


def test_checks_have_names_sentences_and_a_cache_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "mine"))
    for checks in (battery_of(Scale), strategy_battery(Amnesia), metric_checks(metric(final))):
        assert len({check.name for check in checks}) == len(checks)
        assert all(check.about.endswith(".") for check in checks), [str(check) for check in checks]
    seen = []
    Check("looks", "", lambda: seen.append(os.environ["CLBENCH_CACHE"]))()
    assert seen != [str(tmp_path / "mine")]
    assert os.environ["CLBENCH_CACHE"] == str(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_recipe_without_the_step() -> None:
    with pytest.raises(ValueError, match="the recipe example has no step of class Scale"):
        step_checks(Scale, recipe(), layers=2)
