"""The models of a life as Hugging Face folders: what ``clbench run --keep-models`` and ``--keep-checkpoints`` leave
beside the record."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench import __version__
from clbench.errors import UserError
from clbench.schema.form import parse
from clbench.schema.shipped import expanded, names
from clbench.schema.spec import RunSpec
from clbench.storage.writing import write_whole

if TYPE_CHECKING:
    import numpy as np

    from clbench.compression.execute import Compressed
    from clbench.continual import Point
    from clbench.record import Record
    from clbench.runs.job import Job

# What may be kept: the model at the end, also the one after each experience, or these alone.
KEEP = ("end", "every", "checkpoints")
FOLDER = "models"
# Beside them: what the run was asked for, from which its examples can be had again.
SPEC = "spec.json"
_NAME = re.compile(r"end|after-\d+-.+")


def check_snapshots(keep: str | None, job: Job) -> None:
    """Refuse what cannot be kept.

    Raises:
        UserError: ``keep`` is none of :data:`KEEP`, or the recipe makes no encoder.
    """
    if keep is None:
        return
    if keep not in KEEP:
        raise UserError(f"--keep-models should be {' or '.join(KEEP[:2])}, but is {keep!r}.")
    if not job.strategy.one_model:
        raise UserError(
            f"strategy '{job.strategy.name}' ({job.strategy.method}) has no one model that answers for all domains; "
            "leave --keep-models out."
        )
    if not job.recipe.form.has_encoder:
        raise UserError(
            f"{job.recipe.form.name} is a reference without an encoder, which no Hugging Face checkpoint can hold; "
            f"leave {option(keep).split()[0]} out."
        )


def option(keep: str) -> str:
    """The option of ``clbench run`` that asks for what is kept.

    >>> option("every"), option("checkpoints")
    ('--keep-models every', '--keep-checkpoints')
    """
    return "--keep-checkpoints" if keep == "checkpoints" else f"--keep-models {keep}"


def snapshot_folders(run: Path) -> list[Path]:
    """The folders of models in a run's folder: ``after-0-...`` first, ``end`` last."""
    found = [path.parent for path in (run / FOLDER).glob("*/config.json") if _NAME.fullmatch(path.parent.name)]
    return sorted(found, key=lambda path: (path.name == "end", _number(path.name), path.name))


def missing_snapshots(run: Path, keep: str, experiences: list[tuple[int, str]], fingerprint: str) -> list[str]:
    """The names of the folders that a finished run should hold and does not.

    Args:
        run: its folder.
        keep: one of :data:`KEEP`.
        experiences: number and name of each.
        fingerprint: the run's; the models of another run count as missing.
    """
    wanted = [_after(number, name) for number, name in experiences if keep != "end"]
    wanted += ["end"] if keep != "checkpoints" else []
    return [name for name in wanted if not _holds(run / FOLDER / name, fingerprint)]


@dataclass(frozen=True)
class SnapshotWriter:
    """Writes the model of one life, which is changed in place, as it goes.

    Attributes:
        job, seed, fingerprint: the run's.
        compressed: its model, living.
        gold: for each domain the class of each test example, int64 arrays.
        run: its folder.
        keep: one of :data:`KEEP`.
    """

    job: Job
    seed: int
    fingerprint: str
    compressed: Compressed
    gold: dict[str, np.ndarray]
    run: Path
    keep: str

    def has(self, point: Point) -> bool:
        """Whether nothing is missing of what should have been written after an experience."""
        name = _after(point.experience, point.name)
        return self.keep == "end" or _holds(self.run / FOLDER / name, self.fingerprint)

    def write(self, point: Point) -> None:
        """After an experience, which left ``point``.

        Raises:
            UserError: the folder cannot be written.
        """
        if self.keep != "end":
            self._write(_after(point.experience, point.name), point)

    def write_end(self, point: Point) -> None:
        """After the last experience, which left ``point``. One that lies there already may be of other packages."""
        if self.keep != "checkpoints":
            self._write("end", point)

    def _write(self, name: str, point: Point) -> None:
        from clbench.encoder.export import write_classifier

        hf, labels = self.compressed.encoder.hf, self.job.stream.form.label_space
        hf.config.id2label = dict(enumerate(labels))
        hf.config.label2id = {label: number for number, label in enumerate(labels)}
        folder = self.run / FOLDER / name
        write_spec(self.run, self.job)
        write_classifier(hf, self.job.backbone.folder, self.job.max_length, self._card(name, point), folder)

    def _card(self, name: str, point: Point) -> str:
        """Markdown; that of a model which is evaluated in int8 says so."""
        from clbench.encoder.card import Scored, table
        from clbench.encoder.quantize import is_int8
        from clbench.metrics.format import percent
        from clbench.metrics.scores import accuracy, balanced_accuracy
        from clbench.runs.card import INT8_NOTE, cut_at, recipe_card

        job = self.job
        parameters = sum(parameter.numel() for parameter in self.compressed.encoder.hf.parameters())
        scores = [
            Scored(domain, accuracy(self.gold[domain], said), balanced_accuracy(self.gold[domain], said), self.seed)
            for domain, said in point.predictions.items()
        ]
        more = table(
            ["test examples of", "trained on", "accuracy", "balanced accuracy"],
            [
                (
                    one.domain, "yes" if one.domain in point.met else "no", f"{percent(one.accuracy)}%",
                    f"{percent(one.balanced_accuracy)}%",
                )
                for one in scores
            ],
            numbers=2,
        )  # fmt: skip
        if is_int8(self.compressed.model):
            more += INT8_NOTE
        facts = {
            "trained on": f"{', '.join(point.met)}, in this order ({job.edition} edition), seed {self.seed}",
            "optimizer steps since inception": f"{point.step:,}",
            "tokens an example": cut_at(job.max_length),
            "parameters": f"{parameters:,}",
            **self._told_apart(point),
            "run": self.fingerprint,
        }
        return recipe_card(
            f"{job.recipe.form.name}, {'at the end of its life' if name == 'end' else f'after {point.name}'}",
            f"Made by clbench {__version__} with the recipe `{job.recipe.form.name}`; then it lived through the stream "
            f"`{job.stream.form.name}` under the strategy `{job.strategy.name}`.",
            job.recipe,
            job.backbone,
            facts,
            scores,
            more,
        )

    def _told_apart(self, point: Point) -> dict[str, str]:
        """Which of the logits are compared, where that is not all of them: whoever loads the folder gets every one."""
        if not self.job.closes_classes:
            return {}
        space = self.job.stream.form.label_space
        known = {d: ", ".join(space[c] for c in self.job.open_classes(point.met, d)) for d in point.predictions}
        alike = len(set(known.values())) == 1
        told = next(iter(known.values())) if alike else "; ".join(f"on {d}: {names}" for d, names in known.items())
        return {"classes told apart": told}


def write_spec(run: Path, job: Job) -> None:
    """Write into a run's folder what it was asked for, with whole paths, so that it can be read from anywhere.

    Raises:
        UserError: the file cannot be written.
    """
    spec = job.spec
    paths: dict[str, Any] = {"data_dir": None if spec.data_dir is None else spec.data_dir.resolve()}
    for name in ("model", "stream", "strategy", "backbone"):
        value = getattr(spec, name)
        if value is not None and value not in names(name) and expanded(value).exists():
            paths[name] = str(expanded(value).resolve())
    write_whole(run / FOLDER / SPEC, spec.model_copy(update=paths).model_dump_json(indent=1) + "\n")


def read_spec(run: Path) -> RunSpec | None:
    """What the run in ``run`` was asked for; None where that was not kept.

    Raises:
        UserError: the file is no such value.
    """
    from clbench.encoder.hf_folder import read_json

    file = run / FOLDER / SPEC
    return parse(read_json(file, str(run)), RunSpec, str(file)) if file.exists() else None


def kept_at_end(path: Path) -> tuple[Path, list[tuple[Path, Record]]]:
    """The model that a run kept at its end, of the seeds of one run the first that did; and all of the run's records
    with their files.

    Args:
        path: the folder of a run, or of its seeds.

    Raises:
        UserError: there is no finished run, there are several, or none kept its model.
    """
    from clbench.record import grouped, read_record
    from clbench.runs.folders import finished_runs

    found = [(file, read_record(file)) for file in finished_runs([path], whole=True)]
    if len(grouped([record for _, record in found])) > 1:
        one = found[0][0].parent
        raise UserError(
            f"{path} holds records of several runs; give the folder of one run, such as {one}, or of its seeds."
        )
    for file, _ in found:
        model = file.parent / FOLDER / "end"
        if (model / "config.json").is_file():
            return model, found
    raise UserError(
        f"{path} kept no model; make the run again with --fresh --keep-models end, or give a checkpoint's folder."
    )


def after_folders(run: Path, fingerprint: str) -> dict[int, Path]:
    """The folders of the models after each experience of the run with this fingerprint, by its number."""
    found = [folder for folder in snapshot_folders(run) if folder.name.startswith("after-")]
    return {_number(folder.name): folder for folder in found if _holds(folder, fingerprint)}


def clear_snapshots(run: Path, but: str = "") -> None:
    """Remove the models that runs have kept in a run's folder, and nothing else that somebody may keep there.

    Args:
        but: the fingerprint of a run whose models stay.
    """
    for folder in snapshot_folders(run):
        if _holds(folder, "") and not (but and _holds(folder, but)):
            shutil.rmtree(folder, ignore_errors=True)
    if not but and not snapshot_folders(run):
        with suppress(OSError):  # not there, or something else is in it
            (run / FOLDER / SPEC).unlink(missing_ok=True)
            (run / FOLDER).rmdir()


def held_on_disk(run: Path) -> int:
    """Bytes that the models in a run's folder take."""
    return sum(file.stat().st_size for folder in snapshot_folders(run) for file in folder.iterdir())


def _after(number: int, name: str) -> str:
    return f"after-{number}-{name}"


def _number(name: str) -> int:
    number = name.removeprefix("after-").partition("-")[0]
    return int(number) if number.isdigit() else 0


def _holds(folder: Path, fingerprint: str) -> bool:
    """Whether a folder, which is there whole or not at all, is there and of this run, which its card names; of any run
    where the fingerprint is empty."""
    told = f"| run | {fingerprint}{' |' if fingerprint else ''}"
    try:
        return told in (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
