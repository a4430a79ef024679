"""What a run has left to look into: its record, its models after each experience, and its examples once more."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.errors import UserError
from clbench.record import Record
from clbench.runs.snapshots import after_folders, missing_snapshots, read_spec, snapshot_folders
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import STRATEGIES
from clbench.schema.stream import QUICK

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.data.pairs import DomainData
    from clbench.encoder.backbone import Backbone
    from clbench.encoder.classifier import Classifier
    from clbench.encoder.tokens import TokenStore
    from clbench.runtime.device import Device


@dataclass(frozen=True)
class Limits:
    """How many examples of a domain are looked at, at most; drawn alike for every run, seed and machine.

    Attributes:
        test: of its test part, for states, units and what a probe is scored on.
        train: of its training part, for training a probe.
    """

    test: int = 500
    train: int = 1000


@dataclass(frozen=True)
class Examples:
    """Examples of a run as tokens.

    Attributes:
        store: the tokens.
        rows, labels: int64 (N,) each, by domain and part (``train``, ``test``): rows of the store, and classes.
        places: int64 (N,), by domain, which of the domain's test examples they are, ascending.
    """

    store: TokenStore
    rows: Mapping[tuple[str, str], np.ndarray]
    labels: Mapping[tuple[str, str], np.ndarray]
    places: Mapping[str, np.ndarray]


def why_not(run: Path, record: Record) -> str | None:
    """Why a run's models cannot be looked into, in a sentence that says what would help; None where they can."""
    if record.cost.depth == 0:
        return f"{record.names[0]} is a reference without an encoder: it has no layers to look into."
    method = STRATEGIES.all().get(str(record.configuration.strategy.get("method")))
    if method is not None and not method.one_model:
        return (
            f"{record.names[2]} keeps a model for each domain and none that answers for all, so that there is no one "
            "model to look into."
        )
    experiences = [(point.experience, point.name) for point in record.points if point.final]
    missing = missing_snapshots(run, "checkpoints", experiences, record.configuration.fingerprint)
    if missing:
        return (
            f"{run} has not kept its models after each experience ({', '.join(missing)}), so that drift, probes, "
            "weights and active units cannot be told; clbench run --keep-checkpoints --fresh keeps them."
        )
    return None


def spec_of_run(run: Path, record: Record, data_dir: Path | None) -> RunSpec:
    """What the run was asked for: as it was kept beside its models, or else as its record tells it.

    Args:
        data_dir: where the examples of a real edition lie now, where that is elsewhere.
    """
    found = read_spec(run)
    if found is None:
        told = record.configuration
        order = ",".join(record.order) if told.file_order else None
        edition, quick = told.edition, told.edition.endswith(QUICK)
        found = RunSpec(
            stream=record.names[1], edition=edition.removesuffix(QUICK), quick=quick, order=order, shift=told.shift
        )
    return found if data_dir is None else found.model_copy(update={"data_dir": data_dir})


def open_examples(run: Path, record: Record, data_dir: Path | None, limits: Limits, device: Device) -> Examples:
    """The run's examples, as many as the limits allow, tokenised as its models read them.

    Raises:
        UserError: they cannot be had, or are others than those of the run.
    """
    from clbench.data.load import load
    from clbench.data.subsets import ranking
    from clbench.encoder.tokens import TokenStore, pack
    from clbench.runs.job import stream_of

    spec = spec_of_run(run, record, data_dir)
    stream, edition = stream_of(spec)
    loaded = {one.name: one for one in load(stream, edition, data_dir=spec.data_dir, shift=spec.shift)}
    _check_same(run, record, loaded)
    rows, labels, places, parts, begin = {}, {}, {}, [], 0
    for domain in record.data:
        for part, most in (("test", limits.test), ("train", limits.train)):
            pairs = loaded[domain.name].splits.get(part)
            if pairs is None:
                continue
            chosen = np.sort(ranking(f"{domain.name}/{part}/explain", len(pairs))[:most])
            parts.append(pairs.select(chosen))
            rows[domain.name, part] = begin + np.arange(len(chosen))
            labels[domain.name, part] = pairs.labels[chosen]
            begin += len(chosen)
            if part == "test":
                places[domain.name] = chosen
    tokenizer = _opened(snapshot_folders(run)[0]).tokenizer()
    # Each by itself: a stream may have pairs and single sentences, whose templates differ.
    packed = [pack(tokenizer, pairs.first, pairs.second, record.configuration.max_length) for pairs in parts]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([one.lengths for one in packed]))])
    ids, seconds = (np.concatenate([np.asarray(getattr(one, name)) for one in packed]) for name in ("ids", "seconds"))
    return Examples(TokenStore(ids, offsets, seconds, packed[0].template, device), rows, labels, places)


def _check_same(run: Path, record: Record, loaded: Mapping[str, DomainData]) -> None:
    for domain in record.data:
        for part, told in domain.splits.items():
            found = loaded[domain.name].splits.get(part) if domain.name in loaded else None
            if found is None or found.digest() != told.digest:
                raise UserError(
                    f"{run}: the {part} examples of {domain.name} are not those that the run was made on; name the "
                    "folder that has them with --data-dir, or make the run again."
                )


def models(run: Path, record: Record, store: TokenStore) -> Iterator[tuple[Classifier, dict[str, Tensor]]]:
    """The model after each experience, in order, in evaluation mode; with its weights, on the CPU, by their names in
    ``model.hf``.

    Raises:
        UserError: a folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folders = after_folders(run, record.configuration.fingerprint)
    model = model_in(folders[0], record, store)
    for number in sorted(folders):
        file = folders[number] / "model.safetensors"
        try:
            weights = load_file(file)
            model.hf.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UserError(f"{file}: should hold the weights of the run's model, but is damaged; make the run again "
                            "with --keep-checkpoints --fresh.") from error  # fmt: skip
        yield copy.deepcopy(model), weights


def model_in(folder: Path, record: Record, store: TokenStore) -> Classifier:
    """The model in one of a run's folders of models, in evaluation mode.

    Raises:
        UserError: the folder is damaged.
    """
    return _opened(folder).trained(record.label_space).with_tokens(store).eval()


def _opened(folder: Path) -> Backbone:
    from clbench.encoder.backbone import open_backbone

    return open_backbone(folder)
