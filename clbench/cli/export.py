"""``clbench export``: a model in a format for devices, compared with itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clbench.runtime.console import out, print_json, progress


def examples_options(command: Any) -> Any:
    """The options that say whose test examples a model is asked."""
    real = "Real examples: DOMAIN/{train,validation,test}.*"
    size = "embedded, lite, full [default: the run's, or the stream's usual one]."
    whose = (
        "Whose test examples are asked [default: that of the run or of the export, or the first shipped one with the "
        "model's labels]."
    )
    for option in (
        click.option("--data-dir", type=click.Path(path_type=Path), help=real),
        click.option("--edition", help=size),
        click.option("--stream", metavar="NAME|FILE", help=whose),
    ):
        command = option(command)
    return command


@click.command("export")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "kind", required=True, type=click.Choice(["onnx", "onnx-int8"]), help="The format.")
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="The folder that is written.")
@examples_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    path: Path, kind: str, folder: Path, stream: str | None, edition: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Write a model as ONNX, and compare its predictions with the model's on every test example.

    PATH is a checkpoint's folder (clbench compress), or that of a run that kept its model (clbench run --keep-models
    end). onnx-int8: the weights of matrix products in 8 bits (onnxruntime's dynamic quantisation).

    clbench export my-model --to onnx --out my-model.onnx
    """
    from clbench.encoder.onnx import check_installed

    check_installed("onnx", "onnxscript", "onnxruntime")

    from clbench.metrics.format import percent
    from clbench.runs.exported import Examples, export

    with progress(quiet=as_json):
        made = export(path, kind, folder, Examples(stream, edition, data_dir))
    if as_json:
        print_json({"folder": str(made.folder), **made.as_json()})
        return
    from rich.table import Table

    show = out()
    table = Table("domain", "examples", "differing", "logits apart", "accuracy", "exported",
                  title=f"test examples of {made.stream}, {made.edition}", title_justify="left")  # fmt: skip
    for name, one in made.domains.items():
        numbers = (f"{one.examples:,}", f"{one.differing:,}", f"{one.largest:.1e}")
        table.add_row(name, *numbers, percent(one.accuracy), percent(one.exported_accuracy))
    show.print(table)
    show.print(
        f"{made.differing:,} of {made.examples:,} predictions differ   opset {made.opset}   inputs "
        f"{', '.join(made.inputs)} (batch, length), both free   {made.bytes:,} bytes\nmodel   {made.folder}",
        soft_wrap=True,
    )
