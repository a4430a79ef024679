"""The battery of layer maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from clbench.compression.execute import Compressed, build
from clbench.compression.matching import Choice
from clbench.compression.plan import plan
from clbench.compression.steps.distill import layer_map
from clbench.encoder.optimization import Clipping
from clbench.errors import UserError
from clbench.schema.changes import quick_recipe
from clbench.schema.layer_map import LAYER_MAPS, LayerMap
from clbench.schema.recipe import OpenRecipe, Recipe, read_recipe
from clbench.testing.battery import (
    Check,
    CheckFailed,
    check_reads_back,
    check_refusals,
    checks_of,
    expect,
    others,
    own_cache,
    run_all,
)
from clbench.testing.worlds import Small, same_weights, small

_SEED = 3
_LAYERS, _EPOCHS = 6, 3
# Depths (student, teacher) at which a map that is known before is looked at.
_DEPTHS = ((1, 1), (1, 12), (2, 3), (3, 12), (6, 12), (12, 12), (5, 24))


@dataclass(frozen=True)
class _World:
    """A layer map in a student of 3 layers, whose teacher has 6, trained for 3 epochs on 48 examples."""

    form: LayerMap
    small: Small

    def recipe(self, form: LayerMap | None = None) -> OpenRecipe:
        used = self.form if form is None else form
        training = {"epochs": _EPOCHS, "batch_size": 16, "learning_rate": 1e-3}
        distill = {
            "step": "distill", "teacher": "finetune-12l", "alpha": 0.5, "temperature": 5.0, "training": training,
        } | ({"beta": 10.0} if used.matches else {})  # fmt: skip
        steps = [{"step": "prune_layers", "drop": "top", "depth": _LAYERS // 2}, distill | {"layer_map": used.rule}]
        content = {"name": "the-check", "steps": steps}
        if used != LAYER_MAPS.get(used.rule).model_construct(rule=used.rule):
            steps[1]["layer_map"] = used.model_dump(mode="json")
        teacher = quick_recipe(read_recipe("finetune-12l"))
        return OpenRecipe(Recipe.model_validate(content), Path("the-check.yaml"), {1: teacher})

    def make(self, seed: int = _SEED) -> Compressed:
        return build(self.recipe(), self.small.backbone, self.small.task(), seed=seed)

    def key(self, form: LayerMap) -> str:
        return plan(self.recipe(form), self.small.backbone, self.small.task().digest, seed=_SEED).key

    @cached_property
    def _made(self) -> tuple[Compressed, list[bool]]:
        with own_cache(), _watched(self.form) as unchanged:
            return self.make(), unchanged

    @property
    def made(self) -> Compressed:
        return self._made[0]

    @property
    def unchanged(self) -> list[bool]:
        """Of each choice, whether it left the model as it was."""
        return self._made[1]

    @property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = self.made.steps[1]["details"]
        return found

    @property
    def maps(self) -> list[list[int]]:
        """Every map that was used, with one that is known before at several depths."""
        if self.form.is_fixed:
            found = [layer_map(self.form, student, teacher, "") for student, teacher in _DEPTHS]
            return [layers for layers in found if layers is not None]
        return [one["layers"] for one in self.details["choices"] if "layers" in one]


@contextmanager
def _watched(form: LayerMap) -> Iterator[list[bool]]:
    """Of each choice in the ``with`` block, whether it leaves the model as it was."""
    unchanged: list[bool] = []
    choose = type(form).choose

    def spied(self: LayerMap, choice: Choice) -> Any:
        before = {name: value.clone() for name, value in choice.model.state_dict().items()}
        found = choose(self, choice)
        after = choice.model.state_dict()
        unchanged.append(all(torch.equal(value, after[name]) for name, value in before.items()))
        return found

    with patch.object(type(form), "choose", spied):
        yield unchanged


def layer_map_checks(piece: LayerMap | type[LayerMap] | str) -> list[Check]:
    """Every check of a layer map, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        piece: its registered name or its class, where its fields have defaults; else one with its settings.

    Raises:
        UserError: a field without a default is given no value.
    """
    form = piece
    if isinstance(form, str):
        form = LAYER_MAPS.get(form)
    if isinstance(form, type):
        (rule,) = [name for name, kind in LAYER_MAPS.all().items() if kind is form] or [form.__name__]
        needed = [name for name, field in form.model_fields.items() if field.is_required() and name != "rule"]
        if needed:
            raise UserError(
                f"layer map '{rule}': {', '.join(needed)} has no default; give layer_map_checks() the map with its "
                "settings, or python -m clbench.testing a recipe in which a step distill has it with them."
            )
        form = form(rule=rule)
    return checks_of(CHECKS, _World(form, small(_LAYERS, 16)))


def check_layer_map(piece: LayerMap | type[LayerMap] | str) -> None:
    """Run every check of :func:`layer_map_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(layer_map_checks(piece))


def bad_settings_are_refused(world: _World) -> None:
    """Nonsense in a field, and a field that it does not have, end in a sentence that names the field."""
    check_refusals(world.form, "rule")


def settings_read_back(world: _World) -> None:
    """What a record holds of its settings reads back as the same settings."""
    check_reads_back(world.form)


def identity_covers_every_field(world: _World) -> None:
    """Another value of any field gives another key, unless the map that is known before is the same."""
    was, known = world.key(world.form), layer_map(world.form, 3, _LAYERS, "")
    json.dumps(world.form.identity(), allow_nan=False)
    for field in type(world.form).model_fields:
        if field == "rule":
            continue
        found = list(others(world.form, field))
        expect(bool(found), f"the field {field} takes no other value")
        for other in found:
            assert isinstance(other, LayerMap)
            same = known is not None and layer_map(other, 3, _LAYERS, "") == known
            expect(same or world.key(other) != was, f"another value of the field {field} leaves the key as it is")


def maps_what_is_there(world: _World) -> None:
    """Every map names layers that the teacher has, one for each of the student's with or without the last, or none if
    it matches none; and rises if it says so."""
    depths = _DEPTHS if world.form.is_fixed else [(_LAYERS // 2, _LAYERS)] * len(world.maps)
    for layers, (student, teacher) in zip(world.maps, depths, strict=False):
        counts = (student - 1, student) if world.form.matches else (0,)
        expect(len(layers) in counts, f"{layers} should be {student - 1} layers, or {student}")
        expect(all(1 <= layer <= teacher for layer in layers), f"{layers} should be layers from 1 to {teacher}")
        rises = all(low < high for low, high in pairwise(layers))
        expect(rises or not world.form.rises, f"{layers} should rise, as its class says")
    matched = world.form.is_mixture or any(world.maps)
    expect(matched == world.form.matches, "whether it matches any layer should be as its class says")


def weights_are_shares(world: _World) -> None:
    """The weights of a mixture are 0 or more, and come to 1 for each of the student's layers."""
    if not world.form.is_mixture:
        return
    draw = torch.Generator().manual_seed(_SEED)
    random = [torch.nn.functional.normalize(torch.randn(4, n, 8, generator=draw), dim=-1) for n in (2, 5)]
    one = random[0][:, :1]
    # As they come; all the teacher's like the student's; and all turned away from them.
    for states, teacher in (
        random,
        (one.expand(4, 2, 8), one.expand(4, 5, 8)),
        (one.expand(4, 2, 8), -one.expand(4, 5, 8)),
    ):
        found = world.form.weights(states, teacher)
        expect(tuple(found.shape) == (4, 2, 5), f"the weights should be (4, 2, 5), but are {tuple(found.shape)}")
        expect(bool((found >= 0).all()), "no weight should be below 0")
        shares = torch.allclose(found.sum(-1), torch.ones(4, 2))
        expect(shares, "the weights of each of the student's layers should be 1 in all")


def same_seed_same_map(world: _World) -> None:
    """Made twice with one seed, each time with an empty cache, it chooses the same and the model is the same."""
    again = world.make()
    expect(world.made.steps == again.steps, "two models of one seed should have the same to say for the record")
    expect(same_weights(world.made.model, again.model), "two models of one seed should have the same weights")


def comes_back_from_the_cache(world: _World) -> None:
    """A model from the cache tells of the same choices, and of the time that they took when it was made."""
    if world.form.is_fixed:
        return
    first, again = world.make(), world.make()
    expect(first.steps == again.steps, "a model from the cache should say the same for the record")
    same = first.choosing_seconds == again.choosing_seconds
    expect(same, "a model from the cache should tell the time that choosing took when it was made")


def tells_what_it_chose_and_what_that_cost(world: _World) -> None:
    """The record has each choice with its epoch, and examples, FLOPs and seconds; nothing of a map known before."""
    details, seconds = world.details, world.made.choosing_seconds
    if world.form.is_fixed:
        expect("choosing" not in details and seconds is None, "a map that is known before costs nothing to choose")
        return
    expect(seconds is not None and seconds > 0, "choosing should take some time")
    for name in ("examples", "flops"):
        value = details["choosing"][name]
        expect(isinstance(value, int) and value >= 0, f"choosing should cost a whole number of {name}, not {value!r}")
    epochs = [one["epoch"] for one in details["choices"]]
    due = [epoch for epoch in range(_EPOCHS) if epoch == 0 or world.form.is_mixture or world.form.is_due(epoch)]
    expect(epochs == due, f"there should be a choice for the epochs {due}, but there is for {epochs}")
    json.dumps(details["choices"], allow_nan=False)


def leaves_the_model_as_it_is(world: _World) -> None:
    """Choosing changes no weight."""
    _ = world.made
    expect(all(world.unchanged), "the model should have the same weights after a choice as before")


def goes_on_where_it_was_killed(world: _World) -> None:
    """Killed in the middle of the training, and made again, it is the same model with the same choices."""
    if world.form.is_fixed:
        return
    calls, settled = [0], Clipping.settle

    def killed(self: Clipping) -> None:
        calls[0] += 1
        settled(self)
        # The teacher's epoch is the first; the last epoch of the student's is never reached.
        if calls[0] == killed_at:
            raise KeyboardInterrupt

    with patch.object(Clipping, "settle", _counting(calls, settled)), own_cache():
        world.make()
    killed_at, calls[0] = calls[0] - 1, 0
    with patch.object(Clipping, "settle", killed):
        try:
            world.make()
        except KeyboardInterrupt:
            pass
        else:
            raise CheckFailed("the training was not killed")
    again = world.make()
    expect(world.made.steps == again.steps, "a model that was killed and made again should say the same")
    expect(same_weights(world.made.model, again.model), "a model that was killed and made again should be the same")


def _counting(calls: list[int], settled: Any) -> Any:
    def counted(self: Clipping) -> None:
        calls[0] += 1
        settled(self)

    return counted


CHECKS = (
    bad_settings_are_refused, settings_read_back, identity_covers_every_field, maps_what_is_there, weights_are_shares,
    same_seed_same_map, comes_back_from_the_cache, tells_what_it_chose_and_what_that_cost, leaves_the_model_as_it_is,
    goes_on_where_it_was_killed,
)  # fmt: skip
