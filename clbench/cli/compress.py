"""``clbench compress``: a recipe's model as a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.cli.backbone import backbone_option
from clbench.cli.device import with_device
from clbench.cli.push import target_if_asked, target_options, tell
from clbench.cli.track import with_track
from clbench.runtime.console import json_lines_option, out, print_json, progress, tell_after

if TYPE_CHECKING:
    from clbench.encoder.push import Sent, Target
    from clbench.runs.compressed import Written


@click.command("compress")
@click.option("--model", required=True, help="A recipe's name, or its YAML file.")
@click.option("--domain", required=True, help="The domain that it is made on, say mrpc, or its YAML file.")
@click.option("--stream", help="The stream that has the domain: a name, or a YAML file [default: any that is shipped].")
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="The checkpoint's folder.")
@click.option("--edition", help="embedded (offline), lite, full [default: embedded, or the only one; with --data-dir "
                                "the first real one].")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="STEP.NAME=VALUE",
              help="Change a setting of the recipe's steps, its teachers' included: finetune.epochs=1.")  # fmt: skip
@click.option("--quick", is_flag=True, help="A small run, to see that it works: at most 200 examples, one epoch.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real examples: DOMAIN/{train,validation,test}.*")
@backbone_option("A name, a YAML file, a folder or a hub id [default: the recipe's or edition's own].")
@click.option("--seed", default=0, show_default=True, help="The seed of everything random.")
@click.option("--push", metavar="OWNER/NAME", help="Send it to the Hugging Face hub, see clbench push.")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@json_lines_option
def command(
    model: str,
    domain: str,
    stream: str | None,
    folder: Path,
    edition: str | None,
    assignments: tuple[str, ...],
    quick: bool,
    data_dir: Path | None,
    backbone: str | None,
    seed: int,
    push: str | None,
    as_json: bool,
    json_lines: bool,
    **commit: Any,
) -> None:
    """Make a compressed model and write it as a Hugging Face folder.

    AutoModelForSequenceClassification.from_pretrained loads it, and so does clbench run --model FOLDER.

    clbench compress --model pkd-skip-6l --domain mrpc --out my-model

    Examples of your own: --domain NAME --stream MY-STREAM.yaml, or --domain MY-DOMAIN.yaml, with --data-dir FOLDER.
    """
    from clbench.encoder.push import check_access
    from clbench.schema.changes import assigned
    from clbench.schema.recipe import read_recipe
    from clbench.schema.stream import read_alone

    # Before torch is imported: a name mistyped is told at once.
    read_recipe(model)
    read_alone(domain, stream)
    settings = assigned(assignments)

    target = target_if_asked(push, commit)
    if target is not None:
        check_access(target)  # before anything is trained

    from clbench.runs.compressed import DomainPairs, write_compressed
    from clbench.runs.tracking import compression_of, tracked
    from clbench.schema.tracker import Outcome, asked

    told = {
        "model": model, "domain": domain, "stream": stream, "edition": edition, "settings": settings, "quick": quick,
        "backbone": backbone, "seed": seed,
    }  # fmt: skip
    whole = folder.resolve()
    beside = whole.with_name(f"{whole.name}.tracking")  # the checkpoint's folder appears whole or not at all
    with progress(quiet=as_json, json_lines=json_lines), tracked(lambda: compression_of(told, beside), asked()) as on:
        made = write_compressed(
            model, DomainPairs(domain, stream, edition, data_dir), folder,
            settings=settings, quick=quick, backbone=backbone, seed=seed,
        )  # fmt: skip
        spent = {f"cost/{name}": float(value) for name, value in made.cost.items()}
        on.finish(Outcome({**made.figures, **spent}, files=(folder / "README.md",)))
    tell_after([f"clbench: warning: {one}" for one in made.warnings], json_lines)
    sent = None if target is None else _sent(folder, target)
    if as_json:
        content = {
            "folder": str(made.folder), "edition": made.edition, "sha256": made.sha256,
            "figures": dict(made.figures), "cost": dict(made.cost),
        }  # fmt: skip
        print_json(content if sent is None else content | {"url": sent.url, "commit": sent.commit})
        return
    _show(made)
    if target is not None and sent is not None:
        tell(target, sent, as_json)


def _sent(folder: Path, target: Target) -> Sent:
    from clbench.encoder.push import send
    from clbench.runs.push import package

    return send(target, package(folder, target).files)


def _show(made: Written) -> None:
    from clbench.metrics.format import percent

    figures, cost = made.figures, made.cost
    show = out()
    show.print(
        f"accuracy {percent(figures['accuracy'])}%   balanced {percent(figures['balanced_accuracy'])}%   majority "
        f"{percent(figures['majority'])}%   {cost['depth']} layers   {cost['parameters'] / 1e6:.1f} M parameters"
    )
    if made.note is not None:
        show.print(made.note, style="yellow", highlight=False, markup=False, soft_wrap=True)
    show.print(f"model   {made.folder}\nsha256  {made.sha256}", soft_wrap=True)


with_track(with_device(command), "compress")
