"""What a recipe will ask of the cache, told before anything is trained: what is there, what it shares with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clbench.cache import holds, key_of
from clbench.compress.distill import targets_content, token_depths
from clbench.compress.prune_layers import kept_layers
from clbench.compress.recipe import chain_from, facts_of, loaded_key, models_content
from clbench.encoder.backbone import teacher_backbone
from clbench.schema.recipe import Distill, Load, OpenRecipe, PruneHeads, PruneLayers, PruneWeights, Step, Untrained
from clbench.schema.strategy import at_rate

if TYPE_CHECKING:
    from clbench.encoder.backbone import Backbone

# Stands in the chain where training decides what is pruned: the key is then not the cache's, but still one of its own.
_UNKNOWN = "known when it is trained"


@dataclass(frozen=True)
class Entry:
    """One entry of the cache that a recipe's inception reads or makes.

    Attributes:
        kind, key: where it lies, see :func:`clbench.cache.cached`.
        depth: layers of the model that works on it.
        epochs: passes over the training pairs with gradients; 0 for a teacher's targets, which take one without.
        serves: of a teacher's targets, the key of the model that they are for; once it is there, it needs them no more.
    """

    kind: str
    key: str
    depth: int
    epochs: int
    serves: str | None = None

    def is_there(self) -> bool:
        """Whether the cache holds it, or need not hold it."""
        return holds(self.kind, self.key) or (self.serves is not None and holds("models", self.serves))


def entries(
    recipe: OpenRecipe,
    backbone: Backbone,
    task: str,
    *,
    seed: int,
    observed: Mapping[str, Any] | None = None,
    label_space: Sequence[str] = (),
) -> tuple[list[Entry], int]:
    """The entries that :func:`clbench.compress.build` asks for, in order, the teachers' first; and the final depth.

    Where a model that is not there yet decides what is pruned (contribution, heads), the keys after it are not the
    cache's: such an entry counts as one that is not there. Recipes with the same steps agree in them all the same.

    Args:
        recipe, backbone, seed, observed: as for :func:`clbench.compress.build`.
        task: the first domain's digest.
        label_space: the labels that a checkpoint's head should tell, where the recipe or a teacher is one.

    Raises:
        UserError: the recipe does not fit the backbone, or a teacher does not fit its student.
    """
    found, _, (depth, _) = _follow(recipe, backbone, task, seed, observed, label_space)
    return list(dict.fromkeys(found)), depth


def _follow(
    recipe: OpenRecipe,
    backbone: Backbone,
    task: str,
    seed: int,
    observed: Mapping[str, Any] | None,
    label_space: Sequence[str],
) -> tuple[list[Entry], str, tuple[int, int]]:
    """Entries, the model's key, its layers and width; the steps are gone through as ``build`` does."""
    chain, depth, width = chain_from(backbone, task, seed), backbone.layers, backbone.shape.hidden_size
    found: list[Entry] = []
    if recipe.form.load:
        return found, loaded_key(recipe.form.load, backbone, task, seed, label_space), (depth, width)
    if recipe.form.reference:
        chain["steps"].append(recipe.form.reference.model_dump(mode="json"))
        key = key_of(models_content(chain, observed))
        return [Entry("models", key, 0, recipe.form.reference.training.epochs)], key_of(chain), (0, 0)
    for place, step in enumerate(recipe.form.steps):
        if isinstance(step, PruneLayers):
            kept = kept_layers(step, depth, str(recipe.path), [0.0] * depth)
            depth = len(kept)
            chain["steps"].append({"step": step.step, "layers": _UNKNOWN if step.drop == "contribution" else kept})
        elif isinstance(step, PruneHeads):
            chain["steps"].append({"step": step.step, "heads": _UNKNOWN, "share": step.share})
        elif isinstance(step, Step):
            taught = None
            if isinstance(step, Distill):
                teacher = recipe.teachers[place]
                own = teacher_backbone(teacher, backbone)
                theirs, key, size = _follow(teacher, own, task, seed, None, label_space)
                found += theirs
                taught = key, size
            training = at_rate(step.training, backbone.learning_rate)
            facts = facts_of(recipe, place, training, (depth, width), taught)
            chain["steps"].append(facts)
            last = all(isinstance(other, Untrained) for other in recipe.form.steps[place + 1 :])
            rounds = step.rounds + 1 if isinstance(step, PruneWeights) else 1
            model = key_of(models_content(chain, observed if last else None))
            if isinstance(step, Distill) and taught is not None:
                content = targets_content(taught[0], task, facts["layer_map"], token_depths(step, taught[1][0]))
                found.append(Entry("targets", key_of(content), taught[1][0], 0, model))
            found.append(Entry("models", model, depth, training.epochs * rounds))
        elif not isinstance(step, Load):
            chain["steps"].append({"step": step.step})
    return found, key_of(chain), (depth, width)
