"""The command that runs a submission again, from what its records say of their configuration."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from clbench.record.forms import Record
from clbench.record.parts import Configuration, Hardware
from clbench.schema.backbone import BackboneForm, called
from clbench.schema.changes import changed_settings, is_quick, quick_recipe
from clbench.schema.form import read_yaml
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.shipped import find, names
from clbench.schema.source import reads_data_dir
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import Strategy, read_strategy, setting_values
from clbench.schema.stream import QUICK


def run_command(record: Record, seeds: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """The ``clbench run`` that makes these records again, and what has to be at hand for it that clbench does not ship.

    Options that only repeat a default are left out. A path on the submitter's machine is a word in capitals.

    Args:
        record: one of the submission's.
        seeds: of all its records, ascending.
    """
    needs = (*_plugins(record), *_needs(record.configuration))
    spec = spec_of_record(record.configuration).model_copy(update=_computing(record.measured.hardware))
    return spec.command(seed_list(seeds)), needs


def spec_of_record(configuration: Configuration, named: bool = True) -> RunSpec:
    """The run that left a record, by the names of what is shipped, and with what is changed of it.

    Args:
        configuration: of the record.
        named: for somebody else's machine: a backbone beside the recipe's file is named, and a learning rate of which
            nobody can tell whether it was changed.
    """
    model, stream, strategy = configuration.names
    settings = dict(_changed_steps(configuration) or {})
    if strategy in _names("strategy"):
        settings |= _assignments(configuration, named)
    backbone = configuration.backbone.name
    if (hub := _hub_checkpoint(configuration)) is not None:
        model, backbone = hub, str(_usual_backbone(configuration))
    usual = backbone == _usual_backbone(configuration) or (not named and _beside_its_file(configuration))
    return RunSpec(
        model=model, stream=stream, edition=configuration.edition.removesuffix(QUICK), strategy=strategy,
        settings=settings, quick=is_quick(configuration.edition), backbone=None if usual else backbone,
        labels=_labels(configuration.model), order=_order(configuration), eval_every=configuration.eval_every,
        shift=configuration.shift, random_baseline=configuration.random_baseline, budget=configuration.budget,
        data_dir=Path("FOLDER") if reads_data_dir(configuration.data_source) else None,
    )  # fmt: skip


def _computing(hardware: Hardware) -> dict[str, Any]:
    """The fields of a spec that say where and how exactly it was computed; nothing for float32 on a CPU."""
    told: dict[str, Any] = {name: getattr(hardware, name) for name in ("device", "precision", "micro_batch")}
    told["deterministic"] = hardware.deterministic is not None or None
    return {name: value for name, value in told.items() if value is not None}


def changed_options(configuration: Configuration, hardware: Hardware | None = None) -> str:
    """The options of ``clbench run`` that are other than the defaults of recipe, stream and strategy, as one text.

    Args:
        configuration: of a record.
        hardware: that it was computed on, where that is known.
    """
    spec = spec_of_record(configuration, named=False)
    if hardware is not None:
        spec = spec.model_copy(update=_computing(hardware))
    return shlex.join([*(["--quick"] if spec.quick else []), *spec.changes(), *spec.evaluation_options()])


def _plugins(record: Record) -> Iterator[str]:
    """The plug-ins without which the run cannot be carried out; a metric of one's own changes nothing in it."""
    for one in dict.fromkeys((p.package, p.version) for p in record.plugins if p.kind != "metric"):
        package, version = one
        if package.endswith(".py"):
            yield f"the plug-in {package} of the digest {version}: give it as --plugin {package}"
        else:
            yield f"the plug-in {package} {version}, installed"


def _needs(configuration: Configuration) -> Iterator[str]:
    """What has to be at hand that clbench does not ship."""
    model, stream, strategy = configuration.names
    own = _hub_checkpoint(configuration)
    if own is None and _changed_steps(configuration) is None:
        yield f"the recipe {model}: the records hold it as configuration.model"
    if stream not in _names("stream"):
        yield f"the stream {stream}: the records hold it as configuration.stream"
        told: list[Any] = [configuration.stream.get(field) or [] for field in ("domains", "evaluation_only")]
        shipped = _names("domain")
        own_domains = [name for named in told for name in named if isinstance(name, str) and name not in shipped]
        if own_domains:
            yield f"the files of its domains ({', '.join(own_domains)}), beside the stream's, which no record holds"
    if strategy not in _names("strategy"):
        yield f"the strategy {strategy}: the records hold it as configuration.strategy"
    backbone = configuration.backbone.name
    if own is None and backbone != _usual_backbone(configuration) and backbone not in _names("backbone"):
        yield f"the backbone {backbone}, a folder or a hub id, with the digest that the records name"
    if reads_data_dir(configuration.data_source):
        yield "the examples as files: FOLDER/DOMAIN/{train,validation,test}.jsonl"


def _hub_checkpoint(configuration: Configuration) -> str | None:
    """What ``--model`` means a checkpoint of the hub by, at the commit that was run; None for any other model."""
    found = configuration.backbone.on_the_hub
    if _first_step(configuration.model).get("step") != "load" or found is None:
        return None
    return f"hub:{found[0]}@{found[1]}"


def weights_are_known(configuration: Configuration) -> bool:
    """Whether whoever has the record can have the weights that the run started from."""
    backbone = configuration.backbone
    return backbone.name in _names("backbone") or backbone.on_the_hub is not None


def seed_list(seeds: Sequence[int]) -> str:
    """Ascending seeds as ``--seeds`` takes them.

    >>> seed_list([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _first_step(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a recipe as a record has it; empty where there is none."""
    steps = model.get("steps")
    first = steps[0] if isinstance(steps, list) and steps else None
    return first if isinstance(first, dict) else {}


def _order(configuration: Configuration) -> str | None:
    """As ``--order`` takes it: the domains in the run's order; None for the order of the stream's file."""
    domains = configuration.stream.get("domains")
    if not configuration.file_order or not isinstance(domains, list):
        return None
    return ",".join(map(str, domains))


def _labels(model: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Those of a checkpoint whose head's rows the user named."""
    first = _first_step(model)
    labels = first.get("labels") if first.get("step") == "load" else None
    return tuple(map(str, labels)) if isinstance(labels, list) else None


def _changed_steps(configuration: Configuration) -> dict[str, Any] | None:
    """The settings that make a shipped recipe the one that is told; None where it takes the recipe's own file."""
    name, told = configuration.names[0], configuration.model
    if name not in _names("model"):
        return None
    shipped = shipped_recipe(name)
    if is_quick(configuration.edition):
        shipped = quick_recipe(shipped)
    return {} if shipped.describe() == told else changed_settings(shipped, told)


# What is shipped stands still while a board of hundreds of submissions is built.
_names = cache(names)


@cache
def shipped_recipe(name: str) -> OpenRecipe:
    """The recipe that is shipped under ``name``, read once."""
    return read_recipe(name)


@cache
def shipped_strategy(name: str) -> Strategy:
    """The strategy that is shipped under ``name``, read once."""
    return read_strategy(name)


@cache
def shipped_backbone(name: str) -> BackboneForm | None:
    """What the file of the backbone that is shipped under ``name`` says, read once; None where there is none."""
    return read_yaml(find("backbone", name), BackboneForm) if name in _names("backbone") else None


def _usual_backbone(configuration: Configuration) -> object:
    """What the run starts from without ``--backbone``: the recipe's own, or the edition's."""
    editions = configuration.stream.get("editions")
    size = editions.get(configuration.edition) if isinstance(editions, dict) else None
    named = configuration.model.get("backbone") or (size.get("backbone") if isinstance(size, dict) else None)
    # With hub: or without, a record calls it the same.
    return called(named) if isinstance(named, str) else named


def _beside_its_file(configuration: Configuration) -> bool:
    """Whether the backbone is the one that recipe or edition names, by a path that starts from the file of these."""
    named = _usual_backbone(configuration)
    parts = Path(named).parts if isinstance(named, str) else ()
    return bool(parts) and Path(configuration.backbone.name).parts[-len(parts) :] == parts


def _assignments(configuration: Configuration, named: bool) -> dict[str, Any]:
    """Every setting that is another in the records than in the strategy that is shipped."""
    told = configuration.strategy
    form = shipped_strategy(configuration.names[2])
    if is_quick(configuration.edition):
        form = form.quick()
    if told.get("method") != form.method:
        return {}
    shipped = setting_values(form)
    if shipped["training.learning_rate"] is None:
        rate: object = _usual_rate(configuration)
        if rate is None and not named:
            training = told.get("training")
            rate = training.get("learning_rate") if isinstance(training, dict) else None
        shipped["training.learning_rate"] = rate
    found: dict[str, Any] = {}
    for name, usual in shipped.items():
        part: object = told.get("training") if name.startswith("training.") else told
        key = name.removeprefix("training.")
        if isinstance(part, Mapping) and key in part and part[key] != usual:
            found[name] = part[key]
    return found


def _usual_rate(configuration: Configuration) -> float | None:
    """The learning rate that a strategy takes where it names none: a reference's own, else the backbone's; None where
    the record does not tell it and the backbone is not shipped."""
    first = _first_step(configuration.model)
    if first.get("step") == "reference":
        training = first.get("training")
        rate = training.get("learning_rate") if isinstance(training, dict) else None
        return rate if isinstance(rate, float | int) else None
    if configuration.backbone.learning_rate is not None:
        return configuration.backbone.learning_rate
    shipped = shipped_backbone(configuration.backbone.name)
    # Another's is then named in full.
    return None if shipped is None else shipped.learning_rate
