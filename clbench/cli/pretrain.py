"""``clbench pretrain``: distil a small encoder from a teacher over plain text."""

from __future__ import annotations

from pathlib import Path

import click

from clbench import console


@click.command()
@click.option(
    "--config", required=True, type=click.Path(path_type=Path), help="How to pre-train, e.g. baselines/pretrain/*.yaml."
)
@click.option(
    "--text",
    "texts",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Plain text, one sentence a line, .txt or .txt.gz; may be given several times.",
)
@click.option("--teacher", required=True, help="The encoder to learn from: a name, a YAML file, a folder or a hub id.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where checkpoints, curve and model go.")
@click.option("--text-licence", default="unknown", show_default=True, help="The text's licence, for the model card.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    config: Path,
    texts: tuple[Path, ...],
    teacher: str,
    out: Path,
    text_licence: str,
    as_json: bool,
) -> None:
    """Distil a small encoder from a teacher over plain text.

    The model lies in OUT/model, a Hugging Face folder that --backbone takes. Stopped or killed, the same command goes
    on from the last checkpoint, with the same result.

    clbench pretrain --config baselines/pretrain/distilled-12l-128.yaml --text sentences.txt.gz
    --teacher all-minilm-l6-v2 --out runs/pretrain
    """
    from clbench.pretrain import pretrain
    from clbench.schema.form import read_yaml
    from clbench.schema.pretrain import Pretraining

    form = read_yaml(config, Pretraining)
    with console.progress(quiet=as_json) as bar:
        task = bar.add_task("read the text", total=form.steps, unit="steps")

        def on_step(step: int) -> None:
            bar.update(task, completed=step, description=f"distil {form.name}")

        result = pretrain(form, list(texts), teacher, out, text_licence=text_licence, on_step=on_step)
        on_step(result["steps"])
    if as_json:
        console.print_json(result)
        return
    from rich.table import Table

    table = Table("figure", "value", title=f"{form.name} after {result['steps']} steps", title_justify="left")
    for name, value in result["held_out"].items():
        table.add_row(name.removeprefix("held_out_").replace("_", " ") + ", lines held out", f"{value:.3f}")
    table.add_row("minutes", f"{result['seconds'] / 60:.1f}")
    show = console.out()
    show.print(table)
    show.print(f"model   {result['model']}\ncurve   {out / 'curve.csv'}\nsha256  {result['sha256']}", soft_wrap=True)
