"""The card of a model that a recipe made, as it was made or as its life left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from clbench.encoder.backbone import Backbone
from clbench.encoder.card import Scored, model_card, table
from clbench.schema.recipe import OpenRecipe


def cut_at(max_length: int) -> str:
    """What a card says of the longest example."""
    return f"at most {max_length}, the longer sentence cut first (`truncation=True`)"


# Beneath the scores of a model that is evaluated in int8: transformers gives those of the folder's weights.
INT8_NOTE = "\n\nThe figures are those of the weights in int8; the folder holds them in fp32."


def recipe_card(
    title: str,
    made: str,
    recipe: OpenRecipe,
    backbone: Backbone,
    facts: Mapping[str, str],
    scores: Sequence[Scored],
    more: str,
) -> str:
    """Markdown.

    Args:
        title: the model's name, and at what time of its life where it has lived.
        made: a sentence on how.
        recipe, backbone: what it was made by and from.
        facts: the rows of its first table, beneath the backbone's.
        scores: on the domains' test examples.
        more: beneath that table.
    """
    form, licence = recipe.form, str(backbone.source.get("licence", "unknown"))
    described = yaml.safe_dump(recipe.describe(), sort_keys=False, allow_unicode=True, width=110)
    source = f"{backbone.source.get('id', backbone.name)} (licence: {licence})"
    body = f"""# {title}

{form.title}. {made}

Source: {form.citation}

{table(["", ""], [("backbone", source), *facts.items()])}

{more}

The licence is the backbone's; the examples have their own, which `clbench streams` prints.

The recipe, teachers included:

```yaml
{described}```
"""
    return model_card(form.name, licence, ["compression"], body, scores, pipeline_tag="text-classification")
