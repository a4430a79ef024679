"""The battery of compression steps."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.functional import cross_entropy

from clbench.compression.execute import Compressed, build
from clbench.compression.plan import Plan, plan
from clbench.compression.steps.prune_heads import PruneHeads
from clbench.compression.task import Report, Task
from clbench.continual import Checkpoints, Evaluation, live
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_classifier
from clbench.encoder.tokens import TokenStore
from clbench.errors import UserError
from clbench.runtime.device import Device
from clbench.runtime.events import Event, listening
from clbench.schema.changes import quick_recipe
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.registry import add_plugins
from clbench.schema.shipped import names
from clbench.schema.step import STEPS, Step
from clbench.schema.strategy import override, read_strategy
from clbench.testing.battery import (
    Check,
    check_reads_back,
    check_refusals,
    checks_of,
    expect,
    others,
    own_cache,
    run_all,
)
from clbench.testing.worlds import LABELS, LENGTH, Small, not_finite, same_weights, small

_SEED = 3


@dataclass(frozen=True)
class _World:
    """A step in a recipe of which it is a part, and what the recipe is made on."""

    piece: type[Step]
    recipe: OpenRecipe
    small: Small

    @property
    def place(self) -> int:
        """Where it stands in the recipe, the first time."""
        return next(n for n, step in enumerate(self.recipe.form.steps) if isinstance(step, self.piece))

    @property
    def step(self) -> Step:
        return self.recipe.form.steps[self.place]

    @cached_property
    def backbone(self) -> Backbone:
        # A checkpoint is its own encoder.
        own = self.recipe.backbone if self.recipe.form.checkpoint is not None else None
        return self.small.backbone if own is None else open_backbone(own)

    @cached_property
    def task(self) -> Task:
        return self.small.task()

    @cached_property
    def _made(self) -> tuple[Compressed, set[int]]:
        read: set[int] = set()
        batch = TokenStore.batch

        def spied(store: TokenStore, rows: Any, *more: Any) -> Any:
            read.update(int(row) for row in rows)
            return batch(store, rows, *more)

        with own_cache(), patch.object(TokenStore, "batch", spied):
            return self.make(), read

    @property
    def made(self) -> Compressed:
        """The recipe's model; whoever changes it takes a copy."""
        return self._made[0]

    @property
    def read(self) -> set[int]:
        """The rows that were read while it was made."""
        return self._made[1]

    def plan(self, recipe: OpenRecipe | None = None) -> Plan:
        task = self.task
        return plan(recipe or self.recipe, self.backbone, task.digest, seed=_SEED, label_space=task.label_space)

    def make(self) -> Compressed:
        return build(self.recipe, self.backbone, self.task, seed=_SEED)

    def with_step(self, step: Step) -> OpenRecipe:
        """The recipe with another step in the place of the one that is checked, its teacher read anew."""
        steps = tuple(step if n == self.place else one for n, one in enumerate(self.recipe.form.steps))
        teachers = dict(self.recipe.teachers)
        named = getattr(step, "teacher", None)
        if named is not None and named != getattr(self.step, "teacher", None):
            teachers[self.place] = quick_recipe(read_recipe(named, self.recipe.path.parent))
        return replace(self.recipe, form=self.recipe.form.model_copy(update={"steps": steps}), teachers=teachers)


def step_checks(piece: type[Step] | str, recipe: OpenRecipe | Path | str, *, layers: int = 12) -> list[Check]:
    """Every check of a compression step, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        piece: the step's class, or its registered name.
        recipe: a recipe in which it stands: a name, the path of a YAML file, or one that is open. It is made with one
            epoch a step, on 48 examples and a random encoder.
        layers: of that encoder, 16 wide.
    """
    if not (isinstance(piece, str) or isinstance(recipe, OpenRecipe) or piece in STEPS.all().values()):
        add_plugins([piece.__module__])  # the recipe's file names it
    kind = STEPS.get(piece) if isinstance(piece, str) else piece
    with own_cache():
        opened = recipe if isinstance(recipe, OpenRecipe) else read_recipe(recipe)
        world = _World(kind, quick_recipe(opened), small(layers, 16))
    if not any(isinstance(step, kind) for step in opened.form.steps):
        twins = [type(step) for step in opened.form.steps if type(step).__name__ == kind.__name__]
        hint = f"; its {kind.__name__} was loaded from {twins[0].__module__}: give its name instead" if twins else ""
        raise ValueError(f"the recipe {opened.form.name} has no step of class {kind.__name__}{hint}")
    return checks_of(CHECKS, world)


def check_step(piece: type[Step] | str, recipe: OpenRecipe | Path | str, *, layers: int = 12) -> None:
    """Run every check of :func:`step_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(step_checks(piece, recipe, layers=layers))


def bad_settings_are_refused(world: _World) -> None:
    """Nonsense in a field, and a field that it does not have, end in a sentence that names the field."""
    check_refusals(world.step, "step")


def settings_read_back(world: _World) -> None:
    """What a record holds of its settings reads back as the same settings."""
    check_reads_back(world.step)


def identity_covers_every_field(world: _World) -> None:
    """Another value of any field gives another key, so that no setting can be left out of the cache."""
    was = world.plan().key
    for field in type(world.step).model_fields:
        if field == "step":
            continue
        keys = list(_keys(world, field))
        expect(any(key != was for key in keys), f"no other value of the field {field} changes the key of the cache")
        resolved = field in world.plan().steps[world.place].planned.resolved
        same = not resolved and any(key == was for key in keys)
        expect(not same, f"another value of the field {field}, which resolves to nothing, leaves the key as it is")


def plans_without_a_trace(world: _World) -> None:
    """The same plan each time, its identity plain JSON, and nothing trained or written for it."""
    one, other = world.plan(), world.plan()
    expect(one.key == other.key, "two plans of the same recipe should have the same key")
    for step in one.steps:
        text = json.dumps(step.form.identity(step.planned), allow_nan=False, sort_keys=True)
        again = json.dumps(json.loads(text), sort_keys=True)
        expect(again == text, "the identity should be plain JSON values")
    expect(not any(artifact.is_there() for artifact in one.artifacts), "a plan should leave nothing in the cache")


def plan_tells_the_model(world: _World) -> None:
    """The planned shape and number of parameters are those of the model that is made."""
    planned, model = world.plan(), world.made.model
    shape, state = planned.shape, dict(world.made.model.named_parameters())
    if shape.table is None:
        config = world.made.encoder.config
        found = {
            "layers": len(world.made.encoder.layers), "width": config.hidden_size,
            "inner": config.intermediate_size, "vocabulary": config.vocab_size,
            "positions": config.max_position_embeddings, "types": config.type_vocab_size,
        }  # fmt: skip
        for name, size in found.items():
            told = getattr(shape, name)
            expect(told == size, f"the plan's shape says {name} {told}, but the model has {size}")
        state = {name: value for name, value in state.items() if not name.startswith("hf.classifier.")}
    count = sum(value.numel() for value in state.values())
    expect(
        planned.parameters == count,
        f"the plan's shape makes {planned.parameters} parameters, but the {type(model).__name__} has {count}",
    )


def reads_the_pairs_it_is_given(world: _World) -> None:
    """Of the token store it reads training and validation examples alone; places in the training set are no rows."""
    strange = world.read - {*world.task.train_rows.tolist(), *world.task.validation_rows.tolist()}
    expect(
        not strange,
        f"it reads row {min(strange, default=0)}, no training or validation example; the rows of places in the "
        "training set are context.task.train_rows[places]",
    )


def decides_what_it_left_open(world: _World) -> None:
    """What the plan leaves to training is decided by it, and what a report's masks leave out is zero."""
    with _reports(world.piece) as reports:
        made = world.make()
    expect(bool(reports), "the step did not run")
    left = world.plan().steps[world.place].planned.decided_later
    parameters = dict(made.model.named_parameters())
    for report in reports[-1:]:
        for name in left:
            expect(name in report.decided, f"the plan leaves {name} open, but the report does not decide it")
        for name, mask in report.masks.items():
            zero = bool((parameters[name][~mask.bool()] == 0).all())
            expect(zero, f"what the mask of {name} leaves out should be zero")


def same_seed_same_bits(world: _World) -> None:
    """Made twice with one seed, each time with an empty cache, it is the same to the bit."""
    again = world.make()
    expect(same_weights(world.made.model, again.model), "two models of one seed should have the same weights")
    expect(world.made.steps == again.steps, "two models of one seed should have the same to say for the record")


def comes_back_from_the_cache(world: _World) -> None:
    """Asked for once more, it comes from the cache as it was made, and nothing is trained."""
    first = world.make()
    told: list[Event] = []
    with listening(told.append):
        again = world.make()
    expect(first.key == again.key, "a model from the cache should have the key of the one that was made")
    expect(same_weights(first.model, again.model), "a model from the cache should have the weights that were made")
    expect(first.steps == again.steps, "a model from the cache should say the same for the record")
    rows = torch.from_numpy(world.task.validation_rows)
    same = torch.equal(predict(first.model, rows), predict(again.model, rows))
    expect(same, "a model from the cache should predict what the one that was made does")
    trained = {event.task for event in told if event.kind == "advance"} & set(world.plan().tasks)
    expect(not trained, f"a model that is in the cache should not be trained again: {', '.join(sorted(trained))}")


def gradients_are_finite(world: _World) -> None:
    """Its weights are finite, and so are the gradients that they are trained with afterwards."""
    with own_cache():
        model = world.make().model.train()
    expect(not (bad := not_finite(model.state_dict())), f"nan or infinity in {', '.join(bad)}")
    rows, labels = torch.from_numpy(world.task.train_rows[:16]), torch.from_numpy(world.task.train_labels[:16])
    torch.manual_seed(_SEED)
    cross_entropy(model(rows), labels).backward()
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    expect(not (bad := not_finite(gradients)), f"the gradient of {', '.join(bad)} is nan or infinite")
    expect(any(bool(value.any()) for value in gradients.values()), "no weight has a gradient that is not zero")


def lives_on(world: _World) -> None:
    """The model goes on learning: its weights change, keep their shapes and stay finite."""
    rate = world.recipe.form.learning_rate(1e-3)
    strategy = override(
        read_strategy("naive"), {"training.epochs": 1, "training.batch_size": 16, "training.learning_rate": rate}
    )
    with own_cache():
        model = world.make().model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        live(
            model, world.small.experiences[:2], strategy, seed=_SEED, evaluation=Evaluation(world.small.evaluate),
            checkpoints=Checkpoints(Path(folder), "a check"),
        )  # fmt: skip
    after = model.state_dict()
    expect(before.keys() == after.keys(), "a life should leave the model with the weights that it began with")
    expect(not (bad := not_finite(after)), f"nan or infinity in {', '.join(bad)} after an experience")
    expect(any(not torch.equal(before[n], after[n]) for n in before), "no weight has changed in an experience")


def survives_as_a_folder(world: _World) -> None:
    """Written as a Hugging Face folder and read again, the model says the same."""
    if not world.recipe.form.has_encoder:
        return
    model, rows = world.made.encoder, torch.from_numpy(world.task.validation_rows)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        hf = model.hf
        labels = world.task.label_space
        hf.config.id2label = dict(enumerate(labels))
        hf.config.label2id = {label: number for number, label in enumerate(labels)}
        write_classifier(hf, world.backbone.folder, LENGTH, "", folder)
        again = open_backbone(folder).trained(labels).with_tokens(world.task.store)
        said, found = predict(model, rows), predict(again, rows)
    apart = float((said - found).abs().max())
    expect(apart < 1e-4, f"the logits of the model that was written and read differ by up to {apart:.2g}")


def weights_held_at_zero_stay_so(world: _World) -> None:
    """Behind a step that prunes heads, what is zero is zero still; or the order is refused in a sentence."""
    if not world.recipe.form.has_encoder or any(step.alone for step in world.recipe.form.steps):
        return
    steps, place = world.recipe.form.steps, world.place
    pruned = (*steps[:place], PruneHeads(step="prune_heads", share=0.25), *steps[place:])
    form = world.recipe.form.model_copy(update={"steps": pruned})
    teachers = {number + (number >= place): teacher for number, teacher in world.recipe.teachers.items()}
    recipe = replace(world.recipe, form=form, teachers=teachers)
    try:
        with own_cache():
            model = build(recipe, world.backbone, world.task, seed=_SEED).encoder
    except UserError:
        return
    left = {id(parameter) for parameter in model.parameters()}
    for held in model.held:
        broken = int((held.parameter[held.kept == 0] != 0).sum())
        expect(
            id(held.parameter) in left or len(world.made.encoder.layers) < world.small.backbone.layers,
            "a weight that prune_heads holds at zero has been put out of the model; change it in place",
        )
        expect(broken == 0, f"{broken} weights that prune_heads holds at zero are no longer zero")


def is_made_in_bfloat16(world: _World) -> None:
    """As a GPU computes by default: products in bfloat16, weights and what is computed of losses in float32."""
    task = replace(world.task, store=world.task.store.on(Device("cpu", "bfloat16")))
    with own_cache():
        made = build(world.recipe, world.backbone, task, seed=_SEED)
    named = dict(made.model.named_parameters())
    expect(not (broken := not_finite(named)), f"weights are not finite: {', '.join(broken)}")
    other = [name for name, value in named.items() if value.dtype != torch.float32]
    expect(not other, f"weights are not float32: {', '.join(other)}")


CHECKS = (
    bad_settings_are_refused, settings_read_back, identity_covers_every_field, plans_without_a_trace,
    plan_tells_the_model, reads_the_pairs_it_is_given, decides_what_it_left_open, same_seed_same_bits,
    comes_back_from_the_cache, weights_held_at_zero_stay_so, is_made_in_bfloat16, gradients_are_finite, lives_on,
    survives_as_a_folder,
)  # fmt: skip


def _keys(world: _World, field: str) -> Iterator[str]:
    """The plan's key for each other value of a field that can be planned."""
    labels = [list(LABELS), list(reversed(LABELS))]
    for other in others(world.step, field, _shipped_teachers() if field == "teacher" else labels):
        try:
            yield world.plan(world.with_step(other)).key  # type: ignore[arg-type]
        except Exception:
            continue  # it does not fit this encoder, or is no value at all


def _shipped_teachers() -> list[str]:
    steps = [step for name in names("model") for step in read_recipe(name).form.steps]
    return sorted({step.teacher for step in steps if hasattr(step, "teacher")})


@contextmanager
def _reports(piece: type[Step]) -> Iterator[list[Report]]:
    """What the step's ``run`` reports in the ``with`` block."""
    found: list[Report] = []
    run = piece.run

    def spied(self: Step, model: Any, context: Any) -> Report:
        found.append(run(self, model, context))
        return found[-1]

    piece.run = spied  # type: ignore[method-assign]
    try:
        yield found
    finally:
        piece.run = run  # type: ignore[method-assign]
