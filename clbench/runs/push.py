"""What of a run, or of a checkpoint's folder, goes to the hub: its files, a card with its figures, its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clbench.encoder.card import model_card, table
from clbench.encoder.push import CARD, RECORDS, Target, checkpoint_files
from clbench.errors import UserError
from clbench.metrics import Interval, mean_interval, metrics
from clbench.metrics.format import percent
from clbench.record.groups import summary
from clbench.runs.snapshots import kept_at_end

if TYPE_CHECKING:
    from clbench.record import Record
    from clbench.record.parts import Domain

# Figures of a whole life that a card names; the others are in the record.
_FIGURES = (
    "lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "final_balanced_accuracy", "forgetting",
    "learning_accuracy", "worst_case_accuracy", "in_domain_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """What is sent.

    Attributes:
        files: by their paths in the repository.
        card: the text of README.md, which is among them.
    """

    files: dict[str, Path | bytes]
    card: str


def package(path: Path, target: Target) -> Package:
    """What of ``path`` is sent to ``target``.

    Args:
        path: the folder of a checkpoint; or of a run that kept its model at the end, or of the seeds of such a run, of
            which the first that kept it gives the model, and all of them the figures.

    Raises:
        UserError: it is neither, kept no model, or holds records of several runs.
    """
    if (path / "config.json").is_file():
        return _of_folder(path)
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give the folder of a run, or that of a checkpoint.")
    model, found_runs = kept_at_end(path)
    records = [record for _, record in found_runs]
    pushed = next(record for file, record in found_runs if model.is_relative_to(file.parent))
    if f"| run | {pushed.configuration.fingerprint} |" not in (model / CARD).read_text(encoding="utf-8"):
        raise UserError(f"{model} was made by another run than the record beside it; make the run again with --fresh.")
    card = run_card(records, pushed, target)
    found: dict[str, Path | bytes] = {**checkpoint_files(model), CARD: card.encode()}
    found |= {_record_path(record): file for file, record in found_runs}
    return Package(found, card)


def _record_path(record: Record) -> str:
    return f"{RECORDS}/seed-{record.configuration.seed}.json"


def _of_folder(folder: Path) -> Package:
    files: dict[str, Path | bytes] = {**checkpoint_files(folder)}
    try:
        card = (folder / CARD).read_text(encoding="utf-8")
    except FileNotFoundError:
        card = model_card(folder.name, "unknown", ["compression"], f"# {folder.name}\n", ())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / CARD} should be a text in UTF-8 ({type(error).__name__}).") from error
    return Package({**files, CARD: card.encode()}, card)


def run_card(records: Sequence[Record], pushed: Record, target: Target) -> str:
    """The card of a run's model: figures over its seeds, each a mean with its 95% interval, in the head as well.

    Args:
        records: of the seeds.
        pushed: that of the model which is sent.
        target: whose address the records have.
    """
    told = pushed.configuration
    model, stream, strategy = pushed.names
    seeds = [record.configuration.seed for record in records]
    source = told.backbone.source
    licence = str(source.get("licence", "unknown"))
    facts = table(["", ""], [
        ("backbone", f"{source.get('id', told.backbone.name)} (licence: {licence})"),
        ("stream", f"{stream}, edition {told.edition}: {', '.join(pushed.order)}"),
        ("strategy", strategy),
        ("model of", f"seed {told.seed}, at the end of its life"),
        ("figures over", f"seeds {', '.join(map(str, seeds))}"),
        ("parameters", f"{pushed.cost.parameters:,}"),
        ("made by", f"clbench {pushed.clbench}"),
        ("records", ", ".join(f"[seed {record.configuration.seed}]({_record_path(record)})" for record in records)),
    ])  # fmt: skip
    described = yaml.safe_dump(dict(told.model), sort_keys=False, allow_unicode=True, width=110)
    use = f"hub:{target.name}" + (f"@{target.revision}" if target.revision else "")
    body = f"""# {target.name.rpartition("/")[2]}

A compressed encoder at the end of its life: made with the recipe `{model}` on {pushed.order[0]}, then taken through the
stream `{stream}` under the strategy `{strategy}`.

{facts}

In %, mean and 95% interval over the seeds:

{_figures_table(records)}

At the end of life, on the test examples:

{_domains_table(records)}

Every figure can be computed again from the predictions in the records. `clbench run --model {use}` takes the model on.

The licence is the backbone's; the data sets have their own, which `clbench streams` prints.

The recipe, teachers included:

```yaml
{described}```
"""
    results = _results(records, pushed, target)
    tags = ["compression", "continual-learning"]
    return model_card(model, licence, tags, body, results=results, pipeline_tag="text-classification")


def _shown(interval: Interval) -> str:
    half = interval.half_width
    return percent(interval.mean) + ("" if half is None else f" ± {percent(half)}")


def _figures_table(records: Sequence[Record]) -> str:
    found, known = summary(records), metrics()
    rows = [(known[name].title, _shown(value)) for name in _FIGURES if (value := found.get(name)) is not None]
    return table(["figure", "%"], rows, numbers=1)


def _final(records: Sequence[Record]) -> dict[str, tuple[Interval, Interval]]:
    """By domain, accuracy and balanced accuracy at the end of life."""
    return {
        name: (
            mean_interval([float(record.history.accuracy[-1, d]) for record in records]),
            mean_interval([float(record.history.balanced[-1, d]) for record in records]),
        )
        for d, name in enumerate(records[0].domains)
    }


def _domains_table(records: Sequence[Record]) -> str:
    trained = set(records[0].order)
    rows = [
        (name, "yes" if name in trained else "no", _shown(accuracy), _shown(balanced))
        for name, (accuracy, balanced) in _final(records).items()
    ]
    return table(["domain", "trained on", "accuracy", "balanced accuracy"], rows, numbers=2)


def _results(records: Sequence[Record], pushed: Record, target: Target) -> list[Any]:
    """For the head's model-index: each figure with its seeds, its interval and the record it is from."""
    from huggingface_hub import EvalResult, constants

    seeds = [record.configuration.seed for record in records]
    place = f"{constants.ENDPOINT}/{target.name}/blob/{target.revision or 'main'}/{_record_path(pushed)}"

    def result(metric: str, value: Interval, title: str | None = None, **dataset: Any) -> Any:
        interval = None if value.low is None or value.high is None else [round(value.low, 4), round(value.high, 4)]
        return EvalResult(
            task_type="text-classification", metric_type=metric, metric_name=title, metric_value=round(value.mean, 4),
            metric_args={"seeds": seeds, "interval_95": interval}, source_name="clbench record", source_url=place,
            **dataset,
        )  # fmt: skip

    found = []
    for domain, (accuracy, balanced) in zip(pushed.data, _final(records).values(), strict=True):
        about = _dataset(domain, pushed.configuration.edition)
        found += [result("accuracy", accuracy, **about), result("balanced_accuracy", balanced, **about)]
    _, stream, strategy = pushed.names
    life = {
        "dataset_type": stream, "dataset_name": f"{stream} ({pushed.configuration.edition}), {strategy}",
        "dataset_split": "test",
    }  # fmt: skip
    over = summary(records)
    known = metrics()
    found += [result(name, value, known[name].title, **life) for name in _FIGURES if (value := over.get(name))]
    return found


def _dataset(domain: Domain, edition: str) -> dict[str, Any]:
    """How the hub names a domain's test part."""
    source = domain.source
    about: dict[str, Any] = {"dataset_name": f"{domain.name} ({edition})", "dataset_split": "test"}
    if source.get("kind") != "hub":
        return about | {"dataset_type": domain.name}
    told = {"dataset_type": source.get("id"), "dataset_config": source.get("config"),
            "dataset_revision": source.get("commit") or source.get("revision")}  # fmt: skip
    return about | {name: str(value) for name, value in told.items() if value is not None}
