"""A recipe's model as a Hugging Face folder that anyone can load, with a card that says how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clbench import __version__
from clbench.compression.checks import check_recipe, head_warnings
from clbench.compression.execute import execute
from clbench.compression.outline import depth_note
from clbench.compression.plan import plan
from clbench.compression.task import task_of
from clbench.data.baselines import majority
from clbench.data.load import load
from clbench.data.pairs import DomainData
from clbench.encoder.backbone import starting_backbone
from clbench.encoder.card import Scored, table
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_classifier
from clbench.encoder.hf_folder import digest_of
from clbench.encoder.measure import cost
from clbench.encoder.quantize import evaluated, is_int8
from clbench.errors import UserError
from clbench.metrics.format import percent
from clbench.metrics.scores import accuracy, balanced_accuracy
from clbench.runs.card import INT8_NOTE, cut_at, recipe_card
from clbench.runs.folders import is_empty
from clbench.runtime.device import choose
from clbench.schema.changes import change_steps, quick_recipe, quick_stream, split_settings
from clbench.schema.recipe import read_recipe
from clbench.schema.seeds import check_seed
from clbench.schema.stream import read_alone
from clbench.storage.writing import check_replaceable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Written:
    """A compressed model on disk.

    Attributes:
        folder: config, safetensors, tokenizer, card.
        sha256: over these files.
        figures: accuracy, balanced_accuracy and majority on the domain's test examples, 0 to 1.
        cost: as a record has it, at the mean length of the test examples.
        edition: of the domain's stream, the examples' size.
        note: see :func:`clbench.compression.outline.depth_note`.
        warnings: sentences about a checkpoint's head, the model's or a teacher's.
    """

    folder: Path
    sha256: str
    figures: Mapping[str, float]
    cost: Mapping[str, int]
    edition: str
    note: str | None
    warnings: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """A row for each figure on the domain's test examples and each part of the cost: its ``value``."""
        import pandas as pd

        rows = [*self.figures.items(), *self.cost.items()]
        return pd.DataFrame(rows, columns=["what", "value"]).set_index("what")

    def plot(self) -> Figure:
        """Its accuracy and balanced accuracy beside the majority class's."""
        from clbench.plots import Dots, dots_figure

        rows = {name.replace("_", " "): value for name, value in self.figures.items()}
        panel = Dots(str(self.folder), list(rows), {"score": list(rows.values())})
        return dots_figure([panel], "on the domain's test examples", "Right after compression")

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        told = [f"sha256 {self.sha256}", *([self.note] if self.note else []), *self.warnings]
        return html_tables(str(self.folder), [("", self.table())], told)


@dataclass(frozen=True)
class DomainPairs:
    """The examples of one domain.

    Attributes:
        domain, stream: see :func:`clbench.schema.stream.read_alone`.
        edition: the examples' size; None for the stream's usual one.
        data_dir: of real examples.
    """

    domain: str
    stream: str | None = None
    edition: str | None = None
    data_dir: Path | None = None


def write_compressed(
    model: str | Path,
    pairs: DomainPairs,
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
    backbone: str | Path | None = None,
    seed: int = 0,
) -> Written:
    """Make a recipe's model on one domain, from the cache as far as it is there, and write it into ``folder``.

    Args:
        model: a recipe's name, or the path of its YAML file.
        pairs: what it is trained and tested on.
        folder: appears whole or not at all; one that is there already is replaced if it is a checkpoint or empty, else
            refused.
        settings: changes of the recipe's steps, see :func:`clbench.schema.changes.change_steps`.
        quick: at most 200 examples to train on, and one epoch in every step.
        backbone: instead of the recipe's or the edition's own.

    Raises:
        UserError: whatever a user can mend.
    """
    seed = check_seed(seed)
    recipe = read_recipe(model)
    if not recipe.form.has_encoder:
        raise UserError(
            f"{recipe.form.name} is a reference without an encoder, which no Hugging Face checkpoint can hold; give "
            "--model a recipe that makes an encoder."
        )
    if folder.exists() and not (folder / "config.json").is_file() and not is_empty(folder):
        raise UserError(f"--out {folder} already exists and is not a checkpoint; choose another.")
    check_replaceable(folder)
    alone = read_alone(pairs.domain, pairs.stream)
    edition = pairs.edition or alone.usual_edition(pairs.data_dir)
    if quick:
        alone, edition = quick_stream(alone, edition)
        recipe = quick_recipe(recipe)
    steps, others = split_settings(settings or {})
    for name in others:
        raise UserError(f"--set {name}: give a step's setting, as in finetune.epochs=1; compress knows no strategy.")
    recipe = change_steps(recipe, steps)
    form = alone.edition(edition)
    device = choose()
    start = starting_backbone(recipe, backbone, form.backbone, alone.field(edition, "backbone"))
    labels = alone.form.label_space
    warnings = check_recipe(recipe, start, labels, form.max_length, f"the edition {edition} of {alone.form.name}")
    (data,) = load(alone, edition, data_dir=pairs.data_dir)
    task, test = task_of(data, start.tokenizer(), labels, form.max_length, device)
    planned = plan(recipe, start, task.digest, seed=seed, label_space=labels, device=device)
    made = execute(planned, task)
    warnings += tuple(head_warnings(made.steps, data.name, recipe.form.name))
    figures = _scores(made.model, test, data, task.classes)
    spent = cost(made.encoder, round(float(task.store.lengths[test].mean())))
    config = made.encoder.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    trained = f"{len(data.splits['train']):,} examples of {data.name} ({edition} edition, {data.source.get('kind')})"
    facts = {
        "trained on": f"{trained}, seed {seed}", "tokens an example": cut_at(form.max_length), **_facts(spent, figures),
    }  # fmt: skip
    made_how = f"Made by clbench {__version__} with the recipe `{recipe.form.name}` on the domain `{data.name}`."
    scored = [Scored(data.name, figures["accuracy"], figures["balanced_accuracy"], seed)]
    more = _steps(made.steps) + (INT8_NOTE if is_int8(made.model) else "")
    card = recipe_card(folder.name, made_how, recipe, start, facts, scored, more)
    write_classifier(made.encoder.hf, start.folder, form.max_length, card, folder)
    told = tuple(warning.sentence for warning in warnings)
    return Written(folder, digest_of(folder), figures, spent, edition, depth_note(planned), told)


def _scores(model: Any, test: np.ndarray, data: DomainData, classes: int) -> dict[str, float]:
    """What the model scores on a domain's test examples, with rows ``test`` in its store, and the majority class."""
    said = predict(evaluated(model), torch.from_numpy(test)).argmax(-1).numpy()
    gold = data.splits["test"].labels
    return {
        "accuracy": accuracy(gold, said),
        "balanced_accuracy": balanced_accuracy(gold, said),
        "majority": majority(data, classes).accuracy,
    }


def _facts(spent: Mapping[str, int], figures: Mapping[str, float]) -> dict[str, str]:
    """Cost and figures, as rows of the card."""
    bare = f"{spent['parameters_without_embeddings']:,} without embeddings"
    return {
        "layers": str(spent["depth"]),
        "parameters": f"{spent['parameters']:,} ({bare})",
        "FLOPs an example": f"{spent['flops_per_pair']:,} at {spent['flops_length']} tokens",
        "accuracy, test": f"{percent(figures['accuracy'])}% (majority class {percent(figures['majority'])}%)",
        "balanced accuracy, test": f"{percent(figures['balanced_accuracy'])}%",
    }


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    """What each step did, as a table of the card."""
    rows = [(f"{place}. {step['name']}", _told(step)) for place, step in enumerate(steps, start=1)]
    return table(["step", "what it did"], rows)


def _told(step: Mapping[str, Any]) -> str:
    """A step's report in a phrase."""
    if step.get("layers"):
        return f"kept layers {', '.join(map(str, step['layers']))}"
    if "validation" in step:
        scores = ", ".join(percent(score) for score in step["validation"])
        return f"{step['epochs']} epochs; balanced accuracy on the validation examples after each, %: {scores}"
    details = step.get("details") or {}
    if "heads" in details:
        return f"{sum(map(len, details['heads']))} heads removed"
    return "int8 wherever it is evaluated" if step["name"] == "quantize" else "a checkpoint as it was"
