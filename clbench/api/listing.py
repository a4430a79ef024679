"""What there is: recipes and streams, described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.runtime.notebook import with_bars
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.shipped import names
from clbench.schema.stream import OpenStream, read_stream

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clbench.compression.plan import Plan
    from clbench.encoder.backbone import Backbone
    from clbench.record import RunWarning

# What recipes are drawn for where neither they nor the user names a backbone.
USUAL_BACKBONE = "clbench-tiny-12l"
_BASELINES = {"majority": "majority class", "word_overlap": "word overlap", "bag_of_words": "bag of words"}


@dataclass(frozen=True)
class Models:
    """Recipes, and what each makes of a backbone.

    Attributes:
        plans: one for each.
        backbone: as it was asked for.
    """

    plans: tuple[Plan, ...]
    backbone: str

    def described(self) -> list[dict[str, Any]]:
        """What ``clbench models --json`` prints, a recipe each."""
        return [_described(one) for one in self.plans]

    def table(self) -> pd.DataFrame:
        """A row for each recipe by its name: ``depth``, ``parameters``, ``steps``, ``teacher`` and ``citation``."""
        import pandas as pd

        shown = ("name", "depth", "parameters", "steps", "teacher", "citation")
        rows = [
            {name: one[name] for name in shown} | {"steps": ", ".join(step["step"] for step in one["steps"])}
            for one in self.described()
        ]
        return pd.DataFrame(rows, columns=list(shown)).set_index("name")

    def plot(self) -> Figure:
        """Which of the backbone's layers each recipe keeps, and which of its teacher's it learns from."""
        from clbench.plots import Layers, layers_figure

        drawn = [
            Layers(one.recipe.form.name, one.shape.layers, one.shape.origin, sorted(set(one.taught.values())))
            for one in self.plans
        ]
        return layers_figure(drawn, f"Layers of {self.backbone}")

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        return html_tables(f"Recipes, made from {self.backbone}", [("", self.table())])


def models(model: str | Path | None = None, *, backbone: str | Path | None = None) -> Models:
    """The recipes that are shipped, or one; nothing is trained.

    Args:
        model: a recipe's name, its YAML file, or a checkpoint's folder.
        backbone: a name, a YAML file, a folder or a hub id [default: the recipe's own, or clbench-tiny-12l].

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    asked = names("model") if model is None else [str(model)]
    return planned([read_recipe(name) for name in asked], None if backbone is None else str(backbone))


def planned(recipes: Sequence[OpenRecipe], backbone: str | None) -> Models:
    """As :func:`models`, of recipes that are read."""
    from clbench.compression.plan import plan
    from clbench.encoder.backbone import open_backbone, starting_name

    opened: dict[str, Backbone] = {}
    plans = []
    for recipe in recipes:
        start = starting_name(recipe, backbone, USUAL_BACKBONE)
        if start not in opened:
            opened[start] = open_backbone(start)
        plans.append(plan(recipe, opened[start]))
    return Models(tuple(plans), backbone or USUAL_BACKBONE)


def _described(found: Plan) -> dict[str, Any]:
    from clbench.compression.outline import depth_note

    form, shape, teacher = found.recipe.form, found.shape, found.teacher
    return {
        "name": form.name,
        "title": form.title,
        "citation": form.citation,
        "depth": shape.layers,
        "note": depth_note(found),
        "parameters": found.parameters,
        "layers": None if shape.origin is None else list(shape.origin),
        "teacher": None if teacher is None else teacher.recipe.form.name,
        "layer_map": {str(student): taught for student, taught in found.taught.items()},
        "steps": [step.model_dump(mode="json") for step in form.steps],
    }


@dataclass(frozen=True)
class Streams:
    """Streams, each with what an edition of it holds.

    Attributes:
        overviews: see :func:`clbench.data.overview.overview`.
    """

    overviews: tuple[Mapping[str, Any], ...]

    def table(self) -> pd.DataFrame:
        """A row for each stream and domain: examples of each part, words an example, accuracy of the baselines."""
        import pandas as pd

        rows = [
            {
                "stream": one["stream"], "edition": one["edition"], "domain": domain["name"],
                "evaluation_only": domain["evaluation_only"],
                **{part: domain["splits"].get(part, {}).get("pairs", 0) for part in ("train", "validation", "test")},
                "classes": len(domain["classes"]), "words": domain["splits"]["test"]["words"],
                **{name: domain[name] and domain[name]["accuracy"] for name in _BASELINES},
            }
            for one in self.overviews
            for domain in one["domains"]
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index(["stream", "domain"]).astype(dict.fromkeys(_BASELINES, float))

    def plot(self) -> Figure:
        """What classifiers that read no meaning reach on each domain's test part."""
        from clbench.plots import Dots, dots_figure

        panels = [
            Dots(
                f"{one['stream']} ({one['edition']})",
                [domain["name"] for domain in one["domains"]],
                {
                    told: [domain[name] and domain[name]["accuracy"] for domain in one["domains"]]
                    for name, told in _BASELINES.items()
                },
            )
            for one in self.overviews
        ]
        return dots_figure(panels, "accuracy on the test part", "What can be had without reading")

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        warnings = [told["sentence"] for one in self.overviews for told in one["warnings"]]
        return html_tables("Streams", [("", self.table())], warnings)


@with_bars
def streams(
    stream: str | Path | None = None,
    *,
    edition: str | None = None,
    data_dir: str | Path | None = None,
    backbone: str | Path | None = None,
) -> Streams:
    """The streams that are shipped, or one, and their domains' examples, which are loaded.

    Args:
        stream: a name, or a YAML file.
        edition: ``embedded``, or the stream's first; with ``data_dir`` the first real one.
        data_dir: a folder with DOMAIN/{train,validation,test} files, instead of the hub.
        backbone: warn of examples that its tokenizer would have cut.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    asked = names("stream") if stream is None else [str(stream)]
    folder = None if data_dir is None else Path(data_dir)
    return Streams(
        tuple(
            stream_overview(
                one, edition or one.usual_edition(folder), folder, None if backbone is None else str(backbone)
            )
            for one in map(read_stream, asked)
        )
    )


def stream_overview(stream: OpenStream, edition: str, data_dir: Path | None, backbone: str | None) -> dict[str, Any]:
    """An edition of a stream, see :func:`clbench.data.overview.overview`.

    Raises:
        UserError: its backbone, or ``backbone``, cannot take its examples, or these cannot be had.
    """
    from clbench.data.load import load
    from clbench.data.overview import overview
    from clbench.encoder.located import check_edition
    from clbench.runtime.events import prefixed

    # Before the examples, which may take a while.
    positions = opened = None
    if backbone is None:
        positions = check_edition(stream, edition)
    else:
        from clbench.encoder.backbone import open_backbone

        opened = open_backbone(backbone)
        opened.check_length(stream.edition(edition).max_length, f"the edition {edition} of {stream.form.name}")
    with prefixed(f"{stream.form.name}: "):
        loaded = load(stream, edition, data_dir=data_dir)
    cut: list[RunWarning] = []
    if opened is not None:
        from clbench.encoder.cut import cut_warnings

        cut += cut_warnings(loaded, opened.tokenizer(), stream.edition(edition).max_length)
    return overview(stream, edition, loaded, cut, positions)
