"""``clbench compress``: a recipe's model as a checkpoint folder."""

from __future__ import annotations

from pathlib import Path

import click

from clbench.console import out, print_json, progress


@click.command("compress")
@click.option("--model", required=True, help="A recipe's name, or its YAML file.")
@click.option("--domain", required=True, help="The domain that it is made on, say mrpc.")
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="The checkpoint's folder.")
@click.option("--edition", default="embedded", show_default=True, help="embedded (offline), lite or full.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real pairs: DOMAIN/{train,validation,test}.*")
@click.option("--backbone", help="A name, a YAML file, a folder or a hub id [default: the recipe's or edition's own].")
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    model: str,
    domain: str,
    folder: Path,
    edition: str,
    data_dir: Path | None,
    backbone: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Make a compressed model and write it as a Hugging Face folder.

    AutoModelForSequenceClassification.from_pretrained loads it, and so does clbench run --model FOLDER.

    clbench compress --model pkd-skip-6l --domain mrpc --out my-model
    """
    from clbench.checkpoint import write_compressed

    with progress(quiet=as_json) as bars:
        tasks = {}

        def on_step(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, unit="pairs")
            bars.update(tasks[name], completed=done)

        made = write_compressed(
            model, domain, folder, edition=edition, data_dir=data_dir, backbone=backbone, seed=seed, on_step=on_step
        )
    if as_json:
        print_json(
            {"folder": str(made.folder), "sha256": made.sha256, "figures": dict(made.figures), "cost": dict(made.cost)}
        )
        return
    figures, cost = made.figures, made.cost
    show = out()
    show.print(
        f"accuracy {100 * figures['accuracy']:.1f}%   balanced {100 * figures['balanced_accuracy']:.1f}%   majority "
        f"{100 * figures['majority']:.1f}%   {cost['depth']} layers   {cost['parameters'] / 1e6:.1f} M parameters"
    )
    show.print(f"model   {made.folder}\nsha256  {made.sha256}", soft_wrap=True)
