"""``clbench run``: a model is compressed, lives through a stream, and leaves its record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.cli.backbone import backbone_option
from clbench.cli.device import with_device
from clbench.cli.track import with_track
from clbench.errors import printable
from clbench.runtime.console import json_lines_option, out, print_json, progress
from clbench.runtime.events import log

if TYPE_CHECKING:
    from rich.progress import Progress

    from clbench.record import Record
    from clbench.runs.job import Job


@click.command("run")
@click.option(
    "--model",
    default="pkd-skip-6l",
    show_default=True,
    help="A recipe's name, its YAML file, or a checkpoint's folder.",
)
@click.option("--stream", default="nli-shift", show_default=True, help="A stream's name, or its YAML file.")
@click.option("--edition", help="embedded (offline), lite, full [default: embedded, or the only one; with --data-dir "
                                "the first real one].")  # fmt: skip
@click.option("--strategy", default="naive", show_default=True, help="A strategy's name, or its YAML file.")
@click.option("--order", metavar="ORDER",
              help="In which the domains are met: 0 as in the stream's file, n the n-th of its orders, reversed, or "
                   "their names, A,B,C; the model is compressed on the first.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE",
              help="Change a hyper-parameter of the strategy (lambda=100, training.epochs=1) or of the recipe's steps, "
                   "its teachers' included (finetune.epochs=1, distill.alpha=0.2; finetune.2.epochs=1 for the second "
                   "finetune of each recipe).")  # fmt: skip
@click.option("--quick", is_flag=True,
              help="A small run, to see that it works: at most 200/50/100 examples, one epoch; "
                   "the record says so.")  # fmt: skip
@backbone_option("A name, a YAML file, a folder or a hub id [default: the recipe's or edition's own].")
@click.option(
    "--labels", metavar="A,B", help="The labels of a checkpoint's head, in order, where its config.json names none."
)
@click.option("--seeds", default="0", show_default=True, help="One seed, or several: 0-2, or 0,4,7-9.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real examples: DOMAIN/{train,validation,test}.*")
@click.option("--eval-every", type=int, help="Evaluate every N optimizer steps inside an experience, too.")
@click.option("--random-baseline", is_flag=True,
              help="Ask the model with random weights, too, for forward transfer against it.")  # fmt: skip
@click.option(
    "--shift",
    type=float,
    default=1.0,
    show_default=True,
    help="How far domains shift, 0 to 1; needs a generated edition.",
)
@click.option("--budget", "budgets", multiple=True, metavar="NAME=VALUE",
              help="memory=BYTES that the strategy may hold, compute=TIMES the gradients that naive training takes; "
              "a track of its own.")  # fmt: skip
@click.option("--out", "folder", type=click.Path(path_type=Path), help="The run's folder [default: in runs/].")
@click.option("--fresh", is_flag=True, help="Begin again, whatever the folder holds of this run.")
@click.option("--keep-models", type=click.Choice(["end", "every"]),
              help="Write the model at the end of its life as a Hugging Face folder, RUN/models/end; every: also after "
              "each experience, RUN/models/after-0-mnli and so on.")  # fmt: skip
@click.option("--keep-checkpoints", is_flag=True,
              help="Keep the model after each experience for clbench explain, as RUN/models/after-0-mnli and so on; "
              "their size is told.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print figures and matrices as JSON instead of tables.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@json_lines_option
def command(
    model: str,
    stream: str,
    edition: str | None,
    strategy: str,
    order: str | None,
    assignments: tuple[str, ...],
    quick: bool,
    backbone: str | None,
    labels: str | None,
    seeds: str,
    data_dir: Path | None,
    eval_every: int | None,
    random_baseline: bool,
    shift: float,
    budgets: tuple[str, ...],
    folder: Path | None,
    fresh: bool,
    keep_models: str | None,
    keep_checkpoints: bool,
    as_json: bool,
    quiet: bool,
    json_lines: bool,
    **device: Any,
) -> None:
    """Compress a model, take it through a stream, write the record.

    Killed at any moment, the same command resumes where it stood; finished runs are only shown again.
    """
    from clbench.runs.folders import for_seeds
    from clbench.runs.job import make_job
    from clbench.runs.runner import run_seed
    from clbench.runtime.events import prefixed
    from clbench.schema.budget import read_budget
    from clbench.schema.changes import assigned
    from clbench.schema.seeds import parse_seeds
    from clbench.schema.spec import spec_of

    wanted = parse_seeds(seeds)
    if keep_checkpoints:
        keep_models = "checkpoints" if keep_models is None else "every"
    fields = {
        "edition": edition, "strategy": strategy, "order": order, "settings": assigned(assignments), "quick": quick,
        "backbone": backbone, "labels": _listed(labels), "data_dir": data_dir, "eval_every": eval_every, "shift": shift,
        "random_baseline": random_baseline, "budget": read_budget(budgets), **device,
    }  # fmt: skip
    records = []
    with progress(quiet, json_lines=json_lines) as display:
        job = make_job(spec_of(model, stream, fields))
        _warn(job, display, quiet, json_lines)
        places = for_seeds(job, wanted, folder)
        if fresh:
            _forget(job, places.values(), keep_models)
        try:
            for seed, place in places.items():
                with prefixed(f"seed {seed}: " if len(wanted) > 1 else ""):
                    records.append(run_seed(job, seed, place, keep_models=keep_models))
        except KeyboardInterrupt:
            if not fresh:
                raise
            raise KeyboardInterrupt("the same command without --fresh resumes from here") from None
    _show(records, _files(list(places.values()), records), as_json)
    if keep_checkpoints and not (quiet or json_lines):
        _tell_size(list(places.values()))


def _tell_size(places: Sequence[Path]) -> None:
    from clbench.runs.snapshots import held_on_disk

    size = sum(map(held_on_disk, places)) / 1e6
    click.echo(f"The models after each experience take {size:,.1f} MB on disk.", err=True)


def _show(records: Sequence[Record], files: Sequence[Path], as_json: bool) -> None:
    from clbench.record import report

    if as_json:
        print_json(report.as_json(records) | {"files": [str(file) for file in files]})
    else:
        report.print_report(records, out(), files, every=False)


def _forget(job: Job, places: Iterable[Path], keep_models: str | None) -> None:
    """All of them before the first one begins: what is there afterwards is this command's."""
    from clbench.runs.runner import forget
    from clbench.runs.snapshots import check_snapshots

    check_snapshots(keep_models, job)
    for place in places:
        forget(place)


def _listed(labels: str | None) -> tuple[str, ...] | None:
    return None if labels is None else tuple(label.strip() for label in labels.split(","))


def _files(places: Sequence[Path], records: Sequence[Record]) -> list[Path]:
    """What the runs have written; the curve of several seeds is drawn here."""
    from clbench.record import RECORD_NAME
    from clbench.runs.snapshots import snapshot_folders

    files = [place / RECORD_NAME for place in places]
    if len(records) > 1:
        from clbench.plots import forgetting_curve

        files += forgetting_curve(records, places[0].parent / "forgetting")
    else:
        files += [places[0] / "forgetting.png", places[0] / "forgetting.svg"]
    return files + [model for place in places for model in snapshot_folders(place)]


def _warn(job: Job, display: Progress, quiet: bool, json_lines: bool) -> None:
    """What should be known before anything is trained; the report tells it again, with what was seen on the way."""
    from clbench.compression.outline import depth_note
    from clbench.record import report

    if json_lines:
        for warning in (*job.warnings, *job.data_warnings):
            log.warning("%s", warning.sentence)
        return
    for warning in job.warnings:
        click.echo(f"clbench: warning: {printable(warning.sentence)}", err=True)
    if quiet:
        return
    report.print_warnings([warning.sentence for warning in job.data_warnings], display.console)
    if (note := depth_note(job.plan(0))) is not None:
        display.console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)


with_track(with_device(command, exposed=True), "run")
