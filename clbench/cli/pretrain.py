"""``clbench pretrain``: make a small encoder from plain text, with a teacher or without."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import click

from clbench.cli.device import with_device
from clbench.errors import UserError
from clbench.runtime import console


@click.command("pretrain")
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
@click.option("--teacher", help="The encoder to learn from: a name, a YAML file, a folder or a hub id.")
@click.option("--tokenizer", help="The backbone whose tokenizer is used [default: the teacher's].")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where checkpoints, curve and model go.")
@click.option("--text-licence", default="unknown", show_default=True, help="The text's licence, for the model card.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.json_lines_option
def command(
    config: Path,
    texts: tuple[Path, ...],
    teacher: str | None,
    tokenizer: str | None,
    out: Path,
    text_licence: str,
    as_json: bool,
    json_lines: bool,
    device: str,
    precision: str,
    deterministic: bool,
    micro_batch: str | None,
) -> None:
    """Make a small encoder from plain text: by masked words, by distillation from a teacher, or both.

    The model lies in OUT/model, a Hugging Face folder that --backbone takes. Stopped or killed, the same command goes
    on from the last checkpoint, with the same result.

    clbench pretrain --config baselines/pretrain/clbench-tiny-12l.yaml --text sentences.txt.gz
    --teacher all-minilm-l6-v2 --out runs/pretrain
    """
    from clbench.pretrain import pretrain
    from clbench.runs.runner import sole_use
    from clbench.runtime.device import VARIABLES, choose
    from clbench.schema.form import read_yaml
    from clbench.schema.pretrain import Pretraining

    form = read_yaml(config, Pretraining)
    if micro_batch is not None:
        raise UserError("--micro-batch is for fine-tuning; give a smaller batch_size in the configuration.")
    place = choose(device, precision, deterministic)
    if precision != "auto" or os.environ.get(VARIABLES["precision"], "auto") != "auto":
        form = form.model_copy(update={"precision": place.precision})
    # Of the processes that accelerate starts, the first one alone speaks.
    speaks = os.environ.get("RANK", "0") == "0"
    alone = sole_use(out) if speaks else nullcontext()
    with console.progress(quiet=as_json or not speaks, json_lines=json_lines and speaks), alone:
        result = pretrain(
            form, list(texts), teacher, out,
            tokenizer=tokenizer, text_licence=text_licence, device=place.name,
        )  # fmt: skip
    if not speaks:
        return
    if as_json:
        console.print_json(result)
        return
    from rich.table import Table

    from clbench.pretrain.card import by_figure

    depths, figures = by_figure(result["held_out"])
    title = f"{form.name} after {result['steps']} steps, on lines held out, every other layer left out"
    table = Table("figure", *(f"{depth} layers" for depth in depths), title=title, title_justify="left")
    for name, values in figures.items():
        table.add_row(name, *(f"{value:.3f}" for value in values))
    show = console.out()
    show.print(table)
    show.print(
        f"minutes {result['seconds'] / 60:.1f}\nmodel   {result['model']}\ncurve   {out / 'curve.csv'}, curve.png\n"
        f"sha256  {result['sha256']}",
        soft_wrap=True,
    )


with_device(command, exposed=True)
